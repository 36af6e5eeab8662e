#pragma once
// One order as the robot sees it, and the state machine that moves it. Which state follows which
// is decided in onetape/orders/machine.py, where each pair is listed and a slow model checks it;
// the core gets that table as bytes.
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/money.hpp"
#include "journal/events.hpp"

namespace onetape {

struct Instrument;

// What can happen to an order, as the columns of the table.
enum class OrderAct : std::uint8_t {
    submit, deny, accept, reject, fill_partial, fill_full, cancel_request, cancel_ack,
    cancel_reject, amend_request, amend_ack, amend_reject, expire, trigger,
};
inline constexpr std::size_t order_act_count = 14;
inline constexpr std::size_t order_state_count = 14;  // states count from 1

inline constexpr std::uint8_t act_same = 0xf0;        // taken, nothing changes
inline constexpr std::uint8_t act_late = 0xf1;        // booked on a closed order
inline constexpr std::uint8_t act_impossible = 0xff;  // the other side broke the contract
inline constexpr std::uint8_t act_working = 0xf2;     // back to work: by what was filled

class OrderMachine {
public:
    // rows by OrderState from 0 (unused), columns by OrderAct.
    static bool install(std::span<const std::uint8_t> matrix) noexcept;
    [[nodiscard]] static std::uint8_t next(OrderState state, OrderAct act) noexcept;

private:
    static std::array<std::uint8_t, order_state_count * order_act_count> matrix_;
};

struct Order {
    std::uint64_t id = 0;
    std::uint64_t venue_id = 0;
    const Instrument* instrument = nullptr;
    std::int64_t price = 0, trigger = 0, size = 0, filled = 0;
    std::int64_t amend_price = 0, amend_size = 0;  // asked for, 0: nothing pending
    std::int64_t created = 0, expire_ns = 0;
    Int128 cost = 0;  // sum of price * size over its fills
    std::uint16_t code = 0;
    OrderState state = OrderState::initialized;
    Side side = Side::none;
    OrderType type = OrderType::limit;
    TimeInForce tif = TimeInForce::gtc;
    TriggerBy trigger_by = TriggerBy::none;
    PositionSide position_side = PositionSide::both;
    std::uint8_t flags = 0;
    std::int64_t reserve_price = 0;  // what its funds were reserved at
    std::array<char, 33> tag{};
    std::string reason;
    std::shared_ptr<const void> owner;  // keeps `instrument` alive with the order

    [[nodiscard]] std::int64_t remaining() const noexcept { return size - filled; }
    [[nodiscard]] bool closed() const noexcept {
        switch (state) {
            case OrderState::filled: case OrderState::canceled: case OrderState::rejected:
            case OrderState::denied: case OrderState::expired: return true;
            default: return false;
        }
    }
};

using OrderRef = std::shared_ptr<Order>;

// The orders that are not closed, in the order of their ids. A closed one leaves at once: what
// the strategy still holds stays readable, and memory stays flat.
class OrderTable {
public:
    OrderRef add();  // with the next id
    [[nodiscard]] OrderRef find(std::uint64_t id) const noexcept;
    void remove(std::uint64_t id) noexcept;
    [[nodiscard]] const std::map<std::uint64_t, OrderRef>& working() const noexcept {
        return working_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return last_id_; }

private:
    std::map<std::uint64_t, OrderRef> working_;
    std::uint64_t last_id_ = 0;
};

}  // namespace onetape
