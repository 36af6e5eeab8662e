#include "text/bar_clock.hpp"

#include <algorithm>
#include <chrono>

namespace onetape {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

[[nodiscard]] std::chrono::sys_days day_of(std::int64_t wall_ns) noexcept {
    return std::chrono::floor<std::chrono::days>(
        std::chrono::sys_time<Nanoseconds>{Nanoseconds{wall_ns}});
}

[[nodiscard]] bool is_month_start(std::int64_t wall_ns) noexcept {
    const auto day = day_of(wall_ns);
    return Nanoseconds{day.time_since_epoch()}.count() == wall_ns &&
           std::chrono::year_month_day{day}.day() == std::chrono::day{1};
}

[[nodiscard]] bool add_months(std::int64_t wall_ns, int months, std::int64_t& end) noexcept {
    const auto day = day_of(wall_ns);
    auto date = std::chrono::year_month_day{day} + std::chrono::months{months};
    if (!date.ok()) date = date.year() / date.month() / std::chrono::last;
    const auto days = std::chrono::sys_days{date} - day;
    std::int64_t span = 0;
    return !__builtin_mul_overflow(static_cast<std::int64_t>(days.count()),
                                   Nanoseconds{std::chrono::days{1}}.count(), &span) &&
           !__builtin_add_overflow(wall_ns, span, &end);
}

[[nodiscard]] std::int64_t distance(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t step = 0;
    if (__builtin_sub_overflow(a, b, &step)) return 0;
    return step < 0 ? -step : step;
}

}  // namespace

bool period_from(std::int64_t stamp, std::optional<std::int64_t> reading, std::int64_t period_ns,
                 bool is_back, const BarClock& clock, const Zone& zone,
                 std::int64_t& end) noexcept {
    const std::int64_t step = is_back ? -period_ns : period_ns;
    if (!clock.by_zone && clock.months == 0) return !__builtin_add_overflow(stamp, step, &end);
    std::int64_t wall = stamp;
    if (clock.by_zone && reading.has_value())
        wall = *reading;  // also of an hour that was skipped
    else if (clock.by_zone && __builtin_add_overflow(stamp, zone.offset_at(stamp), &wall))
        return false;
    if (clock.months != 0 ? !add_months(wall, is_back ? -clock.months : clock.months, wall)
                          : __builtin_add_overflow(wall, step, &wall)) {
        return false;
    }
    if (clock.by_zone) return zone.moment_of(wall, end);
    end = wall;
    return true;
}

void BarFacts::add(std::int64_t stamp, std::int64_t wall, bool keeps_offsets) {
    month_starts_utc += is_month_start(stamp) ? 1u : 0u;
    month_starts_wall += is_month_start(wall) ? 1u : 0u;
    if (!has_stamp_ || stamp != stamp_) {
        if (head.size() < 3) head.push_back(stamp);
        if (tail.size() == 3) tail.erase(tail.begin());
        tail.push_back(stamp);
    }
    if (!has_stamp_) first_wall = wall;
    if (has_stamp_) {
        const std::pair steps{distance(stamp, stamp_), distance(wall, wall_)};
        if (steps.first != steps.second && (shifts.size() < kept_max || shifts.contains(steps)))
            ++shifts[steps];
    }
    if (keeps_offsets) {
        const std::int64_t offset = wall - stamp;
        if (offsets.empty() || offsets.back().offset != offset) {
            if (offsets.size() < kept_max) offsets.push_back({offset, stamp, stamp});
        } else {
            offsets.back().first = std::min(offsets.back().first, stamp);
            offsets.back().last = std::max(offsets.back().last, stamp);
        }
    }
    stamp_ = stamp;
    wall_ = wall;
    has_stamp_ = true;
}

}  // namespace onetape
