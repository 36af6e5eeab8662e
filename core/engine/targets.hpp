#pragma once
// Target positions: what to send so that position and what is on its way add up to the wish.
#include <cstdint>
#include <vector>

#include "engine/trading_loop.hpp"

namespace onetape {

// One strategy's wished positions, kept with market orders.
//
// Neither the position nor what it would be if any part of the open target orders filled ever
// passes the wish: an order that leads beyond it is canceled, and what depends on whether the
// cancel came in time waits until that is known.
class Targets {
 public:
    explicit Targets(TradingLoop& loop) : loop_(&loop) {}

    // Sends what is missing to reach `wanted` units (signed, as the side's position); null when
    // nothing is, or must wait. side: long or short in hedge mode, else both. more: goes to the
    // tape with each order sent for this wish.
    OrderRef set(Instrument& instrument, PositionSide side, std::int64_t wanted, bool reduce_only,
                 const std::string& more = {});
    // A wish is set that waits for orders to be gone or to be tried again.
    [[nodiscard]] bool waits(const Instrument& instrument, PositionSide side) const {
        const std::size_t key = key_of(instrument, side);
        if (wishes_.size() <= key) return false;
        const Wish& wish = wishes_[key];
        if (wish.ended) return false;
        return wish.waits || !wish.canceled.empty() || wish.refusals > 0;
    }
    // Nothing more is sent for the wish of the instrument (of all) until one is set. False: nothing
    // was under way, or waited.
    bool end(const Instrument* only);
    // An order is gone: what waited for it may be sent. One that the venue has refused, or has
    // ended before all of it was filled, is tried again after a while, each time that nothing was
    // filled after twice as long, until the wish is set anew.
    void order_closed(const Order& order);
    // True: the timer is one of these, and what it is for is done.
    bool timer_due(const std::string& name);
    void clear() { wishes_.clear(); }

 private:
    struct Wish {
        std::vector<OrderRef> open, canceled;  // canceled: asked to be, and waited for
        std::int64_t wanted = 0;
        bool waits = false, reduce_only = false, ended = false;
        int refusals = 0;  // one after the other
        std::string more;
    };
    static constexpr std::size_t sides = 3;
    [[nodiscard]] static std::size_t key_of(const Instrument& instrument,
                                            PositionSide side) noexcept {
        return instrument.index * sides + static_cast<std::size_t>(side);
    }
    OrderRef send(std::size_t key);

    TradingLoop* loop_;
    std::vector<Wish> wishes_;  // by instrument and side
};

}  // namespace onetape
