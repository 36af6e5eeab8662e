#pragma once
// Plain values of Python without a caster between.
#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace onetape {

namespace nb = nanobind;

// The letters of a str; they live as long as it does.
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

}  // namespace onetape
