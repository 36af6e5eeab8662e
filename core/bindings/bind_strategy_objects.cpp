// The objects beside market events that a strategy sees: orders, fills, positions, books.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "bindings/int128_cast.hpp"
#include "bindings/robot.hpp"
#include "engine/reasons.hpp"
#include "exchange/forced.hpp"

namespace onetape {
namespace {

constexpr const char* state_names[] = {
    "",       "INITIALIZED",    "SUBMITTED", "ACCEPTED",       "PARTIALLY_FILLED",
    "FILLED", "PENDING_CANCEL", "CANCELED",  "PENDING_UPDATE", "REJECTED",
    "DENIED", "EXPIRED",        "TRIGGERED", "UNKNOWN"};
constexpr const char* side_names[] = {"none", "buy", "sell"};
constexpr const char* type_names[] = {"", "limit", "market"};
constexpr const char* tif_names[] = {"", "GTC", "IOC", "FOK", "GTD"};
constexpr const char* trigger_kind_names[] = {"none", "stop", "take_profit", "trailing"};
constexpr const char* position_side_names[] = {"both", "long", "short"};
constexpr const char* liquidity_names[] = {"none", "maker", "taker"};

// Names are interned once: attribute reads compare and hash them by identity.
nb::object name_of(const char* const* names, unsigned index) {
    return nb::steal(PyUnicode_InternFromString(names[index]));
}
template <class Enum>
nb::object name_of(const char* const* names, Enum value) {
    return name_of(names, static_cast<unsigned>(value));
}

double price_of(const Instrument& instrument, std::int64_t units) {
    return static_cast<double>(units) / instrument.price_scale;
}
double size_of(const Instrument& instrument, std::int64_t units) {
    return static_cast<double>(units) / instrument.size_scale;
}
double money_of(Money amount) {
    return static_cast<double>(amount) / 1e18;
}

nb::object optional_price(const Instrument& instrument, std::int64_t units) {
    return units == 0 ? nb::object(nb::none())
                      : nb::object(nb::float_(price_of(instrument, units)));
}

// onetape/model/ids.py defines the form of ids. Without a gateway, a run is the first incarnation
// of its robot.
nb::object client_id_of(const Order& order) {
    constexpr std::uint64_t first = std::uint64_t{1} << epoch_bits;
    return nb::module_::import_("onetape.model.ids")
        .attr("client_id_of_order")(order.instrument->robot_tag,
                                    order.id < first ? first | order.id : order.id);
}

nb::object level_of(const BookView& view, BookLevel level) {
    return nb::make_tuple(static_cast<double>(level.price) / view.price_scale,
                          static_cast<double>(level.size) / view.size_scale);
}

nb::list levels_of(const BookView& view, Side side, std::size_t wanted) {
    nb::list levels;
    if (wanted == 0 || !view.book().synced()) return levels;
    view.book().side(side).walk([&](const BookLevel& level) {
        levels.append(level_of(view, level));
        return levels.size() < wanted;
    });
    return levels;
}

}  // namespace

void bind_strategy_objects(nb::module_& m) {
    nb::class_<Order>(m, "Order", "One order as the robot knows it; a live view.")
        .def_prop_ro(
            "id", [](const Order& o) { return o.id; }, nb::sig("def id(self) -> int"),
            "The order's number within its robot.")
        .def_prop_ro("client_id", &client_id_of, nb::sig("def client_id(self) -> str"),
                     "Client order id sent to the venue, at most 36 characters.")
        .def_prop_ro(
            "venue_id",
            [](const Order& o) -> nb::object {
                if (o.venue_id == 0) return nb::none();
                return nb::str(std::to_string(o.venue_id).c_str());
            },
            nb::sig("def venue_id(self) -> str | None"),
            "The venue's id. None: the venue has not answered, or gives none.")
        .def_prop_ro(
            "symbol", [](const Order& o) { return o.instrument->symbol; },
            nb::sig("def symbol(self) -> str"), "The instrument, as `binance:BTC/USDT:USDT`.")
        .def_prop_ro(
            "side", [](const Order& o) { return name_of(side_names, o.side); },
            nb::sig("def side(self) -> str"), "Side: \"buy\" or \"sell\".")
        .def_prop_ro(
            "position_side",
            [](const Order& o) { return name_of(position_side_names, o.position_side); },
            nb::sig("def position_side(self) -> str"),
            "Position that it changes: \"both\"; in hedge mode \"long\" or \"short\".")
        .def_prop_ro(
            "type", [](const Order& o) { return name_of(type_names, o.type); },
            nb::sig("def type(self) -> str"), "Type: \"limit\" or \"market\".")
        .def_prop_ro(
            "tif", [](const Order& o) { return name_of(tif_names, o.tif); },
            nb::sig("def tif(self) -> str"), "Time in force: \"GTC\", \"IOC\", \"FOK\" or \"GTD\".")
        .def_prop_ro(
            "price", [](const Order& o) { return optional_price(*o.instrument, o.price); },
            nb::sig("def price(self) -> float | None"),
            "Limit price [price]. None: a market order.")
        .def_prop_ro(
            "trigger", [](const Order& o) { return optional_price(*o.instrument, o.trigger); },
            nb::sig("def trigger(self) -> float | None"),
            "Trigger price [price]. None: the order has no trigger.")
        .def_prop_ro(
            "kind",
            [](const Order& o) -> nb::object {
                const TriggerKind kind = trigger_kind_of(o.flags);
                if (kind == TriggerKind::none) return nb::none();
                return name_of(trigger_kind_names, kind);
            },
            nb::sig("def kind(self) -> str | None"),
            "Kind of its trigger: \"stop\", \"take_profit\" or \"trailing\". None: the order has "
            "no trigger.")
        .def_prop_ro(
            "qty", [](const Order& o) { return size_of(*o.instrument, o.size); },
            nb::sig("def qty(self) -> float"), "Quantity, amendments included [qty].")
        .def_prop_ro(
            "filled", [](const Order& o) { return size_of(*o.instrument, o.filled); },
            nb::sig("def filled(self) -> float"), "Filled quantity [qty].")
        .def_prop_ro(
            "remaining", [](const Order& o) { return size_of(*o.instrument, o.remaining()); },
            nb::sig("def remaining(self) -> float"), "Quantity that can still be filled [qty].")
        .def_prop_ro(
            "average_price",
            [](const Order& o) -> nb::object {
                if (o.filled == 0) return nb::none();
                return nb::float_(static_cast<double>(o.cost) / static_cast<double>(o.filled) /
                                  o.instrument->price_scale);
            },
            nb::sig("def average_price(self) -> float | None"),
            "Average price of its fills, weighted by size [price]. None: no fill has been "
            "reported.")
        .def_prop_ro(
            "post_only", [](const Order& o) { return (o.flags & order_post_only) != 0; },
            nb::sig("def post_only(self) -> bool"),
            "True: the venue refuses it if it would take liquidity.")
        .def_prop_ro(
            "reduce_only", [](const Order& o) { return (o.flags & order_reduce_only) != 0; },
            nb::sig("def reduce_only(self) -> bool"), "True: it can only reduce a position.")
        .def_prop_ro(
            "state", [](const Order& o) { return name_of(state_names, o.state); },
            nb::sig("def state(self) -> str"),
            "INITIALIZED, SUBMITTED, ACCEPTED, PARTIALLY_FILLED, FILLED, PENDING_CANCEL, "
            "PENDING_UPDATE, CANCELED, REJECTED, DENIED, EXPIRED, TRIGGERED or UNKNOWN.")
        .def_prop_ro(
            "code", [](const Order& o) { return o.code; }, nb::sig("def code(self) -> int"),
            "Number of the error that ended it or refused a change of it, 0: none.")
        .def_prop_ro(
            "reason", [](const Order& o) { return refusal_text(o); },
            nb::sig("def reason(self) -> str"), "Text of that error, \"\": none.")
        .def_prop_ro(
            "tag", [](const Order& o) { return std::string(o.tag.data()); },
            nb::sig("def tag(self) -> str"), "Tag set by the strategy, \"\": none.")
        .def_prop_ro(
            "ts_created", [](const Order& o) { return o.created; },
            nb::sig("def ts_created(self) -> int"), "Time of the request [ns UTC].")
        .def_prop_ro("is_closed", &Order::closed, nb::sig("def is_closed(self) -> bool"),
                     "True: nothing more of it can be filled.")
        .def_prop_rw(
            "children", [](const Order& o) { return o.children; },
            [](Order& o, std::vector<OrderRef> children) { o.children = std::move(children); },
            nb::for_getter(nb::sig("def children(self) -> list[Order]")),
            nb::for_setter(nb::sig("def children(self, value: Sequence[Order], /) -> None")),
            "Protective orders attached to it.")
        .def_prop_ro(
            "price_int", [](const Order& o) { return o.price; },
            nb::sig("def price_int(self) -> int"),
            "Limit price in units of the instrument's price decimals, exact, 0: a market order "
            "[price units].")
        .def_prop_ro(
            "trigger_int", [](const Order& o) { return o.trigger; },
            nb::sig("def trigger_int(self) -> int"),
            "Trigger price in the same units, exact, 0: none [price units].")
        .def_prop_ro(
            "qty_int", [](const Order& o) { return o.size; }, nb::sig("def qty_int(self) -> int"),
            "Quantity in units of the instrument's size decimals, exact [size units].")
        .def_prop_ro(
            "filled_int", [](const Order& o) { return o.filled; },
            nb::sig("def filled_int(self) -> int"),
            "Filled quantity in the same units, exact [size units].")
        .def("__repr__", [](const Order& o) {
            const Instrument& i = *o.instrument;
            std::string text = "Order(" + std::to_string(o.id) + " " +
                               side_names[static_cast<unsigned>(o.side)] + " " +
                               decimal_text(o.size, i.spec.size_decimals) + " " + i.symbol;
            if (o.type == OrderType::limit)
                text += " at " + decimal_text(o.price, i.spec.price_decimals);
            text += " " + std::string(state_names[static_cast<unsigned>(o.state)]);
            if (o.code != 0) text += " " + std::to_string(o.code) + ": " + refusal_text(o);
            return text + ")";
        });

    nb::class_<FillView>(m, "Fill", "One execution of an own order.")
        .def_prop_ro(
            "order", [](const FillView& f) { return f.order; }, nb::sig("def order(self) -> Order"),
            "The order that was filled.")
        .def_prop_ro(
            "symbol", [](const FillView& f) { return f.order->instrument->symbol; },
            nb::sig("def symbol(self) -> str"), "The instrument.")
        .def_prop_ro(
            "side", [](const FillView& f) { return name_of(side_names, f.fill.side); },
            nb::sig("def side(self) -> str"), "Side: \"buy\" or \"sell\".")
        .def_prop_ro(
            "position_side",
            [](const FillView& f) { return name_of(position_side_names, f.fill.position_side); },
            nb::sig("def position_side(self) -> str"),
            "Position that it changes: \"both\"; in hedge mode \"long\" or \"short\".")
        .def_prop_ro(
            "price", [](const FillView& f) { return price_of(*f.order->instrument, f.fill.price); },
            nb::sig("def price(self) -> float"), "Price of the execution [price].")
        .def_prop_ro(
            "qty", [](const FillView& f) { return size_of(*f.order->instrument, f.fill.size); },
            nb::sig("def qty(self) -> float"), "Quantity executed [qty].")
        .def_prop_ro(
            "fee",
            [](const FillView& f) {
                return money_of(join_halves(f.fill.fee_low, f.fill.fee_high));
            },
            nb::sig("def fee(self) -> float"),
            "Fee charged by the venue, below 0: a rebate [fee_currency].")
        .def_prop_ro(
            "fee_int",
            [](const FillView& f) {
                return nb::steal<nb::int_>(
                    int128_to_python(join_halves(f.fill.fee_low, f.fill.fee_high)).release());
            },
            nb::sig("def fee_int(self) -> int"), "The fee, exact [1e-18 fee_currency].")
        .def_prop_ro(
            "fee_currency", [](const FillView& f) { return f.fee_currency; },
            nb::sig("def fee_currency(self) -> str"), "The currency of the fee.")
        .def_prop_ro(
            "liquidity",
            [](const FillView& f) { return name_of(liquidity_names, f.fill.liquidity); },
            nb::sig("def liquidity(self) -> str"),
            "Liquidity: \"maker\" or \"taker\"; \"none\": the venue does not say.")
        .def_prop_ro(
            "id", [](const FillView& f) { return std::to_string(f.fill.trade_id); },
            nb::sig("def id(self) -> str"), "The venue's id of the trade.")
        .def_prop_ro(
            "ts_event", [](const FillView& f) { return f.fill.ts_event; },
            nb::sig("def ts_event(self) -> int"),
            "Time of the execution by the venue's clock [ns UTC].")
        .def_prop_ro(
            "price_int", [](const FillView& f) { return f.fill.price; },
            nb::sig("def price_int(self) -> int"),
            "The price in units of the instrument's price decimals, exact [price units].")
        .def_prop_ro(
            "qty_int", [](const FillView& f) { return f.fill.size; },
            nb::sig("def qty_int(self) -> int"),
            "The quantity in units of the instrument's size decimals, exact [size units].");

    const auto position_of = [](const PositionView& v) {
        return v.loop->account().held(v.instrument->index, v.side);
    };
    nb::class_<PositionView>(m, "Position", "A holding; a live view. qty is signed.")
        .def_prop_ro(
            "symbol", [](const PositionView& v) { return v.instrument->symbol; },
            nb::sig("def symbol(self) -> str"), "The instrument.")
        .def_prop_ro(
            "side", [](const PositionView& v) { return name_of(position_side_names, v.side); },
            nb::sig("def side(self) -> str"),
            "Side of the position: \"both\"; in hedge mode \"long\" or \"short\".")
        .def_prop_ro(
            "qty",
            [=](const PositionView& v) { return size_of(*v.instrument, position_of(v).qty); },
            nb::sig("def qty(self) -> float"),
            "Quantity held, below 0: short; on spot less coins that paid fees [qty].")
        .def_prop_ro(
            "qty_int", [=](const PositionView& v) { return position_of(v).qty; },
            nb::sig("def qty_int(self) -> int"),
            "The quantity in units of the instrument's size decimals, exact [size units].")
        .def_prop_ro(
            "entry_price",
            [=](const PositionView& v) { return position_of(v).entry_price(v.instrument->spec); },
            nb::sig("def entry_price(self) -> float"),
            "Average price of the position, 0: flat [price].")
        .def_prop_ro(
            "realized", [=](const PositionView& v) { return money_of(position_of(v).realized); },
            nb::sig("def realized(self) -> float"),
            "Profit of its closed parts, before fees and funding [settlement currency].")
        .def_prop_ro(
            "unrealized",
            [=](const PositionView& v) {
                const std::int64_t mark = v.instrument->value_doubled();
                return mark == 0 ? 0.0
                                 : money_of(position_of(v).unrealized(v.instrument->spec, mark));
            },
            nb::sig("def unrealized(self) -> float"),
            "Profit of its open part at the mark, else at the mid or the last price, 0: no price "
            "is known [settlement currency].")
        .def(
            "__bool__", [=](const PositionView& v) { return position_of(v).qty != 0; },
            "Returns True while the position is open.")
        .def("__repr__", [=](const PositionView& v) {
            return "Position(" + v.instrument->symbol + " " +
                   position_side_names[static_cast<unsigned>(v.side)] + " " +
                   decimal_text(position_of(v).qty, v.instrument->spec.size_decimals) + ")";
        });

    nb::class_<BookView>(m, "LiveBook",
                         "L2 order book; a live view until copy(). Levels are (price, size).")
        .def_prop_ro(
            "symbol", [](const BookView& v) { return v.symbol; },
            nb::sig("def symbol(self) -> str"), "The instrument.")
        .def_prop_ro(
            "synced", [](const BookView& v) { return v.book().synced(); },
            nb::sig("def synced(self) -> bool"), "True: no change of the venue's book is missing.")
        .def_prop_ro(
            "best_bid",
            [](const BookView& v) -> nb::object {
                if (!v.book().synced() || v.book().bid_count() == 0) return nb::none();
                return level_of(v, v.book().bid(0));
            },
            nb::sig("def best_bid(self) -> tuple[float, float] | None"),
            "(price, size) of the best bid [price, qty]. None: the book has no bid, or is not "
            "synced.")
        .def_prop_ro(
            "best_ask",
            [](const BookView& v) -> nb::object {
                if (!v.book().synced() || v.book().ask_count() == 0) return nb::none();
                return level_of(v, v.book().ask(0));
            },
            nb::sig("def best_ask(self) -> tuple[float, float] | None"),
            "(price, size) of the best ask [price, qty]. None: the book has no ask, or is not "
            "synced.")
        .def(
            "bids", [](const BookView& v, std::size_t n) { return levels_of(v, Side::buy, n); },
            nb::arg("n") = 10, "Returns the best n bids, best first.")
        .def(
            "asks", [](const BookView& v, std::size_t n) { return levels_of(v, Side::sell, n); },
            nb::arg("n") = 10, "Returns the best n asks, best first.")
        .def_prop_ro(
            "ts_event", [](const BookView& v) { return v.book().ts_event(); },
            nb::sig("def ts_event(self) -> int"),
            "Time of the last change by the venue's clock [ns UTC].")
        .def_prop_ro(
            "ts_recv", [](const BookView& v) { return v.book().ts_recv(); },
            nb::sig("def ts_recv(self) -> int"), "Time of receipt of the last change [ns UTC].")
        .def_prop_ro(
            "last_id", [](const BookView& v) { return v.book().last_id(); },
            nb::sig("def last_id(self) -> int"),
            "The venue's id of the last change, 0: the venue sends none.")
        .def(
            "copy",
            [](const BookView& v) {
                return BookView{nullptr,       nullptr,      std::make_shared<const Book>(v.book()),
                                v.price_scale, v.size_scale, v.symbol};
            },
            "Returns the book as it is now; later changes do not affect it.");

    nb::class_<HealthView>(m, "Health", "A change in the system's state: kind, subject, state.")
        .def_ro("kind", &HealthView::kind, "Topic, as `market`, `stream`, `journal`.")
        .def_ro("subject", &HealthView::subject, "The symbol, venue or account that it is about.")
        .def_ro("state", &HealthView::state, "The new state.")
        .def("__repr__", [](const HealthView& h) {
            return "Health(" + h.kind + " " + h.subject + " " + h.state + ")";
        });
}

}  // namespace onetape
