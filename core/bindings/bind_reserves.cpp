// The money of sub-accounts reserved by orders and positions, for onetape/accounts/reserves.py.
#include <nanobind/stl/string_view.h>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/py_reserves.hpp"

using namespace onetape;

void bind_reserves(nb::module_& m) {
    nb::class_<PyReserves>(m, "Reserves",
                           "What orders and positions hold of sub-accounts' money. See "
                           "core/orders/reserves.hpp.")
        .def(
            "__init__",
            [](PyReserves* made, nb::object instruments, nb::object references, std::int64_t over,
               std::int64_t under) {
                check(over > 0 && under > 0, "leverage is positive");
                new (made) PyReserves(std::move(instruments), std::move(references), over, under);
            },
            nb::arg("instruments"), nb::arg("references"), nb::arg("over"), nb::arg("under"),
            nb::sig("def __init__(self, instruments: typing.Mapping[str, "
                    "onetape.model.instrument.Instrument], references: typing.Mapping[str, int], "
                    "over: int, under: int) -> None"),
            "references: prices that market orders are reckoned at. over, under: leverage as a "
            "fraction.")
        .def("held", &PyReserves::held, nb::arg("currency"), nb::arg("slot"),
             nb::sig("def held(self, currency: str, slot: int) -> int"),
             "What is held of a currency in a slot, 1e-18; never negative.")
        .def("held_in", &PyReserves::held_in, nb::arg("currency"), nb::arg("count"),
             nb::sig("def held_in(self, currency: str, count: int) -> list[int]"),
             "What is held in so many slots from 0 on, where the sum of the others stands; never "
             "negative.")
        .def("wanted", &PyReserves::wanted, nb::arg("spec"), nb::arg("left"), nb::arg("price"),
             nb::kw_only(), nb::arg("slot") = 0, nb::arg("without") = nb::none(),
             nb::sig("def wanted(self, spec: onetape.model.order.OrderSpec, left: int, price: int, "
                     "*, slot: int = 0, without: AccountOrder | None = None) -> tuple[str, int] | "
                     "None"),
             "What a new order would hold: a currency and units of it. None: nothing, or that "
             "cannot be said (no price is known). slot: whose it is; then what closes its "
             "position, or hedges its orders, needs less. Without it the order counts as if "
             "nothing else were there. without: the order that it replaces, whose part is free "
             "then: what is wanted more than now.")
        .def("opens", &PyReserves::opens, nb::arg("spec"), nb::arg("left"), nb::arg("price"),
             nb::kw_only(), nb::arg("slot"),
             nb::sig("def opens(self, spec: onetape.model.order.OrderSpec, left: int, price: int, "
                     "*, slot: int) -> bool"),
             "Whether a position could become larger by this order than by those that work. Else "
             "only its fee is wanted, and what it closes sets free more than that.")
        .def("of", &PyReserves::of, nb::arg("order"), nb::arg("currency"),
             nb::sig("def of(self, order: AccountOrder, currency: str) -> int"),
             "What this order holds: what would be free without it.")
        .def("backing", &PyReserves::backing, nb::arg("value"),
             nb::sig("def backing(self, value: int) -> int"),
             "What a position of that value holds by itself.")
        .def("update", &PyReserves::update, nb::arg("order"), nb::arg("slot"),
             nb::sig("def update(self, order: AccountOrder, slot: int) -> tuple[str, ...]"),
             "The order may have changed. Returns the currencies of which another amount is held.")
        .def("hold", &PyReserves::hold, nb::arg("client_id"), nb::arg("spec"), nb::arg("left"),
             nb::arg("price"), nb::arg("slot"),
             nb::sig("def hold(self, client_id: str, spec: onetape.model.order.OrderSpec, left: "
                     "int, price: int, slot: int) -> tuple[str, ...]"),
             "Holds for an order of which so much may be filled yet, at that price or a better "
             "one.")
        .def("position", &PyReserves::position, nb::arg("slot"), nb::arg("symbol"), nb::arg("side"),
             nb::arg("qty"), nb::arg("value"),
             nb::sig("def position(self, slot: int, symbol: str, side: "
                     "onetape.model.enums.PositionSide, qty: int, value: int) -> tuple[str, ...]"),
             "Takes in a sub-account's position as it is now. value: what it was opened for, "
             "1e-18 of the settle currency, of either sign.")
        .def("flatten", &PyReserves::flatten,
             "Nothing is held any more: the exchange has begun anew.");
}
