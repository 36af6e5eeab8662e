#pragma once
// An order of the account: the state from its gateway's journal, and what the gateway knows beyond
// the journal. Requests, reports and fills change it only by the `take_` functions: at the gateway
// before they are written to the journal, when the journal is read back, and in every other reader.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/money.hpp"
#include "orders/order_life.hpp"
#include "orders/order_terms.hpp"

namespace onetape {

// A request that is on the wire or waits to be sent again. Times ns UTC.
struct PendingRequest {
    bool is_there = false;
    std::int64_t deadline = 0;  // when its answer counts as lost
    std::int64_t tries = 1;
    std::int64_t resend_at = 0;  // refused temporarily (rate, clock): send again at this time
    std::uint64_t number = 0;    // of the last call sent for it
    std::uint16_t code = 0;      // error number of that refusal
    std::string reason;          // and its text
};

// The quantity of orders that may still be filled: of orders that could open a position, and of
// reducing orders without a trigger.
struct WorstSums {
    std::int64_t opening = 0, reducing = 0;

    void add(const WorstSums& other, int sign) noexcept {
        opening += sign * other.opening;
        reducing += sign * other.reducing;
    }
};

// The value of orders that may still be filled, by how they are valued. maker and taker: cost at
// the orders' own prices, by the fee that applies; unpriced: size of market orders.
struct SpentSums {
    std::int64_t size = 0;
    Int128 maker = 0, taker = 0;
    std::int64_t unpriced = 0;

    void add(const SpentSums& other, int sign) noexcept {
        size += sign * other.size;
        maker += sign * other.maker;
        taker += sign * other.taker;
        unpriced += sign * other.unpriced;
    }
};

// What one order adds to the sums over all working orders: see order_sums.hpp.
struct OrderShare {
    WorstSums worst;
    SpentSums spent;
    std::int64_t near = 0;  // the price at which it may be matched first
    bool is_met = false, is_unknown = false;
};

class OrderIndex;

inline constexpr std::int64_t nothing_due = std::int64_t{1} << 62;  // ns: never

struct AccountOrder : OrderLife, std::enable_shared_from_this<AccountOrder> {
    std::int64_t robot = 0;  // the robot's number, 0: an external order
    std::uint64_t order_id = 0;
    OrderTerms terms;
    std::int64_t created = 0, price = 0;
    std::string venue_id;    // "": unknown, or there is none
    Int128 spent = 0;        // sum of price times size of its fills
    std::uint16_t code = 0;  // of the last report, 0 and "" if that was no refusal
    std::string reason;
    bool is_held =
        false;  // it waits at the gateway for other orders of ours; the venue does not know it
    bool is_canceling = false;  // a cancel was requested
    bool is_taken_off = false;  // canceled for an internal trade: the rest is placed again
    bool reissue_open = false;  // the rest was placed again, and that is unanswered
    std::int64_t amend_price = 0, amend_size = 0;  // of the requested amendment
    std::vector<std::uint64_t> trade_ids;          // of its fills, sorted

    // The following is not on the journal.
    std::string client_id;
    bool conditional = false;          // it waits outside the book now
    bool is_unfunded = false;          // held until its sub-account has the money: it reserves none
    std::int64_t reissues = 0;         // how often the rest was placed again
    std::string sent_as;               // its client id at the venue, if that differs
    std::vector<std::string> former;   // client and venue ids of earlier venue orders of this order
    std::vector<std::string> aliases;  // its client ids beside the first
    std::vector<std::string> former_venue_ids;
    std::int64_t filled_outside = 0;  // filled by other venue orders than the current one,
    std::int64_t away = 0;            // and by how much the current one is smaller than this order
    std::int64_t sent_at = 0;         // when it was placed again
    std::int64_t placed_at = 0;  // when the placing was last sent, also after a temporary refusal
    bool is_met = false;  // first seen at the venue: some of its fills may be older than that
    std::array<PendingRequest, 3> pending;  // by RequestKind, from place
    bool cancel_wanted = false;             // cancel requested while the placing is unanswered
    std::int64_t cancel_retries =
        0;                     // how often the cancel was sent again because its answer was lost
    std::int64_t lost_at = 0;  // since when its state is unknown
    std::int64_t ask_at = 0;   // when to query the venue about it, 0: no need
    std::int64_t asks = 0;
    std::int64_t not_found = 0;  // number of queries answered with "unknown order"
    bool asking = false;         // a query is in progress
    bool ask_other = false;  // the next query goes to the other list (open or conditional orders)
    std::int64_t working_query_at = 0;  // when it was last looked for in the list of working orders
    std::int64_t reported_filled = 0;   // the largest filled quantity that the venue has reported
    OrderNews reported_end{};  // ended at the venue, but fills are still missing; 0: not ended
    std::int64_t reported_time = 0;  // the venue's time of the newest report on it
    std::int64_t amended_at = 0;     // when an amendment was last sent

    // Terms as shown to another party, with fields that `terms` has not.
    std::shared_ptr<void> shown;

    AccountOrder() = default;
    AccountOrder(const AccountOrder&) = delete;
    AccountOrder& operator=(const AccountOrder&) = delete;

    [[nodiscard]] bool is_open() const noexcept { return !closed(); }
    [[nodiscard]] bool is_unknown() const noexcept { return state == OrderState::unknown; }
    // A stop of the guardian: canceling a robot's orders leaves it, because the position remains.
    [[nodiscard]] bool is_protective() const noexcept {
        return terms.has_trigger() && terms.is_guardians();
    }
    // Its client id at the venue.
    [[nodiscard]] const std::string& name() const noexcept {
        return sent_as.empty() ? client_id : sent_as;
    }
    // The quantity that may still be filled in the worst case.
    [[nodiscard]] std::int64_t worst_left() const noexcept {
        return closed() ? 0 : std::max<std::int64_t>(std::max(size, size_wanted) - filled, 0);
    }
    [[nodiscard]] PendingRequest& request(RequestKind kind) noexcept {
        return pending[static_cast<std::size_t>(kind) - 1];
    }
    [[nodiscard]] const PendingRequest& request(RequestKind kind) const noexcept {
        return pending[static_cast<std::size_t>(kind) - 1];
    }
    [[nodiscard]] bool has_pending() const noexcept {
        return pending[0].is_there || pending[1].is_there || pending[2].is_there;
    }
    void drop_pending() noexcept {
        for (PendingRequest& each : pending) each.is_there = false;
    }

    // Make a request frame or order event frame of this order for its gateway's journal. state:
    // after the event.
    [[nodiscard]] OrderRequestPayload request_frame(RequestKind kind, std::int64_t price_then,
                                                    std::int64_t size_then,
                                                    bool is_reissue) const noexcept;
    [[nodiscard]] OrderEventPayload news_frame(OrderNews news, OrderState then, std::int64_t time,
                                               std::uint16_t news_code) const noexcept;

    // Applies a request and returns the cell of the table that applied. price, size: of an
    // amendment. is_reissue: with a cancel, the rest is to be placed again; with an amendment, it
    // is placed again, which ends all earlier requests. To an order that has worked at the venue a
    // reissue is an amendment without a change: pending_update while unanswered, unknown when lost,
    // canceled when refused.
    OrderCell take_request(RequestKind kind, std::int64_t price_wanted, std::int64_t size_then,
                           bool held, bool is_reissue) noexcept;
    // The order has left the venue and waits at the gateway to be placed again. No frame records
    // this: readers see a requested cancel until the new placing, or the end, is on the journal.
    void take_back() noexcept;
    // Called when a new incarnation of the gateway takes over: unanswered requests never get an
    // answer.
    void take_incarnation() noexcept;
    // Applies a report. size, price: of the order after it, 0: unchanged.
    OrderCell take_news(OrderNews news, std::int64_t size_then, std::int64_t price_then) noexcept;
    // Books a fill once. A fill clears an earlier refusal, which does not explain the state of a
    // working order.
    OrderCell take_fill(std::uint64_t trade_id, std::int64_t fill_price, std::int64_t fill_size);

    // Notes that a request is sent, for the first time or again. number: of its call.
    void sent(RequestKind kind, std::int64_t now, std::int64_t deadline,
              std::uint64_t number) noexcept;
    // Corrects times after the clock was set by `step` ns. The venue's times stay.
    void restate(std::int64_t step) noexcept;

    // The index that holds this order and is notified of each change.
    OrderIndex* index = nullptr;
    bool is_marked = false;
    bool is_listed = false;  // in the list of open orders, between these:
    AccountOrder *previous = nullptr, *next = nullptr;
    std::uint64_t listed_as = 0;        // its number in the order of arrival
    std::optional<OrderShare> share;    // as last added to the sums
    std::int64_t due_at = nothing_due;  // as last entered among the due times
    void touch();
};

using AccountOrderRef = std::shared_ptr<AccountOrder>;

// Converts a venue's order id to the number in frames; 0: it is not a number.
[[nodiscard]] std::uint64_t venue_number(std::string_view venue_id) noexcept;
// Maps a venue's report to an event of the table.
[[nodiscard]] OrderAct act_of(OrderNews news) noexcept;

}  // namespace onetape
