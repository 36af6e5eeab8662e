// The robot's services: orders, bars, timers. Actions are collected and sent together.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/reasons.hpp"
#include "engine/trading_loop.hpp"
#include "exchange/errors.hpp"
#include "exchange/order_rules.hpp"

namespace onetape {

namespace {

constexpr std::uint64_t state_every = 1000;  // actions between state hashes on the tape
constexpr std::string_view flatten_tag = "flatten";
constexpr std::int64_t flatten_pause_max = 3'600'000'000'000;
constexpr std::int64_t refusal_period = 1'000'000'000;

OrderRequestPayload request_of(const OrderSpec& spec) {
    OrderRequestPayload request{};
    request.price = spec.price;
    request.size = spec.size;
    request.trigger = spec.trigger;
    request.expire_ns = spec.expire_ns;
    request.kind = RequestKind::place;
    request.side = spec.side;
    request.type = spec.type;
    request.tif = spec.tif;
    request.flags = spec.flags;
    request.trigger_by = spec.trigger_by;
    request.position_side = spec.position_side;
    std::memcpy(request.tag, spec.tag.data(), std::min(spec.tag.size(), sizeof request.tag));
    return request;
}

OrderRequestPayload request_of(const Order& order, RequestKind kind) {
    OrderRequestPayload request{};
    request.order_id = order.id;
    request.price = order.price;
    request.size = order.size;
    request.trigger = order.trigger;
    request.expire_ns = order.expire_ns;
    request.kind = kind;
    request.side = order.side;
    request.type = order.type;
    request.tif = order.tif;
    request.flags = order.flags;
    request.trigger_by = order.trigger_by;
    request.position_side = order.position_side;
    std::memcpy(request.tag, order.tag.data(), sizeof request.tag);
    return request;
}

Order* find_in(const std::vector<OrderRef>& orders, std::uint64_t id) noexcept {
    for (const OrderRef& order : orders)
        if (order->id == id) return order.get();
    return nullptr;
}

// The denial in the form of a gateway's. The gateway assigns the robot's number.
OrderEventPayload denial_of(const Order& order, std::int64_t now, std::uint64_t cause) {
    OrderEventPayload event{};
    event.order_id = order.id;
    event.ts_event = now;
    event.price = order.price;
    event.size = order.size;
    event.code = order.code;
    event.news = OrderNews::denied;
    event.state = OrderState::denied;
    event.cause = cause;
    return event;
}

}  // namespace

void TradingLoop::hash_action(std::string_view symbol, const OrderRequestPayload& request,
                              std::int64_t now) {
    // As decided: other fields are filled in on sending. The upper half of an id is that of the
    // incarnation that placed it.
    const auto flags = static_cast<std::uint8_t>(request.flags & ~order_denied);
    const std::uint64_t ordinal = request.order_id & 0xffff'ffffu;
    actions_hash_.update_number(static_cast<std::uint8_t>(request.kind));
    actions_hash_.update_number(std::uint8_t{0});
    actions_hash_.update_number(ordinal);
    actions_hash_.update_number(static_cast<std::uint32_t>(symbol.size()));
    actions_hash_.update(symbol.data(), symbol.size());
    actions_hash_.update_number(static_cast<std::uint8_t>(request.side));
    actions_hash_.update_number(static_cast<std::uint8_t>(request.type));
    actions_hash_.update_number(request.price);
    actions_hash_.update_number(request.size);
    actions_hash_.update_number(request.trigger);
    actions_hash_.update_number(static_cast<std::uint8_t>(request.tif));
    actions_hash_.update_number(flags);
    actions_hash_.update(request.tag, sizeof request.tag);
    actions_hash_.update_number(now);
}

void TradingLoop::act(const Instrument& instrument, const OrderRequestPayload& request,
                      std::string_view more) {
    ++counters_.actions;
    hash_action(instrument.symbol, request, now_);
    if (!more.empty())
        beside_.push_back({actions_.size(), EventType::order_request, std::string(more)});
    actions_.emplace_back(instrument.index, request);
    if (!in_robot_) flush_actions();
}

void TradingLoop::append_with_actions(EventType type, std::string payload) {
    beside_.push_back({actions_.size(), type, std::move(payload)});
    actions_.emplace_back(0, OrderRequestPayload{});  // reserves its place with an empty action
    if (!in_robot_) flush_actions();
}

void TradingLoop::write_beside(const Beside& beside) {
    const Status status = append_cold(
        beside.type, 0,
        {reinterpret_cast<const std::byte*>(beside.payload.data()), beside.payload.size()});
    if (status != Status::ok && failure_.ok()) failure_ = {status, "the run's journal"};
}

void TradingLoop::write_request(std::uint32_t index, const OrderRequestPayload& request,
                                std::string_view more, std::uint16_t flags) {
    if (more.empty()) [[likely]]
        return write(EventType::order_request, index, &request, sizeof request, flags);
    std::string whole(reinterpret_cast<const char*>(&request), sizeof request);
    whole += more;
    write(EventType::order_request, index, whole.data(), static_cast<std::uint32_t>(whole.size()),
          flags);
}

void TradingLoop::flush_actions() {
    for (std::size_t at = 0; at < actions_.size(); ++at) flush_action(at);
    if (!behind_.empty()) [[unlikely]]
        for (const auto& [index, request] : actions_)
            if (find_in(behind_, request.order_id) != nullptr)
                exchange_->send(*instruments_[index], now_, request);
    actions_.clear();
    beside_.clear();
    denied_.clear();
    behind_.clear();
}

void TradingLoop::flush_action(std::size_t at) {
    auto& [index, request] = actions_[at];
    std::string_view more;
    for (auto beside = std::find_if(beside_.begin(), beside_.end(),
                                    [at](const Beside& each) { return each.at >= at; });
         beside != beside_.end() && beside->at == at; ++beside) {
        if (beside->type == EventType::order_request)
            more = beside->payload;
        else
            write_beside(*beside);
    }
    if (request.kind == RequestKind{}) return;
    // Denied: the tape has the decision and the reason, nothing is sent.
    const Order* const denied = find_in(denied_, request.order_id);
    const bool places = request.kind == RequestKind::place;
    exchange_->sign(request, *instruments_[index], places && denied != nullptr);
    const bool behind = find_in(behind_, request.order_id) != nullptr;
    write_request(index, request, more, behind ? request_leaves_last : std::uint16_t{0});
    if (denied == nullptr && !behind)
        exchange_->send(*instruments_[index], now_, request);
    else if (denied != nullptr && places)
        write_news(index, denial_of(*denied, now_, counters_.frames), denied, order_never_left);
}

bool TradingLoop::settle() {
    if (robot_->unsettled && !robot_->settle()) return false;
    std::vector<OrderRef> denied;
    if (!actions_.empty()) {
        denied = judge_batch();
        flush_actions();
        if (counters_.actions - state_noted_at_ >= state_every) {
            state_noted_at_ = counters_.actions;
            if (!robot_->note_state()) return false;
        }
    }
    if (storm_) return tell_storm();  // without notifying the strategy, which would respond
    return denied.empty() || tell_denied(denied);
}

// A strategy that answers a refusal with the same order does so at once: thousands of times a
// second live, without end if there is no latency. Counted by the time of placing, because all
// orders placed while a gateway was away are refused at once.
void TradingLoop::note_refusal(const OrderRef& order) {
    last_refused_ = order;
    // In a stop, or to a gateway that is away, orders cannot be sent: the strategy need not be
    // halted for that, trading resumes later, and the other gateways' symbols trade on.
    if (halted_ || order->code == error::trading_stopped || order->code == error::process_down)
        return;
    Refusals& met = refusals_[{order->instrument->index, order->side, order->code}];
    if (met.count == 0 || order->created < met.since ||
        order->created - met.since >= refusal_period)
        met = {order->created, 0};
    if (++met.count == refusals_max + 1) storm_ = order;
}

bool TradingLoop::tell_storm() {
    const OrderRef order = std::exchange(storm_, OrderRef{});
    in_robot_ = true;
    return robot_->on_refusal_storm(order) && after_callback();
}

bool TradingLoop::leave_callback() {
    const bool go_on = after_callback();
    find_next_due();
    return go_on;
}

// Reserves for an order's unfilled part. The former reserve is removed as the sum that was added,
// and the rest is added anew: rounded parts do not add up to the rounded whole.
void TradingLoop::reserve(Order& order, std::int64_t price) {
    order.reserve_price = 0;
    if (order.flags & order_reduce_only || order.remaining() <= 0 || price == 0) return;
    order.reserve_price = price;
    robot_account_.add_working(order.instrument->index, order.position_side, order.side, price,
                               order.remaining());
}

std::int64_t TradingLoop::unreserve(Order& order) {
    const std::int64_t price = order.reserve_price;
    if (price != 0)
        robot_account_.remove_working(order.instrument->index, order.position_side, order.side,
                                      price, order.remaining());
    order.reserve_price = 0;
    return price;
}

OrderRef TradingLoop::open_order(const OrderRef& order, const Instrument& instrument,
                                 const OrderRequestPayload& terms, std::int64_t created) const {
    order->instrument = &instrument;
    order->owner = instruments_[instrument.index];
    order->side = terms.side;
    order->type = terms.type;
    order->tif = terms.tif;
    order->trigger_by = terms.trigger_by;
    order->position_side = terms.position_side;
    order->flags = terms.flags;
    order->price = terms.price;
    order->size = terms.size;
    order->trigger = terms.trigger;
    order->expire_ns = terms.expire_ns;
    order->created = created;
    std::memcpy(order->tag.data(), terms.tag, sizeof terms.tag);
    return order;
}

OrderRef TradingLoop::place(Instrument& instrument, const OrderSpec& spec) {
    if (instrument.spec.kind == ContractKind::spot && spec.side == Side::sell &&
        spec.attached.entry == 0)
        robot_->before_sale(instrument, spec.size);
    OrderRequestPayload request = request_of(spec);
    const OrderRef order = open_order(orders_.add(), instrument, request, now_);
    request.order_id = order->id;
    ++counters_.orders;
    const bool reduce_only = (spec.flags & order_reduce_only) != 0;
    const std::int64_t reference = instrument.touch(spec.side);
    const std::int64_t price = spec.price != 0 ? spec.price : reference;
    std::uint16_t code = 0;
    if (stopping_) {
        code = error::order_invalid;
        order->reason = "the run is over";
    } else if (halted_ && !reduce_only) {
        code = 4303;
        order->reason = "the robot is halted";
    } else if (!exchange_->trades(instrument)) {
        code = 4503;
        order->reason = "its gateway does not trade it";
    } else if (instrument.is_away) {
        code = error::process_down;
        order->reason = "its gateway is away";
    } else if (!trading_) {
        code = error::trading_stopped;
        if (!allowed_) order->reason = "the operator has stopped the robot";
    }
    if (code == 0) code = check_order(instrument.spec, request, reference);
    bool waits = false;
    // The quantity that an attached order sells is not there yet.
    const bool is_attached = spec.attached.entry != 0;
    order->attached = spec.attached;
    if (code == 0 && price != 0 && exchange_->checks_funds() && !is_attached) {
        value_all();
        code = funds_for(robot_account_, *order, price).code;
        if (code == error::insufficient_funds) {
            const Funds funds = funds_for(account_after(*order, false), *order, price);
            code = funds.code;
            waits = code == error::insufficient_funds && in_robot_ && !judging_ &&
                    funds_for(account_after(*order, true), *order, price).code == 0;
            if (!waits) note_shortage(*order, funds);
        }
    }
    if (waits) {  // something may still be sold in this callback
        move(*order, OrderAct::submit);
        unfunded_.push_back(order);
    } else if (code != 0) {
        deny_order(order, code);
        denied_.push_back(order);
        orders_.remove(order->id);
    } else {
        move(*order, OrderAct::submit);
        if (is_attached)
            exchange_->attach(order->id, spec.attached);
        else
            reserve(*order, price);
    }
    act(instrument, request, spec.more);
    return order;
}

void TradingLoop::deny_order(const OrderRef& order, std::uint16_t code) {
    order->code = code;
    ++counters_.denied;
    ++counters_.denied_by[code];
    note_refusal(order);
    move(*order, OrderAct::deny);
}

// Puts the amounts needed and available in its reason; nothing if it has enough.
void TradingLoop::note_shortage(Order& order, const Funds& funds) const {
    const auto name = currency_names_.find(funds.currency);
    if (funds.code != error::insufficient_funds || name == currency_names_.end()) return;
    order.reason = shortage_text(funds.needed, funds.available, name->second);
}

Funds TradingLoop::funds_for(const Account& account, const Order& order, std::int64_t price) {
    return account.weigh(order.instrument->index, order.position_side, order.side, price,
                         order.remaining(), (order.flags & order_reduce_only) != 0);
}

// With latency, a sale has often paid for the purchase beside it before its fill is reported.
Account TradingLoop::account_after(const Order& but, bool everything) const {
    Account after = robot_account_;
    for (const auto& [id, order] : orders_.working()) {
        const Instrument& on = *order->instrument;
        // What it holds back is free again before a later order arrives.
        if (order->cancel_open && order->reserve_price != 0)
            after.remove_working(on.index, order->position_side, order->side, order->reserve_price,
                                 order->remaining());
        const std::int64_t price = on.touch(order->side);
        const bool takes =
            order->type == OrderType::market || within(order->side, price, order->price);
        const bool stands = order->trigger != 0 && !order->triggered;
        if (order.get() == &but || price == 0 || stands || !takes || order->cancel_open ||
            (order->flags & order_post_only) != 0 || find_in(unfunded_, id) != nullptr)
            continue;
        after.assume_filled(on.index, order->position_side, order->side, price, order->remaining(),
                            order->reserve_price);
    }
    if (!everything) return after;
    for (const auto& each : instruments_) {
        const std::int64_t price = each->value_price();
        const bool is_spot = each->spec.kind == ContractKind::spot;
        for (const PositionSide side :
             {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            if (price == 0 || (each.get() == but.instrument && side == but.position_side)) continue;
            const std::int64_t held =
                is_spot ? side == PositionSide::both ? after.sellable(each->index) : 0
                        : after.position(each->index, side).qty;
            if (held != 0)
                after.assume_filled(each->index, side, held > 0 ? Side::sell : Side::buy, price,
                                    held > 0 ? held : -held, 0);
        }
    }
    return after;
}

// At the end of a callback all its requests are known: reducing orders come first, and the money
// they free can fund the others.
std::vector<OrderRef> TradingLoop::judge_batch() {
    std::vector<OrderRef> denied;
    while (!unfunded_.empty()) {
        const OrderRef order = unfunded_.front();
        unfunded_.erase(unfunded_.begin());
        const std::int64_t price =
            order->price != 0 ? order->price : order->instrument->touch(order->side);
        value_all();
        const Funds funds = funds_for(account_after(*order, false), *order, price);
        if (funds.code == 0) {
            reserve(*order, price);
            behind_.push_back(order);
            continue;
        }
        note_shortage(*order, funds);
        deny_order(order, funds.code);
        orders_.remove(order->id);
        denied_.push_back(order);
        denied.push_back(order);
    }
    return denied;
}

bool TradingLoop::tell_denied(const std::vector<OrderRef>& denied) {
    judging_ = true;
    for (const OrderRef& order : denied) {
        in_robot_ = true;
        if (!robot_->on_order(order) || !after_callback()) return false;
    }
    judging_ = false;
    return true;
}

OrderRef TradingLoop::deny(Instrument& instrument, const OrderSpec& spec, std::uint16_t code,
                           std::string reason) {
    OrderRequestPayload request = request_of(spec);
    // Values that may be no valid number are not written to the tape.
    request.price = request.size = request.trigger = request.expire_ns = 0;
    request.trigger_by = TriggerBy::none;
    const OrderRef order = open_order(orders_.add(), instrument, request, now_);
    request.order_id = order->id;
    ++counters_.orders;
    order->reason = std::move(reason);
    deny_order(order, code);
    denied_.push_back(order);
    orders_.remove(order->id);
    act(instrument, request, spec.more);
    return order;
}

OrderRef TradingLoop::place_or_deny_side(Instrument& instrument, const OrderSpec& spec) {
    std::string refusal = side_refusal(instrument, spec.position_side, "side");
    if (refusal.empty()) return place(instrument, spec);
    return deny(instrument, spec, error::account_mode, std::move(refusal));
}

std::string TradingLoop::side_refusal(const Instrument& instrument, PositionSide side,
                                      std::string_view option) const {
    const bool has_sides = robot_account_.has_sides(instrument.index);
    if (has_sides != (side == PositionSide::both)) return {};
    const std::string name(option);
    if (has_sides) return "the account is in hedge mode: give " + name + " long or short";
    if (robot_account_.options().hedge) return "spot has no sides: leave " + name + " out";
    return "the account is in one-way mode: leave " + name + " out";
}

void TradingLoop::note_reason(std::uint64_t order_id, std::string text) {
    const OrderRef order = orders_.find(order_id);
    if (!order) return;
    order->reason = std::move(text);
    order->reason_noted = true;
}

// An order kept from another run cannot be used in this one.
bool TradingLoop::owns(const Order& order) const noexcept {
    const std::uint32_t index = order.instrument->index;
    return index < instruments_.size() && instruments_[index].get() == order.instrument;
}

bool TradingLoop::cancel(const OrderRef& order) {
    if (!owns(*order)) return false;
    if (!order_machine::sends(*order, OrderAct::cancel_request)) return false;
    const Instrument& instrument = *order->instrument;
    const OrderRequestPayload request = request_of(*order, RequestKind::cancel);
    move(*order, OrderAct::cancel_request);
    act(instrument, request);
    return true;
}

bool TradingLoop::amend(const OrderRef& order, std::int64_t price, std::int64_t size) {
    if (!owns(*order)) return false;
    if (!order_machine::sends(*order, OrderAct::amend_request)) return false;
    if (!trading_) {
        order->code = error::trading_stopped;
        return false;
    }
    const Instrument& instrument = *order->instrument;
    if (instrument.is_away) {
        order->code = error::process_down;
        return false;
    }
    OrderRequestPayload request = request_of(*order, RequestKind::amend);
    request.price = price != 0 ? price : order->price;
    request.size = size != 0 ? size : order->size;
    if (request.size <= order->filled) return false;
    const auto code =
        check_price_size(instrument.spec, order->side, order->type, request.price, request.size,
                         (order->flags & order_reduce_only) != 0, instrument.touch(order->side));
    if (code != 0) {
        order->code = code;
        return false;
    }
    move(*order, OrderAct::amend_request, request.size);
    act(instrument, request);
    return true;
}

void TradingLoop::halt(bool and_flatten) {
    if (halted_) return;
    halted_ = true;
    cancel_working();
    flattening_ = and_flatten;
    if (and_flatten) flatten();
}

// A cancel takes the same route as the order, behind it: an order still under way is canceled on
// arrival.
void TradingLoop::cancel_working() {
    std::vector<OrderRef> working;
    for (const auto& [id, order] : orders_.working()) working.push_back(order);
    for (const OrderRef& order : working) cancel(order);
}

bool TradingLoop::switch_trading() {
    scheduled_ = schedule_[next_switch_++].open;
    // A robot that the operator has stopped stays stopped whatever the schedule, and was notified
    // of it.
    return !allowed_ || tell_trading("schedule");
}

bool TradingLoop::allow_trading(bool allowed) {
    if (allowed_ == allowed) return true;
    allowed_ = allowed;
    return !started_ || !scheduled_ || tell_trading("operator");
}

bool TradingLoop::tell_trading(const char* by) {
    trading_ = scheduled_ && allowed_;
    next_sweep_ = never;
    if (!trading_)
        cancel_working();
    else if (flattening_)
        flatten();  // the robot failed in a stop: close its positions now
    const char* state = trading_ ? "started" : "stopped";
    note(EventType::health, 0, {{"kind", "trading"}, {"subject", by}, {"state", state}});
    if (halted_) return true;
    in_robot_ = true;
    return robot_->on_health("trading", by, state) && after_callback();
}

// A gateway refuses a sale that would match a purchase of ours which is still being canceled: once
// that has ended the sale is sent again. A sale refused for another reason, or only partly filled,
// is sent again after one second, then two, four and so on up to an hour: a quantity too small to
// be sold would be refused for ever.
void TradingLoop::flatten_after(const Order& ended) {
    if (flatten_tag != ended.tag.data()) {
        flatten();
    } else if (next_sweep_ == never) {
        next_sweep_ = now_ + flatten_pause_;
        flatten_pause_ = std::min(2 * flatten_pause_, flatten_pause_max);
    }
}

void TradingLoop::flatten() {
    constexpr std::string_view tag = flatten_tag;
    for (auto& instrument : instruments_) {
        for (const PositionSide side :
             {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            std::int64_t qty = robot_account_.held(instrument->index, side).qty;
            for (const auto& [id, order] : orders_.working())
                if (order->instrument == instrument.get() && order->position_side == side &&
                    tag == order->tag.data())
                    qty += order->side == Side::buy ? order->remaining() : -order->remaining();
            if (qty == 0) continue;
            OrderSpec spec;
            spec.side = qty > 0 ? Side::sell : Side::buy;
            spec.position_side = side;
            spec.flags =
                instrument->spec.kind == ContractKind::spot ? std::uint8_t{0} : order_reduce_only;
            spec.size = qty > 0 ? qty : -qty;
            spec.tag = tag;
            const bool was = halted_;
            halted_ = false;
            place(*instrument, spec);
            halted_ = was;
        }
    }
}

BarFeed& TradingLoop::subscribe_bars(Instrument& instrument, std::int64_t period, BarSource source,
                                     const std::string& text, std::int64_t made_of) {
    const std::size_t index = instrument.stream.add(
        period, source, made_of, instrument.spec.price_decimals + instrument.spec.size_decimals);
    if (index == instrument.bars.size())
        instrument.bars.push_back(std::make_unique<BarFeed>(period, source, text, instrument.spec));
    instrument.bars[index]->shown = true;
    return *instrument.bars[index];
}

void TradingLoop::unsubscribe_bars(Instrument& instrument, std::int64_t period) {
    for (auto& feed : instrument.bars)
        if (feed->period == period || period == 0) feed->shown = false;
}

void TradingLoop::set_timer(const std::string& name, std::int64_t every, std::int64_t at) {
    cancel_timer(name);
    const std::int64_t due = every > 0 ? now_ - now_ % every + every : at;
    timers_.push_back({name, every, due});
    next_timer_ = std::min(next_timer_, due);
    next_due_ = std::min(next_due_, due);
}

bool TradingLoop::cancel_timer(const std::string& name) {
    const auto before = timers_.size();
    std::erase_if(timers_, [&name](const Timer& timer) { return timer.name == name; });
    next_timer_ = never;
    for (const Timer& timer : timers_) next_timer_ = std::min(next_timer_, timer.due);
    return timers_.size() != before;
}

}  // namespace onetape
