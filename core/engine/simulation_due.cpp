// What happens between frames: bars that close, orders that arrive, answers, timers.
#include <algorithm>

#include "engine/simulation.hpp"

namespace onetape {
namespace {

constexpr std::int64_t silence_min = 86'400'000'000'000;  // shorter ones are not looked at
constexpr std::int64_t silent_periods_max = 50'000'000;   // 95 years of minutes
constexpr std::uint64_t pulse_turns = 1u << 15;

}  // namespace

void Simulation::find_next_due() {
    std::int64_t due = bars_held_ ? never : next_bar_close_;
    due = std::min(due, exchange_.next_expiry());
    if (started_) due = std::min({due, next_switch(), next_sweep_});
    if (started_) due = std::min(due, exchange_.next_event());
    due = std::min(due, routes_.next_arrival());
    if (!replies_.empty()) due = std::min(due, replies_.front().time);
    if (script_ && load_script()) {
        const std::int64_t time = script_frame_.header->time;
        if (script_due(time)) due = std::min(due, time);
    }
    due = std::min(due, next_timer_);
    due = std::min(due, next_sample_);
    next_due_ = due;
}

// Between two frames every bar closes and every timer fires: what takes that long was not meant.
bool Simulation::spans(std::int64_t from, std::int64_t until) {
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

bool Simulation::drain(std::int64_t until) {
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
        } else if (exchange_.next_event() <= time) {
            reply_base_ = time;
            exchange_.run_events(exchange_.next_event());
        } else if (exchange_.next_expiry() <= time) {
            reply_base_ = time;
            exchange_.expire(time);
        } else if (routes_.next_arrival() <= time) {
            if (!arrive()) return false;
        } else if (!replies_.empty() && replies_.front().time <= time) {
            if (!reply()) return false;
        } else if (script_ && script_loaded_ && script_due(time)) {
            if (!take_script()) return false;
        } else if (next_timer_ <= time) {
            if (!fire_timers(time)) return false;
        } else {
            sample();
            next_sample_ += options_.sample_every;
        }
    }
    return true;
}

void Simulation::note_bar_due(const Instrument& instrument) {
    const std::int64_t due = instrument.stream.due();
    if (due < next_bar_close_) [[unlikely]] {
        next_bar_close_ = due;
        next_due_ = std::min(next_due_, due);
    }
}

// All bars of the earliest closing moment, of all instruments and periods, are in their windows
// before the first of them is shown; shorter periods first.
bool Simulation::close_bars(std::int64_t now) {
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

// --- another run's answers ----------------------------------------------------------------------

bool Simulation::load_script() {
    while (!script_loaded_) {
        if (script_->next(script_frame_) != Status::ok) return false;
        const std::uint32_t bytes = script_frame_.payload_bytes;
        // What its robot refused itself, this one refuses, too.
        script_loaded_ =
            (script_frame_.type() == EventType::order_event && bytes >= sizeof(OrderEventPayload) &&
             (script_frame_.header->flags & order_never_left) == 0) ||
            (script_frame_.type() == EventType::fill && bytes >= sizeof(FillPayload));
    }
    return true;
}

bool Simulation::script_due(std::int64_t until) const {
    const std::uint64_t cause = script_frame_.type() == EventType::fill
                                    ? script_frame_.as<FillPayload>().cause
                                    : script_frame_.as<OrderEventPayload>().cause;
    return script_frame_.header->time <= until && cause <= counters_.frames;
}

bool Simulation::take_script() {
    script_loaded_ = false;
    Instrument* instrument = this->instrument(script_frame_.header->stream - 1);
    if (!instrument) return true;
    return script_frame_.type() == EventType::fill
               ? deliver_fill(*instrument, script_frame_.as<FillPayload>())
               : deliver_event(*instrument, script_frame_.as<OrderEventPayload>());
}

bool Simulation::arrive() {
    const Arrival arrival = routes_.take_arrival();
    reply_base_ = arrival.time;
    if (script_ || live_ != 0) return true;
    exchange_.request(arrival.instrument, arrival.time, arrival.request);
    return true;
}

bool Simulation::fire_timers(std::int64_t now) {
    // By due time, then in the order they were set.
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
