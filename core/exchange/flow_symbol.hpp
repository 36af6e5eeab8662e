#pragma once
// A symbol traded by a crowd: its fair value, its makers, its takers. See flow.hpp.
#include <cstdint>
#include <vector>

#include "exchange/flow_venue.hpp"
#include "exchange/prng.hpp"

namespace onetape {

class FlowSymbolState final : public FlowVenue {
 public:
    FlowSymbolState(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
                    const FlowOptions& options) noexcept;

    [[nodiscard]] std::int64_t next_time() const noexcept override;
    void step() noexcept override;

 private:
    void open_book() noexcept;
    void move_fair(std::int64_t now) noexcept;
    void clear_stale(std::int64_t now, Side side) noexcept;
    void tighten(std::int64_t now, Side side) noexcept;
    void act(std::int64_t now) noexcept;
    void schedule_act(std::int64_t now) noexcept;
    void place_limit(std::int64_t now) noexcept;
    void send_limit(std::int64_t now, Side side, double distance) noexcept;
    void cancel_one(std::int64_t now) noexcept;
    void take(std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t draw_size(double tail) noexcept;
    [[nodiscard]] std::int64_t to_price(double ticks, bool up) const noexcept;

    double rate_;
    Prng own_, common_;
    double fair_ticks_;        // the fair value, in ticks
    double step_ticks_;        // its standard deviation per step in the calm regime
    double spread_ticks_;      // half of the spread that makers keep around fair
    double depth_ticks_;       // scale of the makers' distances
    double excitement_ = 0.0;  // part of the rate due to past arrivals
    std::uint32_t regime_ = 1;
    Side run_side_ = Side::buy;
    std::vector<std::uint64_t> placed_;  // ids of orders, some of them closed
    std::int64_t next_fair_, next_act_;
    std::int64_t act_time_;
};

}  // namespace onetape
