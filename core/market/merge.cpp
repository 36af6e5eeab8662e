#include "market/merge.hpp"

#include <algorithm>
#include <cstring>

#include "journal/market_frame.hpp"
#include "market/earliest.hpp"

namespace onetape {

namespace {

constexpr std::uint64_t cursor_every = 4096;  // frames of a source that a restart may read again
constexpr double mean_share = 1.0 / 64;
constexpr std::uint32_t streams_max = 1u << 20;
constexpr std::int64_t make_every = 1'000'000'000;  // ns of the sources' clock

[[nodiscard]] constexpr std::uint32_t index(Merged outcome) noexcept {
    return static_cast<std::uint32_t>(outcome);
}

[[nodiscard]] const BookLevel* levels_of(const Frame& frame) noexcept {
    return reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload));
}

}  // namespace

Merge::Merge(const MergeOptions& options)
    : options_(options), filter_([&] {
          TickFilterOptions filter = options.filter;
          // The same message from several sources is no bad tick: the merge handles it itself.
          filter.rules &= ~(1u << static_cast<unsigned>(TickRule::duplicate));
          return filter;
      }()) {}

std::uint32_t Merge::add_source(std::uint32_t rank) {
    ranks_.push_back(rank);
    delays_.emplace_back();
    return static_cast<std::uint32_t>(ranks_.size() - 1);
}

std::uint32_t Merge::add_symbol() {
    symbols_.emplace_back();
    symbols_.back().trades.forget_until(floor_);
    return static_cast<std::uint32_t>(symbols_.size() - 1);
}

void Merge::forget_until(std::int64_t time) {
    floor_ = std::max(floor_, time);
    for (Symbol& each : symbols_) each.trades.forget_until(floor_);
}

MergeCounts& Merge::counts(std::uint32_t source, std::uint32_t symbol) {
    std::vector<MergeCounts>& counts = symbols_[symbol].counts;
    if (source >= counts.size()) counts.resize(source + std::size_t{1});
    return counts[source];
}

MergeCounts& Merge::heard(std::uint32_t source, Symbol& own, std::int64_t time, std::int64_t event,
                          std::int64_t received) {
    released_.clear();
    rule_ = TickRule::none;
    is_late_ = false;
    if (source >= own.counts.size()) own.counts.resize(source + std::size_t{1});
    MergeCounts& counts = own.counts[source];
    counts.has_spoken = true;
    counts.received = time;
    // A value that a poll finds unchanged is old, not delayed.
    if (event > counts.event) {
        counts.event = event;
        MergeDelay& delay = delays_[source];
        const std::int64_t took = difference(received, event);
        delay.floor.add(received, took);
        ++delay.count;
        const double share = std::max(mean_share, 1.0 / static_cast<double>(delay.count));
        delay.mean += share * (static_cast<double>(took) - delay.mean);
    }
    return counts;
}

template <class Payload>
Merged Merge::order(std::uint32_t source, std::int64_t time, const Payload& payload,
                    std::int64_t event, std::uint64_t id, const Value<Payload>& held,
                    std::int64_t held_event, std::uint64_t held_id,
                    MergeCounts& counts) const noexcept {
    if (!held.has) return event != 0 && event <= floor_ ? Merged::older : Merged::taken;
    const bool has_times = event != 0 && held_event != 0;
    if (has_times && event != held_event) {
        if (event > held_event) return Merged::taken;
        counts.behind = difference(held_event, event);
        return Merged::older;
    }
    const bool is_own = source == held.source;
    if (id != 0 && held_id != 0 && id != held_id) {
        if (id > held_id) return Merged::taken;
        // Without the venue's time, a falling sequence means that the source restarted its
        // numbering.
        return is_own && !has_times ? Merged::taken : Merged::older;
    }
    if (same_message(payload, held.payload)) return Merged::duplicate;
    // Of one stream the later is the newer: not every venue counts each change of its best prices.
    if (is_own) return Merged::taken;
    if (id != 0 && id == held_id) {
        ++counts.disagreed;
        return Merged::duplicate;
    }
    if (ranks_[source] < ranks_[held.source]) return Merged::taken;
    if (!has_times && difference(time, held.time) > options_.stale_ns) return Merged::taken;
    return Merged::older;
}

Merged Merge::on_quote(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                       const QuotePayload& quote) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, quote.ts_event, quote.ts_recv);
    if (own.is_ended) return count(counts, Merged::ended);
    if (own.pinned != merge_none && own.pinned != source) return count(counts, Merged::pinned);
    Value<QuotePayload>& held = own.quote;
    const Merged outcome = order(source, time, quote, quote.ts_event, quote.update_id, held,
                                 held.payload.ts_event, held.payload.update_id, counts);
    if (outcome != Merged::taken) {
        if (outcome == Merged::duplicate && source == held.source) held.time = time;
        return count(counts, outcome);
    }
    if (options_.filters) {
        if (is_bad(filter_.on_quote(source, symbol, time, quote)))
            return count(counts, Merged::bad);
        release(own);
    }
    counts.behind = 0;
    held.payload = quote;
    held.time = time;
    held.source = source;
    held.has = true;
    sample(own, time);
    return count(counts, Merged::taken);
}

Merged Merge::on_trade(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                       const TradePayload& trade, std::uint64_t sequence) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, trade.ts_event, trade.ts_recv);
    if (own.is_ended) return count(counts, Merged::ended);
    if (source >= own.counters.size()) own.counters.resize(source + std::size_t{1});
    TradePayload keyed = trade;  // a held trade keeps the id made for it
    const TradeKey key = own.counters[source].key(trade);
    keyed.id_low = key.low;
    keyed.id_high = key.high;
    switch (own.trades.look(key, trade)) {
        case TradeMemory::Seen::differs:
            ++counts.disagreed;
            return count(counts, Merged::duplicate);
        case TradeMemory::Seen::taken:
            return count(counts, Merged::duplicate);
        case TradeMemory::Seen::late:
            return count(counts, Merged::late);
        case TradeMemory::Seen::fresh:
            break;
    }
    if (options_.filters) {
        if (is_bad(filter_.on_trade(source, symbol, time, keyed, sequence)))
            return count(counts, Merged::bad);
        release(own);
    }
    return count(counts, take_trade(own, key, trade));
}

Merged Merge::take_trade(Symbol& own, const TradeKey& key, const TradePayload& trade) {
    if (own.trades.look(key, trade) != TradeMemory::Seen::fresh) return Merged::duplicate;
    own.trades.take(key, trade);
    own.made.add(trade);
    own.trade = trade;
    own.has_trade = true;
    const std::int64_t at = trade_time(trade);
    is_late_ = at < own.trade_newest;
    own.trade_newest = std::max(own.trade_newest, at);
    return Merged::taken;
}

void Merge::release(Symbol& own) {
    for (HeldTrade held : filter_.released()) {
        const TradeKey key{held.trade.id_low, held.trade.id_high, held.trade.id_kind};
        if (take_trade(own, key, held.trade) != Merged::taken) continue;
        held.is_late = is_late_;
        if (held.trade.id_kind == IdKind::none) held.trade.id_low = held.trade.id_high = 0;
        // It was counted as bad on arrival, and is corrected now.
        MergeCounts& counts = own.counts[held.source];
        --counts.outcomes[index(Merged::bad)];
        ++counts.outcomes[index(Merged::taken)];
        released_.push_back(held);
    }
    is_late_ = false;
}

template <class Payload>
Merged Merge::value(std::uint32_t source, Symbol& own, std::int64_t time, const Payload& payload,
                    Value<Payload>& held) {
    MergeCounts& counts = own.counts[source];
    if (own.is_ended) return count(counts, Merged::ended);
    if (own.pinned != merge_none && own.pinned != source) return count(counts, Merged::pinned);
    const Merged outcome = order(source, time, payload, payload.ts_event, std::uint64_t{0}, held,
                                 held.payload.ts_event, 0, counts);
    if (outcome != Merged::taken) {
        if (outcome == Merged::duplicate && source == held.source) held.time = time;
        return count(counts, outcome);
    }
    return Merged::taken;  // not counted yet: a filter may decide otherwise
}

Merged Merge::on_mark(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                      const MarkPayload& mark) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, mark.ts_event, mark.ts_recv);
    const Merged outcome = value(source, own, time, mark, own.mark);
    if (outcome != Merged::taken) return outcome;
    if (options_.filters && is_bad(filter_.on_mark(source, symbol, mark)))
        return count(counts, Merged::bad);
    own.mark = {mark, time, source, true};
    return count(counts, Merged::taken);
}

// For values that no filter judges.
template <class Payload>
Merged Merge::on_value(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                       const Payload& payload, Value<Payload> Symbol::* held) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, payload.ts_event, payload.ts_recv);
    const Merged outcome = value(source, own, time, payload, own.*held);
    if (outcome != Merged::taken) return outcome;
    own.*held = {payload, time, source, true};
    return count(counts, Merged::taken);
}

template Merged Merge::on_value(std::uint32_t, std::uint32_t, std::int64_t, const FundingPayload&,
                                Value<FundingPayload> Symbol::*);
template Merged Merge::on_value(std::uint32_t, std::uint32_t, std::int64_t,
                                const OpenInterestPayload&, Value<OpenInterestPayload> Symbol::*);
template Merged Merge::on_value(std::uint32_t, std::uint32_t, std::int64_t,
                                const FundingRatePayload&, Value<FundingRatePayload> Symbol::*);

Merged Merge::on_bar(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                     const BarPayload& bar, std::uint16_t flags) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, 0, 0);
    if (own.is_ended) return count(counts, Merged::ended);
    if (own.pinned != merge_none && own.pinned != source) return count(counts, Merged::pinned);
    if (bar.period_ns <= 0) return count(counts, Merged::bad);
    const BarNews news = own.bars.take(bar, flags);
    switch (news) {
        case BarNews::differs:
            ++counts.disagreed;
            [[fallthrough]];
        case BarNews::duplicate:
            return count(counts, Merged::duplicate);
        case BarNews::older:
            return count(counts, Merged::older);
        case BarNews::fresh:
        case BarNews::filled:
        case BarNews::corrected:
            break;
    }
    is_late_ = news != BarNews::fresh;
    if (closed_.size() < merge_bars_max) closed_.push_back({symbol, bar});
    return count(counts, news == BarNews::corrected ? Merged::corrected : Merged::taken);
}

MadeBar Merge::make_bar(std::uint32_t symbol, std::int64_t time, BarPayload& bar) {
    Symbol& own = symbols_[symbol];
    if (own.is_ended || own.pinned != merge_none || !own.bars.has_period(TradeBars::period_ns))
        return MadeBar::none;
    const std::optional<BarPayload> made = own.made.next(time);
    if (!made) return MadeBar::none;
    bar = *made;
    switch (const BarNews news = own.bars.take(bar, flag_synthetic); news) {
        case BarNews::differs:
            return MadeBar::differs;
        case BarNews::fresh:
        case BarNews::filled:
            is_late_ = news != BarNews::fresh;
            if (closed_.size() < merge_bars_max) closed_.push_back({symbol, bar});
            return MadeBar::filled;
        default:
            return MadeBar::agrees;
    }
}

Merged Merge::on_book(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                      const BookPayload& book, std::uint16_t flags, const BookLevel* levels) {
    Symbol& own = symbols_[symbol];
    MergeCounts& counts = heard(source, own, time, book.ts_event, book.ts_recv);
    depth_next_ = MergeDepth::Next::nothing;
    if (own.is_ended) return count(counts, Merged::ended);
    depth_next_ = own.depth.take(source, time, book, flags, levels,
                                 {ranks_, own.pinned, options_.stale_ns, options_.filters});
    if (own.depth.is_refused() || own.depth.is_crossed()) {
        rule_ = own.depth.is_refused() ? TickRule::negative : TickRule::crossed;
        return count(counts, Merged::bad);
    }
    if (depth_next_ != MergeDepth::Next::nothing) return count(counts, Merged::taken);
    return count(counts, own.depth.leader() == source ? Merged::older : Merged::duplicate);
}

void Merge::restore(std::uint32_t source, std::uint32_t symbol, const Frame& frame) {
    Symbol& own = symbols_[symbol];
    const std::int64_t time = frame.header->time;
    switch (frame.type()) {
        case EventType::quote:
            own.quote = {frame.as<QuotePayload>(), time, source, true};
            sample(own, time);
            break;
        case EventType::trade: {
            const auto& trade = frame.as<TradePayload>();
            // The journal has each trade once, like one source that reports all trades.
            take_trade(own, own.restored.key(trade), trade);
            break;
        }
        case EventType::mark:
            own.mark = {frame.as<MarkPayload>(), time, source, true};
            break;
        case EventType::funding:
            own.funding = {frame.as<FundingPayload>(), time, source, true};
            break;
        case EventType::open_interest:
            own.open_interest = {frame.as<OpenInterestPayload>(), time, source, true};
            break;
        case EventType::funding_rate:
            own.funding_rate = {frame.as<FundingRatePayload>(), time, source, true};
            break;
        case EventType::bar:
            on_bar(source, symbol, time, frame.as<BarPayload>(), frame.header->flags);
            break;
        case EventType::book:
            own.depth.restore(source, time, frame.as<BookPayload>(), frame.header->flags,
                              levels_of(frame));
            break;
        default:
            break;
    }
}

void Merge::sample(Symbol& own, std::int64_t time) noexcept {
    const QuotePayload& quote = own.quote.payload;
    if (quote.bid <= 0 || quote.ask <= 0) return;
    const auto every = options_.median_ns / static_cast<std::int64_t>(merge_samples);
    const std::size_t last = (own.samples_next + merge_samples - 1) % merge_samples;
    if (own.samples_count > 0 && difference(time, own.samples[last].time) < every) {
        own.samples[last].bid = quote.bid;
        own.samples[last].ask = quote.ask;
        return;
    }
    own.samples[own.samples_next] = {time, quote.bid, quote.ask};
    own.samples_next = (own.samples_next + 1) % merge_samples;
    own.samples_count = std::min(own.samples_count + 1, merge_samples);
}

bool Merge::median(std::uint32_t symbol, std::int64_t time, QuotePayload& quote) const {
    const Symbol& own = symbols_[symbol];
    std::array<std::int64_t, merge_samples> bids{}, asks{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < own.samples_count; ++i) {
        const Sample& each = own.samples[i];
        if (difference(time, each.time) > options_.median_ns) continue;
        bids[count] = each.bid;
        asks[count++] = each.ask;
    }
    if (count < merge_samples_min || own.is_ended) return false;
    const auto middle = static_cast<std::ptrdiff_t>(count / 2);
    const auto end = static_cast<std::ptrdiff_t>(count);
    std::nth_element(bids.begin(), bids.begin() + middle, bids.begin() + end);
    std::nth_element(asks.begin(), asks.begin() + middle, asks.begin() + end);
    quote = {};
    quote.ts_event = own.quote.payload.ts_event;  // of the newest quote in the median
    quote.ts_recv = time;
    quote.bid = bids[count / 2];
    quote.ask = asks[count / 2];
    return true;
}

// --- journals ------------------------------------------------------------------------------------

void MergeFeeds::follow(std::uint32_t source, Reader* reader) {
    if (source >= feeds_.size()) feeds_.resize(source + std::size_t{1});
    Feed& feed = feeds_[source];
    feed = Feed{};
    feed.reader = reader;
    if (reader == nullptr) return;
    feed.first = reader->next_sequence();
    feed.last = feed.first - 1;
    feed.crc = reader->crc();
}

void MergeFeeds::map(std::uint32_t source, std::uint32_t stream, std::uint32_t symbol) {
    std::vector<std::uint32_t>& symbols = feeds_[source].symbols;
    if (stream >= streams_max) return;  // no writer of ours has so many
    if (stream >= symbols.size()) symbols.resize(stream + std::size_t{1}, merge_none);
    symbols[stream] = symbol;
}

MergeFeeds::Stop MergeFeeds::take(std::size_t frames_max) {
    for (std::size_t taken = 0; taken < frames_max; ++taken) {
        const Feed* failed = nullptr;
        Feed* const first = earliest(feeds_, status_, failed);
        if (failed != nullptr) {
            source_ = static_cast<std::uint32_t>(failed - feeds_.data());
            return Stop::failed;
        }
        if (first == nullptr) return Stop::nothing;
        first->has_frame = false;
        const Frame& frame = first->frame;
        const FrameHeader& header = *frame.header;
        source_ = static_cast<std::uint32_t>(first - feeds_.data());
        time_ = std::max(time_, header.time);  // of the hub's journal: must ascend
        if (time_ - made_at_ >= make_every) {
            made_at_ = time_;
            status_ = write_made();
            if (status_ != Status::ok) return Stop::unwritten;
        }
        first->last = header.sequence;
        first->crc = header.crc;
        if (first->last - first->first >= cursor_every) {
            status_ = write_cursor(*first);
            if (status_ != Status::ok) return Stop::unwritten;
        }
        if (frame.type() == EventType::instrument || frame.type() == EventType::health) {
            found_ = frame;
            return Stop::found;
        }
        if (!is_market(frame.type())) continue;
        const std::uint32_t symbol =
            header.stream < first->symbols.size() ? first->symbols[header.stream] : merge_none;
        if (symbol == merge_none || frame.payload_bytes < market_bytes(frame.type())) {
            ++passed_over_;
            continue;
        }
        status_ = merge(source_, frame, symbol);
        if (status_ != Status::ok) return Stop::unwritten;
    }
    return Stop::at_most;
}

Status MergeFeeds::merge(std::uint32_t source, const Frame& frame, std::uint32_t symbol) {
    Merge& merge = *merge_;
    Merged outcome{};
    switch (frame.type()) {
        case EventType::quote:
            outcome = merge.on_quote(source, symbol, time_, frame.as<QuotePayload>());
            break;
        case EventType::trade:
            outcome = merge.on_trade(source, symbol, time_, frame.as<TradePayload>(),
                                     frame.header->sequence);
            break;
        case EventType::mark:
            outcome = merge.on_mark(source, symbol, time_, frame.as<MarkPayload>());
            break;
        case EventType::funding:
            outcome = merge.on_funding(source, symbol, time_, frame.as<FundingPayload>());
            break;
        case EventType::open_interest:
            outcome =
                merge.on_open_interest(source, symbol, time_, frame.as<OpenInterestPayload>());
            break;
        case EventType::funding_rate:
            outcome = merge.on_funding_rate(source, symbol, time_, frame.as<FundingRatePayload>());
            break;
        case EventType::bar:
            outcome =
                merge.on_bar(source, symbol, time_, frame.as<BarPayload>(), frame.header->flags);
            break;
        case EventType::book:
            if (!book_fits(frame.payload, frame.payload_bytes)) {
                ++passed_over_;
                return Status::ok;
            }
            outcome = merge.on_book(source, symbol, time_, frame.as<BookPayload>(),
                                    frame.header->flags, levels_of(frame));
            break;
        default:
            ++passed_over_;
            return Status::ok;
    }
    for (const HeldTrade& each : merge.released()) {
        const Status status = write(EventType::trade, each.is_late ? flag_late : std::uint16_t{0},
                                    each.source, symbol, &each.trade, sizeof each.trade);
        if (status != Status::ok) return status;
    }
    if (outcome == Merged::bad || outcome == Merged::late)
        note(source, symbol, frame, outcome, merge.rule());
    if (frame.type() == EventType::book) return write_depth(source, symbol, frame);
    if (outcome != Merged::taken && outcome != Merged::corrected) return Status::ok;
    auto flags = static_cast<std::uint16_t>(frame.header->flags & 0xffu);
    // Flags for late and corrected depend on the source and may not apply here.
    if (frame.type() == EventType::bar)
        flags &= static_cast<std::uint16_t>(~(flag_late | flag_corrected));
    if (merge.is_late()) flags |= flag_late;
    if (outcome == Merged::corrected) flags |= flag_corrected;
    return write(frame.type(), flags, source, symbol, frame.payload, frame.payload_bytes);
}

Status MergeFeeds::write_depth(std::uint32_t source, std::uint32_t symbol, const Frame& frame) {
    switch (merge_->depth_next()) {
        case MergeDepth::Next::nothing:
            break;
        case MergeDepth::Next::change:
            return write(EventType::book, static_cast<std::uint16_t>(frame.header->flags & 0xffu),
                         source, symbol, frame.payload, frame.payload_bytes);
        case MergeDepth::Next::snapshot: {
            const MergeDepth& depth = merge_->depth(symbol);
            depth.snapshot(frame.as<BookPayload>().ts_recv, snapshot_);
            return write(EventType::book, flag_snapshot, depth.leader(), symbol, snapshot_.data(),
                         snapshot_.size());
        }
        case MergeDepth::Next::lost: {
            BookPayload nothing{};
            nothing.ts_recv = frame.as<BookPayload>().ts_recv;
            return write(EventType::book, flag_gap | flag_unsynced, source, symbol, &nothing,
                         sizeof nothing);
        }
    }
    return Status::ok;
}

Status MergeFeeds::write(EventType type, std::uint16_t flags, std::uint32_t source,
                         std::uint32_t symbol, const void* payload, std::size_t bytes) {
    const auto marked = static_cast<std::uint16_t>(flags | (source + 1) << flag_source_shift);
    return writer_->append(type, marked, symbol + 1, time_, payload,
                           static_cast<std::uint32_t>(bytes));
}

void MergeFeeds::note(std::uint32_t source, std::uint32_t symbol, const Frame& frame,
                      Merged outcome, TickRule rule) {
    if (bad_ticks_.size() < bad_ticks_max)
        bad_ticks_.push_back({source, symbol, frame.header->sequence, frame.type(), outcome, rule});
}

Status MergeFeeds::write_cursor(Feed& feed) {
    InputPayload input{};
    const Uuid& uuid = feed.reader->uuid();
    std::memcpy(input.source, uuid.data(), sizeof input.source);
    input.epoch = feed.reader->epoch();
    input.first_sequence = feed.first;
    input.count = feed.last + 1 - feed.first;  // 0: no more than written before
    input.crc = feed.crc;
    const Status status = writer_->append(EventType::input, 0, 0, time_, &input, sizeof input);
    if (status == Status::ok) feed.first = feed.last + 1;
    return status;
}

Status MergeFeeds::write_cursors(bool all) {
    for (Feed& each : feeds_) {
        if (each.reader == nullptr || (each.last < each.first && !all)) continue;
        if (const Status status = write_cursor(each); status != Status::ok) return status;
    }
    return Status::ok;
}

Status MergeFeeds::write_made() {
    BarPayload bar;
    for (std::uint32_t symbol = 0; symbol < merge_->symbols(); ++symbol) {
        MadeBar outcome{};
        while ((outcome = merge_->make_bar(symbol, time_, bar)) != MadeBar::none) {
            ++made_counts_[static_cast<std::size_t>(outcome)];
            if (outcome == MadeBar::agrees) continue;
            if (made_.size() < bad_ticks_max) made_.push_back({symbol, bar.ts_open, outcome});
            if (outcome == MadeBar::differs) continue;
            const auto flags = static_cast<std::uint16_t>(
                flag_synthetic | (merge_->is_late() ? flag_late : std::uint16_t{0}));
            const Status status =
                writer_->append(EventType::bar, flags, symbol + 1, time_, &bar, sizeof bar);
            if (status != Status::ok) return status;
        }
    }
    return Status::ok;
}

bool MergeFeeds::write_median(std::uint32_t symbol, std::int64_t time, Status& status) {
    QuotePayload quote{};
    if (!merge_->median(symbol, time, quote)) return false;
    time_ = std::max(time_, time);
    status =
        writer_->append(EventType::quote, flag_synthetic, symbol + 1, time_, &quote, sizeof quote);
    return true;
}

void MergeFeeds::restore(const Frame& frame) {
    // Other frames have the time of writing.
    if (is_market(frame.type()) || frame.type() == EventType::input)
        time_ = std::max(time_, frame.header->time);
    const std::uint32_t source =
        static_cast<std::uint32_t>(frame.header->flags) >> flag_source_shift;
    const std::uint32_t stream = frame.header->stream;
    if (!is_market(frame.type()) || source > merge_->sources() || stream == 0 ||
        stream > merge_->symbols())
        return;
    if (source == 0) {  // no source: made of quotes, or of trades
        if (frame.type() == EventType::bar)
            merge_->restore_bar(stream - 1, frame.as<BarPayload>(), flag_synthetic);
        return;
    }
    if (frame.type() == EventType::book && !book_fits(frame.payload, frame.payload_bytes)) return;
    merge_->restore(source - 1, stream - 1, frame);
}

}  // namespace onetape
