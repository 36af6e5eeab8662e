// Clock-driven events of the exchange: closing hours, expiring contracts, delayed triggers,
// interest on loans.
#include <algorithm>

#include "exchange/errors.hpp"
#include "exchange/recorded.hpp"

namespace onetape {

namespace {

constexpr std::int64_t hour_ns = 3600LL * 1'000'000'000;

}  // namespace

void RecordedExchange::set_rules(const VenueRules& rules) noexcept {
    rules_ = rules;
    for (const BorrowRate& borrow : rules_.borrow)
        account_->set_borrow(borrow.currency, borrow.rate);
    find_next_event();
}

void RecordedExchange::begin(std::int64_t now) noexcept {
    while (next_deleveraging_ < rules_.deleveragings.size() &&
           rules_.deleveragings[next_deleveraging_].time < now)
        ++next_deleveraging_;  // before the run
    if (!rules_.borrow.empty()) next_interest_ = now - now % hour_ns + hour_ns;
    clock_ = now;
    find_next_event();
}

RecordedExchange::Venue& RecordedExchange::venue_of(std::uint32_t index) noexcept {
    const std::uint32_t venue = markets_[index].venue;
    if (venue >= venues_.size()) venues_.resize(venue + 1);
    return venues_[venue];
}

// Whether the venue is closed then; `until` is when it opens.
bool RecordedExchange::closed_at(std::uint32_t venue, std::int64_t now,
                                 std::int64_t& until) const noexcept {
    bool closed = false;
    until = now;
    for (const ClosedSpan& span : rules_.closed) {
        if (span.venue != 0 && span.venue != venue) continue;
        if (span.from > now || now >= span.to) continue;
        closed = true;
        until = std::max(until, span.to);
    }
    return closed;
}

void RecordedExchange::look_at_hours(std::uint32_t index, std::int64_t now) noexcept {
    if (rules_.closed.empty()) return;
    std::int64_t until = 0;
    markets_[index].closed = closed_at(markets_[index].venue, now, until);
}

// 0, or why the venue refuses all requests now.
std::uint16_t RecordedExchange::venue_refusal(std::uint32_t index, std::int64_t now,
                                              RequestKind kind) noexcept {
    if (index >= markets_.size() || markets_[index].view == nullptr) return error::none;
    std::int64_t until = 0;
    if (!rules_.closed.empty() && closed_at(markets_[index].venue, now, until))
        return error::venue_unavailable;
    if (kind == RequestKind::cancel) return error::none;
    if (markets_[index].settled) return error::venue_closed;
    const OrderRate rate = rules_.order_rate(markets_[index].venue);
    if (rate.limit > 0 && !venue_of(index).bucket.take(now, rate.limit, rate.window)) {
        ++counters_.rate_limited;
        return error::venue_rate_limit;
    }
    return error::none;
}

void RecordedExchange::find_next_event() noexcept {
    std::int64_t next = next_interest_;
    for (const ClosedSpan& span : rules_.closed) {
        if (span.from > clock_) next = std::min(next, span.from);
        if (span.to > clock_) next = std::min(next, span.to);
    }
    for (const Market& market : markets_) {
        if (market.expiry != 0 && !market.settled) next = std::min(next, market.expiry);
    }
    for (const Delayed& delayed : delayed_) next = std::min(next, delayed.due);
    if (next_deleveraging_ < rules_.deleveragings.size())
        next = std::min(next, rules_.deleveragings[next_deleveraging_].time);
    next_event_ = next;
}

void RecordedExchange::run_events(std::int64_t now) noexcept {
    clock_ = std::max(clock_, now);
    for (const ClosedSpan& span : rules_.closed) {
        if (span.from == now && span.cancels) {
            cancel_where(now, error::venue_unavailable, [&](const Order& order) {
                return span.venue == 0 || markets_[order.instrument].venue == span.venue;
            });
        }
    }
    for (std::uint32_t index = 0; index < markets_.size(); ++index) {
        Market& market = markets_[index];
        std::int64_t until = 0;
        market.closed = !rules_.closed.empty() && closed_at(market.venue, clock_, until);
        if (market.expiry != 0 && !market.settled && market.expiry <= now) settle(index, now);
    }
    run_deleveragings(now);
    if (next_interest_ <= now) charge_interest(next_interest_);
    while (!delayed_.empty() && delayed_.front().due <= now) {
        const Delayed delayed = delayed_.front();
        delayed_.erase(delayed_.begin());
        const Order& order = orders_[delayed.slot];
        if (!order.live || order.venue_id != delayed.venue_id) continue;  // ended meanwhile
        std::int64_t until = 0;
        const std::uint32_t index = order.instrument;
        if (closed_at(markets_[index].venue, now, until)) {
            delay_trigger(delayed.slot, until);
        } else {
            go_live(delayed.slot, now, true);
            sweep_reduce_only(index, now);
        }
    }
    find_next_event();
}

// A contract's expiry: orders are canceled, positions are closed at the settlement price, free of
// fee.
void RecordedExchange::settle(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    market.settled = true;
    cancel_where(now, error::venue_closed,
                 [&](const Order& order) { return order.instrument == index; });
    if (!market.held) return;
    const std::int64_t price = market.view == nullptr ? 0 : reference(market);
    if (price == 0) return;  // no price was ever seen: there can be no position
    pay_fundings(index, now - 1);
    account_->set_mark(index, price);
    for (const PositionSide side :
         {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
        const std::int64_t qty = account_->position(index, side).qty;
        if (qty == 0) continue;
        ++counters_.settlements;
        if (market.view->mark == 0) ++counters_.settlements_without_mark;
        close_by_venue(index, side,
                       venue_fill(index, side, price, qty < 0 ? -qty : qty, now, settlement_orders),
                       now);
    }
}

void RecordedExchange::charge_interest(std::int64_t now) noexcept {
    for (const BorrowRate& borrow : rules_.borrow) {
        const Money balance = account_->balance(borrow.currency);
        if (balance >= 0) continue;
        const Money change = at_rate(balance, borrow.rate);
        if (change == 0) continue;
        account_->credit_interest(borrow.currency, change);
        sink_->on_cash(0, {now, change, CashKind::interest, PositionSide::both, borrow.currency});
    }
    next_interest_ = now + hour_ns;
}

void RecordedExchange::delay_trigger(std::uint32_t slot, std::int64_t due) noexcept {
    const auto later = std::find_if(delayed_.begin(), delayed_.end(),
                                    [due](const Delayed& other) { return other.due > due; });
    delayed_.insert(later, {due, orders_[slot].venue_id, slot});
    next_event_ = std::min(next_event_, due);
}

}  // namespace onetape
