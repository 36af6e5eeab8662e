#pragma once
// Conversions between Python and the exchange's types: int128 money as int, enumerations by their
// names, requests by keyword, order events and fills as dicts.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/money.hpp"
#include "bindings/int128_cast.hpp"
#include "exchange/instrument.hpp"
#include "journal/events.hpp"
#include "market/mbo_book.hpp"

namespace onetape {

namespace nb = nanobind;

inline nb::int_ money_to_python(Money value) {
    return nb::steal<nb::int_>(int128_to_python(value).release());
}

inline Money money_from_python(const nb::handle& value) {
    return int128_from_python(value.ptr());
}

// Index of a name in the list that an enumeration's field carries ("none,buy,sell"), or an int.
template <class Enum>
Enum named(const nb::handle& value, std::string_view names, const char* what) {
    if (nb::isinstance<nb::int_>(value)) return static_cast<Enum>(nb::cast<int>(value));
    const std::string wanted = nb::cast<std::string>(value);
    int at = 0;
    for (std::string_view rest = names; !rest.empty(); ++at) {
        const std::size_t comma = rest.find(',');
        if (rest.substr(0, comma) == wanted) return static_cast<Enum>(at);
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    const std::string message =
        std::string(what) + ": " + wanted + " is none of " + std::string(names);
    throw nb::value_error(message.c_str());
}

inline std::string name_of(int index, std::string_view names) {
    for (std::string_view rest = names; !rest.empty(); --index) {
        const std::size_t comma = rest.find(',');
        if (index == 0) return std::string(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return "";
}

inline constexpr std::string_view side_names = "none,buy,sell";
inline constexpr std::string_view type_names = "none,limit,market";
inline constexpr std::string_view tif_names = "none,GTC,IOC,FOK,GTD";
inline constexpr std::string_view trigger_names = "none,last,mark,index";
inline constexpr std::string_view trigger_kind_names = "none,stop,take_profit,trailing";
inline constexpr std::string_view position_side_names = "both,long,short";
inline constexpr std::string_view liquidity_names = "none,maker,taker";
inline constexpr std::string_view request_names = "none,place,cancel,amend";
inline constexpr std::string_view kind_names = "spot,linear,inverse";
inline constexpr std::string_view amend_names = "decrease_keeps,requeues,decrease_only,none";
inline constexpr std::string_view news_names =
    "none,accepted,rejected,canceled,expired,triggered,updated,cancel_rejected,update_rejected,"
    "denied,lost,found,absent";
inline constexpr std::string_view state_names =
    "none,INITIALIZED,SUBMITTED,ACCEPTED,PARTIALLY_FILLED,FILLED,PENDING_CANCEL,CANCELED,"
    "PENDING_UPDATE,REJECTED,DENIED,EXPIRED,TRIGGERED,UNKNOWN";

inline constexpr std::string_view mbo_names = "none,add,modify,cancel,fill,clear";

inline PositionSide position_side_from(const std::string& name) {
    return named<PositionSide>(nb::str(name.c_str()), position_side_names, "side");
}

nb::dict mbo_to_dict(const MboPayload& event);
MboPayload mbo_from(std::int64_t now, const nb::object& action, std::uint64_t order_id,
                    const nb::object& side, std::int64_t price, std::int64_t size, bool last,
                    bool reported);
nb::dict counts_to_dict(const MboCounts& counts);
OrderRequestPayload request_from_kwargs(const nb::kwargs& kwargs);
// The keyword `hidden`, which no request on a tape has.
bool is_hidden(const nb::kwargs& kwargs);
nb::dict order_event_to_dict(std::uint32_t owner, const OrderEventPayload& event);
nb::dict fill_to_dict(std::uint32_t owner, const FillPayload& fill);

void bind_exchange_money(nb::module_& m);
void bind_exchange_terms(nb::module_& m);
void bind_exchange_matching(nb::module_& m);
void bind_exchange_flow(nb::module_& m);

}  // namespace onetape
