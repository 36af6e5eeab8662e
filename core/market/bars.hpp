#pragma once
// Builds bars of one stream on the receipt clock: a bar holds the events received in [ts_open,
// ts_close) and closes when the clock reaches ts_close, whether or not anything trades.
//
// Periods are multiples of their length since the Unix epoch; whole weeks begin on Mondays
// (1970-01-05). No bar before the first tick; from then on every period has its bar, quiet ones
// with flag_empty, open = high = low = close = the close before, and volume 0.
//
// Mid bars are exact: half a price unit needs one more decimal, so their prices are at the
// instrument's price decimals + 1 (`extra_decimals`). A tape's bar frames are always in plain price
// units: `in_price_units` rounds half to even.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/money.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

enum class BarSource : std::uint8_t {
    trade = 0,
    mid = 1,    // (bid + ask) / 2 of quotes; volume 0, trades -1
    venue = 2,  // the venue's own bars, passed on, never before their ts_close
    finer = 3,  // made of the venue's own bars of a shorter period
    // Bars of trades that end by the traded amount, not by the clock. Their period is an amount.
    volume = 4,     // size units
    ticks = 5,      // trades
    notional = 6,   // millionths of price times size
    imbalance = 7,  // size units: absolute value of bought minus sold
};

// A trade is never split: the one that reaches the amount ends the bar, whatever the excess.
[[nodiscard]] constexpr bool ends_by_amount(BarSource source) noexcept {
    return source >= BarSource::volume;
}

enum class BarTick : std::uint8_t {
    folded = 0,
    late = 1,     // of a period that has closed: counted, not used
    due = 2,      // bars must be taken with next() first: nothing was added
    refused = 3,  // unusable: size <= 0, a quote without both sides, a bar of another period
    counted = 4,  // a trade that is already in the venue's own bar
};

struct ClosedBar {
    BarPayload bar{};
    std::uint16_t flags = 0;    // flag_empty
    std::uint32_t builder = 0;  // index in its BarStream
};

struct BarCounts {
    std::uint64_t folded = 0, late = 0, refused = 0, closed = 0, empty = 0;
};

// The start of the period that contains `time`.
[[nodiscard]] constexpr std::int64_t bar_open_time(std::int64_t time,
                                                   std::int64_t period_ns) noexcept {
    constexpr std::int64_t day = 86'400'000'000'000;
    const std::int64_t offset = period_ns % (7 * day) == 0 ? 4 * day : 0;
    std::int64_t since = (time - offset) % period_ns;
    if (since < 0) since += period_ns;
    return time - since;
}

inline constexpr std::int64_t bar_period_max = 366ll * 86'400'000'000'000;
// Beyond these times the close of a bar might not fit into an int64 (years 1702 and 2236).
inline constexpr std::int64_t bar_time_max =
    std::numeric_limits<std::int64_t>::max() - 26 * bar_period_max;
inline constexpr std::int64_t bar_time_min = -bar_time_max;

// Converts a mid bar for a frame: plain price units, half to even.
[[nodiscard]] BarPayload in_price_units(BarPayload bar, int extra_decimals) noexcept;

class BarBuilder {
 public:
    // 0 < period_ns <= bar_period_max. made_of: with BarSource::finer the shorter period, which
    // divides this one. decimals: of price times size, for an amount of it.
    BarBuilder(std::int64_t period_ns, BarSource source, std::int64_t made_of = 0,
               int decimals = 0) noexcept;

    // number: the venue's number of the trade, 0: unknown. side: of the taker; none: taken from the
    // last price change.
    BarTick on_trade(std::int64_t time, std::int64_t price, std::int64_t size,
                     std::uint64_t number = 0, Side side = Side::none) noexcept;
    BarTick on_quote(std::int64_t time, std::int64_t bid, std::int64_t ask) noexcept;
    // With finer bars the first period has a bar only if it is complete from its beginning.
    BarTick on_bar(const BarPayload& bar, std::uint16_t flags);
    // Continues a period from the venue's partial bar. Trades that it contains are skipped when the
    // stream brings them, too: until a later one comes, and at most until the next period ends (a
    // venue that restarts its numbering has other numbers).
    BarTick resume(const HistoryPayload& so_far, std::uint16_t flags) noexcept;

    // Closes one bar that is due at `now`: call until it returns false. One bar a call keeps the
    // work bounded after an outage of any length.
    bool next(std::int64_t now, ClosedBar& closed) noexcept;

    // When the next bar closes, INT64_MAX: no bar is open.
    [[nodiscard]] std::int64_t due() const noexcept { return due_; }
    [[nodiscard]] std::int64_t period_ns() const noexcept { return period_; }
    [[nodiscard]] BarSource source() const noexcept { return source_; }
    // The period of the venue's bars that it uses, 0: none.
    [[nodiscard]] std::int64_t takes_ns() const noexcept {
        return source_ == BarSource::venue ? period_ : made_of_;
    }
    [[nodiscard]] int extra_decimals() const noexcept { return source_ == BarSource::mid ? 1 : 0; }
    [[nodiscard]] const BarCounts& counts() const noexcept { return counts_; }

    // Bound for venue bars that wait for their ts_close because our clock is behind the venue's.
    static constexpr std::size_t waiting_max = 16;

 private:
    BarTick fold(std::int64_t time, std::int64_t price) noexcept;
    BarTick fold_amount(std::int64_t time, std::int64_t price, std::int64_t size,
                        Side side) noexcept;
    void begin(std::int64_t open_time, std::int64_t price) noexcept;
    // The part of a period that a bar covers. period: its begin in UTC; begins_later, ends_later:
    // offsets of the bar's begin and end.
    struct Part {
        std::int64_t period, begins_later, ends_later;
        bool is_first, is_last;
    };
    [[nodiscard]] Part part_of(const BarPayload& bar) const noexcept;
    void join(const BarPayload& bar, std::uint16_t flags);
    void finish();
    void wait() noexcept;

    std::int64_t period_;
    BarSource source_;
    std::int64_t made_of_;
    std::int64_t due_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t open_time_ = 0;
    std::int64_t open_ = 0, high_ = 0, low_ = 0, close_ = 0;
    std::int64_t volume_ = 0, ticks_ = 0;
    Int128 turnover_ = 0;
    Int128 enough_ = 0;     // the amount that ends a bar
    Int128 imbalance_ = 0;  // bought minus sold
    std::int64_t price_last_ = 0;
    Side side_last_ = Side::buy;
    std::uint64_t resumed_trade_ = 0;  // number of the last trade in the venue's partial bar
    std::int64_t resumed_until_ = 0;   // until when that counts
    std::int64_t venue_open_last_ = std::numeric_limits<std::int64_t>::min();
    BarCounts counts_;
    struct Waiting {
        BarPayload bar;
        std::uint16_t flags;
    };
    std::vector<Waiting> waiting_;
    // With finer bars: the bar being built. It ends with the finer bar that closes with it, with
    // the first of a later period, or one finer period after its end: no other can come later.
    Waiting joined_{};
    bool is_joining_ = false;
    std::int64_t joined_period_ = 0;
    std::int64_t joined_until_ = std::numeric_limits<std::int64_t>::min();
};

// Builds bars of several periods and sources of one stream. They come out by (ts_close, period,
// source): of equal close times the shorter period first.
class BarStream {
 public:
    // Returns the index of the builder; the same arguments give the same one.
    std::size_t add(std::int64_t period_ns, BarSource source, std::int64_t made_of = 0,
                    int decimals = 0);

    // Take all due bars with next(now) before an event of that time is added, and after on_bar.
    BarTick on_trade(std::int64_t time, std::int64_t price, std::int64_t size,
                     std::uint64_t number = 0, Side side = Side::none) noexcept;
    BarTick on_quote(std::int64_t time, std::int64_t bid, std::int64_t ask) noexcept;
    BarTick on_bar(const BarPayload& bar, std::uint16_t flags);
    // For one builder: adds a bar from before the start, and returns a bar that it completes.
    bool preload(std::size_t index, const BarPayload& bar, std::uint16_t flags, ClosedBar& closed);
    BarTick resume(std::size_t index, const HistoryPayload& so_far, std::uint16_t flags) noexcept;

    bool next(std::int64_t now, ClosedBar& closed) noexcept {
        return now >= due_ && next_due(now, closed);
    }
    [[nodiscard]] std::int64_t due() const noexcept { return due_; }
    [[nodiscard]] std::size_t size() const noexcept { return builders_.size(); }
    // Of the builders that close by the clock alone, INT64_MAX: none does.
    [[nodiscard]] std::int64_t shortest_period() const noexcept;
    [[nodiscard]] const BarBuilder& builder(std::size_t index) const noexcept {
        return builders_[index];
    }

 private:
    bool next_due(std::int64_t now, ClosedBar& closed) noexcept;
    void update_due() noexcept;

    std::vector<BarBuilder> builders_;
    std::vector<std::uint32_t> order_;  // builder indices by (period, source)
    std::int64_t due_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace onetape
