#pragma once
// Money in the core: int128 units of 1e-18 of its currency. Sums are exact; only divisions (inverse
// contracts, a fee rate beyond 18 decimals) round, half to even.
#include <array>
#include <cstddef>
#include <cstdint>

namespace onetape {

using Int128 = __int128;
using Money = Int128;

inline constexpr int money_decimals = 18;

inline constexpr int pow10_max = 38;  // the largest power of ten in an int128
inline constexpr std::array<Int128, pow10_max + 1> pow10_table = [] {
    std::array<Int128, pow10_max + 1> table{};
    table[0] = 1;
    for (std::size_t i = 1; i < table.size(); ++i) table[i] = table[i - 1] * 10;
    return table;
}();

// 10^exponent, 0 <= exponent <= pow10_max.
[[nodiscard]] constexpr Int128 pow10(int exponent) noexcept {
    return pow10_table[static_cast<std::size_t>(exponent)];
}

// Decimals of fee, margin and funding rates.
inline constexpr int rate_decimals = 12;
inline constexpr auto rate_one = static_cast<std::int64_t>(pow10(rate_decimals));

[[nodiscard]] constexpr Money absolute(Money value) noexcept {
    return value < 0 ? -value : value;
}

// numerator / denominator, half to even. denominator > 0.
[[nodiscard]] constexpr Int128 divide_half_even(Int128 numerator, Int128 denominator) noexcept {
    // Frequent cases (margin at a leverage of one, margin of zero): a 128-bit division costs 30 ns.
    if (denominator == 1 || numerator == 0) return numerator;
    Int128 quotient = numerator / denominator;
    Int128 rest = numerator % denominator;
    const Int128 sign = rest < 0 ? -1 : 1;
    rest *= sign;
    const Int128 twice = rest * 2;
    if (twice > denominator || (twice == denominator && quotient % 2 != 0)) quotient += sign;
    return quotient;
}

// a * b / c, half to even, without the product overflowing: |b| <= 2^62, 0 < c <= 2^62, and the
// result must fit. Used for the fee of a notional and a share of a cost.
[[nodiscard]] constexpr Int128 multiply_divide_half_even(Int128 a, std::int64_t b,
                                                         std::int64_t c) noexcept {
    const Int128 whole = a / c * b;
    const Int128 part = a % c * b;
    Int128 quotient = whole + part / c;
    Int128 rest = part % c;
    if (rest == 0) return quotient;
    const Int128 sign = rest < 0 ? -1 : 1;
    rest *= sign;
    const Int128 twice = rest * 2;
    if (twice > c || (twice == c && quotient % 2 != 0)) quotient += sign;
    return quotient;
}

// Multiplies a value by a rate in 1e-12: a fee, a funding payment, maintenance margin.
[[nodiscard]] constexpr Money at_rate(Money value, std::int64_t rate) noexcept {
    return multiply_divide_half_even(value, rate, rate_one);
}

[[nodiscard]] constexpr std::int64_t low_half(Int128 value) noexcept {
    return static_cast<std::int64_t>(value);
}
[[nodiscard]] constexpr std::int64_t high_half(Int128 value) noexcept {
    return static_cast<std::int64_t>(value >> 64);
}
[[nodiscard]] constexpr Int128 join_halves(std::int64_t low, std::int64_t high) noexcept {
    return (static_cast<Int128>(high) << 64) | static_cast<std::uint64_t>(low);
}

}  // namespace onetape
