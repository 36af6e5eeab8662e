#pragma once
// The numbers of one instrument version that the core needs, passed from Python, where the model
// defines them (onetape/model/instrument.py). No names, no venue knowledge.
#include <cstdint>

#include "base/money.hpp"
#include "journal/events.hpp"

namespace onetape {

enum class ContractKind : std::uint8_t { spot = 0, linear = 1, inverse = 2 };

struct InstrumentSpec {
    ContractKind kind = ContractKind::linear;
    std::int8_t price_decimals = 2;
    std::int8_t size_decimals = 3;
    std::int64_t tick = 1;                    // in price units: 0.10 at two decimals is 10
    std::int64_t lot = 1;                     // in size units
    std::int64_t size_min = 0, size_max = 0;  // 0: no limit
    std::int64_t market_lot = 0;              // 0: same as lot
    std::int64_t market_size_min = 0, market_size_max = 0;  // 0: same as size_min, size_max
    Money notional_min = 0;                                 // quote currency (linear, spot)
    std::int64_t multiplier = 1;                            // contract value mantissa ...
    std::int8_t multiplier_decimals = 0;                    // ... 0.001 is 1 at three decimals
    std::int64_t maker_fee = 0, taker_fee = 0;              // 1e-12 of notional; negative: rebate
    std::int64_t band_up = 0, band_down = 0;                // 1e-6 of the reference price, 0: none
    std::int64_t maintenance_rate = 0;                      // 1e-12 of notional
    std::uint8_t trigger_by = 0b1110;  // prices that triggers may watch: bit n for `TriggerBy` n

    [[nodiscard]] constexpr bool watches(TriggerBy by) const noexcept {
        return by <= TriggerBy::index && (trigger_by >> static_cast<unsigned>(by) & 1U) != 0;
    }

    // Value of `size` at `price` in the settle currency (spot and linear: quote; inverse: base).
    // size may be negative.
    [[nodiscard]] constexpr Money notional(std::int64_t price, std::int64_t size) const noexcept {
        return notional_at(price, size, 1);
    }
    // The same at half of `doubled`: the mid of two prices may lie between two units.
    [[nodiscard]] constexpr Money notional_doubled(std::int64_t doubled,
                                                   std::int64_t size) const noexcept {
        return notional_at(doubled, size, 2);
    }

 private:
    // The same at a price given in fractions of a unit; the divisor is a compile-time constant.
    [[nodiscard]] constexpr Money notional_at(std::int64_t price, std::int64_t size,
                                              int parts) const noexcept {
        if (kind == ContractKind::inverse) {
            if (price == 0) return 0;
            // size * multiplier / price, scaled: size 1e-sd, multiplier 1e-md, price 1e-pd.
            const int exponent =
                money_decimals + price_decimals - size_decimals - multiplier_decimals;
            Int128 numerator = static_cast<Int128>(size) * multiplier * parts;
            Int128 denominator = price < 0 ? -static_cast<Int128>(price) : price;
            if (price < 0) numerator = -numerator;
            if (exponent >= 0)
                numerator *= pow10(exponent);
            else
                denominator *= pow10(-exponent);
            return divide_half_even(numerator, denominator);
        }
        const int exponent = money_decimals - price_decimals - size_decimals - multiplier_decimals;
        const Int128 product = static_cast<Int128>(price) * size * multiplier;
        if (parts == 1)
            return exponent >= 0 ? product * pow10(exponent)
                                 : divide_half_even(product, pow10(-exponent));
        return exponent > 0 ? product * (pow10(exponent) / parts)
                            : divide_half_even(product, pow10(-exponent) * parts);
    }
};

}  // namespace onetape
