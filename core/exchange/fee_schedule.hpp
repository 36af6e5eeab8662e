#pragma once
// Fees by volume: which tier the volume of the last thirty days reaches. The window rolls with
// each fill: what lies thirty days back or more no longer counts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct FeeTier {
    Money volume = 0;                   // quote currency, from which on it holds
    std::int64_t maker = 0, taker = 0;  // 1e-12 of notional
    bool operator==(const FeeTier&) const = default;
};

class RollingVolume {
 public:
    static constexpr std::int64_t window_ns = 30LL * 86'400 * 1'000'000'000;

    // Times may not go back; one that does counts as the last.
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

// 0: below the first tier, where the instrument's own fees hold; else a tier's number from 1.
[[nodiscard]] inline std::size_t tier_of(const std::vector<FeeTier>& tiers, Money volume) {
    return static_cast<std::size_t>(
        std::find_if(tiers.begin(), tiers.end(),
                     [volume](const FeeTier& tier) { return tier.volume > volume; }) -
        tiers.begin());
}

}  // namespace onetape
