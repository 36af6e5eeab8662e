#pragma once
// The refusal of a request, the same from every liquidity source.
#include <cstdint>

#include "journal/events.hpp"

namespace onetape {

[[nodiscard]] inline OrderEventPayload refusal_event(const OrderRequestPayload& request,
                                                     std::int64_t now, OrderNews news,
                                                     std::uint16_t code) noexcept {
    OrderEventPayload event{};
    event.order_id = request.order_id;
    event.ts_event = now;
    event.price = request.price;
    event.size = request.size;
    event.code = code;
    event.news = news;
    // A refused cancel or amend does not change the state of its order: state 0.
    if (news == OrderNews::rejected) event.state = OrderState::rejected;
    event.robot = request.robot;
    return event;
}

}  // namespace onetape
