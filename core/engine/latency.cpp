#include "engine/latency.hpp"

namespace onetape {
namespace {

constexpr std::int64_t day_ns = std::int64_t{86'400} * 1'000'000'000;

std::int64_t between(std::int64_t from, std::int64_t to, std::int64_t passed, std::int64_t span) {
    const double share = static_cast<double>(passed) / static_cast<double>(span);
    return from + static_cast<std::int64_t>(static_cast<double>(to - from) * share);
}

}  // namespace

// Before the first and after the last point of a curve in UTC the nearest one applies; a daily
// curve continues from its last point to tomorrow's first.
LatencyPoint LatencyModel::at(std::int64_t now) noexcept {
    const auto& curve = options_.curve;
    const std::int64_t time = options_.daily ? ((now % day_ns) + day_ns) % day_ns : now;
    if (place_ >= curve.size() || curve[place_].time > time) place_ = 0;
    while (place_ + 1 < curve.size() && curve[place_ + 1].time <= time) ++place_;
    LatencyPoint from = curve[place_];
    LatencyPoint to = from;
    if (from.time > time) {  // before the first
        if (!options_.daily) return from;
        to = from;
        from = curve.back();
        from.time -= day_ns;
    } else if (place_ + 1 < curve.size()) {
        to = curve[place_ + 1];
    } else if (options_.daily) {
        to = curve.front();
        to.time += day_ns;
    }
    const std::int64_t span = to.time - from.time;
    if (span <= 0) return from;
    const std::int64_t passed = time - from.time;
    return {time, between(from.request, to.request, passed, span),
            between(from.reply, to.reply, passed, span)};
}

void LatencyModel::note_event(std::int64_t now) noexcept {
    if (events_.empty()) events_.resize(kept);
    if (count_ == kept) {
        first_ = (first_ + 1) % kept;
        --count_;
    }
    events_[(first_ + count_++) % kept] = now;
}

std::int64_t LatencyModel::burst(std::int64_t now) noexcept {
    if (options_.burst == 0) return 0;
    while (count_ != 0 && events_[first_] < now - options_.burst_window) {
        first_ = (first_ + 1) % kept;
        --count_;
    }
    return options_.burst * static_cast<std::int64_t>(count_);
}

}  // namespace onetape
