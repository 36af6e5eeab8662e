#pragma once
// Moments as files write them, to int64 ns UTC. docs/concepts/time.md lists the forms; a property
// test holds this against the model's own parser in Python.
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
    // skipped: utc_ns is the moment at which the clocks jumped.
    [[nodiscard]] TimeFault to_utc(std::int64_t wall_ns, std::int64_t& utc_ns) noexcept;

    [[nodiscard]] bool is_utc() const noexcept { return changes_.empty(); }
    // How far clocks are ahead of UTC at a moment.
    [[nodiscard]] std::int64_t offset_at(std::int64_t utc_ns) const noexcept;
    // The moment of a reading of the clock: the first of two; of one that was skipped, the moment
    // of the jump. false: it does not fit.
    [[nodiscard]] bool moment_of(std::int64_t wall_ns, std::int64_t& utc_ns) const noexcept;

    // The clock's reading in the text that was parsed last; none of a number, and of a text whose
    // offset is not this zone's.
    [[nodiscard]] std::optional<std::int64_t> reading() const noexcept { return reading_; }
    void set_reading(std::optional<std::int64_t> wall_ns) noexcept { reading_ = wall_ns; }

 private:
    [[nodiscard]] bool is_second(std::int64_t first, std::int64_t second) const noexcept;
    // The change that holds from the moment on, by its place.
    [[nodiscard]] std::size_t place_of(std::int64_t utc_ns) const noexcept;
    [[nodiscard]] Int128 begins(std::size_t place) const noexcept;

    std::vector<ZoneChange> changes_;  // ascending; the first holds from the beginning of time
    std::size_t last_ = 0;             // rows come in order: the answer is nearly always the same
    std::int64_t before_ = 0;          // the time before, UTC
    bool has_before_ = false, falls_ = false, distinct_ = false;
    std::optional<std::int64_t> reading_;
};

// A number as s, ms, us or ns since the epoch by its magnitude: below 1e11 seconds, 1e14
// milliseconds, 1e17 microseconds, else nanoseconds.
[[nodiscard]] TimeFault time_from_number(const RawDecimal& value, std::int64_t& ns) noexcept;

// Number or text: 2024-08-08[T ]23:54[:15[.030314667]][ ][Z|+hh:mm|+hhmm|+hh|UTC], with - / . or
// nothing between the parts of the date; 20240808 HHMMSSmmm; digits alone that are a date.
[[nodiscard]] TimeFault parse_time(std::string_view text, Zone& zone, std::int64_t& ns) noexcept;

}  // namespace onetape
