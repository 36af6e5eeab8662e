// A bar's turnover as units of price times size.
#pragma once

#include "base/money.hpp"
#include "text/decimal_text.hpp"

namespace onetape {

// Computes the turnover at `decimals` decimals. Returns why it is refused, or nullptr. Finer values
// are rounded, half up: venues write eight decimals where price and size have fewer.
[[nodiscard]] inline const char* scaled_turnover(const RawDecimal& value, int decimals,
                                                 Int128& units) noexcept {
    if (value.mantissa < 0) return "turnover is negative";
    units = value.mantissa;
    int shift = decimals - value.decimals;
    for (; shift > 0; --shift) {
        if (__builtin_mul_overflow(units, Int128{10}, &units)) return "turnover is too large";
    }
    if (shift < -decimal_digits_max) {
        units = 0;
        return nullptr;
    }
    if (shift < 0) {
        const Int128 divisor = powers_of_ten[static_cast<std::size_t>(-shift)];
        units = (units + divisor / 2) / divisor;
    }
    return nullptr;
}

}  // namespace onetape
