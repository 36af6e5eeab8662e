// The matching engine for Python: requests in, a list of reports out.
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/exchange_cast.hpp"
#include "exchange/matching.hpp"

using namespace onetape;

namespace {

class ListSink final : public MatchingSink {
 public:
    nb::list events;
    bool with_market = false;

    void on_order_event(std::uint32_t participant, const OrderEventPayload& event) override {
        events.append(order_event_to_dict(participant, event));
    }
    void on_fill(std::uint32_t participant, const FillPayload& fill) override {
        events.append(fill_to_dict(participant, fill));
    }
    void on_trade(const TradePayload& trade) override {
        if (!with_market) return;
        nb::dict result;
        result["event"] = "trade";
        result["price"] = trade.price;
        result["size"] = trade.size;
        result["side"] = name_of(static_cast<int>(trade.side), side_names);
        result["id"] = trade.id_low;
        result["ts_event"] = trade.ts_event;
        events.append(result);
    }
    void on_levels(std::int64_t now, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks) override {
        if (!with_market) return;
        const auto list = [](std::span<const BookLevel> levels) {
            nb::list result;
            for (const BookLevel& level : levels) {
                result.append(nb::make_tuple(level.price, level.size));
            }
            return result;
        };
        nb::dict result;
        result["event"] = "levels";
        result["bids"] = list(bids);
        result["asks"] = list(asks);
        result["ts_event"] = now;
        events.append(result);
    }
    void on_orders(std::int64_t now, std::span<const MboPayload> orders) override {
        nb::list list;
        for (const MboPayload& order : orders) list.append(mbo_to_dict(order));
        nb::dict result;
        result["event"] = "orders";
        result["orders"] = list;
        result["ts_event"] = now;
        events.append(result);
    }
    void on_touch(const QuotePayload& quote) override {
        if (!with_market) return;
        nb::dict result;
        result["event"] = "touch";
        result["bid"] = quote.bid;
        result["bid_size"] = quote.bid_size;
        result["ask"] = quote.ask;
        result["ask_size"] = quote.ask_size;
        result["ts_event"] = quote.ts_event;
        events.append(result);
    }
};

struct PyMatching {
    ListSink sink;
    MatchingEngine engine;

    PyMatching(const PyMatching&) = delete;  // the engine refers to the sink
    PyMatching& operator=(const PyMatching&) = delete;
    PyMatching(const InstrumentSpec& spec, bool market_events, bool by_order,
               const std::string& amend, bool amend_triggers, bool refuses_met_triggers)
        : engine(spec,
                 {.by_order = by_order,
                  .amend = {named<AmendRule>(nb::str(amend.c_str()), amend_names, "amend"),
                            amend_triggers},
                  .refuses_met_triggers = refuses_met_triggers},
                 sink) {
        sink.with_market = market_events;
    }

    nb::list drain() {
        nb::list events = sink.events;
        sink.events = nb::list();
        return events;
    }

    std::vector<std::tuple<std::int64_t, std::int64_t>> levels(Side side, std::size_t count) const {
        std::vector<std::tuple<std::int64_t, std::int64_t>> result;
        for (std::size_t depth = 0; depth < std::min(count, engine.level_count(side)); ++depth) {
            const BookLevel level = engine.level(side, depth);
            result.emplace_back(level.price, level.size);
        }
        return result;
    }
};

}  // namespace

void onetape::bind_exchange_matching(nb::module_& m) {
    nb::class_<PyMatching>(m, "MatchingEngine",
                           "Price-time priority for one instrument. Every call gives the list of "
                           "what it caused, in order.")
        .def(nb::init<const InstrumentSpec&, bool, bool, const std::string&, bool, bool>(),
             nb::arg("spec"), nb::arg("market_events") = false, nb::arg("by_order") = false,
             nb::arg("amend") = "decrease_keeps", nb::arg("amend_triggers") = true,
             nb::arg("refuses_met_triggers") = false)
        .def(
            "request",
            [](PyMatching& self, std::uint32_t participant, std::int64_t now,
               const nb::kwargs& kwargs) {
                self.engine.request(participant, now, request_from_kwargs(kwargs),
                                    is_hidden(kwargs));
                return self.drain();
            },
            nb::arg("participant"), nb::arg("now"), nb::arg("request"))
        .def(
            "cancel_all",
            [](PyMatching& self, std::uint32_t participant, std::int64_t now,
               const std::string& side) {
                self.engine.cancel_all(participant, now,
                                       named<Side>(nb::str(side.c_str()), side_names, "side"));
                return self.drain();
            },
            nb::arg("participant"), nb::arg("now"), nb::arg("side") = "none")
        .def(
            "set_mark",
            [](PyMatching& self, std::int64_t now, std::int64_t mark, std::int64_t index) {
                self.engine.set_mark(now, mark, index);
                return self.drain();
            },
            nb::arg("now"), nb::arg("mark") = 0, nb::arg("index") = 0)
        .def(
            "expire",
            [](PyMatching& self, std::int64_t now) {
                self.engine.expire(now);
                return self.drain();
            },
            nb::arg("now"))
        .def_prop_ro("next_expiry",
                     [](const PyMatching& self) { return self.engine.next_expiry(); })
        .def(
            "set_position",
            [](PyMatching& self, std::uint32_t participant, std::int64_t qty,
               const std::string& side) {
                self.engine.set_position(participant, qty, position_side_from(side));
            },
            nb::arg("participant"), nb::arg("qty"), nb::arg("side") = "both")
        .def(
            "position",
            [](const PyMatching& self, std::uint32_t participant) {
                return self.engine.position(participant);
            },
            nb::arg("participant"))
        .def(
            "bids",
            [](const PyMatching& self, std::size_t count) { return self.levels(Side::buy, count); },
            nb::arg("count") = 1u << 30, "(price, size), best first.")
        .def(
            "asks",
            [](const PyMatching& self, std::size_t count) {
                return self.levels(Side::sell, count);
            },
            nb::arg("count") = 1u << 30, "(price, size), best first.")
        .def_prop_ro("order_count",
                     [](const PyMatching& self) { return self.engine.order_count(); })
        .def_prop_ro("last_price", [](const PyMatching& self) { return self.engine.last_price(); });
}
