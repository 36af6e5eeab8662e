// A condition over the symbols of a market, followed over journals.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "bindings/bind.hpp"
#include "bindings/journal_reader.hpp"
#include "bindings/scan_steps.hpp"

using namespace onetape;

namespace {

constexpr std::uint32_t streams_max = 1u << 20;

std::vector<ScanStep> steps_of(const std::vector<PyScanStep>& rows) {
    std::vector<ScanStep> steps;
    steps.reserve(rows.size());
    for (const auto& [op, what, window, symbol, number] : rows) {
        if (op < 0 || op > 255 || what < 0 || what > 255 || window < 0 || window > 65'535)
            raise({Status::invalid, "no such step"});
        steps.push_back({static_cast<ScanOp>(op), static_cast<std::uint8_t>(what),
                         static_cast<std::uint16_t>(window), symbol, number});
    }
    return steps;
}

struct PyScan {
    std::unique_ptr<Scan> scan;
    std::unique_ptr<ScanFeeds> feeds;
    std::vector<nb::object> held;  // the Python readers
    std::vector<PyReader*> readers;

    [[nodiscard]] std::uint32_t checked(std::size_t symbol) const {
        if (symbol >= scan->count()) raise({Status::invalid, "a symbol that is not in the scan"});
        return static_cast<std::uint32_t>(symbol);
    }
    void check_feed(std::size_t feed) const {
        if (feed >= readers.size()) raise({Status::invalid, "a journal that is not followed"});
    }
};

}  // namespace

std::unique_ptr<Scan> onetape::made_scan(const std::vector<PyScanStep>& steps,
                                         const std::vector<std::int64_t>& windows,
                                         std::size_t symbols,
                                         const std::vector<std::vector<PyScanStep>>& shown) {
    std::vector<std::vector<ScanStep>> programs;
    for (const std::vector<PyScanStep>& each : shown) programs.push_back(steps_of(each));
    std::unique_ptr<Scan> scan;
    if (Failure failure = Scan::make(steps_of(steps), windows, symbols, std::move(programs), scan);
        !failure.ok())
        raise(failure);
    return scan;
}

void bind_scan(nb::module_& m) {
    m.attr("SCAN_OPS") = std::vector<std::string>{
        "number",     "field",  "window",    "negative", "absolute", "add",        "subtract",
        "multiply",   "divide", "least",     "most",     "less",     "less_equal", "more",
        "more_equal", "equal",  "not_equal", "both",     "either",   "negation"};
    m.attr("SCAN_FIELDS") = std::vector<std::string>{
        "bid",  "ask",   "mid",     "spread",        "bid_size", "ask_size", "last", "last_size",
        "mark", "index", "funding", "open_interest", "tick",     "lot",      "age"};
    m.attr("SCAN_FIGURES") = std::vector<std::string>{
        "change", "high", "low", "volume", "turnover", "trades", "vwap", "rate", "volatility"};
    m.attr("SCAN_WINDOWS_MAX") = scan_windows_max;
    m.attr("SCAN_STEPS_MAX") = scan_steps_max;
    m.attr("SCAN_NO_SYMBOL") = scan_no_symbol;
    nb::class_<PyScan>(m, "Scan")
        .def(
            "__init__",
            [](PyScan* self, const std::vector<PyScanStep>& steps,
               const std::vector<std::int64_t>& windows, std::size_t symbols,
               const std::vector<std::vector<PyScanStep>>& shown) {
                std::unique_ptr<Scan> scan = made_scan(steps, windows, symbols, shown);
                new (self) PyScan();
                self->feeds = std::make_unique<ScanFeeds>(*scan);
                self->scan = std::move(scan);
            },
            nb::arg("steps"), nb::arg("windows"), nb::arg("symbols"), nb::arg("shown"),
            "steps: (op, what, window, symbol or -1, number) of a stack program, ops and whats by "
            "their place in SCAN_OPS, SCAN_FIELDS and SCAN_FIGURES. windows: lengths, ns. shown: "
            "programs whose values go with each change.")
        .def(
            "add_symbol", [](PyScan& self) { return self.scan->add_symbol(); }, "Gives its index.")
        .def(
            "set_terms",
            [](PyScan& self, std::size_t symbol, double price_scale, double size_scale, double tick,
               double lot, double multiplier) {
                self.scan->set_terms(self.checked(symbol),
                                     {price_scale, size_scale, tick, lot, multiplier});
            },
            nb::arg("symbol"), nb::arg("price_scale"), nb::arg("size_scale"), nb::arg("tick"),
            nb::arg("lot"), nb::arg("multiplier"))
        .def(
            "follow",
            [](PyScan& self, nb::handle reader) {
                auto& inside = nb::cast<PyReader&>(reader);
                self.held.push_back(nb::borrow(reader));
                self.readers.push_back(&inside);
                return self.feeds->add(*inside.reader);
            },
            nb::arg("reader"), nb::sig("def follow(self, reader: JournalReader) -> int"),
            "A journal from its reader's place on; gives its number. The reader is the scan's from "
            "then on.")
        .def(
            "map",
            [](PyScan& self, std::size_t feed, std::uint32_t stream, std::uint32_t symbol) {
                self.check_feed(feed);
                if (stream >= streams_max) raise({Status::invalid, "a stream beyond any"});
                if (symbol != scan_no_symbol) static_cast<void>(self.checked(symbol));
                self.feeds->map(feed, stream, symbol);
            },
            nb::arg("feed"), nb::arg("stream"), nb::arg("symbol"),
            "The stream's frames are the symbol's from now on; SCAN_NO_SYMBOL: nobody's.")
        .def(
            "take",
            [](PyScan& self, std::size_t frames_max, std::int64_t time_until) -> nb::object {
                ScanFeeds::Stop stop{};
                {
                    const nb::gil_scoped_release release;
                    stop = self.feeds->take(frames_max, time_until);
                }
                switch (stop) {
                    case ScanFeeds::Stop::at_most:
                        return nb::cast(true);
                    case ScanFeeds::Stop::nothing:
                        return nb::cast(false);
                    case ScanFeeds::Stop::failed:
                        raise_reader(*self.readers[self.feeds->feed()]->reader,
                                     self.feeds->status());
                    case ScanFeeds::Stop::instrument:
                        break;
                }
                const Frame& frame = self.feeds->found();
                return nb::make_tuple(
                    self.feeds->feed(), frame.header->stream,
                    nb::bytes(reinterpret_cast<const char*>(frame.payload), frame.payload_bytes));
            },
            nb::arg("frames_max"), nb::arg("time_until"),
            nb::sig("def take(self, frames_max: int, time_until: int) -> "
                    "bool | tuple[int, int, bytes]"),
            "Up to so many frames of all journals before a time, in order of their times. True: "
            "there may be more; False: there are none now; journal, stream and payload of an "
            "instrument that came, to be mapped.")
        .def_prop_ro(
            "next_time", [](PyScan& self) { return self.feeds->next_time(); },
            "Of the first frame that is there and was not taken, ns; the greatest int64: "
            "there is none.")
        .def(
            "sweep", [](PyScan& self, std::int64_t time) { self.scan->sweep(time); },
            nb::arg("time"), nb::call_guard<nb::gil_scoped_release>(),
            "Judges every symbol as of a time, ns: windows slide while nothing comes.")
        .def(
            "changes",
            [](PyScan& self) {
                std::vector<std::tuple<std::uint32_t, bool, std::int64_t, std::vector<double>>>
                    list;
                for (ScanChange& each : self.scan->take_changes())
                    list.emplace_back(each.symbol, each.meets, each.time, std::move(each.values));
                return list;
            },
            "(symbol, whether it meets the condition from then on, ns, values then), since asked "
            "last.")
        .def_prop_ro(
            "checks", [](PyScan& self) { return self.scan->checks(); },
            "How often a symbol was judged.");
}
