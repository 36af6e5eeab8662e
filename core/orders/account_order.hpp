#pragma once
// An order of the account as its gateway's journal has it, and what its gateway knows of it beyond
// the journal. Requests, reports and fills change it by the `take_` functions and in no other way:
// at the gateway before they are on the journal, when that is read again, and in all who read it.
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
    std::int64_t resend_at = 0;  // refused for now (rate, clock): again at this time
    std::uint64_t number = 0;    // of the call that was sent last
    std::uint16_t code = 0;      // why it was refused for now,
    std::string reason;          // and in words
};

// What may be filled of orders: of those that could open a position, and of those that take one
// off and wait for no trigger.
struct WorstSums {
    std::int64_t opening = 0, reducing = 0;

    void add(const WorstSums& other, int sign) noexcept {
        opening += sign * other.opening;
        reducing += sign * other.reducing;
    }
};

// What may be filled of orders, by how it is valued. maker and taker: cost at the orders' own
// prices, by the fee that it is charged; unpriced: size of market orders.
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

// What an order adds to the sums over all that work: see order_sums.hpp.
struct OrderShare {
    WorstSums worst;
    SpentSums spent;
    std::int64_t near = 0;  // its place among the prices that can be met
    bool is_met = false, is_unknown = false;
};

class OrderIndex;

inline constexpr std::int64_t nothing_due = std::int64_t{1} << 62;  // ns: never

struct AccountOrder : OrderLife, std::enable_shared_from_this<AccountOrder> {
    std::int64_t robot = 0;  // its number, 0: other hands made the order
    std::uint64_t order_id = 0;
    OrderTerms terms;
    std::int64_t created = 0, price = 0;
    std::string venue_id;    // "": not known, or there is none
    Int128 spent = 0;        // price times size of its fills
    std::uint16_t code = 0;  // of the last word on it, 0 and "" where that was no refusal
    std::string reason;
    bool is_held = false;       // it waits at the gateway for orders of ours, unknown to the venue
    bool is_canceling = false;  // its end was asked for
    bool is_taken_off = false;  // canceled for an internal trade: what is left is placed again
    bool reissue_open = false;  // what was left was placed again, and that is unanswered
    std::int64_t amend_price = 0, amend_size = 0;  // that are asked for
    std::vector<std::uint64_t> trade_ids;          // of its fills, sorted

    // Beyond the journal.
    std::string client_id;
    bool conditional = false;   // it waits outside the book now
    bool is_unfunded = false;   // held until its sub-account has the money: it holds none of it
    std::int64_t reissues = 0;  // how often what was left was placed again
    std::string sent_as;        // its client id at the venue, where that is another
    std::vector<std::string> former;   // names, ours and the venue's, of orders there that are gone
    std::vector<std::string> aliases;  // its client ids beside the first
    std::vector<std::string> former_venue_ids;
    std::int64_t filled_outside = 0;  // filled otherwise than by the order that the venue has now,
    std::int64_t away = 0;            // which is by so much smaller than ours
    std::int64_t sent_at = 0;         // when it was placed again
    std::int64_t placed_at = 0;  // when its placing left last, also after it was refused for now
    bool is_met = false;  // seen at the venue first: some of its fills may be older than that
    std::array<PendingRequest, 3> pending;  // by RequestKind, from place
    bool cancel_wanted = false;             // asked for while the placing is unanswered
    std::int64_t cancel_retries = 0;  // how often the cancel was sent again, its answer being lost
    std::int64_t lost_at = 0;         // since when its state is not known
    std::int64_t ask_at = 0;          // when the venue is asked about it, 0: no need
    std::int64_t asks = 0;
    std::int64_t not_found = 0;  // answers that do not know it
    bool asking = false;         // a question is under way
    bool ask_other = false;      // the next one goes to the list that it is not believed to be in
    std::int64_t working_query_at = 0;  // when it was last asked for among the working ones
    std::int64_t reported_filled = 0;   // the most that the venue has said is filled
    OrderNews reported_end{};  // it has ended there, and fills are still to come; 0: it has not
    std::int64_t reported_time = 0;  // the venue's time of the newest word about it
    std::int64_t amended_at = 0;     // when an amendment was last sent

    // Terms as somebody else has them, with what is not in `terms`.
    std::shared_ptr<void> shown;

    AccountOrder() = default;
    AccountOrder(const AccountOrder&) = delete;
    AccountOrder& operator=(const AccountOrder&) = delete;

    [[nodiscard]] bool is_open() const noexcept { return !closed(); }
    [[nodiscard]] bool is_unknown() const noexcept { return state == OrderState::unknown; }
    // A stop of the guardian's: cancelling a robot's orders leaves it, because the position
    // remains.
    [[nodiscard]] bool is_protective() const noexcept {
        return terms.has_trigger() && terms.is_guardians();
    }
    // Its client id at the venue.
    [[nodiscard]] const std::string& name() const noexcept {
        return sent_as.empty() ? client_id : sent_as;
    }
    // What may still be filled in the worst case.
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

    // A request of it, and news, as they stand on its gateway's journal. state: after the news.
    [[nodiscard]] OrderRequestPayload request_frame(RequestKind kind, std::int64_t price_then,
                                                    std::int64_t size_then,
                                                    bool is_reissue) const noexcept;
    [[nodiscard]] OrderEventPayload news_frame(OrderNews news, OrderState then, std::int64_t time,
                                               std::uint16_t news_code) const noexcept;

    // price, size: of an amendment. is_reissue: of a cancel: what is left is to be placed again; of
    // an amendment: it is, which ends whatever was asked of the venue before. Of an order that has
    // worked there it is an amendment that changes nothing: unanswered it is pending_update, lost
    // unknown, refused canceled. Returns the cell that applied.
    OrderCell take_request(RequestKind kind, std::int64_t price_wanted, std::int64_t size_then,
                           bool held, bool is_reissue) noexcept;
    // It has left the venue and waits at the gateway to be placed again. No frame says so: to
    // readers its end is asked for until that, or its end, is on the journal.
    void take_back() noexcept;
    // Another incarnation of the gateway goes on: what left and has no answer never gets one.
    void take_incarnation() noexcept;
    // A report. size, price: of the order after it, 0: as they were.
    OrderCell take_news(OrderNews news, std::int64_t size_then, std::int64_t price_then) noexcept;
    // Books a fill once. What was refused before it is no reason of how an order stands that works.
    OrderCell take_fill(std::uint64_t trade_id, std::int64_t fill_price, std::int64_t fill_size);

    // A request leaves, for the first time or again. number: of its call.
    void sent(RequestKind kind, std::int64_t now, std::int64_t deadline,
              std::uint64_t number) noexcept;
    // The clock was set by `step`, ns. The times of the venue's words stay.
    void restate(std::int64_t step) noexcept;

    // Its index's, which is told of each change.
    OrderIndex* index = nullptr;
    bool is_marked = false;
    bool is_listed = false;  // among the open ones, between these:
    AccountOrder *previous = nullptr, *next = nullptr;
    std::uint64_t listed_as = 0;        // in the order in which they came
    std::optional<OrderShare> share;    // as it was summed up last
    std::int64_t due_at = nothing_due;  // likewise when something of it is due
    void touch();
};

using AccountOrderRef = std::shared_ptr<AccountOrder>;

// A venue's id of an order as frames have it; 0: it is no number.
[[nodiscard]] std::uint64_t venue_number(std::string_view venue_id) noexcept;
// What a word of the venue's is to the table.
[[nodiscard]] OrderAct act_of(OrderNews news) noexcept;

}  // namespace onetape
