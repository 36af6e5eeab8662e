#include "exchange/impact.hpp"

#include <algorithm>
#include <cmath>

namespace onetape {

namespace {

constexpr double distance_max = 1e15;  // price units: sums with a price stay integers

double root(double units) {
    return units > 0 ? std::sqrt(units) : 0;
}

// The integral of root(), without its factor 2/3.
double area(double units) {
    return units > 0 ? units * std::sqrt(units) : 0;
}

}  // namespace

// Samples are the price at the end of each step; a step without events has no move and no volume.
void OwnImpact::close_samples(std::int64_t now) noexcept {
    if (step_ == 0) {
        step_ =
            std::max<std::int64_t>(options_.window / static_cast<std::int64_t>(samples_kept), 1);
        sample_end_ = now - now % step_ + step_;
    }
    if (now < sample_end_) return;
    const std::int64_t steps = (now - sample_end_) / step_ + 1;
    if (first_ != 0) {
        keep(static_cast<double>(last_ - first_) / 2, volume_);
        const auto silent = std::min<std::int64_t>(steps - 1, samples_kept);
        for (std::int64_t i = 0; i < silent; ++i) keep(0, 0);
    }
    first_ = last_;
    volume_ = 0;
    sample_end_ += steps * step_;
}

void OwnImpact::keep(double move, double volume) noexcept {
    samples_[next_] = {move * move, volume};
    next_ = (next_ + 1) % samples_kept;
    count_ = std::min(count_ + 1, samples_kept);
    double squares = 0, volumes = 0;  // summed anew: no drift
    for (const Sample& sample : samples_) {
        squares += sample.square;
        volumes += sample.volume;
    }
    has_volume_ = volumes > 0;
    scale_ = has_volume_ ? options_.coefficient * std::sqrt(squares / volumes) : 0;
}

void OwnImpact::forget() noexcept {
    samples_.fill({});
    next_ = count_ = 0;
    first_ = bar_period_ = 0;
}

void OwnImpact::see(std::int64_t now, std::int64_t price_doubled, std::int64_t volume) noexcept {
    if (bar_period_ != 0) forget();  // finer data is available now
    close_samples(now);
    volume_ += static_cast<double>(volume);
    if (price_doubled == 0) return;
    last_ = price_doubled;
    if (first_ == 0) first_ = price_doubled;
}

// Only bars of the shortest period count; longer ones repeat them.
void OwnImpact::see_bar(const BarPayload& bar) noexcept {
    if (bar_period_ != 0 && bar.period_ns > bar_period_) return;
    if (bar.period_ns < bar_period_) forget();
    bar_period_ = bar.period_ns;
    last_ = 2 * bar.close;
    if (first_ == 0) first_ = 2 * bar.open;
    keep(static_cast<double>(last_ - first_) / 2, static_cast<double>(bar.volume));
    first_ = last_;
}

void OwnImpact::note_taken(std::int64_t now, Side side, std::int64_t size) noexcept {
    const double taken = pressure(Side::buy, now).taken;
    taken_ = taken + (side == Side::buy ? static_cast<double>(size) : -static_cast<double>(size));
    taken_time_ = std::max(taken_time_, now);
}

// The displacement follows the root of the taken size, so the size decays twice as fast.
OwnImpact::Pressure OwnImpact::pressure(Side side, std::int64_t now) const noexcept {
    double taken = taken_;
    if (taken != 0 && now > taken_time_)
        taken *= std::exp2(-2 * static_cast<double>(now - taken_time_) /
                           static_cast<double>(options_.half_life));
    return side == Side::buy ? Pressure{taken, held_} : Pressure{-taken, -held_};
}

std::int64_t OwnImpact::rounded(double distance, std::int64_t tick) noexcept {
    tick = std::max<std::int64_t>(tick, 1);
    const double whole = std::min(distance, distance_max);
    return static_cast<std::int64_t>(std::floor(whole / static_cast<double>(tick) + 0.5)) * tick;
}

bool OwnImpact::is_measured(std::int64_t now) noexcept {
    if (bar_period_ == 0) close_samples(now);
    return has_volume_ && count_ >= samples_min;
}

std::int64_t OwnImpact::ticks(Side side, std::int64_t now, std::int64_t tick,
                              std::int64_t size) noexcept {
    if (!is_measured(now)) return 0;
    const Pressure against = pressure(side, now);
    const auto more = static_cast<double>(size);
    return rounded(scale_ * ((1 - options_.permanent) * root(against.taken + more) +
                             options_.permanent * root(against.held + more)),
                   tick);
}

std::int64_t OwnImpact::average_ticks(Side side, std::int64_t now, std::int64_t tick,
                                      std::int64_t before, std::int64_t size) noexcept {
    if (!is_measured(now)) return 0;
    const Pressure against = pressure(side, now);
    const auto begin = static_cast<double>(before), end = static_cast<double>(before + size);
    const double taken = area(against.taken + end) - area(against.taken + begin);
    const double held = area(against.held + end) - area(against.held + begin);
    return rounded(scale_ * (2.0 / 3.0) *
                       ((1 - options_.permanent) * taken + options_.permanent * held) /
                       static_cast<double>(size),
                   tick);
}

}  // namespace onetape
