#include "engine/recorded_venue.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "engine/trading_loop.hpp"
#include "journal/market_frame.hpp"

namespace onetape {

RecordedVenue::RecordedVenue(const RecordedVenueOptions& options)
    : routes_(options.latency),
      account_(options.account),
      exchange_(options.exchange, account_, *this),
      fuses_(options.exchange.fuse),
      fee_volume_(options.fee_volume) {}

// --- set-up -------------------------------------------------------------------------------------

void RecordedVenue::set_instrument(Instrument& instrument) {
    if (fuses_ && !instrument.orders) instrument.view.book = &instrument.fused;
    exchange_.set_instrument(instrument.index, instrument.spec, instrument.settle, instrument.base,
                             &instrument.fill_view());
    // Its table may have been reallocated.
    for (std::uint32_t i = 0; Instrument* const each = loop_->instrument(i); ++i)
        each->interest = exchange_.interest(i);
}

const InstrumentSpec* RecordedVenue::set_terms(Instrument& instrument,
                                               const InstrumentTerms& terms) {
    exchange_.set_terms(instrument.index, terms);
    // A contract may now expire earlier than the next due time.
    loop_->wake(exchange_.next_event());
    instrument.route = routes_.of_venue(terms.venue);
    const bool has_tier = exchange_.fee_tier(instrument.index) != 0;
    return has_tier ? &exchange_.spec(instrument.index) : nullptr;
}

void RecordedVenue::begin(std::int64_t now) {
    routes_.begin();
    exchange_.begin(now);
    exchange_.add_volume(now, fee_volume_, fee_volumes_);
}

// --- requests and time --------------------------------------------------------------------------

void RecordedVenue::send(const Instrument& instrument, std::int64_t now,
                         const OrderRequestPayload& request) {
    routes_.send(instrument.route, now, instrument.index, request);
    loop_->wake(routes_.next_arrival());
}

std::int64_t RecordedVenue::next_due() {
    const std::int64_t due =
        std::min({exchange_.next_event(), exchange_.next_expiry(), routes_.next_arrival()});
    return replies_.empty() ? due : std::min(due, replies_.front().time);
}

bool RecordedVenue::run_due(std::int64_t time) {
    if (exchange_.next_event() <= time) {
        reply_base_ = time;
        exchange_.run_events(exchange_.next_event());
    } else if (exchange_.next_expiry() <= time) {
        reply_base_ = time;
        exchange_.expire(time);
    } else if (routes_.next_arrival() <= time) {
        const Arrival arrival = routes_.take_arrival();
        reply_base_ = arrival.time;
        exchange_.request(arrival.instrument, arrival.time, arrival.request);
    } else {
        return reply();
    }
    return true;
}

bool RecordedVenue::reply() {
    const Reply next = replies_.front();
    replies_.pop_front();
    Instrument& instrument = *loop_->instrument(next.instrument);
    return std::visit([&](const auto& news) { return loop_->deliver(instrument, news); },
                      next.news);
}

// --- the market ---------------------------------------------------------------------------------

// A bar has the time of its period, not the time when it was sent.
std::int64_t RecordedVenue::venue_time(std::uint32_t route, const Frame& frame) const {
    const std::int64_t received = frame.header->time;
    if (!routes_.has_venue_clock() || frame.type() == EventType::bar || !is_market(frame.type()))
        return received;
    std::int64_t stamp = 0;  // every other market event begins with it
    if (frame.payload_bytes >= sizeof stamp) std::memcpy(&stamp, frame.payload, sizeof stamp);
    return routes_.happened(route, received, stamp);
}

std::int64_t RecordedVenue::venue_time(const Instrument& instrument, const Frame& frame) const {
    return venue_time(instrument.route, frame);
}

void RecordedVenue::note_received(const Instrument* instrument, const Frame& frame) {
    if (!routes_.has_venue_clock()) return;
    if (instrument == nullptr && routes_.count() > 1) {
        routes_.know_of_all(frame.header->time);
    } else {
        const std::uint32_t route = instrument != nullptr ? instrument->route : 0;
        routes_.know(route, frame.header->time, venue_time(route, frame));
    }
    loop_->wake(routes_.next_arrival());
}

std::int64_t RecordedVenue::take_frame(const Instrument& instrument, const Frame& frame) {
    if (routes_.counts_events()) routes_.note_event(instrument.route, frame.header->time);
    return take_detail(instrument, frame);
}

std::int64_t RecordedVenue::take_detail(const Instrument& instrument, const Frame& frame) {
    const std::int64_t time = venue_time(instrument.route, frame);
    if (routes_.has_venue_clock()) exchange_.look_at_hours(instrument.index, time);
    return time;
}

bool RecordedVenue::fuse(Instrument& instrument, const QuotePayload& quote) {
    const bool is_depth = fuses_ && instrument.fuse(quote);
    fused_quotes_ += is_depth ? 1 : 0;
    return is_depth;
}

void RecordedVenue::show(Instrument& instrument, MarketChange change, std::int64_t time) {
    const std::uint32_t index = instrument.index;
    const MarketInterest& interest = *instrument.interest;
    const bool active = interest.active();
    reply_base_ = time;
    if (interest.pushed && change != MarketChange::bar && change != MarketChange::hole)
        exchange_.measure(index, time, change == MarketChange::trade);
    switch (change) {
        case MarketChange::quote:
            if (active) exchange_.on_quote(index, time);
            if (interest.watched()) exchange_.watch_quote(index, time);
            return;
        case MarketChange::trade:
            if (active) exchange_.on_trade(index, time);
            break;
        case MarketChange::book:
            if (active) exchange_.on_book(index, time);
            break;
        case MarketChange::bar:
            show_bar(instrument, time);
            if (interest.pushed) exchange_.measure_bar(index);
            return;
        case MarketChange::hole:
            exchange_.forget_bar_period(index);
            show_bar(instrument, time);
            exchange_.forget_bar_period(index);  // the detail data has shorter bars again
            return;
        case MarketChange::mark:
            if (active) exchange_.on_mark(index, time);
            break;
        case MarketChange::value:
            break;
    }
    if (interest.watched()) exchange_.watch(index, time);
}

// Events inside a bar are known at its end: the robot receives them then, or one latency after they
// happened, whichever is later. Events between open and close count as happening at the close.
void RecordedVenue::show_bar(Instrument& instrument, std::int64_t time) {
    const MarketInterest& interest = *instrument.interest;
    reply_base_ = instrument.fill_view().bar.ts_open;
    reply_from_ = time;
    if (interest.active() || interest.watched()) exchange_.on_bar(instrument.index, time);
    if (interest.watched()) exchange_.watch(instrument.index, time);
    reply_from_ = -never;
}

void RecordedVenue::show_order(Instrument& instrument, const MboChange& change, std::int64_t time) {
    reply_base_ = time;
    exchange_.on_mbo(instrument.index, time, change);
}

// --- reports ------------------------------------------------------------------------------------

// Interest belongs to no instrument: it comes from the venue of that currency's account.
std::uint32_t RecordedVenue::route_of(std::uint32_t instrument, const CashNews& cash) const {
    if (cash.kind != CashKind::interest) return loop_->instrument(instrument)->route;
    for (std::uint32_t i = 0; const Instrument* const each = loop_->instrument(i); ++i)
        if (each->settle == cash.currency || each->base == cash.currency) return each->route;
    return 0;
}

template <typename News>
void RecordedVenue::queue(std::uint32_t instrument, std::uint32_t route, const News& news,
                          std::int64_t happened) {
    const std::int64_t time =
        routes_.reply_time(route, std::max(reply_base_, happened), loop_->now(), reply_from_);
    auto place = replies_.end();  // the report of a faster venue overtakes a slower one's
    while (place != replies_.begin() && std::prev(place)->time > time) --place;
    replies_.insert(place, {time, instrument, news});
    // Its cause may have set a timer at the exchange, too: a trigger's delay.
    loop_->wake(std::min(time, exchange_.next_event()));
}

void RecordedVenue::on_order_event(std::uint32_t instrument, const OrderEventPayload& event) {
    queue(instrument, loop_->instrument(instrument)->route, event, event.ts_event);
}

void RecordedVenue::on_fill(std::uint32_t instrument, const FillPayload& fill) {
    queue(instrument, loop_->instrument(instrument)->route, fill, fill.ts_event);
}

void RecordedVenue::on_cash(std::uint32_t instrument, const CashNews& cash) {
    queue(instrument, route_of(instrument, cash), cash, cash.time);
}

void RecordedVenue::on_fees(std::uint32_t instrument, const FeeNews& fees) {
    queue(instrument, loop_->instrument(instrument)->route, fees, fees.time);
}

void RecordedVenue::on_loan(std::uint32_t instrument, const LoanNews& loan) {
    queue(instrument, loop_->instrument(instrument)->route, loan, loan.time);
}

}  // namespace onetape
