#pragma once
// Auto-deleveraging: selects the positions that are taken over when another account is bankrupt and
// nobody buys its position. Pure functions on numbers, for every kind of simulated venue.
//
// The ranking is the one that BitMEX published ("Auto-Deleveraging", read 2026-11) and that other
// venues describe in the same words: with P the profit as a share of the value at entry and L the
// value at the mark over the money behind the position,
//
//   P > 0:  P * L        P <= 0:  P / L
//
// the highest first. Longs and shorts are ranked apart: the caller passes one side.
#include <cstdint>
#include <span>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct AdlCandidate {
    std::uint32_t participant = 0;
    Money entry_value = 0;  // at the average entry, without sign
    Money mark_value = 0;   // at the mark, without sign
    Money profit = 0;       // unrealized
    Money backing = 0;      // value at the mark less value at its bankruptcy price: margin + profit
};

// No money behind a position counts as infinite leverage: +inf with a profit, 0 with a loss.
[[nodiscard]] double adl_score(const AdlCandidate& candidate) noexcept;

// Indices in `candidates`, the first to be deleveraged first; equal scores by the lower
// participant. Flat candidates (no value at entry) are left out.
[[nodiscard]] std::vector<std::uint32_t> adl_rank(std::span<const AdlCandidate> candidates);

}  // namespace onetape
