// Converts an order as written by a strategy to the loop's form.
#include "bindings/py_trading_loop.hpp"

namespace onetape {

OrderRef PyTradingLoop::place_wanted(WantedOrder& wanted, nb::handle symbol, int side_number,
                                     nb::handle qty, nb::handle price, bool post_only,
                                     bool reduce_only, const std::string& tif, nb::handle trigger,
                                     const std::string& trigger_by, nb::handle trigger_kind,
                                     nb::handle side, nb::handle expire, const std::string& tag) {
    Instrument& instrument = find(symbol);
    const InstrumentSpec& facts = instrument.spec;
    OrderSpec& order = wanted.spec;
    order.side = static_cast<Side>(side_number);
    order.tag = tag;
    if (tif == "GTC")
        order.tif = TimeInForce::gtc;
    else if (tif == "IOC")
        order.tif = TimeInForce::ioc;
    else if (tif == "FOK")
        order.tif = TimeInForce::fok;
    else if (tif == "GTD")
        order.tif = TimeInForce::gtd;
    else
        throw nb::value_error("tif must be GTC, IOC, FOK or GTD");
    if (!expire.is_none()) {
        order.expire_ns = nb::cast<std::int64_t>(expire);
        order.tif = TimeInForce::gtd;
    }
    if (post_only) order.flags |= order_post_only;
    if (reduce_only) order.flags |= order_reduce_only;
    if (!price.is_none()) {
        order.type = OrderType::limit;
        wanted.has_price =
            units_of(price, facts.price_decimals, facts.tick,
                     order.side == Side::sell ? Rounding::up : Rounding::down, order.price);
    }
    if (!trigger.is_none()) {
        wanted.wants_trigger = true;
        wanted.has_trigger =
            units_of(trigger, facts.price_decimals, facts.tick, Rounding::nearest, order.trigger);
        if (trigger_by == "last")
            order.trigger_by = TriggerBy::last;
        else if (trigger_by == "mark")
            order.trigger_by = TriggerBy::mark;
        else if (trigger_by == "index")
            order.trigger_by = TriggerBy::index;
        else
            throw nb::value_error("trigger_by must be last, mark or index");
    }
    if (!trigger_kind.is_none()) {
        const std::string text = nb::cast<std::string>(trigger_kind);
        if (trigger.is_none()) throw nb::value_error("kind needs a trigger");
        if (text != "stop" && text != "take_profit")
            throw nb::value_error("kind must be stop or take_profit");
        order.flags = with_trigger_kind(
            order.flags, text == "stop" ? TriggerKind::stop : TriggerKind::take_profit);
    }
    order.position_side = PyTradingLoop::position_side(side, "position_side");
    wanted.has_qty =
        units_of(qty, facts.size_decimals, lot_of(facts, order.type), Rounding::down, order.size);
    return send(instrument, wanted, [&] { return nb::cast<std::string>(nb::str(qty)); });
}

}  // namespace onetape
