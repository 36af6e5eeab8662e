#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <optional>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/text_cast.hpp"
#include "text/hft_rows.hpp"
#include "text/table.hpp"
#include "text/tape_sink.hpp"

using namespace onetape;

namespace {

[[nodiscard]] const char* name_of(Status status) {
    switch (status) {
        case Status::ok:
            return "ok";
        case Status::not_found:
            return "not_found";
        case Status::invalid:
            return "invalid";
        case Status::locked:
            return "locked";
        case Status::disk_full:
            return "disk_full";
        case Status::io_error:
            return "io_error";
        case Status::foreign:
            return "foreign";
        case Status::newer_version:
            return "newer_version";
        case Status::torn:
            return "torn";
        case Status::damaged:
            return "damaged";
        case Status::gone:
            return "gone";
        case Status::exhausted:
            return "exhausted";
        case Status::not_available:
            return "not_available";
    }
    return "invalid";
}

[[nodiscard]] std::vector<std::byte> to_bytes(const nb::bytes& value) {
    std::vector<std::byte> out(value.size());
    if (!out.empty()) std::memcpy(out.data(), value.c_str(), out.size());
    return out;
}

// The core's names of kinds and roles, as used by tables in Python.
constexpr const char* table_kinds[] = {"quotes",       "trades",       "bars",    "marks",
                                       "funding",      "liquidations", "tickers", "book_snapshots",
                                       "book_changes", "sides",        "orders"};
static_assert(std::size(table_kinds) == table_kind_count);
constexpr const char* row_forms[] = {"lines", "json", "packed"};
constexpr const char* columns[] = {
    "ts_event",       "ts_recv",      "bid",        "ask",      "bid_size",
    "ask_size",       "price",        "size",       "side",     "id",
    "open",           "high",         "low",        "close",    "volume",
    "symbol",         "update_id",    "close_time", "turnover", "trades",
    "buyer_is_maker", "mark",         "index",      "rate",     "funding_time",
    "interval_hours", "is_snapshot",  "action",     "flags",    "last",
    "reported",       "open_interest"};
static_assert(std::size(columns) == column_count);

[[nodiscard]] Zone zone_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& changes) {
    std::vector<ZoneChange> out;
    for (const auto& [wall, offset] : changes) out.push_back({wall, offset});
    return Zone(std::move(out));
}

// An import of tables into a tape: one gate, one reject list, a sorter if the rows need it.
class TableImport {
 public:
    TableImport(TapeSink* sink, std::vector<TableStream> streams, const std::string& sort_directory,
                std::size_t sort_rows)
        : streams_(std::move(streams)),
          gate_(sink != nullptr ? static_cast<EventSink&>(*sink) : null_, rejects_, streams_) {
        if (!sort_directory.empty()) {
            sorter_ = std::make_unique<RowSorter>(sort_directory, sort_rows);
        }
    }

    void begin(TableConfig config) {
        check_stream(config.stream);
        rows_ = std::make_unique<TableDecoder>(std::move(config), streams_, rejects_, passed_over_,
                                               &gate_, sorter_.get());
    }
    void begin_hft(int stream, std::uint32_t source, bool measuring) {
        check_stream(stream);
        rows_ = std::make_unique<HftDecoder>(stream, source, measuring, streams_, rejects_,
                                             passed_over_, &gate_, sorter_.get());
    }
    Status feed(const char* data, std::size_t size) { return rows_->feed(data, size); }
    Status end() { return rows_->finish(); }

    // Emits sorted rows, at most `count`; not_found when all are out.
    Status drain(std::size_t count) {
        if (sorter_ == nullptr) return Status::not_found;
        if (!draining_) {
            if (const Failure failure = sorter_->finish(); !failure.ok()) return failure.status;
            draining_ = true;
        }
        EventRow row;
        for (; count > 0; --count) {
            if (const Status status = sorter_->next(row, levels_); status != Status::ok) {
                return status;
            }
            if (const Status status = gate_.pass(row, levels_); status != Status::ok) return status;
        }
        return Status::ok;
    }

    [[nodiscard]] Failure sort_failure() const {
        return sorter_ != nullptr ? sorter_->failure() : Failure{};
    }
    RejectLog& rejects() noexcept { return rejects_; }
    [[nodiscard]] const RowGate& gate() const noexcept { return gate_; }
    [[nodiscard]] const TableStreams& streams() const noexcept { return streams_; }
    [[nodiscard]] const NameCounts& passed_over() const noexcept { return passed_over_; }
    [[nodiscard]] const TableFacts& facts() const {
        if (rows_ == nullptr) throw nb::value_error("no source was begun");
        return rows_->facts();
    }
    [[nodiscard]] bool has_source() const noexcept { return rows_ != nullptr; }

 private:
    void check_stream(int stream) const {
        if (stream < 0 || static_cast<std::size_t>(stream) >= streams_.count()) {
            throw nb::value_error("stream: not one of the import's");
        }
    }

    NullSink null_;
    RejectLog rejects_;
    TableStreams streams_;
    RowGate gate_;
    NameCounts passed_over_;
    std::unique_ptr<RowSorter> sorter_;
    std::unique_ptr<RowDecoder> rows_;
    std::vector<BookLevel> levels_;
    bool draining_ = false;
};

}  // namespace

// Importing: scanners and decoders. onetape/data feeds them with chunks of bytes.
void bind_text(nb::module_& m) {
    m.def(
        "parse_decimal_text",
        [](const std::string& text) -> nb::object {
            RawDecimal value;
            const NumberFault fault = parse_decimal(text, value);
            if (fault != NumberFault::none) return nb::str(describe(fault));
            return nb::make_tuple(value.mantissa, value.decimals, value.cut);
        },
        nb::arg("text"), "(mantissa, decimals, cut) of a written number, or why it is none.");
    m.def(
        "parse_time_text",
        [](const std::string& text,
           const std::vector<std::pair<std::int64_t, std::int64_t>>& zone) -> nb::object {
            Zone place = zone_of(zone);
            std::int64_t ns = 0;
            const TimeFault fault = parse_time(text, place, ns);
            if (fault != TimeFault::none) return nb::str(describe(fault));
            return nb::int_(ns);
        },
        nb::arg("text"), nb::arg("zone") = std::vector<std::pair<std::int64_t, std::int64_t>>{},
        "ns UTC of a written time, or why it is none. zone: ((wall ns, offset ns), ...).");

    nb::class_<TapeSink>(m, "TapeSink", "Events into a new tape, which the first of them opens.")
        .def(
            "__init__",
            [](TapeSink* self, std::string directory, std::string process, nb::bytes uuid,
               const std::vector<std::tuple<int, std::uint32_t, nb::bytes>>& preamble) {
                WriterOptions options;
                options.directory = std::move(directory);
                options.process = std::move(process);
                if (uuid.size() != options.uuid.size()) throw nb::value_error("uuid: 16 bytes");
                std::memcpy(options.uuid.data(), uuid.c_str(), options.uuid.size());
                for (const auto& [type, stream, payload] : preamble) {
                    options.preamble.push_back(
                        {static_cast<EventType>(type), stream, to_bytes(payload)});
                }
                new (self) TapeSink(std::move(options));
            },
            nb::arg("directory"), nb::arg("process"), nb::arg("uuid"), nb::arg("preamble"))
        .def(
            "instrument",
            [](TapeSink& self, std::uint32_t stream, const nb::bytes& payload) {
                self.instrument(stream, to_bytes(payload));
            },
            nb::arg("stream"), nb::arg("payload"),
            "The instrument frame that goes before the first event of its stream.")
        .def(
            "close",
            [](TapeSink& self) {
                Failure failure;
                {
                    nb::gil_scoped_release release;
                    failure = self.close();
                }
                raise_if_failed(failure);
            },
            "Seals the tape.")
        .def("use_filter", &TapeSink::use_filter,
             "From now on bad ticks are kept back: what they said is in health frames.")
        .def(
            "check", [](const TapeSink& self) { raise_if_failed(self.failure()); },
            "Raises what stopped the writing.")
        .def(
            "counts",
            [](const TapeSink& self) {
                const EventCounts& counts = self.counts();
                nb::dict streams;
                for (std::size_t stream = 0; stream < counts.by_stream.size(); ++stream) {
                    nb::dict types;
                    for (std::size_t type = 0; type <= event_type_count; ++type) {
                        if (const auto n = counts.by_stream[stream][type]) {
                            types[nb::int_(type)] = n;
                        }
                    }
                    if (types.size() > 0) streams[nb::int_(stream)] = types;
                }
                return nb::make_tuple(counts.events, counts.first_time, counts.last_time,
                                      counts.late, counts.crossed, streams);
            },
            "(events, first time, last time, late, crossed, {stream: {type id: count}}).");

    nb::class_<TableImport>(m, "TableImport", "Rows of values to events.")
        .def(
            "__init__",
            [](TableImport* self, TapeSink* sink,
               const std::vector<std::tuple<std::string, std::uint32_t, int, int>>& streams,
               const std::string& sort_directory, std::size_t sort_rows) {
                std::vector<TableStream> specs;
                for (const auto& [raw, stream, price_decimals, size_decimals] : streams) {
                    specs.push_back({raw, stream, price_decimals, size_decimals});
                }
                new (self) TableImport(sink, std::move(specs), sort_directory, sort_rows);
            },
            nb::arg("sink").none(), nb::arg("streams"), nb::arg("sort_directory") = "",
            nb::arg("sort_rows") = std::size_t{1} << 18, nb::keep_alive<1, 2>(),
            "streams: [(raw name or \"\", stream, price decimals, size decimals)].")
        .def(
            "begin_source",
            [](TableImport& self, const std::string& kind, const std::string& form,
               const std::map<std::string, int>& places, const std::vector<std::string>& blank,
               const std::vector<std::string>& keys,
               const std::vector<std::tuple<int, int, int, int>>& levels, int fields,
               const std::string& separator, int skip_lines,
               const std::vector<std::pair<std::int64_t, std::int64_t>>& zone,
               std::int64_t period_ns, bool time_is_close, int implied_decimals, int stream,
               std::uint32_t source, bool measuring, bool reversed, bool by_zone, int months,
               std::vector<std::int64_t> starts, std::vector<std::uint64_t> wanted,
               bool refuses_zero_time) {
                TableConfig config;
                config.kind = static_cast<TableKind>(index_of(table_kinds, kind));
                config.form = static_cast<RowForm>(index_of(row_forms, form));
                if (config.form == RowForm::packed &&
                    (fields <= 0 || (kind != "bars" && kind != "marks" && kind != "funding"))) {
                    throw nb::value_error("packed rows are of numbers alone");
                }
                const int width = keys.empty() ? fields : static_cast<int>(keys.size());
                const auto check_place = [&](int place) {
                    if (place < 0 || (width != 0 && place >= width)) {
                        throw nb::value_error("a column lies outside its row");
                    }
                };
                for (const auto& [column, place] : places) {
                    check_place(place);
                    config.columns[index_of(columns, column)] = place;
                }
                for (const std::string& column : blank) {
                    config.blank[index_of(columns, column)] = true;
                }
                for (const auto& [bid, bid_size, ask, ask_size] : levels) {
                    for (const int place : {bid, bid_size, ask, ask_size}) check_place(place);
                    config.levels.push_back({bid, bid_size, ask, ask_size});
                }
                config.keys = keys;
                config.fields = fields;
                if (separator.size() != 1) throw nb::value_error("separator: one byte");
                config.separator = separator[0];
                config.skip_lines = skip_lines;
                config.zone = zone_of(zone);
                config.period_ns = period_ns;
                config.time_is_close = time_is_close;
                config.implied_decimals = implied_decimals;
                config.refuses_zero_time = refuses_zero_time;
                config.stream = stream;
                config.source = source;
                config.measuring = measuring;
                config.reversed = reversed;
                config.clock = {by_zone, months};
                config.starts = std::move(starts);
                config.wanted = std::move(wanted);
                self.begin(std::move(config));
            },
            nb::kw_only(), nb::arg("kind"), nb::arg("form") = "lines", nb::arg("columns"),
            nb::arg("blank") = std::vector<std::string>{},
            nb::arg("keys") = std::vector<std::string>{},
            nb::arg("levels") = std::vector<std::tuple<int, int, int, int>>{}, nb::arg("fields"),
            nb::arg("separator") = ",", nb::arg("skip_lines") = 0,
            nb::arg("zone") = std::vector<std::pair<std::int64_t, std::int64_t>>{},
            nb::arg("period_ns") = 0, nb::arg("time_is_close") = false,
            nb::arg("implied_decimals") = 0, nb::arg("stream") = 0, nb::arg("source") = 0,
            nb::arg("measuring") = false, nb::arg("reversed") = false, nb::arg("by_zone") = false,
            nb::arg("months") = 0, nb::arg("starts") = std::vector<std::int64_t>{},
            nb::arg("wanted") = std::vector<std::uint64_t>{}, nb::arg("refuses_zero_time") = false,
            "by_zone, months: when bars end, by the zone's clocks, after calendar months. starts: "
            "the "
            "second and third stamp of all. wanted: rows that are given as rejects, and no others.")
        .def(
            "begin_hft",
            [](TableImport& self, int stream, std::uint32_t source, bool measuring) {
                self.begin_hft(stream, source, measuring);
            },
            nb::kw_only(), nb::arg("stream"), nb::arg("source"), nb::arg("measuring"),
            "What is fed next are hftbacktest's rows of 64 bytes.")
        .def(
            "feed",
            [](TableImport& self, const nb::bytes& chunk) {
                const char* const data = chunk.c_str();
                const std::size_t size = chunk.size();
                if (!self.has_source()) throw nb::value_error("no source was begun");
                Status status;
                {
                    nb::gil_scoped_release release;
                    status = self.feed(data, size);
                }
                return name_of(status);
            },
            "\"ok\", or the status that stopped it.")
        .def("end_source",
             [](TableImport& self) {
                 if (!self.has_source()) throw nb::value_error("no source was begun");
                 return name_of(self.end());
             })
        .def(
            "drain",
            [](TableImport& self, std::size_t count) {
                Status status;
                {
                    nb::gil_scoped_release release;
                    status = self.drain(count);
                }
                return name_of(status);
            },
            "Emits sorted rows: \"ok\" while there are more, \"not_found\" when all are out.")
        .def(
            "check", [](const TableImport& self) { raise_if_failed(self.sort_failure()); },
            "Raises what stopped the sorting.")
        .def_prop_ro(
            "snapped", [](const TableImport& self) { return self.facts().snapped; },
            "Numbers of this source that were rounded, within 1e-9.")
        .def_prop_ro("rejected", [](TableImport& self) { return self.rejects().count(); })
        .def_prop_ro("unsynced", [](const TableImport& self) { return self.gate().unsynced(); })
        .def_prop_ro("unmapped",
                     [](const TableImport& self) { return counts_of(self.streams().unmapped()); })
        .def_prop_ro("passed_over",
                     [](const TableImport& self) { return counts_of(self.passed_over()); })
        .def(
            "facts",
            [](const TableImport& self) {
                const TableFacts& facts = self.facts();
                nb::dict steps;
                for (const auto& [step, count] : facts.steps) steps[nb::int_(step)] = count;
                return nb::make_tuple(facts.rows, facts.first_time, facts.last_time,
                                      facts.ascending, facts.descending, steps);
            },
            "Of this source: (rows, first, last, ascending, descending, {step: count}).")
        .def(
            "bar_facts",
            [](const TableImport& self) {
                const BarFacts& facts = self.facts().bars;
                nb::dict shifts;
                for (const auto& [steps, count] : facts.shifts) {
                    shifts[nb::make_tuple(steps.first, steps.second)] = count;
                }
                nb::list offsets;
                for (const auto& each : facts.offsets) {
                    offsets.append(nb::make_tuple(each.offset, each.first, each.last));
                }
                return nb::make_tuple(shifts, facts.month_starts_utc, facts.month_starts_wall,
                                      offsets, nb::cast(facts.head), nb::cast(facts.tail),
                                      facts.first_wall);
            },
            "Of this source's bars: ({(step in UTC, on the clock): count}, month starts in UTC and "
            "on "
            "the clock, [(offset, first, last)], the first and the last three stamps, the first "
            "on the clock).")
        .def(
            "numbers",
            [](const TableImport& self, std::size_t index) {
                const TableStreams& streams = self.streams();
                if (index >= streams.count()) throw nb::index_error("no such stream");
                return nb::make_tuple(text_of(streams.seen(index)),
                                      seen(streams.numbers(index, Quantity::price)),
                                      seen(streams.numbers(index, Quantity::size)),
                                      seen(streams.numbers(index, Quantity::reference)),
                                      seen(streams.numbers(index, Quantity::volume)));
            },
            "Of a stream: (raw name seen, price, size, reference, volume).")
        .def("take_rejects", [](TableImport& self) { return rejects_of(self.rejects()); });
}
