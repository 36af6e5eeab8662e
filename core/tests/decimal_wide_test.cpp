#include "text/decimal_wide.hpp"

#include <cstdint>
#include <string>

#include "doctest.h"

using namespace onetape;

namespace {

// consume_wide must read `text` like consume_decimal.
bool agrees(const std::string& text) {
    const std::string line = text + "\",\"0.0000000000000000";
    const char* wide = line.data();
    const char* plain = line.data();
    RawDecimal a, b;
    if (!consume_wide(wide, a)) return wide == line.data();
    return consume_decimal(plain, b) == NumberFault::none && wide == plain && *wide == '"' &&
           a.mantissa == b.mantissa && a.decimals == b.decimals && a.cut == b.cut;
}

bool is_taken(const std::string& text) {
    const std::string line = text + "\",\"0.0000000000000000";
    const char* p = line.data();
    RawDecimal value;
    return consume_wide(p, value);
}

}  // namespace

TEST_CASE("a decimal read at once is the decimal read digit by digit") {
    std::uint64_t state = 20261120;
    const auto next = [&](std::uint64_t below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 33) % below;
    };
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        const auto length = next(19);
        const bool is_plain = next(4) != 0;
        const auto point = next(length + 1);
        for (std::uint64_t i = 0; i < length; ++i) {
            if (is_plain)
                text += i == point ? '.' : static_cast<char>('0' + next(10));
            else
                text += "0123456789.-+eE ,/:x"[next(20)];
        }
        CAPTURE(text);
        REQUIRE(agrees(text));
    }
}

TEST_CASE("all that venues usually write is read at once, and nothing else") {
    if (!has_wide_decimals) return;
    for (const char* text : {"0", "7", "61800.20", "0.00000001", "123456789012345", "00.10", "5.",
                             ".5", "0.000", "9999999999.9999"}) {
        CAPTURE(text);
        CHECK(is_taken(text));
        CHECK(agrees(text));
    }
    for (const char* text : {"", ".", "-1", "+1", "1e5", "1.2.3", "1 ", " 1", "1234567890123456",
                             "12345678901234567890", "NaN", "\xb9"}) {
        CAPTURE(text);
        CHECK_FALSE(is_taken(text));
    }
}
