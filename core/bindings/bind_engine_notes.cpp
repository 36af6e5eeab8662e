// Records that a strategy writes beside its orders, and the receivers of its events.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "bindings/py_trading_loop.hpp"

namespace onetape {

void bind_notes(nb::class_<PyTradingLoop>& loop) {
    loop.def("place_with", &PyTradingLoop::place_with, nb::arg("more"), nb::arg("refusal"),
             nb::arg("reason"), nb::arg("symbol"), nb::arg("side"), nb::arg("qty"),
             nb::arg("price").none(), nb::arg("post_only"), nb::arg("reduce_only"), nb::arg("tif"),
             nb::arg("trigger").none(), nb::arg("trigger_by"), nb::arg("trigger_kind").none(),
             nb::arg("position_side").none(), nb::arg("expire").none(), nb::arg("tag"),
             nb::arg("attached") = std::tuple(0, 0, 0),
             "As place, with further facts (a MessagePack map) for its frame on the tape. refusal: "
             "a code that it is denied with, 0: none. attached: (id of its entry, share, distance) "
             "of a stop or take-profit that is sent together with it: see attachment.hpp.")
        .def(
            "fills_bars",
            [](PyTradingLoop& s, nb::handle symbol) {
                return s.core->exchange().fills_bars(s.find(symbol));
            },
            nb::arg("symbol"),
            "Orders meet bars alone, or nothing yet: protective ones go with their entry.")
        .def(
            "append_with_actions",
            [](PyTradingLoop& s, int type, const nb::bytes& payload) {
                std::string text(payload.c_str(), payload.size());
                s.note_call(CallKind::beside, static_cast<std::int32_t>(type), text);
                s.core->append_with_actions(static_cast<EventType>(type), std::move(text));
            },
            nb::arg("type"), nb::arg("payload"),
            "A MessagePack frame that takes its place between this callback's orders.")
        .def(
            "note_reason",
            [](PyTradingLoop& s, std::uint64_t order, std::string text) {
                s.core->note_reason(order, std::move(text));
            },
            nb::arg("order"), nb::arg("text"), "Why a gateway has refused an order, in its words.")
        .def("set_callback", &PyTradingLoop::set_callback, nb::arg("name"), nb::arg("callback"),
             "Another function in a callback's place; it takes the event.");
}

}  // namespace onetape
