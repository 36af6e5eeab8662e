#pragma once
// A fast path for reports and fills of the usual kind: the order works, is filled, or has ended
// with all its fills booked. A refusal here decides nothing: the order manager then handles the
// report.
#include <cstdint>
#include <string_view>

#include "orders/order_index.hpp"

namespace onetape {

struct OrderReport {
    std::string_view venue_id;  // "": none
    OrderState state = OrderState::unknown;
    OrderNews news{};  // 0: only the state is reported
    std::int64_t time = 0, filled = 0;
};

enum class Heard : std::uint8_t { no, nothing_new, news };

// Applies a report to an order. `news`: the event to write, of the order after the report. Times
// ns, query_at: when the venue is queried for fills that it counts but has not reported.
[[nodiscard]] Heard hear_plainly(OrderIndex& index, AccountOrder& order, const OrderReport& report,
                                 std::int64_t query_at, OrderNews& news);

struct OrderFill {
    std::string_view venue_id;  // of the fill's order, "": not reported
    std::uint64_t trade_id = 0;
    std::int64_t price = 0, size = 0;
};

// Whether `fill_plainly` can book the fill: the order works or is being placed, and its rest is
// large enough.
[[nodiscard]] bool may_fill(const AccountOrder& order, const OrderFill& fill) noexcept;
void fill_plainly(OrderIndex& index, AccountOrder& order, const OrderFill& fill);

}  // namespace onetape
