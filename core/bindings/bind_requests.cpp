// Requests of clients and texts of venues for Python: HTTP in its plain form, parameters, numbers,
// and checks of text that every message needs.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <string_view>

#include "bindings/bind.hpp"
#include "text/http_request.hpp"
#include "text/json_outline.hpp"

using namespace onetape;

namespace {

// The characters of a Python str, valid while it lives; false if it has no UTF-8 form.
[[nodiscard]] bool view_of(const nb::str& text, std::string_view& out) {
    Py_ssize_t size = 0;
    const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (data == nullptr) {
        PyErr_Clear();
        return false;
    }
    out = {data, static_cast<std::size_t>(size)};
    return true;
}

[[nodiscard]] nb::object str_of(std::string_view text) {
    return nb::steal(
        PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

// Frequent header names are made once.
[[nodiscard]] nb::object name_of(std::string_view text) {
    PyObject* made = PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    PyUnicode_InternInPlace(&made);
    return nb::steal(made);
}

[[nodiscard]] std::string_view bytes_of(const nb::handle& data) {
    if (PyByteArray_Check(data.ptr())) {
        return {PyByteArray_AS_STRING(data.ptr()),
                static_cast<std::size_t>(PyByteArray_GET_SIZE(data.ptr()))};
    }
    if (PyBytes_Check(data.ptr())) {
        return {PyBytes_AS_STRING(data.ptr()),
                static_cast<std::size_t>(PyBytes_GET_SIZE(data.ptr()))};
    }
    throw nb::type_error("bytes or a bytearray");
}

[[nodiscard]] nb::object read_http(const nb::object& data, std::size_t start) {
    HttpRequest request;
    switch (read_http_request(bytes_of(data), start, request)) {
        case HttpRead::more:
            return nb::none();
        case HttpRead::not_plain:
            return nb::bool_(false);
        case HttpRead::whole:
            break;
    }
    nb::dict headers;
    for (const auto& [name, value] : request.headers) headers[name_of(name)] = str_of(value);
    return nb::make_tuple(name_of(request.method), str_of(request.path), str_of(request.query),
                          headers, nb::bytes(request.body.data(), request.body.size()),
                          request.end);
}

// None if there are escapes, or no text at all.
[[nodiscard]] nb::object plain_fields(const nb::str& text) {
    std::string_view rest;
    if (!view_of(text, rest) || rest.find_first_of("%+") != std::string_view::npos) {
        return nb::none();
    }
    nb::dict found;
    while (!rest.empty()) {
        const std::size_t end = rest.find('&');
        const std::string_view part = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (part.empty()) continue;
        const std::size_t sign = part.find('=');
        found[str_of(part.substr(0, sign))] =
            str_of(sign == std::string_view::npos ? std::string_view{} : part.substr(sign + 1));
    }
    return found;
}

// Whether all fields are numbers and text of the usual kind, which every tape can hold.
[[nodiscard]] bool is_plain_report(const nb::tuple& report) {
    for (const nb::handle field : report) {
        PyObject* const value = field.ptr();
        if (PyLong_CheckExact(value)) {
            int overflow = 0;
            if (PyLong_AsLongLongAndOverflow(value, &overflow) < 0 || overflow != 0) return false;
        } else if (PyUnicode_CheckExact(value)) {
            constexpr Py_ssize_t digits_of_any_number = 18;
            if (!PyUnicode_IS_ASCII(value)) return false;
            const auto* const letters = static_cast<const char*>(PyUnicode_DATA(value));
            const Py_ssize_t length = PyUnicode_GET_LENGTH(value);
            if (length > digits_of_any_number && letters[0] >= '0' && letters[0] <= '9')
                return false;
        } else if (PyFloat_CheckExact(value) ||
                   !(value == Py_None || PyBool_Check(value) || PyUnicode_Check(value))) {
            return false;  // a Decimal, or another value to be checked
        }
    }
    return true;
}

[[nodiscard]] bool has_any(const nb::bytes& data, const nb::list& forms) {
    const std::string_view text(data.c_str(), data.size());
    for (const nb::handle form : forms)
        if (text.find(bytes_of(form)) != std::string_view::npos) return true;
    return false;
}

}  // namespace

void bind_requests(nb::module_& m) {
    m.def("read_http", &read_http, nb::arg("data"), nb::arg("start") = 0,
          "(method, path, query, headers, body, where the next one begins) of a plain request;\n"
          "None: it is not all there yet; False: it is not plain.");
    m.def("plain_fields", &plain_fields, nb::arg("text"),
          "`a=1&b=2` as a dict, the last of a name; None where there are escapes.");
    m.def(
        "plain_units",
        [](const nb::str& text, int decimals) -> nb::object {
            std::string_view view;
            std::int64_t units = 0;
            if (!view_of(text, view) || !plain_units(view, decimals, units)) return nb::none();
            return nb::int_(units);
        },
        nb::arg("text"), nb::arg("decimals"),
        nb::sig("def plain_units(text: str, decimals: int) -> int | None"),
        "Digits, with a point or without, as int64 at `decimals`; None where it is no such "
        "number,\n"
        "has more decimals, or is above 2^62.");
    m.def("is_plain_report", &is_plain_report, nb::arg("report"),
          "Whether all fields of a tuple are numbers and text of the usual kind, which any tape "
          "holds: no number below 0, beyond 64 bits or with decimals, no text beyond ASCII.");
    m.def("has_any", &has_any, nb::arg("data"), nb::arg("forms"),
          nb::sig("def has_any(data: bytes, forms: list[bytes]) -> bool"),
          "Whether one of these is in the data.");
    m.def(
        "json_outline",
        [](const nb::bytes& text) { return json_outline({text.c_str(), text.size()}); },
        nb::arg("text"),
        "A number for the fields and words of a JSON text, without numbers and strings that have a "
        "digit.");
    m.def(
        "units_text",
        [](const nb::int_& units, int decimals, int least) {
            int beyond = 0;
            const std::int64_t value = PyLong_AsLongLongAndOverflow(units.ptr(), &beyond);
            if (beyond == 0) return units_text(value, decimals, least);
            return units_text(nb::cast<std::string>(nb::str(units)), decimals, least);
        },
        nb::arg("units"), nb::arg("decimals"), nb::arg("least"),
        "units * 10^-decimals with `least` decimals at least, and no more zeros than that.");
}
