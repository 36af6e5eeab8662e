#pragma once
// Moments as files write them, to int64 ns UTC. docs/concepts/time.md lists the forms; a property
// test holds this against the model's own parser in Python.
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/decimal_text.hpp"

namespace onetape {

enum class TimeFault : std::uint8_t { none, empty, malformed, out_of_range, skipped };

[[nodiscard]] constexpr const char* describe(TimeFault fault) noexcept {
    switch (fault) {
        case TimeFault::none:
            return "is a time";
        case TimeFault::empty:
            return "is empty";
        case TimeFault::malformed:
            return "is not a time";
        case TimeFault::skipped:
            return "is an hour that the zone skipped";
        case TimeFault::out_of_range:
            return "is outside 1678 to 2262";
    }
    return "is not a time";
}

// A zone as its changes of offset: wall-clock times from `wall_ns` on are `offset_ns` ahead of
// UTC. A time of the hour that clocks repeat is the one of the two that is nearer to the time
// before it: the rows of a file are in order, up or down, or nearly. The first of all is the
// earlier one. Made in Python from the system's zone data. Empty: UTC.
struct ZoneChange {
    std::int64_t wall_ns;
    std::int64_t offset_ns;
};

class Zone {
 public:
    Zone() = default;
    explicit Zone(std::vector<ZoneChange> changes) : changes_(std::move(changes)) {}
    // No two times are the same: those of bars of one symbol.
    void set_distinct(bool distinct) noexcept { distinct_ = distinct; }
    [[nodiscard]] TimeFault to_utc(std::int64_t wall_ns, std::int64_t& utc_ns) noexcept;

 private:
    [[nodiscard]] bool is_second(std::int64_t first, std::int64_t second) const noexcept;

    std::vector<ZoneChange> changes_;  // ascending; the first holds from the beginning of time
    std::size_t last_ = 0;             // rows come in order: the answer is nearly always the same
    std::int64_t before_ = 0;          // the time before, UTC
    bool has_before_ = false, falls_ = false, distinct_ = false;
};

// A number as s, ms, us or ns since the epoch by its magnitude: below 1e11 seconds, 1e14
// milliseconds, 1e17 microseconds, else nanoseconds.
[[nodiscard]] TimeFault time_from_number(const RawDecimal& value, std::int64_t& ns) noexcept;

// Number or text: 2024-08-08[T ]23:54[:15[.030314667]][ ][Z|+hh:mm|+hhmm|+hh|UTC], with - / . or
// nothing between the parts of the date; 20240808 HHMMSSmmm; digits alone that are a date.
[[nodiscard]] TimeFault parse_time(std::string_view text, Zone& zone, std::int64_t& ns) noexcept;

}  // namespace onetape
