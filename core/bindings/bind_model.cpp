// The core's arithmetic and order machine one step at a time, for the slow models of
// onetape/model, onetape/orders and onetape/accounts to be compared with. Nothing at run time
// calls these.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <optional>

#include "bindings/bind.hpp"
#include "engine/order.hpp"
#include "exchange/instrument.hpp"
#include "exchange/order_rules.hpp"
#include "exchange/position.hpp"

using namespace onetape;

namespace {

nb::object integer(Int128 value) {
    return (nb::int_(high_half(value)) << nb::int_(64)) |
           nb::int_(static_cast<std::uint64_t>(low_half(value)));
}

struct ModelPosition {
    InstrumentSpec spec;
    Position position;
};

struct ModelOrder {
    Order order;
};

// Instrument.spec(), with notional_min (beyond 64 bits) as its two halves.
InstrumentSpec whole_spec(const nb::dict& facts) {
    const auto number = [&](const char* name) { return nb::cast<std::int64_t>(facts[name]); };
    InstrumentSpec spec;
    spec.kind = static_cast<ContractKind>(number("kind"));
    spec.price_decimals = static_cast<std::int8_t>(number("price_decimals"));
    spec.size_decimals = static_cast<std::int8_t>(number("size_decimals"));
    spec.tick = number("tick");
    spec.lot = number("lot");
    spec.size_min = number("size_min");
    spec.size_max = number("size_max");
    spec.market_lot = number("market_lot");
    spec.market_size_min = number("market_size_min");
    spec.market_size_max = number("market_size_max");
    spec.multiplier = number("multiplier");
    spec.multiplier_decimals = static_cast<std::int8_t>(number("multiplier_decimals"));
    spec.band_up = number("band_up");
    spec.band_down = number("band_down");
    spec.trigger_by = static_cast<std::uint8_t>(number("trigger_by"));
    const auto least = nb::cast<std::pair<std::int64_t, std::int64_t>>(facts["notional_min"]);
    spec.notional_min = join_halves(least.first, least.second);
    return spec;
}

OrderRequestPayload request_from(const nb::dict& facts) {
    const auto number = [&](const char* name) { return nb::cast<std::int64_t>(facts[name]); };
    OrderRequestPayload request{};
    request.kind = RequestKind::place;
    request.price = number("price");
    request.size = number("size");
    request.trigger = number("trigger");
    request.expire_ns = number("expire");
    request.side = static_cast<Side>(number("side"));
    request.type = static_cast<OrderType>(number("type"));
    request.tif = static_cast<TimeInForce>(number("tif"));
    request.flags = static_cast<std::uint8_t>(number("flags"));
    request.trigger_by = static_cast<TriggerBy>(number("trigger_by"));
    request.position_side = static_cast<PositionSide>(number("position_side"));
    return request;
}

InstrumentSpec value_spec(int kind, int price_decimals, int size_decimals, std::int64_t multiplier,
                          int multiplier_decimals) {
    InstrumentSpec spec;
    spec.kind = static_cast<ContractKind>(kind);
    spec.price_decimals = static_cast<std::int8_t>(price_decimals);
    spec.size_decimals = static_cast<std::int8_t>(size_decimals);
    spec.multiplier = multiplier;
    spec.multiplier_decimals = static_cast<std::int8_t>(multiplier_decimals);
    return spec;
}

}  // namespace

void bind_model(nb::module_& m) {
    m.def(
        "model_snap",
        [](double value, int decimals, std::int64_t step,
           int rounding) -> std::optional<std::int64_t> {
            std::int64_t units = 0;
            if (!snap(value, decimals, step, static_cast<Rounding>(rounding), units)) return {};
            return units;
        },
        nb::arg("value"), nb::arg("decimals"), nb::arg("step"), nb::arg("rounding"),
        "rounding: 0 nearest, 1 down, 2 up, 3 toward zero. None for what is no number.");

    m.def(
        "model_check_order",
        [](const nb::dict& spec, const nb::dict& request, std::int64_t reference) {
            return check_order(whole_spec(spec), request_from(request), reference);
        },
        nb::arg("spec"), nb::arg("request"), nb::arg("reference"),
        "0 or the number of the error the order would be refused with.");

    nb::class_<ModelPosition>(m, "ModelPosition", "The core's position, fed by hand.")
        .def(
            "__init__",
            [](ModelPosition* self, int kind, int price_decimals, int size_decimals,
               std::int64_t multiplier, int multiplier_decimals) {
                new (self) ModelPosition{value_spec(kind, price_decimals, size_decimals, multiplier,
                                                    multiplier_decimals),
                                         {}};
            },
            nb::kw_only(), nb::arg("kind"), nb::arg("price_decimals"), nb::arg("size_decimals"),
            nb::arg("multiplier") = 1, nb::arg("multiplier_decimals") = 0)
        .def(
            "apply",
            [](ModelPosition& self, int side, std::int64_t price, std::int64_t size) {
                return integer(
                    self.position.apply(self.spec, static_cast<Side>(side), price, size));
            },
            nb::arg("side"), nb::arg("price"), nb::arg("size"),
            "Realized profit in 1e-18. side: 1 buy, 2 sell.")
        .def(
            "unrealized",
            [](const ModelPosition& self, std::int64_t mark) {
                return integer(self.position.unrealized(self.spec, 2 * mark));
            },
            nb::arg("mark"))
        .def(
            "notional",
            [](const ModelPosition& self, std::int64_t price, std::int64_t size) {
                return integer(self.spec.notional(price, size));
            },
            nb::arg("price"), nb::arg("size"))
        .def_prop_ro("qty", [](const ModelPosition& self) { return self.position.qty; })
        .def_prop_ro("cost", [](const ModelPosition& self) { return integer(self.position.cost); })
        .def_prop_ro("realized",
                     [](const ModelPosition& self) { return integer(self.position.realized); })
        .def_prop_ro("entry_price", [](const ModelPosition& self) {
            return self.position.entry_price(self.spec);
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
