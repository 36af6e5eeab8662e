#pragma once
// The model's enumerations (`TapeWord`) between Python and the core: a member is found by its
// number on the tape, which it has as `.id`.
#include <nanobind/nanobind.h>

#include <array>
#include <cstddef>

namespace onetape {

namespace nb = nanobind;

// Members by number, set once by Python; they live as long as the process.
template <class Enum>
struct Words {
    static inline std::array<PyObject*, 32> members{};

    static void name(nb::handle by_id) {
        for (const auto& [number, member] : nb::cast<nb::dict>(by_id)) {
            const auto at = nb::cast<std::size_t>(number);
            if (at >= members.size()) throw nb::value_error("a word's number is too large");
            Py_XDECREF(members[at]);
            members[at] = nb::object(nb::borrow(member)).release().ptr();
        }
    }
};

template <class Enum>
[[nodiscard]] nb::object word_of(Enum value) {
    PyObject* const member = Words<Enum>::members[static_cast<std::size_t>(value) % 32];
    if (member == nullptr) throw nb::value_error("a number that has no word");
    return nb::borrow(member);
}

template <class Enum>
[[nodiscard]] Enum word_from(nb::handle member) {
    static PyObject* const id = PyUnicode_InternFromString("id");
    const nb::object number = nb::steal(PyObject_GetAttr(member.ptr(), id));
    if (!number.is_valid()) throw nb::python_error();
    const long value = PyLong_AsLong(number.ptr());
    if (value == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
    return static_cast<Enum>(value);
}

}  // namespace onetape
