#pragma once
// A matching engine for one instrument and any number of participants: strict price-time priority.
// It is the exchange behind the simulated venues and under the generated market.
//
// Orders live in a slab and hang in intrusive lists, one for each price level; levels stand in a
// sorted array for each side with the best at its end, so that changes near the touch move few
// bytes. Nothing allocates once the slab has grown to the number of orders that work at a time.
//
// Orders of one participant trade with each other: self-trade prevention happens before.
//
// Time comes with each call and must not decrease. The sink must not call the engine.
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/id_map.hpp"
#include "exchange/amend_rule.hpp"
#include "exchange/instrument.hpp"
#include "journal/events.hpp"

namespace onetape {

struct MatchingOptions {
    bool by_order = false;    // also report each order of the book to the sink
    bool check_rules = true;  // order_rules.hpp; a trusted feed of our own may skip them
    AmendTerms amend{};
    // True: an order whose trigger is met on arrival is refused; false: it fires at once.
    bool refuses_met_triggers = false;
};

class MatchingSink {
 public:
    virtual ~MatchingSink() = default;
    virtual void on_order_event(std::uint32_t participant, const OrderEventPayload& event) = 0;
    virtual void on_fill(std::uint32_t participant, const FillPayload& fill) = 0;
    // Public events.
    virtual void on_trade(const TradePayload& trade) = 0;
    // The levels that one call changed, with their new sizes (0: gone), in the order of the
    // changes.
    virtual void on_levels(std::int64_t now, std::span<const BookLevel> bids,
                           std::span<const BookLevel> asks) = 0;
    // With `by_order`: the changes that one call made to resting orders, in their order; the last
    // of them is the `last` of a message. Ids are the venue's. Levels and touch follow.
    virtual void on_orders(std::int64_t /*now*/, std::span<const MboPayload> /*orders*/) {}
    // Price or size of the best bid or ask differs from before the call.
    virtual void on_touch(const QuotePayload& quote) = 0;
};

class MatchingEngine {
 public:
    MatchingEngine(const InstrumentSpec& spec, const MatchingOptions& options,
                   MatchingSink& sink) noexcept;

    // hidden: the order rests in the book and is not published.
    void request(std::uint32_t participant, std::int64_t now, const OrderRequestPayload& request,
                 bool hidden = false) noexcept;
    // Side::none: both. In the order of placing.
    void cancel_all(std::uint32_t participant, std::int64_t now, Side side = Side::none) noexcept;
    // Sets external prices that triggers may use, 0: unchanged.
    void set_mark(std::int64_t now, std::int64_t mark, std::int64_t index) noexcept;

    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    [[nodiscard]] std::int64_t next_expiry() const noexcept;
    void expire(std::int64_t now) noexcept;

    // Sets the position that reduce-only orders are checked against; fills move it.
    void set_position(std::uint32_t participant, std::int64_t qty,
                      PositionSide position_side = PositionSide::both) noexcept;
    [[nodiscard]] std::int64_t position(
        std::uint32_t participant, PositionSide position_side = PositionSide::both) const noexcept;

    // Number of levels with a visible order; the same levels below.
    [[nodiscard]] std::size_t level_count(Side side) const noexcept;
    [[nodiscard]] BookLevel level(Side side, std::size_t depth) const noexcept;  // 0 is the best
    // Appends an add for each resting order, best level first, oldest first.
    void copy_orders(std::int64_t now, std::vector<MboPayload>& out) const;
    // The order that trades next at a side's best level. False if the side is empty.
    [[nodiscard]] bool first_order(Side side, std::uint32_t& participant,
                                   std::uint64_t& order_id) const noexcept;
    [[nodiscard]] std::size_t order_count() const noexcept { return ids_.size(); }
    [[nodiscard]] std::int64_t last_price() const noexcept { return last_price_; }  // 0: no trade
    [[nodiscard]] const InstrumentSpec& spec() const noexcept { return spec_; }

 private:
    static constexpr std::uint32_t none = 0xffffffffu;

    enum class Place : std::uint8_t { free, incoming, resting, trigger };

    struct Order {
        std::int64_t price;
        std::int64_t left;
        std::int64_t size;
        std::uint64_t order_id;
        std::uint64_t venue_id;
        std::uint32_t participant;
        std::uint32_t previous, next;  // in its level, oldest first
        std::uint32_t level;
        std::int64_t trigger;
        std::int64_t expire_ns;
        Side side;
        OrderType type;
        TimeInForce tif;
        TriggerBy trigger_by;
        PositionSide position_side;
        std::uint8_t flags;
        std::uint8_t robot;
        Place place;
        bool rises;
        bool hidden;
    };

    struct Level {
        std::int64_t price;
        std::int64_t size;  // the visible size
        std::uint32_t head, tail;
    };

    struct LevelRef {
        std::int64_t rank;  // bid: the price; ask: its complement. The best is the largest.
        std::uint32_t level;
    };

    struct BookSideLevels {
        std::vector<LevelRef> refs;  // ascending rank
    };

    struct Expiry {
        std::int64_t at;
        std::uint64_t venue_id;
        std::uint32_t slot;
        [[nodiscard]] bool operator<(const Expiry& other) const noexcept {
            return at != other.at ? at > other.at : venue_id > other.venue_id;
        }
    };

    [[nodiscard]] const BookSideLevels& side_of(Side side) const noexcept {
        return sides_[side == Side::sell ? 1 : 0];
    }
    [[nodiscard]] BookSideLevels& side_of(Side side) noexcept {
        return sides_[side == Side::sell ? 1 : 0];
    }
    [[nodiscard]] static std::int64_t rank_of(Side side, std::int64_t price) noexcept {
        return side == Side::sell ? ~price : price;
    }

    // matching.cpp: requests
    void place(std::uint32_t participant, std::int64_t now, const OrderRequestPayload& request,
               bool hidden) noexcept;
    void cancel(std::uint32_t participant, std::int64_t now,
                const OrderRequestPayload& request) noexcept;
    void amend(std::uint32_t participant, std::int64_t now,
               const OrderRequestPayload& request) noexcept;
    void activate(std::uint32_t slot, std::int64_t now) noexcept;
    void match(std::uint32_t slot, std::int64_t now) noexcept;
    void trade(std::uint32_t taker, std::uint32_t maker, std::int64_t size,
               std::int64_t now) noexcept;
    void send_fill(const Order& order, std::int64_t price, std::int64_t size, Liquidity liquidity,
                   std::int64_t now) noexcept;
    [[nodiscard]] bool crosses(Side side, std::int64_t price) const noexcept;
    [[nodiscard]] bool fillable(const Order& order) noexcept;
    [[nodiscard]] std::int64_t reducible(std::uint32_t participant, PositionSide position_side,
                                         Side side) const noexcept;
    [[nodiscard]] std::int64_t& held(std::uint32_t participant,
                                     PositionSide position_side) noexcept;
    [[nodiscard]] static std::size_t held_at(std::uint32_t participant,
                                             PositionSide position_side) noexcept {
        return std::size_t{participant} * 3 + static_cast<std::size_t>(position_side);
    }
    [[nodiscard]] std::int64_t reference() const noexcept;
    void close(std::uint32_t slot, std::int64_t now, OrderNews news, std::uint16_t code) noexcept;
    void emit(const Order& order, std::int64_t now, OrderNews news, OrderState state,
              std::uint16_t code) noexcept;
    void refuse(std::uint32_t participant, std::int64_t now, const OrderRequestPayload& request,
                OrderNews news, std::uint16_t code) noexcept;
    void finish_call(std::int64_t now) noexcept;
    void publish(std::int64_t now) noexcept;

    // matching_book.cpp: slab, levels, triggers
    [[nodiscard]] std::uint32_t allocate() noexcept;
    void release(std::uint32_t slot) noexcept;
    [[nodiscard]] static std::size_t find_rank(const BookSideLevels& side,
                                               std::int64_t rank) noexcept;
    void rest(std::uint32_t slot, std::int64_t now) noexcept;
    void unlink(std::uint32_t slot) noexcept;  // from level or triggers
    void shrink_level(Order& order, std::int64_t size) noexcept;
    void show(const Order& order,
              std::int64_t size) noexcept;  // by a signed change of the visible size
    [[nodiscard]] std::size_t find_shown(const BookSideLevels& side,
                                         std::size_t depth) const noexcept;
    void note_order(const Order& order, std::int64_t now, MboAction action,
                    std::int64_t size) noexcept;
    void add_trigger(std::uint32_t slot) noexcept;
    void remove_trigger(std::uint32_t slot) noexcept;
    [[nodiscard]] std::int64_t trigger_price(TriggerBy by) const noexcept;
    [[nodiscard]] bool is_met(TriggerBy by, bool rises, std::int64_t trigger) const noexcept;
    void fire(std::uint32_t slot, std::int64_t now, std::uint16_t code) noexcept;
    [[nodiscard]] std::vector<std::uint32_t>& triggers_of(const Order& order) noexcept;
    [[nodiscard]] std::uint32_t next_trigger() const noexcept;
    void run_triggers(std::int64_t now) noexcept;

    InstrumentSpec spec_;
    MatchingOptions options_;
    MatchingSink* sink_;
    std::vector<Order> orders_;
    std::vector<std::uint32_t> free_orders_;
    std::vector<Level> levels_;
    std::vector<std::uint32_t> free_levels_;
    std::array<BookSideLevels, 2> sides_;
    // By watched price (last, mark, index), then falling, rising. The next to fire is at the end.
    std::array<std::array<std::vector<std::uint32_t>, 2>, 3> triggers_;
    std::size_t trigger_count_ = 0;
    std::size_t hidden_count_ = 0;  // resting orders that are not published
    std::vector<Expiry> expiries_;  // heap; entries of closed orders are dropped when due
    IdMap ids_;
    std::vector<std::int64_t> positions_;  // by participant and side of the position: held_at()
    std::vector<std::pair<std::size_t, std::int64_t>> moved_;  // used by fillable(): by held_at()
    std::array<std::vector<BookLevel>, 2> changed_;
    std::vector<MboPayload> orders_changed_;
    QuotePayload touch_{};
    std::int64_t last_price_ = 0, mark_ = 0, index_ = 0;
    std::uint64_t next_venue_id_ = 1, next_trade_id_ = 1;
};

}  // namespace onetape
