#pragma once
// How likely a queue model makes what became of own orders. What stood before an order is hidden,
// so it is followed as a distribution: displays move it by the model, prints that filled us or did
// not say where it can have been.
#include <cstdint>
#include <span>

#include "exchange/queue.hpp"

namespace onetape {

// One change at an own order's price, in the venue's order. The first is the level it joined.
struct QueueStep {
    std::int64_t is_print;  // else a display
    std::int64_t size;      // units that traded, or that are displayed without our own
    std::int64_t filled;    // of a print: units of it that were ours
    std::int64_t left;      // of a print: ours before it
};

struct QueueLikelihood {
    double log = 0.0;
    // Fills that prints could be expected to give, each as probable as what was before us made it
    // at that moment, and the variance of their number. Unbiased where the model is true.
    double expected = 0.0, variance = 0.0;
};

// Until the order's first fill, which says where it stood. What a level loses without a print is
// one order, behind us with the probability that the model has as a share.
[[nodiscard]] QueueLikelihood likelihood_of(const QueueOptions& options, double coins,
                                            std::span<const QueueStep> steps);

// How wrong the backtest's own reckoning (QueuePlace) is at the order's first fill: units that it
// still has before us, below zero: that traded since it had none. 0 of an order without a fill.
[[nodiscard]] std::int64_t place_error(const QueueOptions& options, const QueueScale& scale,
                                       std::span<const QueueStep> steps) noexcept;

}  // namespace onetape
