#include "engine/order.hpp"

namespace onetape {

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
