#include "market/mbo_book.hpp"

#include <utility>

#include "journal/frame.hpp"

namespace onetape {

std::uint32_t MboBook::find(std::uint64_t id) noexcept {
    const std::uint32_t place = places_.find(0, id);
    if (place == IdMap::absent) return place;
    return at(place).clear == half(side_of(place)).clears ? place : IdMap::absent;
}

// Whether a level can grow by this much.
bool MboBook::room(Side side, std::int64_t price, std::int64_t size) const noexcept {
    std::int64_t sum = 0;
    return !__builtin_add_overflow(levels_.side(side).size_at(price), size, &sum);
}

MboChange MboBook::apply(const MboPayload& message, std::uint16_t flags) {
    MboChange change;
    change.last = is_whole_ = message.last != 0;
    const bool is_snapshot = (flags & flag_snapshot) != 0;
    if ((flags & (flag_gap | flag_unsynced)) != 0 && !is_snapshot && !lost_ && begun_) {
        ++counts_.gaps;
        lose();
        change.forgets_bids = change.forgets_asks = true;
    }
    if (in_snapshot_ && !is_snapshot) end_snapshot();
    begun_ = true;
    if (lost_ && message.action != MboAction::clear) {
        ++counts_.waiting;
        return change;
    }
    levels_.stamp(message.ts_event, message.ts_recv);
    const bool was_synced = levels_.synced();
    const bool has_side = message.side == Side::buy || message.side == Side::sell;
    const bool is_fit = message.size >= 0 && static_cast<unsigned>(message.side) <= 2;
    const std::uint32_t place = is_fit ? find(message.order_id) : IdMap::absent;
    if (place != IdMap::absent && message.action != MboAction::clear) {
        const Order& order = at(place);
        change.rank = order.rank;
        change.price = change.new_price = order.price;
        change.side = side_of(place);
        const bool same_price = message.action != MboAction::fill || message.price == order.price;
        if ((has_side && message.side != side_of(place)) || !same_price) ++counts_.disagreeing;
    }
    if (!is_fit) {
        ++counts_.refused;
    } else {
        switch (message.action) {
            case MboAction::add:
                if (message.size == 0 || !has_side)
                    ++counts_.refused;
                else if (place == IdMap::absent)
                    add(message, is_snapshot, change);
                else {
                    ++counts_.duplicates;
                    modify(place, message, change);
                }
                break;
            case MboAction::modify:
                if (place != IdMap::absent) {
                    modify(place, message, change);
                } else {
                    ++counts_.unknown;  // it rests now, so it counts as an add
                    if (has_side && message.size != 0) add(message, is_snapshot, change);
                }
                break;
            case MboAction::cancel:
                if (place != IdMap::absent)
                    cancel(place, message, change);
                else
                    ++counts_.unknown;
                break;
            case MboAction::fill:
                has_fills_ = true;
                if (message.size == 0)
                    ++counts_.refused;
                else if (place != IdMap::absent)
                    fill(place, message, change);
                else
                    ++counts_.unknown;
                break;
            case MboAction::clear:
                clear(message.side, change);
                break;
            default:
                ++counts_.refused;
        }
    }
    ++counts_.applied;
    if (is_snapshot) in_snapshot_ = true;
    // A book under a snapshot is complete with the snapshot's last message.
    if (!in_snapshot_ || change.last) levels_.set_orders_synced(true);
    change.synced = levels_.synced() && !was_synced;
    if (change.last && levels_.crossed())
        ++(levels_.best_bid() > levels_.best_ask() ? counts_.crossed : counts_.locked);
    return change;
}

void MboBook::add(const MboPayload& message, bool is_snapshot, MboChange& change) {
    if (!room(message.side, message.price, message.size)) {
        ++counts_.refused;
        return;
    }
    Half& mine = half(message.side);
    std::uint64_t rank = 0;
    std::uint32_t place = places_.find(0, message.order_id);  // index of a forgotten order
    if (place != IdMap::absent && side_of(place) != message.side) {
        places_.erase(0, message.order_id);
        place = IdMap::absent;
    }
    if (place != IdMap::absent) {
        const Order& old = at(place);
        if (is_snapshot && old.price == message.price && old.size >= message.size) rank = old.rank;
    } else {
        if (mine.free.empty()) {
            place = static_cast<std::uint32_t>(mine.orders.size());
            mine.orders.emplace_back();
        } else {
            place = mine.free.back();
            mine.free.pop_back();
        }
        if (message.side == Side::sell) place |= ask_bit;
        places_.insert(0, message.order_id, place);
    }
    // An order from before the clear has not arrived now: it takes its old place again.
    (rank == 0 ? change.came : change.gone) = rank == 0 ? message.size : -message.size;
    if (rank == 0) rank = next_rank_++;
    at(place) = {message.order_id, rank, message.price, message.size, mine.clears};
    ++mine.live;
    levels_.add_size(message.side, message.price, message.size);
    change.rank = rank;
    change.side = message.side;
    change.price = change.new_price = message.price;
}

void MboBook::modify(std::uint32_t place, const MboPayload& message, MboChange& change) {
    Order& order = at(place);
    if (message.size == 0) {
        take_off(place, order.size, change);
    } else if (message.price == order.price && message.size <= order.size) {
        take_off(place, order.size - message.size, change);
    } else {
        const bool same = message.price == order.price;
        if (!room(side_of(place), message.price, same ? message.size - order.size : message.size)) {
            ++counts_.refused;
            return;
        }
        levels_.add_size(side_of(place), order.price, -order.size);
        levels_.add_size(side_of(place), message.price, message.size);
        change.gone = order.size;
        change.came = message.size;
        change.new_price = message.price;
        order.price = message.price;
        order.size = message.size;
        order.rank = next_rank_++;
    }
}

void MboBook::cancel(std::uint32_t place, const MboPayload& message, MboChange& change) {
    const std::int64_t left = at(place).size;
    if (message.size > left) ++counts_.overfills;
    const bool whole = message.size == 0 || message.size > left;
    take_off(place, whole ? left : message.size, change);
}

void MboBook::fill(std::uint32_t place, const MboPayload& message, MboChange& change) {
    const std::int64_t left = at(place).size;
    if (message.size > left) ++counts_.overfills;
    change.traded = message.size < left ? message.size : left;
    if (message.reported == 0) take_off(place, change.traded, change);
}

void MboBook::take_off(std::uint32_t place, std::int64_t size, MboChange& change) {
    Order& order = at(place);
    change.gone = size;
    if (size == 0) return;
    const Side side = side_of(place);
    levels_.add_size(side, order.price, -size);
    order.size -= size;
    if (order.size != 0) return;
    places_.erase(0, order.id);
    half(side).free.push_back(place & ~ask_bit);
    --half(side).live;
}

void MboBook::clear(Side side, MboChange& change) noexcept {
    ++counts_.snapshots;
    for (const Side each : {Side::buy, Side::sell}) {
        if (side != Side::none && side != each) continue;
        Half& gone = half(each);
        ++gone.clears;
        gone.live = 0;
        gone.has_forgotten = true;
    }
    levels_.clear_orders(side);
    levels_.set_orders_synced(false);
    lost_ = false;
    in_snapshot_ = true;
    change.forgets_bids = change.forgets_bids || side != Side::sell;
    change.forgets_asks = change.forgets_asks || side != Side::buy;
}

void MboBook::lose() noexcept {
    MboChange change;
    clear(Side::none, change);
    in_snapshot_ = false;
    lost_ = true;
}

// Drops orders that the snapshot did not contain. The others move together, so that this costs no
// more than the adds since the last time.
void MboBook::end_snapshot() {
    in_snapshot_ = false;
    for (const Side side : {Side::buy, Side::sell}) {
        Half& mine = half(side);
        if (!mine.has_forgotten) continue;
        mine.has_forgotten = false;
        const std::uint32_t bit = side == Side::sell ? ask_bit : 0;
        std::vector<Order> kept;
        kept.reserve(mine.live);
        for (std::uint32_t i = 0; i < mine.orders.size(); ++i) {
            const Order& order = mine.orders[i];
            if (places_.find(0, order.id) != (i | bit)) continue;  // removed before
            places_.erase(0, order.id);
            if (order.clear != mine.clears) continue;
            places_.insert(0, order.id, static_cast<std::uint32_t>(kept.size()) | bit);
            kept.push_back(order);
        }
        mine.orders = std::move(kept);
        mine.free.clear();
    }
}

}  // namespace onetape
