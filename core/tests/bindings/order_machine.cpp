// The core's order machine one step at a time, for the table of onetape/orders to be compared with.
#include <cstdint>

#include "engine/order.hpp"
#include "tests/bindings/bind.hpp"

using namespace onetape;

namespace {

struct ModelOrder {
    Order order;
};

}  // namespace

void bind_order_machine(nb::module_& m) {
    // The table is a static of the core, of which this module has its own.
    m.def("install_order_machine", [](nb::bytes matrix) {
        return OrderMachine::install(
            {reinterpret_cast<const std::uint8_t*>(matrix.c_str()), matrix.size()});
    });
    nb::class_<ModelOrder>(m, "ModelOrder", "The core's order under the installed table.")
        .def(
            "__init__",
            [](ModelOrder* self, int state, std::int64_t size, std::int64_t filled, bool accepted,
               bool triggered, bool cancel_open, bool update_open) {
                new (self) ModelOrder{};
                Order& order = self->order;
                order.state = static_cast<OrderState>(state);
                order.size = size;
                order.filled = filled;
                order.accepted = accepted;
                order.was_triggered = triggered;
                order.cancel_open = cancel_open;
                order.update_open = update_open;
            },
            nb::kw_only(), nb::arg("state"), nb::arg("size"), nb::arg("filled") = 0,
            nb::arg("accepted") = false, nb::arg("triggered") = false,
            nb::arg("cancel_open") = false, nb::arg("update_open") = false)
        .def(
            "take",
            [](ModelOrder& self, int act) {
                return static_cast<int>(OrderMachine::take(self.order, static_cast<OrderAct>(act)));
            },
            nb::arg("act"), "The cell that applied; 0 also for a state.")
        .def_prop_ro("state",
                     [](const ModelOrder& self) { return static_cast<int>(self.order.state); })
        .def_prop_ro("facts", [](const ModelOrder& self) {
            const Order& order = self.order;
            return nb::make_tuple(order.accepted, order.was_triggered, order.cancel_open,
                                  order.update_open);
        });
}
