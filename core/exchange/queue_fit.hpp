#pragma once
// The likelihood of the fates of own orders under a queue model. The queue ahead of an order is
// hidden, so it is tracked as a distribution: displays move it by the model, and prints that did or
// did not fill us restrict it.
#include <cstdint>
#include <span>

#include "exchange/queue.hpp"

namespace onetape {

// One change at an own order's price, in the venue's order. The first is the level it joined.
struct QueueStep {
    std::int64_t is_print;  // else a display
    std::int64_t size;      // units traded, or displayed without our own
    std::int64_t filled;    // of a print: our filled units
    std::int64_t left;      // of a print: our units before it
};

struct QueueLikelihood {
    double log = 0.0;
    // Expected number of fills from the prints, each with the probability of the queue ahead of us
    // at that time, and the variance of that number. Unbiased if the model is true.
    double expected = 0.0, variance = 0.0;
};

// Up to the order's first fill, which reveals its place. A decrease of a level without a print is
// one canceled order, behind us with the model's share as probability.
[[nodiscard]] QueueLikelihood likelihood_of(const QueueOptions& options, double coins,
                                            std::span<const QueueStep> steps);

// The error of the backtest's own estimate (QueuePlace) at the order's first fill: units that it
// still has ahead of us; negative: units traded since it had none. 0 for an order without a fill.
[[nodiscard]] std::int64_t place_error(const QueueOptions& options, const QueueScale& scale,
                                       std::span<const QueueStep> steps) noexcept;

}  // namespace onetape
