#include "engine/simulation.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/reasons.hpp"
#include "exchange/errors.hpp"
#include "exchange/order_rules.hpp"

namespace onetape {
namespace {

constexpr std::uint64_t pulse_frames = 1u << 15;
constexpr std::uint64_t state_every = 1000;  // actions between state hashes on the tape

// A market event as the exchange and the robot tell it apart.
constexpr bool is_market(EventType type) {
    switch (type) {
        case EventType::quote: case EventType::trade: case EventType::book: case EventType::bar:
        case EventType::mark: case EventType::funding: case EventType::liquidation: return true;
        default: return false;
    }
}

void put(Sha256& hash, const void* data, std::size_t bytes) { hash.update(data, bytes); }
template <class Number>
void put(Sha256& hash, Number value) { hash.update(&value, sizeof value); }

}  // namespace

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
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
    instrument.view.book = &instrument.book;
    exchange_.set_instrument(index, spec, instrument.settle, instrument.base, &instrument.view);
    robot_account_.set_instrument(index, spec, instrument.settle, instrument.base);
    return true;
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
    if (source.reader->next_sequence() > source.limit) [[unlikely]] return false;
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
        if (!best || source.frame.header->time < best->frame.header->time) best = &source;
    }
    return best;
}

Instrument* Simulation::instrument_of(const Source& source, std::uint32_t stream) const {
    if (stream >= source.streams.size()) return nullptr;
    const std::int64_t index = source.streams[stream];
    return index < 0 ? nullptr : instruments_[static_cast<std::size_t>(index)].get();
}

std::int64_t Simulation::next_time() {
    const Source* source = pick();
    return source ? source->frame.header->time : never;
}

RunOutcome Simulation::warm_up(std::int64_t start) {
    for (std::uint64_t frames = 0;; ++frames) {
        Source* source = pick();
        if (!failure_.ok()) return RunOutcome::failed;
        if (!source) return RunOutcome::ended;
        const Frame frame = source->frame;
        if (is_market(frame.type()) && frame.header->time >= start) {
            if (instrument_of(*source, frame.header->stream)) return RunOutcome::reached;
        }
        source->loaded = false;
        source->last_sequence = frame.header->sequence;
        source->last_crc = frame.header->crc;
        ++counters_.frames;
        if (is_market(frame.type())) {
            if (Instrument* instrument = instrument_of(*source, frame.header->stream)) {
                ++counters_.warmed;
                show_exchange(*instrument, frame);
            }
        } else {
            const auto index = robot_->on_cold(static_cast<std::uint32_t>(source - sources_.data()),
                                               frame);
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
            if (place.has &&
                (!next || place.frame.header->time < next->frame.header->time))
                next = &place;
        if (!next) break;
        const auto source = static_cast<std::size_t>(next - places.data());
        const std::int64_t time = next->frame.header->time;
        Instrument* instrument =
            instrument_of(sources_[source], next->frame.header->stream);
        if (instrument && instrument->stream.size() != 0) {
            while (next_bar_close_ <= time) close_bars(time);
            fold_bars(*instrument, next->frame, time);
        }
        if (!advance(*next)) break;
    }
    while (next_bar_close_ <= until) close_bars(until);
    halted_ = false;
    return failure_.ok() ? RunOutcome::reached : RunOutcome::failed;
}

void Simulation::begin(std::int64_t now) {
    started_ = true;
    now_ = now;
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
        if (!source) [[unlikely]]
            return failure_.ok() ? RunOutcome::ended : RunOutcome::failed;
        const std::int64_t time = source->frame.header->time;
        if (time > until) [[unlikely]] return RunOutcome::reached;
        if (bars_held_) [[unlikely]] {
            if (source->frame.type() != EventType::bar || time != now_) {
                bars_held_ = false;
                find_next_due();
            }
        }
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

bool Simulation::finish_input() { return advance(now_); }

bool Simulation::advance(std::int64_t until) {
    bars_held_ = false;
    return drain(until);
}

bool Simulation::take(Source& source) {
    const Frame frame = source.frame;
    source.loaded = false;
    source.last_sequence = frame.header->sequence;
    source.last_crc = frame.header->crc;
    ++counters_.frames;
    const std::int64_t time = frame.header->time;
    if (!is_market(frame.type())) [[unlikely]] {
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
    ++counters_.events;
    if (!show_exchange(*instrument, frame)) return true;
    if (script_) find_next_due();          // what waited for this frame to be taken
    if (next_due_ <= time) [[unlikely]] {  // the exchange's answers that are here by now
        if (!drain(time)) return false;
    }
    if (time > now_) now_ = time;  // a late frame does not turn the clock back
    return show_robot(*instrument, frame);
}

bool Simulation::show_exchange(Instrument& instrument, const Frame& frame) {
    MarketView& view = instrument.view;
    const std::int64_t time = frame.header->time;
    const bool working = exchange_.working(instrument.index);
    reply_base_ = time;
    switch (frame.type()) {
        case EventType::quote:
            view.quote = frame.as<QuotePayload>();
            view.has_quote = true;
            ++view.version;
            if (working) [[unlikely]] exchange_.on_quote(instrument.index, time);
            return true;
        case EventType::trade:
            view.trade = frame.as<TradePayload>();
            view.has_trade = true;
            ++view.version;
            if (working) [[unlikely]] exchange_.on_trade(instrument.index, time);
            return true;
        case EventType::book: {
            if (!book_fits(frame.payload, frame.payload_bytes)) return false;
            const auto& payload = frame.as<BookPayload>();
            const auto* levels =
                reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload));
            instrument.book.apply(payload, frame.header->flags, levels);
            ++view.version;
            if (working) [[unlikely]] exchange_.on_book(instrument.index, time);
            return true;
        }
        case EventType::bar:
            view.bar = frame.as<BarPayload>();
            view.has_bar = true;
            ++view.version;
            // What happened inside the bar is known at its end; its fills carry their own times
            // and reach the robot before the bar does.
            reply_base_ = view.bar.ts_open;
            reply_cap_ = time;
            if (working) [[unlikely]] exchange_.on_bar(instrument.index, time);
            reply_cap_ = never;
            return true;
        case EventType::mark: {
            const auto& payload = frame.as<MarkPayload>();
            view.mark = payload.mark;
            view.index = payload.index;
            ++view.version;
            if (working) [[unlikely]] exchange_.on_mark(instrument.index, time);
            return true;
        }
        case EventType::funding: {
            const auto& payload = frame.as<FundingPayload>();
            if (started_) settle_funding(instrument, time, payload);
            return true;
        }
        default: return true;
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
        default: return;
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
        default: break;
    }
    in_robot_ = false;
    return true;
}

// --- what is due --------------------------------------------------------------------------------

void Simulation::find_next_due() {
    std::int64_t due = bars_held_ ? never : next_bar_close_;
    due = std::min(due, exchange_.next_expiry());
    if (!arrivals_.empty()) due = std::min(due, arrivals_.front().time);
    if (!replies_.empty()) due = std::min(due, replies_.front().time);
    if (script_ && load_script()) {
        const std::int64_t time = script_frame_.header->time;
        if (script_due(time)) due = std::min(due, time);
    }
    due = std::min(due, next_timer_);
    due = std::min(due, next_sample_);
    next_due_ = due;
}

bool Simulation::drain(std::int64_t until) {
    for (find_next_due(); next_due_ <= until; find_next_due()) {
        const std::int64_t time = next_due_;
        if (time > now_) now_ = time;
        if (!bars_held_ && next_bar_close_ <= time) {
            if (!close_bars(time)) return false;
        } else if (exchange_.next_expiry() <= time) {
            reply_base_ = time;
            exchange_.expire(time);
        } else if (!arrivals_.empty() && arrivals_.front().time <= time) {
            if (!arrive()) return false;
        } else if (!replies_.empty() && replies_.front().time <= time) {
            if (!reply()) return false;
        } else if (script_ && script_loaded_ && script_due(time)) {
            if (!take_script()) return false;
        } else if (next_timer_ <= time) {
            if (!fire_timers(time)) return false;
        } else {
            sample();
            next_sample_ += options_.sample_every;
        }
    }
    return true;
}

void Simulation::note_bar_due(const Instrument& instrument) {
    const std::int64_t due = instrument.stream.due();
    if (due < next_bar_close_) [[unlikely]] {
        next_bar_close_ = due;
        next_due_ = std::min(next_due_, due);
    }
}

// All bars of the earliest closing moment, of all instruments and periods, are in their windows
// before the first of them is shown; shorter periods first.
bool Simulation::close_bars(std::int64_t now) {
    shown_.clear();
    const std::int64_t moment = next_bar_close_;
    next_bar_close_ = never;
    for (auto& instrument : instruments_) {
        ClosedBar closed;
        while (instrument->stream.due() <= moment && instrument->stream.next(now, closed)) {
            BarFeed& feed = *instrument->bars[closed.builder];
            feed.window.push(closed.bar);
            shown_.push_back({instrument.get(), &feed, closed.bar});
        }
        next_bar_close_ = std::min(next_bar_close_, instrument->stream.due());
    }
    if (halted_) return true;
    std::stable_sort(shown_.begin(), shown_.end(), [](const ShownBar& a, const ShownBar& b) {
        return a.bar.period_ns < b.bar.period_ns;
    });
    for (std::size_t i = 0; i < shown_.size(); ++i) {
        const ShownBar shown = shown_[i];
        if (!shown.feed->shown) continue;
        in_robot_ = true;
        if (!robot_->on_bar(*shown.instrument, *shown.feed, shown.bar) || !after_callback())
            return false;
        if (halted_) break;
    }
    return true;
}

// --- another run's answers ----------------------------------------------------------------------

bool Simulation::load_script() {
    while (!script_loaded_) {
        if (script_->next(script_frame_) != Status::ok) return false;
        script_loaded_ = script_frame_.type() == EventType::order_event ||
                         script_frame_.type() == EventType::fill;
    }
    return true;
}

bool Simulation::script_due(std::int64_t until) const {
    const std::uint64_t cause = script_frame_.type() == EventType::fill
                                    ? script_frame_.as<FillPayload>().cause
                                    : script_frame_.as<OrderEventPayload>().cause;
    return script_frame_.header->time <= until && cause <= counters_.frames;
}

bool Simulation::take_script() {
    script_loaded_ = false;
    Instrument* instrument = this->instrument(script_frame_.header->stream - 1);
    if (!instrument) return true;
    return script_frame_.type() == EventType::fill
               ? deliver_fill(*instrument, script_frame_.as<FillPayload>())
               : deliver_event(*instrument, script_frame_.as<OrderEventPayload>());
}

bool Simulation::arrive() {
    const Arrival arrival = arrivals_.front();
    arrivals_.pop_front();
    reply_base_ = arrival.time;
    if (script_) return true;
    exchange_.request(arrival.instrument, arrival.time, arrival.request);
    return true;
}

bool Simulation::fire_timers(std::int64_t now) {
    // By due time, then in the order they were set.
    Timer* next = nullptr;
    for (Timer& timer : timers_)
        if (timer.due <= now && (!next || timer.due < next->due)) next = &timer;
    if (!next) return true;
    const std::string name = next->name;
    if (next->every > 0) {
        next->due += next->every;
        if (next->due <= now) next->due = now - now % next->every + next->every;  // coalesced
    } else {
        timers_.erase(timers_.begin() + (next - timers_.data()));
    }
    next_timer_ = never;
    for (const Timer& timer : timers_) next_timer_ = std::min(next_timer_, timer.due);
    if (halted_) return true;
    in_robot_ = true;
    return robot_->on_timer(name) && after_callback();
}

// --- the exchange's news ------------------------------------------------------------------------

std::int64_t Simulation::reply_time(std::int64_t happened) {
    const std::int64_t time = std::max(reply_base_, happened) + options_.latency_out;
    reply_floor_ = std::max(reply_floor_, std::min(time, reply_cap_));
    return reply_floor_;
}

void Simulation::on_order_event(std::uint32_t instrument, const OrderEventPayload& event) {
    Reply next{};
    next.time = reply_time(event.ts_event);
    next.instrument = instrument;
    next.event = event;
    replies_.push_back(next);
    next_due_ = std::min(next_due_, next.time);
}

void Simulation::on_fill(std::uint32_t instrument, const FillPayload& fill) {
    Reply next{};
    next.time = reply_time(fill.ts_event);
    next.instrument = instrument;
    next.kind = ReplyKind::fill;
    next.fill = fill;
    replies_.push_back(next);
    next_due_ = std::min(next_due_, next.time);
}

bool Simulation::reply() {
    const Reply next = replies_.front();
    replies_.pop_front();
    Instrument& instrument = *instruments_[next.instrument];
    switch (next.kind) {
        case ReplyKind::event: return deliver_event(instrument, next.event);
        case ReplyKind::fill: return deliver_fill(instrument, next.fill);
        case ReplyKind::funding:
            robot_account_.credit_funding(instrument.index, next.funding);
            return true;
    }
    return true;
}

// What was paid is the exchange's to say: with latency it may hold fills that the robot has not
// heard of. The robot's books follow when the news reaches it.
void Simulation::settle_funding(const Instrument& instrument, std::int64_t time,
                                const FundingPayload& payload) {
    if (script_) {  // the exchange here holds nothing: its answers come from the other run
        robot_account_.set_mark(instrument.index, exchange_.mark_price(instrument.index));
        robot_account_.apply_funding(instrument.index, payload);
        return;
    }
    const Money change = exchange_.on_funding(instrument.index, time, payload);
    if (change == 0) return;
    Reply next{};
    next.time = reply_time(time);
    next.instrument = instrument.index;
    next.kind = ReplyKind::funding;
    next.funding = change;
    replies_.push_back(next);
    next_due_ = std::min(next_due_, next.time);
}

void Simulation::move(Order& order, OrderAct act) {
    const OrderCell cell = OrderMachine::take(order, act);
    if (cell == OrderCell::impossible) ++counters_.impossible;
    if (cell == OrderCell::late) ++counters_.late;
}

void Simulation::close_order(const OrderRef& order) {
    unreserve(*order);
    orders_.remove(order->id);
}

bool Simulation::deliver_event(Instrument& instrument, const OrderEventPayload& news) {
    OrderEventPayload event = news;
    event.cause = counters_.frames;
    ++news_;
    write(EventType::order_event, instrument.index, &event, sizeof event);
    const OrderRef order = orders_.find(event.order_id);
    if (!order) {
        ++counters_.late;
        return true;
    }
    if (event.venue_id != 0) order->venue_id = event.venue_id;
    if (event.code != 0) order->code = event.code;
    switch (event.news) {
        case OrderNews::accepted:
        case OrderNews::triggered:
            // A reduce-only order is cut to what it can reduce when it becomes active.
            if (event.size > 0 && event.size < order->size) {
                const std::int64_t price = unreserve(*order);
                order->size = event.size;
                reserve(*order, price);
            }
            move(*order, event.news == OrderNews::accepted ? OrderAct::accept : OrderAct::trigger);
            break;
        case OrderNews::rejected:
            ++counters_.rejected;
            last_refused_ = order;
            move(*order, OrderAct::reject);
            break;
        case OrderNews::canceled: move(*order, OrderAct::cancel_ack); break;
        case OrderNews::expired: move(*order, OrderAct::expire); break;
        case OrderNews::updated:
            unreserve(*order);
            order->price = event.price;
            order->size = event.size;
            reserve(*order, order->price != 0 ? order->price : instrument.touch(order->side));
            move(*order, OrderAct::amend_ack);
            break;
        case OrderNews::cancel_rejected: move(*order, OrderAct::cancel_reject); break;
        case OrderNews::update_rejected:
            move(*order, OrderAct::amend_reject);
            break;
    }
    if (order->closed()) close_order(order);
    in_robot_ = true;
    return robot_->on_order(order) && after_callback();
}

bool Simulation::deliver_fill(Instrument& instrument, const FillPayload& news) {
    FillPayload fill = news;
    fill.cause = counters_.frames;
    ++news_;
    write(EventType::fill, instrument.index, &fill, sizeof fill);
    ++counters_.fills;
    fill_profits_.push_back(static_cast<double>(robot_account_.apply_fill(instrument.index, fill)) /
                            1e18);
    const OrderRef order = orders_.find(fill.order_id);
    if (!order) {
        ++counters_.late;
        return true;
    }
    const std::int64_t price = unreserve(*order);
    order->filled += fill.size;
    reserve(*order, price);
    order->cost += static_cast<Int128>(fill.price) * fill.size;
    if (fill.venue_id != 0) order->venue_id = fill.venue_id;
    const std::int64_t bound =
        order->update_open ? std::max(order->size, order->amend_size) : order->size;
    move(*order, order->filled < bound    ? OrderAct::fill_partial
                 : order->filled == bound ? OrderAct::fill_full
                                          : OrderAct::fill_excess);
    if (order->closed()) close_order(order);
    if (options_.sample_every > 0) note_equity(equity());
    // An order whose cancel came too late has filled: that goes, too.
    if (flattening_) flatten();
    in_robot_ = true;
    return robot_->on_fill(order, fill) && after_callback() && (in_robot_ = true) &&
           robot_->on_order(order) && after_callback() && (in_robot_ = true) &&
           robot_->on_position(instrument, fill.position_side) && after_callback();
}

// --- the robot's services -----------------------------------------------------------------------

namespace {

OrderRequestPayload request_of(const Order& order, RequestKind kind) {
    OrderRequestPayload request{};
    request.order_id = order.id;
    request.price = order.price;
    request.size = order.size;
    request.trigger = order.trigger;
    request.expire_ns = order.expire_ns;
    request.kind = kind;
    request.side = order.side;
    request.type = order.type;
    request.tif = order.tif;
    request.flags = order.flags;
    request.trigger_by = order.trigger_by;
    request.position_side = order.position_side;
    std::memcpy(request.tag, order.tag.data(), sizeof request.tag);
    return request;
}

}  // namespace

void Simulation::act(const Instrument& instrument, const OrderRequestPayload& request) {
    ++counters_.actions;
    put(actions_hash_, static_cast<std::uint8_t>(request.kind));
    put(actions_hash_, request.robot);
    put(actions_hash_, request.order_id);
    put(actions_hash_, static_cast<std::uint32_t>(instrument.symbol.size()));
    put(actions_hash_, instrument.symbol.data(), instrument.symbol.size());
    put(actions_hash_, static_cast<std::uint8_t>(request.side));
    put(actions_hash_, static_cast<std::uint8_t>(request.type));
    put(actions_hash_, request.price);
    put(actions_hash_, request.size);
    put(actions_hash_, request.trigger);
    put(actions_hash_, static_cast<std::uint8_t>(request.tif));
    put(actions_hash_, request.flags);
    put(actions_hash_, request.tag, sizeof request.tag);
    put(actions_hash_, now_);
    actions_.emplace_back(instrument.index, request);
    if (!in_robot_) flush_actions();
}

void Simulation::flush_actions() {
    for (const auto& [index, request] : actions_) {
        write(EventType::order_request, index, &request, sizeof request);
        if (request.kind == RequestKind::place) {
            const OrderRef order = orders_.find(request.order_id);
            if (!order) continue;  // denied: the decision is on the tape, nothing leaves
        }
        const std::int64_t floor = arrivals_.empty() ? 0 : arrivals_.back().time;
        arrivals_.push_back({std::max(floor, now_ + options_.latency_in), index, request});
    }
    actions_.clear();
    if (!arrivals_.empty()) next_due_ = std::min(next_due_, arrivals_.front().time);
}

bool Simulation::after_callback() {
    in_robot_ = false;
    if (!robot_->settle()) return false;
    if (!actions_.empty()) {
        flush_actions();
        if (counters_.actions - state_noted_at_ >= state_every) {
            state_noted_at_ = counters_.actions;
            return robot_->note_state();
        }
    }
    return true;
}

bool Simulation::leave_callback() {
    const bool go_on = after_callback();
    find_next_due();
    return go_on;
}

// What an order's unfilled part holds back. It is taken back as the sum that was added, and what
// is still left added anew: the roundings of parts do not add up to that of the whole.
void Simulation::reserve(Order& order, std::int64_t price) {
    order.reserve_price = 0;
    if (order.flags & order_reduce_only || order.remaining() <= 0 || price == 0) return;
    order.reserve_price = price;
    robot_account_.add_working(order.instrument->index, order.position_side, order.side, price,
                               order.remaining());
}

std::int64_t Simulation::unreserve(Order& order) {
    const std::int64_t price = order.reserve_price;
    if (price != 0)
        robot_account_.remove_working(order.instrument->index, order.position_side, order.side,
                                      price, order.remaining());
    order.reserve_price = 0;
    return price;
}

OrderRef Simulation::place(Instrument& instrument, const OrderSpec& spec) {
    const OrderRef order = orders_.add();
    ++counters_.orders;
    order->instrument = &instrument;
    order->owner = instruments_[instrument.index];
    order->side = spec.side;
    order->type = spec.type;
    order->tif = spec.tif;
    order->trigger_by = spec.trigger_by;
    order->position_side = spec.position_side;
    order->flags = spec.flags;
    order->price = spec.price;
    order->size = spec.size;
    order->trigger = spec.trigger;
    order->expire_ns = spec.expire_ns;
    order->created = now_;
    std::memcpy(order->tag.data(), spec.tag.data(), std::min<std::size_t>(spec.tag.size(), 32));

    const OrderRequestPayload request = request_of(*order, RequestKind::place);
    const bool reduce_only = (spec.flags & order_reduce_only) != 0;
    const std::int64_t reference = instrument.touch(spec.side);
    const std::int64_t price = spec.price != 0 ? spec.price : reference;
    std::uint16_t code = 0;
    if (stopping_) {
        code = error::order_invalid;
        order->reason = "the run is over";
    } else if (halted_ && !reduce_only) {
        code = 4303;
        order->reason = "the robot is halted";
    }
    if (code == 0) code = check_order(instrument.spec, request, reference);
    if (code == 0 && price != 0) {
        for (auto& other : instruments_)
            robot_account_.set_mark(other->index, other->value_price());
        code = robot_account_.check_funds(instrument.index, spec.position_side, spec.side, price,
                                          spec.size, reduce_only);
    }
    if (code != 0) {
        order->code = code;
        ++counters_.denied;
        last_refused_ = order;
        move(*order, OrderAct::deny);
        orders_.remove(order->id);
    } else {
        move(*order, OrderAct::submit);
        reserve(*order, price);
    }
    act(instrument, request);
    return order;
}

OrderRef Simulation::deny(Instrument& instrument, const OrderSpec& spec, std::uint16_t code,
                          std::string reason) {
    const OrderRef order = orders_.add();
    ++counters_.orders;
    ++counters_.denied;
    order->instrument = &instrument;
    order->owner = instruments_[instrument.index];
    order->side = spec.side;
    order->type = spec.type;
    order->tif = spec.tif;
    order->position_side = spec.position_side;
    order->flags = spec.flags;
    order->created = now_;
    std::memcpy(order->tag.data(), spec.tag.data(), std::min<std::size_t>(spec.tag.size(), 32));
    order->code = code;
    order->reason = std::move(reason);
    last_refused_ = order;
    move(*order, OrderAct::deny);
    orders_.remove(order->id);
    act(instrument, request_of(*order, RequestKind::place));
    return order;
}

// An order that was kept from another run is nothing that this one could act on.
bool Simulation::owns(const Order& order) const noexcept {
    const std::uint32_t index = order.instrument->index;
    return index < instruments_.size() && instruments_[index].get() == order.instrument;
}

bool Simulation::cancel(const OrderRef& order) {
    if (!owns(*order)) return false;
    if (!OrderMachine::allows(*order, OrderAct::cancel_request)) return false;
    const Instrument& instrument = *order->instrument;
    const OrderRequestPayload request = request_of(*order, RequestKind::cancel);
    move(*order, OrderAct::cancel_request);
    act(instrument, request);
    return true;
}

bool Simulation::amend(const OrderRef& order, std::int64_t price, std::int64_t size) {
    if (!owns(*order)) return false;
    if (!OrderMachine::allows(*order, OrderAct::amend_request)) return false;
    const Instrument& instrument = *order->instrument;
    OrderRequestPayload request = request_of(*order, RequestKind::amend);
    request.price = price != 0 ? price : order->price;
    request.size = size != 0 ? size : order->size;
    if (request.size <= order->filled) return false;
    const auto code = check_price_size(instrument.spec, order->side, order->type, request.price,
                                       request.size, (order->flags & order_reduce_only) != 0,
                                       instrument.touch(order->side));
    if (code != 0) {
        order->code = code;
        return false;
    }
    order->amend_size = request.size;
    move(*order, OrderAct::amend_request);
    act(instrument, request);
    return true;
}

void Simulation::halt(bool and_flatten) {
    if (halted_) return;
    halted_ = true;
    std::vector<OrderRef> working;
    for (const auto& [id, order] : orders_.working()) working.push_back(order);
    for (const OrderRef& order : working) cancel(order);
    flattening_ = and_flatten;
    if (and_flatten) flatten();
}

void Simulation::flatten() {
    constexpr std::string_view tag = "flatten";
    for (auto& instrument : instruments_) {
        for (const PositionSide side :
             {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            std::int64_t qty = robot_account_.position(instrument->index, side).qty;
            for (const auto& [id, order] : orders_.working())
                if (order->instrument == instrument.get() && order->position_side == side &&
                    tag == order->tag.data())
                    qty += order->side == Side::buy ? order->remaining() : -order->remaining();
            if (qty == 0) continue;
            OrderSpec spec;
            spec.side = qty > 0 ? Side::sell : Side::buy;
            spec.position_side = side;
            spec.flags = instrument->spec.kind == ContractKind::spot ? std::uint8_t{0}
                                                                     : order_reduce_only;
            spec.size = qty > 0 ? qty : -qty;
            spec.tag = tag;
            const bool was = halted_;
            halted_ = false;
            place(*instrument, spec);
            halted_ = was;
        }
    }
}

BarFeed& Simulation::subscribe_bars(Instrument& instrument, std::int64_t period, BarSource source,
                                    const std::string& text) {
    const std::size_t index = instrument.stream.add(period, source);
    if (index == instrument.bars.size())
        instrument.bars.push_back(
            std::make_unique<BarFeed>(period, source, text, instrument.spec));
    instrument.bars[index]->shown = true;
    return *instrument.bars[index];
}

void Simulation::unsubscribe_bars(Instrument& instrument, std::int64_t period) {
    for (auto& feed : instrument.bars)
        if (feed->period == period || period == 0) feed->shown = false;
}

void Simulation::set_timer(const std::string& name, std::int64_t every, std::int64_t at) {
    cancel_timer(name);
    const std::int64_t due = every > 0 ? now_ - now_ % every + every : at;
    timers_.push_back({name, every, due});
    next_timer_ = std::min(next_timer_, due);
    next_due_ = std::min(next_due_, due);
}

bool Simulation::cancel_timer(const std::string& name) {
    const auto before = timers_.size();
    std::erase_if(timers_, [&name](const Timer& timer) { return timer.name == name; });
    next_timer_ = never;
    for (const Timer& timer : timers_) next_timer_ = std::min(next_timer_, timer.due);
    return timers_.size() != before;
}

// --- records ------------------------------------------------------------------------------------

void Simulation::write(EventType type, std::uint32_t instrument, const void* payload,
                       std::uint32_t bytes) {
    if (!writer_) return;
    // The run's own journal numbers its instruments from 1, in the order they were added.
    const Status status = writer_->append(type, 0, instrument + 1, now_, payload, bytes);
    if (status != Status::ok && failure_.ok()) failure_ = {status, "the run's journal"};
}

Status Simulation::append_cold(EventType type, std::uint32_t stream,
                               std::span<const std::byte> payload) {
    if (!writer_) return Status::ok;
    return writer_->append(type, 0, stream, now_, payload.data(),
                           static_cast<std::uint32_t>(payload.size()));
}

Money Simulation::equity() {
    for (auto& instrument : instruments_)
        robot_account_.set_mark(instrument->index, instrument->value_price());
    return robot_account_.equity(options_.report_currency);
}

void Simulation::note_equity(Money equity) {
    if (!has_peak_ || equity > equity_peak_) {
        equity_peak_ = equity;
        has_peak_ = true;
    }
    const Money down = equity_peak_ - equity;
    if (down > drawdown_max_) drawdown_max_ = down;
    if (equity_peak_ > 0) {
        const double ratio = static_cast<double>(down) / static_cast<double>(equity_peak_);
        if (ratio > drawdown_max_ratio_) drawdown_max_ratio_ = ratio;
    }
}

void Simulation::sample() {
    const Money value = equity();
    note_equity(value);
    const Money balance = robot_account_.balance(options_.report_currency);
    samples_.push_back({now_, value, balance});
    if (writer_) {  // {"equity": text, "balance": text} as MessagePack
        std::string map = "\x82";
        for (const auto& [key, amount] : {std::pair{"equity", value}, std::pair{"balance", balance}}) {
            const std::string text = decimal_text(amount, money_decimals);
            map += static_cast<char>(0xa0 + std::strlen(key));
            map += key;
            map += "\xd9";
            map += static_cast<char>(text.size());
            map += text;
        }
        (void)append_cold(EventType::balance, 0,
                          {reinterpret_cast<const std::byte*>(map.data()), map.size()});
    }
    for (auto& instrument : instruments_) {
        sampled_prices_.push_back(static_cast<double>(instrument->value_price()) /
                                  instrument->price_scale);
        sampled_positions_.push_back(
            static_cast<double>(robot_account_.net_qty(instrument->index)) /
            instrument->size_scale);
    }
}

Digest Simulation::action_hash() const {
    Sha256 copy = actions_hash_;
    return copy.finish();
}

Digest Simulation::state_hash(std::span<const std::byte> memory) const {
    Sha256 hash;
    for (const auto& instrument : instruments_) {
        for (const PositionSide side :
             {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            const Position& position = robot_account_.position(instrument->index, side);
            put(hash, position.qty);
            put(hash, position.cost);
            put(hash, position.realized);
        }
    }
    for (std::uint32_t currency = 0; currency < 64; ++currency)
        put(hash, robot_account_.balance(currency));
    for (const auto& [id, order] : orders_.working()) {
        put(hash, id);
        put(hash, static_cast<std::uint8_t>(order->state));
        put(hash, order->price);
        put(hash, order->size);
        put(hash, order->filled);
    }
    put(hash, memory.data(), memory.size());
    return hash.finish();
}

std::uint64_t Simulation::source_sequence(std::uint32_t source) const {
    return sources_[source].last_sequence;
}
std::uint32_t Simulation::source_crc(std::uint32_t source) const {
    return sources_[source].last_crc;
}

}  // namespace onetape
