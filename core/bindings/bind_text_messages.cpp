#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/text_cast.hpp"
#include "journal/writer.hpp"
#include "market/book.hpp"
#include "text/message_reader.hpp"
#include "text/tape_sink.hpp"

using namespace onetape;

namespace {

// The core's names of kinds and roles, as used by tables in Python.
constexpr const char* message_kinds[] = {"quote",        "trade", "book",         "snapshot",
                                         "checked_book", "depth", "refusal",      "mark",
                                         "liquidation",  "bar",   "open_interest"};
constexpr const char* roles[] = {"symbol",       "symbol_fallback",
                                 "time",         "time_fallback",
                                 "bid",          "ask",
                                 "bid_size",     "ask_size",
                                 "price",        "size",
                                 "id",           "sell",
                                 "side",         "first_id",
                                 "last_id",      "previous_id",
                                 "sequence",     "bids",
                                 "asks",         "mark",
                                 "index",        "rate",
                                 "funding_time", "predicted",
                                 "open",         "high",
                                 "low",          "close",
                                 "volume",       "turnover",
                                 "trades",       "open_time",
                                 "close_time",   "closed",
                                 "action",       "checksum",
                                 "depth",        "error",
                                 "minutes"};
constexpr const char* checksums[] = {"none", "digits", "turns"};
static_assert(std::size(roles) == role_count);
// (kind, name, event, channels, {role: path}, required roles, (path, value) or None, the action
// that replaces a whole book)
using RuleRow = std::tuple<std::string, std::string, std::string, std::vector<std::string>,
                           std::map<std::string, std::string>, std::vector<std::string>,
                           std::optional<std::pair<std::string, std::string>>, std::string>;
using Keys = std::vector<std::string>;
// (event path, end of the event's name, channel path, answer path, wrappers, paths of rows, texts,
// keys of a level, checksum, rules)
using TableRow = std::tuple<std::string, std::string, std::string, std::string, Keys, Keys, Keys,
                            std::pair<std::string, std::string>, std::string, std::vector<RuleRow>>;
// (raw, stream, price decimals, size decimals, growable)
using StreamRow = std::tuple<std::string, std::uint32_t, int, int, bool>;

[[nodiscard]] int slot_of(JsonPaths& paths, const std::string& path) {
    int slot = -1;
    if (const Failure failure = paths.add(path, slot); !failure.ok()) {
        throw nb::value_error(failure.what.c_str());
    }
    return slot;
}

[[nodiscard]] ReaderConfig reader_config(const TableRow& table,
                                         const std::vector<StreamRow>& streams) {
    const auto& [event_path, separator, channel_path, answer_path, wrappers, rows, texts, level,
                 checksum, rules] = table;
    ReaderConfig config;
    config.event_slot = slot_of(config.paths, event_path);
    if (!separator.empty()) config.separator = separator.front();
    config.checksum = static_cast<BookChecksum>(index_of(checksums, checksum));
    if (!channel_path.empty()) config.channel_slot = slot_of(config.paths, channel_path);
    if (!answer_path.empty()) config.answer_slot = slot_of(config.paths, answer_path);
    for (const std::string& wrapper : wrappers) {
        if (const Failure failure = config.paths.add_wrapper(wrapper); !failure.ok()) {
            throw nb::value_error(failure.what.c_str());
        }
    }
    for (const auto& [kind, name, event, channels, paths, required, filter, whole] : rules) {
        MessageRule& rule = config.rules.emplace_back();
        rule.kind = static_cast<MessageKind>(index_of(message_kinds, kind));
        rule.name = name;
        rule.event = event;
        rule.channels = channels;
        rule.whole = whole;
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
    for (const std::string& path : rows) {
        if (const Failure failure = config.paths.add_rows(path); !failure.ok()) {
            throw nb::value_error(failure.what.c_str());
        }
    }
    config.paths.set_texts(texts);
    if (!level.first.empty()) config.paths.set_level_keys(level.first, level.second);
    for (const auto& [raw, stream, price_decimals, size_decimals, growable] : streams) {
        config.streams.push_back({raw, stream, price_decimals, size_decimals, growable});
    }
    return config;
}

// An import of a capture into a tape, or into nothing while it is measured.
class CaptureImport {
 public:
    CaptureImport(TapeSink* sink, ReaderConfig config)
        : decoder_(std::move(config), sink != nullptr ? static_cast<EventSink&>(*sink) : null_) {}

    MessageReader& decoder() noexcept { return decoder_; }

 private:
    NullSink null_;
    MessageReader decoder_;
};

// Writes live messages to a journal, keeps the newest complete quote of each stream, and the book
// of one stream if requested.
class LiveSink final : public EventSink {
 public:
    struct Top {
        std::int64_t bid = 0, ask = 0, bid_size = 0, ask_size = 0;
    };

    struct Trade {
        std::uint64_t id = 0;
        std::int64_t time = 0;
    };

    LiveSink(bool keeps_book, bool polled) : keeps_book_(keeps_book), polled_(polled) {}

    void begin(Writer& writer) noexcept {
        writer_ = &writer;
        quoted_ = 0;
    }
    [[nodiscard]] std::uint32_t quoted() const noexcept { return quoted_; }
    [[nodiscard]] Top top(std::uint32_t stream) const {
        return stream < tops_.size() ? tops_[stream] : Top{};
    }
    void forget() noexcept { tops_.clear(); }
    [[nodiscard]] Trade last_trade(std::uint32_t stream) const {
        return stream < trades_.size() ? trades_[stream] : Trade{};
    }
    [[nodiscard]] std::uint64_t repeated() const noexcept { return repeated_; }
    [[nodiscard]] Book& book() noexcept { return book_; }

 protected:
    Status write(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                 const void* payload, std::uint32_t payload_bytes) override {
        if (polled_ && says_nothing_new(type, stream, payload)) {
            ++repeated_;
            return Status::ok;
        }
        const Status status = writer_->append(type, flags, stream, time, payload, payload_bytes);
        if (status != Status::ok) return status;
        if (type == EventType::book && keeps_book_) {
            const auto* book = static_cast<const BookPayload*>(payload);
            book_.apply(*book, flags, reinterpret_cast<const BookLevel*>(book + 1));
        }
        if (type != EventType::quote) return Status::ok;
        const auto& quote = *static_cast<const QuotePayload*>(payload);
        if (quote.bid <= 0 || quote.ask <= 0) return Status::ok;  // one side is empty
        quoted_ = stream;
        if (stream >= tops_.size()) tops_.resize(stream + 1);
        tops_[stream] = {quote.bid, quote.ask, quote.bid_size, quote.ask_size};
        return Status::ok;
    }

 private:
    // A poll's answer that is older than a later one, or repeats it without a new event.
    [[nodiscard]] bool says_nothing_new(EventType type, std::uint32_t stream, const void* payload) {
        if (type == EventType::quote) {
            const auto& quote = *static_cast<const QuotePayload*>(payload);
            if (stream >= updates_.size()) updates_.resize(stream + 1);
            const Top last = top(stream);
            const bool is_same = last.bid == quote.bid && last.ask == quote.ask &&
                                 last.bid_size == quote.bid_size && last.ask_size == quote.ask_size;
            if (is_same || quote.update_id < updates_[stream]) return true;
            updates_[stream] = quote.update_id;
        } else if (type == EventType::trade) {
            const auto& trade = *static_cast<const TradePayload*>(payload);
            if (trade.id_kind != IdKind::integer) return false;
            if (stream >= trades_.size()) trades_.resize(stream + 1);
            if (trade.id_low <= trades_[stream].id) return true;
            trades_[stream] = {trade.id_low, trade.ts_event};
        }
        return false;
    }

    Writer* writer_ = nullptr;
    std::uint32_t quoted_ = 0;
    bool keeps_book_;
    bool polled_;
    std::uint64_t repeated_ = 0;
    Book book_;
    std::vector<Top> tops_;  // by stream, as the others
    std::vector<std::uint64_t> updates_;
    std::vector<Trade> trades_;
};

class LiveMessages {
 public:
    LiveMessages(ReaderConfig config, bool keeps_book, bool polled)
        : sink_(keeps_book, polled), reader_(std::move(config), sink_) {}

    std::uint32_t take(std::string_view message, std::int64_t time, Writer& writer) {
        sink_.begin(writer);
        const MessageReader::Stop stop = reader_.message_of(0, reader_.lines() + 1, time, message);
        if (stop == MessageReader::Stop::failed) {
            const Status status = reader_.status();
            reader_.resume();
            raise(writer.failure().status == status ? writer.failure() : Failure{status, "append"});
        }
        return sink_.quoted();
    }

    MessageReader& reader() noexcept { return reader_; }
    LiveSink& sink() noexcept { return sink_; }

 private:
    LiveSink sink_;
    MessageReader reader_;
};

// Bypasses nanobind's argument handling, like an append (bind_journal.cpp).
PyObject* take_fast(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    static const nb::handle writer_type = nb::type<Writer>();
    if (count != 3 || !PyBytes_Check(args[0]) ||
        reinterpret_cast<PyObject*>(Py_TYPE(args[2])) != writer_type.ptr()) {
        PyErr_SetString(PyExc_TypeError, "take(message: bytes, time: int, writer: JournalWriter)");
        return nullptr;
    }
    const std::int64_t time = PyLong_AsLongLong(args[1]);
    if (time == -1 && PyErr_Occurred() != nullptr) return nullptr;
    // A bytes object ends in a readable zero.
    const std::string_view message{PyBytes_AS_STRING(args[0]),
                                   static_cast<std::size_t>(PyBytes_GET_SIZE(args[0]))};
    try {
        return PyLong_FromUnsignedLong(
            nb::inst_ptr<LiveMessages>(self)->take(message, time, *nb::inst_ptr<Writer>(args[2])));
    } catch (nb::python_error& error) {
        error.restore();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return nullptr;
}

PyMethodDef take_def = {"take", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(take_fast)),
                        METH_FASTCALL, "take(message, time, writer) -> stream"};

}  // namespace

// Market messages of venues: onetape/venues/protocol_table.py defines their description.
void bind_text_messages(nb::module_& m) {
    nb::class_<CaptureImport>(m, "CaptureImport", "Raw `<receipt ns> <json>` lines to events.")
        .def(
            "__init__",
            [](CaptureImport* self, TapeSink* sink, const TableRow& table,
               const std::vector<StreamRow>& streams, bool others_pass, bool discovers) {
                ReaderConfig config = reader_config(table, streams);
                config.others_pass = others_pass;
                config.measuring = sink == nullptr;
                config.discovers = discovers;
                new (self) CaptureImport(sink, std::move(config));
            },
            nb::arg("sink").none(), nb::arg("table"), nb::arg("streams"),
            nb::arg("others_pass") = false, nb::arg("discovers") = false, nb::keep_alive<1, 2>(),
            "table: of onetape/venues/protocol_table.py. sink None: nothing is written, decimals "
            "are measured. discovers: symbols without a stream begin one.")
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
        .def("connected", [](CaptureImport& self) { self.decoder().connected(); })
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

    nb::class_<LiveMessages>(m, "LiveMessages",
                             "A venue's messages as they come, to frames as an import of their "
                             "capture makes them.")
        .def(
            "__init__",
            [](LiveMessages* self, const TableRow& table, const std::vector<StreamRow>& streams,
               bool keeps_book, bool polled) {
                ReaderConfig config = reader_config(table, streams);
                config.others_pass = true;
                new (self) LiveMessages(std::move(config), keeps_book, polled);
            },
            nb::arg("table"), nb::arg("streams"), nb::arg("keeps_book") = false,
            nb::arg("polled") = false,
            "polled: quotes and trades that an earlier answer has said are left out.")
        .def_prop_ro(
            "take",
            [](nb::handle self) { return nb::steal(PyCFunction_New(&take_def, self.ptr())); },
            nb::sig("def take(self) -> Callable[[bytes, int, JournalWriter], int]"),
            "(message, time, writer) -> stream: appends the frames of a message received at (ns "
            "UTC). The stream whose two-sided quote it moved last, 0 for none.")
        .def_prop_ro(
            "book", [](LiveMessages& self) -> Book& { return self.sink().book(); },
            nb::rv_policy::reference_internal,
            "What its frames of depth come to, where it keeps that: of one stream.")
        .def(
            "top",
            [](LiveMessages& self, std::uint32_t stream) {
                const LiveSink::Top top = self.sink().top(stream);
                return nb::make_tuple(top.bid, top.ask, top.bid_size, top.ask_size);
            },
            nb::arg("stream"), nb::sig("def top(self, stream: int) -> tuple[int, int, int, int]"),
            "(bid, ask, bid size, ask size) of the newest two-sided quote, zeros for none.")
        .def(
            "middle",
            [](LiveMessages& self, std::uint32_t stream) {
                const LiveSink::Top top = self.sink().top(stream);
                // Both are above zero, and their sum fits 64 bits unsigned.
                return static_cast<std::int64_t>(
                    (static_cast<std::uint64_t>(top.bid) + static_cast<std::uint64_t>(top.ask)) /
                    2);
            },
            nb::arg("stream"), "(bid + ask) // 2 of the same.")
        .def(
            "next_funding",
            [](LiveMessages& self, std::uint32_t stream) {
                return self.reader().next_funding(stream);
            },
            nb::arg("stream"),
            nb::sig("def next_funding(self, stream: int) -> tuple[int, int] | None"),
            "(rate of 1e-12, ns UTC or 0) of the payment that comes next; None: nobody has said.")
        .def(
            "forget", [](LiveMessages& self) { self.sink().forget(); }, "No quote has come yet.")
        .def_prop_ro("taken", [](LiveMessages& self) { return self.reader().lines(); })
        .def_prop_ro("rejected", [](LiveMessages& self) { return self.reader().rejects().count(); })
        .def_prop_ro("passed_over",
                     [](LiveMessages& self) { return counts_of(self.reader().passed_over()); })
        .def_prop_ro(
            "unmapped", [](LiveMessages& self) { return counts_of(self.reader().unmapped()); },
            "Messages of symbols that no stream is for, by their names: none is kept.")
        .def_prop_ro("repeated", [](LiveMessages& self) { return self.sink().repeated(); })
        .def(
            "last_trade",
            [](LiveMessages& self, std::uint32_t stream) {
                const LiveSink::Trade trade = self.sink().last_trade(stream);
                return nb::make_tuple(trade.id, trade.time);
            },
            nb::arg("stream"), nb::sig("def last_trade(self, stream: int) -> tuple[int, int]"),
            "Where it is `polled`: (number, ts_event) of the newest trade, zeros for none.")
        .def_prop_ro(
            "refusal", [](LiveMessages& self) { return text_of(self.reader().refusal()); },
            "Why the venue refused a request, \"\" while it has not.")
        .def(
            "take_rejects", [](LiveMessages& self) { return rejects_of(self.reader().rejects()); },
            "As CaptureImport's.");
}
