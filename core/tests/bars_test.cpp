#include "market/bars.hpp"

#include <cmath>

#include "doctest.h"
#include "market/bar_window.hpp"

using namespace onetape;

namespace {
constexpr std::int64_t minute = 60'000'000'000;
}

TEST_CASE("bars close by the clock, one a call") {
    BarStream stream;
    stream.add(minute, BarSource::trade);
    CHECK(stream.on_trade(5, 100, 2) == BarTick::folded);
    CHECK(stream.on_trade(6, 90, 1) == BarTick::folded);
    ClosedBar closed;
    CHECK(!stream.next(minute - 1, closed));
    REQUIRE(stream.next(3 * minute, closed));
    CHECK(closed.bar.open == 100);
    CHECK(closed.bar.low == 90);
    CHECK(closed.bar.volume == 3);
    CHECK(join_halves(closed.bar.turnover_low, closed.bar.turnover_high) == 290);
    REQUIRE(stream.next(3 * minute, closed));
    CHECK(closed.flags == flag_empty);
    CHECK(closed.bar.open == 90);
    REQUIRE(stream.next(3 * minute, closed));
    CHECK(!stream.next(3 * minute, closed));
    CHECK(stream.due() == 4 * minute);
}

TEST_CASE("a mid bar goes to plain price units half to even") {
    BarStream stream;
    stream.add(minute, BarSource::mid);
    stream.on_quote(0, 100, 101);
    stream.on_quote(0, 101, 102);
    ClosedBar closed;
    REQUIRE(stream.next(minute, closed));
    CHECK(closed.bar.open == 1005);
    CHECK(closed.bar.close == 1015);
    const BarPayload plain = in_price_units(closed.bar, 1);
    CHECK(plain.open == 100);
    CHECK(plain.close == 102);
    CHECK(in_price_units(closed.bar, 0).open == 1005);
}

TEST_CASE("times at the end of the range close no bar and do no harm") {
    BarStream stream;
    stream.add(bar_period_max, BarSource::trade);
    CHECK(stream.on_trade(std::numeric_limits<std::int64_t>::max(), 1, 1) == BarTick::refused);
    CHECK(stream.on_trade(std::numeric_limits<std::int64_t>::min(), 1, 1) == BarTick::refused);
    CHECK(stream.on_trade(bar_time_min, 1, 1) == BarTick::folded);
}

TEST_CASE("a volume beyond int64 stays at its maximum") {
    BarStream stream;
    stream.add(minute, BarSource::trade);
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    stream.on_trade(0, most, most);
    stream.on_trade(0, 1, most);
    ClosedBar closed;
    REQUIRE(stream.next(minute, closed));
    CHECK(closed.bar.volume == most);
}

TEST_CASE("a range outlives its window") {
    BarRange range;
    {
        BarWindow window(1, 0, 4);
        for (std::int64_t i = 0; i < 50; ++i) {
            window.push({i, i + 1, 1, i, i, i, i, 0, 0, 0, 0, 0});
            if (i == 9) range = window.last(3);
        }
        CHECK(window.size() == 4);
    }
    REQUIRE(range.size() == 3);
    CHECK(range.block->column(BarColumn::close)[range.begin] == doctest::Approx(0.7));
    CHECK(range.block->ts_close()[range.end - 1] == 10);
}
