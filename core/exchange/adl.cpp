#include "exchange/adl.hpp"

#include <algorithm>
#include <limits>

namespace onetape {

double adl_score(const AdlCandidate& candidate) noexcept {
    const double share =
        static_cast<double>(candidate.profit) / static_cast<double>(candidate.entry_value);
    if (candidate.backing <= 0)
        return candidate.profit > 0 ? std::numeric_limits<double>::infinity() : 0.0;
    const double leverage =
        static_cast<double>(candidate.mark_value) / static_cast<double>(candidate.backing);
    if (candidate.profit > 0) return share * leverage;
    return leverage > 0 ? share / leverage : 0.0;
}

std::vector<std::uint32_t> adl_rank(std::span<const AdlCandidate> candidates) {
    std::vector<std::uint32_t> places;
    for (std::uint32_t i = 0; i < candidates.size(); ++i)
        if (candidates[i].entry_value > 0) places.push_back(i);
    std::sort(places.begin(), places.end(), [&](std::uint32_t left, std::uint32_t right) {
        const double first = adl_score(candidates[left]), second = adl_score(candidates[right]);
        if (first != second) return first > second;
        return candidates[left].participant < candidates[right].participant;
    });
    return places;
}

}  // namespace onetape
