#pragma once
// One order as the robot sees it.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/money.hpp"
#include "exchange/attachment.hpp"
#include "journal/events.hpp"
#include "orders/order_life.hpp"

namespace onetape {

struct Instrument;

struct Order : OrderLife {
    std::uint64_t id = 0;
    std::uint64_t venue_id = 0;
    const Instrument* instrument = nullptr;
    std::int64_t price = 0, trigger = 0;
    std::int64_t created = 0, expire_ns = 0;
    Int128 cost = 0;              // sum of price * size over its fills
    std::uint16_t code = 0;       // of the last report if that was a refusal or an end, else 0
    bool reason_noted = false;    // `reason` belongs to the next report
    bool change_refused = false;  // `code` is of a cancel or an amendment
    Side side = Side::none;
    OrderType type = OrderType::limit;
    TimeInForce tif = TimeInForce::gtc;
    TriggerBy trigger_by = TriggerBy::none;
    PositionSide position_side = PositionSide::both;
    std::uint8_t flags = 0;
    std::int64_t reserve_price = 0;  // the price for which funds were reserved
    std::array<char, 33> tag{};
    std::string reason;
    std::shared_ptr<const void> owner;             // keeps `instrument` alive with the order
    std::vector<std::shared_ptr<Order>> children;  // orders that protect the position of this one
    Attachment attached;                           // sent together with the order that it protects

    // Sets the code of a report; code and reason of an earlier report are cleared.
    void take_code(OrderNews news, std::uint16_t said) noexcept {
        if (!std::exchange(reason_noted, false) && code != 0) reason.clear();
        code = said;
        change_refused = news == OrderNews::cancel_rejected || news == OrderNews::update_rejected;
    }
    // Clears the code of a refused change on a fill, which shows that the order works; the reason
    // of an immediate trigger stays for its fills.
    void drop_code() noexcept {
        if (code != 0 && change_refused) take_code(OrderNews::accepted, 0);
    }

    [[nodiscard]] std::int64_t remaining() const noexcept { return size - filled; }
};

using OrderRef = std::shared_ptr<Order>;

// The open orders by ascending id. A closed order is removed at once: references held by the
// strategy stay readable, and memory stays flat.
class OrderTable {
 public:
    OrderRef add();                    // with the next id
    OrderRef adopt(std::uint64_t id);  // an order that the venue made
    [[nodiscard]] OrderRef find(std::uint64_t id) const noexcept;
    void remove(std::uint64_t id) noexcept;
    [[nodiscard]] const std::map<std::uint64_t, OrderRef>& working() const noexcept {
        return working_;
    }
    void begin_after(std::uint64_t id) noexcept { last_id_ = id; }
    [[nodiscard]] std::uint64_t count() const noexcept { return last_id_; }

 private:
    std::map<std::uint64_t, OrderRef> working_;
    std::uint64_t last_id_ = 0;
};

}  // namespace onetape
