// The exchange ports, which are chosen when a run's loop is made.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/py_trading_loop.hpp"
#include "engine/recorded_venue.hpp"

namespace onetape {

void bind_exchange_ports(nb::module_& m) {
    nb::class_<AccountOptions>(m, "AccountOptions", "See core/exchange/account.hpp.")
        .def(
            "__init__",
            [](AccountOptions* self, bool hedge, bool isolated, std::int64_t leverage) {
                new (self) AccountOptions{hedge, isolated, leverage};
            },
            nb::kw_only(), nb::arg("hedge") = false, nb::arg("isolated") = false,
            nb::arg("leverage") = 1);
    nb::class_<ExchangePort>(m, "ExchangePort", "See core/engine/exchange_port.hpp.");
    nb::class_<RecordedVenue, ExchangePort>(
        m, "RecordedVenue", "Matches orders against the recorded market: backtest and paper.")
        .def(
            "__init__",
            [](RecordedVenue* self, const AccountOptions& account, const LatencyOptions& latency,
               int queue_model, double queue_exponent, bool queue_by_order, bool fuse,
               std::int64_t bar_volume_share,
               const std::tuple<double, double, std::int64_t, std::int64_t>& impact,
               bool limits_at_limit) {
                if (queue_model < 0 || queue_model >= queue_model_count || !(queue_exponent > 0))
                    throw nb::value_error("no such queue model");
                RecordedVenueOptions options;
                options.account = account;
                options.latency = latency;
                options.exchange.queue = {static_cast<QueueModel>(queue_model), queue_exponent,
                                          queue_by_order};
                options.exchange.fuse = fuse;
                options.exchange.bar_volume_share = bar_volume_share;
                const auto& [coefficient, permanent, half_life, window] = impact;
                options.exchange.impact = {coefficient, permanent, half_life, window};
                options.exchange.limits_at_limit = limits_at_limit;
                new (self) RecordedVenue(options);
            },
            nb::kw_only(), nb::arg("account"), nb::arg("latency"), nb::arg("queue_model"),
            nb::arg("queue_exponent"), nb::arg("queue_by_order"), nb::arg("fuse"),
            nb::arg("bar_volume_share"), nb::arg("impact") = std::tuple(0.0, 0.0, 1, 1),
            nb::arg("limits_at_limit") = false,
            "impact: coefficient (0: off), share that is permanent, half-life and window in ns. "
            "limits_at_limit: a limit that a bar opens beyond fills at its own price.");
    nb::class_<GatewayPort, ExchangePort>(
        m, "GatewayPort",
        "Requests leave with the run's journal; reports come with its first tapes.")
        .def(
            "__init__",
            [](GatewayPort* self, std::vector<std::uint8_t> robots, std::uint64_t order_base) {
                new (self) GatewayPort(GatewaySeats{std::move(robots), order_base});
            },
            nb::kw_only(), nb::arg("robots"), nb::arg("order_base"),
            "robots: its number at each gateway, from 1; ids of its orders begin after "
            "order_base.");
    nb::class_<ReportScript, ExchangePort>(
        m, "ReportScript", "Another run's journal answers: its reports come when they came there.")
        .def(
            "__init__",
            [](ReportScript* self, PyReader& journal, std::vector<std::uint8_t> robots,
               std::uint64_t order_base) {
                new (self)
                    ReportScript(*journal.reader, GatewaySeats{std::move(robots), order_base});
            },
            nb::arg("journal"), nb::kw_only(), nb::arg("robots") = std::vector<std::uint8_t>{},
            nb::arg("order_base") = 0, nb::keep_alive<1, 2>(),
            "robots, order_base: as a live run had them; none: it was not live.");
}

}  // namespace onetape
