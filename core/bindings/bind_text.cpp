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
#include "text/capture.hpp"
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

// Names come from the file: whatever bytes they are, they must not raise here.
[[nodiscard]] nb::object text_of(std::string_view text) {
    return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()),
                                          "backslashreplace"));
}

[[nodiscard]] nb::dict counts_of(const NameCounts& counts) {
    nb::dict out;
    for (const auto& [name, count] : counts) out[text_of(name)] = count;
    return out;
}

[[nodiscard]] nb::list rejects_of(RejectLog& log) {
    nb::list out;
    for (const Reject& reject : log.take()) {
        out.append(nb::make_tuple(reject.source, reject.line,
                                  nb::bytes(reject.reason.data(), reject.reason.size()),
                                  nb::bytes(reject.text.data(), reject.text.size())));
    }
    return out;
}

// The core's words for kinds and roles, by which tables in Python name them.
constexpr const char* message_kinds[] = {"quote", "trade",       "book", "snapshot",
                                         "mark",  "liquidation", "bar"};
constexpr const char* roles[] = {
    "symbol",   "time",    "time_fallback", "bid",    "ask",       "bid_size",
    "ask_size", "price",   "size",          "id",     "sell",      "side",
    "first_id", "last_id", "previous_id",   "bids",   "asks",      "mark",
    "index",    "rate",    "funding_time",  "open",   "high",      "low",
    "close",    "volume",  "turnover",      "trades", "open_time", "close_time",
    "closed"};
static_assert(std::size(roles) == role_count);
constexpr const char* table_kinds[] = {"quotes",       "trades",       "bars",    "marks",
                                       "funding",      "liquidations", "tickers", "book_snapshots",
                                       "book_changes", "sides",        "orders"};
static_assert(std::size(table_kinds) == table_kind_count);
constexpr const char* row_forms[] = {"lines", "json", "packed"};
constexpr const char* columns[] = {
    "ts_event",       "ts_recv",     "bid",        "ask",      "bid_size",
    "ask_size",       "price",       "size",       "side",     "id",
    "open",           "high",        "low",        "close",    "volume",
    "symbol",         "update_id",   "close_time", "turnover", "trades",
    "buyer_is_maker", "mark",        "index",      "rate",     "funding_time",
    "interval_hours", "is_snapshot", "action",     "flags",    "last",
    "reported"};
static_assert(std::size(columns) == column_count);

template <std::size_t N>
[[nodiscard]] std::size_t index_of(const char* const (&names)[N], const std::string& name) {
    for (std::size_t i = 0; i < N; ++i) {
        if (name == names[i]) return i;
    }
    throw nb::value_error(("unknown name " + name).c_str());
}

// (kind, name, event, channels, {role: path}, required roles, (path, value) or None)
using RuleRow = std::tuple<std::string, std::string, std::string, std::vector<std::string>,
                           std::map<std::string, std::string>, std::vector<std::string>,
                           std::optional<std::pair<std::string, std::string>>>;
// (raw, stream, price decimals, size decimals, growable)
using StreamRow = std::tuple<std::string, std::uint32_t, int, int, bool>;

[[nodiscard]] int slot_of(JsonPaths& paths, const std::string& path) {
    int slot = -1;
    if (const Failure failure = paths.add(path, slot); !failure.ok()) {
        throw nb::value_error(failure.what.c_str());
    }
    return slot;
}

[[nodiscard]] CaptureConfig capture_config(const std::string& event_path,
                                           const std::string& channel_path,
                                           const std::vector<std::string>& wrappers,
                                           const std::vector<RuleRow>& rules,
                                           const std::vector<StreamRow>& streams, bool others_pass,
                                           bool measuring, bool discovers) {
    CaptureConfig config;
    config.discovers = discovers;
    config.others_pass = others_pass;
    config.measuring = measuring;
    config.event_slot = slot_of(config.paths, event_path);
    config.channel_slot = slot_of(config.paths, channel_path);
    for (const std::string& wrapper : wrappers) {
        if (const Failure failure = config.paths.add_wrapper(wrapper); !failure.ok()) {
            throw nb::value_error(failure.what.c_str());
        }
    }
    for (const auto& [kind, name, event, channels, paths, required, filter] : rules) {
        MessageRule& rule = config.rules.emplace_back();
        rule.kind = static_cast<MessageKind>(index_of(message_kinds, kind));
        rule.name = name;
        rule.event = event;
        rule.channels = channels;
        for (const auto& [role, path] : paths) {
            rule.slots[index_of(roles, role)] = slot_of(config.paths, path);
        }
        for (const std::string& role : required) {
            const int slot = rule.slots[index_of(roles, role)];
            if (slot < 0) throw nb::value_error(("required but without path: " + role).c_str());
            rule.required |= std::uint64_t{1} << static_cast<unsigned>(slot);
        }
        if (filter) {
            rule.filter_slot = slot_of(config.paths, filter->first);
            rule.filter = filter->second;
        }
    }
    for (const auto& [raw, stream, price_decimals, size_decimals, growable] : streams) {
        config.streams.push_back({raw, stream, price_decimals, size_decimals, growable});
    }
    return config;
}

[[nodiscard]] Zone zone_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& changes) {
    std::vector<ZoneChange> out;
    for (const auto& [wall, offset] : changes) out.push_back({wall, offset});
    return Zone(std::move(out));
}

// A capture on its way into a tape, or into nothing while it is measured.
class CaptureImport {
 public:
    CaptureImport(TapeSink* sink, CaptureConfig config)
        : decoder_(std::move(config), sink != nullptr ? static_cast<EventSink&>(*sink) : null_) {}

    CaptureDecoder& decoder() noexcept { return decoder_; }

 private:
    NullSink null_;
    CaptureDecoder decoder_;
};

// Tables on their way into a tape: one gate, one reject list, a sorter where order asks for it.
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
        rows_ = std::make_unique<TableDecoder>(std::move(config), streams_, rejects_, &gate_,
                                               sorter_.get());
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

// Importing: scanners and decoders. onetape/data drives them with chunks of bytes.
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

    nb::class_<CaptureImport>(m, "CaptureImport", "Raw `<receipt ns> <json>` lines to events.")
        .def(
            "__init__",
            [](CaptureImport* self, TapeSink* sink, const std::string& event_path,
               const std::string& channel_path, const std::vector<std::string>& wrappers,
               const std::vector<RuleRow>& rules, const std::vector<StreamRow>& streams,
               bool others_pass, bool discovers) {
                new (self) CaptureImport(
                    sink, capture_config(event_path, channel_path, wrappers, rules, streams,
                                         others_pass, sink == nullptr, discovers));
            },
            nb::arg("sink").none(), nb::arg("event_path"), nb::arg("channel_path"),
            nb::arg("wrappers"), nb::arg("rules"), nb::arg("streams"),
            nb::arg("others_pass") = false, nb::arg("discovers") = false, nb::keep_alive<1, 2>(),
            "sink None: nothing is written, decimals are measured. discovers: symbols without a "
            "stream begin one.")
        .def("begin_source",
             [](CaptureImport& self, std::uint32_t index) { self.decoder().begin_source(index); })
        .def(
            "feed",
            [](CaptureImport& self, const nb::bytes& chunk) {
                const char* const data = chunk.c_str();
                const std::size_t size = chunk.size();
                nb::gil_scoped_release release;
                return static_cast<int>(self.decoder().feed(data, size));
            },
            "0: go on, 1: failed, 2: a number needs more decimals than its instrument has.")
        .def("end_source",
             [](CaptureImport& self) { return static_cast<int>(self.decoder().end_source()); })
        .def(
            "message",
            [](CaptureImport& self, std::uint32_t source, std::uint64_t line, std::int64_t receipt,
               const nb::bytes& json) {
                const std::string_view text{json.c_str(), json.size()};
                if (!text.ends_with('\n')) throw nb::value_error("message: ends in no newline");
                return static_cast<int>(self.decoder().message_of(source, line, receipt,
                                                                  text.substr(0, text.size() - 1)));
            },
            nb::arg("source"), nb::arg("line"), nb::arg("receipt"), nb::arg("json"),
            "One message without its envelope, ending in a newline. Answers as feed does.")
        .def_prop_ro("stream_count",
                     [](CaptureImport& self) { return self.decoder().stream_count(); })
        .def("finish",
             [](CaptureImport& self) { return static_cast<int>(self.decoder().finish()); })
        .def(
            "facts",
            [](CaptureImport& self, std::size_t index) {
                const auto facts = self.decoder().facts(index);
                return nb::make_tuple(text_of(facts.raw), seen(facts.price), seen(facts.size),
                                      seen(facts.reference), seen(facts.volume));
            },
            "(raw name seen, price, size, reference, volume), each as TableImport's.")
        .def_prop_ro("lines", [](CaptureImport& self) { return self.decoder().lines(); })
        .def_prop_ro("gaps", [](CaptureImport& self) { return self.decoder().gaps(); })
        .def_prop_ro("snapped", [](CaptureImport& self) { return self.decoder().snapped(); })
        .def_prop_ro("unsynced", [](CaptureImport& self) { return self.decoder().unsynced(); })
        .def_prop_ro("rejected",
                     [](CaptureImport& self) { return self.decoder().rejects().count(); })
        .def_prop_ro("passed_over",
                     [](CaptureImport& self) { return counts_of(self.decoder().passed_over()); })
        .def_prop_ro("unmapped",
                     [](CaptureImport& self) { return counts_of(self.decoder().unmapped()); })
        .def(
            "take_rejects",
            [](CaptureImport& self) { return rejects_of(self.decoder().rejects()); },
            "[(source, line, reason, first 200 bytes)] since the last call.");

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
               std::uint32_t source, bool measuring, bool reversed) {
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
                config.stream = stream;
                config.source = source;
                config.measuring = measuring;
                config.reversed = reversed;
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
            nb::arg("measuring") = false, nb::arg("reversed") = false)
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
