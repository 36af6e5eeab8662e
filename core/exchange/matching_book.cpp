// The matching engine's containers: order slab, price levels, waiting triggers.
#include <algorithm>

#include "exchange/errors.hpp"
#include "exchange/matching.hpp"

namespace onetape {

std::uint32_t MatchingEngine::allocate() noexcept {
    if (free_orders_.empty()) {
        orders_.emplace_back();
        return static_cast<std::uint32_t>(orders_.size() - 1);
    }
    const std::uint32_t slot = free_orders_.back();
    free_orders_.pop_back();
    return slot;
}

void MatchingEngine::release(std::uint32_t slot) noexcept {
    Order& order = orders_[slot];
    ids_.erase(order.participant, order.order_id);
    order.place = Place::free;
    free_orders_.push_back(slot);
}

// Index of the first level of at least this rank. Most changes are a few levels from the best, so
// the search begins there before it bisects.
std::size_t MatchingEngine::find_rank(const BookSideLevels& side, std::int64_t rank) noexcept {
    const auto& refs = side.refs;
    std::size_t at = refs.size();
    for (int near = 0; near < 8; ++near) {
        if (at == 0 || refs[at - 1].rank < rank) return at;
        --at;
    }
    const auto found =
        std::lower_bound(refs.begin(), refs.begin() + static_cast<std::ptrdiff_t>(at), rank,
                         [](const LevelRef& ref, std::int64_t value) { return ref.rank < value; });
    return static_cast<std::size_t>(found - refs.begin());
}

void MatchingEngine::rest(std::uint32_t slot, std::int64_t now) noexcept {
    Order& order = orders_[slot];
    BookSideLevels& side = side_of(order.side);
    const std::int64_t rank = rank_of(order.side, order.price);
    const std::size_t at = find_rank(side, rank);
    std::uint32_t level_index = 0;
    if (at < side.refs.size() && side.refs[at].rank == rank) {
        level_index = side.refs[at].level;
    } else {
        if (free_levels_.empty()) {
            level_index = static_cast<std::uint32_t>(levels_.size());
            levels_.emplace_back();
        } else {
            level_index = free_levels_.back();
            free_levels_.pop_back();
        }
        levels_[level_index] = {order.price, 0, none, none};
        side.refs.insert(side.refs.begin() + static_cast<std::ptrdiff_t>(at), {rank, level_index});
    }
    Level& level = levels_[level_index];
    order.level = level_index;
    order.previous = level.tail;
    order.next = none;
    order.place = Place::resting;
    if (level.tail != none) {
        orders_[level.tail].next = slot;
    } else {
        level.head = slot;
    }
    level.tail = slot;
    hidden_count_ += order.hidden ? 1 : 0;
    show(order, order.left);
    note_order(order, now, MboAction::add, order.left);
}

void MatchingEngine::unlink(std::uint32_t slot) noexcept {
    Order& order = orders_[slot];
    if (order.place == Place::trigger) {
        remove_trigger(slot);
        return;
    }
    if (order.place != Place::resting) return;
    Level& level = levels_[order.level];
    (order.previous != none ? orders_[order.previous].next : level.head) = order.next;
    (order.next != none ? orders_[order.next].previous : level.tail) = order.previous;
    hidden_count_ -= order.hidden ? 1 : 0;
    show(order, -order.left);
    if (level.head == none) {
        BookSideLevels& side = side_of(order.side);
        const std::size_t at = find_rank(side, rank_of(order.side, level.price));
        side.refs.erase(side.refs.begin() + static_cast<std::ptrdiff_t>(at));
        free_levels_.push_back(order.level);
    }
    order.place = Place::incoming;
}

void MatchingEngine::shrink_level(Order& order, std::int64_t size) noexcept {
    order.left -= size;
    show(order, -size);
}

// Levels are published with their new sizes, so several changes of a level are one.
void MatchingEngine::show(const Order& order, std::int64_t size) noexcept {
    if (order.hidden) return;
    Level& level = levels_[order.level];
    level.size += size;
    auto& changed = changed_[order.side == Side::sell ? 1 : 0];
    if (!changed.empty() && changed.back().price == level.price) {
        changed.back().size = level.size;
    } else {
        changed.push_back({level.price, level.size});
    }
}

void MatchingEngine::note_order(const Order& order, std::int64_t now, MboAction action,
                                std::int64_t size) noexcept {
    if (!options_.by_order || order.hidden) return;
    MboPayload event{};
    event.ts_event = event.ts_recv = now;
    event.order_id = order.venue_id;
    event.price = order.price;
    event.size = size;
    event.action = action;
    event.side = order.side;
    orders_changed_.push_back(event);
}

void MatchingEngine::copy_orders(std::int64_t now, std::vector<MboPayload>& out) const {
    for (const Side side : {Side::buy, Side::sell}) {
        const auto& refs = side_of(side).refs;
        for (std::size_t at = refs.size(); at-- > 0;) {
            for (std::uint32_t slot = levels_[refs[at].level].head; slot != none;
                 slot = orders_[slot].next) {
                const Order& order = orders_[slot];
                if (order.hidden) continue;
                MboPayload event{};
                event.ts_event = event.ts_recv = now;
                event.order_id = order.venue_id;
                event.price = order.price;
                event.size = order.left;
                event.action = MboAction::add;
                event.side = side;
                out.push_back(event);
            }
        }
    }
}

// The index of the visible level at a depth; the level count if there are fewer.
std::size_t MatchingEngine::find_shown(const BookSideLevels& side,
                                       std::size_t depth) const noexcept {
    std::size_t at = 0;
    for (; at < side.refs.size(); ++at) {
        if (levels_[side.refs[side.refs.size() - 1 - at].level].size != 0 && depth-- == 0) break;
    }
    return at;
}

std::size_t MatchingEngine::level_count(Side side) const noexcept {
    const BookSideLevels& book = side_of(side);
    if (hidden_count_ == 0) return book.refs.size();
    return static_cast<std::size_t>(
        std::count_if(book.refs.begin(), book.refs.end(),
                      [this](const LevelRef& ref) { return levels_[ref.level].size != 0; }));
}

BookLevel MatchingEngine::level(Side side, std::size_t depth) const noexcept {
    const BookSideLevels& book = side_of(side);
    const std::size_t at = hidden_count_ == 0 ? depth : find_shown(book, depth);
    const Level& level = levels_[book.refs[book.refs.size() - 1 - at].level];
    return {level.price, level.size};
}

bool MatchingEngine::first_order(Side side, std::uint32_t& participant,
                                 std::uint64_t& order_id) const noexcept {
    const auto& refs = side_of(side).refs;
    if (refs.empty()) return false;
    const Order& order = orders_[levels_[refs.back().level].head];
    participant = order.participant;
    order_id = order.order_id;
    return true;
}

std::int64_t MatchingEngine::trigger_price(TriggerBy by) const noexcept {
    switch (by) {
        case TriggerBy::mark:
            return mark_;
        case TriggerBy::index:
            return index_;
        case TriggerBy::last:
        case TriggerBy::none:
            break;
    }
    return last_price_;
}

bool MatchingEngine::is_met(TriggerBy by, bool rises, std::int64_t trigger) const noexcept {
    const std::int64_t price = trigger_price(by);
    if (price == 0) return false;
    return rises ? price >= trigger : price <= trigger;
}

std::vector<std::uint32_t>& MatchingEngine::triggers_of(const Order& order) noexcept {
    return triggers_[static_cast<std::size_t>(order.trigger_by) - 1][order.rises ? 1 : 0];
}

// A rising trigger fires from the lowest, a falling one from the highest; equal ones by arrival.
void MatchingEngine::add_trigger(std::uint32_t slot) noexcept {
    Order& order = orders_[slot];
    order.place = Place::trigger;
    auto& list = triggers_of(order);
    const auto fires_later = [&](std::uint32_t other) {
        const Order& theirs = orders_[other];
        if (theirs.trigger == order.trigger) return theirs.venue_id > order.venue_id;
        return order.rises ? theirs.trigger > order.trigger : theirs.trigger < order.trigger;
    };
    const auto at = std::partition_point(list.begin(), list.end(), fires_later);
    list.insert(at, slot);
    ++trigger_count_;
}

void MatchingEngine::remove_trigger(std::uint32_t slot) noexcept {
    auto& list = triggers_of(orders_[slot]);
    list.erase(std::find(list.begin(), list.end(), slot));
    orders_[slot].place = Place::incoming;
    --trigger_count_;
}

// The oldest order among the first ones of all lists that have met their price.
std::uint32_t MatchingEngine::next_trigger() const noexcept {
    std::uint32_t found = none;
    for (std::size_t by = 0; by < triggers_.size(); ++by) {
        for (const auto& list : triggers_[by]) {
            if (list.empty()) continue;
            const Order& order = orders_[list.back()];
            if (!is_met(order.trigger_by, order.rises, order.trigger)) continue;
            if (found == none || order.venue_id < orders_[found].venue_id) found = list.back();
        }
    }
    return found;
}

// Terminates: each turn removes one order from the lists for good.
void MatchingEngine::run_triggers(std::int64_t now) noexcept {
    while (trigger_count_ != 0) {
        const std::uint32_t slot = next_trigger();
        if (slot == none) return;
        remove_trigger(slot);
        fire(slot, now, error::none);
    }
}

// code: why it fires if not by a price move.
void MatchingEngine::fire(std::uint32_t slot, std::int64_t now, std::uint16_t code) noexcept {
    emit(orders_[slot], now, OrderNews::triggered, OrderState::triggered, code);
    activate(slot, now);
}

}  // namespace onetape
