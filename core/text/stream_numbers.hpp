#pragma once
// Converts the decimals of one stream to units of its instrument. While a source is measured they
// are only counted.
#include <array>
#include <cstdint>

#include "text/decimal_text.hpp"
#include "text/quantity.hpp"

namespace onetape {

struct StreamNumbers {
    enum class Fit : std::uint8_t {
        exact,
        snapped,    // a printed float's last digits were rounded off, within 1e-9 of it
        grows,      // more decimals are needed, and the instrument can have them
        too_fine,   // more decimals than fit 64 bits
        too_large,  // does not fit 64 bits
    };

    int price_decimals = 0, size_decimals = 0;
    bool growable = true;
    std::array<DecimalsSeen, 4> seen{};  // by Quantity

    [[nodiscard]] Fit fit(const RawDecimal& raw, Quantity quantity, bool measuring,
                          std::int64_t& units) noexcept {
        if (measuring) {
            seen[static_cast<std::size_t>(quantity)].add(raw);
            units = 0;
            return Fit::exact;
        }
        const int decimals = is_price(quantity) ? price_decimals : size_decimals;
        const Scaled scaled = scale(raw, decimals, units);
        if (scaled == Scaled::exact) return Fit::exact;
        if (scaled == Scaled::overflow) return Fit::too_large;
        if (growable) return Fit::grows;
        if (scale_snapped(raw, decimals, units) == Scaled::snapped) return Fit::snapped;
        return quantity == Quantity::reference && nearest(raw, decimals, units) ? Fit::exact
                                                                                : Fit::too_fine;
    }

 private:
    // Half away from zero: marks have more decimals than traded prices.
    [[nodiscard]] static bool nearest(const RawDecimal& raw, int decimals,
                                      std::int64_t& units) noexcept {
        const int beyond = raw.decimals - decimals;
        if (raw.cut || beyond <= 0 || beyond > decimal_digits_max) return false;
        const std::int64_t power = powers_of_ten[static_cast<std::size_t>(beyond)];
        const std::int64_t rest = raw.mantissa % power;
        units = raw.mantissa / power;
        if (rest >= power / 2) ++units;
        if (rest <= -(power / 2)) --units;
        return true;
    }
};

}  // namespace onetape
