#include "engine/routes.hpp"

#include <algorithm>

namespace onetape {

std::uint32_t Routes::add(std::uint32_t venue, const LatencyOptions& options) {
    const auto number = static_cast<std::uint32_t>(routes_.size());
    Route route{LatencyModel(options), {}, 0, never, 0};
    route.age = -route.latency.happened(0, 0);  // if it is the same for all events
    has_venue_clock_ = has_venue_clock_ || route.latency.has_venue_clock();
    counts_events_ = counts_events_ || route.latency.counts_events();
    if (begun_ && route.latency.has_venue_clock()) route.venue_now = -never;
    routes_.push_back(std::move(route));
    if (venue >= of_venue_.size()) of_venue_.resize(venue + 1);
    of_venue_[venue] = number;
    return number;
}

std::uint32_t Routes::of_venue(std::uint32_t venue) {
    const std::uint32_t listed = venue < of_venue_.size() ? of_venue_[venue] : 0;
    if (listed != 0 || !are_apart_ || venue == 0) return listed;
    return add(venue, common_);
}

void Routes::begin() {
    begun_ = true;
    for (Route& route : routes_)
        if (route.latency.has_venue_clock()) route.venue_now = -never;
}

void Routes::know(std::uint32_t route, std::int64_t received, std::int64_t happened) noexcept {
    for (std::uint32_t i = 0; i < routes_.size(); ++i) {
        Route& each = routes_[i];
        if (each.venue_now == never) continue;
        if (i == route) {
            if (happened != received) each.age = received - happened;
            each.venue_now = std::max(each.venue_now, happened);
        } else {
            each.venue_now = std::max(each.venue_now, received - each.age);
        }
    }
}

void Routes::know_of_all(std::int64_t received) noexcept {
    for (Route& each : routes_)
        if (each.venue_now != never) each.venue_now = std::max(each.venue_now, received - each.age);
}

void Routes::know_until(std::int64_t until) noexcept {
    for (Route& route : routes_)
        if (route.venue_now != never && route.venue_now <= until) route.venue_now = until + 1;
}

void Routes::send(std::uint32_t route, std::int64_t now, std::uint32_t instrument,
                  const OrderRequestPayload& request) {
    Route& way = routes_[route];
    const std::int64_t floor = way.arrivals.empty() ? 0 : way.arrivals.back().time;
    const std::int64_t time = now + way.latency.request(now);
    way.arrivals.push_back({std::max(floor, time), instrument, request});
}

// Of equal times, the venue that was named or seen first.
const Routes::Route* Routes::first_ready() const noexcept {
    const Route* first = nullptr;
    for (const Route& route : routes_) {
        if (route.arrivals.empty() || route.arrivals.front().time >= route.venue_now) continue;
        if (!first || route.arrivals.front().time < first->arrivals.front().time) first = &route;
    }
    return first;
}

std::int64_t Routes::next_arrival() const noexcept {
    const Route* first = first_ready();
    return first ? first->arrivals.front().time : never;
}

Arrival Routes::take_arrival() {
    Route& route = routes_[static_cast<std::size_t>(first_ready() - routes_.data())];
    const Arrival arrival = route.arrivals.front();
    route.arrivals.pop_front();
    return arrival;
}

std::int64_t Routes::reply_time(std::uint32_t route, std::int64_t happened, std::int64_t now,
                                std::int64_t from) noexcept {
    Route& way = routes_[route];
    const std::int64_t time = happened + way.latency.reply(happened, now);
    way.reply_floor = std::max({way.reply_floor, time, from});
    return way.reply_floor;
}

}  // namespace onetape
