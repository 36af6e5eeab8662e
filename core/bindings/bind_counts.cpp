// Counters of orders: how many leave, how much of a venue's limits is used, how long they take.
#include <cstdint>
#include <vector>

#include "base/durations.hpp"
#include "bindings/bind.hpp"
#include "orders/order_rates.hpp"
#include "orders/window_counts.hpp"

using namespace onetape;

namespace {

void bind_rates(nb::module_& m) {
    nb::class_<OrderRates>(m, "OrderRates",
                           "How many orders have left: of all robots together in this second, and "
                           "of each. Times ns.")
        .def(nb::init<>())
        .def("sent_this_second", &OrderRates::sent_this_second, nb::arg("now"),
             "Orders that all robots together have sent in this second.")
        .def("messages_this_second", &OrderRates::messages_this_second, nb::arg("now"),
             "Likewise, with amendments and cancels.")
        .def("message", &OrderRates::message, nb::arg("now"),
             "Counts one more order, amendment or cancel that leaves.")
        .def("ahead_ns", &OrderRates::ahead_ns, nb::arg("robot"), nb::arg("now"),
             "How long it takes at the robot's rate until all that it has sent is paid for.")
        .def("may_send", &OrderRates::may_send, nb::arg("robot"), nb::arg("rate"), nb::arg("now"),
             "Whether a robot of that rate, orders a second, may send one more. 0: it has none.")
        .def("restate", &OrderRates::restate, nb::arg("step"), "The clock was set by `step`.")
        .def("count", &OrderRates::count, nb::arg("robot"), nb::arg("rate"), nb::arg("now"),
             "Counts one more order. rate: of its robot, orders a second, 0: none.");
}

void bind_window_counts(nb::module_& m) {
    nb::class_<WindowCounts>(m, "WindowCounts",
                             "What is spent of a venue's limits in its windows; times ns by the "
                             "steady clock. See onetape/orders/budget.py.")
        .def(nb::init<>())
        .def("phase", [](const WindowCounts& of) { return of.phase; })
        .def(
            "set_phase", [](WindowCounts& of, std::int64_t phase) { of.phase = phase; },
            nb::arg("phase"))
        .def("banned_until", [](const WindowCounts& of) { return of.banned_until; })
        .def("ban", &WindowCounts::ban, nb::arg("until"))
        .def("spend", &WindowCounts::spend, nb::arg("slot"), nb::arg("window"), nb::arg("weight"),
             nb::arg("most"))
        .def(
            "spend_each",
            [](WindowCounts& of, const nb::list& limits, std::int64_t weight, std::int64_t now) {
                std::vector<WindowCounts::Limit> each;
                for (const nb::handle limit : limits) {
                    const nb::tuple row = nb::borrow<nb::tuple>(limit);
                    each.push_back(
                        {nb::cast<std::int64_t>(row[0]), nb::cast<std::int64_t>(row[1])});
                }
                return of.spend_each(each, weight, now);
            },
            nb::arg("limits"), nb::arg("weight"), nb::arg("now"),
            nb::sig("def spend_each(self, limits: list[tuple[int, int]], weight: int, now: int) -> "
                    "bool"),
            "Spends of windows that begin by the venue's clock, each (ns, most); False: one has no "
            "room, or requests are forbidden, and nothing is counted.")
        .def("correct", &WindowCounts::correct, nb::arg("slot"), nb::arg("window"), nb::arg("used"))
        .def("recount", &WindowCounts::recount, nb::arg("slot"), nb::arg("begun"),
             nb::arg("begins"));
}

void bind_durations(nb::module_& m) {
    nb::class_<Durations>(m, "Durations",
                          "Durations in ns, counted in the same few hundred buckets however many "
                          "there are.")
        .def(nb::init<>())
        .def_ro("count", &Durations::count)
        .def_ro("total", &Durations::total, "The sum of all.")
        .def_ro("largest", &Durations::largest)
        .def("note", &Durations::note, nb::arg("ns"), "Counts one. ns: not negative.")
        .def("at_most", &Durations::at_most, nb::arg("ns"),
             "How many took at most so long, a sixteenth more at most.")
        .def("percentile", &Durations::percentile, nb::arg("percent"),
             "The ns that at least so many of a hundred took at most; 0 where there is none. It is "
             "a sixteenth too long at most.");
}

}  // namespace

void bind_counts(nb::module_& m) {
    m.attr("BURST_S") = OrderRates::burst_s;
    bind_rates(m);
    bind_window_counts(m);
    bind_durations(m);
}
