// A bar's turnover as units of price times size.
#pragma once

#include "base/money.hpp"
#include "text/decimal_text.hpp"

namespace onetape {

// The turnover at `decimals` decimals. Finer ones are rounded, half up: venues write eight where
// price and size have fewer. False: it does not fit 128 bits.
[[nodiscard]] inline bool scaled_turnover(const RawDecimal& value, int decimals,
                                          Int128& units) noexcept {
    units = value.mantissa;
    int shift = decimals - value.decimals;
    for (; shift > 0; --shift) {
        if (__builtin_mul_overflow(units, Int128{10}, &units)) return false;
    }
    if (shift < -decimal_digits_max) {
        units = 0;
        return true;
    }
    if (shift < 0) {
        const Int128 divisor = powers_of_ten[static_cast<std::size_t>(-shift)];
        units = (units + divisor / 2) / divisor;
    }
    return true;
}

}  // namespace onetape
