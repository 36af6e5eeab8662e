// Liquidity of the recorded market: touch, levels, trades. See docs/concepts/fills.md.
#include <algorithm>

#include "exchange/errors.hpp"
#include "exchange/recorded.hpp"

namespace onetape {

namespace {

// A side of a quote is missing when the venue sent neither price nor size for it.
bool quote_level(const QuotePayload& quote, Side side, BookLevel& level) {
    level = side == Side::buy ? BookLevel{quote.bid, quote.bid_size}
                              : BookLevel{quote.ask, quote.ask_size};
    return level.price != 0 || level.size != 0;
}

}  // namespace

bool RecordedExchange::has_book(const Market& market) noexcept {
    return market.view->has_book();
}

bool RecordedExchange::bars_only(const Market& market) noexcept {
    const MarketView& view = *market.view;
    return view.has_bar && !view.has_quote && !view.has_trade && !has_book(market);
}

bool RecordedExchange::silent(const Market& market) noexcept {
    const MarketView& view = *market.view;
    return !view.has_bar && !view.has_quote && !view.has_trade && !has_book(market);
}

// Best displayed price of a side. With trades or bars alone it is one tick off the last price: the
// side of the spread of that print is unknown.
bool RecordedExchange::touch(const Market& market, Side side, std::int64_t& price) noexcept {
    const MarketView& view = *market.view;
    if (has_book(market)) {
        const BookSide& levels = view.book->side(side);
        if (levels.count() == 0) return false;
        price = levels.best().price;
        return true;
    }
    if (view.has_quote) {
        BookLevel level{};
        if (!quote_level(view.quote, side, level)) return false;
        price = level.price;
        return true;
    }
    if (!view.has_trade && !view.has_bar) return false;
    const std::int64_t last = view.has_trade ? view.trade.price : bar_last(market);
    price = side == Side::buy ? last - market.spec.tick : last + market.spec.tick;
    return true;
}

bool RecordedExchange::crosses(const Market& market, Side side, std::int64_t price) noexcept {
    std::int64_t opposite = 0;
    return touch(market, other_side(side), opposite) && within(side, opposite, price);
}

std::int64_t RecordedExchange::bar_last(const Market& market) noexcept {
    return market.in_bar ? market.bar_price : market.view->bar.close;
}

// Without a price no trigger is met. Own impact moves the last price, but not a mark or an index.
bool RecordedExchange::trigger_met(std::uint32_t index, const OrderRequestPayload& request,
                                   std::int64_t now) noexcept {
    const Market& market = markets_[index];
    std::int64_t doubled = 0;
    if (!market.view->trigger_doubled(request.trigger_by, bar_last(market), doubled)) return false;
    if (market.view->goes_by_last(request.trigger_by) && !bars_only(market))
        doubled += 2 * push(index, request.side, now);
    const std::int64_t wanted = 2 * request.trigger;
    return trigger_rises(request.side, request.flags) ? doubled >= wanted : doubled <= wanted;
}

std::int64_t RecordedExchange::reference(const Market& market) noexcept {
    return market.view->reference(bar_last(market));
}

void RecordedExchange::mark_account(std::uint32_t index) noexcept {
    if (const std::int64_t price = reference(markets_[index]); price != 0) {
        account_->set_mark(index, price);
    }
}

// The free money for an order depends on all positions at their present prices, and a loan on all
// assets. Between such checks marks are as old as the last margin check.
void RecordedExchange::mark_for_funds(std::uint32_t index) noexcept {
    mark_where(
        [&](std::uint32_t i) { return i == index || markets_[i].held || account_->borrows(); });
}

// Size displayed on our own side at a price: 0 if there is none, QueuePlace::unknown if the price
// lies deeper than the data shows.
std::int64_t RecordedExchange::displayed(const Market& market, Side side,
                                         std::int64_t price) noexcept {
    const MarketView& view = *market.view;
    if (has_book(market)) {
        const BookSide& levels = view.book->side(side);
        if (levels.count() == 0) return 0;
        if (const std::int64_t size = levels.size_at(price); size != 0) return size;
        return within(side, price, levels.worst().price) ? QueuePlace::unknown : 0;
    }
    BookLevel level{};
    if (!view.has_quote) return QueuePlace::unknown;
    if (!quote_level(view.quote, side, level)) return 0;
    if (level.price == price) return level.size;
    return within(side, level.price, price) ? 0 : QueuePlace::unknown;
}

// The venue's time of the displayed book, 0: unknown. A stamp equal to the receipt means that the
// source had none; it cannot be compared with others.
std::int64_t RecordedExchange::display_stamp(const Market& market) noexcept {
    const MarketView& view = *market.view;
    if (has_book(market))
        return view.book->ts_event() == view.book->ts_recv() ? 0 : view.book->ts_event();
    if (!view.has_quote || view.quote.ts_event == view.quote.ts_recv) return 0;
    return view.quote.ts_event;
}

std::int64_t RecordedExchange::taken_of(Market& pool, Side level, std::int64_t price) noexcept {
    if (pool.taken_version != pool.view->version) {
        pool.taken_version = pool.view->version;
        pool.taken.clear();
    }
    for (const Taken& taken : pool.taken) {
        if (taken.price == price && taken.side == level) return taken.size;
    }
    return 0;
}

void RecordedExchange::note_taken(Market& pool, Side level, std::int64_t price,
                                  std::int64_t size) noexcept {
    for (Taken& taken : pool.taken) {
        if (taken.price == price && taken.side == level) {
            taken.size += size;
            return;
        }
    }
    pool.taken.push_back({price, size, level});
}

// Fills steps_ with what an order of `size` would take now. With a book: levels as displayed. With
// quotes: the touch, then (beyond_touch) one tick worse without limit. With trades: one tick off.
// Displayed liquidity costs the impact of own trades before this order; beyond it the order also
// moves the price itself.
std::int64_t RecordedExchange::plan(std::uint32_t index, const OrderRequestPayload& request,
                                    std::int64_t size, bool beyond_touch,
                                    std::int64_t now) noexcept {
    steps_.clear();
    Market& market = markets_[index];
    const std::int64_t pushed = push(index, request.side, now);
    const MarketView& view = *market.view;
    Market& pool = pool_of(market);
    const Side side = request.side;
    const Side level_side = other_side(side);
    const bool limited = request.type == OrderType::limit;
    std::int64_t left = size;
    const auto add = [&](std::int64_t price, std::int64_t amount) {
        amount = std::min(amount, left);
        if (amount <= 0) return;
        const std::int64_t paid = pushed == 0 ? price : worse(market, request, price, pushed);
        steps_.push_back({price, amount, paid});
        left -= amount;
    };
    const auto add_unshown = [&](std::int64_t price) {
        if (!market.pushed) return add(price, left);
        const std::int64_t amount = room_within(index, request, price, size - left, left, now);
        if (amount <= 0) return;
        steps_.push_back(
            {price, amount, pushed_price(index, request, price, size - left, amount, now)});
        left -= amount;
    };
    const auto allowed = [&](std::int64_t price) {
        return !limited || within(side, price + pushed, request.price);
    };
    if (has_book(market)) {
        view.book->side(level_side).walk([&](const BookLevel& level) {
            if (!allowed(level.price)) return false;
            add(level.price, level.size - taken_of(pool, level_side, level.price));
            return left > 0;
        });
    } else if (view.has_quote) {
        BookLevel level{};
        if (!quote_level(view.quote, level_side, level) || !allowed(level.price)) return 0;
        const std::int64_t beyond =
            side == Side::buy ? level.price + market.spec.tick : level.price - market.spec.tick;
        const std::int64_t shown = level.size - taken_of(pool, level_side, level.price);
        if (level.size == 0 && beyond_touch)
            add_unshown(level.price);
        else
            add(level.price, level.size == 0 ? left : shown);
        if (beyond_touch && left > 0 && allowed(beyond)) add_unshown(beyond);
    } else if (view.has_trade && beyond_touch) {
        std::int64_t price = 0;
        if (touch(market, level_side, price) && allowed(price)) add_unshown(price);
    }
    return size - left;
}

// Takes at once what the order may; then an order that does not rest ends.
void RecordedExchange::take(std::uint32_t slot, std::int64_t now) noexcept {
    const std::uint32_t index = orders_[slot].instrument;
    Market& market = markets_[index];
    const OrderRequestPayload request = orders_[slot].request;
    const std::int64_t wanted = request.size - orders_[slot].filled;
    const std::int64_t planned = plan(index, request, wanted, true, now);
    if (request.tif == TimeInForce::fok && planned < wanted) {
        close(slot, now, OrderNews::canceled, error::none);
        return;
    }
    const MarketView& view = *market.view;
    const bool by_quote = !has_book(market) && view.has_quote;
    BookLevel level{};
    if (by_quote) (void)quote_level(view.quote, other_side(request.side), level);
    // fill() plans nothing, so steps_ does not change.
    for (std::size_t i = 0; i < steps_.size() && orders_[slot].live; ++i) {
        const Step step = steps_[i];
        const std::int64_t size =
            step.paid == step.price
                ? fill(slot, now, step.price, step.size, Liquidity::taker)
                : fill_pushed(slot, now, step.price, step.paid, step.size, Liquidity::taker);
        if (has_book(market) || (by_quote && step.price == level.price)) {
            note_taken(pool_of(market), other_side(request.side), step.price, size);
            if (by_quote && level.size == 0) ++counters_.fills_without_size;
        } else if (by_quote) {
            ++counters_.fills_beyond_touch;
        } else {
            ++counters_.fills_without_size;
        }
    }
    if (!orders_[slot].live) return;
    if (request.type == OrderType::market) {
        // The visible market ended before the order did.
        close(slot, now, OrderNews::canceled, error::market_data_unavailable);
    } else if (request.tif == TimeInForce::ioc || request.tif == TimeInForce::fok) {
        close(slot, now, OrderNews::canceled, error::none);
    }
}

// Orders that came before any market data meet its first event.
void RecordedExchange::take_waiting(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    while (!market.waiting.empty()) {
        const std::uint32_t slot = market.waiting.front();
        Order& order = orders_[slot];
        unreserve(order);
        const std::int64_t left = order.request.size - order.filled;
        const std::uint16_t code = check_market(index, order.request, left, now);
        if (code != error::none) {
            close(slot, now, OrderNews::canceled, code);
            continue;
        }
        unlink(slot);
        on_credit_ -= orders_[slot].on_credit ? 1 : 0;
        orders_[slot].on_credit = orders_[slot].has_offer = false;
        take(slot, now);
        if (!orders_[slot].live) continue;
        reserve(orders_[slot],
                orders_[slot].request.price);  // it came when there were only bars
        rest(slot, now);
    }
}

// code: why it fires if not by a price move.
void RecordedExchange::fire(std::uint32_t slot, std::int64_t now, std::uint16_t code) noexcept {
    Order& order = orders_[slot];
    unlink(slot);
    // With bars alone the market in between is unknown.
    if (rules_.trigger_delay > 0 && !bars_only(markets_[order.instrument])) {
        order.place = Place::delayed;
        delay_trigger(slot,
                      now + rules_.trigger_delay);  // a receiver of the report may query the time
        emit(order, now, OrderNews::triggered, OrderState::triggered, code);
        return;
    }
    order.place = Place::waiting;
    go_live(slot, now, false, code);
}

// The triggered order meets the market. `is_reported`: the robot has received the trigger report.
void RecordedExchange::go_live(std::uint32_t slot, std::int64_t now, bool is_reported,
                               std::uint16_t triggered) noexcept {
    Order& order = orders_[slot];
    const std::uint32_t index = order.instrument;
    order.arrival = now;
    order.place = Place::waiting;
    OrderRequestPayload& request = order.request;
    const bool reduces = (request.flags & order_reduce_only) != 0;
    std::int64_t left = reduces ? reducible(index, request) : request.size;
    if (order.attached.entry != 0) left = std::min(left, order.covers);
    if (!is_reported) {
        if (left > 0)
            request.size = std::min(request.size, left);  // reported together with the trigger
        emit(order, now, OrderNews::triggered, OrderState::triggered, triggered);
    }
    if (left <= 0) {
        close(slot, now, OrderNews::canceled, error::reduce_only_violated);
        return;
    }
    const std::uint16_t code = check_market(index, request, request.size, now);
    if (code != error::none) {
        close(slot, now, OrderNews::canceled, code);
        return;
    }
    reserve(order, request.type == OrderType::limit ? request.price : reference(markets_[index]));
    activate(slot, now);
}

void RecordedExchange::fire_triggers(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    if (market.triggers.empty()) return;
    const bool bars = bars_only(market);
    batch_.clear();
    for (const std::uint32_t slot : market.triggers) {
        const Order& order = orders_[slot];
        const bool of_bars = bars && market.view->goes_by_last(order.request.trigger_by);
        if (!of_bars && !order.sleeps() && trigger_met(index, order.request, now))
            batch_.push_back(slot);  // otherwise on_bar does it
    }
    for (const std::uint32_t slot : batch_) fire(slot, now);
}

// The opposite touch reached our price: we are filled there, at our own price, up to its size.
void RecordedExchange::fill_touched(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const bool exact = market.pushed && by_order(market);
    for (const Side side : {Side::buy, Side::sell}) {
        auto& list = side == Side::buy ? market.bids : market.asks;
        while (!list.empty()) {
            const std::uint32_t slot = list.front();
            const OrderRequestPayload request = orders_[slot].request;
            if (exact && !orders_[slot].taker) break;
            std::int64_t opposite = 0;
            if (!touch(market, other_side(side), opposite)) break;
            if (!within(side, opposite + push(index, side, now), request.price)) break;
            const Liquidity liquidity = orders_[slot].taker ? Liquidity::taker : Liquidity::maker;
            const std::int64_t left = request.size - orders_[slot].filled;
            const std::int64_t planned = plan(index, request, left, false, now);
            if (planned == 0) break;
            if (!has_book(market) && market.view->has_quote) {
                BookLevel level{};
                (void)quote_level(market.view->quote, other_side(side), level);
                if (level.size == 0) ++counters_.fills_without_size;
            }
            std::int64_t size = fill(slot, now, request.price, planned, liquidity);
            for (const Step& step : steps_) {
                const std::int64_t part = std::min(step.size, size);
                if (part > 0) note_taken(pool_of(market), other_side(side), step.price, part);
                size -= part;
            }
            if (planned < left) break;
        }
    }
}

// Trades at our price advance the queue and then fill us; trades through it fill us outright. One
// print is shared among own orders in the order of their priority.
void RecordedExchange::fill_traded_side(std::uint32_t index, std::int64_t now, Side side,
                                        std::int64_t& budget) noexcept {
    Market& market = markets_[index];
    const std::int64_t met = market.view->trade.price + reach(index, side, now);
    const TradePayload& trade = market.view->trade;
    const std::int64_t stamp = trade.ts_event == trade.ts_recv ? 0 : trade.ts_event;
    auto& list = side == Side::buy ? market.bids : market.asks;
    std::size_t at = 0;
    bool looked = false;
    while (at < list.size()) {
        const std::uint32_t slot = list[at];
        Order& order = orders_[slot];
        // At its price even a used-up print has moved the queue.
        const bool at_price = order.request.price == trade.price;
        if (!within(side, met, order.request.price) || (budget == 0 && !at_price)) break;
        if (order.queue.is_past(stamp)) {
            ++at;
            continue;
        }
        std::int64_t available = budget;
        if (at_price && by_order(market)) {  // the data does not tell whose orders it hit
            ++at;
            continue;
        }
        if (at_price) {
            if (!looked && trade.side != side) {
                const std::int64_t shown = displayed(market, side, trade.price);
                if (shown != QueuePlace::unknown && trade.size > shown)
                    ++counters_.trades_beyond_display;
                looked = true;
            }
            // A taker on our own side did not hit us.
            if (trade.side == side || order.queue.ahead == QueuePlace::unknown) {
                ++at;
                continue;
            }
            available -= std::min(order.queue.take_seen(stamp, trade.size), budget);
            const std::int64_t before = std::min(order.queue.ahead, available);
            order.queue.on_trade(stamp, trade.size, before);
            available -= before;
        }
        if (available > 0) {
            budget -= fill(slot, now, order.request.price, available,
                           order.taker ? Liquidity::taker : Liquidity::maker);
        }
        if (at < list.size() && list[at] == slot) ++at;
    }
}

void RecordedExchange::fill_traded(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    // By order, the fills of the orders behind us decide; without fills in the feed only prints
    // beyond our price count.
    if (by_order(market) && has_book(market) && market.view->orders->has_fills()) return;
    Market& pool = pool_of(market);
    if (&pool == &market || pool.print_version != pool.view->version) {
        pool.print_version = pool.view->version;
        pool.print_left = market.view->trade.size;
    }
    fill_traded_side(index, now, Side::buy, pool.print_left);
    fill_traded_side(index, now, Side::sell, pool.print_left);
}

// The newly displayed levels move our places in their queues.
void RecordedExchange::limit_queues(Market& market) noexcept {
    const std::int64_t stamp = display_stamp(market);
    const QueueScale scale{std::max<std::int64_t>(market.spec.lot, 1),
                           1.0 / static_cast<double>(pow10(market.spec.size_decimals))};
    for (const auto* list : {&market.bids, &market.asks}) {
        for (const std::uint32_t slot : *list) {
            Order& order = orders_[slot];
            if (order.queue.ahead == 0) continue;
            const std::int64_t shown = displayed(market, order.request.side, order.request.price);
            if (shown == QueuePlace::unknown) break;  // the others are as deep or deeper
            order.queue.on_shown(options_.queue, scale, shown, stamp);
        }
    }
}

// No order waits, and all resting ones lie outside [low, high]: the usual case.
bool RecordedExchange::untouched(const Market& market, std::int64_t low,
                                 std::int64_t high) const noexcept {
    return market.waiting.empty() && market.triggers.empty() &&
           (market.bids.empty() || orders_[market.bids.front()].request.price < low) &&
           (market.asks.empty() || orders_[market.asks.front()].request.price > high);
}

void RecordedExchange::on_quote(std::uint32_t index, std::int64_t now) noexcept {
    if (!working(index)) return;
    pay_fundings(index, never);  // finer than a bar: no open will fill anything before
    Market& market = markets_[index];
    const QuotePayload& quote = market.view->quote;
    const auto [low, high] = std::minmax(quote.bid, quote.ask);
    if (quote.bid_size != 0 && quote.ask_size != 0 && untouched(market, low, high)) return;
    if (!has_book(market)) {  // with depth, its messages decide; a quote only moves triggers
        limit_queues(market);
        take_waiting(index, now);
        fill_touched(index, now);
    }
    fire_triggers(index, now);
    sweep_reduce_only(index, now);
}

void RecordedExchange::on_book(std::uint32_t index, std::int64_t now) noexcept {
    if (!working(index)) return;
    Market& market = markets_[index];
    if (!has_book(market)) return;
    pay_fundings(index, never);  // finer than a bar: no open will fill anything before
    const bool exact = by_order(market);
    if (!exact) limit_queues(market);
    take_waiting(index, now);
    // By order, only orders that own impact kept from taking wait for the touch.
    if (!exact || market.pushed) fill_touched(index, now);
    fire_triggers(index, now);
    sweep_reduce_only(index, now);
}

void RecordedExchange::on_trade(std::uint32_t index, std::int64_t now) noexcept {
    if (!working(index)) return;
    pay_fundings(index, never);  // finer than a bar: no open will fill anything before
    const std::int64_t price = markets_[index].view->trade.price;
    if (untouched(markets_[index], price, price)) return;
    take_waiting(index, now);
    fill_traded(index, now);
    fire_triggers(index, now);
    sweep_reduce_only(index, now);
}

void RecordedExchange::on_mark(std::uint32_t index, std::int64_t now) noexcept {
    if (!working(index)) return;
    fire_triggers(index, now);
    sweep_reduce_only(index, now);
}

void RecordedExchange::on_funding(std::uint32_t index, std::int64_t now,
                                  const FundingPayload& funding) noexcept {
    if (index >= markets_.size() || markets_[index].view == nullptr) return;
    Market& market = markets_[index];
    Funding due{now, funding};
    if (due.terms.mark == 0) due.terms.mark = reference(market);
    if (bars_only(market) && market.working != 0)
        market.fundings.push_back(due);
    else
        pay_funding(index, due);
}

void RecordedExchange::pay_funding(std::uint32_t index, const Funding& funding) noexcept {
    mark_account(index);
    for (const PositionSide side :
         {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
        const Money change = account_->funding_of(index, side, funding.terms);
        if (change == 0) continue;
        account_->credit_funding(index, side, change);
        sink_->on_cash(index, {funding.time, change, CashKind::funding, side});
    }
}

// Pays the fundings due by then.
void RecordedExchange::pay_fundings(std::uint32_t index, std::int64_t until) noexcept {
    std::vector<Funding>& fundings = markets_[index].fundings;
    while (!fundings.empty() && fundings.front().time <= until) {
        const Funding due = fundings.front();
        fundings.erase(fundings.begin());
        pay_funding(index, due);
    }
}

void RecordedExchange::end_data() noexcept {
    for (std::uint32_t index = 0; index < markets_.size(); ++index) pay_fundings(index, never);
}

}  // namespace onetape
