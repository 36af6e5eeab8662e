#include "engine/order.hpp"

namespace onetape {

std::array<std::uint8_t, order_state_count * order_act_count> OrderMachine::matrix_{};

bool OrderMachine::install(std::span<const std::uint8_t> matrix) noexcept {
    if (matrix.size() != matrix_.size()) return false;
    std::memcpy(matrix_.data(), matrix.data(), matrix.size());
    return true;
}

std::uint8_t OrderMachine::next(OrderState state, OrderAct act) noexcept {
    return matrix_[static_cast<std::size_t>(state) * order_act_count + static_cast<std::size_t>(act)];
}

OrderRef OrderTable::add() {
    auto order = std::make_shared<Order>();
    order->id = ++last_id_;
    working_.emplace_hint(working_.end(), order->id, order);
    return order;
}

OrderRef OrderTable::find(std::uint64_t id) const noexcept {
    const auto found = working_.find(id);
    return found == working_.end() ? nullptr : found->second;
}

void OrderTable::remove(std::uint64_t id) noexcept { working_.erase(id); }

}  // namespace onetape
