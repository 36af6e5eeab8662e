#pragma once
// A fast path for orders, new or amended, that pass the pre-trade list without further checks:
// nearly all. An order accepted here keeps every rule of onetape/orders/pre_trade/rules.py. A
// refusal here decides nothing: the full list then decides and gives the reason.
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

// The limits of one symbol; 0: none. Quantities at its decimals.
struct OrderLimits {
    std::int64_t position_max = 0;  // working orders counted as filled
    std::int64_t order_max = 0;
    Int128 value_max = 0;   // of one order, 1e-18 of the settle currency
    Int128 price_band = 0;  // on the expensive side of the market, as 1e-18 of the price
};

// The state that an order is checked against.
struct OrderSetting {
    const InstrumentSpec& spec;
    const OrderLimits& limits;
    std::int64_t reference = 0;         // a recent price, 0: none
    std::int64_t held = 0;              // position of its symbol and position side, signed
    const AccountOrder* old = nullptr;  // the order that it amends, null: it is new

    // The quantity that may still be filled.
    [[nodiscard]] std::int64_t left(const OrderTerms& terms) const noexcept {
        return terms.size - (old == nullptr ? 0 : old->filled);
    }
};

// Returns the terms of a frame that requests a new order of the usual kind: no trigger, no request
// key, not reduce-only. Nothing if it is of another kind or no order.
[[nodiscard]] std::optional<OrderTerms> plain_terms(const void* payload, std::size_t bytes,
                                                    Symbol symbol) noexcept;
// Whether a cancel can be sent at once: the order works at the venue and no request of it is
// pending.
[[nodiscard]] bool may_cancel(const AccountOrder& order) noexcept;
// Whether an amendment can be sent at once: in addition, the order has no waiting trigger and is
// not reduce-only.
[[nodiscard]] bool may_amend(const AccountOrder& order) noexcept;
// Whether the order keeps the venue's rules and the account's limits, matches no order of the
// account and closes no position by its position side.
[[nodiscard]] bool keeps_rules(const OrderTerms& terms, const OrderSetting& setting,
                               const OrderSums& sums) noexcept;

}  // namespace onetape
