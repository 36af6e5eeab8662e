#pragma once
// How an order stands, and the machine that moves it: at a gateway, in all who read its journal,
// and in a robot. What each event does in each state is decided in one table, see order_life.cpp.
#include <array>
#include <cstddef>
#include <cstdint>

#include "journal/events.hpp"

namespace onetape {

// What can happen to an order: the columns of the table, from 1 (OrderEvent of the model).
enum class OrderAct : std::uint8_t {
    submit = 1,
    deny,
    cancel_request,
    amend_request,
    accept,
    reject,
    trigger,
    fill_partial,
    fill_full,
    fill_excess,
    cancel_ack,
    cancel_reject,
    amend_ack,
    amend_reject,
    expire,
    venue_cancel,
    reply_lost,
    missing,
    found_working,
    found_absent,
    duplicate,
};
inline constexpr std::size_t order_act_columns = 22;
inline constexpr std::size_t order_state_rows = 14;

// Cells of the table that are not a state.
enum class OrderCell : std::uint8_t {
    same = 0,
    open = 0xf0,
    gone = 0xf1,
    late = 0xf2,
    refused = 0xf3,
    impossible = 0xff,
};

[[nodiscard]] constexpr bool is_state(OrderCell cell) noexcept {
    return cell != OrderCell::same && cell < OrderCell::open;
}

// The order, or a change of it, was sent, and no answer has come.
[[nodiscard]] constexpr bool is_unanswered(OrderState state) noexcept {
    return state == OrderState::submitted || state == OrderState::pending_cancel ||
           state == OrderState::pending_update;
}

// What of an order the table speaks of. Sizes at the instrument's decimals.
struct OrderLife {
    std::int64_t size = 0, filled = 0;
    std::int64_t size_wanted = 0;  // of the amendment under way, 0: none
    OrderState state = OrderState::initialized;
    // What the state alone cannot hold. The last two: requests that are unanswered.
    bool accepted = false, triggered = false, cancel_open = false, update_open = false;

    [[nodiscard]] bool closed() const noexcept { return is_closed(state); }
};

namespace order_machine {

using Matrix = std::array<std::uint8_t, order_state_rows * order_act_columns>;

// The table: rows by OrderState, columns by OrderAct; row 0 and column 0 are impossible.
[[nodiscard]] const Matrix& matrix() noexcept;
[[nodiscard]] OrderCell cell_of(OrderState state, OrderAct act) noexcept;

// Takes any event but a fill, and returns the cell that applied. size: what amend_request,
// amend_ack and found_working name, 0: as it was. An impossible or refused one changes nothing.
OrderCell take(OrderLife& life, OrderAct act, std::int64_t size = 0) noexcept;

// What a fill of that size is to an order: fill_partial, fill_full or fill_excess.
[[nodiscard]] OrderAct act_of_fill(const OrderLife& life, std::int64_t size) noexcept;
// Books a fill, size > 0.
OrderCell fill(OrderLife& life, std::int64_t size) noexcept;

// Whether a request that is made now goes to the venue, without making it. Of an order that may be
// there a cancel does.
[[nodiscard]] bool sends(const OrderLife& life, OrderAct act) noexcept;

}  // namespace order_machine
}  // namespace onetape
