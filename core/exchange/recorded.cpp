#include "exchange/recorded.hpp"

#include <algorithm>
#include <cstring>

#include "exchange/errors.hpp"
#include "exchange/news.hpp"
#include "exchange/order_rules.hpp"

namespace onetape {

namespace {

bool is_reduce_only(const OrderRequestPayload& request) {
    return (request.flags & order_reduce_only) != 0;
}

}  // namespace

RecordedExchange::RecordedExchange(const RecordedOptions& options, Account& account,
                                   ExchangeSink& sink) noexcept
    : options_(options), account_(&account), sink_(&sink) {}

void RecordedExchange::request(std::uint32_t index, std::int64_t now,
                               const OrderRequestPayload& request) noexcept {
    if (const std::uint16_t code = venue_refusal(index, now, request.kind); code != error::none) {
        const bool places = request.kind == RequestKind::place;
        counters_.orders += places ? 1 : 0;
        counters_.rejected += places ? 1 : 0;
        refuse(index, now, request,
               places                                ? OrderNews::rejected
               : request.kind == RequestKind::cancel ? OrderNews::cancel_rejected
                                                     : OrderNews::update_rejected,
               code);
        return;
    }
    switch (request.kind) {
        case RequestKind::place:
            place(index, now, request);
            break;
        case RequestKind::cancel:
            cancel(index, now, request);
            break;
        case RequestKind::amend:
            amend(index, now, request);
            break;
    }
    if (index < markets_.size()) sweep_reduce_only(index, now);
}

void RecordedExchange::place(std::uint32_t index, std::int64_t now,
                             const OrderRequestPayload& wanted) noexcept {
    ++counters_.orders;
    OrderRequestPayload request = wanted;
    Attachment attached;
    if (!attachments_.empty()) {
        if (const auto found = attachments_.extract(request.order_id)) attached = found.mapped();
    }
    const bool is_attached = attached.entry != 0;
    bool on_credit = false;
    if (const std::uint16_t code = admit(index, now, request, is_attached, on_credit);
        code != error::none) {
        ++counters_.rejected;
        refuse(index, now, wanted, OrderNews::rejected, code);
        return;
    }
    std::uint32_t slot = 0;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(orders_.size());
        orders_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    Order& order = orders_[slot];
    order = {};
    order.request = request;
    order.venue_id = next_venue_id_++;
    order.arrival = now;
    order.instrument = index;
    order.live = true;
    order.attached = attached;
    order.on_credit = on_credit;
    on_credit_ += on_credit ? 1 : 0;
    ids_.insert(request.robot, request.order_id, slot);
    Market& market = markets_[index];
    ++market.working;
    note_expiry(request);
    note_bar_period(market);
    if (request.trigger == 0) {
        order.place = Place::waiting;  // until activate() has decided
        reserve(order, request.type == OrderType::limit ? request.price : reference(market));
        emit(order, now, OrderNews::accepted, OrderState::accepted, error::none);
        activate(slot, now);
        return;
    }
    order.place = Place::trigger;
    market.triggers.push_back(slot);
    const BarPayload& bar = market.view->bar;
    if (!is_attached && market.filled_bar != 0 && market.filled_bar == bar.ts_close &&
        trigger_kind_of(request.flags) == TriggerKind::stop && reducible(index, request) > 0 &&
        market.view->goes_by_last(request.trigger_by) &&
        (trigger_rises(request.side, request.flags) ? bar.high >= request.trigger
                                                    : bar.low <= request.trigger))
        ++counters_.late_stops;
    const bool met = !is_attached && trigger_met(index, request, now);
    emit(order, now, OrderNews::accepted, OrderState::accepted, error::none);
    if (met) fire(slot, now, error::order_would_trigger);
}

// All checks of an order on arrival; may cut a reduce-only size.
std::uint16_t RecordedExchange::admit(std::uint32_t index, std::int64_t now,
                                      OrderRequestPayload& request, bool is_attached,
                                      bool& on_credit) noexcept {
    if (index >= markets_.size() || markets_[index].view == nullptr) return error::order_invalid;
    const Market& market = markets_[index];
    if (account_->has_sides(index) != (request.position_side != PositionSide::both))
        return error::account_mode;
    const std::uint16_t code = check_order(market.spec, request, reference(market));
    if (code != error::none) return code;
    if (request.tif == TimeInForce::gtd && request.expire_ns <= now) return error::order_invalid;
    if (ids_.find(request.robot, request.order_id) != IdMap::absent) {
        return error::duplicate_client_id;
    }
    // In hedge mode selling a long (buying a short) only ever reduces it.
    if (request.position_side ==
        (request.side == Side::sell ? PositionSide::long_ : PositionSide::short_)) {
        request.flags |= order_reduce_only;
    }
    if (request.trigger != 0) {  // the rest is checked when it fires
        const bool refused =
            !is_attached && market.refuses_met_triggers && trigger_met(index, request, now);
        return refused ? error::order_would_trigger : error::none;
    }
    if (is_reduce_only(request)) {
        const std::int64_t left = reducible(index, request);
        if (left <= 0) return error::reduce_only_violated;
        request.size = std::min(request.size, left);
    }
    return check_market(index, request, request.size, now, &on_credit);
}

// Checks of an order that becomes active now: post-only, own orders, money.
std::uint16_t RecordedExchange::check_market(std::uint32_t index,
                                             const OrderRequestPayload& request, std::int64_t size,
                                             std::int64_t now, bool* on_credit) noexcept {
    Market& market = markets_[index];
    const bool limited = request.type == OrderType::limit;
    const bool buys = request.side == Side::buy;
    if ((request.flags & order_post_only) != 0 && crosses(market, request.side, request.price)) {
        return error::order_would_cross;
    }
    std::int64_t worst = request.price;
    if (!limited) {
        worst = reference(market);
        if (plan(index, request, size, true, now) > 0) worst = steps_.back().paid;
    }
    const auto& opposite = buys ? market.asks : market.bids;
    if (!opposite.empty() && worst != 0) {
        const std::int64_t own = orders_[opposite.front()].request.price;
        // A limit order at our own price would stand against it; a market order takes the displayed
        // size there first.
        const bool meets =
            buys ? (limited ? worst >= own : worst > own) : (limited ? worst <= own : worst < own);
        if (meets) return error::self_trade;
    }
    if (!options_.check_funds || worst == 0) return error::none;
    mark_for_funds(index);
    const std::uint16_t code = account_->check_funds(index, request.position_side, request.side,
                                                     worst, size, is_reduce_only(request));
    if (code != error::insufficient_funds || on_credit == nullptr || !bars_only(market))
        return code;
    *on_credit = funds_on_credit(index, request, worst, size) == error::none;
    return *on_credit ? error::none : code;
}

// An accepted order meets the market: takes what it may, then rests, waits or ends.
void RecordedExchange::activate(std::uint32_t slot, std::int64_t now) noexcept {
    Order& order = orders_[slot];
    Market& market = markets_[order.instrument];
    const bool rests =
        order.request.type == OrderType::limit &&
        (order.request.tif == TimeInForce::gtc || order.request.tif == TimeInForce::gtd);
    if (silent(market) || bars_only(market)) {
        if (rests) order.taker = crosses(market, order.request.side, order.request.price);
        if (rests && !order.on_credit) {
            rest(slot, now);
        } else {
            order.place = Place::waiting;
            market.waiting.push_back(slot);
        }
        return;
    }
    take(slot, now);
    if (orders_[slot].live) rest(slot, now);
}

void RecordedExchange::rest(std::uint32_t slot, std::int64_t now) noexcept {
    Order& order = orders_[slot];
    const std::uint32_t index = order.instrument;
    Market& market = markets_[index];
    const Side side = order.request.side;
    const std::int64_t price = order.request.price;
    order.place = Place::resting;
    order.arrival = now;
    if (market.pushed && !bars_only(market)) order.taker = was_kept(index, order.request);
    join_queue(order);
    auto& list = side == Side::buy ? market.bids : market.asks;
    const auto behind = [&](std::uint32_t other) {
        const std::int64_t theirs = orders_[other].request.price;
        return side == Side::buy ? theirs < price : theirs > price;
    };
    list.insert(std::find_if(list.begin(), list.end(), behind), slot);
}

std::int64_t RecordedExchange::fill(std::uint32_t slot, std::int64_t time, std::int64_t price,
                                    std::int64_t size, Liquidity liquidity) noexcept {
    Order& order = orders_[slot];
    Market& market = markets_[order.instrument];
    const OrderRequestPayload& request = order.request;
    size = std::min(size, request.size - order.filled);
    const bool reduces = is_reduce_only(request);
    if (reduces) size = std::min(size, reducible(order.instrument, request));
    if (size <= 0) {
        if (reduces) close(slot, time, OrderNews::canceled, error::reduce_only_violated);
        return 0;
    }
    if (!market.fee_tiers.empty()) update_tier(order.instrument, time);
    const std::int64_t reserved = order.reserved_price;
    unreserve(order);
    order.filled += size;
    order.cost += static_cast<Int128>(price) * size;
    if (!market.triggers.empty()) [[unlikely]]
        cover_legs(order, size);
    FillPayload fill{};
    fill.order_id = request.order_id;
    fill.venue_id = order.venue_id;
    fill.trade_id = next_trade_id_++;
    fill.ts_event = time;
    fill.price = price;
    fill.size = size;
    const Money fee = fee_of(market.spec, liquidity, price, size);
    fill.fee_low = low_half(fee);
    fill.fee_high = high_half(fee);
    fill.side = request.side;
    fill.liquidity = liquidity;
    fill.position_side = request.position_side;
    fill.robot = request.robot;
    account_->apply_fill(order.instrument, fill);
    if (market.pushed) [[unlikely]]
        note_impact(order.instrument, fill);
    if (!market.fee_tiers.empty()) count_volume(market, time, price, size);
    ++counters_.fills;
    market.sweep = true;
    note_held(order.instrument);
    const std::uint32_t instrument = order.instrument;
    const bool done = order.filled == request.size;
    if (done) {
        release(slot);
    } else if (reserved != 0) {
        reserve(order, reserved);
    }
    sink_->on_fill(instrument, fill);
    if (!done && reduces && reducible(instrument, request) <= 0) {
        close(slot, time, OrderNews::canceled, error::reduce_only_violated);
    }
    return size;
}

// An entry's fill raises the quantity that its stop and take-profit close; a fill of one of them
// lowers that of the other.
void RecordedExchange::cover_legs(const Order& order, std::int64_t size) noexcept {
    const Market& market = markets_[order.instrument];
    for (const std::uint32_t slot : market.triggers) {
        Order& leg = orders_[slot];
        if (leg.attached.entry == 0 || leg.request.robot != order.request.robot) continue;
        if (leg.attached.entry == order.attached.entry) {
            leg.covers = std::max<std::int64_t>(leg.covers - size, 0);
        } else if (leg.attached.entry == order.request.order_id) {
            leg.covers += size;
            if (leg.attached.follows_price())
                leg.request.trigger = leg.attached.trigger_behind(
                    order.cost, order.filled, std::max<std::int64_t>(market.spec.tick, 1));
        }
    }
}

// Units by which an order could reduce its position; 0 if it would open or increase one.
std::int64_t RecordedExchange::reducible(std::uint32_t index,
                                         const OrderRequestPayload& request) const noexcept {
    const std::int64_t held = account_->position(index, request.position_side).qty;
    return request.side == Side::buy ? std::max<std::int64_t>(-held, 0)
                                     : std::max<std::int64_t>(held, 0);
}

// Cancels reduce-only orders whose position is gone. Untriggered ones stay: a stop may be placed
// before the position that it protects.
void RecordedExchange::sweep_reduce_only(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    if (!market.sweep) return;
    market.sweep = false;
    batch_.clear();
    for (const auto* list : {&market.bids, &market.asks, &market.waiting}) {
        for (const std::uint32_t slot : *list) {
            const OrderRequestPayload& request = orders_[slot].request;
            if (is_reduce_only(request) && reducible(index, request) <= 0) batch_.push_back(slot);
        }
    }
    for (const std::uint32_t slot : batch_) {
        close(slot, now, OrderNews::canceled, error::reduce_only_violated);
    }
}

void RecordedExchange::cancel(std::uint32_t index, std::int64_t now,
                              const OrderRequestPayload& request) noexcept {
    const std::uint32_t slot = ids_.find(request.robot, request.order_id);
    if (slot == IdMap::absent || orders_[slot].instrument != index) {
        refuse(index, now, request, OrderNews::cancel_rejected, error::order_unknown);
        return;
    }
    close(slot, now, OrderNews::canceled, error::none);
}

// Amends price and size, 0: unchanged. The venue's rule decides what is accepted and what keeps the
// place in the queue; a size that is already filled ends the order.
void RecordedExchange::amend(std::uint32_t index, std::int64_t now,
                             const OrderRequestPayload& request) noexcept {
    const std::uint32_t slot = ids_.find(request.robot, request.order_id);
    if (slot == IdMap::absent || orders_[slot].instrument != index) {
        refuse(index, now, request, OrderNews::update_rejected, error::order_unknown);
        return;
    }
    Order& order = orders_[slot];
    Market& market = markets_[index];
    OrderRequestPayload wanted = order.request;
    if (request.price != 0) wanted.price = request.price;
    if (request.size != 0) wanted.size = request.size;
    if (request.trigger != 0 && order.place == Place::trigger) wanted.trigger = request.trigger;
    const bool smaller = wanted.price == order.request.price && wanted.size <= order.request.size &&
                         wanted.trigger == order.request.trigger;
    std::uint16_t code = market.amend.takes(order.place == Place::trigger, smaller)
                             ? check_order(market.spec, wanted, reference(market))
                             : error::venue_rejected;
    const bool met = wanted.trigger != order.request.trigger && trigger_met(index, wanted, now);
    if (code == error::none && met && market.refuses_met_triggers)
        code = error::order_would_trigger;
    if (code == error::none && order.filled != 0 && wanted.size <= order.filled) {
        close(slot, now, OrderNews::canceled, error::none);
        return;
    }
    if (code != error::none) {
        emit(order, now, OrderNews::update_rejected,
             order.filled != 0 ? OrderState::partially_filled : OrderState::accepted, code);
        return;
    }
    if (order.place == Place::trigger || order.place == Place::delayed) {
        order.request = wanted;
        emit(order, now, OrderNews::updated, OrderState::accepted, error::none);
        if (met) fire(slot, now, error::order_would_trigger);
        return;
    }
    const OrderState state =
        order.filled != 0 ? OrderState::partially_filled : OrderState::accepted;
    const bool shrinks = market.amend.keeps_place(smaller);
    const std::int64_t reserved = order.reserved_price;
    unreserve(order);
    if (!shrinks) code = check_market(index, wanted, wanted.size - order.filled, now);
    if (code != error::none) {
        reserve(order, reserved);
        emit(order, now, OrderNews::update_rejected, state, code);
        return;
    }
    const bool resting = order.place == Place::resting;
    if (!shrinks && resting) unlink(slot);
    order.request = wanted;
    reserve(order, wanted.type == OrderType::limit ? wanted.price : reserved);
    emit(order, now, OrderNews::updated, state, error::none);
    if (!shrinks && resting) activate(slot, now);
}

void RecordedExchange::close(std::uint32_t slot, std::int64_t now, OrderNews news,
                             std::uint16_t code) noexcept {
    Order& order = orders_[slot];
    unreserve(order);
    const OrderState state =
        news == OrderNews::expired ? OrderState::expired : OrderState::canceled;
    const Order gone = order;
    release(slot);
    emit(gone, now, news, state, code);
}

void RecordedExchange::release(std::uint32_t slot) noexcept {
    unlink(slot);
    Order& order = orders_[slot];
    ids_.erase(order.request.robot, order.request.order_id);
    order.live = false;
    on_credit_ -= order.on_credit ? 1 : 0;
    order.on_credit = false;
    Market& market = markets_[order.instrument];
    // No order is left that the open of a bar could fill.
    if (--market.working == 0 && !market.in_bar && !market.fundings.empty()) [[unlikely]]
        pay_fundings(order.instrument, never);
    free_.push_back(slot);
    if (order.request.tif == TimeInForce::gtd && order.request.expire_ns == next_expiry_)
        find_next_expiry();
}

void RecordedExchange::unlink(std::uint32_t slot) noexcept {
    const Order& order = orders_[slot];
    Market& market = markets_[order.instrument];
    if (order.place == Place::delayed) return;
    auto& list = order.place == Place::trigger     ? market.triggers
                 : order.place == Place::waiting   ? market.waiting
                 : order.request.side == Side::buy ? market.bids
                                                   : market.asks;
    // A new order that trades at once is in no list yet.
    const auto at = std::find(list.begin(), list.end(), slot);
    if (at != list.end()) list.erase(at);
}

// Reduce-only orders of derivatives reserve nothing; a spot order always reserves what it will pay.
void RecordedExchange::reserve(Order& order, std::int64_t price) noexcept {
    const OrderRequestPayload& request = order.request;
    const Market& market = markets_[order.instrument];
    order.reserved_price = 0;
    if (price == 0) return;
    if (market.spec.kind != ContractKind::spot && is_reduce_only(request)) return;
    order.reserved_price = price;
    account_->add_working(order.instrument, request.position_side, request.side, price,
                          request.size - order.filled);
}

void RecordedExchange::unreserve(Order& order) noexcept {
    if (order.reserved_price == 0) return;
    account_->remove_working(order.instrument, order.request.position_side, order.request.side,
                             order.reserved_price, order.request.size - order.filled);
    order.reserved_price = 0;
}

// Of working orders only: the clock does not stop at expiries of ended ones.
void RecordedExchange::find_next_expiry() noexcept {
    next_expiry_ = never;
    for (const Order& order : orders_) {
        if (order.live) note_expiry(order.request);
    }
}

void RecordedExchange::note_expiry(const OrderRequestPayload& request) noexcept {
    if (request.tif == TimeInForce::gtd) next_expiry_ = std::min(next_expiry_, request.expire_ns);
}

// Bars are not processed while no order works, so the last one is checked when an order comes: of
// two that close together the shorter is first, and the longer must not fill what came between.
void RecordedExchange::note_bar_period(Market& market) noexcept {
    const std::int64_t period = market.view->has_bar ? market.view->bar.period_ns : 0;
    if (period <= 0) return;
    market.bar_period = market.bar_period == 0 ? period : std::min(market.bar_period, period);
}

void RecordedExchange::expire(std::int64_t now) noexcept {
    if (now < next_expiry_) return;
    batch_.clear();
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) {
        const Order& order = orders_[slot];
        if (order.live && order.request.tif == TimeInForce::gtd && order.request.expire_ns <= now)
            batch_.push_back(slot);
    }
    std::sort(batch_.begin(), batch_.end(), [this](std::uint32_t left, std::uint32_t right) {
        return orders_[left].venue_id < orders_[right].venue_id;
    });
    for (const std::uint32_t slot : batch_) close(slot, now, OrderNews::expired, error::none);
    find_next_expiry();
}

void RecordedExchange::finish(std::int64_t now) noexcept {
    end_data();
    batch_.clear();
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) {
        if (orders_[slot].live) batch_.push_back(slot);
    }
    std::sort(batch_.begin(), batch_.end(), [this](std::uint32_t left, std::uint32_t right) {
        return orders_[left].venue_id < orders_[right].venue_id;
    });
    for (const std::uint32_t slot : batch_) close(slot, now, OrderNews::canceled, error::none);
    next_expiry_ = never;
}

void RecordedExchange::emit(const Order& order, std::int64_t now, OrderNews news, OrderState state,
                            std::uint16_t code) noexcept {
    OrderEventPayload event{};
    event.order_id = order.request.order_id;
    event.venue_id = order.venue_id;
    event.ts_event = now;
    event.price = order.request.price;
    event.size = order.request.size;
    event.filled = order.filled;
    event.code = code;
    event.news = news;
    event.state = state;
    event.robot = order.request.robot;
    sink_->on_order_event(order.instrument, event);
}

void RecordedExchange::refuse(std::uint32_t index, std::int64_t now,
                              const OrderRequestPayload& request, OrderNews news,
                              std::uint16_t code) noexcept {
    sink_->on_order_event(index, refusal_event(request, now, news, code));
}

}  // namespace onetape
