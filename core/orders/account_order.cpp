#include "orders/account_order.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "orders/order_index.hpp"

namespace onetape {

OrderAct act_of(OrderNews news) noexcept {
    switch (news) {
        case OrderNews::accepted:
            return OrderAct::accept;
        case OrderNews::rejected:
            return OrderAct::reject;
        case OrderNews::canceled:
            return OrderAct::cancel_ack;
        case OrderNews::expired:
            return OrderAct::expire;
        case OrderNews::triggered:
            return OrderAct::trigger;
        case OrderNews::updated:
            return OrderAct::amend_ack;
        case OrderNews::cancel_rejected:
            return OrderAct::cancel_reject;
        case OrderNews::update_rejected:
            return OrderAct::amend_reject;
        case OrderNews::denied:
            return OrderAct::deny;
        case OrderNews::lost:
            return OrderAct::reply_lost;
        case OrderNews::found:
            return OrderAct::found_working;
        case OrderNews::absent:
            return OrderAct::found_absent;
    }
    return OrderAct::duplicate;
}

OrderCell AccountOrder::take_request(RequestKind kind, std::int64_t price_wanted,
                                     std::int64_t size_then, bool held, bool is_reissue) noexcept {
    switch (kind) {
        case RequestKind::place:
            is_held = held;
            return order_machine::take(*this, OrderAct::submit);
        case RequestKind::cancel:
            is_taken_off = is_reissue;
            is_canceling = true;
            return order_machine::take(*this, OrderAct::cancel_request);
        case RequestKind::amend:
            break;
    }
    if (!is_reissue) {
        amend_price = price_wanted;
        amend_size = size_then;
        return order_machine::take(*this, OrderAct::amend_request, size_then);
    }
    is_held = is_taken_off = false;
    order_machine::take(*this, OrderAct::cancel_reject);
    if (!accepted) return OrderCell::same;
    reissue_open = true;
    amend_price = price;
    amend_size = size;
    return order_machine::take(*this, OrderAct::amend_request, size);
}

std::uint64_t venue_number(std::string_view venue_id) noexcept {
    std::uint64_t number = 0;
    const char* const end = venue_id.data() + venue_id.size();
    const auto read = std::from_chars(venue_id.data(), end, number);
    return read.ec == std::errc{} && read.ptr == end ? number : 0;
}

OrderRequestPayload AccountOrder::request_frame(RequestKind kind, std::int64_t price_then,
                                                std::int64_t size_then,
                                                bool is_reissue) const noexcept {
    OrderRequestPayload frame{};
    frame.order_id = order_id;
    frame.price = price_then;
    frame.size = size_then;
    frame.trigger = terms.trigger;
    frame.expire_ns = terms.expire;
    frame.kind = kind;
    frame.side = terms.side;
    frame.type = terms.type;
    frame.tif = terms.tif;
    frame.flags = with_trigger_kind(
        static_cast<std::uint8_t>((terms.post_only ? order_post_only : 0) |
                                  (terms.reduce_only ? order_reduce_only : 0) |
                                  (terms.own_reducing ? order_own_reducing : 0) |
                                  (is_held ? order_held : 0) | (is_reissue ? order_reissue : 0)),
        terms.trigger_kind);
    frame.trigger_by = terms.trigger_by;
    frame.position_side = terms.position_side;
    frame.robot = static_cast<std::uint8_t>(robot);
    std::copy_n(terms.tag.begin(), sizeof frame.tag, frame.tag);
    return frame;
}

OrderEventPayload AccountOrder::news_frame(OrderNews news, OrderState then, std::int64_t time,
                                           std::uint16_t news_code) const noexcept {
    OrderEventPayload frame{};
    frame.order_id = order_id;
    frame.venue_id = venue_number(venue_id);
    frame.ts_event = time;
    frame.price = price;
    frame.size = size;
    frame.filled = filled;
    frame.code = news_code;
    frame.news = news;
    frame.state = then;
    frame.robot = static_cast<std::uint8_t>(robot);
    return frame;
}

void AccountOrder::take_back() noexcept {
    is_held = true;
    order_machine::take(*this, OrderAct::cancel_reject);
}

void AccountOrder::take_incarnation() noexcept {
    if (is_unanswered(state) && !is_held) order_machine::take(*this, OrderAct::reply_lost);
}

OrderCell AccountOrder::take_news(OrderNews news, std::int64_t size_then,
                                  std::int64_t price_then) noexcept {
    const OrderCell cell = order_machine::take(*this, act_of(news), size_then);
    if (price_then != 0 && cell != OrderCell::impossible) price = price_then;
    if (reissue_open) reissue_open = update_open;
    if (is_taken_off && !is_held) is_taken_off = cancel_open;
    return cell;
}

OrderCell AccountOrder::take_fill(std::uint64_t trade_id, std::int64_t fill_price,
                                  std::int64_t fill_size) {
    if (!closed() && code != 0) {
        code = 0;
        reason.clear();
    }
    const auto at = std::lower_bound(trade_ids.begin(), trade_ids.end(), trade_id);
    if (at != trade_ids.end() && *at == trade_id)
        return order_machine::take(*this, OrderAct::duplicate);
    const std::int64_t before = filled;
    const OrderCell cell = order_machine::fill(*this, fill_size);
    if (cell == OrderCell::impossible) return cell;
    trade_ids.insert(at, trade_id);
    spent += static_cast<Int128>(fill_price) * (filled - before);
    return cell;
}

void AccountOrder::sent(RequestKind kind, std::int64_t now, std::int64_t deadline,
                        std::uint64_t number) noexcept {
    PendingRequest& pending_request = request(kind);
    if (!pending_request.is_there) {
        pending_request.is_there = true;
        pending_request.tries = 0;
        pending_request.code = 0;
        pending_request.reason.clear();
    }
    ++pending_request.tries;
    pending_request.resend_at = 0;
    pending_request.deadline = deadline;
    pending_request.number = number;
    if (kind == RequestKind::amend) amended_at = now;
    if (kind == RequestKind::place) placed_at = now;
}

void AccountOrder::restate(std::int64_t step) noexcept {
    for (std::int64_t* const at :
         {&created, &sent_at, &placed_at, &amended_at, &lost_at, &ask_at, &working_query_at})
        if (*at != 0) *at += step;
    for (PendingRequest& each : pending) {
        if (!each.is_there) continue;
        each.deadline += step;
        if (each.resend_at != 0) each.resend_at += step;
    }
}

void AccountOrder::touch() {
    if (index != nullptr && !is_marked) index->mark(*this);
}

}  // namespace onetape
