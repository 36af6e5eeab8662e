#pragma once
// The state machine of an order: used at a gateway, in all readers of its journal, and in a robot.
// One table decides what each event does in each state, see order_life.cpp.
#include <array>
#include <cstddef>
#include <cstdint>

#include "journal/events.hpp"

namespace onetape {

// Events of an order: the columns of the table, from 1 (OrderEvent of the model).
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

// True if the order, or a change of it, was sent and is not answered yet.
[[nodiscard]] constexpr bool is_unanswered(OrderState state) noexcept {
    return state == OrderState::submitted || state == OrderState::pending_cancel ||
           state == OrderState::pending_update;
}

// The fields of an order that the table uses. Sizes at the instrument's decimals.
struct OrderLife {
    std::int64_t size = 0, filled = 0;
    std::int64_t size_wanted = 0;  // of the pending amendment, 0: none
    OrderState state = OrderState::initialized;
    // Facts that the state alone cannot hold. The last two: unanswered requests.
    bool accepted = false, triggered = false, cancel_open = false, update_open = false;

    [[nodiscard]] bool closed() const noexcept { return is_closed(state); }
};

namespace order_machine {

using Matrix = std::array<std::uint8_t, order_state_rows * order_act_columns>;

// The table: rows by OrderState, columns by OrderAct; row 0 and column 0 are impossible.
[[nodiscard]] const Matrix& matrix() noexcept;
[[nodiscard]] OrderCell cell_of(OrderState state, OrderAct act) noexcept;

// Applies any event but a fill and returns the cell that applied. size: of amend_request, amend_ack
// and found_working, 0: unchanged. An impossible or refused event changes nothing.
OrderCell take(OrderLife& life, OrderAct act, std::int64_t size = 0) noexcept;

// Returns the event that a fill of this size is: fill_partial, fill_full or fill_excess.
[[nodiscard]] OrderAct act_of_fill(const OrderLife& life, std::int64_t size) noexcept;
// Books a fill, size > 0.
OrderCell fill(OrderLife& life, std::int64_t size) noexcept;

// Returns whether a request made now would be sent to the venue, without making it. A cancel is
// sent if the order may be there.
[[nodiscard]] bool sends(const OrderLife& life, OrderAct act) noexcept;

}  // namespace order_machine
}  // namespace onetape
