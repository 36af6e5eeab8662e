#pragma once
// Computes the end of a bar from a row that only says when it began: by UTC, where all bars are
// equally long, by the clocks of a zone, where a day may have 23 or 25 hours, or by calendar
// months.
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "text/time_text.hpp"

namespace onetape {

struct BarClock {
    bool by_zone = false;  // else by UTC
    int months = 0;        // of bars of calendar months; 0: the period has a fixed length
};

// The time one period after `stamp`, or before it. reading: the zone's clock at the stamp, if the
// row has it. false: it does not fit 64 bits.
[[nodiscard]] bool period_from(std::int64_t stamp, std::optional<std::int64_t> reading,
                               std::int64_t period_ns, bool is_back, const BarClock& clock,
                               const Zone& zone, std::int64_t& end) noexcept;

// Facts about the clock that a file's bars follow, from their stamps.
class BarFacts {
 public:
    static constexpr std::size_t kept_max = 4096;
    struct Offset {
        std::int64_t offset, first, last;  // of the rows, ns UTC
    };

    // wall: the clock's reading. The offsets are kept if the file names no zone.
    void add(std::int64_t stamp, std::int64_t wall, bool keeps_offsets);

    // Steps between rows across a clock change: (in UTC, on the clock) -> count.
    std::map<std::pair<std::int64_t, std::int64_t>, std::uint64_t> shifts;
    std::uint64_t month_starts_utc = 0, month_starts_wall = 0;  // stamps at a month's beginning
    std::vector<Offset> offsets;                                // in the order of the file
    std::vector<std::int64_t> head, tail;  // the first three stamps of the file, and the last
    std::int64_t first_wall = 0;

 private:
    std::int64_t stamp_ = 0, wall_ = 0;
    bool has_stamp_ = false;
};

}  // namespace onetape
