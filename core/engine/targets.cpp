#include "engine/targets.hpp"

#include <algorithm>
#include <cstring>

namespace onetape {
namespace {

constexpr const char* tag = "target";

}  // namespace

Targets::Wish& Targets::wish_of(const Instrument& instrument) {
    if (wishes_.size() <= instrument.index) wishes_.resize(instrument.index + 1);
    return wishes_[instrument.index];
}

OrderRef Targets::set(Instrument& instrument, std::int64_t wanted, bool reduce_only,
                      const std::string& more) {
    Wish& wish = wish_of(instrument);
    wish.waits = false;
    wish.canceled.clear();
    std::erase_if(wish.open, [](const OrderRef& order) { return order->closed(); });
    const std::int64_t position = loop_->account().position(instrument.index).qty;
    if (wish.open.empty() && position == wanted) return nullptr;
    // Where the position may end up, whatever part of the open orders fills.
    std::int64_t highest = position, lowest = position;
    for (const OrderRef& order : wish.open)
        (order->side == Side::buy ? highest : lowest) +=
            order->side == Side::buy ? order->remaining() : -order->remaining();
    const bool too_high = highest > wanted, too_low = lowest < wanted;
    bool beyond = false;
    for (const OrderRef& order : wish.open)
        beyond = beyond || (order->side == Side::buy ? too_high : too_low);
    if (beyond) {
        wish.waits = true;
        wish.wanted = wanted;
        wish.reduce_only = reduce_only;
        if (&wish.more != &more) wish.more = more;
        for (const Side side : {Side::buy, Side::sell})
            for (const OrderRef& order : wish.open)
                if (order->side == side && (side == Side::buy ? too_high : too_low)) {
                    wish.canceled.push_back(order);
                    loop_->cancel(order);
                }
    }
    const std::int64_t missing =
        std::max<std::int64_t>(wanted - highest, 0) - std::max<std::int64_t>(lowest - wanted, 0);
    if (missing == 0) return nullptr;
    OrderSpec spec;
    if (reduce_only) spec.flags = order_reduce_only;
    spec.side = missing > 0 ? Side::buy : Side::sell;
    spec.size = missing > 0 ? missing : -missing;
    spec.tag = tag;
    spec.more = more;
    OrderRef sent = loop_->account().options().hedge ? loop_->deny_sideless(instrument, spec)
                                                     : loop_->place(instrument, spec);
    wish.open.push_back(sent);
    return sent;
}

void Targets::order_closed(const Order& order) {
    if (std::strcmp(order.tag.data(), tag) != 0) return;
    if (wishes_.size() <= order.instrument->index) return;
    const Wish& wish = wishes_[order.instrument->index];
    if (!wish.waits) return;
    // What the venue did not take would be refused again, and without latency for ever: only what
    // is waited for, and may itself have been refused, lets the rest go on.
    const bool is_awaited =
        std::any_of(wish.canceled.begin(), wish.canceled.end(),
                    [&order](const OrderRef& each) { return each->id == order.id; });
    if (order.state == OrderState::rejected && !is_awaited) return;
    set(*loop_->instrument(order.instrument->index), wish.wanted, wish.reduce_only, wish.more);
}

}  // namespace onetape
