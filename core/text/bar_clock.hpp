#pragma once
// When a bar ends whose row says only when it began: by UTC, where all bars are equally long, or by
// the clocks of a zone, where a day may have 23 or 25 hours, or by the calendar's months.
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

// The moment one period after `stamp`, or before it. reading: of the clock at the stamp, where the
// row has it. false: it does not fit 64 bits.
[[nodiscard]] bool period_from(std::int64_t stamp, std::optional<std::int64_t> reading,
                               std::int64_t period_ns, bool is_back, const BarClock& clock,
                               const Zone& zone, std::int64_t& end) noexcept;

// What the stamps of a file's bars say of the clock that they follow.
class BarFacts {
 public:
    static constexpr std::size_t kept_max = 4096;
    struct Offset {
        std::int64_t offset, first, last;  // of the rows, ns UTC
    };

    // wall: the clock's reading. The offsets are kept where no zone says them.
    void add(std::int64_t stamp, std::int64_t wall, bool keeps_offsets);

    // Steps from row to row over a change of the clocks: (in UTC, on the clock) -> how many.
    std::map<std::pair<std::int64_t, std::int64_t>, std::uint64_t> shifts;
    std::uint64_t month_starts_utc = 0, month_starts_wall = 0;  // stamps at a month's beginning
    std::vector<Offset> offsets;                                // one after the other in the file
    std::vector<std::int64_t> head, tail;  // the first three stamps of the file, and the last
    std::int64_t first_wall = 0;

 private:
    std::int64_t stamp_ = 0, wall_ = 0;
    bool has_stamp_ = false;
};

}  // namespace onetape
