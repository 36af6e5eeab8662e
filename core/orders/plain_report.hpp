#pragma once
// What a venue says of an order, where nothing of it is out of the ordinary: it works, is filled,
// or has ended with all its fills booked. No says nothing: then the order manager is asked, which
// knows the rest.
#include <cstdint>
#include <string_view>

#include "orders/order_index.hpp"

namespace onetape {

struct OrderReport {
    std::string_view venue_id;  // "": it has none
    OrderState state = OrderState::unknown;
    OrderNews news{};  // 0: the state alone is told
    std::int64_t time = 0, filled = 0;
};

enum class Heard : std::uint8_t { no, nothing_new, news };

// Takes in a report of an order; `news`: what is to be written, of the order as it is then. Times
// ns, query_at: when the venue is asked for fills that it counts and has not told.
[[nodiscard]] Heard hear_plainly(OrderIndex& index, AccountOrder& order, const OrderReport& report,
                                 std::int64_t query_at, OrderNews& news);

struct OrderFill {
    std::string_view venue_id;  // of its order, "": not told
    std::uint64_t trade_id = 0;
    std::int64_t price = 0, size = 0;
};

// Whether `fill_plainly` can book a fill: of an order that works or is being placed, of which so
// much is left.
[[nodiscard]] bool may_fill(const AccountOrder& order, const OrderFill& fill) noexcept;
void fill_plainly(OrderIndex& index, AccountOrder& order, const OrderFill& fill);

}  // namespace onetape
