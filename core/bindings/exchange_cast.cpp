#include "bindings/exchange_cast.hpp"

#include "bindings/keyword_fields.hpp"

namespace onetape {

namespace {

template <std::uint8_t bit>
constexpr auto flag = [](OrderRequestPayload& request, nb::handle value, const char*) {
    if (nb::cast<bool>(value)) request.flags = static_cast<std::uint8_t>(request.flags | bit);
};

constexpr KeywordField<OrderRequestPayload> request_fields[] = {
    {"order_id", plain<&OrderRequestPayload::order_id>},
    {"kind", word<&OrderRequestPayload::kind, request_names>},
    {"side", word<&OrderRequestPayload::side, side_names>},
    {"type", word<&OrderRequestPayload::type, type_names>},
    {"tif", word<&OrderRequestPayload::tif, tif_names>},
    {"price", plain<&OrderRequestPayload::price>},
    {"size", plain<&OrderRequestPayload::size>},
    {"trigger", plain<&OrderRequestPayload::trigger>},
    {"trigger_by", word<&OrderRequestPayload::trigger_by, trigger_names>},
    {"trigger_kind",
     [](OrderRequestPayload& request, nb::handle value, const char* name) {
         request.flags =
             with_trigger_kind(request.flags, named<TriggerKind>(value, trigger_kind_names, name));
     }},
    {"expire", plain<&OrderRequestPayload::expire_ns>},
    {"post_only", flag<order_post_only>},
    {"reduce_only", flag<order_reduce_only>},
    {"position_side", word<&OrderRequestPayload::position_side, position_side_names>},
    {"robot", plain<&OrderRequestPayload::robot>},
    {"hidden", [](OrderRequestPayload&, nb::handle, const char*) {}},  // see is_hidden
};

}  // namespace

OrderRequestPayload request_from_kwargs(const nb::kwargs& kwargs) {
    OrderRequestPayload request{};
    request.kind = RequestKind::place;
    request.side = Side::buy;
    request.type = OrderType::limit;
    request.tif = TimeInForce::gtc;
    read_keywords(request, kwargs, request_fields, "request");
    if (request.trigger != 0 && request.trigger_by == TriggerBy::none) {
        request.trigger_by = TriggerBy::last;
    }
    return request;
}

bool is_hidden(const nb::kwargs& kwargs) {
    return kwargs.contains("hidden") && nb::cast<bool>(kwargs["hidden"]);
}

nb::dict order_event_to_dict(std::uint32_t owner, const OrderEventPayload& event) {
    nb::dict result;
    result["event"] = "order";
    result["owner"] = owner;
    result["order_id"] = event.order_id;
    result["venue_id"] = event.venue_id;
    result["news"] = name_of(static_cast<int>(event.news), news_names);
    result["state"] = name_of(static_cast<int>(event.state), state_names);
    result["code"] = event.code;
    result["price"] = event.price;
    result["size"] = event.size;
    result["filled"] = event.filled;
    result["ts_event"] = event.ts_event;
    return result;
}

nb::dict mbo_to_dict(const MboPayload& event) {
    nb::dict result;
    result["action"] = name_of(static_cast<int>(event.action), mbo_names);
    result["order_id"] = event.order_id;
    result["side"] = name_of(static_cast<int>(event.side), side_names);
    result["price"] = event.price;
    result["size"] = event.size;
    result["last"] = event.last != 0;
    return result;
}

MboPayload mbo_from(std::int64_t now, const nb::object& action, std::uint64_t order_id,
                    const nb::object& side, std::int64_t price, std::int64_t size, bool last,
                    bool reported) {
    MboPayload event{};
    event.ts_event = event.ts_recv = now;
    event.order_id = order_id;
    event.price = price;
    event.size = size;
    event.action = named<MboAction>(action, mbo_names, "action");
    event.side = named<Side>(side, side_names, "side");
    event.last = last ? 1 : 0;
    event.reported = reported ? 1 : 0;
    return event;
}

nb::dict counts_to_dict(const MboCounts& counts) {
    nb::dict result;
    result["applied"] = counts.applied;
    result["snapshots"] = counts.snapshots;
    result["gaps"] = counts.gaps;
    result["waiting"] = counts.waiting;
    result["unknown"] = counts.unknown;
    result["duplicates"] = counts.duplicates;
    result["overfills"] = counts.overfills;
    result["refused"] = counts.refused;
    result["disagreeing"] = counts.disagreeing;
    result["crossed"] = counts.crossed;
    result["locked"] = counts.locked;
    return result;
}

nb::dict fill_to_dict(std::uint32_t owner, const FillPayload& fill) {
    nb::dict result;
    result["event"] = "fill";
    result["owner"] = owner;
    result["order_id"] = fill.order_id;
    result["venue_id"] = fill.venue_id;
    result["trade_id"] = fill.trade_id;
    result["side"] = name_of(static_cast<int>(fill.side), side_names);
    result["price"] = fill.price;
    result["size"] = fill.size;
    result["fee"] = money_to_python(join_halves(fill.fee_low, fill.fee_high));
    result["liquidity"] = name_of(static_cast<int>(fill.liquidity), liquidity_names);
    result["position_side"] = name_of(static_cast<int>(fill.position_side), position_side_names);
    result["ts_event"] = fill.ts_event;
    return result;
}

}  // namespace onetape
