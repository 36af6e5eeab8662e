// The simulator's models for Python: latency, and the fit of queues.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "bindings/bind.hpp"
#include "bindings/journal_reader.hpp"
#include "engine/latency.hpp"
#include "exchange/queue_fit.hpp"
#include "journal/events.hpp"

using namespace onetape;

namespace {

using CurvePoint = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

// The minimum of (receipt - the venue's stamp) over a tape's market events, without unstamped ones;
// the largest number if there is no stamp at all. streams: only of these, empty: of all.
std::int64_t clock_offset(PyReader& reader, const std::vector<std::uint32_t>& streams) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    Frame frame;
    while (reader.reader->next(frame) == Status::ok) {
        const bool stamped = frame.type() == EventType::quote || frame.type() == EventType::trade ||
                             frame.type() == EventType::book;
        if (!stamped || frame.payload_bytes < sizeof(std::int64_t)) continue;
        if (!streams.empty() &&
            std::find(streams.begin(), streams.end(), frame.header->stream) == streams.end())
            continue;
        std::int64_t stamp = 0;
        std::memcpy(&stamp, frame.payload, sizeof stamp);
        if (stamp != 0) least = std::min(least, frame.header->time - stamp);
    }
    return least;
}

using Steps = nb::ndarray<const std::int64_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;

std::span<const QueueStep> steps_of(const Steps& steps) {
    static_assert(sizeof(QueueStep) == 4 * sizeof(std::int64_t));
    return {reinterpret_cast<const QueueStep*>(steps.data()), steps.shape(0)};
}

QueueOptions queue_of(int model, double exponent) {
    if (model < 0 || model >= queue_model_count) throw nb::value_error("no such queue model");
    return {static_cast<QueueModel>(model), exponent};
}

void bind_queue_fit(nb::module_& m) {
    m.def(
        "queue_likelihood",
        [](int model, const std::vector<double>& exponents, double coins, const Steps& steps) {
            std::vector<std::tuple<double, double, double>> rows;
            for (const double exponent : exponents) {
                const QueueLikelihood found =
                    likelihood_of(queue_of(model, exponent), coins, steps_of(steps));
                rows.emplace_back(found.log, found.expected, found.variance);
            }
            return rows;
        },
        nb::arg("model"), nb::arg("exponents"), nb::arg("coins"), nb::arg("steps"),
        "Of one own order: log-likelihood, expected fills and their variance for each exponent. "
        "See core/exchange/queue_fit.hpp.");
    m.def(
        "queue_place_error",
        [](int model, double exponent, std::int64_t lot, double coins, const Steps& steps) {
            return place_error(queue_of(model, exponent), {lot, coins}, steps_of(steps));
        },
        nb::arg("model"), nb::arg("exponent"), nb::arg("lot"), nb::arg("coins"), nb::arg("steps"));
}

// For an order at a live exchange, without a queue model: canceled orders count as behind it.
void bind_queue_place(nb::module_& m) {
    nb::class_<QueuePlace>(
        m, "QueuePlace",
        "What stands before an order, conservatively; see core/exchange/queue.hpp.")
        .def(nb::init<>())
        .def("join", &QueuePlace::join, nb::arg("shown"), nb::arg("stamp"))
        .def(
            "on_trade",
            [](QueuePlace& self, std::int64_t stamp, std::int64_t size) {
                if (self.is_past(stamp)) return;
                const std::int64_t unseen = size - self.take_seen(stamp, size);
                self.on_trade(stamp, size, std::min(self.ahead, unseen));
            },
            nb::arg("stamp"), nb::arg("size"), "At its price, by a taker of the other side.")
        .def(
            "on_shown",
            [](QueuePlace& self, std::int64_t shown, std::int64_t stamp) {
                self.on_shown({}, {}, shown, stamp);
            },
            nb::arg("shown"), nb::arg("stamp"))
        .def_ro("ahead", &QueuePlace::ahead);
}

}  // namespace

void bind_models(nb::module_& m) {
    nb::class_<LatencyOptions>(m, "LatencyOptions", "See core/engine/latency.hpp; all in ns.")
        .def(
            "__init__",
            [](LatencyOptions* self, std::int64_t request, std::int64_t reply,
               const std::vector<CurvePoint>& curve, bool daily, std::int64_t burst,
               std::int64_t burst_window, int clock, std::int64_t feed) {
                if (clock < 0 || clock > 2) throw nb::value_error("no such clock");
                new (self) LatencyOptions{};
                self->request = request;
                self->reply = reply;
                for (const auto& [time, there, back] : curve)
                    self->curve.push_back({time, there, back});
                self->daily = daily;
                self->burst = burst;
                self->burst_window = burst_window;
                self->clock = static_cast<FeedClock>(clock);
                self->feed = feed;
            },
            nb::arg("request") = 0, nb::arg("reply") = 0,
            nb::arg("curve") = std::vector<CurvePoint>{}, nb::arg("daily") = false,
            nb::arg("burst") = 0, nb::arg("burst_window") = 0, nb::arg("clock") = 0,
            nb::arg("feed") = 0);
    m.def(
        "clock_offset", &clock_offset, nb::arg("reader"),
        nb::arg("streams") = std::vector<std::uint32_t>{},
        "Least receipt minus stamp of a tape's quotes, trades and books, in ns; of some streams.");
    bind_queue_fit(m);
    bind_queue_place(m);
}
