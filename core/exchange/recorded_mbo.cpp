// Own orders in the venue's queue, order by order: first in, first out. See docs/concepts/fills.md.
//
// The book of the venue's orders (market/mbo_book.hpp) ranks them by priority; an own order takes
// the rank that the next newcomer would get. Orders of lower rank at its price are ahead of it.
// Only sums are kept: the units ahead of an own order fall when such an order leaves or shrinks.
#include <algorithm>

#include "exchange/recorded.hpp"

namespace onetape {

void RecordedExchange::join_queue(Order& order) noexcept {
    const Market& market = markets_[order.instrument];
    const Side side = order.request.side;
    const std::int64_t price = order.request.price;
    if (!by_order(market)) {
        order.queue.join(displayed(market, side, price), display_stamp(market));
        return;
    }
    // All orders in the book came before us; while the book is unknown, so did all that a snapshot
    // will show.
    const MboBook& orders = *market.view->orders;
    order.rank = orders.levels().synced() ? orders.next_rank() : MboBook::no_rank;
    order.queue.join(orders.levels().side(side).size_at(price), 0);
    if (order.rank == MboBook::no_rank) ++counters_.queue_unknown;
}

// Own orders that rested before the first market-by-order message are behind everything that it and
// its snapshot contain.
void RecordedExchange::begin_orders(std::uint32_t index) noexcept {
    Market& market = markets_[index];
    if (!by_order(market)) return;
    for (const auto* list : {&market.bids, &market.asks}) {
        for (const std::uint32_t slot : *list) {
            orders_[slot].rank = MboBook::no_rank;
            orders_[slot].queue.join(0, 0);
            ++counters_.queue_unknown;
        }
    }
}

void RecordedExchange::forget_queue(Market& market, Side side) noexcept {
    for (const std::uint32_t slot : side == Side::buy ? market.bids : market.asks)
        orders_[slot].queue.join(0, 0);
}

// Counts units that left the queue ahead of us, and orders that a snapshot shows to have been there
// all the time.
void RecordedExchange::move_queue(Market& market, const MboChange& change) noexcept {
    for (const std::uint32_t slot : change.side == Side::buy ? market.bids : market.asks) {
        Order& order = orders_[slot];
        const std::int64_t price = order.request.price;
        if (price == change.price && change.rank < order.rank) order.queue.advance(change.gone);
        if (price == change.new_price && order.rank == MboBook::no_rank)
            order.queue.advance(-change.came);
    }
}

// The book is complete: later orders are behind us.
void RecordedExchange::place_blind(Market& market) noexcept {
    const std::uint64_t rank = market.view->orders->next_rank();
    for (const auto* list : {&market.bids, &market.asks})
        for (const std::uint32_t slot : *list)
            orders_[slot].rank = std::min(orders_[slot].rank, rank);
}

// A venue order of our side that stands behind one of ours, at its price or a worse one, was
// traded: ours would have been hit first. The traded size is shared among ours by priority.
void RecordedExchange::fill_behind(std::uint32_t index, std::int64_t now,
                                   const MboChange& change) noexcept {
    Market& market = markets_[index];
    const std::int64_t met = change.price + reach(index, change.side, now);
    auto& list = change.side == Side::buy ? market.bids : market.asks;
    std::int64_t budget = change.traded;
    std::size_t at = 0;
    while (at < list.size() && budget > 0) {
        const std::uint32_t slot = list[at];
        const Order& order = orders_[slot];
        const std::int64_t price = order.request.price;
        if (!within(change.side, met, price)) break;
        if (price == change.price && change.rank < order.rank) break;  // as are those after it
        budget -= fill(slot, now, price, budget, order.taker ? Liquidity::taker : Liquidity::maker);
        if (at < list.size() && list[at] == slot) ++at;
    }
}

// An order of the other side came to rest at our price or beyond: it would have matched ours.
void RecordedExchange::fill_met(std::uint32_t index, std::int64_t now,
                                const MboChange& change) noexcept {
    Market& market = markets_[index];
    const Side side = other_side(change.side);
    const std::int64_t met = change.new_price + reach(index, side, now);
    auto& list = side == Side::buy ? market.bids : market.asks;
    std::int64_t budget = change.came;
    std::size_t at = 0;
    while (at < list.size() && budget > 0) {
        const std::uint32_t slot = list[at];
        const Order& order = orders_[slot];
        const std::int64_t price = order.request.price;
        if (!within(side, met, price)) break;
        if (price == change.new_price && order.queue.ahead > 0)
            break;  // orders ahead would have matched it
        budget -= fill(slot, now, price, budget, order.taker ? Liquidity::taker : Liquidity::maker);
        if (at < list.size() && list[at] == slot) ++at;
    }
}

void RecordedExchange::on_mbo(std::uint32_t index, std::int64_t now,
                              const MboChange& change) noexcept {
    if (!working(index)) return;
    Market& market = markets_[index];
    const bool open = !market.closed;  // while it is closed, places move and nothing is filled
    if (by_order(market)) {
        if (change.forgets_bids) forget_queue(market, Side::buy);
        if (change.forgets_asks) forget_queue(market, Side::sell);
        if (change.traded != 0 && open) fill_behind(index, now, change);
        if (change.gone != 0 || change.came != 0) move_queue(market, change);
        if (change.synced) place_blind(market);
        if (change.came != 0 && open) fill_met(index, now, change);
    }
    if (change.last && open) on_book(index, now);
}

}  // namespace onetape
