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

TEST_CASE("a period goes on with what the venue has told of it, and counts no trade twice") {
    HistoryPayload so_far{};
    so_far.ts_open = minute, so_far.ts_close = 2 * minute, so_far.period_ns = minute;
    so_far.open = 100, so_far.high = 120, so_far.low = 90, so_far.close = 110;
    so_far.volume = 7, so_far.turnover_low = 700, so_far.trades = 3, so_far.last_trade = 40;
    BarStream stream;
    const std::size_t at = stream.add(minute, BarSource::trade);
    REQUIRE(stream.resume(at, so_far, flag_open) == BarTick::folded);
    CHECK(stream.due() == 2 * minute);
    // The stream brings a late trade that the venue's bar contained, then a newer one.
    CHECK(stream.on_trade(minute + 5, 500, 1, 39) == BarTick::counted);
    CHECK(stream.on_trade(minute + 6, 500, 1, 40) == BarTick::counted);
    CHECK(stream.on_trade(minute + 7, 80, 2, 41) == BarTick::folded);
    ClosedBar closed;
    REQUIRE(stream.next(2 * minute, closed));
    CHECK(closed.bar.ts_open == minute);
    CHECK(closed.bar.open == 100);
    CHECK(closed.bar.high == 120);
    CHECK(closed.bar.low == 80);
    CHECK(closed.bar.close == 80);
    CHECK(closed.bar.volume == 9);
    CHECK(closed.bar.turnover_low == 860);
    CHECK(closed.bar.trades == 4);
}

TEST_CASE("a trade that the venue's bar has is passed over in the next period, too") {
    HistoryPayload so_far{};
    so_far.ts_open = 0, so_far.ts_close = minute, so_far.period_ns = minute;
    so_far.close = 100, so_far.last_trade = 40;
    BarStream stream;
    const std::size_t at = stream.add(minute, BarSource::trade);
    REQUIRE(stream.resume(at, so_far, flag_open | flag_empty) == BarTick::folded);
    ClosedBar closed;
    REQUIRE(stream.next(minute, closed));
    CHECK(closed.flags == flag_empty);
    CHECK(closed.bar.close == 100);
    CHECK(stream.on_trade(minute + 1, 90, 1, 40) == BarTick::counted);
    SUBCASE("but not for ever: a venue that begins anew counts from 1") {
        while (stream.next(2 * minute, closed)) {
        }
        CHECK(stream.on_trade(2 * minute, 90, 1, 1) == BarTick::folded);
    }
    SUBCASE("and a trade without a number is none of them") {
        CHECK(stream.on_trade(minute + 2, 90, 1) == BarTick::folded);
    }
}

TEST_CASE("what is no part of the period is not taken for it") {
    HistoryPayload so_far{};
    so_far.ts_open = 1, so_far.period_ns = minute;
    BarStream stream;
    const std::size_t trades = stream.add(minute, BarSource::trade);
    const std::size_t mids = stream.add(minute, BarSource::mid);
    CHECK(stream.resume(trades, so_far, flag_open) == BarTick::refused);
    so_far.ts_open = 0;
    CHECK(stream.resume(mids, so_far, flag_open) == BarTick::refused);
    so_far.period_ns = 2 * minute;
    CHECK(stream.resume(trades, so_far, flag_open) == BarTick::refused);
    CHECK(stream.due() == std::numeric_limits<std::int64_t>::max());
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
