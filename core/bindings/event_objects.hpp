#pragma once
// The event objects that callbacks receive. One C type per event kind; hot fields are float slots
// that CPython's specialised attribute read reaches directly, the others are computed on access.
//
// An object is reused from event to event unless somebody else refers to it, and so are the floats
// in its slots: an object that a strategy keeps does not change, because the next event then gets a
// new one. This rests on reference counts; docs/adr/0008 has the measurements, and
// `event_reuse_works` tests it on the running interpreter at import. If it fails, or without the
// GIL, every event gets a fresh object.
#include <Python.h>

#include <cstdint>
#include <optional>

#include "journal/events.hpp"

namespace onetape {

// The facts of its instrument that an event object needs; kept alive by reference.
struct EventOrigin {
    PyObject* symbol;    // str
    double price_scale;  // 10 ** price_decimals
    double size_scale;
    std::int8_t price_decimals, size_decimals;
};

class EventFactory {
 public:
    // Makes the types and adds them to `module`; false with a Python error set.
    static bool ready(PyObject* module);
    static void set_reuse(bool on);
    [[nodiscard]] static bool reuse();

    EventFactory() = default;
    ~EventFactory();
    EventFactory(const EventFactory&) = delete;
    EventFactory& operator=(const EventFactory&) = delete;

    // Returns borrowed references, valid until the next call for the same kind; nullptr: Python
    // error.
    PyObject* quote(const EventOrigin& origin, const QuotePayload& payload);
    PyObject* trade(const EventOrigin& origin, const TradePayload& payload);
    // extra: decimals of the payload's prices beyond the instrument's (mid bars: 1).
    PyObject* bar(const EventOrigin& origin, const BarPayload& payload, PyObject* period,
                  int extra);
    // rate: of the next funding payment, 1e-12, if known.
    PyObject* mark(const EventOrigin& origin, const MarkPayload& payload,
                   std::optional<std::int64_t> rate);
    PyObject* funding(const EventOrigin& origin, const FundingPayload& payload);
    PyObject* liquidation(const EventOrigin& origin, const LiquidationPayload& payload);
    PyObject* mbo(const EventOrigin& origin, const MboPayload& payload);

 private:
    struct EventObject* take(int kind);
    struct EventObject* held_[7] = {};
};

// Converts an event to a tuple of plain values, and back: for events that a strategy keeps over a
// restart. New references; nullptr: a Python error is set.
PyObject* event_parts(PyObject* event);
PyObject* event_of(PyObject* parts);

}  // namespace onetape
