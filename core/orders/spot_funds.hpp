#pragma once
// The amounts of a balance that spot orders need: the cost of a purchase with its fee, the coins of
// a sale. The rule is that of onetape/orders/backing.py; amounts are units of 1e-18.
#include <cstdint>
#include <optional>

#include "orders/account_order.hpp"
#include "orders/reserves.hpp"

namespace onetape {

// Amount needed by all orders of one side of an instrument, from their sums. price: for market
// orders. Nothing: it does not fit 128 bits.
[[nodiscard]] std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of, Side side,
                                                         const SpentSums& sums, std::int64_t price);
// Amount needed by one order with this quantity left. Nothing also for a market order without a
// price.
[[nodiscard]] std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of,
                                                         const OrderTerms& terms, std::int64_t left,
                                                         std::int64_t price);

}  // namespace onetape
