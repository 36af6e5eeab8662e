#pragma once
// A position of one (instrument, position side): signed quantity, exact cost, realized profit.
//
// The cost is signed like the quantity and is the sum of the notionals that opened it, in the
// settle currency. Profit is the difference of two notionals, so one formula serves all kinds:
//   linear, spot   profit = notional(exit) - cost      (value grows with price)
//   inverse        profit = cost - notional(exit)      (quantity / price shrinks as price grows)
// Reducing releases cost proportionally, half to even, and the remainder stays with the rest: the
// cost of a flat position is exactly zero, and the realized sums telescope. A fill is valued once,
// so that for any fills in any order the realized profit equals, to the unit, the difference of
// their values and the remaining cost, also if sub-accounts hold parts of the same position.
#include <cstdint>

#include "base/money.hpp"
#include "exchange/instrument.hpp"
#include "journal/events.hpp"

namespace onetape {

struct Position {
    std::int64_t qty = 0;  // size units, negative: short
    Money cost = 0;        // settle currency, signed like qty (for positive prices)
    Money realized = 0;    // settle currency, without fees and funding

    [[nodiscard]] constexpr bool flat() const noexcept { return qty == 0; }

    // Applies a fill of a signed size that is worth `value` (same sign). A fill beyond zero splits
    // that value. Returns the profit realized by it.
    constexpr Money apply(const InstrumentSpec& spec, std::int64_t change, Money value) noexcept {
        if (qty == 0 || (qty > 0) == (change > 0)) {
            cost += value;
            qty += change;
            return 0;
        }
        const auto size = [](std::int64_t signed_size) {
            return signed_size < 0 ? -signed_size : signed_size;
        };
        Money released = cost, closed = value;  // of the part that closes: opposite in sign
        if (size(change) < size(qty))
            released = multiply_divide_half_even(cost, size(change), size(qty));
        else if (size(change) > size(qty))
            closed = multiply_divide_half_even(value, size(qty), size(change));
        const Money profit = gain(spec, -closed, released);
        qty += change;
        cost += value - closed - released;
        realized += profit;
        return profit;
    }

    // The same at a price. size > 0.
    constexpr Money apply(const InstrumentSpec& spec, Side side, std::int64_t price,
                          std::int64_t size) noexcept {
        const std::int64_t change = side == Side::buy ? size : -size;
        return apply(spec, change, spec.notional(price, change));
    }

    [[nodiscard]] constexpr Money unrealized(const InstrumentSpec& spec,
                                             std::int64_t mark_doubled) const noexcept {
        return qty == 0 ? 0 : gain(spec, spec.notional_doubled(mark_doubled, qty), cost);
    }

    // Average entry price in the instrument's own unit (1.0 is one quote unit); 0 when flat.
    [[nodiscard]] double entry_price(const InstrumentSpec& spec) const noexcept {
        if (qty == 0 || cost == 0) return 0.0;
        const double contracts = static_cast<double>(qty) * static_cast<double>(spec.multiplier) /
                                 scale(spec.size_decimals + spec.multiplier_decimals);
        const double value = static_cast<double>(cost) / scale(money_decimals);
        return spec.kind == ContractKind::inverse ? contracts / value : value / contracts;
    }

 private:
    [[nodiscard]] static constexpr Money gain(const InstrumentSpec& spec, Money now,
                                              Money then) noexcept {
        return spec.kind == ContractKind::inverse ? then - now : now - then;
    }
    [[nodiscard]] static constexpr double scale(int decimals) noexcept {
        double result = 1.0;
        for (int i = 0; i < decimals; ++i) result *= 10.0;
        return result;
    }
};

}  // namespace onetape
