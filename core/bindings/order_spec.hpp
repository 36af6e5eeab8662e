#pragma once
// Converts the model's `OrderSpec` to the core's terms, and reads other Python objects field by
// field.
#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bindings/python_values.hpp"
#include "bindings/words.hpp"
#include "orders/order_terms.hpp"

namespace onetape {

namespace nb = nanobind;

// A name as a template argument.
template <std::size_t size>
struct Name {
    char letters[size];
    constexpr Name(const char (&text)[size]) { std::copy_n(text, size, letters); }  // NOLINT
};

// Reads an object's fields by interned names: a lookup by text costs a new string each time.
class Fields {
 public:
    explicit Fields(nb::handle object) : object_(object) {}

    template <Name name>
    [[nodiscard]] nb::object field() const {
        static PyObject* const interned = PyUnicode_InternFromString(name.letters);
        nb::object found = nb::steal(PyObject_GetAttr(object_.ptr(), interned));
        if (!found.is_valid()) throw nb::python_error();
        return found;
    }
    template <Name name>
    [[nodiscard]] std::int64_t number() const {
        return integer_of(field<name>().ptr());
    }
    template <Name name>
    [[nodiscard]] bool flag() const {
        return field<name>().ptr() == Py_True;
    }
    template <class Enum, Name name>
    [[nodiscard]] Enum word() const {
        return word_from<Enum>(field<name>());
    }

 private:
    nb::handle object_;
};

[[nodiscard]] inline Symbol symbol_of(nb::handle text) {
    return Symbol::of(text_of(text.ptr()));
}

// The terms that the sums need of an order that is not entered.
[[nodiscard]] inline OrderTerms query_of(nb::handle spec) {
    const Fields of(spec);
    OrderTerms terms;
    terms.symbol = symbol_of(of.field<"symbol">());
    terms.side = of.word<Side, "side">();
    terms.type = of.word<OrderType, "type">();
    terms.price = of.number<"price_int">();
    terms.position_side = of.word<PositionSide, "position_side">();
    return terms;
}

// The terms that the reserves need of an order.
[[nodiscard]] inline OrderTerms money_terms_of(nb::handle spec) {
    const Fields of(spec);
    OrderTerms terms = query_of(spec);
    terms.trigger = of.number<"trigger_int">();
    terms.post_only = of.flag<"post_only">();
    terms.reduce_only = of.flag<"reduce_only">();
    terms.own_reducing = of.flag<"own_reducing">();
    return terms;
}

[[nodiscard]] inline OrderTerms terms_of(nb::handle spec) {
    const Fields of(spec);
    OrderTerms terms = money_terms_of(spec);
    terms.size = of.number<"size_int">();
    terms.tif = of.word<TimeInForce, "tif">();
    terms.trigger_by = of.word<TriggerBy, "trigger_by">();
    terms.trigger_kind = of.word<TriggerKind, "trigger_kind">();
    terms.expire = of.number<"expire">();
    terms.name_tag(text_of(of.field<"tag">().ptr()));
    return terms;
}

}  // namespace onetape
