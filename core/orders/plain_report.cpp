#include "orders/plain_report.hpp"

#include <algorithm>

namespace onetape {

namespace {

[[nodiscard]] bool has_ended(OrderState state) noexcept {
    return state == OrderState::canceled || state == OrderState::expired ||
           state == OrderState::filled;
}

[[nodiscard]] bool is_usual(OrderState state) noexcept {
    return state == OrderState::submitted || state == OrderState::accepted ||
           state == OrderState::partially_filled || has_ended(state);
}

// Not placed again, not amended, and without uncertain state.
[[nodiscard]] bool is_itself(const AccountOrder& order) noexcept {
    return order.robot != 0 && !order.is_met && !order.is_held && is_usual(order.state) &&
           !order.terms.has_trigger() && order.former.empty() && order.away == 0 &&
           order.filled_outside == 0 && !order.reissue_open && !order.update_open &&
           !order.cancel_open;
}

// In addition: not reduce-only at the venue, and no order waits for its fills.
[[nodiscard]] bool is_plain(const AccountOrder& order) noexcept {
    return is_itself(order) && !order.terms.only_reduces() && !order.terms.own_reducing &&
           order.reported_end == OrderNews{};
}

// Whether all fills that the venue has reported are booked.
[[nodiscard]] bool has_all(const AccountOrder& order, const OrderReport& report) noexcept {
    return std::max(report.filled, order.reported_filled) <= order.filled;
}

// The order event for a report, 0: none. False: not one of the usual cases.
[[nodiscard]] bool comes_to(const AccountOrder& order, const OrderReport& report,
                            OrderNews& news) noexcept {
    news = report.news;
    if (news == OrderNews::accepted) return !has_ended(report.state);
    if (news == OrderNews::canceled || news == OrderNews::expired)
        return has_ended(report.state) && has_all(order, report);
    if (news != OrderNews{}) return false;
    if (report.state == OrderState::canceled) news = OrderNews::canceled;
    if (report.state == OrderState::expired) news = OrderNews::expired;
    // A filled order ends with its last fill.
    if (has_ended(report.state))
        return has_all(order, report) && (report.state != OrderState::filled || order.closed());
    return report.state == OrderState::partially_filled &&
           (order.state == OrderState::accepted || order.state == OrderState::partially_filled) &&
           report.time >= order.reported_time;
}

}  // namespace

Heard hear_plainly(OrderIndex& index, AccountOrder& order, const OrderReport& report,
                   std::int64_t query_at, OrderNews& news) {
    if (!is_plain(order) || !comes_to(order, report, news)) return Heard::no;
    index.mark(order);
    if (!report.venue_id.empty() && report.venue_id != order.venue_id)
        index.name(order, report.venue_id);
    if (report.news == OrderNews{}) order.not_found = order.asks = 0;
    bool is_new = false;
    const bool ends = news == OrderNews::canceled || news == OrderNews::expired;
    if (ends && order.is_open()) {
        order.drop_pending();
        is_new = index.news(order, news, order.filled, 0, 0, "") == OrderIndex::Change::news;
    } else if (news == OrderNews::accepted) {
        is_new = index.news(order, news, 0, 0, 0, "") == OrderIndex::Change::news;
    }
    if (order.closed())
        index.close(order);
    else
        order.lost_at = 0;
    order.reported_time = std::max(order.reported_time, report.time);
    order.reported_filled = std::max(order.reported_filled, report.filled);
    if (order.reported_filled > order.filled && order.is_open() && order.ask_at == 0)
        order.ask_at = query_at;
    return is_new ? Heard::news : Heard::nothing_new;
}

bool may_fill(const AccountOrder& order, const OrderFill& fill) noexcept {
    const std::int64_t left = order.size - order.filled;
    // An order filled at the venue ends with its last fill; any other end is an event.
    const bool waits = order.reported_end != OrderNews{};
    const bool has_all = order.filled + fill.size >= order.reported_filled;
    return is_itself(order) && order.is_open() && fill.size > 0 && fill.size <= left &&
           (!waits ||
            (order.reported_end == OrderNews::updated && (!has_all || fill.size == left))) &&
           !std::binary_search(order.trade_ids.begin(), order.trade_ids.end(), fill.trade_id);
}

void fill_plainly(OrderIndex& index, AccountOrder& order, const OrderFill& fill) {
    index.mark(order);
    if (order.venue_id.empty() && !fill.venue_id.empty()) index.name(order, fill.venue_id);
    order.take_fill(fill.trade_id, fill.price, fill.size);
    if (!order.closed()) return;
    order.reported_end = {};
    index.close(order);
}

}  // namespace onetape
