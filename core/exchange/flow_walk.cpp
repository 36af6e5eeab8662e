#include "exchange/flow_walk.hpp"

#include <algorithm>
#include <limits>

namespace onetape {

FlowWalk::FlowWalk(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
                   const FlowOptions& options) noexcept
    : FlowVenue(flow, index, symbol, options),
      walk_(options.walk),
      random_(options.seed * 0x9E3779B97F4A7C15ull + index + 1),
      ticks_(symbol_.price / symbol_.spec.tick),
      // Bound within which products of price and size fit; no test's walk gets there.
      ticks_max_(std::min((std::int64_t{1} << 52) / symbol_.spec.tick, ticks_ * 1000)),
      step_ns_(std::max<std::int64_t>(
          1, static_cast<std::int64_t>(static_cast<double>(walk_.step_ns) / options.rate))) {
    next_step_ = options.start + step_ns_;
    quote(options.start, Side::buy);
    quote(options.start, Side::sell);
    open(options.start, ticks_ * symbol_.spec.tick, options.book_levels);
}

std::int64_t FlowWalk::next_time() const noexcept {
    return std::min(next_step_, std::min(next_mark_, next_bar_));
}

// A bar closes before events at its end, and the mark is that of the step before.
void FlowWalk::step() noexcept {
    const std::int64_t now = next_time();
    if (now == next_bar_) return close_bar(now);
    if (now == next_mark_) return send_mark(now, ticks_ * symbol_.spec.tick);
    next_step_ += step_ns_;
    const std::int64_t moved = draw(walk_.drift, walk_.deviation);
    ticks_ = std::clamp<std::int64_t>(ticks_ + moved, walk_.levels + 2, ticks_max_);
    // The ladder that moves away from the other is moved first, so that they never meet.
    const Side first = moved >= 0 ? Side::sell : Side::buy;
    quote(now, first);
    quote(now, other_side(first));
    if (random_.chance(walk_.trade_probability)) print(now);
}

// Truncated: 0.9 and -0.9 are both 0.
std::int64_t FlowWalk::draw(double mean, double deviation) noexcept {
    return static_cast<std::int64_t>(mean + deviation * random_.bell());
}

// Moves one side's ladder to the present walk. New orders come before old ones go: the side is
// never empty, and an order that stays keeps its place.
void FlowWalk::quote(std::int64_t now, Side side) noexcept {
    const std::int64_t sign = side == Side::buy ? -1 : 1;
    for (std::int64_t level = 1; level <= walk_.levels; ++level) {
        const std::int64_t ticks = ticks_ + sign * level;
        const auto& mine = quotes(side);
        if (std::none_of(mine.begin(), mine.end(),
                         [ticks](const Quote& quote) { return quote.ticks == ticks; }))
            place(now, side, ticks, walk_.depth_size);
    }
    pull(now, side, [&](const Quote& quote) {
        const std::int64_t distance = (quote.ticks - ticks_) * sign;
        return distance < 1 || distance > walk_.levels;
    });
}

// A taker of `size` takes up to a distance from the walk. The house cancels its orders that far, so
// that resting orders of others in between are reached; the better price, then the earlier order
// trades, at its own price. Without other orders the house itself trades there.
void FlowWalk::print(std::int64_t now) noexcept {
    const std::int64_t offset = draw(0.0, walk_.offset_deviation);
    const bool buys = offset != 0 ? offset > 0 : random_.chance(0.5);
    const Side taker = buys ? Side::buy : Side::sell;
    const Side maker = other_side(taker);
    const std::int64_t sign = buys ? 1 : -1;
    // A distance of zero is the touch: the walk's own price lies inside the spread.
    const std::int64_t reach = std::max<std::int64_t>(offset * sign, 1);
    const std::int64_t target = std::max<std::int64_t>(ticks_ + sign * reach, 1);
    const auto& mine = quotes(maker);
    if (std::none_of(mine.begin(), mine.end(),
                     [target](const Quote& quote) { return quote.ticks == target; }))
        place(now, maker, target, std::max(walk_.size, walk_.depth_size));
    pull(now, maker, [&](const Quote& quote) { return (quote.ticks - target) * sign < 0; });
    (void)send(now, taker, OrderType::limit, TimeInForce::ioc, target * symbol_.spec.tick,
               walk_.size * symbol_.size_typical);
    quote(now, maker);
}

void FlowWalk::place(std::int64_t now, Side side, std::int64_t ticks, std::int64_t size) noexcept {
    const std::int64_t units = size * symbol_.size_typical;
    // Stored before it is sent: it may trade on entry.
    quotes(side).push_back({next_order_id_, ticks, units});
    (void)send(now, side, OrderType::limit, TimeInForce::gtc, ticks * symbol_.spec.tick, units);
}

template <class Test>
void FlowWalk::pull(std::int64_t now, Side side, const Test& goes) noexcept {
    auto& mine = quotes(side);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < mine.size(); ++i) {
        if (goes(mine[i]))
            send_cancel(now, mine[i].order_id);
        else
            mine[kept++] = mine[i];
    }
    mine.resize(kept);
}

void FlowWalk::on_order_event(std::uint32_t participant, const OrderEventPayload& event) {
    if (participant == crowd && event.news == OrderNews::rejected) {
        for (auto& side : quotes_)
            std::erase_if(side, [&](const Quote& q) { return q.order_id == event.order_id; });
    }
    FlowVenue::on_order_event(participant, event);
}

void FlowWalk::on_fill(std::uint32_t participant, const FillPayload& fill) {
    if (participant == crowd) {
        for (auto& side : quotes_) {
            const auto hit = std::find_if(side.begin(), side.end(), [&](const Quote& q) {
                return q.order_id == fill.order_id;
            });
            if (hit == side.end()) continue;
            hit->left -= fill.size;
            if (hit->left <= 0) side.erase(hit);
        }
    }
    FlowVenue::on_fill(participant, fill);
}

}  // namespace onetape
