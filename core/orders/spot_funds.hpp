#pragma once
// What orders of spot take from a balance: of a purchase its cost with the fee, of a sale its
// coins. The rule is that of onetape/orders/backing.py; amounts are units of 1e-18.
#include <cstdint>
#include <optional>

#include "orders/account_order.hpp"
#include "orders/reserves.hpp"

namespace onetape {

// Of all orders of one side of an instrument, as they are summed up. price: what market orders are
// reckoned at. Nothing: it cannot be said in 128 bits.
[[nodiscard]] std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of, Side side,
                                                         const SpentSums& sums, std::int64_t price);
// Of an order by itself, of which so much may be filled yet. Nothing also of a market order without
// a price.
[[nodiscard]] std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of,
                                                         const OrderTerms& terms, std::int64_t left,
                                                         std::int64_t price);

}  // namespace onetape
