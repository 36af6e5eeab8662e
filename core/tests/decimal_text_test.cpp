#include "text/decimal_text.hpp"

#include <string>

#include "doctest.h"

using namespace onetape;

namespace {

// Fields end in '\n' as they do in lines.
NumberFault parse(std::string text, RawDecimal& value) {
    text.push_back('\n');
    return parse_decimal({text.data(), text.size() - 1}, value);
}

}  // namespace

TEST_CASE("decimals are read exactly") {
    struct Row {
        const char* text;
        std::int64_t mantissa;
        int decimals;
    };
    for (const Row& row :
         {Row{"61800.20", 6180020, 2}, Row{"0.001", 1, 3}, Row{"-5", -5, 0}, Row{"+.5", 5, 1},
          Row{"7.", 7, 0}, Row{"1e-8", 1, 8}, Row{"1.5E+3", 1500, 0}, Row{"12e2", 1200, 0},
          Row{" 3.0 ", 30, 1}, Row{"000123.4500", 1234500, 4}, Row{"0.000000", 0, 0},
          Row{"9223372036854775807", 9223372036854775807, 0},
          Row{"0.30000000000000004", 30000000000000004, 17}}) {
        CAPTURE(row.text);
        RawDecimal value;
        CHECK(parse(row.text, value) == NumberFault::none);
        CHECK(value.mantissa == row.mantissa);
        CHECK(value.decimals == row.decimals);
        CHECK_FALSE(value.cut);
    }
}

TEST_CASE("what is no number says why") {
    struct Row {
        const char* text;
        NumberFault fault;
    };
    for (const Row& row :
         {Row{"", NumberFault::empty}, Row{"  ", NumberFault::empty},
          Row{"nan", NumberFault::not_finite}, Row{"-Inf", NumberFault::not_finite},
          Row{"Infinity", NumberFault::not_finite}, Row{"1,234.5", NumberFault::grouped},
          Row{"1,5", NumberFault::grouped}, Row{"1_000", NumberFault::grouped},
          Row{"x", NumberFault::malformed}, Row{"1.2.3", NumberFault::malformed},
          Row{"1e", NumberFault::malformed}, Row{".", NumberFault::malformed},
          Row{"--1", NumberFault::malformed}, Row{"0x10", NumberFault::malformed},
          Row{"9223372036854775808", NumberFault::too_large}, Row{"1e400", NumberFault::too_large},
          Row{"1e308", NumberFault::too_large}}) {
        CAPTURE(row.text);
        RawDecimal value;
        CHECK(parse(row.text, value) == row.fault);
    }
}

TEST_CASE("a digit that does not fit is never dropped unseen") {
    RawDecimal value;
    REQUIRE(parse("1.00000000000000000000", value) == NumberFault::none);
    CHECK_FALSE(value.cut);  // only zeros are cut
    REQUIRE(parse("1.234567890123456789", value) == NumberFault::none);
    CHECK(value.cut);
    CHECK(value.mantissa == 123456789012345679);  // rounded at the 18th
    std::int64_t units = 0;
    REQUIRE(parse("61800.25", value) == NumberFault::none);
    CHECK(scale(value, 2, units) == Scaled::exact);
    CHECK(units == 6180025);
    CHECK(scale(value, 1, units) == Scaled::inexact);
    CHECK(scale(value, 4, units) == Scaled::exact);
    CHECK(units == 618002500);
    CHECK(scale(value, 18, units) == Scaled::overflow);
    REQUIRE(parse("61800.20", value) == NumberFault::none);
    CHECK(scale(value, 1, units) == Scaled::exact);
    CHECK(units == 618002);
}

TEST_CASE("a printed float is snapped, a finer number is not") {
    RawDecimal value;
    std::int64_t units = 0;
    REQUIRE(parse("0.30000000000000004", value) == NumberFault::none);
    CHECK(scale_snapped(value, 1, units) == Scaled::snapped);
    CHECK(units == 3);
    REQUIRE(parse("-0.2999999999999999", value) == NumberFault::none);
    CHECK(scale_snapped(value, 1, units) == Scaled::snapped);
    CHECK(units == -3);
    REQUIRE(parse("0.31", value) == NumberFault::none);
    CHECK(scale_snapped(value, 1, units) == Scaled::inexact);
}

TEST_CASE("decimals seen are those that are needed") {
    DecimalsSeen seen;
    RawDecimal value;
    for (const char* text : {"61837.63000000", "0.50000000", "100000.0"}) {
        REQUIRE(parse(text, value) == NumberFault::none);
        seen.add(value);
    }
    CHECK(seen.count(2, 14) == 1);
    CHECK(seen.count(1, 18) == 1);
    CHECK(seen.count(0, 13) == 1);
}
