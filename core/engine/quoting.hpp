#pragma once
// A wanted ladder of quotes against the working one: what to cancel, what to place.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/trading_loop.hpp"
#include "journal/events.hpp"

namespace onetape {

// The quotes of one strategy in one instrument: resting post-only limits.
class Ladder {
 public:
    // side: the position that its fills change, long or short in hedge mode, else both.
    Ladder(TradingLoop& loop, Instrument& instrument, PositionSide side)
        : loop_(&loop), instrument_(&instrument), side_(side) {}

    // Levels in units, best first; those of size 0 or less are none. Cancels first, then places:
    // the two sides together never exceed what was asked for.
    void set(std::span<const BookLevel> bids, std::span<const BookLevel> asks,
             std::int64_t keep_within);

    // The wish that was found to stand, and when.
    struct Settled {
        std::array<std::vector<BookLevel>, 2> levels;
        std::int64_t keep_within = -1;
        std::uint64_t at = 0;  // order_changes() then
    };
    [[nodiscard]] const Settled& settled() const { return settled_; }
    // As another ladder with the same orders has it. Without one the next wish is looked at anew.
    void set_settled(Settled settled) { settled_ = std::move(settled); }

 private:
    struct Half {
        std::vector<OrderRef> orders;    // placed here and not closed yet
        std::vector<BookLevel> missing;  // of the wish in hand
        std::vector<OrderRef> stale;
    };
    static void plan(Half& half, std::span<const BookLevel> wanted, std::int64_t tick,
                     std::int64_t keep_within);

    TradingLoop* loop_;
    Instrument* instrument_;
    PositionSide side_;
    std::array<Half, 2> halves_;  // bids, asks
    Settled settled_;
};

}  // namespace onetape
