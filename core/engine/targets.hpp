#pragma once
// Target positions: the orders that bring position plus open orders to the target.
#include <cstdint>
#include <vector>

#include "engine/trading_loop.hpp"

namespace onetape {

// One strategy's target positions, reached with market orders.
//
// Neither the position nor its value after any partial fill of the open target orders ever passes
// the target: an order that would pass it is canceled, and orders that depend on the result of the
// cancel wait for it.
class Targets {
 public:
    explicit Targets(TradingLoop& loop) : loop_(&loop) {}

    // Sends the order that is missing to reach `wanted` units (signed, as the side's position);
    // null if none is needed or it must wait. side: long or short in hedge mode, else both. more:
    // written to the tape with each order sent for this target.
    OrderRef set(Instrument& instrument, PositionSide side, std::int64_t wanted, bool reduce_only,
                 const std::string& more = {});
    // True if a target waits for orders to end or for a retry.
    [[nodiscard]] bool waits(const Instrument& instrument, PositionSide side) const {
        const std::size_t key = key_of(instrument, side);
        if (wishes_.size() <= key) return false;
        const Wish& wish = wishes_[key];
        if (wish.ended) return false;
        return wish.waits || !wish.canceled.empty() || wish.refusals > 0;
    }
    // Sends nothing more for the target of the instrument (null: of all) until one is set. False:
    // nothing was open or waiting.
    bool end(const Instrument* only);
    // An order has closed: sends orders that waited for it. An order that was refused, or ended
    // before it was filled, is retried after a pause, which doubles each time without a fill, until
    // the target is set anew.
    void order_closed(const Order& order);
    // Handles a timer of this class; false if it is another one.
    bool timer_due(const std::string& name);
    void clear() { wishes_.clear(); }

 private:
    struct Wish {
        std::vector<OrderRef> open, canceled;  // canceled: cancel requested, outcome awaited
        std::int64_t wanted = 0;
        bool waits = false, reduce_only = false, ended = false;
        int refusals = 0;  // in a row
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
