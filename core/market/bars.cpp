#include "market/bars.hpp"

#include <algorithm>

namespace onetape {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

[[nodiscard]] bool is_time(std::int64_t time) {
    return time >= bar_time_min && time <= bar_time_max;
}

}  // namespace

BarPayload in_price_units(BarPayload bar, int extra_decimals) noexcept {
    if (extra_decimals == 0) return bar;
    const Int128 unit = pow10(extra_decimals);
    for (std::int64_t* price : {&bar.open, &bar.high, &bar.low, &bar.close}) {
        *price = static_cast<std::int64_t>(divide_half_even(*price, unit));
    }
    return bar;
}

BarBuilder::BarBuilder(std::int64_t period_ns, BarSource source, std::int64_t made_of,
                       int decimals) noexcept
    : period_(period_ns), source_(source), made_of_(made_of) {
    constexpr int notional_decimals = 6;
    enough_ = period_ns;
    if (source != BarSource::notional) return;
    if (decimals >= notional_decimals) {
        enough_ *= pow10(decimals - notional_decimals);
    } else {
        const Int128 unit = pow10(notional_decimals - decimals);
        enough_ = (enough_ + unit - 1) / unit;
    }
}

void BarBuilder::begin(std::int64_t open_time, std::int64_t price) noexcept {
    open_time_ = open_time;
    due_ = open_time <= bar_time_max ? open_time + period_ : never;
    open_ = high_ = low_ = close_ = price;
    volume_ = ticks_ = 0;
    turnover_ = 0;
}

BarTick BarBuilder::fold(std::int64_t time, std::int64_t price) noexcept {
    if (due_ == never) begin(bar_open_time(time, period_), price);
    if (time >= due_ && due_ != never) return BarTick::due;
    if (time < open_time_) {
        ++counts_.late;
        return BarTick::late;
    }
    if (ticks_ == 0) open_ = high_ = low_ = price;
    high_ = std::max(high_, price);
    low_ = std::min(low_, price);
    close_ = price;
    ++ticks_;
    ++counts_.folded;
    return BarTick::folded;
}

BarTick BarBuilder::fold_amount(std::int64_t time, std::int64_t price, std::int64_t size,
                                Side side) noexcept {
    if (due_ != never) return BarTick::due;
    if (side == Side::none) {
        if (price != price_last_ && price_last_ != 0)
            side = price > price_last_ ? Side::buy : Side::sell;
        else
            side = side_last_;
    }
    price_last_ = price;
    side_last_ = side;
    if (ticks_ == 0) {
        open_time_ = time;
        open_ = high_ = low_ = price;
        volume_ = 0;
        turnover_ = imbalance_ = 0;
    }
    high_ = std::max(high_, price);
    low_ = std::min(low_, price);
    close_ = price;
    ++ticks_;
    if (__builtin_add_overflow(volume_, size, &volume_)) volume_ = never;
    turnover_ += static_cast<Int128>(price) * size;
    imbalance_ += side == Side::buy ? size : -static_cast<Int128>(size);
    Int128 amount = imbalance_;
    if (source_ == BarSource::volume) amount = volume_;
    if (source_ == BarSource::ticks) amount = ticks_;
    if (source_ == BarSource::notional) amount = turnover_;
    if (amount >= enough_ || -amount >= enough_) due_ = std::max(time, open_time_);
    ++counts_.folded;
    return BarTick::folded;
}

BarTick BarBuilder::on_trade(std::int64_t time, std::int64_t price, std::int64_t size,
                             std::uint64_t number, Side side) noexcept {
    // Some venues print trades of no size (and no price) for internal bookkeeping.
    if (size <= 0 || !is_time(time)) {
        ++counts_.refused;
        return BarTick::refused;
    }
    if (ends_by_amount(source_)) return fold_amount(time, price, size, side);
    if (resumed_trade_ != 0) [[unlikely]] {
        if (number != 0 && number <= resumed_trade_ && time < resumed_until_)
            return BarTick::counted;
        resumed_trade_ = 0;
    }
    const BarTick tick = fold(time, price);
    if (tick != BarTick::folded) return tick;
    // A volume beyond int64 stays at its maximum; the turnover continues.
    if (__builtin_add_overflow(volume_, size, &volume_)) volume_ = never;
    turnover_ += static_cast<Int128>(price) * size;
    return tick;
}

BarTick BarBuilder::resume(const HistoryPayload& so_far, std::uint16_t flags) noexcept {
    if (source_ != BarSource::trade || so_far.period_ns != period_ || !is_time(so_far.ts_open) ||
        so_far.ts_open != bar_open_time(so_far.ts_open, period_)) {
        ++counts_.refused;
        return BarTick::refused;
    }
    begin(so_far.ts_open, so_far.close);
    resumed_trade_ = so_far.last_trade;
    resumed_until_ = due_ + period_;
    if ((flags & flag_empty) != 0) return BarTick::folded;
    open_ = so_far.open;
    high_ = so_far.high;
    low_ = so_far.low;
    volume_ = so_far.volume;
    ticks_ = std::max<std::int64_t>(so_far.trades, 1);
    turnover_ = join_halves(so_far.turnover_low, so_far.turnover_high);
    return BarTick::folded;
}

BarTick BarBuilder::on_quote(std::int64_t time, std::int64_t bid, std::int64_t ask) noexcept {
    const Int128 mid = (static_cast<Int128>(bid) + ask) * 5;  // one more decimal: exact
    if (bid == 0 || ask == 0 || !is_time(time) || static_cast<std::int64_t>(mid) != mid) {
        ++counts_.refused;
        return BarTick::refused;
    }
    return fold(time, static_cast<std::int64_t>(mid));
}

BarTick BarBuilder::on_bar(const BarPayload& bar, std::uint16_t flags) {
    const bool in_time = is_time(bar.ts_open) && is_time(bar.ts_close);
    // A day by a zone's clocks may have 23 or 25 hours, a month 28 days.
    const bool fits = bar.period_ns == takes_ns() && in_time && bar.ts_open < bar.ts_close &&
                      bar.ts_close - bar.ts_open < 2 * bar.period_ns;
    if (!fits || waiting_.size() == waiting_max) {
        ++counts_.refused;
        return BarTick::refused;
    }
    const Part part = part_of(bar);
    if (bar.ts_open <= venue_open_last_ || part.period < joined_until_) {
        ++counts_.late;
        return BarTick::late;
    }
    // A period whose beginning was missed gets no bar.
    const bool is_first = venue_open_last_ == std::numeric_limits<std::int64_t>::min();
    venue_open_last_ = bar.ts_open;
    if (is_first && !part.is_first) joined_until_ = part.period + period_;
    if (part.period < joined_until_) {
        ++counts_.late;
        return BarTick::late;
    }
    if (source_ == BarSource::venue)
        waiting_.push_back({bar, flags});
    else
        join(bar, flags);
    wait();
    ++counts_.folded;
    return BarTick::folded;
}

void BarBuilder::join(const BarPayload& bar, std::uint16_t flags) {
    const Part part = part_of(bar);
    if (is_joining_ && part.period != joined_period_) finish();
    if (!is_joining_) {
        joined_ = {bar, flags};
        joined_period_ = part.period;
        joined_.bar.ts_open = part.period + part.begins_later;
        joined_.bar.period_ns = period_;
        is_joining_ = true;
    } else {
        BarPayload& sum = joined_.bar;
        sum.high = std::max(sum.high, bar.high);
        sum.low = std::min(sum.low, bar.low);
        sum.close = bar.close;
        // If one of them is unknown, so is their sum.
        const auto turnover = [](const BarPayload& each) {
            return join_halves(each.turnover_low, each.turnover_high);
        };
        const bool has_sum =
            (turnover(sum) != 0 || sum.volume == 0) && (turnover(bar) != 0 || bar.volume == 0);
        const Int128 both = has_sum ? turnover(sum) + turnover(bar) : Int128{0};
        sum.turnover_low = low_half(both);
        sum.turnover_high = high_half(both);
        if (__builtin_add_overflow(sum.volume, bar.volume, &sum.volume)) sum.volume = never;
        sum.trades = sum.trades < 0 || bar.trades < 0 ? -1 : sum.trades + bar.trades;
        joined_.flags = static_cast<std::uint16_t>(((joined_.flags | flags) & ~flag_empty) |
                                                   (joined_.flags & flags & flag_empty));
    }
    joined_.bar.ts_close = part.period + period_ + part.ends_later;
    if (part.is_last) finish();
}

// A bar belongs to the period that contains its middle: days by a zone's clocks are off the UTC
// grid by less than half a day, and by another hour in summer. Bars made of them are off by the
// same amount.
BarBuilder::Part BarBuilder::part_of(const BarPayload& bar) const noexcept {
    const std::int64_t middle = bar.ts_open + (bar.ts_close - bar.ts_open) / 2;
    const std::int64_t part = takes_ns(), period = bar_open_time(middle, period_);
    const std::int64_t begin = period + (middle - period) / part * part;
    return {period, bar.ts_open - begin, bar.ts_close - (begin + part), begin == period,
            begin + part == period + period_};
}

void BarBuilder::finish() {
    waiting_.push_back(joined_);
    joined_until_ = joined_period_ + period_;
    is_joining_ = false;
}

void BarBuilder::wait() noexcept {
    due_ = is_joining_ ? joined_.bar.ts_close + made_of_ : never;
    if (!waiting_.empty()) due_ = waiting_.front().bar.ts_close;
}

bool BarBuilder::next(std::int64_t now, ClosedBar& closed) noexcept {
    if (now < due_ || due_ == never) return false;
    if (takes_ns() != 0) {
        if (waiting_.empty()) finish();
        closed.bar = waiting_.front().bar;
        closed.flags = waiting_.front().flags;
        waiting_.erase(waiting_.begin());
        wait();
    } else {
        closed.bar = {open_time_,
                      due_,
                      ends_by_amount(source_) ? 0 : period_,
                      open_,
                      high_,
                      low_,
                      close_,
                      volume_,
                      low_half(turnover_),
                      high_half(turnover_),
                      source_ == BarSource::mid ? -1 : ticks_,
                      0};
        closed.flags = ticks_ == 0 ? flag_empty : std::uint16_t{0};
        if (ends_by_amount(source_)) {
            ticks_ = 0;
            due_ = never;
        } else {
            begin(due_, close_);
        }
    }
    ++counts_.closed;
    if ((closed.flags & flag_empty) != 0) ++counts_.empty;
    return true;
}

std::size_t BarStream::add(std::int64_t period_ns, BarSource source, std::int64_t made_of,
                           int decimals) {
    for (std::size_t i = 0; i < builders_.size(); ++i) {
        if (builders_[i].period_ns() == period_ns && builders_[i].source() == source) return i;
    }
    const auto index = static_cast<std::uint32_t>(builders_.size());
    builders_.emplace_back(period_ns, source, made_of, decimals);
    const auto before = [this](std::uint32_t a, std::uint32_t b) {
        const BarBuilder& x = builders_[a];
        const BarBuilder& y = builders_[b];
        return x.period_ns() != y.period_ns() ? x.period_ns() < y.period_ns()
                                              : x.source() < y.source();
    };
    order_.insert(std::upper_bound(order_.begin(), order_.end(), index, before), index);
    return index;
}

std::int64_t BarStream::shortest_period() const noexcept {
    std::int64_t shortest = never;
    for (const BarBuilder& builder : builders_)
        if (builder.takes_ns() == 0 && !ends_by_amount(builder.source()) && builder.due() != never)
            shortest = std::min(shortest, builder.period_ns());
    return shortest;
}

void BarStream::update_due() noexcept {
    due_ = never;
    for (const BarBuilder& builder : builders_) due_ = std::min(due_, builder.due());
}

BarTick BarStream::resume(std::size_t index, const HistoryPayload& so_far,
                          std::uint16_t flags) noexcept {
    const BarTick tick = builders_[index].resume(so_far, flags);
    update_due();
    return tick;
}

// A tick goes to all its builders or to none: a due bar holds back the whole stream.
BarTick BarStream::on_trade(std::int64_t time, std::int64_t price, std::int64_t size,
                            std::uint64_t number, Side side) noexcept {
    if (time >= due_ && due_ != never) return BarTick::due;
    BarTick result = BarTick::folded;
    for (BarBuilder& builder : builders_) {
        if (builder.source() != BarSource::trade && !ends_by_amount(builder.source())) continue;
        const bool first = builder.due() == never;
        const BarTick tick = builder.on_trade(time, price, size, number, side);
        if (tick != BarTick::folded) result = tick;
        if (first) due_ = std::min(due_, builder.due());
    }
    return result;
}

BarTick BarStream::on_quote(std::int64_t time, std::int64_t bid, std::int64_t ask) noexcept {
    if (time >= due_ && due_ != never) return BarTick::due;
    BarTick result = BarTick::folded;
    for (BarBuilder& builder : builders_) {
        if (builder.source() != BarSource::mid) continue;
        const bool first = builder.due() == never;
        const BarTick tick = builder.on_quote(time, bid, ask);
        if (tick != BarTick::folded) result = tick;
        if (first) due_ = std::min(due_, builder.due());
    }
    return result;
}

BarTick BarStream::on_bar(const BarPayload& bar, std::uint16_t flags) {
    BarTick result = BarTick::refused;
    for (BarBuilder& builder : builders_) {
        if (builder.takes_ns() != bar.period_ns) continue;
        const BarTick tick = builder.on_bar(bar, flags);
        if (result == BarTick::refused) result = tick;
    }
    update_due();
    return result;
}

bool BarStream::preload(std::size_t index, const BarPayload& bar, std::uint16_t flags,
                        ClosedBar& closed) {
    BarBuilder& builder = builders_[index];
    builder.on_bar(bar, flags);
    const bool has_closed = builder.next(bar.ts_close, closed);
    update_due();
    return has_closed;
}

bool BarStream::next_due(std::int64_t now, ClosedBar& closed) noexcept {
    const BarBuilder* first = nullptr;
    std::uint32_t at = 0;
    for (const std::uint32_t index : order_) {
        if (first == nullptr || builders_[index].due() < first->due()) {
            first = &builders_[index];
            at = index;
        }
    }
    if (first == nullptr || !builders_[at].next(now, closed)) return false;
    closed.builder = at;
    update_due();
    return true;
}

}  // namespace onetape
