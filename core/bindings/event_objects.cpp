#include "bindings/event_objects.hpp"

#include <structmember.h>

#include <cmath>
#include <cstddef>
#include <cstring>

#include "base/money.hpp"
#include "market/bars.hpp"

namespace onetape {
namespace {

enum Kind : int {
    kind_quote,
    kind_trade,
    kind_bar,
    kind_mark,
    kind_funding,
    kind_liquidation,
    kind_mbo,
};
constexpr int kind_count = 7;
constexpr int slot_count = 5;

bool reuse_on = true;
PyTypeObject* types[kind_count] = {};
PyObject* side_names[3] = {};  // None, "buy", "sell"
constexpr const char* action_words[] = {"", "add", "modify", "cancel", "fill", "clear"};
PyObject* action_names[6] = {};

}  // namespace

struct EventObject {
    PyObject_HEAD PyObject* symbol;
    PyObject* slot[slot_count];  // floats, or nullptr beyond the kind's fields
    PyObject* extra;             // trade, liquidation: side; bar: period
    double price_scale, size_scale;
    union {
        QuotePayload quote;
        TradePayload trade;
        BarPayload bar;
        MarkPayload mark;
        FundingPayload funding;
        LiquidationPayload liquidation;
        MboPayload mbo;
    };
};

namespace {

void event_dealloc(PyObject* self) {
    auto* event = reinterpret_cast<EventObject*>(self);
    PyTypeObject* type = Py_TYPE(self);
    Py_XDECREF(event->symbol);
    Py_XDECREF(event->extra);
    for (PyObject* value : event->slot) Py_XDECREF(value);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* event_repr(PyObject* self) {
    // Every public attribute, in the order of the type's definition.
    PyObject* text = PyUnicode_FromFormat("%s(", Py_TYPE(self)->tp_name);
    if (!text) return nullptr;
    bool first = true;
    for (PyMemberDef* member = Py_TYPE(self)->tp_members; member && member->name; ++member) {
        PyObject* value = PyObject_GetAttrString(self, member->name);
        PyObject* next =
            value ? PyUnicode_FromFormat("%U%s%s=%R", text, first ? "" : ", ", member->name, value)
                  : nullptr;
        Py_XDECREF(value);
        Py_DECREF(text);
        if (!next) return nullptr;
        text = next;
        first = false;
    }
    PyObject* done = PyUnicode_FromFormat("%U)", text);
    Py_DECREF(text);
    return done;
}

EventObject* as_event(PyObject* self) {
    return reinterpret_cast<EventObject*>(self);
}

#define INT_GETTER(name, payload, member)                                   \
    PyGetSetDef {                                                           \
        name,                                                               \
            [](PyObject* self, void*) -> PyObject* {                        \
                return PyLong_FromLongLong(as_event(self)->payload.member); \
            },                                                              \
            nullptr, nullptr, nullptr                                       \
    }

PyObject* quote_mid(PyObject* self, void*) {
    const EventObject* e = as_event(self);
    return PyFloat_FromDouble(static_cast<double>(e->quote.bid + e->quote.ask) /
                              (2.0 * e->price_scale));
}

PyObject* trade_id(PyObject* self, void*) {
    const TradePayload& trade = as_event(self)->trade;
    switch (trade.id_kind) {
        case IdKind::integer:
            return PyLong_FromUnsignedLongLong(trade.id_low);
        case IdKind::text: {
            char text[17] = {};
            std::memcpy(text, &trade.id_low, 16);
            return PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(std::strlen(text)),
                                        "replace");
        }
        case IdKind::uuid: {
            unsigned char bytes[16];
            std::memcpy(bytes, &trade.id_low, 16);
            char text[37];
            static const char* digits = "0123456789abcdef";
            int at = 0;
            for (int i = 0; i < 16; ++i) {
                if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
                text[at++] = digits[bytes[i] >> 4];
                text[at++] = digits[bytes[i] & 15];
            }
            return PyUnicode_FromStringAndSize(text, at);
        }
        case IdKind::none:
            break;
    }
    Py_RETURN_NONE;
}

PyObject* bar_trades(PyObject* self, void*) {
    const BarPayload& bar = as_event(self)->bar;
    if (bar.trades < 0) Py_RETURN_NONE;
    return PyLong_FromLongLong(bar.trades);
}

PyObject* bar_vwap(PyObject* self, void*) {
    const EventObject* e = as_event(self);
    const Int128 turnover = join_halves(e->bar.turnover_low, e->bar.turnover_high);
    if (turnover == 0 || e->bar.volume == 0) Py_RETURN_NONE;
    return PyFloat_FromDouble(static_cast<double>(turnover) / static_cast<double>(e->bar.volume) /
                              e->price_scale);
}

PyObject* mark_index(PyObject* self, void*) {
    const EventObject* e = as_event(self);
    if (e->mark.index == 0) Py_RETURN_NONE;
    return PyFloat_FromDouble(static_cast<double>(e->mark.index) / e->price_scale);
}

PyObject* mark_rate(PyObject* self, void*) {
    PyObject* const rate = as_event(self)->slot[1];
    return Py_NewRef(rate ? rate : Py_None);
}

PyObject* funding_mark(PyObject* self, void*) {
    const EventObject* e = as_event(self);
    if (e->funding.mark == 0) Py_RETURN_NONE;
    return PyFloat_FromDouble(static_cast<double>(e->funding.mark) / e->price_scale);
}

#define MEMBER(name, at)                                                \
    PyMemberDef {                                                       \
        name, T_OBJECT_EX, offsetof(EventObject, at), READONLY, nullptr \
    }
#define MEMBER_END                \
    PyMemberDef {                 \
        nullptr, 0, 0, 0, nullptr \
    }
#define GETTER(name, function)                    \
    PyGetSetDef {                                 \
        name, function, nullptr, nullptr, nullptr \
    }
#define GETTER_END                                  \
    PyGetSetDef {                                   \
        nullptr, nullptr, nullptr, nullptr, nullptr \
    }

constexpr auto slot_at(int i) {
    return offsetof(EventObject, slot) + sizeof(PyObject*) * i;
}
#define SLOT(name, i)                                                             \
    PyMemberDef {                                                                 \
        name, T_OBJECT_EX, static_cast<Py_ssize_t>(slot_at(i)), READONLY, nullptr \
    }

PyMemberDef quote_members[] = {MEMBER("symbol", symbol), SLOT("bid", 0),      SLOT("ask", 1),
                               SLOT("bid_size", 2),      SLOT("ask_size", 3), MEMBER_END};
PyGetSetDef quote_getters[] = {GETTER("mid", quote_mid),
                               INT_GETTER("ts_event", quote, ts_event),
                               INT_GETTER("ts_recv", quote, ts_recv),
                               INT_GETTER("bid_int", quote, bid),
                               INT_GETTER("ask_int", quote, ask),
                               INT_GETTER("bid_size_int", quote, bid_size),
                               INT_GETTER("ask_size_int", quote, ask_size),
                               GETTER_END};

PyMemberDef trade_members[] = {MEMBER("symbol", symbol), SLOT("price", 0), SLOT("size", 1),
                               MEMBER("side", extra), MEMBER_END};
PyGetSetDef trade_getters[] = {GETTER("id", trade_id),
                               INT_GETTER("ts_event", trade, ts_event),
                               INT_GETTER("ts_recv", trade, ts_recv),
                               INT_GETTER("price_int", trade, price),
                               INT_GETTER("size_int", trade, size),
                               GETTER_END};

PyMemberDef bar_members[] = {
    MEMBER("symbol", symbol), MEMBER("period", extra), SLOT("open", 0),   SLOT("high", 1),
    SLOT("low", 2),           SLOT("close", 3),        SLOT("volume", 4), MEMBER_END};
PyGetSetDef bar_getters[] = {
    GETTER("trades", bar_trades),          GETTER("vwap", bar_vwap),
    INT_GETTER("ts_open", bar, ts_open),   INT_GETTER("ts_close", bar, ts_close),
    INT_GETTER("open_int", bar, open),     INT_GETTER("high_int", bar, high),
    INT_GETTER("low_int", bar, low),       INT_GETTER("close_int", bar, close),
    INT_GETTER("volume_int", bar, volume), GETTER_END};

PyMemberDef mark_members[] = {MEMBER("symbol", symbol), SLOT("mark", 0), MEMBER_END};
PyGetSetDef mark_getters[] = {GETTER("index", mark_index),
                              GETTER("rate", mark_rate),
                              INT_GETTER("ts_event", mark, ts_event),
                              INT_GETTER("ts_recv", mark, ts_recv),
                              INT_GETTER("mark_int", mark, mark),
                              INT_GETTER("index_int", mark, index),
                              GETTER_END};

PyMemberDef funding_members[] = {MEMBER("symbol", symbol), SLOT("rate", 0), MEMBER_END};
PyGetSetDef funding_getters[] = {GETTER("mark", funding_mark),
                                 INT_GETTER("ts_event", funding, ts_event),
                                 INT_GETTER("ts_recv", funding, ts_recv),
                                 INT_GETTER("interval_ns", funding, interval_ns), GETTER_END};

PyMemberDef liquidation_members[] = {MEMBER("symbol", symbol), SLOT("price", 0), SLOT("size", 1),
                                     MEMBER("side", extra), MEMBER_END};
PyGetSetDef liquidation_getters[] = {INT_GETTER("ts_event", liquidation, ts_event),
                                     INT_GETTER("ts_recv", liquidation, ts_recv),
                                     INT_GETTER("price_int", liquidation, price),
                                     INT_GETTER("size_int", liquidation, size), GETTER_END};

PyObject* mbo_action(PyObject* self, void*) {
    const auto action = static_cast<unsigned>(as_event(self)->mbo.action);
    return Py_NewRef(action_names[action < 6 ? action : 0]);
}

PyObject* mbo_order_id(PyObject* self, void*) {
    return PyLong_FromUnsignedLongLong(as_event(self)->mbo.order_id);
}

PyObject* mbo_is_last(PyObject* self, void*) {
    return PyBool_FromLong(as_event(self)->mbo.last != 0);
}

PyMemberDef mbo_members[] = {MEMBER("symbol", symbol), SLOT("price", 0), SLOT("size", 1),
                             MEMBER("side", extra), MEMBER_END};
PyGetSetDef mbo_getters[] = {
    GETTER("action", mbo_action),        GETTER("order_id", mbo_order_id),
    GETTER("is_last", mbo_is_last),      INT_GETTER("ts_event", mbo, ts_event),
    INT_GETTER("ts_recv", mbo, ts_recv), INT_GETTER("price_int", mbo, price),
    INT_GETTER("size_int", mbo, size),   GETTER_END};

struct KindSpec {
    const char* name;
    const char* doc;
    PyMemberDef* members;
    PyGetSetDef* getters;
};
KindSpec kind_specs[kind_count] = {
    {"onetape._core.Quote",
     "Top of book as the venue sent it. Floats; *_int are exact at the instrument's decimals.",
     quote_members, quote_getters},
    {"onetape._core.Trade", "A public trade; `side` is the taker's.", trade_members, trade_getters},
    {"onetape._core.Bar",
     "A completed bar [ts_open, ts_close). trades and vwap are None where the source has none.",
     bar_members, bar_getters},
    {"onetape._core.Mark", "Mark price, and index price where given.", mark_members, mark_getters},
    {"onetape._core.Funding", "Funding rate of one interval.", funding_members, funding_getters},
    {"onetape._core.Liquidation", "A forced trade reported by the venue.", liquidation_members,
     liquidation_getters},
    {"onetape._core.MarketByOrder",
     "What happened to one order of the venue's book: action is add, modify, cancel, fill or "
     "clear, "
     "side that of the order; is_last: the venue's message ends here.",
     mbo_members, mbo_getters},
};

// Writes `value` into the slot: in place if nobody else refers to the float.
inline bool put(PyObject*& slot, double value) {
    PyObject* held = slot;
    if (held && reuse_on && Py_REFCNT(held) == 1) {
        reinterpret_cast<PyFloatObject*>(held)->ob_fval = value;
        return true;
    }
    PyObject* fresh = PyFloat_FromDouble(value);
    if (!fresh) return false;
    slot = fresh;
    Py_XDECREF(held);
    return true;
}

inline void put_object(PyObject*& place, PyObject* value) {
    if (place == value) return;
    Py_XINCREF(value);
    PyObject* old = place;
    place = value;
    Py_XDECREF(old);
}

}  // namespace

bool EventFactory::ready(PyObject* module) {
    for (int kind = 0; kind < kind_count; ++kind) {
        const KindSpec& spec = kind_specs[kind];
        PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(event_dealloc)},
                               {Py_tp_repr, reinterpret_cast<void*>(event_repr)},
                               {Py_tp_members, spec.members},
                               {Py_tp_getset, spec.getters},
                               {Py_tp_doc, const_cast<char*>(spec.doc)},
                               {0, nullptr}};
        PyType_Spec type_spec = {
            spec.name, sizeof(EventObject), 0,
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
            slots};
        PyObject* type = PyType_FromSpec(&type_spec);
        if (!type) return false;
        types[kind] = reinterpret_cast<PyTypeObject*>(type);
        if (PyModule_AddObjectRef(module, std::strrchr(spec.name, '.') + 1, type) < 0) return false;
    }
    side_names[0] = Py_NewRef(Py_None);
    side_names[1] = PyUnicode_InternFromString("buy");
    side_names[2] = PyUnicode_InternFromString("sell");
    for (int i = 0; i < 6; ++i) {
        action_names[i] = PyUnicode_InternFromString(action_words[i]);
        if (!action_names[i]) return false;
    }
#ifdef Py_GIL_DISABLED
    reuse_on = false;
#endif
    return side_names[1] && side_names[2];
}

void EventFactory::set_reuse(bool on) {
    reuse_on = on;
}
bool EventFactory::reuse() {
    return reuse_on;
}

EventFactory::~EventFactory() {
    for (EventObject* event : held_) Py_XDECREF(reinterpret_cast<PyObject*>(event));
}

EventObject* EventFactory::take(int kind) {
    EventObject* event = held_[kind];
    if (event && reuse_on && Py_REFCNT(reinterpret_cast<PyObject*>(event)) == 1) [[likely]]
        return event;
    PyTypeObject* type = types[kind];
    auto* fresh = reinterpret_cast<EventObject*>(type->tp_alloc(type, 0));
    if (!fresh) return nullptr;
    held_[kind] = fresh;
    Py_XDECREF(reinterpret_cast<PyObject*>(event));
    return fresh;
}

namespace {
inline void begin(EventObject* event, const EventOrigin& origin) {
    put_object(event->symbol, origin.symbol);
    event->price_scale = origin.price_scale;
    event->size_scale = origin.size_scale;
}
inline double price_of(const EventOrigin& origin, std::int64_t units) {
    return static_cast<double>(units) / origin.price_scale;
}
inline double size_of(const EventOrigin& origin, std::int64_t units) {
    return static_cast<double>(units) / origin.size_scale;
}
inline PyObject* side_object(Side side) {
    const auto index = static_cast<unsigned>(side);
    return side_names[index < 3 ? index : 0];
}
}  // namespace

PyObject* EventFactory::quote(const EventOrigin& origin, const QuotePayload& payload) {
    EventObject* event = take(kind_quote);
    if (!event) return nullptr;
    begin(event, origin);
    event->quote = payload;
    if (!put(event->slot[0], price_of(origin, payload.bid)) ||
        !put(event->slot[1], price_of(origin, payload.ask)) ||
        !put(event->slot[2], size_of(origin, payload.bid_size)) ||
        !put(event->slot[3], size_of(origin, payload.ask_size)))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::trade(const EventOrigin& origin, const TradePayload& payload) {
    EventObject* event = take(kind_trade);
    if (!event) return nullptr;
    begin(event, origin);
    event->trade = payload;
    put_object(event->extra, side_object(payload.side));
    if (!put(event->slot[0], price_of(origin, payload.price)) ||
        !put(event->slot[1], size_of(origin, payload.size)))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::bar(const EventOrigin& origin, const BarPayload& payload, PyObject* period,
                            int extra) {
    EventObject* event = take(kind_bar);
    if (!event) return nullptr;
    begin(event, origin);
    event->bar = in_price_units(payload, extra);
    const double scale = extra == 0 ? origin.price_scale : origin.price_scale * 10.0;
    put_object(event->extra, period);
    if (!put(event->slot[0], static_cast<double>(payload.open) / scale) ||
        !put(event->slot[1], static_cast<double>(payload.high) / scale) ||
        !put(event->slot[2], static_cast<double>(payload.low) / scale) ||
        !put(event->slot[3], static_cast<double>(payload.close) / scale) ||
        !put(event->slot[4], size_of(origin, payload.volume)))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::mark(const EventOrigin& origin, const MarkPayload& payload,
                             std::optional<std::int64_t> rate) {
    EventObject* event = take(kind_mark);
    if (!event) return nullptr;
    begin(event, origin);
    event->mark = payload;
    if (!put(event->slot[0], price_of(origin, payload.mark))) return nullptr;
    if (!rate)
        put_object(event->slot[1], nullptr);
    else if (!put(event->slot[1], static_cast<double>(*rate) / 1e12))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::funding(const EventOrigin& origin, const FundingPayload& payload) {
    EventObject* event = take(kind_funding);
    if (!event) return nullptr;
    begin(event, origin);
    event->funding = payload;
    if (!put(event->slot[0], static_cast<double>(payload.rate) / 1e12)) return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::liquidation(const EventOrigin& origin, const LiquidationPayload& payload) {
    EventObject* event = take(kind_liquidation);
    if (!event) return nullptr;
    begin(event, origin);
    event->liquidation = payload;
    put_object(event->extra, side_object(payload.side));
    if (!put(event->slot[0], price_of(origin, payload.price)) ||
        !put(event->slot[1], size_of(origin, payload.size)))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

PyObject* EventFactory::mbo(const EventOrigin& origin, const MboPayload& payload) {
    EventObject* event = take(kind_mbo);
    if (!event) return nullptr;
    begin(event, origin);
    event->mbo = payload;
    put_object(event->extra, side_object(payload.side));
    if (!put(event->slot[0], price_of(origin, payload.price)) ||
        !put(event->slot[1], size_of(origin, payload.size)))
        return nullptr;
    return reinterpret_cast<PyObject*>(event);
}

namespace {
constexpr std::size_t payload_offset = offsetof(EventObject, quote);
constexpr std::size_t payload_bytes = sizeof(EventObject) - payload_offset;
}  // namespace

// (kind, symbol, extra, price_scale, size_scale, payload, slots)
PyObject* event_parts(PyObject* self) {
    int kind = 0;
    while (kind < kind_count && Py_TYPE(self) != types[kind]) ++kind;
    if (kind == kind_count) return PyErr_Format(PyExc_TypeError, "not a market event");
    const EventObject* event = as_event(self);
    PyObject* slots = PyTuple_New(slot_count);
    if (!slots) return nullptr;
    for (int i = 0; i < slot_count; ++i)
        PyTuple_SET_ITEM(slots, i, Py_NewRef(event->slot[i] ? event->slot[i] : Py_None));
    return Py_BuildValue("(iOOddy#N)", kind, event->symbol, event->extra ? event->extra : Py_None,
                         event->price_scale, event->size_scale,
                         reinterpret_cast<const char*>(&event->quote),
                         static_cast<Py_ssize_t>(payload_bytes), slots);
}

PyObject* event_of(PyObject* parts) {
    int kind = 0;
    PyObject *symbol = nullptr, *extra = nullptr, *slots = nullptr;
    double price_scale = 1.0, size_scale = 1.0;
    const char* payload = nullptr;
    Py_ssize_t bytes = 0;
    if (!PyArg_ParseTuple(parts, "iUOddy#O!", &kind, &symbol, &extra, &price_scale, &size_scale,
                          &payload, &bytes, &PyTuple_Type, &slots))
        return nullptr;
    if (kind < 0 || kind >= kind_count || bytes != static_cast<Py_ssize_t>(payload_bytes) ||
        PyTuple_GET_SIZE(slots) != slot_count)
        return PyErr_Format(PyExc_ValueError, "not the parts of a market event");
    auto* event = reinterpret_cast<EventObject*>(types[kind]->tp_alloc(types[kind], 0));
    if (!event) return nullptr;
    event->symbol = Py_NewRef(symbol);
    // A side may be none; kinds without a side ignore it.
    event->extra = Py_NewRef(extra);
    event->price_scale = price_scale;
    event->size_scale = size_scale;
    std::memcpy(&event->quote, payload, payload_bytes);
    for (int i = 0; i < slot_count; ++i) {
        PyObject* value = PyTuple_GET_ITEM(slots, i);
        if (value != Py_None) event->slot[i] = Py_NewRef(value);
    }
    return reinterpret_cast<PyObject*>(event);
}

}  // namespace onetape
