// Processing between frames: bars that close, orders that arrive, reports, timers.
#include <algorithm>

#include "engine/trading_loop.hpp"

namespace onetape {
namespace {

constexpr std::int64_t silence_min = 86'400'000'000'000;  // shorter ones are not checked
constexpr std::int64_t silent_periods_max = 50'000'000;   // 95 years of minutes
constexpr std::uint64_t pulse_turns = 1u << 15;

}  // namespace

void TradingLoop::find_next_due() {
    std::int64_t due = bars_held_ ? never : next_bar_close_;
    if (started_) due = std::min({due, next_switch(), next_sweep_});
    exchange_due_ = exchange_->next_due();
    next_due_ = std::min({due, exchange_due_, next_timer_, next_sample_, next_scan_});
}

// Between two frames every bar closes and every timer fires: a gap that would take too long is a
// mistake.
bool TradingLoop::spans(std::int64_t from, std::int64_t until) {
    const Int128 silence = Int128{until} - from;
    if (silence < silence_min) [[likely]]
        return true;
    std::int64_t period = options_.sample_every > 0 ? options_.sample_every : never;
    for (const Timer& timer : timers_)
        if (timer.every > 0) period = std::min(period, timer.every);
    for (const auto& instrument : instruments_)
        period = std::min(period, instrument->stream.shortest_period());
    const auto periods = static_cast<std::int64_t>(silence / period);
    if (periods <= silent_periods_max) return true;
    failure_ = {Status::exhausted,
                "after frame " + std::to_string(counters_.frames) + " comes nothing for " +
                    std::to_string(static_cast<std::int64_t>(silence / silence_min)) +
                    " days, which are " + std::to_string(periods) +
                    " bars, timers or samples: cut the data there, or use a longer period"};
    return false;
}

bool TradingLoop::drain(std::int64_t until) {
    if (!spans(now_, until)) return false;
    std::uint64_t turns = 0;
    for (find_next_due(); next_due_ <= until; find_next_due()) {
        if (++turns % pulse_turns == 0 && !robot_->pulse(counters_.frames, now_)) return false;
        const std::int64_t time = next_due_;
        if (time > now_) now_ = time;
        if (next_switch() <= time) {
            if (!switch_trading()) return false;
        } else if (next_sweep_ <= time) {
            next_sweep_ = never;
            if (!trading_) cancel_working();
            if (flattening_ && trading_) flatten();
        } else if (!bars_held_ && next_bar_close_ <= time) {
            if (!close_bars(time)) return false;
        } else if (exchange_due_ <= time) {
            if (!exchange_->run_due(time)) return false;
        } else if (next_timer_ <= time) {
            if (!fire_timers(time)) return false;
        } else if (next_scan_ <= time) {
            if (!sweep_scans(until)) return false;
        } else {
            sample();
            next_sample_ += options_.sample_every;
        }
    }
    return true;
}

void TradingLoop::note_bar_due(const Instrument& instrument) {
    const std::int64_t due = instrument.stream.due();
    if (due < next_bar_close_) [[unlikely]] {
        next_bar_close_ = due;
        next_due_ = std::min(next_due_, due);
    }
}

// All bars with the earliest close time, of all instruments and periods, enter their windows before
// the first of them is shown; shorter periods first.
bool TradingLoop::close_bars(std::int64_t now) {
    shown_.clear();
    const std::int64_t moment = next_bar_close_;
    next_bar_close_ = never;
    for (auto& instrument : instruments_) {
        ClosedBar closed;
        while (instrument->stream.due() <= moment && instrument->stream.next(now, closed)) {
            BarFeed& feed = *instrument->bars[closed.builder];
            feed.window.push(closed.bar);
            shown_.push_back({instrument.get(), &feed, closed.bar});
        }
        next_bar_close_ = std::min(next_bar_close_, instrument->stream.due());
    }
    if (halted_) return true;
    const auto shorter = [](const ShownBar& a, const ShownBar& b) {
        return a.bar.period_ns < b.bar.period_ns;
    };
    if (!std::is_sorted(shown_.begin(), shown_.end(), shorter))
        std::stable_sort(shown_.begin(), shown_.end(), shorter);
    for (std::size_t i = 0; i < shown_.size(); ++i) {
        const ShownBar shown = shown_[i];
        if (!shown.feed->shown) continue;
        in_robot_ = true;
        if (!robot_->on_bar(*shown.instrument, *shown.feed, shown.bar) || !after_callback())
            return false;
        if (halted_) break;
    }
    return true;
}

bool TradingLoop::fire_timers(std::int64_t now) {
    // By due time, then in the order of setting.
    Timer* next = nullptr;
    for (Timer& timer : timers_)
        if (timer.due <= now && (!next || timer.due < next->due)) next = &timer;
    if (!next) return true;
    const std::string name = next->name;
    if (next->every > 0) {
        next->due += next->every;
        if (next->due <= now) next->due = now - now % next->every + next->every;  // coalesced
    } else {
        timers_.erase(timers_.begin() + (next - timers_.data()));
    }
    next_timer_ = never;
    for (const Timer& timer : timers_) next_timer_ = std::min(next_timer_, timer.due);
    if (halted_) return true;
    in_robot_ = true;
    return robot_->on_timer(name) && after_callback();
}

}  // namespace onetape
