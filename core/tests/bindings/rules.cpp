// Rules of the exchange for comparison with a table in Python.
#include <nanobind/stl/vector.h>

#include <vector>

#include "bindings/exchange_cast.hpp"
#include "exchange/adl.hpp"
#include "exchange/queue.hpp"
#include "tests/bindings/bind.hpp"

using namespace onetape;

void bind_rules(nb::module_& m) {
    m.def(
        "share_behind",
        [](int model, double exponent, double front, double back) {
            if (model < 0 || model >= queue_model_count) throw nb::value_error("no such model");
            return share_behind({static_cast<QueueModel>(model), exponent}, front, back);
        },
        nb::arg("model"), nb::arg("exponent"), nb::arg("front"), nb::arg("back"),
        "Share of a level's cancellations that a queue model takes to be behind us.");
    m.def(
        "adl_rank",
        [](nb::handle rows) {
            std::vector<AdlCandidate> candidates;
            for (const nb::handle row : rows) {
                const nb::tuple cells = nb::cast<nb::tuple>(row);
                candidates.push_back({nb::cast<std::uint32_t>(cells[0]),
                                      money_from_python(cells[1]), money_from_python(cells[2]),
                                      money_from_python(cells[3]), money_from_python(cells[4])});
            }
            return adl_rank(candidates);
        },
        nb::arg("candidates"),
        "Places of (participant, entry value, mark value, profit, backing) in 1e-18, the first to "
        "be deleveraged first.");
}
