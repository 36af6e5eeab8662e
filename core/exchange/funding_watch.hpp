#pragma once
// Checks a recording's funding for settlements that are repeated or missing. The interval is the
// event's, else the instrument's; it may change from one to the next.
#include <cstdint>

#include "journal/events.hpp"

namespace onetape {

struct FundingCounters {
    std::uint64_t settled = 0;
    std::uint64_t repeated = 0;  // the same time again: not settled a second time
    std::uint64_t early = 0;     // after less than half of the interval: settled
    std::uint64_t missing = 0;   // intervals without a settlement
};

class FundingWatch {
 public:
    // False: it repeats the one before. `interval`: the instrument's, 0: unknown.
    bool take(const FundingPayload& funding, std::int64_t interval, FundingCounters& counters) {
        if (funding.interval_ns > 0) interval = funding.interval_ns;
        const bool first = !seen_;
        const std::int64_t gap = first ? 0 : funding.ts_event - last_;
        if (!first && gap <= 0) {
            ++counters.repeated;
            return false;
        }
        seen_ = true;
        last_ = funding.ts_event;
        ++counters.settled;
        if (first || interval <= 0) return true;
        if (2 * gap < interval) ++counters.early;
        const std::int64_t half = interval / 2;
        if (gap - half >= interval)
            counters.missing += static_cast<std::uint64_t>((gap - half) / interval);
        return true;
    }

 private:
    std::int64_t last_ = 0;
    bool seen_ = false;
};

}  // namespace onetape
