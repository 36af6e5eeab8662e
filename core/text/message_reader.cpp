#include "text/message_reader.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/money.hpp"
#include "text/decimal_wide.hpp"
#include "text/time_text.hpp"
#include "text/trade_id.hpp"
#include "text/turnover.hpp"

namespace onetape {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t receipt_min =
    100'000'000'000'000'000;  // 1973 in ns: smaller numbers have another unit

constexpr auto role_names = std::to_array<std::string_view>(
    {"symbol",      "symbol",       "time",         "time",
     "bid",         "ask",          "bid size",     "ask size",
     "price",       "size",         "id",           "side",
     "side",        "first id",     "last id",      "previous id",
     "sequence",    "bids",         "asks",         "mark price",
     "index price", "funding rate", "funding time", "predicted funding rate",
     "open",        "high",         "low",          "close",
     "volume",      "turnover",     "trades",       "open time",
     "close time",  "closed",       "action",       "checksum",
     "depth",       "error",        "minutes"});
static_assert(role_names.size() == role_count);
constexpr std::uint64_t minutes_max = 100'000;
// The last trades of a bar may arrive this long after its end.
constexpr std::int64_t running_grace = 1'000'000'000;

}  // namespace

MessageReader::MessageReader(ReaderConfig config, EventSink& sink)
    : config_(std::move(config)), sink_(sink), scanner_(config_.paths), next_held_(never) {
    for (const MessageStream& spec : config_.streams) {
        StreamState& state = streams_.emplace_back();
        state.spec = spec;
        state.numbers = {spec.price_decimals, spec.size_decimals, spec.growable, {}};
    }
}

std::string_view MessageReader::name_of(Role role) noexcept {
    return role_names[static_cast<std::size_t>(role)];
}

MessageReader::StreamFacts MessageReader::facts(std::size_t index) const {
    const StreamState& state = streams_[index];
    const auto& seen = state.numbers.seen;
    return {state.raw, seen[0], seen[1], seen[2], seen[3]};
}

void MessageReader::begin_source(std::uint32_t index) {
    source_ = index;
    splitter_.restart();
}

MessageReader::Stop MessageReader::feed(const char* data, std::size_t size) {
    splitter_.feed(data, size, [this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return stop_;
}

MessageReader::Stop MessageReader::end_source() {
    splitter_.finish([this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return stop_;
}

MessageReader::Stop MessageReader::finish() {
    release_bars(never);
    return stop_;
}

bool MessageReader::on_line(std::string_view line, std::uint64_t number,
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

void MessageReader::take(std::string_view line, std::uint64_t number, std::int64_t receipt) {
    if (receipt >= next_held_ && !release_bars(receipt)) return;
    const char* fault = nullptr;
    bool taken = message_.is_list && !message_.has_row ? empty_book(receipt) : message(receipt);
    while (taken && scanner_.next_row(message_, fault)) {
        taken = fault == nullptr ? message(receipt) : refuse(fault);
    }
    if (open_.stream != nullptr) {
        if (taken) taken = close_book(receipt);
        if (!taken) lose_book();
    }
    if (!taken && stop_ == Stop::none) {
        rejects_.add(source_, number, std::move(reason_), line);
        reason_.clear();
    }
}

void MessageReader::connected() {
    for (StreamState& stream : streams_) {
        stream.checked.connected();
        stream.has_top = false;
    }
}

MessageReader::Stop MessageReader::message_of(std::uint32_t source, std::uint64_t number,
                                              std::int64_t receipt, std::string_view json) {
    ++lines_;
    source_ = source;
    const char* fault = scanner_.scan(json, message_);
    if (fault != nullptr && json.find_first_of("\n\r") != std::string_view::npos) {
        whole_.assign(json);  // the scanner stops at the end of a line, and JSON may have several
        std::ranges::replace_if(whole_, [](char c) { return c == '\n' || c == '\r'; }, ' ');
        fault = scanner_.scan(whole_, message_);
    }
    if (fault != nullptr && (json == "pong" || json == "ping")) {
        pass_over(json);  // the answer to some requests
    } else if (fault != nullptr) {
        rejects_.add(source, number, fault, json);
    } else {
        take(json, number, receipt);
    }
    return stop_;
}

// The first rule whose required values are all there, else the first of the event.
const MessageRule* MessageReader::rule_of() noexcept {
    std::string_view event, channel;
    channel_ = {};
    if (message_.has(config_.event_slot) && !message_.has(config_.answer_slot)) {
        event = message_.at(config_.event_slot).text;
        if (config_.separator != 0) {
            const std::size_t at = event.find(config_.separator);
            if (at != std::string_view::npos) channel_ = event.substr(at + 1);
            event = event.substr(0, at);
        }
    }
    event_ = event;
    const MessageRule* incomplete = nullptr;
    if (message_.has(config_.channel_slot)) {
        channel = message_.at(config_.channel_slot).text;
        const std::size_t at = channel.find('@');
        channel = at == std::string_view::npos ? std::string_view() : channel.substr(at + 1);
        channel = channel.substr(0, channel.find('@'));
    }
    for (const MessageRule& rule : config_.rules) {
        if (rule.event != event) continue;
        if (!rule.channels.empty() &&
            std::find(rule.channels.begin(), rule.channels.end(), channel) == rule.channels.end()) {
            continue;
        }
        if ((rule.required & ~message_.present) == 0) return &rule;
        if (!event.empty() && incomplete == nullptr) incomplete = &rule;
    }
    return incomplete;
}

// For a message without a symbol in its place. "": unknown.
std::string_view MessageReader::implied_symbol(const MessageRule& rule) {
    const int fallback = slot(rule, Role::symbol_fallback);
    if (message_.has(fallback) && message_.at(fallback).kind == JsonKind::string) {
        return message_.at(fallback).text;
    }
    if (!channel_.empty()) {
        const std::size_t at = channel_.rfind(config_.separator);
        return at == std::string_view::npos ? channel_ : channel_.substr(at + 1);
    }
    if (!message_.has(config_.channel_slot)) return {};
    const std::string_view channel = message_.at(config_.channel_slot).text;
    upper_.assign(channel.substr(0, channel.find('@')));
    for (char& c : upper_) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return upper_;
}

MessageReader::StreamState* MessageReader::stream_of(const MessageRule& rule) {
    const int symbol = slot(rule, Role::symbol);
    const bool is_named = message_.has(symbol) && message_.at(symbol).kind == JsonKind::string;
    const std::string_view raw = is_named ? message_.at(symbol).text : implied_symbol(rule);
    if (raw.empty()) {
        if (streams_.size() == 1 && !config_.discovers) return &streams_.front();
        refuse(rule.name + " names no symbol, and the capture has several");
        return nullptr;
    }
    if (last_stream_ != nullptr && last_stream_->raw == raw) return last_stream_;
    if (const auto cached = by_raw_.find(raw); cached != by_raw_.end()) {
        return last_stream_ = cached->second;
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

bool MessageReader::message(std::int64_t receipt) {
    const MessageRule* rule = rule_of();
    if (rule == nullptr) {
        if (message_.has(config_.answer_slot)) event_ = message_.at(config_.answer_slot).text;
        pass_over(event_.empty() ? std::string_view("unnamed") : event_);
        return true;
    }
    if (rule->kind == MessageKind::refusal) {
        refusal_ = message_.at(slot(*rule, Role::error)).text;
        pass_over(rule->name + ": " + refusal_);
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
        case MessageKind::checked_book:
            return checked_book(*rule, *stream, receipt);
        case MessageKind::depth: {
            std::uint64_t depth = 0;
            if (!integer(*rule, Role::depth, depth)) return false;
            stream->checked.set_depth(depth);
            pass_over(rule->name);
            return true;
        }
        case MessageKind::refusal:
            return true;  // of no stream
        case MessageKind::mark:
            return mark(*rule, *stream, receipt);
        case MessageKind::liquidation:
            return liquidation(*rule, *stream, receipt);
        case MessageKind::bar:
            return bar(*rule, *stream, receipt);
        case MessageKind::open_interest:
            return open_interest(*rule, *stream, receipt);
    }
    return true;
}

// Of several message kinds with the same content, one is used.
bool MessageReader::is_first(const MessageRule*& first, const MessageRule& rule) {
    if (first == nullptr) first = &rule;
    if (first == &rule || first->name == rule.name) return true;
    pass_over(rule.name + " beside " + first->name);
    return false;
}

// An absent side stays unchanged. An empty side has an empty text as its price.
bool MessageReader::quote_side(const MessageRule& rule, StreamState& stream, Role price, Role size,
                               std::int64_t& price_units, std::int64_t& size_units) {
    const auto is_empty = [&](int at) {
        return message_.at(at).text.empty() && message_.at(at).kind == JsonKind::string;
    };
    const int at = slot(rule, price), size_at = slot(rule, size);
    if (message_.has(at) && is_empty(at) && (!message_.has(size_at) || is_empty(size_at))) {
        price_units = size_units = 0;
        return true;
    }
    if (message_.has(at) && is_null(at)) {  // an empty side, unless an order rests there
        price_units = size_units = 0;
        return units(rule, stream, size, Quantity::size, size_units) &&
               (size_units == 0 || refuse(std::string(name_of(price)) + " is null"));
    }
    return units(rule, stream, price, Quantity::price, price_units) &&
           units(rule, stream, size, Quantity::size, size_units);
}

bool MessageReader::quote(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    if (!is_first(stream.quote_rule, rule)) return true;
    const bool is_change = !rule.whole.empty();  // contains the changes since the last whole one
    if (is_change) {
        const auto says = [&](Role role) { return message_.has(slot(rule, role)); };
        if (is_whole(rule)) {
            stream.top = {};
            stream.has_top = true;
        }
        if (!stream.has_top || (!says(Role::bid) && !says(Role::bid_size) && !says(Role::ask) &&
                                !says(Role::ask_size))) {
            pass_over(rule.name + " without a quote");
            return true;
        }
    }
    QuotePayload event{};
    if (is_change) event = stream.top;
    if (!event_time(rule, event.ts_event) ||
        !quote_side(rule, stream, Role::bid, Role::bid_size, event.bid, event.bid_size) ||
        !quote_side(rule, stream, Role::ask, Role::ask_size, event.ask, event.ask_size) ||
        !integer(rule, Role::last_id, event.update_id)) {
        return false;
    }
    if (is_change) stream.top = event;
    if (event.bid_size < 0 || event.ask_size < 0) return refuse("size is negative");
    event.ts_recv = receipt;
    if (event.bid > event.ask && (event.ask != 0 || event.ask_size != 0) && !config_.measuring) {
        sink_.count_crossed();
    }
    return emit(EventType::quote, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool MessageReader::is_null(int slot) const noexcept {
    return message_.at(slot).kind == JsonKind::null;
}

bool MessageReader::flag(int slot, bool& found) const noexcept {
    const JsonKind kind = message_.at(slot).kind;
    found = kind == JsonKind::true_;
    return found || kind == JsonKind::false_;
}

bool MessageReader::trade(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    if (!is_first(stream.trade_rule, rule)) return true;
    TradePayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::price, Quantity::price, event.price) ||
        !units(rule, stream, Role::size, Quantity::size, event.size) || !trade_id(rule, event)) {
        return false;
    }
    if (event.size < 0) return refuse("size is negative");
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    event.ts_recv = receipt;
    if (const int sell = slot(rule, Role::sell); message_.has(sell)) {
        bool is_sell = false;
        if (!flag(sell, is_sell)) return refuse("the side is neither true nor false");
        event.side = is_sell ? Side::sell : Side::buy;
    }
    if (!side_of(rule, event.side)) return false;
    return emit(EventType::trade, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool MessageReader::mark(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    MarkPayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::mark, Quantity::reference, event.mark) ||
        !units(rule, stream, Role::index, Quantity::reference, event.index)) {
        return false;
    }
    const bool has_mark = slot(rule, Role::mark) >= 0;
    if (has_mark && event.mark == 0 && !config_.measuring) return refuse("mark price is zero");
    // Some venues send the rate in a message of its own: the last mark belongs to it.
    if (has_mark) {
        stream.mark = event.mark;
    } else {
        event.mark = stream.mark;
    }
    event.ts_recv = receipt;
    return funding_rate(rule, stream, event) &&
           (!has_mark ||
            emit(EventType::mark, 0, stream.spec.stream, receipt, &event, sizeof event));
}

// Emits funding values of a mark message if they have changed.
bool MessageReader::funding_rate(const MessageRule& rule, StreamState& stream,
                                 const MarkPayload& mark) {
    if (!message_.has(slot(rule, Role::rate))) return true;
    FundingRatePayload now{};
    now.ts_event = mark.ts_event;
    now.ts_recv = mark.ts_recv;
    bool has_rate = false, has_predicted = false;
    if (!time(rule, Role::funding_time, now.next_ns) ||
        !rate(rule, Role::rate, now.rate, has_rate) ||
        !rate(rule, Role::predicted, now.predicted, has_predicted)) {
        return false;
    }
    if (!has_rate) {  // explicitly none: a dated contract's
        stream.has_rate = false;
        return true;
    }
    now.has_predicted = has_predicted ? 1 : 0;
    const FundingRatePayload last = std::exchange(stream.rate, now);
    const bool had_rate = std::exchange(stream.has_rate, true);
    if (config_.measuring) return true;
    // The settlement itself is no message: the next funding time moves on. The rate paid is the
    // last one before that.
    if (had_rate && now.next_ns > last.next_ns && last.next_ns != 0) {
        FundingPayload funding{};
        funding.ts_event = last.next_ns;
        funding.ts_recv = mark.ts_recv;
        funding.rate = last.rate;
        funding.mark = mark.mark;
        funding.interval_ns = now.next_ns - last.next_ns;
        if (!emit(EventType::funding, 0, stream.spec.stream, mark.ts_recv, &funding,
                  sizeof funding)) {
            return false;
        }
    }
    const bool is_same = had_rate && now.rate == last.rate && now.next_ns == last.next_ns &&
                         now.predicted == last.predicted && now.has_predicted == last.has_predicted;
    return is_same ||
           emit(EventType::funding_rate, 0, stream.spec.stream, mark.ts_recv, &now, sizeof now);
}

bool MessageReader::rate(const MessageRule& rule, Role role, std::int64_t& units, bool& is_there) {
    is_there = message_.has(slot(rule, role)) && !message_.at(slot(rule, role)).text.empty();
    if (!is_there) return true;
    RawDecimal value;
    if (!number(rule, role, value)) return false;
    return scale_snapped(value, rate_decimals, units) != Scaled::overflow ||
           refuse("funding rate is too large");
}

std::optional<std::pair<std::int64_t, std::int64_t>> MessageReader::next_funding(
    std::uint32_t stream) const noexcept {
    for (const StreamState& each : streams_) {
        if (each.spec.stream == stream && each.has_rate) {
            return std::pair{each.rate.rate, each.rate.next_ns};
        }
    }
    return std::nullopt;
}

bool MessageReader::liquidation(const MessageRule& rule, StreamState& stream,
                                std::int64_t receipt) {
    LiquidationPayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::price, Quantity::price, event.price) ||
        !units(rule, stream, Role::size, Quantity::size, event.size)) {
        return false;
    }
    if (event.size < 0) return refuse("size is negative");
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    if (!side_of(rule, event.side)) return false;
    if (event.side == Side::none) return refuse("side is neither buy nor sell");
    event.ts_recv = receipt;
    return emit(EventType::liquidation, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool MessageReader::open_interest(const MessageRule& rule, StreamState& stream,
                                  std::int64_t receipt) {
    OpenInterestPayload event{};
    if (!event_time(rule, event.ts_event) ||
        !units(rule, stream, Role::size, Quantity::volume, event.size)) {
        return false;
    }
    if (event.size < 0) return refuse("size is negative");
    event.ts_recv = receipt;
    return emit(EventType::open_interest, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool MessageReader::bar(const MessageRule& rule, StreamState& stream, std::int64_t receipt) {
    const int closed = slot(rule, Role::closed);
    if (message_.has(closed)) {
        bool is_closed = false;
        if (!flag(closed, is_closed)) return refuse("the bar's end is neither true nor false");
        if (!is_closed) {
            pass_over(rule.name + " still open");
            return true;
        }
    }
    BarPayload event{};
    std::uint64_t trades = 0, minutes = 0;
    if (!time(rule, Role::open_time, event.ts_open) ||
        !time(rule, Role::close_time, event.ts_close) ||
        !units(rule, stream, Role::open, Quantity::price, event.open) ||
        !units(rule, stream, Role::high, Quantity::price, event.high) ||
        !units(rule, stream, Role::low, Quantity::price, event.low) ||
        !units(rule, stream, Role::close, Quantity::price, event.close) ||
        !units(rule, stream, Role::volume, Quantity::volume, event.volume) ||
        !integer(rule, Role::trades, trades) || !integer(rule, Role::minutes, minutes)) {
        return false;
    }
    if (config_.measuring) return true;
    if (event.ts_open == 0) return refuse("open time is not given");
    // Ours is exclusive; most venues give the bar's last millisecond, some the next bar's first.
    if (minutes == 0)
        event.ts_close += event.ts_close % 1'000'000'000 != 0 ? 1'000'000 : 0;
    else if (minutes <= minutes_max)
        event.ts_close = event.ts_open + static_cast<std::int64_t>(minutes) * 60'000'000'000;
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
        Int128 units = 0;
        const int decimals = stream.spec.price_decimals + stream.spec.size_decimals;
        if (const char* fault = scaled_turnover(turnover, decimals, units)) return refuse(fault);
        event.turnover_low = low_half(units);
        event.turnover_high = high_half(units);
    }
    // No bar is visible before its close, even if the venue's clock is ahead of ours.
    std::int64_t shown = event.ts_close;
    if (!message_.has(closed)) {  // repeated updates: the last of them counts
        shown += running_grace;
        std::erase_if(held_, [&](const HeldBar& held) {
            return held.stream == stream.spec.stream && held.payload.ts_open == event.ts_open &&
                   held.payload.period_ns == event.period_ns;
        });
        if (shown <= receipt) {
            pass_over(rule.name + " after its end");
            return true;
        }
    }
    if (shown > receipt) {
        const auto later = std::upper_bound(
            held_.begin(), held_.end(), shown,
            [](std::int64_t time, const HeldBar& held) { return time < held.time; });
        held_.insert(later, HeldBar{shown, stream.spec.stream, event});
        next_held_ = held_.front().time;
        return true;
    }
    return emit(EventType::bar, 0, stream.spec.stream, receipt, &event, sizeof event);
}

bool MessageReader::release_bars(std::int64_t until) {
    std::size_t done = 0;
    while (done < held_.size() && held_[done].time <= until && stop_ == Stop::none) {
        const HeldBar& held = held_[done++];
        emit(EventType::bar, 0, held.stream, held.time, &held.payload, sizeof held.payload);
    }
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
    next_held_ = held_.empty() ? never : held_.front().time;
    return stop_ == Stop::none;
}

bool MessageReader::number(const MessageRule& rule, Role role, RawDecimal& value) {
    const JsonValue& found = message_.at(slot(rule, role));
    if (found.kind != JsonKind::string && found.kind != JsonKind::number) {
        return refuse(std::string(name_of(role)) + " is not a number");
    }
    const char* p = found.text.data();
    // A string in the line is followed by its quote; an unescaped copy is not in the line.
    if (found.kind == JsonKind::string && scanner_.holds(p, wide_bytes) && consume_wide(p, value)) {
        return true;
    }
    p = found.text.data();
    if (!found.text.empty() && consume_decimal(p, value) == NumberFault::none &&
        p == found.text.data() + found.text.size()) {
        return true;
    }
    const NumberFault fault = parse_decimal(found.text, value);
    return fault == NumberFault::none || refuse(std::string(name_of(role)) + " " + describe(fault));
}

// An absent or null optional value leaves the variable unchanged.
bool MessageReader::units(const MessageRule& rule, StreamState& stream, Role role,
                          Quantity quantity, std::int64_t& value) {
    const int place = slot(rule, role);
    if (!message_.has(place)) return true;
    if (is_null(place)) {
        const bool is_required = (rule.required >> static_cast<unsigned>(place) & 1u) != 0;
        const bool is_size = quantity == Quantity::size && rule.kind == MessageKind::quote;
        return !is_required || is_size || refuse(std::string(name_of(role)) + " is null");
    }
    RawDecimal raw;
    if (!number(rule, role, raw)) return false;
    if (fit(raw, stream, quantity, value)) return true;
    if (reason_.empty()) reason_ = std::string(name_of(role)) + " does not fit 64 bits";
    return false;
}

bool MessageReader::fit(const RawDecimal& raw, StreamState& stream, Quantity quantity,
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

bool MessageReader::integer(const MessageRule& rule, Role role, std::uint64_t& value) {
    value = 0;
    const int at = slot(rule, role);
    if (!message_.has(at)) return true;
    const JsonValue& found = message_.at(at);
    if (found.is_digits) {
        value = found.integer;
        return true;
    }
    const std::string_view text = found.text;
    if (text.empty() || text.size() > 19) {
        return refuse(std::string(name_of(role)) + " is not an integer");
    }
    for (const char c : text) {
        if (c < '0' || c > '9') return refuse(std::string(name_of(role)) + " is not an integer");
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return true;
}

bool MessageReader::signed_integer(const MessageRule& rule, Role role, std::int64_t& value) {
    value = 0;
    if (!message_.has(slot(rule, role))) return true;
    RawDecimal raw;
    if (!number(rule, role, raw)) return false;
    if (raw.decimals != 0 || raw.cut)
        return refuse(std::string(name_of(role)) + " is not an integer");
    value = raw.mantissa;
    return true;
}

// A text may be an integer or a uuid.
bool MessageReader::trade_id(const MessageRule& rule, TradePayload& event) {
    const int at = slot(rule, Role::id);
    if (!message_.has(at)) return true;
    if (message_.at(at).kind == JsonKind::string) {
        if (!read_id(message_.at(at).text, event) && !config_.measuring) pass_over(unkept_trade_id);
        return true;
    }
    event.id_kind = IdKind::integer;
    return integer(rule, Role::id, event.id_low);
}

bool MessageReader::number_time(const RawDecimal& value, Role role, std::int64_t& ns) {
    return (value.mantissa >= 0 && time_from_number(value, ns) == TimeFault::none) ||
           refuse(std::string(name_of(role)) + " is out of range");
}

bool MessageReader::time(const MessageRule& rule, Role role, std::int64_t& ns) {
    ns = 0;
    const int place = slot(rule, role);
    if (!message_.has(place)) return true;
    const JsonValue& found = message_.at(place);
    if (!found.is_digits) {
        if (found.text.empty()) return true;
        if (found.kind == JsonKind::string && found.text.size() > 4 && found.text[4] == '-') {
            return parse_time(found.text, utc_, ns) == TimeFault::none ||
                   refuse(std::string(name_of(role)) + " is not a time");
        }
        if (found.kind == JsonKind::string && found.text.find('.') != std::string_view::npos) {
            RawDecimal seconds;
            return number(rule, role, seconds) && number_time(seconds, role, ns);
        }
    }
    std::uint64_t raw = 0;
    if (!integer(rule, role, raw)) return false;
    RawDecimal value;
    value.mantissa = static_cast<std::int64_t>(raw);
    return raw == 0 || number_time(value, role, ns);
}

bool MessageReader::event_time(const MessageRule& rule, std::int64_t& ns) {
    const int place = slot(rule, Role::time);
    if (message_.has(place)) return time(rule, Role::time, ns);
    if (place >= 0 || message_.newest_level.empty()) return time(rule, Role::time_fallback, ns);
    RawDecimal seconds;  // levels have the time if the message has none
    if (parse_decimal(message_.newest_level, seconds) != NumberFault::none) {
        return refuse("time of a level is not a number");
    }
    return number_time(seconds, Role::time, ns);
}

// The taker's side; unchanged if the message has none.
bool MessageReader::side_of(const MessageRule& rule, Side& side) {
    const int place = slot(rule, Role::side);
    if (!message_.has(place)) return true;
    const std::string_view text = message_.at(place).text;
    const auto is = [text](auto... words) { return ((text == words) || ...); };
    if (is("BUY", "buy", "Buy", "b", "B", "open_long", "close_short"))
        side = Side::buy;
    else if (is("SELL", "sell", "Sell", "s", "A", "open_short", "close_long"))
        side = Side::sell;
    else if (!text.empty())
        return refuse("side is neither buy nor sell");
    return true;
}

bool MessageReader::emit(EventType type, std::uint16_t flags, std::uint32_t stream,
                         std::int64_t receipt, const void* payload, std::size_t bytes) {
    if (config_.measuring) return true;
    status_ = sink_.emit(type, flags, stream, receipt, payload, static_cast<std::uint32_t>(bytes));
    if (status_ == Status::ok) return true;
    stop_ = Stop::failed;
    return false;
}

bool MessageReader::refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
}

void MessageReader::pass_over(std::string_view what) {
    count_name(passed_over_, what);
}

}  // namespace onetape
