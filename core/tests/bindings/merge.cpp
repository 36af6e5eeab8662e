// Runs the merge and the bad-tick filter, one message at a time.
#include "market/merge.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "tests/bindings/bind.hpp"

using namespace onetape;

namespace {

constexpr const char* outcomes[] = {"taken",  "duplicate", "older", "late",
                                    "pinned", "ended",     "bad",   "corrected"};

QuotePayload quote_of(std::int64_t ts_event, std::int64_t ts_recv, std::int64_t bid,
                      std::int64_t ask, std::int64_t bid_size, std::int64_t ask_size,
                      std::uint64_t update_id) {
    return {ts_event, ts_recv, bid, ask, bid_size, ask_size, update_id, 0};
}

TradePayload trade_of(std::int64_t ts_event, std::int64_t ts_recv, std::int64_t price,
                      std::int64_t size, std::uint64_t id) {
    TradePayload trade{};
    trade.ts_event = ts_event, trade.ts_recv = ts_recv, trade.price = price, trade.size = size;
    trade.id_low = id;
    trade.id_kind = id == 0 ? IdKind::none : IdKind::integer;
    trade.side = Side::buy;
    return trade;
}

nb::str rule_name(TickRule rule) {
    const std::string_view name = tick_rule_names[static_cast<std::size_t>(rule)];
    return nb::str(name.data(), name.size());
}

using Released = std::vector<std::tuple<std::uint32_t, std::uint64_t>>;  // source, sequence

Released released_of(std::span<const HeldTrade> held) {
    Released list;
    for (const HeldTrade& each : held) list.emplace_back(each.source, each.sequence);
    return list;
}

}  // namespace

void bind_merge(nb::module_& m) {
    nb::class_<Merge>(m, "Merge")
        .def(
            "__init__",
            [](Merge* self, std::int64_t stale_ns, bool filters) {
                MergeOptions options;
                options.stale_ns = stale_ns;
                options.filters = filters;
                new (self) Merge(options);
            },
            nb::arg("stale_ns") = 2'000'000'000, nb::arg("filters") = false)
        .def("add_source", &Merge::add_source, nb::arg("rank"))
        .def("set_rank", &Merge::set_rank, nb::arg("source"), nb::arg("rank"))
        .def("add_symbol", &Merge::add_symbol)
        .def("end", &Merge::end, nb::arg("symbol"))
        .def("pin", &Merge::pin, nb::arg("symbol"), nb::arg("source"))
        .def("forget_until", &Merge::forget_until, nb::arg("time"))
        .def(
            "quote",
            [](Merge& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t bid, std::int64_t ask, std::uint64_t update_id) {
                return outcomes[static_cast<int>(
                    self.on_quote(source, symbol, ts_recv,
                                  quote_of(ts_event, ts_recv, bid, ask, 1, 1, update_id)))];
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("bid"), nb::arg("ask"), nb::arg("update_id") = 0)
        .def(
            "trade",
            [](Merge& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t price, std::int64_t size, std::uint64_t id,
               std::uint64_t sequence) {
                const Merged outcome =
                    self.on_trade(source, symbol, ts_recv,
                                  trade_of(ts_event, ts_recv, price, size, id), sequence);
                return std::make_tuple(std::string(outcomes[static_cast<int>(outcome)]),
                                       released_of(self.released()), self.is_late());
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("price"), nb::arg("size"), nb::arg("id") = 0, nb::arg("sequence") = 0)
        .def(
            "mark",
            [](Merge& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t mark) {
                return outcomes[static_cast<int>(
                    self.on_mark(source, symbol, ts_recv, {ts_event, ts_recv, mark, 0}))];
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("mark"))
        .def(
            "bar",
            [](Merge& self, std::uint32_t source, std::uint32_t symbol, std::int64_t time,
               std::int64_t ts_open, std::int64_t period, std::int64_t close, std::uint16_t flags) {
                const BarPayload bar{
                    ts_open, ts_open + period, period, close, close, close, close, 1, 0, 0, 1, 0};
                return outcomes[static_cast<int>(self.on_bar(source, symbol, time, bar, flags))];
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("time"), nb::arg("ts_open"),
            nb::arg("period"), nb::arg("close"), nb::arg("flags") = 0)
        .def(
            "make_bar",
            [](Merge& self, std::uint32_t symbol, std::int64_t time) -> nb::object {
                BarPayload bar{};
                constexpr const char* names[] = {"none", "filled", "agrees", "differs"};
                const MadeBar outcome = self.make_bar(symbol, time, bar);
                if (outcome == MadeBar::none) return nb::none();
                return nb::make_tuple(
                    std::string(names[static_cast<int>(outcome)]),
                    std::make_tuple(bar.ts_open, bar.open, bar.high, bar.low, bar.close, bar.volume,
                                    bar.turnover_low, bar.trades));
            },
            nb::arg("symbol"), nb::arg("time"))
        .def(
            "book",
            [](Merge& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::uint64_t previous, std::uint64_t last,
               const std::vector<std::tuple<std::int64_t, std::int64_t>>& bids,
               const std::vector<std::tuple<std::int64_t, std::int64_t>>& asks,
               std::uint16_t flags) {
                std::vector<BookLevel> levels;
                for (const auto* side : {&bids, &asks})
                    for (const auto& [price, size] : *side) levels.push_back({price, size});
                const BookPayload payload{ts_event,
                                          ts_recv,
                                          0,
                                          last,
                                          previous,
                                          static_cast<std::uint32_t>(bids.size()),
                                          static_cast<std::uint32_t>(asks.size())};
                const Merged outcome =
                    self.on_book(source, symbol, ts_recv, payload, flags, levels.data());
                constexpr const char* next[] = {"nothing", "change", "snapshot", "lost"};
                return std::make_tuple(std::string(outcomes[static_cast<int>(outcome)]),
                                       std::string(next[static_cast<int>(self.depth_next())]),
                                       self.depth(symbol).leader());
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("previous"), nb::arg("last"), nb::arg("bids"), nb::arg("asks"),
            nb::arg("flags") = 0)
        .def(
            "levels",
            [](Merge& self, std::uint32_t symbol) {
                std::vector<std::tuple<std::int64_t, std::int64_t>> bids, asks;
                if (const Book* book = self.depth(symbol).book(); book != nullptr) {
                    for (std::size_t n = 0; n < book->bid_count(); ++n)
                        bids.emplace_back(book->bid(n).price, book->bid(n).size);
                    for (std::size_t n = 0; n < book->ask_count(); ++n)
                        asks.emplace_back(book->ask(n).price, book->ask(n).size);
                }
                return std::make_tuple(bids, asks);
            },
            nb::arg("symbol"))
        .def(
            "median",
            [](Merge& self, std::uint32_t symbol, std::int64_t time) -> nb::object {
                QuotePayload quote{};
                if (!self.median(symbol, time, quote)) return nb::none();
                return nb::make_tuple(quote.bid, quote.ask);
            },
            nb::arg("symbol"), nb::arg("time"))
        .def("disagreed", [](Merge& self, std::uint32_t source, std::uint32_t symbol) {
            return self.counts(source, symbol).disagreed;
        });
    nb::class_<TradeMemory>(m, "TradeMemory")
        .def(nb::init<std::size_t, std::int64_t>(), nb::arg("count_max"), nb::arg("keep_ns"))
        .def(
            "take",
            [](TradeMemory& self, std::uint64_t id, std::int64_t time) {
                const TradePayload trade = trade_of(time, time, 1, 1, id);
                const TradeKey key{id, 0, IdKind::integer};
                const TradeMemory::Seen seen = self.look(key, trade);
                if (seen == TradeMemory::Seen::fresh) self.take(key, trade);
                constexpr const char* names[] = {"fresh", "taken", "differs", "late"};
                return names[static_cast<int>(seen)];
            },
            nb::arg("id"), nb::arg("time"))
        .def_prop_ro("size", &TradeMemory::size);
    nb::class_<TickFilter>(m, "TickFilter")
        .def(
            "__init__",
            [](TickFilter* self, const std::vector<std::string>& off) {
                TickFilterOptions options;
                for (std::size_t rule = 0; rule < tick_rule_names.size(); ++rule)
                    for (const std::string& each : off)
                        if (each == tick_rule_names[rule]) options.rules &= ~(1u << rule);
                new (self) TickFilter(options);
            },
            nb::arg("off") = std::vector<std::string>{})
        .def(
            "quote",
            [](TickFilter& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t bid, std::int64_t ask, std::int64_t bid_size,
               std::int64_t ask_size, std::uint64_t update_id) {
                return rule_name(self.on_quote(
                    source, symbol, ts_recv,
                    quote_of(ts_event, ts_recv, bid, ask, bid_size, ask_size, update_id)));
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("bid"), nb::arg("ask"), nb::arg("bid_size") = 1, nb::arg("ask_size") = 1,
            nb::arg("update_id") = 0)
        .def(
            "trade",
            [](TickFilter& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t price, std::int64_t size, std::uint64_t id,
               std::uint64_t sequence) {
                return rule_name(self.on_trade(source, symbol, ts_recv,
                                               trade_of(ts_event, ts_recv, price, size, id),
                                               sequence));
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("price"), nb::arg("size") = 1, nb::arg("id") = 0, nb::arg("sequence") = 0)
        .def(
            "mark",
            [](TickFilter& self, std::uint32_t source, std::uint32_t symbol, std::int64_t ts_event,
               std::int64_t ts_recv, std::int64_t mark) {
                return rule_name(self.on_mark(source, symbol, {ts_event, ts_recv, mark, 0}));
            },
            nb::arg("source"), nb::arg("symbol"), nb::arg("ts_event"), nb::arg("ts_recv"),
            nb::arg("mark"))
        .def("unknown", [](TickFilter& self) { return rule_name(self.on_unknown()); })
        .def("released", [](const TickFilter& self) { return released_of(self.released()); })
        .def("count", [](const TickFilter& self, std::size_t rule) {
            return self.count(static_cast<TickRule>(rule));
        });
}
