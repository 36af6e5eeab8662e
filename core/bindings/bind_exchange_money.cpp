// Instrument numbers, order rules, position and account for Python.
#include <nanobind/stl/optional.h>

#include <cmath>
#include <optional>

#include "bindings/bind.hpp"
#include "bindings/exchange_cast.hpp"
#include "bindings/keyword_fields.hpp"
#include "exchange/account.hpp"
#include "exchange/order_rules.hpp"
#include "exchange/position.hpp"

using namespace onetape;

namespace {

constexpr KeywordField<InstrumentSpec> spec_fields[] = {
    {"kind", word<&InstrumentSpec::kind, kind_names>},
    {"price_decimals", plain<&InstrumentSpec::price_decimals>},
    {"size_decimals", plain<&InstrumentSpec::size_decimals>},
    {"tick", plain<&InstrumentSpec::tick>},
    {"lot", plain<&InstrumentSpec::lot>},
    {"size_min", plain<&InstrumentSpec::size_min>},
    {"size_max", plain<&InstrumentSpec::size_max>},
    {"market_lot", plain<&InstrumentSpec::market_lot>},
    {"market_size_min", plain<&InstrumentSpec::market_size_min>},
    {"market_size_max", plain<&InstrumentSpec::market_size_max>},
    {"notional_min", plain<&InstrumentSpec::notional_min>},
    {"multiplier", plain<&InstrumentSpec::multiplier>},
    {"multiplier_decimals", plain<&InstrumentSpec::multiplier_decimals>},
    {"maker_fee", plain<&InstrumentSpec::maker_fee>},
    {"taker_fee", plain<&InstrumentSpec::taker_fee>},
    {"band_up", plain<&InstrumentSpec::band_up>},
    {"band_down", plain<&InstrumentSpec::band_down>},
    {"maintenance_rate", plain<&InstrumentSpec::maintenance_rate>},
    {"trigger_by", plain<&InstrumentSpec::trigger_by>},
};

InstrumentSpec spec_from_kwargs(const nb::kwargs& kwargs) {
    InstrumentSpec spec;
    read_keywords(spec, kwargs, spec_fields, "InstrumentSpec");
    if (spec.tick < 1 || spec.lot < 1) throw nb::value_error("tick and lot are at least 1");
    return spec;
}

[[noreturn]] void throw_overflow(const char* what) {
    PyErr_SetString(PyExc_OverflowError, what);
    throw nb::python_error();
}

// Numbers from Python may come from a venue, and a value must not overflow.
void check_fits(const InstrumentSpec& spec, std::int64_t price, std::int64_t size) {
    constexpr double most = 1.6e38;  // of 128 bits, less the precision of doubles
    const bool inverse = spec.kind == ContractKind::inverse;
    const int exponent = money_decimals - spec.size_decimals - spec.multiplier_decimals +
                         (inverse ? spec.price_decimals : -spec.price_decimals);
    double value = std::abs(static_cast<double>(size)) * static_cast<double>(spec.multiplier);
    if (!inverse) value *= std::abs(static_cast<double>(price));
    if (exponent > 0) value *= std::pow(10.0, exponent);
    if (value > most) throw_overflow("a value does not fit 128 bits at 18 decimals");
}

}  // namespace

void onetape::bind_exchange_money(nb::module_& m) {
    nb::class_<InstrumentSpec>(m, "InstrumentSpec",
                               "The numbers of one instrument version, as whole numbers.")
        .def("__init__",
             [](InstrumentSpec* self, const nb::kwargs& kwargs) {
                 new (self) InstrumentSpec(spec_from_kwargs(kwargs));
             })
        .def_ro("price_decimals", &InstrumentSpec::price_decimals)
        .def_ro("size_decimals", &InstrumentSpec::size_decimals)
        .def_ro("tick", &InstrumentSpec::tick)
        .def_ro("lot", &InstrumentSpec::lot)
        .def(
            "notional",
            [](const InstrumentSpec& spec, std::int64_t price, std::int64_t size) {
                check_fits(spec, price, size);
                return money_to_python(spec.notional(price, size));
            },
            nb::arg("price"), nb::arg("size"),
            "Value in the settle currency, 1e-18, signed as the size. Raises OverflowError beyond "
            "128 bits.")
        .def(
            "notional_doubled",
            [](const InstrumentSpec& spec, std::int64_t price, std::int64_t size) {
                check_fits(spec, price, size);
                return money_to_python(spec.notional_doubled(price, size));
            },
            nb::arg("price"), nb::arg("size"),
            "The same at half of a price: a mid may lie between two units.")
        .def(
            "broken_rules",
            [](const InstrumentSpec& spec, int side, int type, std::int64_t price,
               std::int64_t size, std::int64_t trigger, int trigger_by, bool reduce_only,
               std::int64_t reference, std::int64_t band_times) {
                OrderRequestPayload request{};
                request.side = static_cast<Side>(side);
                request.type = static_cast<OrderType>(type);
                request.tif = TimeInForce::gtc;
                request.price = price;
                request.size = size;
                request.trigger = trigger;
                request.trigger_by = static_cast<TriggerBy>(trigger_by);
                // The caller checks the form, with more information: any kind will do.
                const auto kind = trigger != 0 ? TriggerKind::stop : TriggerKind::none;
                request.flags = with_trigger_kind(reduce_only ? order_reduce_only : 0, kind);
                return broken_rules(spec, request, reference, band_times);
            },
            nb::arg("side"), nb::arg("type"), nb::arg("price"), nb::arg("size"), nb::arg("trigger"),
            nb::arg("trigger_by"), nb::arg("reduce_only"), nb::arg("reference"),
            nb::arg("band_times"),
            "Bits of the rules that an order breaks (core/exchange/order_rules.hpp), 0: none.")
        .def(
            "fee",
            [](const InstrumentSpec& spec, const std::string& liquidity, std::int64_t price,
               std::int64_t size) {
                const auto how =
                    named<Liquidity>(nb::str(liquidity.c_str()), liquidity_names, "liquidity");
                return money_to_python(fee_of(spec, how, price, size));
            },
            nb::arg("liquidity"), nb::arg("price"), nb::arg("size"),
            "Paid (positive) or given back (negative), 1e-18.");

    m.def(
        "at_rate",
        [](const nb::int_& value, std::int64_t rate) {
            return money_to_python(at_rate(money_from_python(value), rate));
        },
        nb::arg("value"), nb::arg("rate"),
        "value * rate, half to even: a fee, a funding payment. value: 1e-18, rate: 1e-12.");
    m.def(
        "snap",
        [](double value, int decimals, std::int64_t step,
           const std::string& rounding) -> std::optional<std::int64_t> {
            const auto how = named<Rounding>(nb::str(rounding.c_str()),
                                             "nearest,down,up,toward_zero", "rounding");
            std::int64_t units = 0;
            if (!snap(value, decimals, step, how, units)) return std::nullopt;
            return units;
        },
        nb::arg("value"), nb::arg("decimals"), nb::arg("step"), nb::arg("rounding") = "nearest",
        "A float as units on a step: the nearest within 1e-9 relative, else rounded; None for "
        "what is not finite or too large.");
    m.def(
        "check_order",
        [](const InstrumentSpec& spec, std::int64_t reference, const nb::kwargs& kwargs) {
            return check_order(spec, request_from_kwargs(kwargs), reference);
        },
        nb::arg("spec"), nb::arg("reference"), nb::arg("request"),
        "0, or the error number that a request would be refused with.");

    nb::class_<Position>(m, "CorePosition", "One holding: signed quantity, exact cost, realized.")
        .def(nb::init<>())
        .def_rw("qty", &Position::qty)
        .def_prop_rw(
            "cost", [](const Position& p) { return money_to_python(p.cost); },
            [](Position& p, const nb::int_& units) { p.cost = money_from_python(units); })
        .def_prop_rw(
            "realized", [](const Position& p) { return money_to_python(p.realized); },
            [](Position& p, const nb::int_& units) { p.realized = money_from_python(units); })
        .def_prop_rw(
            "state",
            [](const Position& p) {
                nb::object parts = nb::steal(PyTuple_New(3));
                if (!parts.is_valid()) throw nb::python_error();
                PyTuple_SET_ITEM(parts.ptr(), 0, PyLong_FromLongLong(p.qty));
                PyTuple_SET_ITEM(parts.ptr(), 1, int128_to_python(p.cost).release().ptr());
                PyTuple_SET_ITEM(parts.ptr(), 2, int128_to_python(p.realized).release().ptr());
                return parts;
            },
            [](Position& p, const nb::tuple& state) {
                if (state.size() != 3) throw nb::value_error("qty, cost and realized");
                p = {nb::cast<std::int64_t>(state[0]),
                     money_from_python(nb::cast<nb::int_>(state[1])),
                     money_from_python(nb::cast<nb::int_>(state[2]))};
            },
            nb::for_getter(nb::sig("def state(self, /) -> tuple[int, int, int]")),
            nb::for_setter(nb::sig("def state(self, value: tuple[int, int, int], /) -> None")),
            "qty, cost and realized at once: each alone costs as much as the three.")
        .def(
            "take",
            [](Position& p, const InstrumentSpec& spec, std::int64_t change,
               const nb::int_& value) {
                std::int64_t after = 0;
                if (__builtin_add_overflow(p.qty, change, &after))
                    throw_overflow("a position does not fit 64 bits");
                return money_to_python(p.apply(spec, change, money_from_python(value)));
            },
            nb::arg("spec"), nb::arg("change"), nb::arg("value"),
            "A fill of a signed size and its value, 1e-18. Returns the profit that it realizes.")
        .def(
            "apply",
            [](Position& p, const InstrumentSpec& spec, const std::string& side, std::int64_t price,
               std::int64_t size) {
                if (size <= 0) throw nb::value_error("size must be positive");
                const auto which = named<Side>(nb::str(side.c_str()), side_names, "side");
                return money_to_python(p.apply(spec, which, price, size));
            },
            nb::arg("spec"), nb::arg("side"), nb::arg("price"), nb::arg("size"))
        .def(
            "unrealized",
            [](const Position& p, const InstrumentSpec& spec, std::int64_t mark) {
                return money_to_python(p.unrealized(spec, 2 * mark));
            },
            nb::arg("spec"), nb::arg("mark"))
        .def("entry_price", &Position::entry_price, nb::arg("spec"));

    nb::class_<Account>(m, "CoreAccount", "Balances, positions and cross margin of one account.")
        .def(
            "__init__",
            [](Account* self, bool hedge, std::int64_t leverage, bool isolated,
               const nb::int_& margin_step) {
                new (self) Account({.hedge = hedge,
                                    .isolated = isolated,
                                    .leverage = leverage,
                                    .margin_step = money_from_python(margin_step)});
            },
            nb::arg("hedge") = false, nb::arg("leverage") = 1, nb::arg("isolated") = false,
            nb::arg("margin_step") = 0)
        .def("set_isolated", &Account::set_isolated, nb::arg("index"), nb::arg("isolated"))
        .def(
            "move_margin",
            [](Account& a, std::uint32_t index, const std::string& side, const nb::int_& amount) {
                a.move_margin(index, position_side_from(side), money_from_python(amount));
            },
            nb::arg("index"), nb::arg("side"), nb::arg("amount"))
        .def("set_instrument", &Account::set_instrument, nb::arg("index"), nb::arg("spec"),
             nb::arg("settle"), nb::arg("base"))
        .def("set_terms", &Account::set_terms, nb::arg("index"), nb::arg("terms"))
        .def(
            "deposit",
            [](Account& a, std::uint32_t currency, const nb::int_& amount) {
                a.deposit(currency, money_from_python(amount));
            },
            nb::arg("currency"), nb::arg("amount"))
        .def_prop_ro("leverage", [](const Account& a) { return a.options().leverage; })
        .def("set_mark", &Account::set_mark, nb::arg("index"), nb::arg("price"))
        .def(
            "apply_fill",
            [](Account& a, std::uint32_t index, const std::string& side, std::int64_t price,
               std::int64_t size, const nb::int_& fee, const std::string& position_side) {
                FillPayload fill{};
                fill.side = named<Side>(nb::str(side.c_str()), side_names, "side");
                fill.position_side = named<PositionSide>(nb::str(position_side.c_str()),
                                                         position_side_names, "position_side");
                fill.price = price;
                fill.size = size;
                const Money paid = money_from_python(fee);
                fill.fee_low = low_half(paid);
                fill.fee_high = high_half(paid);
                return money_to_python(a.apply_fill(index, fill));
            },
            nb::arg("index"), nb::arg("side"), nb::arg("price"), nb::arg("size"),
            nb::arg("fee") = 0, nb::arg("position_side") = "both")
        .def(
            "apply_funding",
            [](Account& a, std::uint32_t index, std::int64_t rate, std::int64_t mark) {
                FundingPayload funding{};
                funding.rate = rate;
                funding.mark = mark;
                return money_to_python(a.apply_funding(index, funding));
            },
            nb::arg("index"), nb::arg("rate"), nb::arg("mark") = 0)
        .def(
            "add_working",
            [](Account& a, std::uint32_t index, const std::string& side, std::int64_t price,
               std::int64_t size, const std::string& position_side) {
                a.add_working(index,
                              named<PositionSide>(nb::str(position_side.c_str()),
                                                  position_side_names, "position_side"),
                              named<Side>(nb::str(side.c_str()), side_names, "side"), price, size);
            },
            nb::arg("index"), nb::arg("side"), nb::arg("price"), nb::arg("size"),
            nb::arg("position_side") = "both")
        .def(
            "remove_working",
            [](Account& a, std::uint32_t index, const std::string& side, std::int64_t price,
               std::int64_t size, const std::string& position_side) {
                a.remove_working(index,
                                 named<PositionSide>(nb::str(position_side.c_str()),
                                                     position_side_names, "position_side"),
                                 named<Side>(nb::str(side.c_str()), side_names, "side"), price,
                                 size);
            },
            nb::arg("index"), nb::arg("side"), nb::arg("price"), nb::arg("size"),
            nb::arg("position_side") = "both")
        .def(
            "check_funds",
            [](const Account& a, std::uint32_t index, const std::string& side, std::int64_t price,
               std::int64_t size, bool reduce_only, const std::string& position_side) {
                return a.check_funds(index,
                                     named<PositionSide>(nb::str(position_side.c_str()),
                                                         position_side_names, "position_side"),
                                     named<Side>(nb::str(side.c_str()), side_names, "side"), price,
                                     size, reduce_only);
            },
            nb::arg("index"), nb::arg("side"), nb::arg("price"), nb::arg("size"),
            nb::arg("reduce_only") = false, nb::arg("position_side") = "both")
        .def(
            "position",
            [](const Account& a, std::uint32_t index, const std::string& side) {
                return a.position(index, position_side_from(side));
            },
            nb::arg("index"), nb::arg("side") = "both", "A copy.")
        .def("balance",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.balance(c)); })
        .def("equity",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.equity(c)); })
        .def("available",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.available(c)); })
        .def("initial_margin",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.initial_margin(c)); })
        .def("maintenance_margin",
             [](const Account& a, std::uint32_t c) {
                 return money_to_python(a.maintenance_margin(c));
             })
        .def("cross_maintenance",
             [](const Account& a, std::uint32_t c) {
                 return money_to_python(a.cross_maintenance(c));
             })
        .def("covered",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.covered(c)); })
        .def("free_of_isolated",
             [](const Account& a, std::uint32_t c) {
                 return money_to_python(a.free_of_isolated(c));
             })
        .def("below_maintenance",
             [](const Account& a, std::uint32_t c) { return a.below_maintenance(c); })
        .def(
            "liquidation_price",
            [](const Account& a, std::uint32_t index, const std::string& side,
               const nb::int_& spare, bool alone) {
                return a.liquidation_price(index, position_side_from(side),
                                           money_from_python(spare), alone);
            },
            nb::arg("index"), nb::arg("side"), nb::arg("spare"), nb::arg("alone"),
            "The mark at which `spare` (1e-18) is used up and a position closed by force; None "
            "where no positive price does it.")
        .def(
            "position_below_maintenance",
            [](const Account& a, std::uint32_t index, const std::string& side) {
                return a.below_maintenance(index, position_side_from(side));
            },
            nb::arg("index"), nb::arg("side") = "both")
        .def(
            "allotted",
            [](const Account& a, std::uint32_t index, const std::string& side) {
                return money_to_python(a.allotted(index, position_side_from(side)));
            },
            nb::arg("index"), nb::arg("side") = "both", "Isolated margin of a position, 1e-18.")
        .def("unrealized",
             [](const Account& a, std::uint32_t i) { return money_to_python(a.unrealized(i)); })
        .def("fees", [](const Account& a, std::uint32_t i) { return money_to_python(a.fees(i)); })
        .def("interest",
             [](const Account& a, std::uint32_t c) { return money_to_python(a.interest(c)); })
        .def("liquidation_fees",
             [](const Account& a, std::uint32_t i) {
                 return money_to_python(a.liquidation_fees(i));
             })
        .def("insurance",
             [](const Account& a, std::uint32_t i) { return money_to_python(a.insurance(i)); })
        .def("funding",
             [](const Account& a, std::uint32_t i) { return money_to_python(a.funding(i)); });
}

void bind_exchange(nb::module_& m) {
    bind_exchange_terms(m);
    bind_exchange_money(m);
    bind_exchange_matching(m);
    bind_exchange_flow(m);
}
