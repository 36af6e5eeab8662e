// Converts the fields of a row to its event.
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/money.hpp"
#include "journal/frame.hpp"
#include "text/table.hpp"
#include "text/trade_id.hpp"
#include "text/turnover.hpp"
#include "text/word.hpp"

namespace onetape {
namespace {

constexpr std::array<const char*, column_count> column_names{
    "time",           "ts_recv",       "bid",         "ask",          "bid_size",
    "ask_size",       "price",         "size",        "side",         "id",
    "open",           "high",          "low",         "close",        "volume",
    "symbol",         "update id",     "close time",  "turnover",     "trades",
    "buyer is maker", "mark price",    "index price", "funding rate", "funding time",
    "interval",       "snapshot flag", "action",      "flags",        "last",
    "reported",       "open interest"};

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t hour_ns = 3'600'000'000'000;

[[nodiscard]] bool read_side(std::string_view text, Side& side) noexcept {
    if (text.empty() || is_word(text, "unknown"))
        side = Side::none;
    else if (is_word(text, "buy") || is_word(text, "b") || is_word(text, "bid"))
        side = Side::buy;
    else if (is_word(text, "sell") || is_word(text, "s") || is_word(text, "ask"))
        side = Side::sell;
    else
        return false;
    return true;
}

// The exclusive end of a bar whose close time is its last millisecond or microsecond.
[[nodiscard]] bool end_after(std::int64_t last, std::int64_t& end) noexcept {
    const std::int64_t whole = last - (last % millisecond + millisecond) % millisecond;
    return !__builtin_add_overflow(whole, millisecond, &end);
}

}  // namespace

const char* column_name(TableColumn column) noexcept {
    return column_names[static_cast<std::size_t>(column)];
}

void RowDecoder::measure(std::int64_t time) noexcept {
    if (facts_.rows++ == 0) {
        facts_.first_time = time;
    } else {
        if (time < facts_.last_time) facts_.ascending = false;
        if (time > facts_.last_time) facts_.descending = false;
    }
    facts_.last_time = time;
}

void TableDecoder::measure_step(std::int64_t time) {
    std::int64_t step = 0;
    if (facts_.rows > 1 && !__builtin_sub_overflow(time, step_from_, &step) && step != 0) {
        step = step < 0 ? -step : step;
        const auto found = facts_.steps.find(step);
        if (found != facts_.steps.end())
            ++found->second;
        else if (facts_.steps.size() < steps_max)
            facts_.steps.emplace(step, 1);
    }
    step_from_ = time;
}

// The zone's last reading is that of the stamp.
void TableDecoder::measure_bar(std::int64_t time, std::int64_t stamp) {
    measure(time);
    measure_step(stamp);
    std::int64_t wall = 0;
    if (__builtin_add_overflow(stamp, config_.zone.offset_at(stamp), &wall)) return;
    facts_.bars.add(stamp, reading_.value_or(wall), config_.zone.is_utc());
}

// A day whose first hour was skipped begins when the clocks have jumped.
bool TableDecoder::bar_time(std::int64_t& ns) {
    reading_ = {};
    if (config_.form == RowForm::packed) return time(TableColumn::ts_event, ns);
    const TimeFault fault = parse_time(text(TableColumn::ts_event), config_.zone, ns);
    reading_ = config_.zone.reading();
    const bool is_jump =
        fault == TimeFault::skipped && (config_.measuring || config_.clock.by_zone);
    if (fault != TimeFault::none && !is_jump)
        return refuse(std::string(column_name(TableColumn::ts_event)) + " " + describe(fault));
    return check_time(TableColumn::ts_event, ns);
}

bool TableDecoder::other_end(std::int64_t stamp, std::optional<std::int64_t> reading,
                             std::int64_t& end) const noexcept {
    return period_from(stamp, reading, config_.period_ns, config_.time_is_close, config_.clock,
                       config_.zone, end);
}

// The first row of a file cut out of a longer history may be an incomplete period: the second
// begins before the first would end, and the third follows the second.
bool TableDecoder::is_part(std::int64_t stamp, std::int64_t end) const noexcept {
    if (config_.starts.size() < 2 || stamp >= config_.starts[0]) return false;
    const std::int64_t second = config_.starts[0], third = config_.starts[1];
    std::int64_t of_second = 0, of_third = 0;
    if (!other_end(second, {}, of_second) || !other_end(third, {}, of_third)) return false;
    return config_.time_is_close ? of_second < stamp && of_third >= second
                                 : end > second && of_second <= third;
}

bool TableDecoder::row(std::uint64_t number) {
    EventRow out{};
    out.line = number;
    out.source = config_.source;
    stream_ = config_.stream;
    if (has(TableColumn::symbol)) {
        if (text(TableColumn::symbol).empty()) return refuse("symbol is empty");
        stream_ = streams_.find(text(TableColumn::symbol));
        if (stream_ == TableStreams::none) return true;
    }
    out.stream = static_cast<std::uint32_t>(stream_);
    switch (config_.kind) {
        case TableKind::quotes:
            return quote(out);
        case TableKind::trades:
            return trade(out);
        case TableKind::bars:
            return bar(out);
        case TableKind::marks:
            return mark(out);
        case TableKind::funding:
            return funding(out);
        case TableKind::liquidations:
            return liquidation(out);
        case TableKind::tickers:
            return ticker(out);
        case TableKind::book_snapshots:
            return book_snapshot(out);
        case TableKind::book_changes:
            return book_change(out);
        case TableKind::sides:
            return side(out);
        case TableKind::orders:
            return order(out);
    }
    return true;
}

bool TableDecoder::quote(EventRow& out) {
    QuotePayload event{};
    std::int64_t id = 0;
    if (!times(event.ts_event, event.ts_recv) ||
        !units(TableColumn::bid, Quantity::price, event.bid) ||
        !units(TableColumn::ask, Quantity::price, event.ask) ||
        !units(TableColumn::bid_size, Quantity::size, event.bid_size) ||
        !units(TableColumn::ask_size, Quantity::size, event.ask_size) ||
        !count_in(TableColumn::update_id, id)) {
        return false;
    }
    event.update_id = static_cast<std::uint64_t>(id);
    out.time = event.ts_recv;
    put_payload(out, EventType::quote, event);
    return hand_on(out);
}

bool TableDecoder::trade(EventRow& out) {
    TradePayload event{};
    if (!times(event.ts_event, event.ts_recv) ||
        !units(TableColumn::price, Quantity::price, event.price) ||
        !units(TableColumn::size, Quantity::size, event.size) ||
        !side_of(TableColumn::side, event.side)) {
        return false;
    }
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    if (has(TableColumn::buyer_is_maker)) {
        bool buyer_is_maker = false;
        if (!truth(TableColumn::buyer_is_maker, buyer_is_maker)) return false;
        event.side = buyer_is_maker ? Side::sell : Side::buy;
    }
    if (has(TableColumn::id) && !read_id(text(TableColumn::id), event) && !config_.measuring)
        count_name(passed_over_, unkept_trade_id);
    out.time = event.ts_recv;
    put_payload(out, EventType::trade, event);
    return hand_on(out);
}

bool TableDecoder::bar(EventRow& out) {
    BarPayload event{};
    std::int64_t stamp = 0, received = 0, last = 0;
    if (!bar_time(stamp)) return false;
    if (has_column(TableColumn::ts_recv) && !time(TableColumn::ts_recv, received)) return false;
    if (has(TableColumn::close_time) && !time(TableColumn::close_time, last)) return false;
    event.trades = -1;
    if (!units(TableColumn::open, Quantity::price, event.open) ||
        !units(TableColumn::high, Quantity::price, event.high) ||
        !units(TableColumn::low, Quantity::price, event.low) ||
        !units(TableColumn::close, Quantity::price, event.close) ||
        !units(TableColumn::volume, Quantity::volume, event.volume) ||
        !count_in(TableColumn::trades, event.trades)) {
        return false;
    }
    event.period_ns = config_.period_ns;
    event.ts_open = stamp;
    event.ts_close = stamp;
    std::int64_t end = 0;
    const bool has_end = other_end(stamp, reading_, end);
    if (has(TableColumn::close_time)) {
        std::int64_t length = 0;
        if (!end_after(last, event.ts_close) ||
            __builtin_sub_overflow(event.ts_close, event.ts_open, &length)) {
            return refuse("time is outside 1678 to 2262");
        }
        if (length <= 0) return refuse("bar closes before it opens");
        // A day of 23 hours is a day.
        if (!has_end || end != event.ts_close) event.period_ns = length;
    } else if (has_end) {
        (config_.time_is_close ? event.ts_open : event.ts_close) = end;
    } else {
        return refuse("time is outside 1678 to 2262");
    }
    if (config_.measuring) {
        measure_bar(event.ts_close, stamp);
        return true;
    }
    if (is_part(stamp, event.ts_close)) {
        return refuse("is a part of a bar: the next one begins before it would end");
    }
    if (event.high < std::max({event.open, event.low, event.close}) ||
        event.low > std::min(event.open, event.close)) {
        return refuse("open, high, low, close contradict each other");
    }
    RawDecimal turnover;
    if (has_column(TableColumn::turnover)) {
        if (!number(TableColumn::turnover, turnover)) return false;
        const TableStream& spec = streams_.at(stream_);
        Int128 units = 0;
        const int decimals = spec.price_decimals + spec.size_decimals;
        if (const char* fault = scaled_turnover(turnover, decimals, units)) return refuse(fault);
        event.turnover_low = low_half(units);
        event.turnover_high = high_half(units);
    }
    out.time = std::max(event.ts_close, received);
    put_payload(out, EventType::bar, event);
    return hand_on(out);
}

// A row of marks, or the close of a bar of marks, which is known at the bar's end.
bool TableDecoder::mark(EventRow& out) {
    MarkPayload event{};
    std::int64_t stamp = 0, last = 0;
    if (!bar_time(stamp)) return false;
    event.ts_event = stamp;
    if (has(TableColumn::close_time)) {
        if (!time(TableColumn::close_time, last)) return false;
        if (!end_after(last, event.ts_event)) return refuse("time is outside 1678 to 2262");
    } else if (!config_.time_is_close && !other_end(stamp, reading_, event.ts_event)) {
        return refuse("time is outside 1678 to 2262");
    }
    event.ts_recv = event.ts_event;
    if (has_column(TableColumn::ts_recv) && !time(TableColumn::ts_recv, event.ts_recv))
        return false;
    if (!units(TableColumn::mark, Quantity::reference, event.mark) ||
        !units(TableColumn::index, Quantity::reference, event.index)) {
        return false;
    }
    if (event.mark == 0 && event.index == 0 && !config_.measuring) return refuse("price is zero");
    out.time = event.ts_recv;
    put_payload(out, EventType::mark, event);
    if (config_.measuring) {
        measure_bar(out.time, stamp);
        return true;
    }
    return hand_on(out);
}

bool TableDecoder::funding(EventRow& out) {
    FundingPayload event{};
    std::int64_t hours = 0;
    if (!times(event.ts_event, event.ts_recv) || !rate(TableColumn::rate, event.rate) ||
        !units(TableColumn::mark, Quantity::reference, event.mark) ||
        !count_in(TableColumn::interval_hours, hours)) {
        return false;
    }
    event.interval_ns = config_.period_ns;
    if (has(TableColumn::interval_hours) && hours == 0) return refuse("interval is zero");
    if (has(TableColumn::interval_hours) &&
        __builtin_mul_overflow(hours, hour_ns, &event.interval_ns)) {
        return refuse("interval is too large");
    }
    out.time = event.ts_recv;
    put_payload(out, EventType::funding, event);
    if (config_.measuring) {
        measure(out.time);
        measure_step(event.ts_event);
        return true;
    }
    return hand_on(out);
}

bool TableDecoder::liquidation(EventRow& out) {
    LiquidationPayload event{};
    if (!times(event.ts_event, event.ts_recv) ||
        !units(TableColumn::price, Quantity::price, event.price) ||
        !units(TableColumn::size, Quantity::size, event.size) ||
        !side_of(TableColumn::side, event.side)) {
        return false;
    }
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    out.time = event.ts_recv;
    put_payload(out, EventType::liquidation, event);
    return hand_on(out);
}

bool TableDecoder::ticker(EventRow& out) {
    TickerRow event{};
    if (!times(event.ts_event, event.ts_recv) ||
        !units(TableColumn::mark, Quantity::reference, event.mark) ||
        !units(TableColumn::index, Quantity::reference, event.index) ||
        !units(TableColumn::open_interest, Quantity::volume, event.open_interest)) {
        return false;
    }
    if (has_column(TableColumn::funding_time) &&
        !time(TableColumn::funding_time, event.funding_time)) {
        return false;
    }
    event.has_open_interest = has_column(TableColumn::open_interest);
    event.has_rate = has_column(TableColumn::rate);
    if (event.has_rate && !rate(TableColumn::rate, event.rate)) return false;
    out.time = event.ts_recv;
    put_payload(out, EventType::mark, event);
    out.note = RowNote::ticker;
    return hand_on(out);
}

bool TableDecoder::book_snapshot(EventRow& out) {
    BookPayload event{};
    if (!times(event.ts_event, event.ts_recv)) return false;
    levels_.clear();
    // Bids, then asks; a side shorter than the columns leaves its last ones empty.
    for (const bool is_bid : {true, false}) {
        std::uint32_t count = 0;
        for (const LevelColumns& columns : config_.levels) {
            const std::string_view price =
                fields_[static_cast<std::size_t>(is_bid ? columns.bid : columns.ask)];
            const std::string_view size =
                fields_[static_cast<std::size_t>(is_bid ? columns.bid_size : columns.ask_size)];
            if (price.empty() && size.empty()) continue;
            RawDecimal raw_price, raw_size;
            BookLevel level{};
            if (!number_at(price, is_bid ? "bid" : "ask", raw_price) ||
                !number_at(size, is_bid ? "bid_size" : "ask_size", raw_size)) {
                return false;
            }
            if (raw_size.mantissa < 0) {
                return refuse(is_bid ? "bid_size is negative" : "ask_size is negative");
            }
            if (!fit(raw_price, Quantity::price, is_bid ? "bid" : "ask", level.price) ||
                !fit(raw_size, Quantity::size, is_bid ? "bid_size" : "ask_size", level.size)) {
                return false;
            }
            if (raw_size.mantissa == 0) continue;
            levels_.push_back(level);
            ++count;
        }
        (is_bid ? event.bid_count : event.ask_count) = count;
    }
    out.time = event.ts_recv;
    out.flags = flag_snapshot;
    put_payload(out, EventType::book, event);
    return hand_on(out, levels_);
}

// Rows of one receipt, one symbol and one kind are one event. The first rows marked as a snapshot
// replace the book; following ones belong to the same snapshot.
bool TableDecoder::book_change(EventRow& out) {
    BookLevel level{};
    std::int64_t ts_event = 0, ts_recv = 0;
    bool is_snapshot = false;
    Side side = Side::none;
    if (!times(ts_event, ts_recv) || !truth(TableColumn::is_snapshot, is_snapshot) ||
        !side_of(TableColumn::side, side) ||
        !units(TableColumn::price, Quantity::price, level.price) ||
        !units(TableColumn::size, Quantity::size, level.size)) {
        return false;
    }
    if (side == Side::none) return refuse("side is neither bid nor ask");
    if (config_.measuring) {
        measure(ts_recv);
        return true;
    }
    if (batch_.open && (batch_.ts_recv != ts_recv || batch_.stream != stream_ ||
                        batch_.is_snapshot != is_snapshot)) {
        if (!flush_batch()) return false;
    }
    if (!batch_.open) {
        batch_.open = true;
        batch_.is_snapshot = is_snapshot;
        batch_.stream = stream_;
        batch_.ts_recv = ts_recv;
        batch_.line = out.line;
    }
    batch_.ts_event = ts_event;
    if (is_snapshot && level.size == 0) return true;
    (side == Side::buy ? batch_.bids : batch_.asks).push_back(level);
    return batch_.bids.size() + batch_.asks.size() < batch_levels_max || flush_batch();
}

bool TableDecoder::flush_batch() {
    if (!batch_.open) return true;
    batch_.open = false;
    BookPayload event{};
    event.ts_event = batch_.ts_event;
    event.ts_recv = batch_.ts_recv;
    event.bid_count = static_cast<std::uint32_t>(batch_.bids.size());
    event.ask_count = static_cast<std::uint32_t>(batch_.asks.size());
    EventRow out{};
    out.time = batch_.ts_recv;
    out.line = batch_.line;
    out.source = config_.source;
    out.stream = static_cast<std::uint32_t>(batch_.stream);
    const auto stream = static_cast<std::size_t>(batch_.stream);
    if (batch_.is_snapshot && !in_snapshot_[stream]) out.flags = flag_snapshot;
    in_snapshot_[stream] = batch_.is_snapshot;
    put_payload(out, EventType::book, event);
    levels_ = batch_.bids;
    levels_.insert(levels_.end(), batch_.asks.begin(), batch_.asks.end());
    batch_.bids.clear();
    batch_.asks.clear();
    return hand_on(out, levels_);
}

// One side of the best bid and ask; the gate joins it with the other side's last row.
bool TableDecoder::side(EventRow& out) {
    SideRow event{};
    Side side = Side::none;
    std::int64_t action = 0;
    if (!times(event.ts_event, event.ts_recv) || !side_of(TableColumn::side, side) ||
        !count_in(TableColumn::action, action)) {
        return false;
    }
    if (side == Side::none) return refuse("side is neither bid nor ask");
    if (action > 2) return refuse("action is none that is known");
    const bool is_gone = action == 2;
    if (!is_gone && (!units(TableColumn::price, Quantity::price, event.price) ||
                     !units(TableColumn::size, Quantity::size, event.size))) {
        return false;
    }
    out.time = event.ts_recv;
    put_payload(out, EventType::quote, event);
    out.note = side == Side::buy ? RowNote::bid : RowNote::ask;
    return hand_on(out);
}

// --- the parts

bool TableDecoder::times(std::int64_t& ts_event, std::int64_t& ts_recv) {
    if (!time(TableColumn::ts_event, ts_event)) return false;
    ts_recv = ts_event;
    return !has_column(TableColumn::ts_recv) || time(TableColumn::ts_recv, ts_recv);
}

bool TableDecoder::number(TableColumn column, RawDecimal& raw) {
    if (config_.form == RowForm::packed) return packed_number(column, raw);
    return number_at(text(column), column_name(column), raw);
}

bool TableDecoder::number_at(std::string_view field, const char* name, RawDecimal& raw) {
    const char* p = field.data();
    if (field.empty() || consume_decimal(p, raw) != NumberFault::none ||
        p != field.data() + field.size()) {
        const NumberFault fault = parse_decimal(field, raw);
        if (fault != NumberFault::none) return refuse(std::string(name) + " " + describe(fault));
    }
    if (config_.implied_decimals != 0 && raw.mantissa != 0) {
        if (field.find('.') != std::string_view::npos) {
            return refuse(std::string(name) + " has a point, and the others of the file have none");
        }
        raw.decimals = static_cast<std::int16_t>(raw.decimals + config_.implied_decimals);
    }
    return true;
}

// Absent, or empty where allowed: stays 0.
bool TableDecoder::units(TableColumn column, Quantity quantity, std::int64_t& value) {
    value = 0;
    if (!has_column(column)) return true;
    RawDecimal raw;
    if (!number(column, raw)) return false;
    const bool is_price = quantity == Quantity::price || quantity == Quantity::reference;
    if (!is_price && raw.mantissa < 0) {
        return refuse(std::string(column_name(column)) + " is negative");
    }
    return fit(raw, quantity, column_name(column), value);
}

bool TableDecoder::fit(const RawDecimal& raw, Quantity quantity, const char* name,
                       std::int64_t& value) {
    if (config_.measuring) {
        streams_.measure(stream_, quantity, raw);
        return true;
    }
    switch (streams_.units(stream_, quantity, raw, value)) {
        case Scaled::exact:
            return true;
        case Scaled::snapped:
            ++facts_.snapped;
            return true;
        case Scaled::inexact:
            return refuse(std::string(name) + " has more decimals than fit 64 bits");
        case Scaled::overflow:
            return refuse(std::string(name) + " does not fit 64 bits");
    }
    return true;
}

// An integer of up to 18 digits. Absent: unchanged.
bool TableDecoder::count_in(TableColumn column, std::int64_t& value) {
    if (!has_column(column)) return true;
    const std::string_view field = text(column);
    std::int64_t found = 0;
    bool is_whole = !field.empty() && field.size() <= 18;
    for (const char c : field) {
        if (c < '0' || c > '9') {
            is_whole = false;
            break;
        }
        if (is_whole) found = found * 10 + (c - '0');
    }
    if (!is_whole) return refuse(std::string(column_name(column)) + " is no whole number");
    value = found;
    return true;
}

bool TableDecoder::truth(TableColumn column, bool& value) {
    const std::string_view field = text(column);
    if (is_word(field, "true") || field == "1")
        value = true;
    else if (is_word(field, "false") || field == "0")
        value = false;
    else
        return refuse(std::string(column_name(column)) + " is neither true nor false");
    return true;
}

bool TableDecoder::side_of(TableColumn column, Side& side) {
    return !has(column) || read_side(text(column), side) || refuse("side is neither buy nor sell");
}

bool TableDecoder::rate(TableColumn column, std::int64_t& value) {
    RawDecimal raw;
    if (!number(column, raw)) return false;
    // Venues that compute rates by division give them with more decimals than any payment has.
    return scale_snapped(raw, rate_decimals, value) != Scaled::overflow ||
           refuse("funding rate is too large");
}

bool TableDecoder::time(TableColumn column, std::int64_t& ns) {
    if (config_.form == RowForm::packed) {
        const int place = config_.columns[static_cast<std::size_t>(column)];
        std::memcpy(&ns, cells_ + 8 * static_cast<std::size_t>(place), 8);
        // The "not a time" value of numpy and Arrow.
        if (ns == std::numeric_limits<std::int64_t>::min())
            return refuse(std::string(column_name(column)) + " is empty");
        return check_time(column, ns);
    }
    const TimeFault fault = parse_time(text(column), config_.zone, ns);
    if (fault != TimeFault::none)
        return refuse(std::string(column_name(column)) + " " + describe(fault));
    return check_time(column, ns);
}

// Many files write 0 for an unknown time, which is 1970 among rows of later years.
bool TableDecoder::check_time(TableColumn column, std::int64_t ns) {
    if (ns != 0 || !config_.refuses_zero_time) return true;
    RawDecimal raw;
    const bool is_zero =
        config_.form == RowForm::packed ||
        (parse_decimal(text(column), raw) == NumberFault::none && raw.mantissa == 0);
    return !is_zero || refuse(std::string(column_name(column)) + " is zero");
}

bool TableDecoder::hand_on(EventRow& row, std::span<const BookLevel> levels) {
    if (config_.measuring) {
        measure(row.time);
        return true;
    }
    status_ = outlet_.add(row, config_.reversed ? -order_ : order_, levels);
    ++order_;
    return status_ == Status::ok;
}

}  // namespace onetape
