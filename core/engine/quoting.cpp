#include "engine/quoting.hpp"

#include <algorithm>
#include <cstdlib>

namespace onetape {
namespace {

bool same(std::span<const BookLevel> a, std::span<const BookLevel> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const BookLevel& x, const BookLevel& y) {
                          return x.price == y.price && x.size == y.size;
                      });
}

}  // namespace

void Ladder::plan(Half& half, std::span<const BookLevel> wanted, std::int64_t tick,
                  std::int64_t keep_within) {
    half.missing.clear();
    half.stale.clear();
    for (const BookLevel& level : wanted)
        if (level.size > 0) half.missing.push_back(level);
    std::erase_if(half.orders, [](const OrderRef& order) { return order->closed(); });
    for (const OrderRef& order : half.orders) {
        if (order->state == OrderState::pending_cancel) continue;
        const auto stands = [&](const BookLevel& level) {
            const bool is_right = level.size == order->remaining() || level.size == order->size;
            // An order's place in the queue is worth more than a tick.
            return is_right && std::abs(order->price - level.price) <= keep_within * tick;
        };
        const auto match = std::find_if(half.missing.begin(), half.missing.end(), stands);
        if (match == half.missing.end())
            half.stale.push_back(order);
        else
            half.missing.erase(match);
    }
}

void Ladder::set(std::span<const BookLevel> bids, std::span<const BookLevel> asks,
                 std::int64_t keep_within) {
    const std::array<std::span<const BookLevel>, 2> wanted{bids, asks};
    if (settled_.keep_within == keep_within && settled_.at == loop_->order_changes() &&
        same(settled_.levels[0], bids) && same(settled_.levels[1], asks))
        return;  // the same ladder, and no order has changed since it was settled
    const std::int64_t tick = instrument_->spec.tick;
    for (std::size_t i = 0; i < 2; ++i) plan(halves_[i], wanted[i], tick, keep_within);
    for (const Half& half : halves_)
        for (const OrderRef& order : half.stale) loop_->cancel(order);
    for (std::size_t i = 0; i < 2; ++i) {
        for (const BookLevel& level : halves_[i].missing) {
            OrderSpec order;
            order.side = i == 0 ? Side::buy : Side::sell;
            order.type = OrderType::limit;
            order.flags = order_post_only;
            order.position_side = side_;
            order.price = level.price;
            order.size = level.size;
            order.tag = "quote";
            halves_[i].orders.push_back(loop_->place_or_deny_side(*instrument_, order));
        }
        settled_.levels[i].assign(wanted[i].begin(), wanted[i].end());
    }
    settled_.keep_within = keep_within;
    settled_.at = loop_->order_changes();
}

}  // namespace onetape
