#pragma once
// The order that passes the pre-trade list without a question, new or amended: nearly every one.
// What is said yes to here keeps every rule of onetape/orders/pre_trade/rules.py. No says nothing:
// then that list is asked, which knows the reasons.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/money.hpp"
#include "exchange/instrument.hpp"
#include "orders/account_order.hpp"
#include "orders/order_sums.hpp"
#include "orders/order_terms.hpp"

namespace onetape {

// Of one symbol; 0: none. Quantities at its decimals.
struct OrderLimits {
    std::int64_t position_max = 0;  // working orders counted as filled
    std::int64_t order_max = 0;
    Int128 value_max = 0;   // of one order, 1e-18 of what the instrument settles in
    Int128 price_band = 0;  // on the dear side of the market, 1e-18 of its price
};

// What an order is measured by, as it is now.
struct OrderSetting {
    const InstrumentSpec& spec;
    const OrderLimits& limits;
    std::int64_t reference = 0;         // a recent price, 0: none is known
    std::int64_t held = 0;              // of its symbol and position side, signed
    const AccountOrder* old = nullptr;  // that it takes the place of, null: it is new

    // What of it may be filled.
    [[nodiscard]] std::int64_t left(const OrderTerms& terms) const noexcept {
        return terms.size - (old == nullptr ? 0 : old->filled);
    }
};

// The terms of a frame that asks for a new order of the usual kind: without a trigger, a request
// key or anything that takes off a position by its flag. Nothing: it is of another kind, or is no
// order.
[[nodiscard]] std::optional<OrderTerms> plain_terms(const void* payload, std::size_t bytes,
                                                    Symbol symbol) noexcept;
// Whether its cancel can leave at once: it works at the venue, and nothing of it is under way.
[[nodiscard]] bool may_cancel(const AccountOrder& order) noexcept;
// Likewise an amendment: also, it waits for no trigger and takes off nothing by its flag.
[[nodiscard]] bool may_amend(const AccountOrder& order) noexcept;
// Whether it keeps the venue's rules and the account's limits, trades with no order of the account
// and takes off nothing by the side that it closes.
[[nodiscard]] bool keeps_rules(const OrderTerms& terms, const OrderSetting& setting,
                               const OrderSums& sums) noexcept;

}  // namespace onetape
