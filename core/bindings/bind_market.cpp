#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "bindings/bars_view.hpp"
#include "bindings/bind.hpp"
#include "bindings/exchange_cast.hpp"
#include "market/bar_book.hpp"
#include "market/bars.hpp"
#include "market/book.hpp"
#include "market/mbo_book.hpp"
#include "market/tick_filter.hpp"

using namespace onetape;

namespace {

using Levels = nb::ndarray<const std::int64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

constexpr const char* outcomes[] = {"applied", "snapshot", "stale", "waiting", "gap", "refused"};

nb::tuple change_tuple(const BookChange& change) {
    return nb::make_tuple(outcomes[static_cast<int>(change.outcome)], change.crossed,
                          change.top_changed);
}

nb::object best(std::size_t count, const BookLevel& level) {
    if (count == 0) return nb::none();
    return nb::make_tuple(level.price, level.size);
}

BookChange apply_arrays(Book& book, const Levels& bids, const Levels& asks, std::uint64_t first_id,
                        std::uint64_t last_id, std::uint64_t previous_id, std::uint16_t flags,
                        std::int64_t ts_event, std::int64_t ts_recv) {
    const std::size_t bid_count = bids.shape(0);
    const std::size_t ask_count = asks.shape(0);
    std::vector<BookLevel> levels(bid_count + ask_count);
    if (bid_count > 0) std::memcpy(levels.data(), bids.data(), bid_count * sizeof(BookLevel));
    if (ask_count > 0) {
        std::memcpy(levels.data() + bid_count, asks.data(), ask_count * sizeof(BookLevel));
    }
    const BookPayload payload{ts_event,
                              ts_recv,
                              first_id,
                              last_id,
                              previous_id,
                              static_cast<std::uint32_t>(bid_count),
                              static_cast<std::uint32_t>(ask_count)};
    return book.apply(payload, flags, levels.data());
}

nb::list side(const BookSide& from, std::size_t n) {
    nb::list levels;
    if (n == 0) return levels;
    from.walk([&](const BookLevel& level) {
        levels.append(nb::make_tuple(level.price, level.size));
        return levels.size() < n;
    });
    return levels;
}

// The orders together with the levels made of them.
struct PyMboBook {
    Book levels;
    MboBook orders{levels};

    PyMboBook() = default;
    PyMboBook(const PyMboBook&) = delete;
    PyMboBook& operator=(const PyMboBook&) = delete;
};

constexpr std::pair<const char*, std::uint64_t MboCounts::*> mbo_faults[] = {
    {"unknown", &MboCounts::unknown},
    {"duplicates", &MboCounts::duplicates},
    {"overfills", &MboCounts::overfills},
    {"refused", &MboCounts::refused},
    {"disagreeing", &MboCounts::disagreeing},
    {"crossed", &MboCounts::crossed},
    {"locked", &MboCounts::locked}};

// dtype of a column that holds rows of one fixed layout, as JournalReader gives them.
constexpr std::size_t mbo_row_bytes = sizeof(FrameHeader) + sizeof(MboPayload);

void bind_mbo_book(nb::module_& m) {
    nb::class_<PyMboBook>(m, "MboBook",
                          "The orders of a venue's book and the levels that they add up to.")
        .def(nb::init<>())
        .def(
            "apply",
            [](PyMboBook& book, std::int64_t now, const nb::object& action, std::uint64_t order_id,
               const nb::object& side, std::int64_t price, std::int64_t size, bool last,
               bool reported, std::uint16_t flags) {
                book.orders.apply(
                    mbo_from(now, action, order_id, side, price, size, last, reported), flags);
            },
            nb::arg("now"), nb::arg("action"), nb::arg("order_id") = 0, nb::arg("side") = "none",
            nb::arg("price") = 0, nb::arg("size") = 0, nb::arg("last") = true,
            nb::arg("reported") = false, nb::arg("flags") = 0)
        .def(
            "apply_rows",
            [](PyMboBook& book, nb::bytes rows, std::size_t examples) {
                const auto* at = static_cast<const std::byte*>(rows.data());
                if (rows.size() % mbo_row_bytes != 0)
                    throw nb::value_error("not whole rows of mbo frames");
                nb::list found;
                for (std::size_t i = 0; i < rows.size() / mbo_row_bytes; ++i, at += mbo_row_bytes) {
                    FrameHeader header;
                    MboPayload payload;
                    std::memcpy(&header, at, sizeof header);
                    std::memcpy(&payload, at + sizeof header, sizeof payload);
                    const MboCounts before = book.orders.counts();
                    book.orders.apply(payload, header.flags);
                    const MboCounts& now = book.orders.counts();
                    if (found.size() >= examples) continue;
                    for (const auto& [name, count] : mbo_faults)
                        if (now.*count != before.*count) found.append(nb::make_tuple(i, name));
                }
                return found;
            },
            nb::arg("rows"), nb::arg("examples") = 0,
            nb::sig("def apply_rows(self, rows: bytes, examples: int = 0) -> list[tuple[int, "
                    "str]]"),
            "Frames of type mbo one after the other, header and payload. Gives the first rows that "
            "something is wrong with, as (place, count of MboCounts).")
        .def_prop_ro(
            "levels", [](PyMboBook& book) -> Book& { return book.levels; },
            nb::rv_policy::reference_internal)
        .def_prop_ro("order_count", [](const PyMboBook& book) { return book.orders.order_count(); })
        .def_prop_ro("counts",
                     [](const PyMboBook& book) { return counts_to_dict(book.orders.counts()); });
}

void bind_book(nb::module_& m) {
    nb::class_<Book>(m, "Book", "L2 book in integer prices and sizes; empty unless it is synced.")
        .def(nb::init<>())
        .def(
            "apply",
            [](Book& book, const Levels& bids, const Levels& asks, std::uint64_t first_id,
               std::uint64_t last_id, std::uint64_t previous_id, std::uint16_t flags,
               std::int64_t ts_event, std::int64_t ts_recv) {
                return change_tuple(apply_arrays(book, bids, asks, first_id, last_id, previous_id,
                                                 flags, ts_event, ts_recv));
            },
            nb::arg("bids"), nb::arg("asks"), nb::kw_only(), nb::arg("first_id") = 0,
            nb::arg("last_id") = 0, nb::arg("previous_id") = 0, nb::arg("flags") = 0,
            nb::arg("ts_event") = 0, nb::arg("ts_recv") = 0,
            "Levels are int64 arrays (n, 2) of price and size. Returns (outcome, crossed, "
            "top_changed); outcome: applied, snapshot, stale, waiting, gap, refused.")
        .def(
            "apply_payload",
            [](Book& book, nb::bytes payload, std::uint16_t flags) {
                if (!book_fits(payload.data(), static_cast<std::uint32_t>(payload.size()))) {
                    throw nb::value_error("not a book payload: its length does not fit its counts");
                }
                const auto* bytes = static_cast<const std::byte*>(payload.data());
                return change_tuple(
                    book.apply(*reinterpret_cast<const BookPayload*>(bytes), flags,
                               reinterpret_cast<const BookLevel*>(bytes + sizeof(BookPayload))));
            },
            nb::arg("payload"), nb::arg("flags") = 0, "The payload of a book frame.")
        .def(
            "apply_payloads",
            [](Book& book, nb::bytes payloads) {
                const auto* at = static_cast<const std::byte*>(payloads.data());
                const std::byte* end = at + payloads.size();
                std::uint64_t applied = 0;
                while (at < end) {
                    const auto left = static_cast<std::size_t>(end - at);
                    const auto& payload = *reinterpret_cast<const BookPayload*>(at);
                    if (left < sizeof(BookPayload)) break;
                    const std::size_t bytes =
                        sizeof(BookPayload) +
                        (std::size_t{payload.bid_count} + payload.ask_count) * sizeof(BookLevel);
                    if (left < bytes) break;
                    applied +=
                        book.apply(payload, 0,
                                   reinterpret_cast<const BookLevel*>(at + sizeof(BookPayload)))
                            .outcome == BookOutcome::applied;
                    at += bytes;
                }
                return applied;
            },
            nb::arg("payloads"), "Changes one after the other; returns how many were applied.")
        .def("desync", &Book::desync)
        .def("copy", [](const Book& book) { return Book(book); })
        .def_prop_ro("synced", &Book::synced)
        .def_prop_ro("crossed", &Book::crossed)
        .def_prop_ro("last_id", &Book::last_id)
        .def_prop_ro("ts_event", &Book::ts_event)
        .def_prop_ro("ts_recv", &Book::ts_recv)
        .def_prop_ro("bid_count", &Book::bid_count)
        .def_prop_ro("ask_count", &Book::ask_count)
        .def_prop_ro(
            "best_bid",
            [](const Book& b) {
                return best(b.bid_count(), b.bid_count() ? b.bid(0) : BookLevel{});
            },
            "(price, size) or None.")
        .def_prop_ro(
            "best_ask",
            [](const Book& b) {
                return best(b.ask_count(), b.ask_count() ? b.ask(0) : BookLevel{});
            },
            "(price, size) or None.")
        .def(
            "bids", [](const Book& b, std::size_t n) { return side(b.side(Side::buy), n); },
            nb::arg("n"), "Up to n (price, size), best first.")
        .def(
            "asks", [](const Book& b, std::size_t n) { return side(b.side(Side::sell), n); },
            nb::arg("n"), "Up to n (price, size), best first.")
        .def("bid_size_at", &Book::bid_size_at, nb::arg("price"))
        .def("ask_size_at", &Book::ask_size_at, nb::arg("price"))
        .def_prop_ro("counts", [](const Book& b) {
            const BookCounts& c = b.counts();
            nb::dict d;
            d["applied"] = c.applied;
            d["snapshots"] = c.snapshots;
            d["stale"] = c.stale;
            d["waiting"] = c.waiting;
            d["gaps"] = c.gaps;
            d["refused"] = c.refused;
            return d;
        });
}

void bind_bars(nb::module_& m) {
    m.def("bar_open_time", &bar_open_time, nb::arg("time"), nb::arg("period_ns"),
          "Start of the period that a time lies in; whole weeks begin on Mondays.");
    auto column = [](std::size_t index) {
        return [index](const BarsView& v) { return v.arrays->slice(index, v.begin, v.end); };
    };
    nb::class_<BarBook>(m, "BarBook",
                        "Which bars of one symbol are known: each is told once, and corrected.")
        .def(nb::init<>())
        .def(
            "take",
            [](BarBook& self, const nb::bytes& payload, std::uint16_t flags) -> nb::object {
                BarPayload bar;
                if (payload.size() != sizeof bar) throw nb::value_error("no bar");
                std::memcpy(&bar, payload.c_str(), sizeof bar);
                const BarNews news = self.take(bar, flags);
                if (news > BarNews::corrected) return nb::none();
                return nb::int_(flags_of(news));
            },
            nb::arg("payload"), nb::arg("flags"),
            nb::sig("def take(self, payload: bytes, flags: int) -> int | None"),
            "Of a frame of it: the flags of one that is to be told, None: it is not. flags: "
            "FLAG_SNAPSHOT for what the venue has answered.")
        .def("has", &BarBook::has, nb::arg("period"), nb::arg("ts_open"));
    nb::class_<BarsView>(m, "Bars", "Completed bars as columns, oldest first; safe to keep.")
        .def("__len__", [](const BarsView& v) { return v.end - v.begin; })
        .def_prop_ro("open", column(0),
                     nb::sig("def open(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Opening prices [price].")
        .def_prop_ro("high", column(1),
                     nb::sig("def high(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Highest prices [price].")
        .def_prop_ro("low", column(2),
                     nb::sig("def low(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Lowest prices [price].")
        .def_prop_ro("close", column(3),
                     nb::sig("def close(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Closing prices [price].")
        .def_prop_ro("volume", column(4),
                     nb::sig("def volume(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Quantities traded [qty].")
        .def_prop_ro("vwap", column(5),
                     nb::sig("def vwap(self) -> numpy.typing.NDArray[numpy.float64]"),
                     "Average prices weighted by volume, nan: the source has none [price].")
        .def_prop_ro("ts_open", column(6),
                     nb::sig("def ts_open(self) -> numpy.typing.NDArray[numpy.int64]"),
                     "Beginnings of the bars [ns UTC].")
        .def_prop_ro("ts_close", column(7),
                     nb::sig("def ts_close(self) -> numpy.typing.NDArray[numpy.int64]"),
                     "Ends of the bars, exclusive [ns UTC].");
}

template <class Payload>
Payload payload_of(const nb::bytes& raw) {
    if (raw.size() != sizeof(Payload)) throw nb::value_error("a payload of another length");
    Payload payload;
    std::memcpy(&payload, raw.data(), sizeof payload);
    return payload;
}

// A separate type, because the tests' module binds the core's.
struct PyTickFilter {
    TickFilter filter;
};

void bind_tick_filter(nb::module_& m) {
    const auto make = [](PyTickFilter* self, const std::vector<std::string>& off) {
        TickFilterOptions options;
        for (const std::string& name : off) {
            const auto at = std::find(tick_rule_names.begin(), tick_rule_names.end(), name);
            if (at == tick_rule_names.end()) throw nb::value_error("no such rule of bad ticks");
            options.rules &= ~(1u << static_cast<unsigned>(at - tick_rule_names.begin()));
        }
        new (self) PyTickFilter{TickFilter(options)};
    };
    const auto judge = [](PyTickFilter& self, std::uint32_t symbol, int type, std::int64_t time,
                          const nb::bytes& payload) {
        TickRule rule = TickRule::none;
        if (type == static_cast<int>(EventType::quote))
            rule = self.filter.on_quote(0, symbol, time, payload_of<QuotePayload>(payload));
        else if (type == static_cast<int>(EventType::trade))
            rule = self.filter.on_trade(0, symbol, time, payload_of<TradePayload>(payload));
        else if (type == static_cast<int>(EventType::mark))
            rule = self.filter.on_mark(0, symbol, payload_of<MarkPayload>(payload));
        else
            throw nb::value_error("only quotes, trades and marks are judged");
        return static_cast<int>(rule);
    };
    nb::class_<PyTickFilter>(m, "TickFilter", "Judges the market messages of one source.")
        .def("__init__", make, nb::arg("off") = std::vector<std::string>{},
             nb::sig("def __init__(self, off: Sequence[str] = ...) -> None"),
             "off: names of rules, as TICK_RULES has them, that are not applied.")
        .def("judge", judge, nb::arg("symbol"), nb::arg("type"), nb::arg("time"),
             nb::arg("payload"),
             "Return the rule that a quote, trade or mark breaks, by its number in TICK_RULES; 0: "
             "none. symbol: any number; time: of the frame, ns.");
}

}  // namespace

void bind_market(nb::module_& m) {
    m.attr("FLAG_SNAPSHOT") = flag_snapshot;
    m.attr("FLAG_UNSYNCED") = flag_unsynced;
    m.attr("FLAG_GAP") = flag_gap;
    m.attr("FLAG_LATE") = flag_late;
    m.attr("FLAG_CORRECTED") = flag_corrected;
    bind_book(m);
    bind_mbo_book(m);
    bind_bars(m);
    bind_tick_filter(m);
}
