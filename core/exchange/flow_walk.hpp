#pragma once
// A symbol whose price is a random walk in whole ticks. See RandomWalk in flow.hpp.
//
// The house quotes a ladder around the walk, one tick apart. As the ladder moves, it hits resting
// orders in its way at their price, so that the book never stays crossed.
#include <array>
#include <cstdint>
#include <vector>

#include "exchange/flow_venue.hpp"
#include "exchange/prng.hpp"

namespace onetape {

class FlowWalk final : public FlowVenue {
 public:
    FlowWalk(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
             const FlowOptions& options) noexcept;

    [[nodiscard]] std::int64_t next_time() const noexcept override;
    void step() noexcept override;

    void on_order_event(std::uint32_t participant, const OrderEventPayload& event) override;
    void on_fill(std::uint32_t participant, const FillPayload& fill) override;

 private:
    struct Quote {  // a working order of the house
        std::uint64_t order_id;
        std::int64_t ticks, left;
    };

    void quote(std::int64_t now, Side side) noexcept;
    void print(std::int64_t now) noexcept;
    void place(std::int64_t now, Side side, std::int64_t ticks, std::int64_t size) noexcept;
    template <class Test>
    void pull(std::int64_t now, Side side, const Test& goes) noexcept;
    [[nodiscard]] std::int64_t draw(double mean, double deviation) noexcept;
    [[nodiscard]] std::vector<Quote>& quotes(Side side) noexcept {
        return quotes_[side == Side::sell ? 1 : 0];
    }

    RandomWalk walk_;
    Prng random_;
    std::int64_t ticks_, ticks_max_;
    std::int64_t next_step_, step_ns_;
    std::array<std::vector<Quote>, 2> quotes_;
};

}  // namespace onetape
