#pragma once
// Decimal numbers as text, converted to int64 units of an instrument. Exact: a digit that does not
// fit is never dropped silently.
//
// Callers guarantee a readable byte at `end` which is no part of a number (lines end in '
// ').
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

namespace onetape {

inline constexpr int decimal_digits_max = 18;  // every 18-digit number fits int64

inline constexpr std::array<std::int64_t, decimal_digits_max + 1> powers_of_ten = [] {
    std::array<std::int64_t, decimal_digits_max + 1> table{};
    std::int64_t power = 1;
    for (auto& entry : table) {
        entry = power;
        if (power <= std::numeric_limits<std::int64_t>::max() / 10) power *= 10;
    }
    return table;
}();

enum class NumberFault : std::uint8_t {
    none,
    empty,
    malformed,
    not_finite,  // nan, inf in any spelling
    grouped,     // 1,234.5
    too_large,   // more than 18 digits before the point, or an exponent that makes it so
};

[[nodiscard]] constexpr const char* describe(NumberFault fault) noexcept {
    switch (fault) {
        case NumberFault::none:
            return "is a number";
        case NumberFault::empty:
            return "is empty";
        case NumberFault::malformed:
            return "is not a number";
        case NumberFault::not_finite:
            return "is not finite";
        case NumberFault::grouped:
            return "has thousands separators or a decimal comma";
        case NumberFault::too_large:
            return "is too large";
    }
    return "is not a number";
}

// A decimal, mantissa * 10^-decimals. `cut`: non-zero digits beyond the 18th were rounded off (half
// up): the number does not fit 64 bits at any number of decimals.
struct RawDecimal {
    std::int64_t mantissa = 0;
    std::int16_t decimals = 0;
    bool cut = false;
};

// Reads the longest number at `p` and moves `p` behind it.
[[nodiscard]] inline NumberFault consume_decimal(const char*& p, RawDecimal& value) noexcept {
    const char* c = p;
    const bool negative = *c == '-';
    if (negative || *c == '+') ++c;
    std::uint64_t mantissa = 0;
    int digits = 0;  // significant digits
    int decimals = 0;
    bool any = false, cut = false, round_up = false;
    for (unsigned d; (d = static_cast<unsigned>(static_cast<unsigned char>(*c)) - '0') < 10; ++c) {
        any = true;
        if (digits >= decimal_digits_max) {  // a 19th fits up to 2^63 - 1: times in ns need it
            constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
            if (digits > decimal_digits_max || mantissa > (most - d) / 10) {
                return NumberFault::too_large;
            }
        }
        mantissa = mantissa * 10 + d;
        digits += mantissa != 0;
    }
    if (*c == '.') {
        ++c;
        for (unsigned d; (d = static_cast<unsigned>(static_cast<unsigned char>(*c)) - '0') < 10;
             ++c) {
            any = true;
            if (digits >= decimal_digits_max || decimals >= 1000) {
                if (d != 0 && !cut && !round_up) round_up = d >= 5;
                cut = cut || d != 0;
                continue;
            }
            mantissa = mantissa * 10 + d;
            digits += mantissa != 0;
            ++decimals;
        }
    }
    if (!any) return NumberFault::malformed;
    if (*c == 'e' || *c == 'E') {
        const char* x = c + 1;
        const bool down = *x == '-';
        if (down || *x == '+') ++x;
        int exponent = 0;
        bool exponent_any = false;
        for (unsigned d; (d = static_cast<unsigned>(static_cast<unsigned char>(*x)) - '0') < 10;
             ++x) {
            exponent_any = true;
            if (exponent < 10000) exponent = exponent * 10 + static_cast<int>(d);
        }
        if (!exponent_any) return NumberFault::malformed;
        c = x;
        decimals += down ? exponent : -exponent;
    }
    if (round_up) ++mantissa;
    if (mantissa == 0) decimals = 0;
    while (decimals < 0) {
        if (mantissa > 922'337'203'685'477'579ull) return NumberFault::too_large;
        mantissa *= 10;
        ++decimals;
    }
    value.mantissa =
        negative ? -static_cast<std::int64_t>(mantissa) : static_cast<std::int64_t>(mantissa);
    value.decimals = static_cast<std::int16_t>(decimals < 20000 ? decimals : 20000);
    value.cut = cut;
    p = c;
    return NumberFault::none;
}

// Returns why `text` is no number, for the reject file; not on the fast path.
[[nodiscard]] inline NumberFault blame(std::string_view text) noexcept {
    if (text.empty()) return NumberFault::empty;
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    std::size_t i = text[0] == '-' || text[0] == '+' ? 1 : 0;
    const auto rest_is = [&](std::string_view word) {
        if (text.size() - i != word.size()) return false;
        for (std::size_t k = 0; k < word.size(); ++k) {
            if (lower(text[i + k]) != word[k]) return false;
        }
        return true;
    };
    if (rest_is("nan") || rest_is("inf") || rest_is("infinity")) return NumberFault::not_finite;
    bool comma = false;
    for (; i < text.size(); ++i) {
        if (text[i] == ',' || text[i] == '\'' || text[i] == '_')
            comma = true;
        else if ((text[i] < '0' || text[i] > '9') && text[i] != '.')
            return NumberFault::malformed;
    }
    return comma ? NumberFault::grouped : NumberFault::malformed;
}

// Parses the whole of `text`; surrounding blanks are allowed.
[[nodiscard]] inline NumberFault parse_decimal(std::string_view text, RawDecimal& value) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    if (text.empty()) return NumberFault::empty;
    const char* p = text.data();
    const NumberFault fault = consume_decimal(p, value);
    if (fault == NumberFault::too_large) return fault;
    if (fault != NumberFault::none || p != text.data() + text.size()) return blame(text);
    return NumberFault::none;
}

enum class Scaled : std::uint8_t { exact, snapped, inexact, overflow };

// Units at `decimals`. inexact: non-zero digits lie beyond; `units` is then cut toward zero.
[[nodiscard]] inline Scaled scale(const RawDecimal& value, int decimals,
                                  std::int64_t& units) noexcept {
    const int shift = decimals - value.decimals;
    if (shift == 0) {
        units = value.mantissa;
    } else if (shift > 0) {
        if (shift > decimal_digits_max) {
            units = 0;
            return value.mantissa == 0 ? Scaled::exact : Scaled::overflow;
        }
        if (__builtin_mul_overflow(value.mantissa, powers_of_ten[static_cast<std::size_t>(shift)],
                                   &units)) {
            return Scaled::overflow;
        }
    } else {
        if (-shift > decimal_digits_max) {
            units = 0;
            return value.mantissa == 0 ? Scaled::exact : Scaled::inexact;
        }
        std::int64_t power = 1;
        switch (-shift) {  // by a constant it is a multiplication
            case 1:
                units = value.mantissa / (power = 10);
                break;
            case 2:
                units = value.mantissa / (power = 100);
                break;
            case 5:  // for venues that write eight decimals for every instrument
                units = value.mantissa / (power = 100'000);
                break;
            case 6:
                units = value.mantissa / (power = 1'000'000);
                break;
            default:
                power = powers_of_ten[static_cast<std::size_t>(-shift)];
                units = value.mantissa / power;
        }
        if (units * power != value.mantissa) return Scaled::inexact;
    }
    return value.cut ? Scaled::inexact : Scaled::exact;
}

// Units at `decimals`, nearest, half away from zero, if the change is within 1e-9 of the value (a
// printed float): snapped. Else inexact.
[[nodiscard]] inline Scaled scale_snapped(const RawDecimal& value, int decimals,
                                          std::int64_t& units) noexcept {
    const Scaled plain = scale(value, decimals, units);
    if (plain != Scaled::inexact) return plain;
    const int drop = value.decimals - decimals;
    if (drop <= 0) return Scaled::snapped;  // drops only digits beyond the 18th: far below 1e-9
    if (drop > decimal_digits_max) return Scaled::inexact;
    const std::int64_t power = powers_of_ten[static_cast<std::size_t>(drop)];
    const std::int64_t rest = value.mantissa - units * power;
    const std::int64_t magnitude = rest < 0 ? -rest : rest;
    std::int64_t change = -rest;
    if (magnitude >= power - magnitude) {
        units += rest < 0 ? -1 : 1;
        change = power - magnitude;
    }
    if (change < 0) change = -change;
    const std::int64_t whole = value.mantissa < 0 ? -value.mantissa : value.mantissa;
    return change <= whole / 1'000'000'000 ? Scaled::snapped : Scaled::inexact;
}

// Decimals that `value` needs: trailing zeros do not count.
[[nodiscard]] inline int decimals_needed(const RawDecimal& value) noexcept {
    std::int64_t mantissa = value.mantissa;
    int decimals = value.decimals;
    if (mantissa == 0) return 0;
    while (decimals > 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        --decimals;
    }
    return decimals;
}

// The most decimals at which `value` still fits int64, at most 18.
[[nodiscard]] inline int decimals_possible(const RawDecimal& value) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max() / 10;
    std::uint64_t magnitude = value.mantissa < 0 ? 0 - static_cast<std::uint64_t>(value.mantissa)
                                                 : static_cast<std::uint64_t>(value.mantissa);
    int decimals = value.decimals;
    if (magnitude == 0) return decimal_digits_max;
    for (; decimals < decimal_digits_max && magnitude <= most; ++decimals) magnitude *= 10;
    return decimals < decimal_digits_max ? decimals : decimal_digits_max;
}

// `value` rounded to the 15 significant digits that a double guarantees: 61800.299999999996 is
// 61800.3.
[[nodiscard]] inline RawDecimal at_sure_digits(RawDecimal value) noexcept {
    constexpr std::int64_t most = 1'000'000'000'000'000;
    std::int64_t last = 0;
    while (value.decimals > 0 && (value.mantissa >= most || value.mantissa <= -most)) {
        last = value.mantissa % 10;
        value.mantissa /= 10;
        --value.decimals;
    }
    if (last >= 5) ++value.mantissa;
    if (last <= -5) --value.mantissa;
    return value;
}

// Counts how many numbers of one quantity need, and have room for, how many decimals. An
// instrument's decimals are chosen from these counts, so that a few senseless numbers do not
// decide.
class DecimalsSeen {
 public:
    static constexpr int most = 19;  // or more

    void add(const RawDecimal& value) noexcept {
        const int needed = decimals_needed(value) + (value.cut ? 1 : 0);
        const int possible = decimals_possible(value);
        ++counts_[static_cast<std::size_t>(needed < most ? needed : most)]
                 [static_cast<std::size_t>(possible)];
        const int sure = decimals_needed(at_sure_digits(value));
        ++sure_[static_cast<std::size_t>(sure < most ? sure : most)];
    }
    // Numbers that need this many decimals at 15 digits: a price step must not follow from noise.
    [[nodiscard]] std::uint64_t sure(int decimals) const noexcept {
        return sure_[static_cast<std::size_t>(decimals)];
    }
    [[nodiscard]] std::uint64_t count(int needed, int possible) const noexcept {
        return counts_[static_cast<std::size_t>(needed)][static_cast<std::size_t>(possible)];
    }

 private:
    std::array<std::array<std::uint64_t, most + 1>, most + 1> counts_{};
    std::array<std::uint64_t, most + 1> sure_{};
};

}  // namespace onetape
