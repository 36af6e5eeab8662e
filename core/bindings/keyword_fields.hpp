#pragma once
// Types that Python fills by keyword: a table of names, each with a function that reads its value.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>

#include "bindings/exchange_cast.hpp"

namespace onetape {

template <class T>
struct KeywordField {
    std::string_view name;
    void (*read)(T& to, nb::handle value, const char* name);
};

// Reads a member unchanged; money from an integer of any size.
template <auto member>
constexpr auto plain = [](auto& to, nb::handle value, const char*) {
    using Value = std::remove_reference_t<decltype(to.*member)>;
    if constexpr (std::is_same_v<Value, Money>)
        to.*member = money_from_python(value);
    else
        to.*member = nb::cast<Value>(value);
};

// Reads an enumeration member from its name or its number.
template <auto member, auto& names>
constexpr auto word = [](auto& to, nb::handle value, const char* name) {
    to.*member = named<std::remove_reference_t<decltype(to.*member)>>(value, names, name);
};

// Reads a member from a sequence of tuples.
template <auto member, auto row>
constexpr auto rows = [](auto& to, nb::handle value, const char*) {
    for (const nb::handle each : value) (to.*member).push_back(row(nb::cast<nb::tuple>(each)));
};

// Fills `to`. Throws TypeError for a name that is not in the table.
template <class T, std::size_t count>
void read_keywords(T& to, const nb::kwargs& kwargs, const KeywordField<T> (&table)[count],
                   const char* type) {
    for (const auto& [key, value] : kwargs) {
        const auto name = nb::cast<std::string>(key);
        const auto* field = std::find_if(std::begin(table), std::end(table),
                                         [&](const auto& each) { return each.name == name; });
        if (field == std::end(table))
            throw nb::type_error((std::string(type) + " has no field " + name).c_str());
        field->read(to, value, name.c_str());
    }
}

}  // namespace onetape
