#pragma once
// The routes to the venues and back: their latency, the requests under way, and the time up to
// which the market at the far end is known. All venues use the first route until one gets its own;
// messages on one route keep their order and do not wait for other routes.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "engine/latency.hpp"
#include "journal/events.hpp"

namespace onetape {

struct Arrival {  // a request on its way
    std::int64_t time;
    std::uint32_t instrument;
    OrderRequestPayload request;
};

class Routes {
 public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    explicit Routes(const LatencyOptions& common) : common_(common) { add(0, common); }

    // Gives each venue a route of its own, with this latency for the named one and the common
    // latency for the others. Call before instruments are added.
    void name(std::uint32_t venue, const LatencyOptions& options) {
        are_apart_ = true;
        add(venue, options);
    }
    // The route of a venue.
    [[nodiscard]] std::uint32_t of_venue(std::uint32_t venue);

    [[nodiscard]] std::size_t count() const noexcept { return routes_.size(); }

    void begin();  // starts the venues' own clocks: nothing of their markets is known yet

    [[nodiscard]] bool has_venue_clock() const noexcept { return has_venue_clock_; }
    [[nodiscard]] bool counts_events() const noexcept { return counts_events_; }
    void note_event(std::uint32_t route, std::int64_t now) noexcept {
        routes_[route].latency.note_event(now);
    }

    // When the venue sent the event that we received at `received` with its stamp (0: it has none).
    [[nodiscard]] std::int64_t happened(std::uint32_t route, std::int64_t received,
                                        std::int64_t stamp) const noexcept {
        const Route& found = routes_[route];
        return found.venue_now == never ? received : found.latency.happened(received, stamp);
    }
    // A frame was received: that venue's market is known up to `happened`. For the other venues,
    // assume up to now minus the age of their last event.
    void know(std::uint32_t route, std::int64_t received, std::int64_t happened) noexcept;
    void know_of_all(std::int64_t received) noexcept;  // a frame of no venue
    void know_until(std::int64_t until) noexcept;      // no frame of this time or earlier follows

    void send(std::uint32_t route, std::int64_t now, std::uint32_t instrument,
              const OrderRequestPayload& request);
    // Time of the first request whose arrival at its venue is known; `never` if there is none.
    [[nodiscard]] std::int64_t next_arrival() const noexcept;
    Arrival take_arrival();  // that request

    // When the robot receives, at `now` or later, a report of an event; not before `from`.
    std::int64_t reply_time(std::uint32_t route, std::int64_t happened, std::int64_t now,
                            std::int64_t from) noexcept;

 private:
    struct Route {
        LatencyModel latency;
        std::deque<Arrival> arrivals;
        std::int64_t reply_floor = 0;  // keeps reports in order
        // The time up to which the venue's market is known: requests that arrive at this time or
        // later wait for the next frame. `never` without a clock of the venue's own.
        std::int64_t venue_now = never;
        std::int64_t age = 0;  // of the last event on this route
    };

    std::uint32_t add(std::uint32_t venue, const LatencyOptions& options);
    [[nodiscard]] const Route* first_ready() const noexcept;

    LatencyOptions common_;
    std::vector<Route> routes_;
    std::vector<std::uint32_t> of_venue_;  // by venue number; 0: the first route
    bool are_apart_ = false, has_venue_clock_ = false, counts_events_ = false, begun_ = false;
};

}  // namespace onetape
