#include "text/time_text.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/money.hpp"
#include "text/word.hpp"

namespace onetape {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

[[nodiscard]] bool fits(Int128 value, std::int64_t& out) noexcept {
    out = static_cast<std::int64_t>(value);
    return value == out;
}

// Days since 1970-01-01 in the proleptic Gregorian calendar.
[[nodiscard]] std::int64_t days_from_civil(std::int64_t year, int month, int day) noexcept {
    year -= month <= 2;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

[[nodiscard]] bool is_day(int year, int month, int day) noexcept {
    constexpr std::uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1) return false;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Reads exactly `count` digits.
[[nodiscard]] bool digits(const char*& p, const char* end, int count, int& value) noexcept {
    if (end - p < count) return false;
    value = 0;
    for (int i = 0; i < count; ++i, ++p) {
        if (*p < '0' || *p > '9') return false;
        value = value * 10 + (*p - '0');
    }
    return true;
}

// Up to 9 digits of a fraction of a second, as ns. False: more, or none.
[[nodiscard]] bool fraction(const char*& p, const char* end, std::int64_t& ns) noexcept {
    ns = 0;
    std::int64_t unit = second_ns / 10;
    const char* const begin = p;
    for (; p < end && *p >= '0' && *p <= '9'; ++p) {
        ns += (*p - '0') * unit;
        unit /= 10;
    }
    return p > begin && p - begin <= 9;
}

// HH[:]MM[[:]SS[[.,]fraction]]
[[nodiscard]] bool clock_time(const char*& p, const char* end, std::int64_t& ns) noexcept {
    int hour = 0, minute = 0, second = 0;
    std::int64_t below_second = 0;
    if (!digits(p, end, 2, hour)) return false;
    if (p < end && *p == ':') ++p;
    if (!digits(p, end, 2, minute)) return false;
    if (p + 1 < end && *p == ':') ++p;
    if (p < end && *p >= '0' && *p <= '9') {
        if (!digits(p, end, 2, second)) return false;
        const bool point = p < end && (*p == '.' || *p == ',');
        if (point) ++p;
        if ((point || (p < end && *p >= '0' && *p <= '9')) && !fraction(p, end, below_second)) {
            return false;
        }
    }
    ns = (hour * 3600ll + minute * 60ll + second) * second_ns + below_second;
    return hour < 24 && minute < 60 && second < 60;
}

// YYYYMMDD, YYYYMMDDHHMMSS, YYYYMMDDHHMMSSmmm of 1900 to 2199: as plain numbers they would be times
// in 1970 or the 27th century.
[[nodiscard]] bool is_date_digits(std::string_view text) noexcept {
    if (text.size() != 8 && text.size() != 14 && text.size() != 17) return false;
    const auto two = [&](std::size_t i) { return (text[i] - '0') * 10 + (text[i + 1] - '0'); };
    const int century = two(0), month = two(4), day = two(6);
    if (century < 19 || century > 21 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    return text.size() == 8 || (two(8) < 24 && two(10) < 60 && two(12) < 60);
}

// Z, UTC, +hh, +hhmm, +hh:mm to the end of the text. False: other text.
[[nodiscard]] bool zone_suffix(const char* p, const char* end, bool& has_zone,
                               std::int64_t& offset_ns) noexcept {
    while (p < end && *p == ' ') ++p;
    has_zone = p < end;
    offset_ns = 0;
    if (!has_zone) return true;
    const std::string_view rest(p, static_cast<std::size_t>(end - p));
    if (is_word(rest, "z") || is_word(rest, "utc") || is_word(rest, "gmt")) return true;
    if (*p != '+' && *p != '-') return false;
    const bool behind = *p++ == '-';
    int hours = 0, minutes = 0;
    if (!digits(p, end, 2, hours)) return false;
    if (p < end && *p == ':') ++p;
    if (p < end && !digits(p, end, 2, minutes)) return false;
    if (p < end || hours > 23 || minutes > 59) return false;
    offset_ns = (hours * 3600ll + minutes * 60ll) * second_ns * (behind ? -1 : 1);
    return true;
}

// Seconds with more digits than a number keeps, behind their `point`; the part below 1 ns is
// rounded, half to even. False: another form.
[[nodiscard]] bool long_seconds(std::string_view text, const char* point,
                                std::int64_t& ns) noexcept {
    const auto whole_digits = static_cast<std::size_t>(point - text.data());
    std::string_view below = text.substr(whole_digits);
    if (whole_digits == 0 || whole_digits > 11 || below.size() < 10 || below.front() != '.' ||
        below.find_first_not_of("0123456789", 1) != std::string_view::npos) {
        return false;
    }
    Int128 value = 0;
    for (const char each : text.substr(0, whole_digits)) value = value * 10 + (each - '0');
    for (const char each : below.substr(1, 9)) value = value * 10 + (each - '0');
    below.remove_prefix(10);
    const bool is_half = !below.empty() && below.front() == '5' &&
                         below.find_first_not_of('0', 1) == std::string_view::npos;
    if (!below.empty() && (is_half ? value % 2 != 0 : below.front() >= '5')) ++value;
    return fits(value, ns);
}

}  // namespace

TimeFault Zone::to_utc(std::int64_t wall_ns, std::int64_t& utc_ns) noexcept {
    if (changes_.empty()) {
        utc_ns = wall_ns;
        return TimeFault::none;
    }
    const auto holds = [&](std::size_t i) {
        return (i == 0 || changes_[i].wall_ns <= wall_ns) &&
               (i + 1 == changes_.size() || wall_ns < changes_[i + 1].wall_ns);
    };
    if (!holds(last_)) {
        const auto next = std::upper_bound(
            changes_.begin(), changes_.end(), wall_ns,
            [](std::int64_t wall, const ZoneChange& change) { return wall < change.wall_ns; });
        last_ =
            next == changes_.begin() ? 0 : static_cast<std::size_t>(next - changes_.begin()) - 1;
    }
    const std::int64_t offset = changes_[last_].offset_ns;
    if (__builtin_sub_overflow(wall_ns, offset, &utc_ns)) return TimeFault::out_of_range;
    if (last_ + 1 < changes_.size()) {
        // Where clocks went forward, the hour before the change did not exist; back, it happened
        // twice.
        const std::int64_t forward = changes_[last_ + 1].offset_ns - offset;
        if (wall_ns >= changes_[last_ + 1].wall_ns - std::abs(forward)) {
            if (forward > 0) {
                utc_ns = static_cast<std::int64_t>(begins(last_ + 1));
                return TimeFault::skipped;
            }
            if (is_second(utc_ns, utc_ns - forward)) utc_ns -= forward;
        }
    }
    if (has_before_ && utc_ns != before_) falls_ = utc_ns < before_;
    before_ = utc_ns;
    has_before_ = true;
    return TimeFault::none;
}

// The UTC time of the change at index `place` (not the first): its wall time is the later of the
// two readings.
Int128 Zone::begins(std::size_t place) const noexcept {
    return static_cast<Int128>(changes_[place].wall_ns) -
           std::max(changes_[place].offset_ns, changes_[place - 1].offset_ns);
}

std::size_t Zone::place_of(std::int64_t utc_ns) const noexcept {
    std::size_t low = 0, high = changes_.size();
    while (high - low > 1) {
        const std::size_t middle = low + (high - low) / 2;
        (begins(middle) <= utc_ns ? low : high) = middle;
    }
    return low;
}

std::int64_t Zone::offset_at(std::int64_t utc_ns) const noexcept {
    return changes_.empty() ? 0 : changes_[place_of(utc_ns)].offset_ns;
}

bool Zone::moment_of(std::int64_t wall_ns, std::int64_t& utc_ns) const noexcept {
    if (changes_.empty()) {
        utc_ns = wall_ns;
        return true;
    }
    // The first change of offset after which the clock has this reading, or has passed it.
    std::size_t low = 0, high = changes_.size();
    while (high - low > 1) {
        const std::size_t middle = low + (high - low) / 2;
        const Int128 last_reading = begins(middle) + changes_[middle - 1].offset_ns;
        (last_reading <= wall_ns ? low : high) = middle;
    }
    Int128 found = static_cast<Int128>(wall_ns) - changes_[low].offset_ns;
    if (low > 0) found = std::max(found, begins(low));
    return fits(found, utc_ns);
}

// Rows that are half of the repeated time apart are equally near to both: they continue in the same
// direction.
bool Zone::is_second(std::int64_t first, std::int64_t second) const noexcept {
    if (!has_before_) return false;
    if (distinct_ && first == before_) return true;
    if (distinct_ && second == before_) return false;
    const Int128 to_first = static_cast<Int128>(before_) - first;
    const Int128 to_second = static_cast<Int128>(second) - before_;
    return to_first == to_second ? !falls_ : to_first > to_second;
}

TimeFault time_from_number(const RawDecimal& value, std::int64_t& ns) noexcept {
    Int128 magnitude = value.mantissa < 0 ? -static_cast<Int128>(value.mantissa) : value.mantissa;
    if (value.decimals > decimal_digits_max) return TimeFault::out_of_range;
    const Int128 unit = powers_of_ten[static_cast<std::size_t>(value.decimals)];
    magnitude /= unit;
    Int128 factor = 1;
    if (magnitude < 100'000'000'000)
        factor = second_ns;
    else if (magnitude < 100'000'000'000'000)
        factor = 1'000'000;
    else if (magnitude < 100'000'000'000'000'000)
        factor = 1'000;
    const Int128 whole = divide_half_even(static_cast<Int128>(value.mantissa) * factor, unit);
    return fits(whole, ns) ? TimeFault::none : TimeFault::out_of_range;
}

TimeFault parse_time(std::string_view text, Zone& zone, std::int64_t& ns) noexcept {
    zone.set_reading({});
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    if (text.empty()) return TimeFault::empty;
    const char* p = text.data();
    const char* const end = p + text.size();

    int year = 0, month = 0, day = 0;
    std::int64_t in_day_ns = 0;
    const char* c = p;
    while (c < end && *c >= '0' && *c <= '9') ++c;
    const auto leading = c - p;
    const bool separated =
        leading == 4 && c + 1 < end &&
        (*c == '-' || *c == '/' || (*c == '.' && text.find('.', 5) != std::string_view::npos));
    const bool compact =
        c == end ? is_date_digits(text) : leading == 8 && *c != '.' && *c != 'e' && *c != 'E';
    if (separated || compact) {
        if (!digits(p, end, 4, year)) return TimeFault::malformed;
        const char separator = *p;
        if (separated) ++p;
        if (!digits(p, end, 2, month)) return TimeFault::malformed;
        if (separated && (p == end || *p++ != separator)) return TimeFault::malformed;
        if (!digits(p, end, 2, day)) return TimeFault::malformed;
        const bool blank =
            p + 1 < end && (*p == 'T' || *p == 't' || *p == ' ') && p[1] >= '0' && p[1] <= '9';
        if (blank) ++p;
        if ((blank || (p < end && *p >= '0' && *p <= '9')) && !clock_time(p, end, in_day_ns)) {
            return TimeFault::malformed;
        }
    } else {
        RawDecimal value;
        const char* number = text.data();
        const NumberFault fault = consume_decimal(number, value);
        if (fault == NumberFault::too_large) return TimeFault::out_of_range;
        if (fault != NumberFault::none || number != end) return TimeFault::malformed;
        if (value.cut && long_seconds(text, c, ns)) return TimeFault::none;
        return time_from_number(value, ns);
    }
    if (!is_day(year, month, day)) return TimeFault::malformed;
    bool has_zone = false;
    std::int64_t offset_ns = 0;
    if (!zone_suffix(p, end, has_zone, offset_ns)) return TimeFault::malformed;
    const Int128 wall =
        static_cast<Int128>(days_from_civil(year, month, day)) * 86'400 * second_ns + in_day_ns;
    std::int64_t wall_ns = 0;
    if (!fits(wall, wall_ns) || !fits(wall - offset_ns, wall_ns)) return TimeFault::out_of_range;
    if (has_zone) {
        if (zone.is_utc()) zone.set_reading(wall_ns + offset_ns);
        ns = wall_ns;
        return TimeFault::none;
    }
    zone.set_reading(wall_ns);
    return zone.to_utc(wall_ns, ns);
}

}  // namespace onetape
