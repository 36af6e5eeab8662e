#include "engine/targets.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace onetape {
namespace {

constexpr const char* tag = "target";
constexpr std::string_view timer_prefix = "\x1ftarget:";  // hidden from the strategy
constexpr std::int64_t retry_ns = 250'000'000;            // doubled with each refusal
constexpr int tries_max = 10;

std::string timer_of(std::size_t key) {
    return std::string(timer_prefix) + std::to_string(key);
}

}  // namespace

OrderRef Targets::set(Instrument& instrument, PositionSide side, std::int64_t wanted,
                      bool reduce_only, const std::string& more) {
    const std::size_t key = key_of(instrument, side);
    if (wishes_.size() <= key) wishes_.resize(key + 1);
    Wish& wish = wishes_[key];
    if (wish.refusals > 0) loop_->cancel_timer(timer_of(key));
    wish.refusals = 0;
    wish.ended = false;
    wish.wanted = wanted;
    wish.reduce_only = reduce_only;
    if (&wish.more != &more) wish.more = more;
    return send(key);
}

OrderRef Targets::send(std::size_t key) {
    Instrument& instrument = *loop_->instrument(static_cast<std::uint32_t>(key / sides));
    const auto position_side = static_cast<PositionSide>(key % sides);
    Wish& wish = wishes_[key];
    const std::int64_t wanted = wish.wanted;
    wish.waits = false;
    wish.canceled.clear();
    std::erase_if(wish.open, [](const OrderRef& order) { return order->closed(); });
    const std::int64_t position = loop_->account().held(instrument.index, position_side).qty;
    if (wish.open.empty() && loop_->account().is_at(instrument.index, position_side, wanted))
        return nullptr;
    // The range of the position after any partial fill of the open orders.
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
    if (wish.reduce_only) spec.flags = order_reduce_only;
    spec.side = missing > 0 ? Side::buy : Side::sell;
    spec.position_side = position_side;
    spec.size = missing > 0 ? missing : -missing;
    spec.tag = tag;
    spec.more = wish.more;
    OrderRef sent = loop_->place_or_deny_side(instrument, spec);
    if (!sent->closed()) wish.open.push_back(sent);  // the caller handles orders denied at once
    return sent;
}

bool Targets::end(const Instrument* only) {
    bool was_live = false;
    for (std::size_t key = 0; key < wishes_.size(); ++key) {
        Wish& wish = wishes_[key];
        if (wish.ended || (only && only->index != key / sides)) continue;
        was_live = was_live || wish.waits || wish.refusals > 0 || !wish.canceled.empty() ||
                   std::any_of(wish.open.begin(), wish.open.end(),
                               [](const OrderRef& order) { return !order->closed(); });
        wish.ended = true;  // a timer that is still set has no effect
    }
    return was_live;
}

void Targets::order_closed(const Order& order) {
    if (std::strcmp(order.tag.data(), tag) != 0) return;
    const std::size_t key = key_of(*order.instrument, order.position_side);
    if (wishes_.size() <= key) return;
    Wish& wish = wishes_[key];
    if (wish.ended) return;
    const auto is_it = [&order](const OrderRef& each) { return each->id == order.id; };
    const bool is_awaited = std::any_of(wish.canceled.begin(), wish.canceled.end(), is_it);
    // A market order that the venue ended for want of a price counts as refused for its rest.
    const bool is_short =
        order.remaining() > 0 && (order.state == OrderState::expired ||
                                  (order.state == OrderState::canceled && order.code != 0));
    const bool is_refused = order.state == OrderState::rejected || is_short;
    if (!is_refused || order.filled > 0) wish.refusals = 0;
    // Without latency a refused order would be sent again for ever: only orders that were waited
    // for, and may themselves have been refused, let the rest continue at once.
    if (is_refused && !is_awaited) {
        if (std::any_of(wish.open.begin(), wish.open.end(), is_it) && ++wish.refusals < tries_max)
            loop_->set_timer(timer_of(key), 0, loop_->now() + (retry_ns << (wish.refusals - 1)));
        return;
    }
    if (wish.waits) send(key);
}

bool Targets::timer_due(const std::string& name) {
    if (!name.starts_with(timer_prefix)) return false;
    std::size_t key = 0;
    std::from_chars(name.data() + timer_prefix.size(), name.data() + name.size(), key);
    if (key < wishes_.size() && !wishes_[key].ended) send(key);
    return true;
}

}  // namespace onetape
