#include "engine/trading_loop.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "journal/market_frame.hpp"

namespace onetape {
namespace {

constexpr std::uint64_t pulse_frames = 1u << 15;

constexpr bool is_of_orders(EventType type) {
    return type == EventType::order_request || type == EventType::order_event ||
           type == EventType::fill;
}

}  // namespace

// --- sources ------------------------------------------------------------------------------------

void TradingLoop::limit_source(std::uint32_t source, std::uint64_t last_sequence) {
    sources_[source].limit = last_sequence;
}

bool TradingLoop::load(Source& source) {
    if (source.loaded) return true;
    for (;;) {
        if (source.reader->next_sequence() > source.limit) [[unlikely]]
            return false;
        if (conflates_) [[unlikely]]
            look_ahead(source);
        const Status status = source.reader->next(source.frame);
        if (status != Status::ok) [[unlikely]] {
            if (status != Status::not_found) failure_ = source.reader->failure();
            return false;
        }
        if (!is_foreign(source) && !(conflates_ && is_superseded(source))) [[likely]] {
            source.loaded = true;
            return true;
        }
    }
}

// A hub's tape has many symbols, of which a live robot follows a few: the others' frames are no
// input of its run, so they are not recorded, and its timers do not use their times.
bool TradingLoop::is_foreign(const Source& source) const {
    return leads() && &source != sources_.data() && !source.is_detail &&
           is_market(source.frame.type()) && !instrument_of(source, source.frame.header->stream);
}

std::int64_t TradingLoop::next_time() {
    std::int64_t next = never;  // the robot's time begins with the first event shown to it
    for (Source& source : sources_)
        if (!source.is_detail && load(source)) next = std::min(next, source.frame.header->time);
    return next;
}

// A valid checksum proves that the bytes are as written, not that they form a valid quote.
bool TradingLoop::fits(const Frame& frame) {
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

RunOutcome TradingLoop::warm_up(std::int64_t start) {
    for (std::uint64_t frames = 0;; ++frames) {
        Source* source = pick();
        if (!failure_.ok()) return RunOutcome::failed;
        if (!source) return RunOutcome::ended;
        const Frame& frame = source->frame;
        // Without a requested start the run begins with the first event that the robot sees.
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
                const auto further = further_of(*source, frame.header->stream);
                with_payload(
                    frame,
                    [&](const auto& payload) {
                        show_exchange<false>(*instrument, frame, payload,
                                             exchange_->venue_time(*instrument, frame));
                        for (Instrument* const each : further)
                            show_exchange<false>(*each, frame, payload,
                                                 exchange_->venue_time(*each, frame));
                    },
                    [] {});
            }
        } else if (source->is_gateways && is_of_orders(frame.type())) {
            take_over(*source, frame);
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

RunOutcome TradingLoop::preload(std::span<Reader* const> readers, std::int64_t from,
                                std::int64_t until, std::int64_t scans_from) {
    const std::int64_t first = std::min(from, scans_from);
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
        // not_found: all frames are earlier.
        if (reader->seek_time(first) == Status::ok && !advance(places.back()))
            return RunOutcome::failed;
    }
    halted_ = true;  // bars fill their windows and are not shown
    for (const RobotScan& each : scans_) each.scan->set_judging(false);
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
        const bool shows = instrument && !sources_[source].is_detail;
        const auto further = further_of(sources_[source], next->frame.header->stream);
        const bool folds =
            shows && (instrument->stream.size() != 0 ||
                      std::any_of(further.begin(), further.end(),
                                  [](const Instrument* each) { return each->stream.size() != 0; }));
        if (shows && time >= scans_from)
            with_payload(
                next->frame,
                [&](const auto& payload) { (void)take_scans(*instrument, payload, time); }, [] {});
        if (folds && time >= from) {
            if (next_bar_close_ <= time && !spans(next_bar_close_, time)) break;
            while (next_bar_close_ <= time) close_bars(time);
            with_payload(
                next->frame,
                [&](const auto& payload) {
                    if (instrument->stream.size() != 0)
                        fold_bars(*instrument, next->frame, payload, time);
                    for (Instrument* const each : further)
                        if (each->stream.size() != 0) fold_bars(*each, next->frame, payload, time);
                },
                [] {});
        }
        if (!advance(*next)) break;
    }
    if (failure_.ok() && next_bar_close_ <= until && spans(next_bar_close_, until))
        while (next_bar_close_ <= until) close_bars(until);
    for (const RobotScan& each : scans_) each.scan->set_judging(true);
    halted_ = false;
    return failure_.ok() ? RunOutcome::reached : RunOutcome::failed;
}

std::size_t TradingLoop::take_history(std::uint32_t source, Reader& reader, std::uint64_t first,
                                      std::uint64_t last) {
    std::size_t completed = 0;
    if (reader.seek_sequence(first) != Status::ok) return 0;
    for (Frame frame; reader.next(frame) == Status::ok && frame.header->sequence <= last;) {
        if (frame.type() != EventType::history || frame.payload_bytes < sizeof(HistoryPayload))
            continue;
        Instrument* const instrument = instrument_of(sources_[source], frame.header->stream);
        if (!instrument) continue;
        const auto& reported = frame.as<HistoryPayload>();
        const BarPayload bar{reported.ts_open,       reported.ts_close, reported.period_ns,
                             reported.open,          reported.high,     reported.low,
                             reported.close,         reported.volume,   reported.turnover_low,
                             reported.turnover_high, reported.trades,   0};
        const std::uint16_t flags = frame.header->flags;
        for (std::size_t at = 0; at < instrument->bars.size(); ++at) {
            BarFeed& feed = *instrument->bars[at];
            const std::int64_t takes = instrument->stream.builder(at).takes_ns();
            ClosedBar closed{bar, flags, 0};
            if (takes == reported.period_ns) {
                if ((flags & flag_open) != 0 || !instrument->stream.preload(at, bar, flags, closed))
                    continue;
                note_bar_due(*instrument);
            } else if (feed.source != BarSource::trade || feed.period != reported.period_ns) {
                continue;
            } else if ((flags & flag_open) != 0) {
                instrument->stream.resume(at, reported, flags);
                note_bar_due(*instrument);
                continue;
            }
            feed.window.push(closed.bar);
            ++completed;
        }
    }
    return completed;
}

void TradingLoop::begin(std::int64_t now) {
    started_ = true;
    now_ = now;
    exchange_->begin(now);
    begin_life();
    if (follows_ledger_) begin_money();
    while (next_switch() <= now) scheduled_ = schedule_[next_switch_++].open;
    if (!scheduled_)
        schedule_[--next_switch_].time = now;  // the robot is notified at the first event
    trading_ = scheduled_ && allowed_;
    if (options_.sample_every > 0) {
        next_sample_ = now - now % options_.sample_every + options_.sample_every;
        sample();
    }
    find_next_due();
}

// --- the loop -----------------------------------------------------------------------------------

// Optional features are checked here, once, and not for every frame.
RunOutcome TradingLoop::run(std::uint64_t frames_max, std::int64_t until) {
    if (shares()) return run_plain(sources_.front(), frames_max, until);
    for (std::uint64_t frames = 0; frames < frames_max; ++frames) {
        Source* source = pick();
        if (!source || !failure_.ok())
            return failure_.ok() ? RunOutcome::ended : RunOutcome::failed;
        if (source->frame.header->time > until) return RunOutcome::reached;
        if (!step<false>(*source, source->frame))
            return failure_.ok() ? RunOutcome::stopped : RunOutcome::failed;
    }
    return RunOutcome::limit;
}

// Frames are checked in batches. Frames that are not processed go back to the reader.
RunOutcome TradingLoop::run_plain(Source& source, std::uint64_t frames_max, std::int64_t until) {
    Reader& reader = *source.reader;
    std::array<Frame, 32> frames;
    std::size_t next = 0, count = 0;
    std::uint32_t crc_before = 0;
    const auto end = [&](RunOutcome outcome) {
        if (next < count && !source.loaded)
            reader.give_back(frames[next], next == 0 ? crc_before : frames[next - 1].header->crc);
        return outcome;
    };
    for (std::uint64_t left = frames_max; left != 0;) {
        if (source.loaded) {
            frames[0] = source.frame;
            count = 1;
        } else {
            const std::uint64_t first = reader.next_sequence();
            const std::uint64_t room =
                first > source.limit
                    ? 0
                    : std::min({left, source.limit - first + 1, std::uint64_t{frames.size()}});
            crc_before = reader.crc();
            count = reader.next_batch({frames.data(), static_cast<std::size_t>(room)});
            if (count == 0 && !load(source))
                return failure_.ok() ? RunOutcome::ended : RunOutcome::failed;
        }
        for (next = 0; next < count;) {
            const Frame& frame = frames[next];
            if (frame.header->time > until) [[unlikely]]
                return end(RunOutcome::reached);
            ++next;
            --left;
            if (!step<true>(source, frame)) [[unlikely]]
                return end(failure_.ok() ? RunOutcome::stopped : RunOutcome::failed);
        }
    }
    return RunOutcome::limit;
}

RunOutcome TradingLoop::run_checked(std::span<const Frame> frames, std::int64_t until) {
    Source& source = sources_.front();
    const auto show = [&](const Frame& frame) {
        if (frame.header->time > until) return RunOutcome::reached;
        if (step<true>(source, frame)) return RunOutcome::limit;
        return failure_.ok() ? RunOutcome::stopped : RunOutcome::failed;
    };
    auto outcome = RunOutcome::limit;
    if (source.loaded) outcome = show(Frame(source.frame));  // read while the run was set up
    for (const Frame& frame : frames) {
        if (outcome != RunOutcome::limit) break;
        outcome = show(frame);
    }
    return outcome;
}

// Processes one frame and everything due before it. False: the run stops here. Inlined into each
// loop over frames, as is the function that shows the frame: two calls with their saved registers
// cost a tenth of an empty callback.
template <bool plain>
[[gnu::always_inline]] inline bool TradingLoop::step(Source& source, const Frame& frame) {
    const std::int64_t time = frame.header->time;
    if (bars_held_) [[unlikely]] {
        if (time != now_) {  // other inputs at the same time: another tape may have a bar of it
            bars_held_ = false;
            find_next_due();
        }
    }
    if constexpr (!plain) {
        const Instrument* const instrument = instrument_of(source, frame.header->stream);
        exchange_->note_received(instrument, frame);
        for (const Instrument* const each : further_of(source, frame.header->stream))
            if (each->route != instrument->route) exchange_->note_received(each, frame);
    }
    if (next_due_ <= time) [[unlikely]] {
        if (!drain(time)) return false;
    }
    if (!take<plain>(source, frame) || failure_.status != Status::ok) [[unlikely]]
        return false;
    return counters_.frames % pulse_frames != 0 || robot_->pulse(counters_.frames, now_);
}

bool TradingLoop::finish_input() {
    return advance(now_);
}

bool TradingLoop::advance(std::int64_t until) {
    bars_held_ = false;
    exchange_->end_input(until);
    find_next_due();
    return drain(until);
}

template <bool plain>
bool TradingLoop::take(Source& source, const Frame& frame) {
    source.loaded = false;
    source.last_sequence = frame.header->sequence;
    source.last_crc = frame.header->crc;
    ++counters_.frames;
    if constexpr (!plain) {
        if (!note_taken(source, frame)) return false;
        if (source.is_detail)
            return !is_market(frame.type()) ||
                   take_detail(source);  // only the main data supplies facts
    }
    return with_payload(
        frame, [&](const auto& payload) { return take_market<plain>(source, frame, payload); },
        [&] { return take_cold(source, frame); });
}

template <bool plain, class Payload>
[[gnu::always_inline]] inline bool TradingLoop::take_market(const Source& source,
                                                            const Frame& frame,
                                                            const Payload& payload) {
    Instrument* const found = instrument_of(source, frame.header->stream);
    if (!found) return true;
    Instrument& instrument = *found;
    if (frame.payload_bytes < sizeof(Payload) || std::is_same_v<Payload, BookPayload>)
        [[unlikely]] {
        if (!fits(frame)) return false;
    }
    if (filter_ || !source.further.empty()) [[unlikely]]
        return take_shared<plain>(source, instrument, frame, payload);
    return show_market<plain>(instrument, {}, frame, payload);
}

// For a filtered stream, or one market of several instruments. Not inlined: its loops would take
// registers from the path for one instrument.
template <bool plain, class Payload>
[[gnu::noinline]] bool TradingLoop::take_shared(const Source& source, Instrument& instrument,
                                                const Frame& frame, const Payload& payload) {
    if constexpr (std::is_same_v<Payload, QuotePayload> || std::is_same_v<Payload, TradePayload> ||
                  std::is_same_v<Payload, MarkPayload>) {
        if (filter_) return judge<plain>(source, instrument, frame, payload);
    }
    return show_market<plain>(instrument, further_of(source, frame.header->stream), frame, payload);
}

template <bool plain, class Payload>
bool TradingLoop::judge(const Source& source, Instrument& instrument, const Frame& frame,
                        const Payload& payload) {
    const auto further = further_of(source, frame.header->stream);
    const auto from = static_cast<std::uint32_t>(&source - sources_.data());
    const FrameHeader& header = *frame.header;
    TickRule rule{};
    if constexpr (std::is_same_v<Payload, QuotePayload>)
        rule = filter_->on_quote(from, instrument.index, header.time, payload);
    else if constexpr (std::is_same_v<Payload, TradePayload>)
        rule = filter_->on_trade(from, instrument.index, header.time, payload, header.sequence);
    else
        rule = filter_->on_mark(from, instrument.index, payload);
    const std::vector<HeldTrade> released(filter_->released().begin(), filter_->released().end());
    for (const HeldTrade& each : released) {
        FrameHeader late = header;
        late.type = static_cast<std::uint16_t>(EventType::trade);
        late.flags = flag_late;
        late.sequence = each.sequence;
        const Frame held{&late, reinterpret_cast<const std::byte*>(&each.trade), sizeof each.trade};
        if (!show_market<plain>(instrument, further, held, each.trade)) return false;
    }
    if (rule == TickRule::none) return show_market<plain>(instrument, further, frame, payload);
    note(EventType::health, instrument.index + 1,
         {{"kind", "quarantine"},
          {"state", std::string(tick_rule_names[static_cast<std::size_t>(rule)])},
          {"subject", instrument.symbol},
          {"event", event_specs()[header.type - 1u].name},
          {"source", std::to_string(from)},
          {"source_sequence", std::to_string(header.sequence)}});
    return reach(header.time);
}

template <bool plain, class Payload>
[[gnu::always_inline]] inline bool TradingLoop::show_market(Instrument& instrument,
                                                            std::span<Instrument* const> further,
                                                            const Frame& frame,
                                                            const Payload& payload) {
    const std::int64_t time = frame.header->time;
    ++counters_.events;
    if constexpr (plain) {
        show_exchange<plain>(instrument, frame, payload, time);
        for (Instrument* const each : further) show_exchange<plain>(*each, frame, payload, time);
    } else {
        show_exchange<plain>(instrument, frame, payload, exchange_->take_frame(instrument, frame));
        for (Instrument* const each : further)  // a shared route has already applied it
            show_exchange<plain>(*each, frame, payload,
                                 each->route == instrument.route
                                     ? exchange_->take_detail(*each, frame)
                                     : exchange_->take_frame(*each, frame));
    }
    if (next_due_ <= time) [[unlikely]] {  // reports that are due by now
        if (!drain(time)) return false;
    }
    if (time > now_) now_ = time;  // a late frame does not turn the clock back
    if (instrument.stream.size() != 0) [[unlikely]]
        fold_bars(instrument, frame, payload, now_);
    for (Instrument* const each : further)
        if (each->stream.size() != 0) fold_bars(*each, frame, payload, now_);
    if (!show_robot(instrument, payload)) return false;
    for (Instrument* const each : further)
        if (!show_robot(*each, payload)) return false;
    return scans_.empty() || take_scans(instrument, payload, time);
}

// For events that conditions can use.
template <class Payload>
bool TradingLoop::take_scans(const Instrument& instrument, const Payload& payload,
                             std::int64_t time) {
    // A scan added in a callback here begins with the next event.
    for (std::size_t number = 0, count = scans_.size(); number < count; ++number) {
        RobotScan& each = scans_[number];
        const std::uint32_t symbol = instrument.index < each.symbols.size()
                                         ? each.symbols[instrument.index]
                                         : scan_no_symbol;
        if (symbol == scan_no_symbol) continue;
        if constexpr (std::is_same_v<Payload, QuotePayload>)
            each.scan->on_quote(symbol, time, payload);
        else if constexpr (std::is_same_v<Payload, TradePayload>)
            each.scan->on_trade(symbol, time, payload);
        else if constexpr (std::is_same_v<Payload, MarkPayload>)
            each.scan->on_mark(symbol, time, payload);
        else if constexpr (std::is_same_v<Payload, FundingPayload>)
            each.scan->on_funding(symbol, time, payload);
        else if constexpr (std::is_same_v<Payload, OpenInterestPayload>)
            each.scan->on_open_interest(symbol, time, payload);
        if (!tell_scan(number)) return false;
    }
    return true;
}

bool TradingLoop::reach(std::int64_t time) {
    if (next_due_ <= time && !drain(time)) return false;
    if (time > now_) now_ = time;  // a late frame does not turn the clock back
    return true;
}

bool TradingLoop::catch_up(std::int64_t time) {
    if (time > now_) now_ = time;
    return drain(now_);
}

bool TradingLoop::take_cold(Source& source, const Frame& frame) {
    const auto number = static_cast<std::uint32_t>(&source - sources_.data());
    if (started_ && source.is_gateways &&
        (frame.type() == EventType::order_event || frame.type() == EventType::fill))
        return exchange_->take_report(number, instrument_of(source, frame.header->stream), frame);
    if (frame.header->time > now_) now_ = frame.header->time;
    in_robot_ = true;
    const auto index = robot_->on_cold(number, frame);
    if (index == RobotPort::failed) return false;
    if (frame.type() == EventType::external || frame.type() == EventType::health)
        return after_callback();
    in_robot_ = false;
    if (index < 0) return true;
    map_stream(number, frame.header->stream, index);
    in_robot_ = true;
    return robot_->on_instrument(*instruments_[static_cast<std::size_t>(index)]) &&
           after_callback();
}

template <bool plain>
[[gnu::always_inline]] inline void TradingLoop::show_exchange(Instrument& instrument, const Frame&,
                                                              const QuotePayload& quote,
                                                              std::int64_t time) {
    instrument.view.set_quote(quote);
    auto change = MarketChange::quote;
    if constexpr (!plain) {
        if (exchange_->fuse(instrument, quote)) change = MarketChange::book;
    }
    if (!instrument.interest->none()) [[unlikely]]
        exchange_->show(instrument, change, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument& instrument, const Frame&, const TradePayload& trade,
                                std::int64_t time) {
    instrument.view.trade = trade;
    instrument.view.has_trade = true;
    ++instrument.view.version;
    if (!instrument.interest->none()) exchange_->show(instrument, MarketChange::trade, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument& instrument, const Frame& frame,
                                const BookPayload& change, std::int64_t time) {
    const auto* levels = reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload));
    instrument.view.keep_mid();
    instrument.book.apply(change, frame.header->flags, levels);
    if constexpr (!plain) {
        exchange_->fuse(instrument, change, frame.header->flags, levels);
    }
    ++instrument.view.version;
    if (!instrument.interest->none()) exchange_->show(instrument, MarketChange::book, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument& instrument, const Frame& frame, const BarPayload& bar,
                                std::int64_t time) {
    if ((frame.header->flags & flag_late) != 0) return;  // not a current price
    instrument.view.set_bar(bar);
    if (instrument.detail)
        check_detail(instrument, time);
    else if (!instrument.interest->none())
        exchange_->show(instrument, MarketChange::bar, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument& instrument, const Frame&, const MarkPayload& mark,
                                std::int64_t time) {
    const auto set = [&mark](MarketView& view) {
        view.mark = mark.mark;
        view.index = mark.index;
        ++view.version;
    };
    set(instrument.view);
    if (instrument.detail) set(instrument.detail->view);
    if (!instrument.interest->none()) exchange_->show(instrument, MarketChange::mark, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument& instrument, const Frame&, const FundingPayload& funding,
                                std::int64_t time) {
    if (started_) settle_funding(instrument, time, funding);
    if (!instrument.interest->none()) exchange_->show(instrument, MarketChange::value, time);
}

template <bool plain>
void TradingLoop::show_exchange(Instrument&, const Frame&, const LiquidationPayload&,
                                std::int64_t) {}

// For events that make no bars.
template <class Payload>
void TradingLoop::fold_bars(Instrument& instrument, [[maybe_unused]] const Frame& frame,
                            [[maybe_unused]] const Payload& payload,
                            [[maybe_unused]] std::int64_t time) {
    BarStream& stream = instrument.stream;
    if constexpr (std::is_same_v<Payload, QuotePayload>) {
        stream.on_quote(time, payload.bid, payload.ask);
    } else if constexpr (std::is_same_v<Payload, TradePayload>) {
        stream.on_trade(time, payload.price, payload.size,
                        payload.id_kind == IdKind::integer ? payload.id_low : 0, payload.side);
    } else if constexpr (std::is_same_v<Payload, BarPayload>) {
        stream.on_bar(payload, frame.header->flags);
    } else {
        return;
    }
    note_bar_due(instrument);
}

bool TradingLoop::show_robot(Instrument& instrument, const QuotePayload& quote) {
    if (!wanted(instrument, want_quotes)) return true;
    in_robot_ = true;
    return robot_->on_quote(instrument, quote) && after_callback();
}

bool TradingLoop::show_robot(Instrument& instrument, const TradePayload& trade) {
    if (!wanted(instrument, want_trades)) return true;
    in_robot_ = true;
    return robot_->on_trade(instrument, trade) && after_callback();
}

bool TradingLoop::show_robot(Instrument& instrument, const BookPayload&) {
    return !wanted(instrument, want_book) || tell_book(instrument);
}

bool TradingLoop::tell_book(Instrument& instrument) {
    const bool synced = instrument.book.synced();
    if (synced != instrument.was_synced) {
        instrument.was_synced = synced;
        in_robot_ = true;
        if (!robot_->on_health("feed", instrument.symbol, synced ? "synced" : "gap") ||
            !after_callback())
            return false;
    }
    in_robot_ = true;
    return robot_->on_book(instrument) && after_callback();
}

// Venue bars are shown when they close.
bool TradingLoop::show_robot(Instrument& instrument, const BarPayload&) {
    bars_held_ = bars_held_ || instrument.stream.size() != 0;
    return true;
}

bool TradingLoop::show_robot(Instrument& instrument, const MarkPayload& mark) {
    if (!wanted(instrument, want_mark)) return true;
    in_robot_ = true;
    return robot_->on_mark(instrument, mark) && after_callback();
}

bool TradingLoop::show_robot(Instrument& instrument, const FundingRatePayload& rate) {
    instrument.rates.next = rate;
    return true;
}

bool TradingLoop::show_robot(Instrument& instrument, const FundingPayload& funding) {
    instrument.rates.last = funding;
    if (!wanted(instrument, want_funding)) return true;
    in_robot_ = true;
    return robot_->on_funding(instrument, funding) && after_callback();
}

bool TradingLoop::show_robot(Instrument& instrument, const LiquidationPayload& liquidation) {
    if (!wanted(instrument, want_liquidations)) return true;
    in_robot_ = true;
    return robot_->on_liquidation(instrument, liquidation) && after_callback();
}

}  // namespace onetape
