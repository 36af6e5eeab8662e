#pragma once
// A ladder of target quotes compared with the working orders: decides which to cancel and which to
// place.
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

    // Sets the target levels, in units, best first; sizes of 0 or less are ignored. Cancels first,
    // then places: the working size never exceeds the target.
    void set(std::span<const BookLevel> bids, std::span<const BookLevel> asks,
             std::int64_t keep_within);

    // A target that needs no further action, and since when.
    struct Settled {
        std::array<std::vector<BookLevel>, 2> levels;
        std::int64_t keep_within = -1;
        std::uint64_t at = 0;  // the value of order_changes() at that time
    };
    [[nodiscard]] const Settled& settled() const { return settled_; }
    // Copies the settled target of another ladder with the same orders. Without one the next target
    // is compared anew.
    void set_settled(Settled settled) { settled_ = std::move(settled); }

 private:
    struct Half {
        std::vector<OrderRef> orders;    // placed by this ladder and still open
        std::vector<BookLevel> missing;  // of the current target
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
