// Own impact on the recorded market: it only ever worsens own orders. docs/concepts/fills.md.
#include <algorithm>

#include "exchange/recorded.hpp"

namespace onetape {

void RecordedExchange::measure(std::uint32_t index, std::int64_t now, bool is_trade) noexcept {
    const MarketView& view = *markets_[index].view;
    // A bar gives both at its end; of several accounts at an exchange the first one's market
    // counts.
    if (bars_only(markets_[index]) || markets_[index].pool != no_pool) return;
    std::int64_t doubled = 0;
    // A missing side leaves the price unchanged; prints are used where nothing is displayed.
    if (!view.mid_doubled(doubled) && !view.has_quote && !view.has_book() && view.has_trade)
        doubled = 2 * view.trade.price;
    impact_of(index).see(now, doubled, is_trade ? view.trade.size : 0);
}

void RecordedExchange::measure_bar(std::uint32_t index) noexcept {
    const Market& market = markets_[index];
    if (bars_only(market) && market.pool == no_pool) impact_of(index).see_bar(market.view->bar);
}

std::int64_t RecordedExchange::displacement(std::uint32_t index, Side side,
                                            std::int64_t now) noexcept {
    const std::int64_t ticks = impact_of(index).ticks(side, now, markets_[index].spec.tick);
    return side == Side::buy ? ticks : -ticks;
}

// A price this many ticks worse. Never beyond the order's own limit, and always above zero.
std::int64_t RecordedExchange::worse(const Market& market, const OrderRequestPayload& request,
                                     std::int64_t price, std::int64_t ticks) const noexcept {
    if (ticks == 0) return price;
    std::int64_t paid = price + ticks;
    if (ticks < 0 && price > 0) paid = std::max(paid, std::min(price, market.spec.tick));
    if (request.type != OrderType::limit) return paid;
    return request.side == Side::buy ? std::min(paid, std::max(price, request.price))
                                     : std::max(paid, std::min(price, request.price));
}

// Average price of a taker of `size` at a recorded price without known depth.
std::int64_t RecordedExchange::pushed_price(std::uint32_t index, const OrderRequestPayload& request,
                                            std::int64_t price, std::int64_t before,
                                            std::int64_t size, std::int64_t now) noexcept {
    const Market& market = markets_[index];
    if (!market.pushed || size <= 0) [[likely]]
        return price;
    const std::int64_t ticks =
        impact_of(index).average_ticks(request.side, now, market.spec.tick, before, size);
    return worse(market, request, price, request.side == Side::buy ? ticks : -ticks);
}

// The part of `size`, in whole lots, whose last lot is still within the order's limit.
std::int64_t RecordedExchange::room_within(std::uint32_t index, const OrderRequestPayload& request,
                                           std::int64_t price, std::int64_t before,
                                           std::int64_t size, std::int64_t now) noexcept {
    const Market& market = markets_[index];
    if (!market.pushed || size <= 0 || request.type != OrderType::limit) [[likely]]
        return size;
    const auto fits = [&](std::int64_t taken) {
        const std::int64_t ticks =
            impact_of(index).ticks(request.side, now, market.spec.tick, before + taken);
        return within(request.side, request.side == Side::buy ? price + ticks : price - ticks,
                      request.price);
    };
    if (fits(size)) return size;
    const std::int64_t lot = std::max<std::int64_t>(market.spec.lot, 1);
    std::int64_t low = 0, high = size / lot;  // in lots; `low` of them fit, or there is no room
    while (low < high) {
        const std::int64_t middle = low + (high - low + 1) / 2;
        if (fits(middle * lot))
            low = middle;
        else
            high = middle - 1;
    }
    return low * lot;
}

// True if an order rests only because own impact kept it from taking, although the recorded market
// still offers its price. It is filled as a taker when the market comes back to it.
bool RecordedExchange::was_kept(std::uint32_t index, const OrderRequestPayload& request) noexcept {
    Market& market = markets_[index];
    const Side theirs = other_side(request.side);
    bool kept = false;
    if (has_book(market)) {
        market.view->book->side(theirs).walk([&](const BookLevel& level) {
            if (!within(request.side, level.price, request.price)) return false;
            kept = level.size > taken_of(pool_of(market), theirs, level.price);
            return !kept;
        });
        return kept;
    }
    std::int64_t price = 0;
    if (!touch(market, theirs, price)) return false;
    if (!market.view->has_quote) return within(request.side, price, request.price);
    const QuotePayload& quote = market.view->quote;
    const std::int64_t shown = theirs == Side::buy ? quote.bid_size : quote.ask_size;
    const bool is_there = shown == 0 || shown > taken_of(pool_of(market), theirs, price);
    if (!is_there) price += request.side == Side::buy ? market.spec.tick : -market.spec.tick;
    return within(request.side, price, request.price);
}

std::int64_t RecordedExchange::fill_pushed(std::uint32_t slot, std::int64_t time,
                                           std::int64_t recorded, std::int64_t paid,
                                           std::int64_t size, Liquidity liquidity) noexcept {
    const std::uint32_t index = orders_[slot].instrument;
    const std::uint64_t trade_id = next_trade_id_;
    const std::int64_t filled = fill(slot, time, paid, size, liquidity);
    if (filled == 0 || paid == recorded) [[likely]]
        return filled;
    Market& market = markets_[index];
    market.impact_cost +=
        absolute(market.spec.notional(paid, filled) - market.spec.notional(recorded, filled));
    ++counters_.impact_fills;
    pushed_.push_back({trade_id, recorded, index});
    return filled;
}

void RecordedExchange::note_impact(std::uint32_t index, const FillPayload& fill) noexcept {
    OwnImpact& impact = impact_of(index);
    if (fill.liquidity == Liquidity::taker) {
        if (!impact.is_measured(fill.ts_event)) ++counters_.impact_unmeasured;
        impact.note_taken(fill.ts_event, fill.side, fill.size);
    }
    impact.note_held(fill.side, fill.size);
}

}  // namespace onetape
