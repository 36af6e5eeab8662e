// Requests of a venue, written and signed in one go: a query is text of a dozen short values, and
// to make it in Python costs more than to sign it.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include "base/hmac_sha256.hpp"
#include "bindings/bind.hpp"
#include "bindings/python_values.hpp"
#include "text/query_text.hpp"

using namespace onetape;

void bind_signing(nb::module_& m) {
    nb::class_<HmacSha256>(m, "HmacSha256",
                           "HMAC-SHA-256 with a key that is taken in once and never shown.")
        .def(
            "__init__",
            [](HmacSha256* self, const nb::bytes& key) {
                new (self) HmacSha256(std::string_view(key.c_str(), key.size()));
            },
            nb::arg("key"))
        .def(
            "hex",
            [](const HmacSha256& self, const nb::bytes& message) {
                std::string text;
                append_hex(text, self.of({message.c_str(), message.size()}));
                return text;
            },
            nb::arg("message"), "The signature of a message.")
        .def(
            "is_code",
            [](const HmacSha256& self, const nb::bytes& message, const nb::str& signature) {
                Py_ssize_t bytes = 0;
                const char* const letters = PyUnicode_AsUTF8AndSize(signature.ptr(), &bytes);
                if (letters == nullptr) {  // half of a surrogate pair: no code
                    PyErr_Clear();
                    return false;
                }
                return self.is_code({message.c_str(), message.size()},
                                    {letters, static_cast<std::size_t>(bytes)});
            },
            nb::arg("message"), nb::arg("given"),
            "Whether `signature` is the signature of a message, in letters of any case.")
        .def(
            "signed_query",
            [](const HmacSha256& self, const nb::dict& params, const nb::str& tail) {
                std::string text;
                text.reserve(384);
                PyObject *name = nullptr, *value = nullptr;
                Py_ssize_t at = 0;
                while (PyDict_Next(params.ptr(), &at, &name, &value))
                    append_parameter(text, text_of(name), text_of(value));
                if (!text.empty()) text += '&';
                text += text_of(tail.ptr());
                const Digest digest = self.of(text);
                text += "&signature=";
                append_hex(text, digest);
                return nb::steal<nb::str>(
                    PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
            },
            nb::arg("params"), nb::arg("tail"),
            "`a=1&b=2&<tail>&signature=<hex>`: the parameters, percent-encoded where they need it, "
            "and a tail as it is; signed is all that stands before the signature. Raises "
            "TypeError for a parameter that is no text.",
            nb::sig("def signed_query(self, params: dict[str, str], tail: str) -> str"));
}
