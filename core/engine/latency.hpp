#pragma once
// The latency of requests to the exchange and of its reports back. A function of the tape's time
// and content, so that it is the same in a backtest, on paper and in a replay.
//
//   request sent at T arrives at        T + request(T)   + burst
//   what happened at E is heard of at   E + reply(E)     + burst
//   burst = burst_ns * market events received in the last burst_window ns
//
// Where venues stamp their events, the exchange has a clock of its own: a frame that we received at
// T happened there at T - feed. An order then meets the market as it was there when it arrived, not
// as we had received it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace onetape {

struct LatencyPoint {
    std::int64_t time;  // ns: UTC, or since midnight UTC in a daily curve
    std::int64_t request, reply;
};

enum class FeedClock : std::uint8_t {
    receipt = 0,  // an order meets the market as of its receipt: events have no age
    constant,     // every event is `feed` ns old when it is received
    recorded,     // each event's age by its own stamp, the venue's clock corrected by `feed`
};

struct LatencyOptions {
    std::int64_t request = 0, reply = 0;  // constant, ns
    std::vector<LatencyPoint> curve;      // by time, linear between points; replaces the constants
    bool daily = false;
    std::int64_t burst = 0, burst_window = 0;  // ns for each event received within the window
    FeedClock clock = FeedClock::receipt;
    std::int64_t feed = 0;  // ns: see FeedClock; recorded: added to the venue's stamps
};

class LatencyModel {
 public:
    explicit LatencyModel(LatencyOptions options) : options_(std::move(options)) {}

    [[nodiscard]] std::int64_t request(std::int64_t now) noexcept {
        return (options_.curve.empty() ? options_.request : at(now).request) + burst(now);
    }
    [[nodiscard]] std::int64_t reply(std::int64_t happened, std::int64_t now) noexcept {
        return (options_.curve.empty() ? options_.reply : at(happened).reply) + burst(now);
    }
    [[nodiscard]] bool counts_events() const noexcept { return options_.burst != 0; }
    void note_event(std::int64_t now) noexcept;

    [[nodiscard]] bool has_venue_clock() const noexcept {
        return options_.clock != FeedClock::receipt;
    }
    // When the event received at `received` happened at the venue, by the receipt clock.
    [[nodiscard]] std::int64_t happened(std::int64_t received, std::int64_t stamp) const noexcept {
        if (options_.clock == FeedClock::constant || stamp == 0) return received - constant_age();
        return std::min(stamp + options_.feed, received);
    }

 private:
    [[nodiscard]] std::int64_t constant_age() const noexcept {
        return options_.clock == FeedClock::constant ? options_.feed : 0;
    }
    [[nodiscard]] LatencyPoint at(std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t burst(std::int64_t now) noexcept;

    LatencyOptions options_;
    std::size_t place_ = 0;  // index in the curve of the last lookup: time mostly increases
    // Receipt times of the last events, in a ring; older ones are not counted.
    static constexpr std::size_t kept = 4096;
    std::vector<std::int64_t> events_;
    std::size_t first_ = 0, count_ = 0;
};

}  // namespace onetape
