// Client order ids, for onetape/model/ids.py.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <string>
#include <utility>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "orders/client_id.hpp"

using namespace onetape;

namespace {

[[nodiscard]] std::string checked_client_id(const ClientId& id) {
    if (const char* const rule = broken_rule(id))
        raise({Status::invalid, std::string(rule) + ": tag '" + id.tag + "', epoch " +
                                    std::to_string(id.epoch) + ", ordinal " +
                                    std::to_string(id.ordinal) + ", attempt " +
                                    std::to_string(id.attempt)});
    return client_id(id);
}

}  // namespace

void bind_client_ids(nb::module_& m) {
    m.def(
        "client_id",
        [](std::string tag, std::int64_t epoch, std::int64_t ordinal, unsigned attempt) {
            return checked_client_id({std::move(tag), static_cast<std::uint64_t>(epoch),
                                      static_cast<std::uint64_t>(ordinal), attempt});
        },
        nb::arg("tag"), nb::arg("epoch"), nb::arg("ordinal"), nb::arg("attempt") = 0,
        "The client id of a robot's order. Raises BadInput for what cannot be in one.");
    m.def(
        "client_id_of_order",
        [](std::string tag, std::uint64_t order_id) {
            return checked_client_id({std::move(tag), order_id >> epoch_bits,
                                      order_id & ((std::uint64_t{1} << epoch_bits) - 1)});
        },
        nb::arg("tag"), nb::arg("order_id"), "Likewise, by the number of the order.");
    m.def(
        "parse_client_id",
        [](const nb::str& text) -> nb::object {
            Py_ssize_t bytes = 0;
            const char* const letters = PyUnicode_AsUTF8AndSize(text.ptr(), &bytes);
            if (letters == nullptr) {  // half of a surrogate pair: not ours
                PyErr_Clear();
                return nb::none();
            }
            const auto id = parse_client_id({letters, static_cast<std::size_t>(bytes)});
            if (!id) return nb::none();
            return nb::make_tuple(id->tag, id->epoch, id->ordinal, id->attempt);
        },
        nb::arg("text"),
        nb::sig("def parse_client_id(text: str) -> tuple[str, int, int, int] | None"),
        "Its tag, epoch, ordinal and attempt; None for a text that is no client id of ours.");
    m.def("is_by_hand", &is_by_hand, nb::arg("order_id"),
          "Tells whether an order is one that its robot has not asked for: of a person's, or a "
          "guardian's.");
    m.def(
        "check_of", [](std::string_view stem) { return std::string(1, check_of(stem)); },
        nb::arg("stem"), "The last character of a client id that begins so.");
}
