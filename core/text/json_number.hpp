#pragma once
// Strict JSON of single values, read forward. `end` is a readable byte that is no part of one.
#include <cstring>

namespace onetape {

// Of a string between its quotes, where nothing need be resolved: no escape, no byte beyond ASCII.
[[nodiscard]] constexpr bool is_plain_text(char c) noexcept {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// A number by JSON's grammar: -0.5e+3, not +1, 01, .5 or 1. Moves `p` behind it. Refuses what some
// readers of JSON take for out of range: an exponent beyond 20, more than 20 bytes before one.
[[nodiscard]] inline bool skip_number(const char*& p) noexcept {
    const char* c = p;
    if (*c == '-') ++c;
    if (!is_digit(*c)) return false;
    if (*c == '0')
        ++c;
    else
        while (is_digit(*c)) ++c;
    if (*c == '.') {
        if (!is_digit(*++c)) return false;
        while (is_digit(*c)) ++c;
    }
    if (*c == 'e' || *c == 'E') {
        if (c - p > 20) return false;
        ++c;
        if (*c == '-' || *c == '+') ++c;
        if (!is_digit(*c)) return false;
        int exponent = 0;
        while (is_digit(*c) && exponent <= 20) exponent = exponent * 10 + (*c++ - '0');
        if (exponent > 20) return false;
    }
    p = c;
    return true;
}

// A number, true, false or null.
[[nodiscard]] inline bool skip_bare(const char*& p, const char* end) noexcept {
    const auto word = [&](const char* text, std::ptrdiff_t length) {
        if (end - p < length || std::memcmp(p, text, static_cast<std::size_t>(length)) != 0) {
            return false;
        }
        p += length;
        return true;
    };
    switch (*p) {
        case 't':
            return word("true", 4);
        case 'f':
            return word("false", 5);
        case 'n':
            return word("null", 4);
        default:
            return skip_number(p);
    }
}

}  // namespace onetape
