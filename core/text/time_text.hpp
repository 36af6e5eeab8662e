#pragma once
// Converts times in the formats of data files to int64 ns UTC. docs/concepts/time.md lists the
// formats; a property test compares this with the model's own parser in Python.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/money.hpp"
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

// A time zone as its changes of offset: wall-clock times from `wall_ns` on are `offset_ns` ahead of
// UTC. A time in a repeated hour is the candidate nearer to the time before it: the rows of a file
// are in order, up or down, or nearly. Without a time before, it is the earlier one. Made in Python
// from the system's zone data. Empty: UTC.
struct ZoneChange {
    std::int64_t wall_ns;
    std::int64_t offset_ns;
};

class Zone {
 public:
    Zone() = default;
    explicit Zone(std::vector<ZoneChange> changes) : changes_(std::move(changes)) {}
    // Set if all times differ, as for bars of one symbol.
    void set_distinct(bool distinct) noexcept { distinct_ = distinct; }
    // skipped: the wall time does not exist; utc_ns is the time of the clock change.
    [[nodiscard]] TimeFault to_utc(std::int64_t wall_ns, std::int64_t& utc_ns) noexcept;

    [[nodiscard]] bool is_utc() const noexcept { return changes_.empty(); }
    // How far clocks are ahead of UTC at this time.
    [[nodiscard]] std::int64_t offset_at(std::int64_t utc_ns) const noexcept;
    // The UTC time of a clock reading: the first of two; for a skipped one, the time of the clock
    // change. false: it does not fit.
    [[nodiscard]] bool moment_of(std::int64_t wall_ns, std::int64_t& utc_ns) const noexcept;

    // The clock's reading in the text that was parsed last; none for a number, or a text whose
    // offset is not this zone's.
    [[nodiscard]] std::optional<std::int64_t> reading() const noexcept { return reading_; }
    void set_reading(std::optional<std::int64_t> wall_ns) noexcept { reading_ = wall_ns; }

 private:
    [[nodiscard]] bool is_second(std::int64_t first, std::int64_t second) const noexcept;
    // Index of the change in force at this time.
    [[nodiscard]] std::size_t place_of(std::int64_t utc_ns) const noexcept;
    [[nodiscard]] Int128 begins(std::size_t place) const noexcept;

    std::vector<ZoneChange> changes_;  // ascending; the first applies from the beginning of time
    std::size_t last_ = 0;             // cache of the last result: rows come in order
    std::int64_t before_ = 0;          // the time before, UTC
    bool has_before_ = false, falls_ = false, distinct_ = false;
    std::optional<std::int64_t> reading_;
};

// Reads a number as s, ms, us or ns since the epoch by its magnitude: below 1e11 seconds, 1e14
// milliseconds, 1e17 microseconds, else nanoseconds.
[[nodiscard]] TimeFault time_from_number(const RawDecimal& value, std::int64_t& ns) noexcept;

// Number or text: 2024-08-08[T ]23:54[:15[.030314667]][ ][Z|+hh:mm|+hhmm|+hh|UTC], with - / . or
// nothing between the parts of the date; 20240808 HHMMSSmmm; digits alone that are a date.
[[nodiscard]] TimeFault parse_time(std::string_view text, Zone& zone, std::int64_t& ns) noexcept;

}  // namespace onetape
