#pragma once
// A generated market: seeded order flow drives a matching engine for each symbol, and everything
// that a venue would publish comes out as journal payloads in time order. Same seed, same bytes, on
// every platform.
//
// Each symbol has a fair value that moves randomly (one common factor, one of its own, regimes of
// volatility). Makers place limit orders around it, at distances with a power-law tail, and cancel
// in proportion to the resting orders; when the fair value has moved past their orders they cancel
// them or are hit by an informed taker. Takers come in bursts (self-exciting arrivals) and in runs
// of one side. External participants may trade in the same books.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "exchange/matching.hpp"
#include "journal/events.hpp"

namespace onetape {

struct FlowSymbol {
    InstrumentSpec spec;
    std::int64_t price = 0;         // start price, price units
    std::int64_t size_typical = 1;  // typical order size, size units
    double volatility = 0.5;        // per year
    double correlation = 0.6;       // share of the common factor in its variance, 0 to 1
};

// A random walk: each step moves it by the integer part of a normal variate, and with some
// probability there is a print: one order that takes all resting orders up to an integer, normal
// distance from the walk.
struct RandomWalk {
    double drift = 0.501;  // ticks per step, before truncation
    double deviation = 4.0;
    double trade_probability = 0.2;
    double offset_deviation = 6.0;  // ticks; the mean is 0
    std::int64_t size = 1;          // of a print, in typical orders
    std::int64_t depth_size = 10;   // of a quoted level, in typical orders
    std::int32_t levels = 10;       // per side, one tick apart, 1 to 50
    std::int64_t step_ns = 1'000'000'000;
};

enum class FlowKind : std::uint8_t { crowd, random_walk };

struct FlowOptions {
    FlowKind kind = FlowKind::crowd;
    RandomWalk walk;
    std::uint64_t seed = 1;
    std::int64_t start = 0;         // ns UTC
    double rate = 1.0;              // 1: about thirty events per second and symbol
    std::uint32_t book_levels = 0;  // levels per side in the snapshot, 0: all
    bool by_order = false;          // publish each order of the book instead of its levels
};

struct FlowEvent {
    EventType type;
    std::uint16_t flags;
    std::uint32_t symbol;
    std::int64_t time;
    std::span<const std::byte> payload;  // valid until the next call
};

// Receives the engine's reports for participants other than the generated flow.
class ParticipantSink {
 public:
    virtual ~ParticipantSink() = default;
    virtual void on_order_event(std::uint32_t symbol, std::uint32_t participant,
                                const OrderEventPayload& event) = 0;
    virtual void on_fill(std::uint32_t symbol, std::uint32_t participant,
                         const FillPayload& fill) = 0;
};

class FlowVenue;

class Flow {
 public:
    // Every symbol needs a price of at least 100 ticks.
    Flow(const FlowOptions& options, std::span<const FlowSymbol> symbols,
         ParticipantSink* participants = nullptr) noexcept;
    ~Flow();
    Flow(const Flow&) = delete;
    Flow& operator=(const Flow&) = delete;

    // Returns the next event of any symbol, if it is before `until`. Times never decrease, the flow
    // never ends. False: nothing before `until`, or no symbols.
    bool next(FlowEvent& event, std::int64_t until = MatchingEngine::never) noexcept;

    // A lower bound for the next event: the time of one that is ready, else of the next step.
    [[nodiscard]] std::int64_t next_time() const noexcept;

    // Sends a request of an external participant (not 0, which is the flow) at `now`: not before
    // the last event, not after next_time(). Its results come out of next().
    void request(std::uint32_t symbol, std::uint32_t participant, std::int64_t now,
                 const OrderRequestPayload& request, bool hidden = false) noexcept;
    [[nodiscard]] MatchingEngine& engine(std::uint32_t symbol) noexcept;

 private:
    struct Record {
        EventType type;
        std::uint16_t flags;
        std::uint32_t symbol;
        std::int64_t time;
        std::uint32_t offset, bytes;
    };

    friend class FlowVenue;
    void push(EventType type, std::uint16_t flags, std::uint32_t symbol, std::int64_t time,
              std::span<const std::byte> head, std::span<const std::byte> bids = {},
              std::span<const std::byte> asks = {}) noexcept;

    FlowOptions options_;
    ParticipantSink* participants_;
    std::vector<std::unique_ptr<FlowVenue>> symbols_;
    std::vector<Record> records_;  // of the steps taken and not yet returned
    std::vector<std::byte> bytes_;
    std::size_t next_record_ = 0;
};

}  // namespace onetape
