// Market by order: the venue's single orders, and the book of their sums.
#include "engine/trading_loop.hpp"

namespace onetape {

void TradingLoop::show_mbo(Instrument& instrument, const Frame& frame, const MboPayload& event,
                           std::int64_t time) {
    instrument.view.keep_mid();
    if (!instrument.orders) [[unlikely]] {
        // From now on the levels come from the orders, and quotes cannot add to them.
        instrument.orders = std::make_unique<MboBook>(instrument.book);
        instrument.view.book = &instrument.book;
        instrument.view.orders = instrument.orders.get();
        if (!instrument.detail) exchange_->begin_orders(instrument);
    }
    const MboChange change = instrument.orders->apply(event, frame.header->flags);
    ++instrument.view.version;
    if (instrument.detail) return;  // the exchange uses the detail data
    if (instrument.interest->working != 0) exchange_->show_order(instrument, change, time);
    if (change.last && !instrument.interest->none())
        exchange_->show(instrument, MarketChange::value, time);
}

// The robot sees the book between the venue's messages, never inside one.
bool TradingLoop::show_robot(Instrument& instrument, const MboPayload& event) {
    if (wanted(instrument, want_mbo)) {
        in_robot_ = true;
        if (!robot_->on_mbo(instrument, event) || !after_callback()) return false;
    }
    return event.last == 0 || !wanted(instrument, want_book) || tell_book(instrument);
}

}  // namespace onetape
