#include "engine/order.hpp"

namespace onetape {

std::array<std::uint8_t, order_state_rows * order_act_columns> OrderMachine::matrix_{};
bool OrderMachine::installed_ = false;

bool OrderMachine::install(std::span<const std::uint8_t> matrix) noexcept {
    if (matrix.size() != matrix_.size()) return false;
    std::memcpy(matrix_.data(), matrix.data(), matrix.size());
    installed_ = true;
    return true;
}

namespace {

OrderState resolve_open(const Order& order) noexcept {
    const bool lost = order.state == OrderState::unknown;
    if (order.filled >= order.size && !order.update_open) return OrderState::filled;
    if (order.cancel_open) return lost ? OrderState::unknown : OrderState::pending_cancel;
    if (order.update_open) return lost ? OrderState::unknown : OrderState::pending_update;
    if (order.filled > 0) return OrderState::partially_filled;
    if (order.was_triggered) return OrderState::triggered;
    if (order.accepted) return OrderState::accepted;
    return lost ? OrderState::unknown : OrderState::submitted;
}

void learn(Order& order, OrderAct act) noexcept {
    switch (act) {
        case OrderAct::accept:
        case OrderAct::found_working:
            order.accepted = true;
            break;
        case OrderAct::fill_partial:
        case OrderAct::fill_full:
        case OrderAct::fill_excess:
            order.accepted = true;
            break;
        case OrderAct::trigger:
            order.accepted = order.was_triggered = true;
            break;
        case OrderAct::cancel_request:
            order.cancel_open = true;
            break;
        case OrderAct::cancel_reject:
            order.cancel_open = false;
            break;
        case OrderAct::amend_request:
            order.update_open = true;
            break;
        case OrderAct::amend_ack:
            order.accepted = true;
            [[fallthrough]];
        case OrderAct::amend_reject:
            order.update_open = false;
            order.amend_size = 0;
            break;
        default:
            break;
    }
    if (act == OrderAct::found_working && order.state == OrderState::unknown)
        order.cancel_open = order.update_open = false;
}

}  // namespace

OrderCell OrderMachine::take(Order& order, OrderAct act) noexcept {
    const std::uint8_t cell = matrix_[static_cast<std::size_t>(order.state) * order_act_columns +
                                      static_cast<std::size_t>(act)];
    const auto effect = static_cast<OrderCell>(cell);
    if (effect == OrderCell::impossible || effect == OrderCell::refused) return effect;
    learn(order, act);
    switch (effect) {
        case OrderCell::same:
        case OrderCell::late:
            return effect;
        case OrderCell::open:
            order.state = resolve_open(order);
            break;
        case OrderCell::gone:
            order.state = order.accepted ? OrderState::canceled : OrderState::rejected;
            break;
        default:
            order.state = static_cast<OrderState>(cell);
            break;
    }
    if (order.closed()) order.cancel_open = order.update_open = false;
    return OrderCell::same;
}

bool OrderMachine::allows(const Order& order, OrderAct act) noexcept {
    const auto cell =
        static_cast<OrderCell>(matrix_[static_cast<std::size_t>(order.state) * order_act_columns +
                                       static_cast<std::size_t>(act)]);
    // A request that changes nothing is not sent, save a cancel of an order that may be there.
    return cell != OrderCell::impossible && cell != OrderCell::refused &&
           (cell != OrderCell::same ||
            (order.state == OrderState::unknown && act == OrderAct::cancel_request));
}

OrderRef OrderTable::add() {
    auto order = std::make_shared<Order>();
    order->id = ++last_id_;
    working_.emplace_hint(working_.end(), order->id, order);
    return order;
}

OrderRef OrderTable::adopt(std::uint64_t id) {
    auto order = std::make_shared<Order>();
    order->id = id;
    working_.emplace(id, order);
    return order;
}

OrderRef OrderTable::find(std::uint64_t id) const noexcept {
    const auto found = working_.find(id);
    return found == working_.end() ? nullptr : found->second;
}

void OrderTable::remove(std::uint64_t id) noexcept {
    working_.erase(id);
}

}  // namespace onetape
