#pragma once
// Reads plain Python values without a type caster.
#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace onetape {

namespace nb = nanobind;

// The text of a str; valid as long as the str.
[[nodiscard]] inline std::string_view text_of(PyObject* value) {
    Py_ssize_t bytes = 0;
    const char* const letters = PyUnicode_AsUTF8AndSize(value, &bytes);
    if (letters == nullptr) throw nb::python_error();
    return {letters, static_cast<std::size_t>(bytes)};
}

[[nodiscard]] inline std::int64_t integer_of(PyObject* value) {
    const long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
    return number;
}

[[nodiscard]] inline bool holds(const nb::object& value) {
    const int truth = PyObject_IsTrue(value.ptr());
    if (truth < 0) throw nb::python_error();
    return truth != 0;
}

// Looks up a dict; null: no such key.
[[nodiscard]] inline PyObject* found_in(const nb::object& dict, const nb::object& key) {
    PyObject* const found = PyDict_GetItemWithError(dict.ptr(), key.ptr());
    if (found == nullptr && PyErr_Occurred() != nullptr) throw nb::python_error();
    return found;
}

inline void add_to(const nb::object& set, const nb::object& one) {
    if (PySet_Add(set.ptr(), one.ptr()) != 0) throw nb::python_error();
}

// Copies a fixed payload from its frame.
template <class Payload>
[[nodiscard]] nb::bytes bytes_of(const Payload& payload) {
    return nb::bytes(reinterpret_cast<const char*>(&payload), sizeof payload);
}

// A new tuple, or an instance of a tuple subclass, whose fields are still to be set.
[[nodiscard]] inline nb::object new_tuple(PyTypeObject* type, Py_ssize_t size) {
    PyObject* const made = type->tp_alloc(type, size);
    if (made == nullptr) throw nb::python_error();
    return nb::steal(made);
}

inline void put(const nb::object& tuple, Py_ssize_t at, nb::object value) {
    if (!value.is_valid()) throw nb::python_error();
    PyTuple_SET_ITEM(tuple.ptr(), at, value.release().ptr());
}

}  // namespace onetape
