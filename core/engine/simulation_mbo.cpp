// Market by order: the venue's orders one by one, and the book that they add up to.
#include "engine/simulation.hpp"

namespace onetape {

void Simulation::show_mbo(Instrument& instrument, const Frame& frame, std::int64_t time) {
    const std::uint32_t index = instrument.index;
    if (!instrument.orders) [[unlikely]] {
        // From now on the levels are those of the orders, and quotes have nothing to add to them.
        instrument.orders = std::make_unique<MboBook>(instrument.book);
        instrument.view.book = &instrument.book;
        instrument.view.orders = instrument.orders.get();
        if (!instrument.detail) exchange_.begin_orders(index);
    }
    const MboChange change = instrument.orders->apply(frame.as<MboPayload>(), frame.header->flags);
    ++instrument.view.version;
    if (instrument.detail) return;  // the exchange looks there
    if (exchange_.working(index)) [[unlikely]]
        exchange_.on_mbo(index, time, change);
    if (change.last && exchange_.held(index)) [[unlikely]]
        exchange_.watch(index, time);
}

// The robot meets the book between the venue's messages, never inside one.
bool Simulation::tell_mbo(Instrument& instrument, const MboPayload& event, std::uint32_t wants) {
    if (wants & want_mbo) {
        if (!robot_->on_mbo(instrument, event) || !after_callback()) return false;
        in_robot_ = true;
    }
    if ((wants & want_book) && event.last != 0) return tell_book(instrument);
    in_robot_ = false;
    return true;
}

}  // namespace onetape
