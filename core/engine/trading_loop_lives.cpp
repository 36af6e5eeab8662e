// Takes over orders and positions of a live robot's earlier incarnations from its gateway's tape.
// Applied without being shown: the robot finds the result.
#include <utility>
#include <variant>
#include <vector>

#include "engine/trading_loop.hpp"

namespace onetape {

bool TradingLoop::set_away(std::uint32_t gateway, const std::string& account, bool is_away) {
    for (const auto& instrument : instruments_)
        if (instrument->gateway == gateway) instrument->is_away = is_away;
    if (!is_away && flattening_ && trading_)
        flatten();  // positions that it could not sell while the gateway was away
    if (halted_) return leave_callback();
    in_robot_ = true;
    const bool go_on = robot_->on_health("gateway", account, is_away ? "lost" : "live");
    return leave_callback() && go_on;
}

void TradingLoop::take_over(Source& source, const Frame& frame) {
    Instrument* const instrument = instrument_of(source, frame.header->stream);
    const Inheritance& inherits = source.inherits;
    if (instrument == nullptr || frame.header->sequence <= inherits.since) return;
    const auto gateway = static_cast<std::size_t>(&source - sources_.data());
    const std::uint8_t robot = exchange_->seats().robots[gateway];
    const bool of_this_run = frame.header->sequence > inherits.run_from;
    if (of_this_run && !counts_) {
        counts_ = true;
        robot_account_.forget_totals();
    }
    switch (frame.type()) {
        case EventType::order_request:
            if (frame.payload_bytes >= sizeof(OrderRequestPayload) &&
                frame.as<OrderRequestPayload>().robot == robot)
                take_over(*instrument, frame.as<OrderRequestPayload>(), frame.header->time);
            return;
        case EventType::order_event: {
            if (frame.payload_bytes < sizeof(OrderEventPayload)) return;
            const auto& event = frame.as<OrderEventPayload>();
            if (event.robot != robot) return;
            if (is_missed(source, frame)) missed_.emplace_back(instrument->index, event);
            const OrderRef order = orders_.find(event.order_id);
            if (!order) return;
            const RunCounters counted = counters_;  // counted for the incarnation that saw it
            order->take_code(event.news, event.code);
            learn(order, event);
            counters_ = counted;
            if (order->closed()) close_order(order);
            return;
        }
        case EventType::fill: {
            if (frame.payload_bytes < sizeof(FillPayload)) return;
            const auto& fill = frame.as<FillPayload>();
            if (fill.robot != robot) return;
            const bool missed = is_missed(source, frame);
            if (missed) missed_.emplace_back(instrument->index, fill);
            const Money profit = take_over(*instrument, fill, frame.header->sequence);
            if (of_this_run) fill_profits_.push_back(static_cast<double>(profit) / 1e18);
            const OrderRef order = orders_.find(fill.order_id);
            if (!order) return;
            if (missed) missed_fills_.emplace_back(order, fill);
            fill_order(order, fill);
            return;
        }
        default:
            return;
    }
}

void TradingLoop::take_over(Instrument& instrument, const OrderRequestPayload& request,
                            std::int64_t time) {
    OrderRef order = orders_.find(request.order_id);
    switch (request.kind) {
        case RequestKind::place:
            // Orders placed for it by hand are not the robot's own to watch, amend or cancel.
            if (order || is_by_hand(request.order_id)) return;
            order = open_order(orders_.adopt(request.order_id), instrument, request, time);
            move(*order, OrderAct::submit);
            return;
        case RequestKind::cancel:
            if (order && order_machine::sends(*order, OrderAct::cancel_request))
                move(*order, OrderAct::cancel_request);
            return;
        case RequestKind::amend:
            if (order && order_machine::sends(*order, OrderAct::amend_request))
                move(*order, OrderAct::amend_request, request.size);
            return;
    }
}

// Takes over the position, not the money: that is in the opening balance, and a fill of this run
// counts as the robot's own. Later bookings of the ledger arrive as entries, which refer to the
// fill here.
Money TradingLoop::take_over(const Instrument& instrument, const FillPayload& fill,
                             std::uint64_t sequence) {
    if (follows_entry(instrument.gateway, sequence)) return book_fill(instrument, fill, sequence);
    std::vector<Money> before(robot_account_.currency_count());
    for (std::uint32_t i = 0; i < before.size(); ++i) before[i] = robot_account_.balance(i);
    const Money profit = book_fill(instrument, fill, 0);
    for (std::uint32_t i = 0; i < robot_account_.currency_count(); ++i) {
        const Money was = i < before.size() ? before[i] : 0;
        const Money change = robot_account_.balance(i) - was;
        robot_account_.deposit(i, -change);
        if (counts_) foreign_.deposit(i, -change);
    }
    return profit;
}

// The run's tape already has this many of a gateway's order events; the gateway's tape has them in
// the same order.
bool TradingLoop::is_missed(Source& source, const Frame& frame) {
    return frame.header->sequence > source.inherits.run_from &&
           ++source.news_met > source.inherits.heard;
}

void TradingLoop::begin_life() {
    if (!exchange_->has_gateway()) return;
    noted_ = sources_.front().last_sequence;
    if (!counts_) robot_account_.forget_totals();
    for (const auto& [id, order] : orders_.working()) {
        unreserve(*order);
        reserve(*order, order->price != 0 ? order->price : order->instrument->touch(order->side));
    }
}

std::vector<std::pair<OrderRef, FillPayload>> TradingLoop::write_missed() {
    for (const auto& [index, news] : missed_) {
        if (const auto* fill = std::get_if<FillPayload>(&news)) {
            ++counters_.fills;
            write(EventType::fill, index, fill, sizeof *fill);
        } else {
            const auto& event = std::get<OrderEventPayload>(news);
            write(EventType::order_event, index, &event, sizeof event);
        }
    }
    missed_.clear();
    return std::exchange(missed_fills_, {});
}

}  // namespace onetape
