#include "text/capture.hpp"

#include <algorithm>
#include <limits>

#include "base/money.hpp"
#include "text/table_streams.hpp"
#include "text/time_text.hpp"

namespace onetape {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t receipt_min = 100'000'000'000'000'000;  // 1973 in ns: else another unit

constexpr std::array<std::string_view, role_count> role_names{
    "symbol",      "time",         "time",         "bid",    "ask",       "bid size",
    "ask size",    "price",        "size",         "id",     "side",      "side",
    "first id",    "last id",      "previous id",  "bids",   "asks",      "mark price",
    "index price", "funding rate", "funding time", "open",   "high",      "low",
    "close",       "volume",       "turnover",     "trades", "open time", "close time",
    "closed"};

}  // namespace

CaptureDecoder::CaptureDecoder(CaptureConfig config, EventSink& sink)
    : config_(std::move(config)), sink_(sink), scanner_(config_.paths), next_held_(never) {
    for (const CaptureStream& spec : config_.streams) {
        StreamState& state = streams_.emplace_back();
        state.spec = spec;
        state.numbers = {spec.price_decimals, spec.size_decimals, spec.growable, {}};
    }
}

std::string_view CaptureDecoder::name_of(Role role) noexcept {
    return role_names[static_cast<std::size_t>(role)];
}

CaptureDecoder::StreamFacts CaptureDecoder::facts(std::size_t index) const {
    const StreamState& state = streams_[index];
    const auto& seen = state.numbers.seen;
    return {state.raw, seen[0], seen[1], seen[2], seen[3]};
}

void CaptureDecoder::begin_source(std::uint32_t index) {
    source_ = index;
    splitter_.restart();
}

CaptureDecoder::Stop CaptureDecoder::feed(const char* data, std::size_t size) {
    splitter_.feed(data, size, [this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return stop_;
}

CaptureDecoder::Stop CaptureDecoder::end_source() {
    splitter_.finish([this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return stop_;
}

CaptureDecoder::Stop CaptureDecoder::finish() {
    release_bars(never);
    return stop_;
}

bool CaptureDecoder::on_line(std::string_view line, std::uint64_t number,
                             LineSplitter::Ending ending) {
    ++lines_;
    if (ending == LineSplitter::Ending::overlong) {
        rejects_.add(source_, number, "line is longer than 1 MiB", line);
        return true;
    }
    const char* p = line.data();
    const char* const end = p + line.size();
    while (*p == ' ' || *p == '\t') ++p;
    if (p >= end) return true;  // a blank line is no message
    std::uint64_t receipt = 0;
    int digits = 0;
    for (unsigned d; (d = static_cast<unsigned>(static_cast<unsigned char>(*p)) - '0') < 10; ++p) {
        receipt = receipt * 10 + d;
        if (++digits > 18 && (digits > 19 || receipt > static_cast<std::uint64_t>(never))) break;
    }
    const char* fault = nullptr;
    if (digits > 19 || receipt > static_cast<std::uint64_t>(never)) {
        fault = "receipt time is out of range";
    } else if (digits == 0 || (*p != ' ' && *p != '\t')) {
        fault = "does not begin with a receipt time in ns and a blank";
    } else if (receipt < static_cast<std::uint64_t>(receipt_min)) {
        fault = "receipt time is not in nanoseconds";
    } else {
        fault = scanner_.scan({p, static_cast<std::size_t>(end - p)}, message_);
    }
    if (fault != nullptr) {
        rejects_.add(source_, number,
                     ending == LineSplitter::Ending::truncated
                         ? std::string("last line is truncated: ") + fault
                         : std::string(fault),
                     line);
        return true;
    }
    take(line, number, static_cast<std::int64_t>(receipt));
    return stop_ == Stop::none;
}

void CaptureDecoder::take(std::string_view line, std::uint64_t number, std::int64_t receipt) {
    if (receipt >= next_held_ && !release_bars(receipt)) return;
    if (!message(receipt) && stop_ == Stop::none) {
        rejects_.add(source_, number, std::move(reason_), line);
        reason_.clear();
    }
}

CaptureDecoder::Stop CaptureDecoder::message_of(std::uint32_t source, std::uint64_t number,
                                                std::int64_t receipt, std::string_view json) {
    ++lines_;
    source_ = source;
    if (const char* const fault = scanner_.scan(json, message_)) {
        rejects_.add(source, number, fault, json);
    } else {
        take(json, number, receipt);
    }
    return stop_;
}

const MessageRule* CaptureDecoder::rule_of() const noexcept {
    std::string_view event, channel;
    if (message_.has(config_.event_slot)) event = message_.at(config_.event_slot).text;
    if (message_.has(config_.channel_slot)) {
        channel = message_.at(config_.channel_slot).text;
        const std::size_t at = channel.find('@');
        channel = at == std::string_view::npos ? std::string_view() : channel.substr(at + 1);
        channel = channel.substr(0, channel.find('@'));
    }
    for (const MessageRule& rule : config_.rules) {
        if (rule.event != event) continue;
        if (event.empty() && (rule.required & ~message_.present) != 0) continue;
        if (!rule.channels.empty() &&
            std::find(rule.channels.begin(), rule.channels.end(), channel) == rule.channels.end()) {
            continue;
        }
        return &rule;
    }
    return nullptr;
}

CaptureDecoder::StreamState* CaptureDecoder::stream_of(const MessageRule& rule) {
    std::string_view raw;
    const int symbol = slot(rule, Role::symbol);
    if (message_.has(symbol) && message_.at(symbol).kind == JsonKind::string) {
        raw = message_.at(symbol).text;
    } else if (message_.has(config_.channel_slot)) {
        const std::string_view channel = message_.at(config_.channel_slot).text;
        upper_.assign(channel.substr(0, channel.find('@')));
        for (char& c : upper_) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        raw = upper_;
    } else if (streams_.size() == 1 && !config_.discovers) {
        return &streams_.front();
    }
    if (raw.empty()) {
        refuse(rule.name + " names no symbol, and the capture has several");
        return nullptr;
    }
    if (last_stream_ != nullptr && last_stream_->raw == raw) return last_stream_;
    if (const auto known = by_raw_.find(raw); known != by_raw_.end()) {
        return last_stream_ = known->second;
    }
    for (StreamState& stream : streams_) {
        if (!stream.raw.empty() || (!stream.spec.raw.empty() && stream.spec.raw != raw)) continue;
        stream.raw = raw;
        by_raw_.emplace(raw, &stream);
        return last_stream_ = &stream;
    }
    if (config_.discovers && streams_.size() < streams_max) {
        StreamState& stream = streams_.emplace_back();
        stream.raw = raw;
        by_raw_.emplace(raw, &stream);
        return last_stream_ = &stream;
    }
    count_name(unmapped_, raw);
    if (!config_.others_pass)
        refuse("symbol " + std::string(raw.substr(0, 64)) + " is not mapped to an instrument");
    return nullptr;
}

bool CaptureDecoder::message(std::int64_t receipt) {
    const MessageRule* rule = rule_of();
    if (rule == nullptr) {
        const bool named = message_.has(config_.event_slot);
        pass_over(named ? message_.at(config_.event_slot).text : std::string_view("unnamed"));
        return true;
    }
    if ((rule->required & ~message_.present) != 0) {
        for (std::size_t i = 0; i < role_count; ++i) {
            const int at = rule->slots[i];
            if (at >= 0 && (rule->required >> static_cast<unsigned>(at) & 1u) != 0 &&
                !message_.has(at)) {
                return refuse(rule->name + " has no " + std::string(role_names[i]));
            }
        }
    }
    if (message_.has(rule->filter_slot) && message_.at(rule->filter_slot).text != rule->filter) {
        pass_over(rule->name + " " + std::string(message_.at(rule->filter_slot).text));
        return true;
    }
    StreamState* const stream = stream_of(*rule);
    if (stream == nullptr) return reason_.empty();
    switch (rule->kind) {
        case MessageKind::quote:
            return quote(*rule, *stream, receipt);
        case MessageKind::trade:
            return trade(*rule, *stream, receipt);
        case MessageKind::book:
            return book(*rule, *stream, receipt);
        case MessageKind::snapshot:
            return snapshot(*rule, *stream, receipt);
        case MessageKind::mark:
            return mark(*rule, *stream, receipt);
        case MessageKind::liquidation:
            return liquidation(*rule, *stream, receipt);
        case MessageKind::bar:
            return bar(*rule, *stream, receipt);
    }
    return true;
}

bool CaptureDecoder::quote(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    QuotePayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::bid, Quantity::price, event.bid) ||
        !units(rule, stream, Role::ask, Quantity::price, event.ask) ||
        !units(rule, stream, Role::bid_size, Quantity::size, event.bid_size) ||
        !units(rule, stream, Role::ask_size, Quantity::size, event.ask_size) ||
        !integer(rule, Role::last_id, event.update_id)) {
        return false;
    }
    if (event.bid_size < 0 || event.ask_size < 0) return refuse("size is negative");
    event.ts_recv = receipt;
    if (event.bid > event.ask && (event.ask != 0 || event.ask_size != 0) && !config_.measuring) {
        sink_.count_crossed();
    }
    return emit(EventType::quote, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool CaptureDecoder::trade(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    if (stream.trade_rule == nullptr) stream.trade_rule = &rule;
    if (stream.trade_rule != &rule) {
        pass_over(rule.name + " beside " + stream.trade_rule->name);
        return true;
    }
    TradePayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::price, Quantity::price, event.price) ||
        !units(rule, stream, Role::size, Quantity::size, event.size) ||
        !integer(rule, Role::id, event.id_low)) {
        return false;
    }
    if (event.size < 0) return refuse("size is negative");
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    event.ts_recv = receipt;
    if (message_.has(slot(rule, Role::id))) event.id_kind = IdKind::integer;
    const int sell = slot(rule, Role::sell);
    if (message_.has(sell)) {
        event.side = message_.at(sell).kind == JsonKind::true_ ? Side::sell : Side::buy;
    }
    return emit(EventType::trade, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool CaptureDecoder::book(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    BookPayload head{};
    DepthIds ids;
    if (!event_time(rule, head.ts_event) || !integer(rule, Role::first_id, ids.first) ||
        !integer(rule, Role::last_id, ids.last) ||
        !integer(rule, Role::previous_id, ids.previous) ||
        !side_of_levels(rule, stream, Role::bids, bids_) ||
        !side_of_levels(rule, stream, Role::asks, asks_)) {
        return false;
    }
    if (config_.measuring) return true;
    if (ids.first > ids.last) return refuse("first id is above the last");
    ids.linked = message_.has(slot(rule, Role::previous_id));
    head.ts_recv = receipt;
    head.first_id = ids.first;
    head.last_id = ids.last;
    head.previous_id = ids.previous;
    std::uint16_t flags = 0;
    switch (stream.chain.change(ids, head.ts_event, bids_, asks_)) {
        case DepthChain::Verdict::applies:
            break;
        case DepthChain::Verdict::waits:
        case DepthChain::Verdict::stale:
            flags = flag_unsynced;
            break;
        case DepthChain::Verdict::gap:
            flags = flag_gap | flag_unsynced;
            ++gaps_;
            break;
    }
    unsynced_ += (flags & flag_unsynced) != 0;
    return emit_book(flags, stream.spec.stream, receipt, head);
}

bool CaptureDecoder::snapshot(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    BookPayload head{};
    if (!event_time(rule, head.ts_event) || !integer(rule, Role::last_id, head.first_id) ||
        !side_of_levels(rule, stream, Role::bids, bids_) ||
        !side_of_levels(rule, stream, Role::asks, asks_)) {
        return false;
    }
    if (config_.measuring) return true;
    head.ts_recv = receipt;
    head.last_id = head.first_id;
    std::uint16_t flags = flag_snapshot;
    if (stream.chain.snapshot(head.last_id, head.ts_event, bids_, asks_) ==
        DepthChain::Seed::too_old) {
        flags = flag_snapshot | flag_unsynced;
        ++unsynced_;
    }
    return emit_book(flags, stream.spec.stream, receipt, head);
}

bool CaptureDecoder::mark(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    MarkPayload event{};
    std::int64_t funding_time = 0;
    RawDecimal rate;
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::mark, Quantity::reference, event.mark) ||
        !units(rule, stream, Role::index, Quantity::reference, event.index) ||
        !time(rule, Role::funding_time, funding_time)) {
        return false;
    }
    event.ts_recv = receipt;
    const JsonValue* const rate_value =
        message_.has(slot(rule, Role::rate)) ? &message_.at(slot(rule, Role::rate)) : nullptr;
    const bool has_rate = rate_value != nullptr && !rate_value->text.empty();
    std::int64_t rate_units = 0;
    if (has_rate) {
        if (!number(rule, Role::rate, rate)) return false;
        if (scale_snapped(rate, rate_decimals, rate_units) == Scaled::overflow) {
            return refuse("funding rate is too large");
        }
    }
    // The settlement itself is no message: it shows as the next funding time moving on. What was
    // paid is the last rate before that.
    if (stream.rate_known && funding_time > stream.funding_time && stream.funding_time != 0 &&
        !config_.measuring) {
        FundingPayload funding{};
        funding.ts_event = stream.funding_time;
        funding.ts_recv = receipt;
        funding.rate = stream.funding_rate;
        funding.mark = event.mark;
        funding.interval_ns = funding_time - stream.funding_time;
        if (!emit(EventType::funding, 0, stream.spec.stream, receipt, &funding, sizeof funding)) {
            return false;
        }
    }
    stream.rate_known = has_rate;
    stream.funding_rate = rate_units;
    stream.funding_time = funding_time;
    return emit(EventType::mark, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool CaptureDecoder::liquidation(const MessageRule& rule, StreamState& stream,
                                 std::int64_t receipt) {
    LiquidationPayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::price, Quantity::price, event.price) ||
        !units(rule, stream, Role::size, Quantity::size, event.size)) {
        return false;
    }
    if (event.size < 0) return refuse("size is negative");
    const int side = slot(rule, Role::side);
    if (message_.has(side)) {
        const std::string_view text = message_.at(side).text;
        if (text == "BUY")
            event.side = Side::buy;
        else if (text == "SELL")
            event.side = Side::sell;
        else
            return refuse("side is neither BUY nor SELL");
    }
    event.ts_recv = receipt;
    return emit(EventType::liquidation, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool CaptureDecoder::bar(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    const int closed = slot(rule, Role::closed);
    if (message_.has(closed) && message_.at(closed).kind != JsonKind::true_) {
        pass_over(rule.name + " still open");
        return true;
    }
    BarPayload event{};
    std::uint64_t trades = 0;
    if (!time(rule, Role::open_time, event.ts_open) ||
        !time(rule, Role::close_time, event.ts_close) ||
        !units(rule, stream, Role::open, Quantity::price, event.open) ||
        !units(rule, stream, Role::high, Quantity::price, event.high) ||
        !units(rule, stream, Role::low, Quantity::price, event.low) ||
        !units(rule, stream, Role::close, Quantity::price, event.close) ||
        !units(rule, stream, Role::volume, Quantity::volume, event.volume) ||
        !integer(rule, Role::trades, trades)) {
        return false;
    }
    if (config_.measuring) return true;
    // The venue's close time is the bar's last millisecond; ours is exclusive.
    event.ts_close += 1'000'000;
    event.period_ns = event.ts_close - event.ts_open;
    if (event.period_ns <= 0) return refuse("bar closes before it opens");
    if (event.volume < 0) return refuse("volume is negative");
    if (event.high < std::max({event.open, event.low, event.close}) ||
        event.low > std::min(event.open, event.close)) {
        return refuse("open, high, low, close contradict each other");
    }
    event.trades = message_.has(slot(rule, Role::trades)) ? static_cast<std::int64_t>(trades) : -1;
    RawDecimal turnover;
    if (message_.has(slot(rule, Role::turnover))) {
        if (!number(rule, Role::turnover, turnover)) return false;
        const int shift =
            stream.spec.price_decimals + stream.spec.size_decimals - turnover.decimals;
        if (shift >= 0 && shift <= decimal_digits_max && !turnover.cut) {
            const Int128 units = static_cast<Int128>(turnover.mantissa) *
                                 powers_of_ten[static_cast<std::size_t>(shift)];
            event.turnover_low = low_half(units);
            event.turnover_high = high_half(units);
        }
    }
    // No bar is visible before its close, even where the venue's clock runs ahead of ours.
    if (event.ts_close > receipt) {
        const auto later = std::upper_bound(
            held_.begin(), held_.end(), event.ts_close,
            [](std::int64_t time, const HeldBar& held) { return time < held.time; });
        held_.insert(later, HeldBar{event.ts_close, stream.spec.stream, event});
        next_held_ = held_.front().time;
        return true;
    }
    return emit(EventType::bar, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool CaptureDecoder::release_bars(std::int64_t until) {
    std::size_t done = 0;
    while (done < held_.size() && held_[done].time <= until && stop_ == Stop::none) {
        const HeldBar& held = held_[done++];
        emit(EventType::bar, 0, held.stream, held.time, &held.payload, sizeof held.payload);
    }
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
    next_held_ = held_.empty() ? never : held_.front().time;
    return stop_ == Stop::none;
}

bool CaptureDecoder::number(const MessageRule& rule, Role role, RawDecimal& value) {
    const JsonValue& found = message_.at(slot(rule, role));
    if (found.kind != JsonKind::string && found.kind != JsonKind::number) {
        return refuse(std::string(name_of(role)) + " is not a number");
    }
    const char* p = found.text.data();
    if (!found.text.empty() && consume_decimal(p, value) == NumberFault::none &&
        p == found.text.data() + found.text.size()) {
        return true;
    }
    const NumberFault fault = parse_decimal(found.text, value);
    return fault == NumberFault::none || refuse(std::string(name_of(role)) + " " + describe(fault));
}

// Absent where the message's kind need not have it: stays 0.
bool CaptureDecoder::units(const MessageRule& rule, StreamState& stream, Role role,
                           Quantity quantity, std::int64_t& value) {
    if (!message_.has(slot(rule, role))) return true;
    RawDecimal raw;
    if (!number(rule, role, raw)) return false;
    if (fit(raw, stream, quantity, value)) return true;
    if (reason_.empty()) reason_ = std::string(name_of(role)) + " does not fit 64 bits";
    return false;
}

bool CaptureDecoder::fit(const RawDecimal& raw, StreamState& stream, Quantity quantity,
                         std::int64_t& value) {
    switch (stream.numbers.fit(raw, quantity, config_.measuring, value)) {
        case StreamNumbers::Fit::exact:
            return true;
        case StreamNumbers::Fit::snapped:
            ++snapped_;
            return true;
        case StreamNumbers::Fit::grows:
            stop_ = Stop::decimals;
            return false;
        case StreamNumbers::Fit::too_fine:
            return refuse(std::string(is_price(quantity) ? "price" : "size") +
                          " has more decimals than fit 64 bits");
        case StreamNumbers::Fit::too_large:
            break;
    }
    return false;
}

bool CaptureDecoder::integer(const MessageRule& rule, Role role, std::uint64_t& value) {
    value = 0;
    const int at = slot(rule, role);
    if (!message_.has(at)) return true;
    const std::string_view text = message_.at(at).text;
    if (text.empty() || text.size() > 19) {
        return refuse(std::string(name_of(role)) + " is not an integer");
    }
    for (const char c : text) {
        if (c < '0' || c > '9') return refuse(std::string(name_of(role)) + " is not an integer");
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return true;
}

bool CaptureDecoder::time(const MessageRule& rule, Role role, std::int64_t& ns) {
    std::uint64_t raw = 0;
    ns = 0;
    if (!integer(rule, role, raw)) return false;
    if (raw == 0) return true;
    RawDecimal value;
    value.mantissa = static_cast<std::int64_t>(raw);
    if (value.mantissa < 0 || time_from_number(value, ns) != TimeFault::none) {
        return refuse(std::string(name_of(role)) + " is out of range");
    }
    return true;
}

bool CaptureDecoder::event_time(const MessageRule& rule, std::int64_t& ns) {
    return message_.has(slot(rule, Role::time)) ? time(rule, Role::time, ns)
                                                : time(rule, Role::time_fallback, ns);
}

bool CaptureDecoder::side_of_levels(const MessageRule& rule, StreamState& stream, Role role,
                                    std::vector<BookLevel>& levels) {
    levels.clear();
    const int at = slot(rule, role);
    if (!message_.has(at)) return true;
    const JsonValue& found = message_.at(at);
    if (found.kind != JsonKind::levels) {
        return refuse(std::string(name_of(role)) + " is not a list of levels");
    }
    levels.reserve(found.count);
    for (std::uint32_t i = 0; i < found.count; ++i) {
        const RawLevel& raw = message_.levels[found.first + i];
        BookLevel& level = levels.emplace_back();
        if (!fit(raw.price, stream, Quantity::price, level.price) ||
            !fit(raw.size, stream, Quantity::size, level.size)) {
            if (reason_.empty()) reason_ = "a level does not fit 64 bits";
            return false;
        }
        if (level.size < 0) return refuse("size is negative");
    }
    return true;
}

bool CaptureDecoder::emit(EventType type, std::uint16_t flags, std::uint32_t stream,
                          std::int64_t receipt, const void* payload, std::size_t bytes) {
    if (config_.measuring) return true;
    status_ = sink_.emit(type, flags, stream, receipt, payload, static_cast<std::uint32_t>(bytes));
    if (status_ == Status::ok) return true;
    stop_ = Stop::failed;
    return false;
}

bool CaptureDecoder::emit_book(std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
                               const BookPayload& head) {
    // The fixed part takes the room of three levels, so the frame is one array of them.
    static_assert(sizeof(BookPayload) == 3 * sizeof(BookLevel));
    frame_.resize(3);
    BookPayload whole = head;
    whole.bid_count = static_cast<std::uint32_t>(bids_.size());
    whole.ask_count = static_cast<std::uint32_t>(asks_.size());
    __builtin_memcpy(frame_.data(), &whole, sizeof whole);
    frame_.insert(frame_.end(), bids_.begin(), bids_.end());
    frame_.insert(frame_.end(), asks_.begin(), asks_.end());
    return emit(EventType::book, flags, stream, receipt, frame_.data(),
                frame_.size() * sizeof(BookLevel));
}

bool CaptureDecoder::refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
}

void CaptureDecoder::pass_over(std::string_view what) {
    count_name(passed_over_, what);
}

}  // namespace onetape
