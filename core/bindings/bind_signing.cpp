// Writes and signs requests of a venue in one call: a query is text of a dozen short values, and
// making it in Python costs more than signing it.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hmac_sha256.hpp"
#include "bindings/bind.hpp"
#include "bindings/python_values.hpp"
#include "bindings/words.hpp"
#include "orders/place_template.hpp"
#include "text/query_text.hpp"

using namespace onetape;

namespace {

// A value of a signed JSON object: its text, and whether it is a number.
struct Term {
    std::string_view name;
    std::string value;
    bool is_number = false;
};

void append_json_text(std::string& text, std::string_view value) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto is_quoted = [](char letter) { return letter == '"' || letter == '\\'; };
    text += '"';
    while (true) {  // text without escapes is copied in one piece: the usual case
        const auto next = std::find_if(value.begin(), value.end(), [&](char letter) {
            return is_quoted(letter) || static_cast<unsigned char>(letter) < 0x20;
        });
        const auto plain = static_cast<std::size_t>(next - value.begin());
        text += value.substr(0, plain);
        if (next == value.end()) break;
        const auto letter = static_cast<unsigned char>(*next);
        if (is_quoted(*next))
            (text += '\\') += *next;
        else
            ((text += "\\u00") += digits[letter >> 4]) += digits[letter & 15];
        value.remove_prefix(plain + 1);
    }
    text += '"';
}

// `a=1&b=2`, sorted by name: the text that a WebSocket request signs.
[[nodiscard]] std::string sorted_query(const std::vector<Term>& terms) {
    std::vector<const Term*> sorted;
    sorted.reserve(terms.size());
    for (const Term& each : terms) sorted.push_back(&each);
    std::sort(sorted.begin(), sorted.end(),
              [](const Term* a, const Term* b) { return a->name < b->name; });
    std::string text;
    text.reserve(384);
    for (const Term* each : sorted) {
        if (!text.empty()) text += '&';
        text += each->name;
        text += '=';
        text += each->value;
    }
    return text;
}

void append_terms(std::vector<Term>& terms, const nb::dict& params) {
    PyObject *name = nullptr, *value = nullptr;
    Py_ssize_t at = 0;
    while (PyDict_Next(params.ptr(), &at, &name, &value)) {
        const bool is_number = PyLong_Check(value) != 0;
        terms.push_back(
            {text_of(name),
             is_number ? std::to_string(integer_of(value)) : std::string(text_of(value)),
             is_number});
    }
}

[[nodiscard]] nb::bytes signed_request(const HmacSha256& key, std::int64_t number,
                                       std::string_view method, std::vector<Term> terms,
                                       const nb::dict& more) {
    append_terms(terms, more);
    Term signature{"signature", {}, false};
    append_hex(signature.value, key.of(sorted_query(terms)));
    terms.push_back(std::move(signature));
    std::string text;
    text.reserve(640);
    text += "{\"id\":";
    text += std::to_string(number);
    text += ",\"method\":";
    append_json_text(text, method);
    text += ",\"params\":{";
    for (std::size_t at = 0; at < terms.size(); ++at) {
        if (at != 0) text += ',';
        append_json_text(text, terms[at].name);
        text += ':';
        if (terms[at].is_number)
            text += terms[at].value;
        else
            append_json_text(text, terms[at].value);
    }
    text += "}}";
    return nb::bytes(text.data(), text.size());
}

[[nodiscard]] nb::bytes socket_request(const HmacSha256& key, std::int64_t number,
                                       std::string_view method, const nb::dict& params,
                                       const nb::dict& more) {
    std::vector<Term> terms;
    terms.reserve(16);
    append_terms(terms, params);
    return signed_request(key, number, method, std::move(terms), more);
}

// --- orders
// ---------------------------------------------------------------------------------------

[[nodiscard]] PlaceTemplate place_template(const nb::list& rows) {
    static constexpr std::pair<std::string_view, PlaceField> fields[] = {
        {"symbol", PlaceField::symbol},
        {"side", PlaceField::side},
        {"size", PlaceField::size},
        {"price", PlaceField::price},
        {"tif", PlaceField::tif},
        {"expire_ms", PlaceField::expire_ms},
        {"position_side", PlaceField::position_side},
        {"position_index", PlaceField::position_index},
        {"type", PlaceField::type},
        {"client_id", PlaceField::client_id},
        {"constant", PlaceField::constant},
    };
    std::vector<PlaceTemplate::Row> made;
    for (const nb::handle each : rows) {
        const nb::tuple row = nb::cast<nb::tuple>(each);
        const nb::object field_name = row[1];
        const std::string_view field = text_of(field_name.ptr());
        const auto* const found = std::find_if(std::begin(fields), std::end(fields),
                                               [&](const auto& of) { return of.first == field; });
        if (found == std::end(fields)) throw nb::value_error("a field that no order has");
        PlaceTemplate::Row of{nb::cast<std::string>(row[0]), found->second, {}, {}};
        for (const auto& [member, word] : nb::cast<nb::dict>(row[2])) {
            if (nb::isinstance<nb::str>(member) && !nb::hasattr(member, "id"))
                of.other = nb::cast<std::string>(word);
            else
                of.words.at(nb::cast<std::size_t>(member.attr("id"))) = nb::cast<std::string>(word);
        }
        made.push_back(std::move(of));
    }
    return PlaceTemplate(std::move(made));
}

// Parameters of one order, written on demand: directly into a request that the core signs, or as a
// dict for other signers.
struct PlaceTerms {
    nb::object table;  // the template
    AccountOrderRef order;
    std::string symbol;
    int price_decimals = 0, size_decimals = 0;
    mutable nb::object texts;  // as a dict, once requested

    [[nodiscard]] std::vector<PlaceTemplate::Parameter> parameters() const {
        return nb::cast<const PlaceTemplate&>(table).of(*order, symbol, price_decimals,
                                                        size_decimals);
    }
    [[nodiscard]] nb::dict as_dict() const {
        if (!texts.is_valid()) {
            nb::dict found;
            for (const auto& each : parameters())
                found[nb::str(each.name.data(), each.name.size())] =
                    nb::str(each.value.data(), each.value.size());
            texts = std::move(found);
        }
        return nb::borrow<nb::dict>(texts);
    }
    [[nodiscard]] nb::bytes json() const {
        std::string text;
        text.reserve(256);
        for (const auto& each : parameters()) {
            text += text.empty() ? '{' : ',';
            append_json_text(text, each.name);
            text += ':';
            if (each.is_number)
                text += each.value;
            else
                append_json_text(text, each.value);
        }
        text += text.empty() ? "{}" : "}";
        return nb::bytes(text.data(), text.size());
    }
};

[[nodiscard]] nb::object place_terms(const nb::object& table, const AccountOrderRef& order,
                                     std::string symbol, int price_decimals, int size_decimals) {
    if (!PlaceTemplate::takes(*order)) return nb::none();
    return nb::cast(PlaceTerms{table, order, std::move(symbol), price_decimals, size_decimals, {}});
}

[[nodiscard]] nb::str signed_query(const HmacSha256& key, std::string text, const nb::str& tail) {
    if (!text.empty()) text += '&';
    text += text_of(tail.ptr());
    const Digest digest = key.of(text);
    text += "&signature=";
    append_hex(text, digest);
    return nb::steal<nb::str>(
        PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

[[nodiscard]] nb::bytes socket_place(const HmacSha256& key, std::int64_t number,
                                     std::string_view method, const PlaceTerms& order,
                                     const nb::dict& more) {
    std::vector<Term> terms;
    terms.reserve(16);
    for (auto& each : order.parameters())
        terms.push_back({each.name, std::move(each.value), each.is_number});
    return signed_request(key, number, method, std::move(terms), more);
}

}  // namespace

void bind_signing(nb::module_& m) {
    nb::class_<PlaceTerms>(m, "PlaceTerms", nb::sig("class PlaceTerms(typing.Mapping[str, str])"),
                           "The parameters of a request that places an order, written when they "
                           "are asked for.")
        .def(
            "keys", [](const PlaceTerms& of) { return of.as_dict().keys(); },
            nb::sig("def keys(self) -> list[str]"))
        .def(
            "items", [](const PlaceTerms& of) { return of.as_dict().items(); },
            nb::sig("def items(self) -> list[tuple[str, str]]"))
        .def(
            "__iter__", [](const PlaceTerms& of) { return nb::iter(of.as_dict().keys()); },
            nb::sig("def __iter__(self) -> typing.Iterator[str]"))
        .def("__len__", [](const PlaceTerms& of) { return of.as_dict().size(); })
        .def(
            "__getitem__",
            [](const PlaceTerms& of, const nb::str& name) {
                return nb::object(of.as_dict()[name]);
            },
            nb::sig("def __getitem__(self, name: str) -> str"))
        .def("json", &PlaceTerms::json, "As a JSON object.");
    nb::class_<PlaceTemplate>(m, "PlaceTemplate",
                              "The parameters of a request that places an order, by a venue's "
                              "table of words.")
        .def(
            "__init__",
            [](PlaceTemplate* made, const nb::list& rows) {
                new (made) PlaceTemplate(place_template(rows));
            },
            nb::arg("rows"),
            nb::sig("def __init__(self, rows: list[tuple[str, str, typing.Mapping[typing.Any, "
                    "str]]]) -> "
                    "None"),
            "rows: a parameter's name, what of the order it says (symbol, side, size, price, tif, "
            "expire_ms, position_side, position_index, type, client_id, constant), and its words "
            "by "
            "the model's members; `post_only`: in place of a time in force. What has no word is "
            "left "
            "out; a constant has one word, of any name.")
        .def("terms", &place_terms, nb::arg("order"), nb::arg("symbol"), nb::arg("price_decimals"),
             nb::arg("size_decimals"),
             nb::sig("def terms(self, order: AccountOrder, symbol: str, price_decimals: int, "
                     "size_decimals: int) -> PlaceTerms | None"),
             "The parameters; None: the order has a trigger or another thing that the table does "
             "not say. symbol: the venue's.");
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
        .def("socket_place", &socket_place, nb::arg("number"), nb::arg("method"), nb::arg("terms"),
             nb::arg("more"),
             nb::sig("def socket_place(self, number: int, method: str, terms: PlaceTerms, more: "
                     "dict[str, str | int]) -> bytes"),
             "The same of an order's parameters as a template has them.")
        .def("socket_request", &socket_request, nb::arg("number"), nb::arg("method"),
             nb::arg("params"), nb::arg("more"),
             nb::sig("def socket_request(self, number: int, method: str, params: dict[str, str | "
                     "int], more: dict[str, str | int]) -> bytes"),
             "A request as JSON, `id`, `method` and `params`, with both kinds of parameters and "
             "last the signature of all of them, sorted by name.")
        .def(
            "signed_query",
            [](const HmacSha256& self, const nb::dict& params, const nb::str& tail) {
                std::string text;
                text.reserve(384);
                PyObject *name = nullptr, *value = nullptr;
                Py_ssize_t at = 0;
                while (PyDict_Next(params.ptr(), &at, &name, &value))
                    append_parameter(text, text_of(name), text_of(value));
                return signed_query(self, std::move(text), tail);
            },
            nb::arg("params"), nb::arg("tail"),
            "`a=1&b=2&<tail>&signature=<hex>`: the parameters, percent-encoded where they need it, "
            "and a tail as it is; signed is all that stands before the signature. params: a dict. "
            "Raises TypeError for a parameter that is no text.",
            nb::sig("def signed_query(self, params: typing.Mapping[str, str], tail: str) -> str"))
        .def(
            "signed_query",
            [](const HmacSha256& self, const PlaceTerms& params, const nb::str& tail) {
                std::string text;
                text.reserve(384);
                for (const auto& each : params.parameters())
                    append_parameter(text, each.name, each.value);
                return signed_query(self, std::move(text), tail);
            },
            nb::arg("params"), nb::arg("tail"),
            nb::sig("def signed_query(self, params: PlaceTerms, tail: str) -> str"),
            "The same of an order's parameters as a template has them.");
}
