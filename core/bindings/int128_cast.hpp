#pragma once
// Converts 128-bit amounts to and from Python integers in one step: by halves each costs four
// objects.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <limits>

#include "base/money.hpp"

namespace onetape {

namespace nb = nanobind;

inline nb::object int128_to_python(Int128 value) {
    if (value >= std::numeric_limits<std::int64_t>::min() &&
        value <= std::numeric_limits<std::int64_t>::max()) {
        return nb::steal(PyLong_FromLongLong(static_cast<long long>(value)));
    }
#if PY_VERSION_HEX >= 0x030d0000
    return nb::steal(PyLong_FromNativeBytes(&value, sizeof value, Py_ASNATIVEBYTES_LITTLE_ENDIAN));
#else
    return nb::steal(
        _PyLong_FromByteArray(reinterpret_cast<unsigned char*>(&value), sizeof value, 1, 1));
#endif
}

// Raises TypeError for other types than int, OverflowError beyond 128 bits.
inline Int128 int128_from_python(PyObject* number) {
    if (!PyLong_Check(number)) throw nb::type_error("an amount is an int, in units of 1e-18");
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow == 0) return small;
    Int128 value = 0;
#if PY_VERSION_HEX >= 0x030d0000
    const Py_ssize_t bytes =
        PyLong_AsNativeBytes(number, &value, sizeof value, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    if (bytes < 0) throw nb::python_error();
    if (bytes > static_cast<Py_ssize_t>(sizeof value)) {
        PyErr_SetString(PyExc_OverflowError, "an amount does not fit 128 bits");
        throw nb::python_error();
    }
#else
    if (_PyLong_AsByteArray(reinterpret_cast<PyLongObject*>(number),
                            reinterpret_cast<unsigned char*>(&value), sizeof value, 1, 1) < 0) {
        throw nb::python_error();
    }
#endif
    return value;
}

}  // namespace onetape
