#pragma once
// Reads a quoted decimal sixteen bytes at a time, as venues write nearly all of their prices and
// sizes. It accepts a subset of consume_decimal's inputs, with the same results.
//
// Digit by digit, a number costs a chain of multiplications and a mispredicted branch at its end,
// which varies. Here end and point are found by comparison, the point is removed and the digits are
// summed pairwise, whatever their number.
#include <cstdint>

#include "text/decimal_text.hpp"

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace onetape {

inline constexpr std::ptrdiff_t wide_bytes = 16;  // that must be readable from `p` on

#if defined(__SSE4_1__)

inline constexpr bool has_wide_decimals = true;

// `p` is behind the opening quote. True: `value` is read, and `p` is on the closing quote. False,
// nothing changed: longer than 15 bytes, or not plain digits with at most one point.
[[nodiscard]] inline bool consume_wide(const char*& p, RawDecimal& value) noexcept {
    alignas(16) static constexpr std::int8_t places[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                           8, 9, 10, 11, 12, 13, 14, 15};
    // Shuffles that move `length` bytes to the right end, with zeros before them.
    alignas(16) static constexpr std::int8_t to_right[32] = {
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15};
    const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const auto quotes =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('"'))));
    if (quotes == 0) return false;
    const int length = __builtin_ctz(quotes);
    __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    const __m128i is_other = _mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(10)), digits);
    const unsigned others =
        static_cast<unsigned>(_mm_movemask_epi8(is_other)) & ((1u << length) - 1u);
    int decimals = 0;
    if (others != 0) {
        const int point = __builtin_ctz(others);
        if ((others & (others - 1)) != 0 || p[point] != '.' || length == 1) return false;
        decimals = length - 1 - point;
        const __m128i is_behind =
            _mm_cmpgt_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(places)),
                           _mm_set1_epi8(static_cast<char>(point)));
        digits = _mm_blendv_epi8(_mm_slli_si128(digits, 1), digits, is_behind);
    } else if (length == 0) {
        return false;
    }
    digits = _mm_shuffle_epi8(digits,
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(to_right + length)));
    const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));  // 10, 1
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));  // 100, 1
    const __m128i packed = _mm_packus_epi32(fours, fours);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));  // 10000, 1
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
    value.mantissa = static_cast<std::int64_t>((both & 0xffffffffu) * 100'000'000u + (both >> 32));
    value.decimals = static_cast<std::int16_t>(value.mantissa == 0 ? 0 : decimals);
    value.cut = false;
    p += length;
    return true;
}

#else

inline constexpr bool has_wide_decimals = false;
[[nodiscard]] inline bool consume_wide(const char*&, RawDecimal&) noexcept {
    return false;
}

#endif

}  // namespace onetape
