#pragma once
// Auto-deleveraging: whose position is taken over when another account is bankrupt and nobody
// buys what it held. Pure functions on numbers, for every kind of simulated venue.
//
// The ranking is the one that BitMEX published ("Auto-Deleveraging", read 2026-11) and that other
// venues describe in the same words: with P the profit as a share of the value at entry and L the
// value at the mark over what stands behind the position,
//
//   P > 0:  P * L        P <= 0:  P / L
//
// the highest first. Longs and shorts are ranked apart: the caller hands over one side.
#include <cstdint>
#include <span>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct AdlCandidate {
    std::uint32_t participant = 0;
    Money entry_value = 0;  // at the average entry, without sign
    Money mark_value = 0;   // at the mark, without sign
    Money profit = 0;       // not realized
    Money backing = 0;      // value at the mark less value at its bankruptcy price: margin + profit
};

// Nothing behind a position is a leverage without end: +inf with a profit, 0 with a loss.
[[nodiscard]] double adl_score(const AdlCandidate& candidate) noexcept;

// Places of the candidates in `candidates`, the first to be deleveraged first; of equal scores the
// lower participant. Flat ones (no value at the entry) are left out.
[[nodiscard]] std::vector<std::uint32_t> adl_rank(std::span<const AdlCandidate> candidates);

}  // namespace onetape
