#include <nanobind/stl/string.h>

#include <cstring>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/text_cast.hpp"
#include "text/tape_sink.hpp"
#include "text/text_events.hpp"

using namespace onetape;

namespace {

// A number as the source wrote it: text, or an integer of JSON. None and "" are 0: not given.
// nullptr, or why it is none.
[[nodiscard]] const char* number_of(PyObject* value, RawDecimal& raw) {
    raw = {};
    if (PyUnicode_Check(value)) {
        Py_ssize_t size = 0;
        const char* const text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text == nullptr) {
            PyErr_Clear();  // a lone surrogate, which JSON can write
            return "is not a number";
        }
        if (size == 0) return nullptr;
        const NumberFault fault = parse_decimal({text, static_cast<std::size_t>(size)}, raw);
        return fault == NumberFault::none ? nullptr : describe(fault);
    }
    if (PyLong_CheckExact(value)) {
        int overflow = 0;
        raw.mantissa = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow == 0 ? nullptr : "is too large";
    }
    return value == Py_None ? nullptr : "is not a number";
}

struct Faults {
    const char* what = nullptr;  // "price"
    const char* why = nullptr;   // "is not finite"

    bool take(const char* name, PyObject* value, RawDecimal& raw) {
        why = number_of(value, raw);
        what = name;
        return why == nullptr;
    }
    [[nodiscard]] nb::object told() const {
        return nb::str((std::string(what) + " " + why).c_str());
    }
};

// [(price, size, ...), ...]: what follows size is passed over.
[[nodiscard]] bool levels_of(PyObject* rows, std::vector<TextLevel>& levels, Faults& faults) {
    levels.clear();
    faults = {"levels", "are not a list of lists"};
    if (!PyList_Check(rows)) return false;
    const Py_ssize_t count = PyList_GET_SIZE(rows);
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* const row = PyList_GET_ITEM(rows, i);
        const bool is_list = PyList_Check(row);
        if (!is_list && !PyTuple_Check(row)) return false;
        if (Py_SIZE(row) < 2) return false;
        TextLevel& level = levels.emplace_back();
        PyObject* const price = is_list ? PyList_GET_ITEM(row, 0) : PyTuple_GET_ITEM(row, 0);
        PyObject* const size = is_list ? PyList_GET_ITEM(row, 1) : PyTuple_GET_ITEM(row, 1);
        if (!faults.take("price", price, level.price)) return false;
        if (!faults.take("size", size, level.size)) return false;
        faults = {"levels", "are not a list of lists"};
    }
    return true;
}

// A UUID's 32 hex digits into both halves, most significant first. False where it is none.
[[nodiscard]] bool uuid_of(std::string_view text, TradePayload& trade) {
    std::uint8_t bytes[16] = {};
    std::size_t nibbles = 0;
    for (const char c : text) {
        int value = -1;
        if (c >= '0' && c <= '9') value = c - '0';
        if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
        if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
        if (value < 0) {
            if (c == '-') continue;
            return false;
        }
        if (nibbles >= 32) return false;
        bytes[nibbles / 2] = static_cast<std::uint8_t>(bytes[nibbles / 2] << 4 | value);
        ++nibbles;
    }
    if (nibbles != 32) return false;
    std::memcpy(&trade.id_low, bytes, 8);
    std::memcpy(&trade.id_high, bytes + 8, 8);
    trade.id_kind = IdKind::uuid;
    return true;
}

// An integer, a UUID, or text of at most 16 bytes. Longer text is not kept.
void id_of(PyObject* id, TradePayload& trade) {
    if (PyLong_CheckExact(id)) {
        const unsigned long long value = PyLong_AsUnsignedLongLong(id);
        if (PyErr_Occurred() != nullptr) {
            PyErr_Clear();
            return;
        }
        trade.id_low = value;
        trade.id_kind = IdKind::integer;
        return;
    }
    if (!PyUnicode_Check(id)) return;
    Py_ssize_t size = 0;
    const char* const data = PyUnicode_AsUTF8AndSize(id, &size);
    if (data == nullptr) {
        PyErr_Clear();
        return;
    }
    const std::string_view text{data, static_cast<std::size_t>(size)};
    if (text.empty() || uuid_of(text, trade) || text.size() > 16) return;
    char room[16] = {};
    std::memcpy(room, text.data(), text.size());
    std::memcpy(&trade.id_low, room, 8);
    std::memcpy(&trade.id_high, room + 8, 8);
    trade.id_kind = IdKind::text;
}

class TextImport {
 public:
    explicit TextImport(TapeSink* sink)
        : sink_(sink),
          events(sink != nullptr ? static_cast<EventSink&>(*sink) : null_, sink == nullptr) {}

    nb::object answer(const char* why) {
        if (why == nullptr) return nb::none();
        if (events.status() != Status::ok && sink_ != nullptr) raise_if_failed(sink_->failure());
        return nb::str(why);
    }

 private:
    NullSink null_;
    TapeSink* sink_;

 public:
    TextEvents events;
    std::vector<TextLevel> bids, asks;
};

}  // namespace

// Events from decoders in Python: onetape/venues/<venue>/protocol.py.
void bind_text_events(nb::module_& m) {
    nb::class_<TextImport>(m, "TextImport",
                           "Events with numbers as written, into a tape. What cannot be taken is "
                           "answered with the reason, None is taken.")
        .def(
            "__init__", [](TextImport* self, TapeSink* sink) { new (self) TextImport(sink); },
            nb::arg("sink").none(), nb::keep_alive<1, 2>(),
            "sink None: nothing is written, decimals are measured.")
        .def(
            "add_stream",
            [](TextImport& self, int price_decimals, int size_decimals) {
                self.events.add_stream(price_decimals, size_decimals);
            },
            nb::arg("price_decimals"), nb::arg("size_decimals"), "The next stream, from 1.")
        .def(
            "quote",
            [](TextImport& self, std::uint32_t stream, std::int64_t receipt, std::int64_t ts_event,
               nb::handle bid, nb::handle bid_size, nb::handle ask, nb::handle ask_size,
               std::uint64_t update_id) -> nb::object {
                TextLevel buy, sell;
                Faults faults;
                if (!faults.take("bid", bid.ptr(), buy.price) ||
                    !faults.take("bid size", bid_size.ptr(), buy.size) ||
                    !faults.take("ask", ask.ptr(), sell.price) ||
                    !faults.take("ask size", ask_size.ptr(), sell.size)) {
                    return faults.told();
                }
                return self.answer(
                    self.events.quote({stream, receipt, ts_event}, buy, sell, update_id));
            },
            nb::arg("stream"), nb::arg("receipt"), nb::arg("ts_event"), nb::arg("bid").none(),
            nb::arg("bid_size").none(), nb::arg("ask").none(), nb::arg("ask_size").none(),
            nb::arg("update_id") = 0,
            nb::sig("def quote(self, stream: int, receipt: int, "
                    "ts_event: int, bid: object, bid_size: object, ask: object, ask_size: object, "
                    "update_id: int = 0) -> str | None"))
        .def(
            "trade",
            [](TextImport& self, std::uint32_t stream, std::int64_t receipt, std::int64_t ts_event,
               nb::handle price, nb::handle size, int side, nb::handle id) -> nb::object {
                TextLevel what;
                Faults faults;
                if (!faults.take("price", price.ptr(), what.price) ||
                    !faults.take("size", size.ptr(), what.size)) {
                    return faults.told();
                }
                TradePayload head{};
                if (side < 0 || side > 2) throw nb::value_error("side: 0 none, 1 buy, 2 sell");
                head.side = static_cast<Side>(side);
                id_of(id.ptr(), head);
                return self.answer(self.events.trade({stream, receipt, ts_event}, what, head));
            },
            nb::arg("stream"), nb::arg("receipt"), nb::arg("ts_event"), nb::arg("price").none(),
            nb::arg("size").none(), nb::arg("side"), nb::arg("id").none(),
            nb::sig("def trade(self, stream: int, receipt: int, ts_event: int, price: object, "
                    "size: object, side: int, id: object) -> str | None"))
        .def(
            "book",
            [](TextImport& self, std::uint32_t stream, std::int64_t receipt, std::int64_t ts_event,
               int flags, std::uint64_t last_id, std::uint64_t previous_id, nb::handle bids,
               nb::handle asks) -> nb::object {
                Faults faults;
                if (!levels_of(bids.ptr(), self.bids, faults) ||
                    !levels_of(asks.ptr(), self.asks, faults)) {
                    return faults.told();
                }
                BookPayload head{};
                // The first id is the last where a message names the one before it. Without that
                // it is not known, and 0 keeps a book from asking that it count on by one.
                head.first_id = previous_id != 0 ? last_id : 0;
                head.last_id = last_id;
                head.previous_id = previous_id;
                return self.answer(self.events.book({stream, receipt, ts_event},
                                                    static_cast<std::uint16_t>(flags), head,
                                                    self.bids, self.asks));
            },
            nb::arg("stream"), nb::arg("receipt"), nb::arg("ts_event"), nb::arg("flags"),
            nb::arg("last_id"), nb::arg("previous_id"), nb::arg("bids"), nb::arg("asks"),
            nb::sig("def book(self, stream: int, receipt: int, ts_event: int, flags: int, "
                    "last_id: int, previous_id: int, bids: list[object], asks: list[object]) -> "
                    "str | None"),
            "Levels are (price, size, ...); size 0 takes the level away.")
        .def(
            "facts",
            [](const TextImport& self, std::size_t index) {
                const auto& seen_ = self.events.numbers(index).seen;
                return nb::make_tuple(seen(seen_[0]), seen(seen_[1]), seen(seen_[2]),
                                      seen(seen_[3]));
            },
            "(price, size, reference, volume) of the stream at `index`, as CaptureImport's.")
        .def_prop_ro("snapped", [](const TextImport& self) { return self.events.snapped(); });
}
