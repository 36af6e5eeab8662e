// Journals of several sources merged into one: the hub's hot path.
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "bindings/bind.hpp"
#include "bindings/journal_reader.hpp"
#include "journal/writer.hpp"
#include "market/merge.hpp"

using namespace onetape;

namespace {

constexpr const char* outcomes[] = {"taken",  "duplicate", "older", "late",
                                    "pinned", "ended",     "bad",   "corrected"};

struct PyMerge {
    std::unique_ptr<Merge> merge;
    std::unique_ptr<MergeFeeds> feeds;
    nb::object writer;  // kept alive
    std::vector<nb::object> readers;

    [[nodiscard]] std::uint32_t source(std::size_t number) const {
        if (number >= merge->sources()) raise({Status::invalid, "a source that is not merged"});
        return static_cast<std::uint32_t>(number);
    }
    [[nodiscard]] std::uint32_t symbol(std::size_t number) const {
        if (number >= merge->symbols()) raise({Status::invalid, "a symbol that is not merged"});
        return static_cast<std::uint32_t>(number);
    }
    void written(Status status) const {
        if (status == Status::ok) return;
        const auto& core = nb::cast<Writer&>(writer);
        raise(core.failure().status == status ? core.failure() : Failure{status, "append"});
    }
};

nb::object take(PyMerge& self, std::size_t frames_max) {
    MergeFeeds::Stop stop{};
    {
        const nb::gil_scoped_release release;
        stop = self.feeds->take(frames_max);
    }
    switch (stop) {
        case MergeFeeds::Stop::at_most:
            return nb::cast(true);
        case MergeFeeds::Stop::nothing:
            return nb::cast(false);
        case MergeFeeds::Stop::failed: {
            const Reader& reader = *nb::cast<PyReader&>(self.readers[self.feeds->source()]).reader;
            return nb::make_tuple(
                self.feeds->source(), 0, 0, 0,
                nb::bytes(reader.failure().what.data(), reader.failure().what.size()));
        }
        case MergeFeeds::Stop::unwritten:
            self.written(self.feeds->status());
            break;
        case MergeFeeds::Stop::found:
            break;
    }
    const Frame& frame = self.feeds->found();
    return nb::make_tuple(
        self.feeds->source(), frame.header->type, frame.header->stream, frame.header->time,
        nb::bytes(reinterpret_cast<const char*>(frame.payload), frame.payload_bytes));
}

std::uint64_t restore(PyMerge& self, PyReader& own) {
    Status status{};
    std::uint64_t count = 0;
    {
        const nb::gil_scoped_release release;
        Frame frame;
        while ((status = own.reader->next(frame)) == Status::ok) {
            self.feeds->restore(frame);
            ++count;
        }
    }
    if (status != Status::not_found) raise_reader(*own.reader, status);
    return count;
}

nb::object values(PyMerge& self, std::size_t number) {
    const std::uint32_t symbol = self.symbol(number);
    const Merge& merge = *self.merge;
    nb::object quote = nb::none(), trade = nb::none(), mark = nb::none(), funding = nb::none(),
               open = nb::none();
    if (const QuotePayload* at = merge.quote(symbol); at != nullptr)
        quote =
            nb::make_tuple(at->ts_event, at->ts_recv, at->bid, at->ask, at->bid_size, at->ask_size);
    if (const TradePayload* at = merge.trade(symbol); at != nullptr)
        trade = nb::make_tuple(at->ts_event, at->ts_recv, at->price, at->size,
                               static_cast<int>(at->side));
    if (const MarkPayload* at = merge.mark(symbol); at != nullptr)
        mark = nb::make_tuple(at->ts_event, at->ts_recv, at->mark, at->index);
    if (const FundingPayload* at = merge.funding(symbol); at != nullptr)
        funding = nb::make_tuple(at->ts_event, at->ts_recv, at->rate);
    if (const OpenInterestPayload* at = merge.open_interest(symbol); at != nullptr)
        open = nb::make_tuple(at->ts_event, at->ts_recv, at->size);
    return nb::make_tuple(quote, trade, mark, funding, open);
}

nb::object levels(PyMerge& self, std::size_t number, std::size_t count) {
    const MergeDepth& depth = self.merge->depth(self.symbol(number));
    const Book* book = depth.book();
    if (book == nullptr) return nb::none();
    nb::list found;
    for (std::size_t n = 0; n < count; ++n) {
        const BookLevel bid = n < book->bid_count() ? book->bid(n) : BookLevel{0, 0};
        const BookLevel ask = n < book->ask_count() ? book->ask(n) : BookLevel{0, 0};
        found.append(nb::make_tuple(bid.price, bid.size, ask.price, ask.size));
    }
    return nb::make_tuple(depth.leader(), book->ts_event(), book->ts_recv(), found);
}

}  // namespace

void bind_merge(nb::module_& m) {
    m.attr("MERGE_OUTCOMES") = std::vector<std::string>(std::begin(outcomes), std::end(outcomes));
    m.attr("TICK_RULES") = std::vector<std::string>(tick_rule_names.begin(), tick_rule_names.end());
    m.attr("MERGE_SOURCES_MAX") = merge_sources_max;
    m.attr("MERGE_NONE") = merge_none;
    m.attr("FLAG_SYNTHETIC") = flag_synthetic;
    m.attr("FLAG_SOURCE_SHIFT") = flag_source_shift;
    nb::class_<PyMerge>(m, "Merge")
        .def(
            "__init__",
            [](PyMerge* self, nb::handle writer, std::int64_t stale_ns, bool filters) {
                auto& core = nb::cast<Writer&>(writer);
                MergeOptions options;
                options.stale_ns = stale_ns;
                options.filters = filters;
                new (self) PyMerge();
                self->merge = std::make_unique<Merge>(options);
                self->feeds = std::make_unique<MergeFeeds>(*self->merge, core);
                self->writer = nb::borrow(writer);
            },
            nb::arg("writer"), nb::arg("stale_ns"), nb::arg("filters"),
            nb::sig("def __init__(self, writer: JournalWriter, stale_ns: int, filters: bool) -> "
                    "None"))
        .def(
            "add_source",
            [](PyMerge& self, std::uint32_t rank) {
                if (self.merge->sources() >= merge_sources_max)
                    raise({Status::exhausted, "more than 255 sources"});
                self.readers.emplace_back(nb::none());
                return self.merge->add_source(rank);
            },
            nb::arg("rank"), "Gives its number. rank: the lower, the better.")
        .def(
            "set_rank",
            [](PyMerge& self, std::size_t source, std::uint32_t rank) {
                self.merge->set_rank(self.source(source), rank);
            },
            nb::arg("source"), nb::arg("rank"))
        .def(
            "add_symbol", [](PyMerge& self) { return self.merge->add_symbol(); },
            "Gives its number, which is never used again.")
        .def(
            "end", [](PyMerge& self, std::size_t symbol) { self.merge->end(self.symbol(symbol)); },
            nb::arg("symbol"), "Nothing of it is taken from now on.")
        .def(
            "pin",
            [](PyMerge& self, std::size_t symbol, std::uint32_t source) {
                self.merge->pin(self.symbol(symbol),
                                source == merge_none ? merge_none : self.source(source));
            },
            nb::arg("symbol"), nb::arg("source"),
            "Its values come from this source alone; MERGE_NONE: from the freshest.")
        .def(
            "follow",
            [](PyMerge& self, std::size_t number, nb::object reader) {
                const std::uint32_t source = self.source(number);
                Reader* inside = nullptr;
                if (!reader.is_none()) inside = nb::cast<PyReader&>(reader).reader.get();
                self.feeds->follow(source, inside);
                self.readers[source] = std::move(reader);
            },
            nb::arg("source"), nb::arg("reader").none(),
            nb::sig("def follow(self, source: int, reader: JournalReader | None) -> None"),
            "The source's journal, from its reader's place on; None: it is not read any more.")
        .def(
            "map",
            [](PyMerge& self, std::size_t source, std::uint32_t stream, std::uint32_t symbol) {
                if (symbol != merge_none) static_cast<void>(self.symbol(symbol));
                self.feeds->map(self.source(source), stream, symbol);
            },
            nb::arg("source"), nb::arg("stream"), nb::arg("symbol"),
            "The stream's frames are the symbol's from now on; MERGE_NONE: nobody's.")
        .def("take", &take, nb::arg("frames_max"),
             nb::sig("def take(self, frames_max: int) -> "
                     "bool | tuple[int, int, int, int, bytes]"),
             "Merges up to so many frames. True: there may be more; False: there are none now; "
             "source, type, stream, time and payload of an instrument or a health frame that came; "
             "type 0: its journal cannot be read, the payload says why.")
        .def(
            "write_cursors",
            [](PyMerge& self, bool every) { self.written(self.feeds->write_cursors(every)); },
            nb::arg("every") = false,
            "How far each source was read, where it was since the last time; every: of all.")
        .def(
            "write_median",
            [](PyMerge& self, std::size_t symbol, std::int64_t time) {
                Status status = Status::ok;
                const bool has = self.feeds->write_median(self.symbol(symbol), time, status);
                self.written(status);
                return has;
            },
            nb::arg("symbol"), nb::arg("time"),
            "A quote with FLAG_SYNTHETIC: the median of the last ones. False: there are too few.")
        .def("restore", &restore, nb::arg("own"),
             nb::sig("def restore(self, own: JournalReader) -> int"),
             "What was merged before, from the hub's own journal; gives the frames read.")
        .def(
            "restore_bar",
            [](PyMerge& self, std::size_t symbol, const std::array<std::int64_t, 10>& bar) {
                const auto& [ts_open, period, open, high, low, close, volume, trades, turnover_low,
                             turnover_high] = bar;
                self.merge->restore_bar(self.symbol(symbol),
                                        {ts_open, ts_open + period, period, open, high, low, close,
                                         volume, turnover_low, turnover_high, trades, 0});
            },
            nb::arg("symbol"), nb::arg("bar"),
            nb::sig("def restore_bar(self, symbol: int, bar: Sequence[int]) -> None"),
            "One that was taken before, as `bars` has it.")
        .def(
            "forget_until",
            [](PyMerge& self, std::int64_t time) { self.merge->forget_until(time); },
            nb::arg("time"), "Nothing from before this venue time, ns, is taken.")
        .def(
            "spoken",
            [](PyMerge& self) {
                std::vector<std::tuple<std::uint32_t, std::uint32_t>> found;
                for (std::uint32_t symbol = 0; symbol < self.merge->symbols(); ++symbol)
                    for (std::uint32_t source = 0; source < self.merge->sources(); ++source)
                        if (MergeCounts& counts = self.merge->counts(source, symbol);
                            std::exchange(counts.has_spoken, false))
                            found.emplace_back(source, symbol);
                return found;
            },
            "(source, symbol) of which something came since this was asked last.")
        .def(
            "counts",
            [](PyMerge& self, std::size_t source, std::size_t symbol) {
                const MergeCounts& counts =
                    self.merge->counts(self.source(source), self.symbol(symbol));
                return nb::make_tuple(
                    counts.received, counts.event, counts.behind,
                    std::vector<std::uint64_t>(counts.outcomes.begin(), counts.outcomes.end()),
                    counts.disagreed);
            },
            nb::arg("source"), nb::arg("symbol"),
            nb::sig("def counts(self, source: int, symbol: int) -> "
                    "tuple[int, int, int, list[int], int]"),
            "Last receipt and newest venue time, ns; how far its last quote was behind, ns; "
            "messages by MERGE_OUTCOMES; how many said otherwise than another source.")
        .def(
            "delay",
            [](PyMerge& self, std::size_t source) {
                const MergeDelay& delay = self.merge->delay(self.source(source));
                std::optional<std::int64_t> floor;
                if (delay.count > 0) floor = delay.floor.value();
                return nb::make_tuple(floor, delay.mean);
            },
            nb::arg("source"), nb::sig("def delay(self, source: int) -> tuple[int | None, float]"),
            "Receipt minus venue time, ns: the least of late, None: nothing came; and the mean.")
        .def("values", &values, nb::arg("symbol"),
             nb::sig("def values(self, symbol: int) -> tuple[tuple[int, ...] | None, ...]"),
             "Of quote (ts_event, ts_recv, bid, ask, bid_size, ask_size), trade (.., price, size, "
             "side), mark (.., mark, index), funding (.., rate) and open interest (.., size) what "
             "stands.")
        .def("levels", &levels, nb::arg("symbol"), nb::arg("count"),
             nb::sig("def levels(self, symbol: int, count: int) -> "
                     "tuple[int, int, int, list[tuple[int, int, int, int]]] | None"),
             "Who leads the symbol's book, ts_event, ts_recv, and so many levels (bid, its size, "
             "ask, its size), zeros where there is none. None: nobody's chain is whole.")
        .def(
            "bars",
            [](PyMerge& self) {
                nb::list found;
                for (const MergedBar& each : self.merge->take_bars()) {
                    const BarPayload& b = each.bar;
                    found.append(nb::make_tuple(each.symbol, b.ts_open, b.period_ns, b.open, b.high,
                                                b.low, b.close, b.volume, b.trades, b.turnover_low,
                                                b.turnover_high));
                }
                return found;
            },
            nb::sig("def bars(self) -> list[tuple[int, ...]]"),
            "(symbol, ts_open, period in ns, open, high, low, close, volume, trades, low and high "
            "half of the turnover) of bars that were taken or corrected since asked last.")
        .def(
            "made_bars",
            [](PyMerge& self) {
                nb::list found;
                for (const MergeFeeds::Made& each : self.feeds->take_made())
                    found.append(
                        nb::make_tuple(each.symbol, each.ts_open, each.outcome == MadeBar::filled));
                return found;
            },
            nb::sig("def made_bars(self) -> list[tuple[int, int, bool]]"),
            "(symbol, ts_open, whether it was filled) of bars of a minute that were made of trades "
            "since asked last: those that nobody brought, and those that differ from the venue's.")
        .def_prop_ro(
            "made_counts",
            [](PyMerge& self) {
                return nb::make_tuple(self.feeds->made(MadeBar::filled),
                                      self.feeds->made(MadeBar::agrees),
                                      self.feeds->made(MadeBar::differs));
            },
            nb::sig("def made_counts(self) -> tuple[int, int, int]"),
            "Bars made of trades: filled, agreeing with the venue's, differing.")
        .def(
            "quote_source",
            [](PyMerge& self, std::size_t symbol) {
                return self.merge->quote_source(self.symbol(symbol));
            },
            nb::arg("symbol"), "Whose quote stands; MERGE_NONE: nobody's.")
        .def(
            "bad_ticks",
            [](PyMerge& self) {
                nb::list found;
                for (const MergeFeeds::BadTick& each : self.feeds->take_bad_ticks())
                    found.append(nb::make_tuple(
                        each.source, each.symbol, each.sequence, static_cast<int>(each.type),
                        each.outcome == Merged::late
                            ? std::string("late")
                            : std::string(tick_rule_names[static_cast<std::size_t>(each.rule)])));
                return found;
            },
            nb::sig("def bad_ticks(self) -> list[tuple[int, int, int, int, str]]"),
            "(source, symbol, sequence in its journal, type, rule) of what was not taken, "
            "since asked last; of very many the first.")
        .def_prop_ro(
            "passed_over", [](PyMerge& self) { return self.feeds->passed_over(); },
            "Frames of kinds that are not merged, or of streams that are nobody's.");
}
