#include "engine/simulation.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace onetape {
namespace {

constexpr std::uint64_t pulse_frames = 1u << 15;

// Bytes of a market event's layout by type id; 0 for what is none. A table, because it is asked
// for every frame.
constexpr std::array<std::uint8_t, event_type_count + 1> market_layout = [] {
    std::array<std::uint8_t, event_type_count + 1> bytes{};
    const auto set = [&](EventType type, std::size_t size) {
        bytes[static_cast<std::size_t>(type)] = static_cast<std::uint8_t>(size);
    };
    set(EventType::quote, sizeof(QuotePayload));
    set(EventType::trade, sizeof(TradePayload));
    set(EventType::book, sizeof(BookPayload));
    set(EventType::bar, sizeof(BarPayload));
    set(EventType::mark, sizeof(MarkPayload));
    set(EventType::funding, sizeof(FundingPayload));
    set(EventType::liquidation, sizeof(LiquidationPayload));
    return bytes;
}();

constexpr std::uint32_t market_bytes(EventType type) {
    const auto index = static_cast<std::size_t>(type);
    return index < market_layout.size() ? market_layout[index] : 0;
}

constexpr bool is_market(EventType type) {
    return market_bytes(type) != 0;
}

}  // namespace

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
      routes_(options.latency),
      report_currencies_{options.report_currency},
      exchange_account_(options.account),
      robot_account_(options.account),
      exchange_(options.exchange, exchange_account_, *this) {}

Simulation::~Simulation() = default;

// --- set-up -------------------------------------------------------------------------------------

Instrument& Simulation::add_instrument(std::string symbol, const InstrumentSpec& spec,
                                       std::uint32_t settle, std::uint32_t base) {
    auto added = std::make_shared<Instrument>();
    added->index = static_cast<std::uint32_t>(instruments_.size());
    added->symbol = std::move(symbol);
    added->robot_tag = options_.robot_tag;
    added->settle = settle;
    added->base = base;
    for (int i = 0; i < spec.price_decimals; ++i) added->price_scale *= 10.0;
    for (int i = 0; i < spec.size_decimals; ++i) added->size_scale *= 10.0;
    instruments_.push_back(std::move(added));
    Instrument& instrument = *instruments_.back();
    update_instrument(instrument.index, spec);
    return instrument;
}

bool Simulation::update_instrument(std::uint32_t index, const InstrumentSpec& spec) {
    Instrument& instrument = *instruments_[index];
    if (instrument.known && (instrument.spec.price_decimals != spec.price_decimals ||
                             instrument.spec.size_decimals != spec.size_decimals))
        return false;
    instrument.known = true;
    instrument.spec = spec;
    instrument.view.book = options_.exchange.fuse ? &instrument.fused : &instrument.book;
    exchange_.set_instrument(index, spec, instrument.settle, instrument.base,
                             instrument.detail ? &instrument.detail->view : &instrument.view);
    with_reserves_anew(instrument, [&] {
        robot_account_.set_instrument(index, spec, instrument.settle, instrument.base);
    });
    return true;
}

void Simulation::set_terms(std::uint32_t index, const InstrumentTerms& terms) {
    exchange_.set_terms(index, terms);
    robot_account_.set_terms(index, terms);
    Instrument& instrument = *instruments_[index];
    instrument.funding_interval = terms.funding_interval;
    instrument.route = routes_.of_venue(terms.venue);
    if (exchange_.fee_tier(index) == 0) return;
    // A schedule that a new version left alone goes on, at both ends.
    with_reserves_anew(instrument, [&] {
        const InstrumentSpec& spec = exchange_.spec(index);
        instrument.spec.maker_fee = spec.maker_fee;
        instrument.spec.taker_fee = spec.taker_fee;
        robot_account_.set_fees(index, spec.maker_fee, spec.taker_fee);
    });
}

void Simulation::set_rules(const VenueRules& rules) {
    exchange_.set_rules(rules);
    for (const BorrowRate& borrow : rules.borrow) {
        robot_account_.set_borrow(borrow.currency, borrow.rate);
        borrows_[borrow.currency] = borrow;
    }
}

std::uint32_t Simulation::add_source(Reader* reader) {
    Source source;
    source.reader = reader;
    sources_.push_back(std::move(source));
    return static_cast<std::uint32_t>(sources_.size() - 1);
}

void Simulation::map_stream(std::uint32_t source, std::uint32_t stream, std::int64_t index) {
    auto& streams = sources_[source].streams;
    if (streams.size() <= stream) streams.resize(stream + 1, RobotPort::skip);
    streams[stream] = index;
}

void Simulation::deposit(std::uint32_t currency, Money amount) {
    exchange_account_.deposit(currency, amount);
    robot_account_.deposit(currency, amount);
}

// --- sources ------------------------------------------------------------------------------------

void Simulation::limit_source(std::uint32_t source, std::uint64_t last_sequence) {
    sources_[source].limit = last_sequence;
}

bool Simulation::load(Source& source) {
    if (source.loaded) return true;
    if (source.reader->next_sequence() > source.limit) [[unlikely]]
        return false;
    const Status status = source.reader->next(source.frame);
    if (status == Status::ok) [[likely]] {
        source.loaded = true;
        return true;
    }
    if (status != Status::not_found) failure_ = source.reader->failure();
    return false;
}

Simulation::Source* Simulation::pick() {
    Source* best = nullptr;
    for (Source& source : sources_) {
        if (!load(source)) continue;
        if (best) {
            // What happened inside a bar comes before the bar, also where both end together.
            const std::int64_t time = source.frame.header->time;
            const std::int64_t least = best->frame.header->time;
            if (time > least) continue;
            if (time == least && !(source.is_detail && !best->is_detail)) continue;
        }
        best = &source;
    }
    return best;
}

Instrument* Simulation::instrument_of(const Source& source, std::uint32_t stream) const {
    if (stream >= source.streams.size()) return nullptr;
    const std::int64_t index = source.streams[stream];
    return index < 0 ? nullptr : instruments_[static_cast<std::size_t>(index)].get();
}

std::int64_t Simulation::next_time() {
    std::int64_t next = never;  // the robot's time begins with what it is shown
    for (Source& source : sources_)
        if (!source.is_detail && load(source)) next = std::min(next, source.frame.header->time);
    return next;
}

// A frame's sum says that it is what was written, not that what was written is a quote.
bool Simulation::fits(const Frame& frame) {
    const bool whole =
        frame.payload_bytes >= market_bytes(frame.type()) &&
        (frame.type() != EventType::book || book_fits(frame.payload, frame.payload_bytes));
    if (whole) [[likely]]
        return true;
    const auto type = static_cast<std::size_t>(frame.type());
    failure_ = {Status::newer_version, "frame " + std::to_string(frame.header->sequence) + ": a " +
                                           event_specs()[type - 1].name + " of " +
                                           std::to_string(frame.payload_bytes) +
                                           " bytes, which is not its layout"};
    return false;
}

RunOutcome Simulation::warm_up(std::int64_t start) {
    for (std::uint64_t frames = 0;; ++frames) {
        Source* source = pick();
        if (!failure_.ok()) return RunOutcome::failed;
        if (!source) return RunOutcome::ended;
        const Frame& frame = source->frame;
        // Without a wanted start the run begins with the first event that the robot sees.
        const bool may_start = !source->is_detail || start != -never;
        if (may_start && is_market(frame.type()) && frame.header->time >= start) {
            if (instrument_of(*source, frame.header->stream)) return RunOutcome::reached;
        }
        source->loaded = false;
        source->last_sequence = frame.header->sequence;
        source->last_crc = frame.header->crc;
        ++counters_.frames;
        if (is_market(frame.type())) {
            if (!fits(frame)) return RunOutcome::failed;
            Instrument* instrument = instrument_of(*source, frame.header->stream);
            if (instrument && source->is_detail) {
                show_detail(*instrument, frame);
            } else if (instrument) {
                ++counters_.warmed;
                show_exchange(*instrument, frame);
            }
        } else if (!source->is_detail) {
            const auto index =
                robot_->on_cold(static_cast<std::uint32_t>(source - sources_.data()), frame);
            if (index == RobotPort::failed) return RunOutcome::stopped;
            if (index >= 0)
                map_stream(static_cast<std::uint32_t>(source - sources_.data()),
                           frame.header->stream, index);
        }
        if (frames % pulse_frames == pulse_frames - 1 &&
            !robot_->pulse(counters_.frames, frame.header->time))
            return RunOutcome::stopped;
    }
}

RunOutcome Simulation::preload(std::span<Reader* const> readers, std::int64_t from,
                               std::int64_t until) {
    struct Place {
        Reader* reader;
        Frame frame;
        bool has = false;
    };
    std::vector<Place> places;
    const auto advance = [&](Place& place) {
        const Status status = place.reader->next(place.frame);
        place.has = status == Status::ok && place.frame.header->time < until;
        if (status == Status::ok || status == Status::not_found) return true;
        failure_ = place.reader->failure();
        return false;
    };
    for (Reader* reader : readers) {
        places.push_back({reader, {}, false});
        // not_found: all of it lies before `from`.
        if (reader->seek_time(from) == Status::ok && !advance(places.back()))
            return RunOutcome::failed;
    }
    halted_ = true;  // bars fill their windows and are not shown
    for (;;) {
        Place* next = nullptr;
        for (Place& place : places)
            if (place.has && (!next || place.frame.header->time < next->frame.header->time))
                next = &place;
        if (!next) break;
        const auto source = static_cast<std::size_t>(next - places.data());
        const std::int64_t time = next->frame.header->time;
        Instrument* instrument = instrument_of(sources_[source], next->frame.header->stream);
        if (is_market(next->frame.type()) && !fits(next->frame)) break;
        if (instrument && instrument->stream.size() != 0 && !sources_[source].is_detail) {
            while (next_bar_close_ <= time) close_bars(time);
            fold_bars(*instrument, next->frame, time);
        }
        if (!advance(*next)) break;
    }
    while (next_bar_close_ <= until) close_bars(until);
    halted_ = false;
    return failure_.ok() ? RunOutcome::reached : RunOutcome::failed;
}

// When the venue did what a frame says. A bar says when it was open, not when it was sent.
std::int64_t Simulation::venue_time(std::uint32_t route, const Frame& frame) const {
    const std::int64_t received = frame.header->time;
    if (!routes_.has_venue_clock() || frame.type() == EventType::bar || !is_market(frame.type()))
        return received;
    std::int64_t stamp = 0;  // every other market event begins with it
    if (frame.payload_bytes >= sizeof stamp) std::memcpy(&stamp, frame.payload, sizeof stamp);
    return routes_.happened(route, received, stamp);
}

void Simulation::note_received(const Source& source) {
    const Frame& frame = source.frame;
    const Instrument* instrument = instrument_of(source, frame.header->stream);
    if (!instrument && routes_.count() > 1) {
        routes_.know_of_all(frame.header->time);
    } else {
        const std::uint32_t route = instrument ? instrument->route : 0;
        routes_.know(route, frame.header->time, venue_time(route, frame));
    }
    next_due_ = std::min(next_due_, routes_.next_arrival());
}

void Simulation::begin(std::int64_t now) {
    started_ = true;
    now_ = now;
    routes_.begin();
    exchange_.begin(now);
    while (next_switch() <= now) trading_ = schedule_[next_switch_++].open;
    if (!trading_) schedule_[--next_switch_].time = now;  // the robot is told at the first moment
    exchange_.add_volume(now, options_.fee_volume, fee_volumes_);
    if (options_.sample_every > 0) {
        next_sample_ = now - now % options_.sample_every + options_.sample_every;
        sample();
    }
    find_next_due();
}

// --- the loop -----------------------------------------------------------------------------------

RunOutcome Simulation::run(std::uint64_t frames_max, std::int64_t until) {
    Source* const only = sources_.size() == 1 ? &sources_.front() : nullptr;
    for (std::uint64_t frames = 0; frames < frames_max;) {
        Source* source = only ? (load(*only) ? only : nullptr) : pick();
        if (!source || failure_.status != Status::ok) [[unlikely]]
            return failure_.ok() ? RunOutcome::ended : RunOutcome::failed;
        const std::int64_t time = source->frame.header->time;
        if (time > until) [[unlikely]]
            return RunOutcome::reached;
        if (bars_held_) [[unlikely]] {
            if (source->frame.type() != EventType::bar || time != now_) {
                bars_held_ = false;
                find_next_due();
            }
        }
        if (routes_.has_venue_clock()) [[unlikely]]
            note_received(*source);
        if (next_due_ <= time) [[unlikely]] {
            if (!drain(time)) return RunOutcome::stopped;
        }
        if (!take(*source)) [[unlikely]]
            return failure_.ok() ? RunOutcome::stopped : RunOutcome::failed;
        ++frames;
        if (counters_.frames % pulse_frames == 0 && !robot_->pulse(counters_.frames, now_))
            return RunOutcome::stopped;
    }
    return RunOutcome::limit;
}

bool Simulation::finish_input() {
    return advance(now_);
}

bool Simulation::advance(std::int64_t until) {
    bars_held_ = false;
    routes_.know_until(until);
    find_next_due();
    return drain(until);
}

bool Simulation::take(Source& source) {
    const Frame& frame = source.frame;
    source.loaded = false;
    source.last_sequence = frame.header->sequence;
    source.last_crc = frame.header->crc;
    ++counters_.frames;
    if (source.is_detail) [[unlikely]]
        return !is_market(frame.type()) || take_detail(source);  // facts are the main data's
    const std::int64_t time = frame.header->time;
    const std::uint32_t layout = market_bytes(frame.type());
    if (layout == 0) [[unlikely]] {
        if (time > now_) now_ = time;
        const auto number = static_cast<std::uint32_t>(&source - sources_.data());
        in_robot_ = true;
        const auto index = robot_->on_cold(number, frame);
        if (index == RobotPort::failed) return false;
        if (frame.type() == EventType::external) return after_callback();
        in_robot_ = false;
        if (index >= 0) {
            map_stream(number, frame.header->stream, index);
            in_robot_ = true;
            return robot_->on_instrument(*instruments_[static_cast<std::size_t>(index)]) &&
                   after_callback();
        }
        return true;
    }
    Instrument* instrument = instrument_of(source, frame.header->stream);
    if (!instrument) return true;
    if (frame.payload_bytes < layout || frame.type() == EventType::book) [[unlikely]] {
        if (!fits(frame)) return false;
    }
    ++counters_.events;
    if (routes_.counts_events()) [[unlikely]]
        routes_.note_event(instrument->route, time);
    if (!show_exchange(*instrument, frame)) return true;
    if (script_) find_next_due();          // what waited for this frame to be taken
    if (next_due_ <= time) [[unlikely]] {  // the exchange's answers that are here by now
        if (!drain(time)) return false;
    }
    if (time > now_) now_ = time;  // a late frame does not turn the clock back
    return show_robot(*instrument, frame);
}

// What happened inside the bar is known at its end; its fills carry their own times and reach the
// robot before the bar does.
void Simulation::show_bar(Instrument& instrument, MarketView& view, std::int64_t time) {
    const std::uint32_t index = instrument.index;
    reply_base_ = view.bar.ts_open;
    reply_cap_ = time;
    if (exchange_.active(index) || exchange_.held(index)) [[unlikely]]
        exchange_.on_bar(index, time);
    if (exchange_.held(index)) [[unlikely]]
        exchange_.watch(index, time);
    reply_cap_ = never;
}

bool Simulation::show_exchange(Instrument& instrument, const Frame& frame) {
    MarketView& view = instrument.view;
    const std::int64_t time = venue_time(instrument.route, frame);
    const bool working = exchange_.active(instrument.index);
    reply_base_ = time;
    switch (frame.type()) {
        case EventType::quote:
            view.quote = frame.as<QuotePayload>();
            view.has_quote = true;
            ++view.version;
            if (options_.exchange.fuse && instrument.fused.fuse(view.quote)) [[unlikely]] {
                ++fused_quotes_;
                if (working) exchange_.on_book(instrument.index, time);
            } else if (working) [[unlikely]] {
                exchange_.on_quote(instrument.index, time);
            }
            if (exchange_.held(instrument.index)) [[unlikely]]
                exchange_.watch_quote(instrument.index, time);
            return true;
        case EventType::trade:
            view.trade = frame.as<TradePayload>();
            view.has_trade = true;
            ++view.version;
            if (working) [[unlikely]]
                exchange_.on_trade(instrument.index, time);
            if (exchange_.held(instrument.index)) [[unlikely]]
                exchange_.watch(instrument.index, time);
            return true;
        case EventType::book: {
            const auto& payload = frame.as<BookPayload>();
            const auto* levels =
                reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload));
            instrument.book.apply(payload, frame.header->flags, levels);
            if (options_.exchange.fuse) [[unlikely]]
                instrument.fused.apply(payload, frame.header->flags, levels);
            ++view.version;
            if (working) [[unlikely]]
                exchange_.on_book(instrument.index, time);
            if (exchange_.held(instrument.index)) [[unlikely]]
                exchange_.watch(instrument.index, time);
            return true;
        }
        case EventType::bar:
            view.set_bar(frame.as<BarPayload>());
            if (instrument.detail) [[unlikely]]
                check_detail(instrument, time);
            else
                show_bar(instrument, view, time);
            return true;
        case EventType::mark: {
            const auto& payload = frame.as<MarkPayload>();
            view.mark = payload.mark;
            view.index = payload.index;
            ++view.version;
            if (instrument.detail) [[unlikely]] {
                instrument.detail->view.mark = payload.mark;
                instrument.detail->view.index = payload.index;
                ++instrument.detail->view.version;
            }
            if (working) [[unlikely]]
                exchange_.on_mark(instrument.index, time);
            if (exchange_.held(instrument.index)) [[unlikely]]
                exchange_.watch(instrument.index, time);
            return true;
        }
        case EventType::funding: {
            const auto& payload = frame.as<FundingPayload>();
            if (started_) settle_funding(instrument, time, payload);
            if (exchange_.held(instrument.index)) exchange_.watch(instrument.index, time);
            return true;
        }
        default:
            return true;
    }
}

void Simulation::fold_bars(Instrument& instrument, const Frame& frame, std::int64_t time) {
    switch (frame.type()) {
        case EventType::quote: {
            const auto& quote = frame.as<QuotePayload>();
            instrument.stream.on_quote(time, quote.bid, quote.ask);
            break;
        }
        case EventType::trade: {
            const auto& trade = frame.as<TradePayload>();
            instrument.stream.on_trade(time, trade.price, trade.size);
            break;
        }
        case EventType::bar:
            instrument.stream.on_bar(frame.as<BarPayload>(), frame.header->flags);
            break;
        default:
            return;
    }
    note_bar_due(instrument);
}

bool Simulation::show_robot(Instrument& instrument, const Frame& frame) {
    const std::uint32_t wants = halted_ ? 0 : instrument.wants;
    if (instrument.stream.size() != 0) fold_bars(instrument, frame, now_);
    in_robot_ = true;
    switch (frame.type()) {
        case EventType::quote: {
            const auto& payload = frame.as<QuotePayload>();
            if (!(wants & want_quotes)) break;
            return robot_->on_quote(instrument, payload) && after_callback();
        }
        case EventType::trade: {
            const auto& payload = frame.as<TradePayload>();
            if (!(wants & want_trades)) break;
            return robot_->on_trade(instrument, payload) && after_callback();
        }
        case EventType::book: {
            if (!(wants & want_book)) break;
            const bool synced = instrument.book.synced();
            if (synced != instrument.was_synced) {
                instrument.was_synced = synced;
                if (!robot_->on_health("feed", instrument.symbol, synced ? "synced" : "gap") ||
                    !after_callback())
                    return false;
                in_robot_ = true;
            }
            return robot_->on_book(instrument) && after_callback();
        }
        case EventType::bar:
            bars_held_ = bars_held_ || instrument.stream.size() != 0;
            break;
        case EventType::mark:
            if (!(wants & want_mark)) break;
            return robot_->on_mark(instrument, frame.as<MarkPayload>()) && after_callback();
        case EventType::funding:
            if (!(wants & want_funding)) break;
            return robot_->on_funding(instrument, frame.as<FundingPayload>()) && after_callback();
        case EventType::liquidation:
            if (!(wants & want_liquidations)) break;
            return robot_->on_liquidation(instrument, frame.as<LiquidationPayload>()) &&
                   after_callback();
        default:
            break;
    }
    in_robot_ = false;
    return true;
}

}  // namespace onetape
