// Order reports: under way, and when they reach the robot.
#include <array>
#include <cstring>
#include <string_view>

#include "engine/reasons.hpp"
#include "engine/trading_loop.hpp"

namespace onetape {

namespace {

constexpr std::int64_t sweep_period = 1'000'000'000;
constexpr std::size_t fee_changes_kept = 100;

}  // namespace

bool TradingLoop::deliver(Instrument& instrument, const LoanNews& loan) {
    const char* state = loan.called ? "called" : "covered";
    const std::string& currency = currency_names_[loan.currency];
    const auto text = [](Money amount) { return decimal_text(amount, money_decimals); };
    note(loan.called ? EventType::alert : EventType::health, instrument.index + 1,
         {{"kind", "margin_call"},
          {loan.called ? "severity" : "subject", loan.called ? "warning" : currency},
          {"currency", currency},
          {"state", state},
          {"assets", text(loan.assets)},
          {"debts", text(loan.debts)}});
    in_robot_ = true;
    return robot_->on_health("margin_call", currency, state) && after_callback();
}

bool TradingLoop::deliver(Instrument& instrument, const FeeNews& fees) {
    with_reserves_anew(instrument, [&] {
        instrument.spec.maker_fee = fees.maker;
        instrument.spec.taker_fee = fees.taker;
        robot_account_.set_fees(instrument.index, fees.maker, fees.taker);
    });
    if (fee_changes_.size() < fee_changes_kept) fee_changes_.push_back({instrument.index, fees});
    const std::string tier = std::to_string(fees.tier);
    note(EventType::health, instrument.index + 1,
         {{"kind", "fee_tier"},
          {"subject", instrument.symbol},
          {"state", tier},
          {"volume", decimal_text(fees.volume, money_decimals)},
          {"maker", decimal_text(fees.maker, 12)},
          {"taker", decimal_text(fees.taker, 12)}});
    in_robot_ = true;
    return robot_->on_health("fee_tier", instrument.symbol, tier.c_str()) && after_callback();
}

void TradingLoop::settle_funding(Instrument& instrument, std::int64_t time,
                                 const FundingPayload& payload) {
    if (!instrument.funding.take(payload, instrument.funding_interval, counters_.funding)) return;
    if (follows_ledger_) return;  // the ledger's entry follows with the amount
    exchange_->settle_funding(instrument, time, payload);
}

void TradingLoop::apply_funding(Instrument& instrument, const FundingPayload& payload) {
    const MarketView& view = instrument.fill_view();
    robot_account_.set_mark(instrument.index, view.reference(view.bar.close));
    robot_account_.apply_funding(instrument.index, payload);
}

void TradingLoop::note_interest(const BorrowRate& borrow, Money amount) {
    const std::string text = decimal_text(amount, money_decimals);
    if (borrow.account.empty())  // the only account
        note(EventType::transfer, 0,
             {{"kind", "interest"}, {"currency", borrow.name}, {"amount", text}});
    else
        note(EventType::transfer, 0,
             {{"kind", "interest"},
              {"account", borrow.account},
              {"currency", borrow.name},
              {"amount", text}});
}

bool TradingLoop::deliver(Instrument& instrument, const CashNews& cash) {
    switch (cash.kind) {
        case CashKind::funding:
            robot_account_.credit_funding(instrument.index, cash.side, cash.amount);
            break;
        case CashKind::insurance:
            robot_account_.credit_insurance(instrument.index, cash.amount);
            break;
        case CashKind::interest:
            robot_account_.credit_interest(cash.currency, cash.amount);
            note_interest(borrows_[cash.currency], cash.amount);
            return true;
    }
    constexpr std::array names = {"funding", "insurance"};
    note(EventType::transfer, instrument.index + 1,
         {{"kind", names[static_cast<std::size_t>(cash.kind)]},
          {"symbol", instrument.symbol},
          {"amount", decimal_text(cash.amount, money_decimals)}});
    return true;
}

// An order that the venue made appears with its fill, as if accepted a moment before.
OrderRef TradingLoop::adopt(Instrument& instrument, const FillPayload& fill) {
    const ForcedWords words = words_of(forced_of(fill.order_id));
    const std::string_view tag = words.tag;
    OrderRequestPayload terms{};
    terms.side = fill.side;
    terms.type = OrderType::market;
    terms.tif = TimeInForce::ioc;
    terms.position_side = fill.position_side;
    terms.flags = order_reduce_only;
    terms.size = fill.size;
    std::memcpy(terms.tag, tag.data(), tag.size());
    const OrderRef order =
        open_order(orders_.adopt(fill.order_id), instrument, terms, fill.ts_event);
    order->venue_id = fill.venue_id;
    order->reason = words.reason;
    move(*order, OrderAct::submit);
    move(*order, OrderAct::accept);
    return order;
}

bool TradingLoop::tell_forced(const Instrument& instrument, const FillPayload& fill) {
    const Position& left = robot_account_.position(instrument.index, fill.position_side);
    const char* state = left.flat() ? "closed" : "reduced";
    const ForcedWords words = words_of(forced_of(fill.order_id));
    note(EventType::alert, instrument.index + 1,
         {{"kind", words.tag},
          {"severity", words.severity},
          {"symbol", instrument.symbol},
          {"state", state},
          {"price", decimal_text(fill.price, instrument.spec.price_decimals)},
          {"size", decimal_text(fill.size, instrument.spec.size_decimals)}});
    in_robot_ = true;
    return robot_->on_health(words.tag, instrument.symbol, state) && after_callback();
}

void TradingLoop::move(Order& order, OrderAct act, std::int64_t size) {
    note_cell(order_machine::take(order, act, size));
}

void TradingLoop::note_cell(OrderCell cell) noexcept {
    if (cell == OrderCell::impossible) ++counters_.impossible;
    if (cell == OrderCell::late) ++counters_.late;
}

void TradingLoop::close_order(const OrderRef& order) {
    unreserve(*order);
    orders_.remove(order->id);
}

void TradingLoop::take_terms(Order& order, const OrderEventPayload& event) {
    unreserve(order);
    order.price = event.price;
    order.size = event.size;
    reserve(order, order.price != 0 ? order.price : order.instrument->touch(order.side));
}

void TradingLoop::learn(const OrderRef& order, const OrderEventPayload& event) {
    if (event.venue_id != 0) order->venue_id = event.venue_id;
    switch (event.news) {
        case OrderNews::accepted:
        case OrderNews::triggered:
            // A reduce-only order is cut to the reducible size when it becomes active.
            if (event.size > 0 && event.size < order->size) {
                const std::int64_t price = unreserve(*order);
                order->size = event.size;
                reserve(*order, price);
            }
            move(*order, event.news == OrderNews::accepted ? OrderAct::accept : OrderAct::trigger);
            break;
        case OrderNews::rejected:
            ++counters_.rejected;
            ++counters_.rejected_by[event.code];
            note_refusal(order);
            move(*order, OrderAct::reject);
            break;
        case OrderNews::canceled:
            if (event.code != 0) ++counters_.canceled_by[event.code];
            move(*order, OrderAct::cancel_ack);
            break;
        case OrderNews::expired:
            move(*order, OrderAct::expire);
            break;
        case OrderNews::updated:
            take_terms(*order, event);
            move(*order, OrderAct::amend_ack);
            break;
        case OrderNews::cancel_rejected:
            move(*order, OrderAct::cancel_reject);
            // The venue refused the cancel, and in a stop no order may work: retry each second.
            if (!trading_ && !order->closed() && next_sweep_ == never)
                next_sweep_ = now_ + sweep_period;
            break;
        case OrderNews::update_rejected:
            move(*order, OrderAct::amend_reject);
            break;
        case OrderNews::denied:
            deny_order(order, event.code);
            break;
        case OrderNews::lost:
            move(*order, OrderAct::reply_lost);
            break;
        case OrderNews::found:
            // An amendment whose answer was lost may have been applied.
            if (event.size > 0) take_terms(*order, event);
            move(*order, OrderAct::found_working);
            break;
        case OrderNews::absent:
            move(*order, OrderAct::found_absent);
            break;
    }
}

bool TradingLoop::deliver(Instrument& instrument, const OrderEventPayload& news) {
    OrderEventPayload event = news;
    event.cause = counters_.frames;
    ++news_;
    const OrderRef order = orders_.find(event.order_id);
    if (order) order->take_code(event.news, event.code);
    write_news(instrument.index, event, order.get());
    if (!order) {
        ++counters_.late;
        return true;
    }
    learn(order, event);
    if (order->closed()) {
        close_order(order);
        if (flattening_) flatten_after(*order);
    }
    if (storm_) return tell_storm();  // without notifying the strategy, which would respond
    in_robot_ = true;
    return robot_->on_order(order) && after_callback();
}

void TradingLoop::fill_order(const OrderRef& order, const FillPayload& fill) {
    const std::int64_t price = unreserve(*order);
    order->drop_code();
    const OrderCell cell = order_machine::fill(*order, fill.size);
    reserve(*order, price);
    order->cost += static_cast<Int128>(fill.price) * fill.size;
    if (fill.venue_id != 0) order->venue_id = fill.venue_id;
    note_cell(cell);
    follow_entry(*order);
    if (order->closed()) close_order(order);
}

// Updates orders that were sent together with an entry as the exchange has them: triggers follow
// the entry's price, and funds are reserved only once the entry is complete.
void TradingLoop::follow_entry(const Order& entry) {
    for (const OrderRef& child : entry.children) {
        if (child->attached.entry != entry.id || child->closed()) continue;
        if (child->attached.follows_price())
            child->trigger = child->attached.trigger_behind(
                entry.cost, entry.filled, std::max<std::int64_t>(entry.instrument->spec.tick, 1));
        if (entry.remaining() == 0 && child->reserve_price == 0)
            reserve(*child, child->instrument->touch(child->side));
    }
}

bool TradingLoop::deliver(Instrument& instrument, const FillPayload& news, std::uint64_t sequence) {
    FillPayload fill = news;
    fill.cause = counters_.frames;
    ++news_;
    write(EventType::fill, instrument.index, &fill, sizeof fill);
    ++counters_.fills;
    fill_profits_.push_back(static_cast<double>(book_fill(instrument, fill, sequence)) / 1e18);
    const bool forced = fill.order_id >= venue_orders;
    const OrderRef order = forced ? adopt(instrument, fill) : orders_.find(fill.order_id);
    if (!order) {
        ++counters_.late;
        return true;
    }
    fill_order(order, fill);
    if (options_.sample_every > 0) note_equity(worth());
    // An order whose cancel came too late has filled: close that position, too.
    if (flattening_) flatten();
    in_robot_ = true;
    return robot_->on_fill(order, fill) && after_callback() && (in_robot_ = true) &&
           robot_->on_order(order) && after_callback() && (in_robot_ = true) &&
           robot_->on_position(instrument, fill.position_side) && after_callback() &&
           (!forced || tell_forced(instrument, fill));
}

}  // namespace onetape
