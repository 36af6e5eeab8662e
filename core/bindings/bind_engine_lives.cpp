#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "bindings/py_simulation.hpp"

namespace onetape {

void bind_lives(nb::class_<PySimulation>& simulation) {
    simulation
        .def(
            "order_inputs",
            [](PySimulation& s,
               const std::vector<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>>& steps) {
                std::vector<Simulation::InputStep> made;
                for (const auto& [after, source, sequence] : steps)
                    made.push_back({after, source, sequence});
                s.core->order_inputs(std::move(made));
            },
            nb::arg("steps"), "(frame of source 0, source, its frame behind it), in order.")
        .def(
            "inherit",
            [](PySimulation& s, std::uint64_t since, std::uint64_t run_from, std::uint64_t heard) {
                s.core->inherit({since, run_from, heard});
            },
            nb::arg("since"), nb::arg("run_from"), nb::arg("heard"),
            "Its orders and fills after frame `since` are its own before it begins; the run's "
            "journal has `heard` of those after frame `run_from`.")
        .def(
            "write_missed", [](PySimulation& s) { s.core->write_missed(); },
            "News from between two lives, into the run's journal.")
        .def(
            "hash_action",
            [](PySimulation& s, const std::string& symbol, std::int64_t now, nb::bytes payload) {
                OrderRequestPayload request;
                if (payload.size() < sizeof request) throw nb::value_error("no order request");
                std::memcpy(&request, payload.c_str(), sizeof request);
                s.core->hash_action(symbol, request, now);
            },
            nb::arg("symbol"), nb::arg("now"), nb::arg("payload"),
            "An action of an earlier life, as it lies on the run's journal.");
}

}  // namespace onetape
