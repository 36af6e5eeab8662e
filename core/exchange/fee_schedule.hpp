#pragma once
// Fees by volume: selects the tier for the volume of the last thirty days. The window moves with
// each fill: volume of thirty days ago or earlier does not count.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct FeeTier {
    Money volume = 0;                   // lower bound of the tier, quote currency
    std::int64_t maker = 0, taker = 0;  // 1e-12 of notional
    bool operator==(const FeeTier&) const = default;
};

class RollingVolume {
 public:
    static constexpr std::int64_t window_ns = 30LL * 86'400 * 1'000'000'000;

    // Times must not decrease; an earlier time counts as the last one.
    void add(std::int64_t time, Money amount) {
        if (!parts_.empty()) time = std::max(time, parts_.back().first);
        if (!parts_.empty() && parts_.back().first == time)
            parts_.back().second += amount;
        else
            parts_.emplace_back(time, amount);
        sum_ += amount;
    }
    Money at(std::int64_t now) {
        while (!parts_.empty() && parts_.front().first <= now - window_ns) {
            sum_ -= parts_.front().second;
            parts_.pop_front();
        }
        return sum_;
    }

 private:
    std::deque<std::pair<std::int64_t, Money>> parts_;
    Money sum_ = 0;
};

// 0: below the first tier, the instrument's own fees apply; else a tier's number from 1.
[[nodiscard]] inline std::size_t tier_of(const std::vector<FeeTier>& tiers, Money volume) {
    return static_cast<std::size_t>(
        std::find_if(tiers.begin(), tiers.end(),
                     [volume](const FeeTier& tier) { return tier.volume > volume; }) -
        tiers.begin());
}

}  // namespace onetape
