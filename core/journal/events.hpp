#pragma once
// The event types of a tape and the fixed layouts of the frequent ones. All others carry
// MessagePack. Prices and sizes are int64 at the instrument's decimals; times int64 ns UTC.
// events.cpp describes each layout field by field, and each segment repeats that description, so
// that a build which does not know a type still reads it by name.
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace onetape {

enum class EventType : std::uint16_t {
    instrument = 1,
    quote,
    trade,
    book,
    bar,
    mark,
    funding,
    liquidation,
    order_request,
    order_event,
    fill,
    balance,
    position,
    transfer,
    timer,
    command,
    reply,
    alert,
    health,
    external,
    params,
    input,
    log,
    memory,
    mbo,
    entry,
    signal,
    target,
    cycle,
    history,
    open_interest,
    funding_rate,
    plot,
    end = 0xffff,  // the writer left this segment; the next one follows
};
inline constexpr std::uint16_t event_type_count = 33;

enum class Side : std::uint8_t { none = 0, buy = 1, sell = 2 };
[[nodiscard]] constexpr Side other_side(Side side) noexcept {
    return side == Side::buy ? Side::sell : Side::buy;
}
enum class OrderType : std::uint8_t { limit = 1, market = 2 };
enum class TimeInForce : std::uint8_t { gtc = 1, ioc = 2, fok = 3, gtd = 4 };
enum class TriggerBy : std::uint8_t { none = 0, last = 1, mark = 2, index = 3 };
// The direction in which the price reaches a trigger: against the owner of the order (stop) or in
// the owner's favor (take-profit). `none`: an order without a trigger, or a tape older than kinds.
enum class TriggerKind : std::uint8_t { none = 0, stop = 1, take_profit = 2, trailing = 3 };
enum class PositionSide : std::uint8_t { both = 0, long_ = 1, short_ = 2 };
enum class Liquidity : std::uint8_t { none = 0, maker = 1, taker = 2 };
enum class IdKind : std::uint8_t { none = 0, integer = 1, text = 2, uuid = 3 };

// Order flags of order_request. The two highest bits are its TriggerKind.
inline constexpr std::uint8_t order_post_only = 1;
inline constexpr std::uint8_t order_reduce_only = 2;
inline constexpr std::uint8_t order_denied =
    4;  // on a live robot's tape: refused before it was sent
inline constexpr std::uint8_t order_own_reducing =
    8;  // on a gateway's tape: reduce-only, sent to the venue without that flag
inline constexpr std::uint8_t order_held =
    16;  // on a gateway's tape: waits for other orders of ours
inline constexpr std::uint8_t order_reissue = 32;  // on a gateway's tape: the rest is placed again

inline constexpr unsigned trigger_kind_shift = 6;

[[nodiscard]] constexpr TriggerKind trigger_kind_of(std::uint8_t flags) noexcept {
    return static_cast<TriggerKind>(flags >> trigger_kind_shift);
}
[[nodiscard]] constexpr std::uint8_t with_trigger_kind(std::uint8_t flags,
                                                       TriggerKind kind) noexcept {
    constexpr unsigned others = (1u << trigger_kind_shift) - 1;
    return static_cast<std::uint8_t>((flags & others) | static_cast<unsigned>(kind)
                                                            << trigger_kind_shift);
}
// Returns true if the order fires when the price rises to the trigger, false if when it falls to
// it.
[[nodiscard]] constexpr bool trigger_rises(Side side, std::uint8_t flags) noexcept {
    return (side == Side::buy) == (trigger_kind_of(flags) == TriggerKind::stop);
}

enum class RequestKind : std::uint8_t { place = 1, cancel = 2, amend = 3 };

enum class OrderState : std::uint8_t {
    initialized = 1,
    submitted,
    accepted,
    partially_filled,
    filled,
    pending_cancel,
    canceled,
    pending_update,
    rejected,
    denied,
    expired,
    triggered,
    unknown,
};

[[nodiscard]] constexpr bool is_closed(OrderState state) noexcept {
    switch (state) {
        case OrderState::filled:
        case OrderState::canceled:
        case OrderState::rejected:
        case OrderState::denied:
        case OrderState::expired:
            return true;
        default:
            return false;
    }
}

// An order event: the venue's answer about an order. `filled` occurs in fill frames alone.
enum class OrderNews : std::uint8_t {
    accepted = 1,
    rejected,
    canceled,
    expired,
    triggered,
    updated,
    cancel_rejected,
    update_rejected,
    denied,  // refused by our own gateway, never sent
    lost,    // sent, outcome unknown
    found,   // a query found it working
    absent,  // proven not to exist at the venue
};

struct QuotePayload {
    std::int64_t ts_event, ts_recv, bid, ask, bid_size, ask_size;
    std::uint64_t update_id;  // the venue's id, 0: none
    std::uint64_t reserved;
};
static_assert(sizeof(QuotePayload) == 64);

struct TradePayload {
    std::int64_t ts_event, ts_recv, price, size;
    std::uint64_t id_low,
        id_high;  // integer in id_low; text left-aligned over both; uuid over both
    Side side;    // of the taker
    IdKind id_kind;
    std::uint8_t reserved[14];
};
static_assert(sizeof(TradePayload) == 64);

struct BookLevel {
    std::int64_t price, size;  // size 0: the level is gone
};
static_assert(sizeof(BookLevel) == 16);

struct BookPayload {  // followed by bid_count, then ask_count BookLevels
    std::int64_t ts_event, ts_recv;
    std::uint64_t first_id, last_id, previous_id;  // the venue's U, u, pu; 0 where it has none
    std::uint32_t bid_count, ask_count;
};
static_assert(sizeof(BookPayload) == 48);

struct BarPayload {
    std::int64_t ts_open, ts_close;  // ts_close is exclusive
    std::int64_t period_ns;
    std::int64_t open, high, low, close, volume;
    std::int64_t turnover_low, turnover_high;  // int128 of price * size, 0: not known
    std::int64_t trades;                       // -1: not known
    std::int64_t reserved;
};
static_assert(sizeof(BarPayload) == 96);

// A past bar that the venue returned to a request. It is no market event: only the requester reads
// it. With flag_open its period has not ended, and it holds the trades up to `last_trade`.
struct HistoryPayload {
    std::int64_t ts_open, ts_close;
    std::int64_t period_ns;
    std::int64_t open, high, low, close, volume;
    std::int64_t turnover_low, turnover_high;  // as in a bar
    std::int64_t trades;
    std::uint64_t last_trade;  // the venue's number of the last trade in it, 0: unknown
};
static_assert(sizeof(HistoryPayload) == sizeof(BarPayload));

struct MarkPayload {
    std::int64_t ts_event, ts_recv, mark, index;  // index 0: none
};
static_assert(sizeof(MarkPayload) == 32);

struct FundingPayload {
    std::int64_t ts_event, ts_recv;
    std::int64_t rate;         // 1e-12
    std::int64_t mark;         // 0: none
    std::int64_t interval_ns;  // 0: unknown
};
static_assert(sizeof(FundingPayload) == 40);

struct LiquidationPayload {
    std::int64_t ts_event, ts_recv, price, size;
    Side side;
    std::uint8_t reserved[7];
};
static_assert(sizeof(LiquidationPayload) == 40);

struct OpenInterestPayload {
    std::int64_t ts_event, ts_recv, size;  // sum of all long positions
};
static_assert(sizeof(OpenInterestPayload) == 24);

// The funding rate of the current interval as published by the venue; a payment is a `funding`
// frame.
struct FundingRatePayload {
    std::int64_t ts_event, ts_recv;
    std::int64_t rate;       // 1e-12, of the next payment
    std::int64_t predicted;  // 1e-12, of the payment after it
    std::int64_t next_ns;    // time of the next payment, 0: unknown
    std::uint8_t has_predicted;
    std::uint8_t reserved[7];
};
static_assert(sizeof(FundingRatePayload) == 48);

struct OrderRequestPayload {  // followed by a MessagePack map of further fields, if there are any
    std::uint64_t order_id;   // the robot's ordinal, from 1
    std::int64_t price;       // 0 for market orders
    std::int64_t size;        // place: quantity; amend: new quantity, 0 unchanged
    std::int64_t trigger;     // 0: none
    std::int64_t expire_ns;   // gtd only
    RequestKind kind;
    Side side;
    OrderType type;
    TimeInForce tif;
    std::uint8_t flags;
    TriggerBy trigger_by;
    PositionSide position_side;
    std::uint8_t robot;  // index of the robot in the run
    char tag[32];        // zero-padded UTF-8
};
static_assert(sizeof(OrderRequestPayload) == 80);

struct OrderEventPayload {  // a refusal is followed by a MessagePack map {"reason": ..}
    std::uint64_t order_id;
    std::uint64_t venue_id;
    std::int64_t ts_event;
    std::int64_t price, size, filled;
    std::uint16_t code;  // CONTRACT.md error number, 0: none
    OrderNews news;
    OrderState state;  // the order's state after this event, as the venue sees it
    std::uint8_t robot;
    std::uint8_t reserved[3];
    std::uint64_t cause;  // number of input frames that the robot's process had read by then
};
static_assert(sizeof(OrderEventPayload) == 64);

struct FillPayload {
    std::uint64_t order_id;
    std::uint64_t venue_id;
    std::uint64_t trade_id;
    std::int64_t ts_event;
    std::int64_t price, size;
    std::int64_t fee_low, fee_high;  // int128 money (1e-18 of the fee currency); negative: rebate
    Side side;
    Liquidity liquidity;
    PositionSide position_side;
    std::uint8_t robot;
    std::uint32_t fee_currency;  // 0: the instrument's settle currency
    std::uint64_t cause;         // number of input frames that the robot's process had read by then
};
static_assert(sizeof(FillPayload) == 80);

struct TimerPayload {
    std::int64_t due;  // the time it was set for; the frame's time is when it was handled
    std::uint32_t id;  // the robot's timer, 0: the clock itself
    std::uint32_t missed;
};
static_assert(sizeof(TimerPayload) == 16);

struct InputPayload {  // records which frames of which journal were read next
    std::uint8_t source[16];
    std::uint64_t epoch;
    std::uint64_t first_sequence, count;
    std::uint32_t crc;    // chain value of the last of them
    std::uint32_t robot;  // on a gateway's tape: the robot that wrote the frames; else 0
};
static_assert(sizeof(InputPayload) == 48);
// Flag of an order_event frame on a run's tape: the robot's own checks refused the order; it was
// never sent.
inline constexpr std::uint16_t order_never_left = 1;
// Flag of an order_request frame on a run's tape: sent after all other requests of its callback,
// because those free the money for it.
inline constexpr std::uint16_t request_leaves_last = 1;
// Flag of an input frame on a robot's tape: these frames came next in order. Without it: the total
// read so far.
inline constexpr std::uint16_t input_in_order = 1;

// A change of one order of the venue's own book (market by order, "L3").
//   add     an order of `size` now rests at `price`, behind all orders at that price
//   modify  sets price and remaining size; the order keeps its place in the queue only at the same
//           price with a size that is not larger; size 0 removes it
//   cancel  removes `size` of the order, 0: all that was left
//   fill    `size` of the order was traded at `price`; the rest keeps its place
//   clear   forgets the orders of `side` (none: both sides); with flag_snapshot the adds that
//   follow
//           under the same flag, in the order of their priority, list them anew
enum class MboAction : std::uint8_t { add = 1, modify, cancel, fill, clear };

struct MboPayload {
    std::int64_t ts_event, ts_recv;
    std::uint64_t order_id;  // the venue's id; 0 with clear
    std::int64_t price, size;
    MboAction action;
    Side side;              // of the resting order
    std::uint8_t last;      // 1: the last of its venue's message; the book is consistent again
    std::uint8_t reported;  // 1: a fill that changes no size, because a cancel or modify follows
    std::uint8_t reserved[4];
};
static_assert(sizeof(MboPayload) == 48 && offsetof(MboPayload, action) == 40);

// One field of a fixed layout. kind: i(nteger), u(nsigned), p(rice), s(ize), t(ime), m(oney
// int128), r(ate 1e-12), c(haracters), e(numeration; `names` lists them from 0), x: reserved, skip,
// k(eys and values: a MessagePack map in what follows the layout; of 0 bytes at its end).
struct FieldSpec {
    const char* name;
    char kind;
    std::uint8_t bytes;
    std::uint16_t offset;
    const char* names;  // "none,buy,sell" for kind e, else nullptr
};

struct EventSpec {
    EventType type;
    const char* name;             // the name in CONTRACT.md
    bool fixed;                   // false: MessagePack map
    std::uint16_t payload_bytes;  // of a fixed layout, without what follows it
    std::span<const FieldSpec> fields;
    const char* tail;  // "bids,asks": counted (price,size) levels follow, else nullptr
};

// All event types in order of their ids.
[[nodiscard]] std::span<const EventSpec> event_specs() noexcept;

}  // namespace onetape
