#include "exchange/matching.hpp"

#include <algorithm>

#include "exchange/account.hpp"
#include "exchange/errors.hpp"
#include "exchange/news.hpp"
#include "exchange/order_rules.hpp"

namespace onetape {

MatchingEngine::MatchingEngine(const InstrumentSpec& spec, const MatchingOptions& options,
                               MatchingSink& sink) noexcept
    : spec_(spec), options_(options), sink_(&sink), ids_(1024) {}

void MatchingEngine::request(std::uint32_t participant, std::int64_t now,
                             const OrderRequestPayload& request, bool hidden) noexcept {
    switch (request.kind) {
        case RequestKind::place:
            place(participant, now, request, hidden);
            break;
        case RequestKind::cancel:
            cancel(participant, now, request);
            break;
        case RequestKind::amend:
            amend(participant, now, request);
            break;
    }
    finish_call(now);
}

void MatchingEngine::place(std::uint32_t participant, std::int64_t now,
                           const OrderRequestPayload& request, bool hidden) noexcept {
    std::uint16_t code =
        options_.check_rules ? check_order(spec_, request, reference()) : error::none;
    if (code == error::none && request.tif == TimeInForce::gtd && request.expire_ns <= now) {
        code = error::order_invalid;
    }
    if (code == error::none && ids_.find(participant, request.order_id) != IdMap::absent) {
        code = error::duplicate_client_id;
    }
    const bool rises = trigger_rises(request.side, request.flags);
    const bool met = request.trigger != 0 && is_met(request.trigger_by, rises, request.trigger);
    if (code == error::none && met && options_.refuses_met_triggers) {
        code = error::order_would_trigger;
    }
    std::int64_t size = request.size;
    if (code == error::none && request.trigger == 0) {
        if ((request.flags & order_reduce_only) != 0) {
            size = std::min(size, reducible(participant, request.position_side, request.side));
            if (size <= 0) code = error::reduce_only_violated;
        }
        if ((request.flags & order_post_only) != 0 && crosses(request.side, request.price)) {
            code = error::order_would_cross;
        }
    }
    if (code != error::none) {
        refuse(participant, now, request, OrderNews::rejected, code);
        return;
    }
    const std::uint32_t slot = allocate();
    Order& order = orders_[slot];
    order = {.price = request.price,
             .left = size,
             .size = size,
             .order_id = request.order_id,
             .venue_id = next_venue_id_++,
             .participant = participant,
             .previous = none,
             .next = none,
             .level = none,
             .trigger = request.trigger,
             .expire_ns = request.expire_ns,
             .side = request.side,
             .type = request.type,
             .tif = request.tif,
             .trigger_by = request.trigger_by,
             .position_side = request.position_side,
             .flags = request.flags,
             .robot = request.robot,
             .place = Place::incoming,
             .rises = rises,
             .hidden = hidden};
    ids_.insert(participant, request.order_id, slot);
    if (request.tif == TimeInForce::gtd) {
        expiries_.push_back({request.expire_ns, order.venue_id, slot});
        std::push_heap(expiries_.begin(), expiries_.end());
    }
    emit(order, now, OrderNews::accepted, OrderState::accepted, error::none);
    if (request.trigger == 0) {
        match(slot, now);
        return;
    }
    if (met) {
        fire(slot, now, error::order_would_trigger);
    } else {
        add_trigger(slot);
    }
}

// Checks and places a triggered order: the checks that its placing skipped are done now.
void MatchingEngine::activate(std::uint32_t slot, std::int64_t now) noexcept {
    Order& order = orders_[slot];
    if ((order.flags & order_reduce_only) != 0) {
        const std::int64_t left = reducible(order.participant, order.position_side, order.side);
        if (left <= 0) {
            close(slot, now, OrderNews::canceled, error::reduce_only_violated);
            return;
        }
        if (left < order.left) {
            order.size -= order.left - left;
            order.left = left;
        }
    }
    if ((order.flags & order_post_only) != 0 && crosses(order.side, order.price)) {
        close(slot, now, OrderNews::canceled, error::order_would_cross);
        return;
    }
    match(slot, now);
}

// Takes what it may from the other side, then rests or ends.
void MatchingEngine::match(std::uint32_t slot, std::int64_t now) noexcept {
    const Side opposite = other_side(orders_[slot].side);
    if (orders_[slot].tif == TimeInForce::fok && !fillable(orders_[slot])) {
        close(slot, now, OrderNews::canceled, error::none);
        return;
    }
    BookSideLevels& book = side_of(opposite);
    while (orders_[slot].left > 0 && !book.refs.empty()) {
        Order& order = orders_[slot];
        const Level& level = levels_[book.refs.back().level];
        if (order.type == OrderType::limit) {
            const bool acceptable =
                order.side == Side::buy ? level.price <= order.price : level.price >= order.price;
            if (!acceptable) break;
        }
        const std::uint32_t maker_slot = level.head;
        Order& maker = orders_[maker_slot];
        std::int64_t size = std::min(order.left, maker.left);
        // Positions may have changed since a reduce-only order came to rest.
        if ((maker.flags & order_reduce_only) != 0) {
            size = std::min(size, reducible(maker.participant, maker.position_side, maker.side));
            if (size <= 0) {
                close(maker_slot, now, OrderNews::canceled, error::reduce_only_violated);
                continue;
            }
        }
        if ((order.flags & order_reduce_only) != 0) {
            size = std::min(size, reducible(order.participant, order.position_side, order.side));
            if (size <= 0) {
                close(slot, now, OrderNews::canceled, error::reduce_only_violated);
                return;
            }
        }
        trade(slot, maker_slot, size, now);
    }
    Order& order = orders_[slot];
    if (order.left == 0) {
        release(slot);
    } else if (order.type == OrderType::market) {
        close(slot, now, OrderNews::canceled, error::market_data_unavailable);
    } else if (order.tif == TimeInForce::ioc || order.tif == TimeInForce::fok) {
        close(slot, now, OrderNews::canceled, error::none);
    } else {
        rest(slot, now);
    }
}

void MatchingEngine::trade(std::uint32_t taker_slot, std::uint32_t maker_slot, std::int64_t size,
                           std::int64_t now) noexcept {
    Order& taker = orders_[taker_slot];
    Order& maker = orders_[maker_slot];
    const std::int64_t price = maker.price;
    taker.left -= size;
    const bool maker_done = maker.left == size;
    if (maker_done) {
        unlink(maker_slot);
        maker.left = 0;
    } else {
        shrink_level(maker, size);
    }
    note_order(maker, now, MboAction::fill, size);
    const std::uint64_t id = next_trade_id_;
    send_fill(maker, price, size, Liquidity::maker, now);
    send_fill(taker, price, size, Liquidity::taker, now);
    ++next_trade_id_;
    last_price_ = price;
    TradePayload trade{};
    trade.ts_event = now;
    trade.ts_recv = now;
    trade.price = price;
    trade.size = size;
    trade.id_low = id;
    trade.side = taker.side;
    trade.id_kind = IdKind::integer;
    sink_->on_trade(trade);
    if (maker_done) release(maker_slot);
}

void MatchingEngine::send_fill(const Order& order, std::int64_t price, std::int64_t size,
                               Liquidity liquidity, std::int64_t now) noexcept {
    held(order.participant, order.position_side) += order.side == Side::buy ? size : -size;
    FillPayload fill{};
    fill.order_id = order.order_id;
    fill.venue_id = order.venue_id;
    fill.trade_id = next_trade_id_;
    fill.ts_event = now;
    fill.price = price;
    fill.size = size;
    const Money fee = fee_of(spec_, liquidity, price, size);
    fill.fee_low = low_half(fee);
    fill.fee_high = high_half(fee);
    fill.side = order.side;
    fill.liquidity = liquidity;
    fill.position_side = order.position_side;
    fill.robot = order.robot;
    sink_->on_fill(order.participant, fill);
}

bool MatchingEngine::crosses(Side side, std::int64_t price) const noexcept {
    const auto& refs = side_of(other_side(side)).refs;
    if (refs.empty()) return false;
    const std::int64_t best = levels_[refs.back().level].price;
    return side == Side::buy ? best <= price : best >= price;
}

// Whether all of an order would trade now: like match(), without its effects. The position of each
// participant on the way limits its reduce-only orders.
bool MatchingEngine::fillable(const Order& order) noexcept {
    const auto& refs = side_of(other_side(order.side)).refs;
    moved_.clear();
    const auto moved = [this](const Order& whose) -> std::int64_t& {
        const std::size_t at = held_at(whose.participant, whose.position_side);
        for (auto& [who, by] : moved_) {
            if (who == at) return by;
        }
        return moved_.emplace_back(at, 0).second;
    };
    const auto room = [&](const Order& whose) {
        if ((whose.flags & order_reduce_only) == 0) return whose.left;
        const std::int64_t held = position(whose.participant, whose.position_side) + moved(whose);
        return std::max<std::int64_t>(whose.side == Side::buy ? -held : held, 0);
    };
    std::int64_t left = order.left;
    for (std::size_t at = refs.size(); at-- > 0 && left > 0;) {
        const Level& level = levels_[refs[at].level];
        if (order.type == OrderType::limit) {
            const bool acceptable =
                order.side == Side::buy ? level.price <= order.price : level.price >= order.price;
            if (!acceptable) break;
        }
        for (std::uint32_t slot = level.head; slot != none && left > 0; slot = orders_[slot].next) {
            const Order& maker = orders_[slot];
            std::int64_t size = std::min(std::min(left, maker.left), room(maker));
            if (size == 0) continue;
            if ((order.flags & order_reduce_only) != 0) size = std::min(size, room(order));
            if (size == 0) return false;
            moved(maker) += maker.side == Side::buy ? size : -size;
            moved(order) += order.side == Side::buy ? size : -size;
            left -= size;
        }
    }
    return left == 0;
}

std::int64_t MatchingEngine::reducible(std::uint32_t participant, PositionSide position_side,
                                       Side side) const noexcept {
    const std::int64_t held = position(participant, position_side);
    return std::max<std::int64_t>(side == Side::buy ? -held : held, 0);
}

// Mark, else last trade, else mid: the base of bands and market values.
std::int64_t MatchingEngine::reference() const noexcept {
    if (mark_ != 0) return mark_;
    if (last_price_ != 0) return last_price_;
    if (level_count(Side::buy) == 0 || level_count(Side::sell) == 0) return 0;
    return (level(Side::buy, 0).price + level(Side::sell, 0).price) / 2;
}

void MatchingEngine::cancel(std::uint32_t participant, std::int64_t now,
                            const OrderRequestPayload& request) noexcept {
    const std::uint32_t slot = ids_.find(participant, request.order_id);
    if (slot == IdMap::absent) {
        refuse(participant, now, request, OrderNews::cancel_rejected, error::order_unknown);
        return;
    }
    close(slot, now, OrderNews::canceled, error::none);
}

void MatchingEngine::cancel_all(std::uint32_t participant, std::int64_t now, Side side) noexcept {
    std::vector<std::uint32_t> slots;
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) {
        const Order& order = orders_[slot];
        if (order.place == Place::free || order.participant != participant) continue;
        if (side == Side::none || order.side == side) slots.push_back(slot);
    }
    std::sort(slots.begin(), slots.end(), [this](std::uint32_t left, std::uint32_t right) {
        return orders_[left].venue_id < orders_[right].venue_id;
    });
    for (const std::uint32_t slot : slots) close(slot, now, OrderNews::canceled, error::none);
    finish_call(now);
}

// The venue's rule decides what is accepted and what keeps its place: see amend_rule.hpp. A size
// that is already filled ends the order.
void MatchingEngine::amend(std::uint32_t participant, std::int64_t now,
                           const OrderRequestPayload& request) noexcept {
    const std::uint32_t slot = ids_.find(participant, request.order_id);
    if (slot == IdMap::absent) {
        refuse(participant, now, request, OrderNews::update_rejected, error::order_unknown);
        return;
    }
    Order& order = orders_[slot];
    const std::int64_t filled = order.size - order.left;
    const std::int64_t price = request.price != 0 ? request.price : order.price;
    const std::int64_t size = request.size != 0 ? request.size : order.size;
    const OrderState state = filled != 0 ? OrderState::partially_filled : OrderState::accepted;
    const bool retriggers =
        order.place == Place::trigger && request.trigger != 0 && request.trigger != order.trigger;
    const bool smaller = price == order.price && size <= order.size && !retriggers;
    std::uint16_t code = options_.amend.takes(order.place == Place::trigger, smaller)
                             ? error::none
                             : error::venue_rejected;
    if (code == error::none && options_.check_rules) {
        code = check_price_size(spec_, order.side, order.type, price, size,
                                (order.flags & order_reduce_only) != 0,
                                order.place == Place::trigger ? order.trigger : reference());
    }
    if (code == error::none && order.place == Place::trigger && request.trigger != 0 &&
        options_.check_rules && spec_.tick > 1 && request.trigger % spec_.tick != 0) {
        code = error::order_invalid;
    }
    const bool met = retriggers && is_met(order.trigger_by, order.rises, request.trigger);
    if (code == error::none && met && options_.refuses_met_triggers) {
        code = error::order_would_trigger;
    }
    if (code == error::none && order.place == Place::resting &&
        (order.flags & order_post_only) != 0 && price != order.price &&
        crosses(order.side, price)) {
        code = error::order_would_cross;
    }
    if (code != error::none) {
        emit(order, now, OrderNews::update_rejected, state, code);
        return;
    }
    if (filled != 0 && size <= filled) {
        close(slot, now, OrderNews::canceled, error::none);
        return;
    }
    if (order.place == Place::trigger) {
        remove_trigger(slot);
        order.price = price;
        order.size = order.left = size;
        if (request.trigger != 0) order.trigger = request.trigger;
        emit(order, now, OrderNews::updated, state, error::none);
        if (met) {
            fire(slot, now, error::order_would_trigger);
        } else {
            add_trigger(slot);
        }
        return;
    }
    if (options_.amend.keeps_place(smaller)) {
        const std::int64_t less = order.size - size;
        order.size = size;
        if (less != 0) {
            shrink_level(order, less);
            note_order(order, now, MboAction::modify, order.left);
        }
        emit(order, now, OrderNews::updated, state, error::none);
        return;
    }
    const std::size_t noted = orders_changed_.size();
    note_order(order, now, MboAction::cancel, order.left);
    unlink(slot);
    order.price = price;
    order.size = size;
    order.left = size - filled;
    emit(order, now, OrderNews::updated, state, error::none);
    match(slot, now);
    // An order that only went to the end of a queue was modified.
    if (orders_changed_.size() == noted + 2 &&
        orders_changed_.back().order_id == orders_changed_[noted].order_id &&
        orders_changed_.back().action == MboAction::add) {
        orders_changed_[noted] = orders_changed_.back();
        orders_changed_[noted].action = MboAction::modify;
        orders_changed_.pop_back();
    }
}

void MatchingEngine::set_mark(std::int64_t now, std::int64_t mark, std::int64_t index) noexcept {
    if (mark != 0) mark_ = mark;
    if (index != 0) index_ = index;
    finish_call(now);
}

std::int64_t MatchingEngine::next_expiry() const noexcept {
    return expiries_.empty() ? never : expiries_.front().at;
}

void MatchingEngine::expire(std::int64_t now) noexcept {
    while (!expiries_.empty() && expiries_.front().at <= now) {
        const Expiry due = expiries_.front();
        std::pop_heap(expiries_.begin(), expiries_.end());
        expiries_.pop_back();
        const Order& order = orders_[due.slot];
        if (order.place == Place::free || order.venue_id != due.venue_id) continue;
        close(due.slot, now, OrderNews::expired, error::none);
    }
    finish_call(now);
}

void MatchingEngine::set_position(std::uint32_t participant, std::int64_t qty,
                                  PositionSide position_side) noexcept {
    held(participant, position_side) = qty;
}

std::int64_t MatchingEngine::position(std::uint32_t participant,
                                      PositionSide position_side) const noexcept {
    const std::size_t at = held_at(participant, position_side);
    return at < positions_.size() ? positions_[at] : 0;
}

std::int64_t& MatchingEngine::held(std::uint32_t participant, PositionSide position_side) noexcept {
    const std::size_t at = held_at(participant, position_side);
    if (at >= positions_.size()) positions_.resize(at + 1);
    return positions_[at];
}

void MatchingEngine::close(std::uint32_t slot, std::int64_t now, OrderNews news,
                           std::uint16_t code) noexcept {
    if (orders_[slot].place == Place::resting)
        note_order(orders_[slot], now, MboAction::cancel, orders_[slot].left);
    unlink(slot);
    emit(orders_[slot], now, news,
         news == OrderNews::expired ? OrderState::expired : OrderState::canceled, code);
    release(slot);
}

void MatchingEngine::emit(const Order& order, std::int64_t now, OrderNews news, OrderState state,
                          std::uint16_t code) noexcept {
    OrderEventPayload event{};
    event.order_id = order.order_id;
    event.venue_id = order.venue_id;
    event.ts_event = now;
    event.price = order.price;
    event.size = order.size;
    event.filled = order.size - order.left;
    event.code = code;
    event.news = news;
    event.state = state;
    event.robot = order.robot;
    sink_->on_order_event(order.participant, event);
}

void MatchingEngine::refuse(std::uint32_t participant, std::int64_t now,
                            const OrderRequestPayload& request, OrderNews news,
                            std::uint16_t code) noexcept {
    sink_->on_order_event(participant, refusal_event(request, now, news, code));
}

void MatchingEngine::finish_call(std::int64_t now) noexcept {
    if (trigger_count_ != 0) run_triggers(now);
    if (!changed_[0].empty() || !changed_[1].empty()) publish(now);
}

void MatchingEngine::publish(std::int64_t now) noexcept {
    if (!orders_changed_.empty()) {
        orders_changed_.back().last = 1;
        sink_->on_orders(now, orders_changed_);
        orders_changed_.clear();
    }
    sink_->on_levels(now, changed_[0], changed_[1]);
    changed_[0].clear();
    changed_[1].clear();
    const BookLevel bid = level_count(Side::buy) == 0 ? BookLevel{0, 0} : level(Side::buy, 0);
    const BookLevel ask = level_count(Side::sell) == 0 ? BookLevel{0, 0} : level(Side::sell, 0);
    if (bid.price == touch_.bid && bid.size == touch_.bid_size && ask.price == touch_.ask &&
        ask.size == touch_.ask_size) {
        return;
    }
    touch_.ts_event = now;
    touch_.ts_recv = now;
    touch_.bid = bid.price;
    touch_.ask = ask.price;
    touch_.bid_size = bid.size;
    touch_.ask_size = ask.size;
    ++touch_.update_id;
    sink_->on_touch(touch_);
}

}  // namespace onetape
