#include "text/csv_rows.hpp"

#include <algorithm>
#include <cstring>

#include "text/word.hpp"

namespace onetape {
namespace {

constexpr std::array<std::string_view, column_count> column_names{
    "time", "ts_recv", "bid",  "ask",  "bid_size", "ask_size", "price", "size",
    "side", "id",      "open", "high", "low",      "close",    "volume"};

[[nodiscard]] std::string column_name(Column column) {
    return std::string(column_names[static_cast<std::size_t>(column)]);
}

template <class Payload>
void put(EventRow& row, EventType type, const Payload& payload) noexcept {
    static_assert(sizeof(Payload) <= sizeof(row.payload));
    row.type = type;
    row.payload_bytes = sizeof(Payload);
    std::memcpy(row.payload.data(), &payload, sizeof payload);
}

[[nodiscard]] bool read_side(std::string_view text, Side& side) noexcept {
    if (text.empty())
        side = Side::none;
    else if (is_word(text, "buy") || is_word(text, "b") || is_word(text, "bid"))
        side = Side::buy;
    else if (is_word(text, "sell") || is_word(text, "s") || is_word(text, "ask"))
        side = Side::sell;
    else
        return false;
    return true;
}

[[nodiscard]] int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Integers, uuids and texts of up to 16 bytes are kept; longer ones have no room in a frame.
void read_id(std::string_view text, TradePayload& event) noexcept {
    if (text.empty()) return;
    std::uint64_t number = 0;
    bool integer = text.size() <= 19 && (text[0] != '0' || text.size() == 1);
    for (const char c : text) {
        if (c < '0' || c > '9') {
            integer = false;
            break;
        }
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (integer) {
        event.id_low = number;
        event.id_kind = IdKind::integer;
        return;
    }
    std::array<unsigned char, 16> bytes{};
    if (text.size() == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' &&
        text[23] == '-') {
        std::size_t count = 0;
        for (std::size_t i = 0; i < 36 && count < 16;) {
            if (text[i] == '-') {
                ++i;
                continue;
            }
            const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
            if (high < 0 || low < 0) break;
            bytes[count++] = static_cast<unsigned char>(high << 4 | low);
            i += 2;
        }
        if (count == 16) event.id_kind = IdKind::uuid;
    } else if (text.size() <= bytes.size()) {
        std::memcpy(bytes.data(), text.data(), text.size());
        event.id_kind = IdKind::text;
    }
    if (event.id_kind != IdKind::none) {
        std::memcpy(&event.id_low, bytes.data(), 8);
        std::memcpy(&event.id_high, bytes.data() + 8, 8);
    }
}

}  // namespace

Status RowGate::pass(const EventRow& row) {
    if (row.type == EventType::bar) {
        BarPayload bar;
        std::memcpy(&bar, row.payload.data(), sizeof bar);
        const auto [found, is_new] = last_bars_.try_emplace(bar.period_ns);
        LastBar& last = found->second;
        if (!is_new && bar.ts_open == last.open) {
            rejects_.add(row.source, row.line, "a bar with this time was already read", {});
            return Status::ok;
        }
        if (!is_new && bar.ts_open < last.close) {
            rejects_.add(row.source, row.line, "overlaps the bar before it", {});
            return Status::ok;
        }
        last = {bar.ts_open, bar.ts_close};
    } else if (row.type == EventType::quote) {
        QuotePayload quote;
        std::memcpy(&quote, row.payload.data(), sizeof quote);
        if (quote.bid > quote.ask && (quote.ask != 0 || quote.ask_size != 0)) {
            sink_.count_crossed();
        }
    }
    return sink_.emit(row.type, 0, stream_, row.time, row.payload.data(), row.payload_bytes);
}

TableDecoder::TableDecoder(TableConfig config, RejectLog& rejects, RowGate* gate, RowSorter* sorter)
    : config_(std::move(config)), rejects_(rejects), gate_(gate), sorter_(sorter) {
    fields_.resize(static_cast<std::size_t>(config_.fields));
}

Status TableDecoder::feed(const char* data, std::size_t size) {
    splitter_.feed(data, size, [this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return status_;
}

Status TableDecoder::finish() {
    splitter_.finish([this](std::string_view line, std::uint64_t number, auto ending) {
        return on_line(line, number, ending);
    });
    return status_;
}

bool TableDecoder::on_line(std::string_view line, std::uint64_t number,
                           LineSplitter::Ending ending) {
    if (ending == LineSplitter::Ending::overlong) {
        rejects_.add(config_.source, number, "line is longer than 1 MiB", line);
        return true;
    }
    if (number == 1 && line.substr(0, 3) == "\xef\xbb\xbf") line.remove_prefix(3);
    if (number <= static_cast<std::uint64_t>(config_.skip_lines)) return true;
    if (line.empty()) return true;
    if (const char* fault = split(line)) {
        reason_ = fault;
    } else if (row(number)) {
        return true;
    }
    if (status_ != Status::ok) return false;
    if (ending == LineSplitter::Ending::truncated) reason_ = "last line is truncated: " + reason_;
    rejects_.add(config_.source, number, std::move(reason_), line);
    reason_.clear();
    return true;
}

const char* TableDecoder::split(std::string_view line) {
    const char* p = line.data();
    const char* const end = p + line.size();
    const char separator = config_.separator;
    const bool counting = config_.fields == 0;
    std::size_t count = 0;
    unquoted_.clear();
    unquoted_.reserve(line.size());  // so that the texts into it stay where they are
    const auto add = [&](std::string_view text, bool quoted) {
        if (count == fields_.size() && counting) fields_.emplace_back();
        if (count < fields_.size()) fields_[count] = {text, quoted};
        ++count;
    };
    for (;;) {
        if (p < end && *p == '"') {
            const std::size_t begin = unquoted_.size();
            ++p;
            for (;; ++p) {
                if (p == end) return "a quoted field is not closed";
                if (*p != '"') {
                    unquoted_.push_back(*p);
                } else if (p + 1 < end && p[1] == '"') {
                    unquoted_.push_back(*p++);
                } else {
                    break;
                }
            }
            ++p;
            if (p < end && *p != separator) return "text after a quoted field";
            // The byte behind must be no digit for the number reader.
            const std::size_t length = unquoted_.size() - begin;
            unquoted_.push_back('\n');
            add({unquoted_.data() + begin, length}, true);
        } else {
            const char* c = p;
            while (c < end && *c != separator) ++c;
            add({p, static_cast<std::size_t>(c - p)}, false);
            p = c;
        }
        if (p >= end) break;
        ++p;  // the separator; behind the last one stands an empty field
    }
    if (counting) {
        config_.fields = static_cast<int>(count);
        for (const int column : config_.columns) {
            if (column >= config_.fields) {
                config_.fields = 0;
                fields_.clear();
                return "row has fewer fields than columns are named";
            }
        }
        return nullptr;
    }
    if (count < fields_.size()) return "row has fewer fields than the header";
    if (count > fields_.size() + 1 || (count == fields_.size() + 1 && end[-1] != separator)) {
        return "row has more fields than the header";
    }
    return nullptr;
}

bool TableDecoder::row(std::uint64_t number) {
    EventRow out{};
    out.line = number;
    out.source = config_.source;
    switch (config_.kind) {
        case TableKind::quotes:
            return quote(out);
        case TableKind::trades:
            return trade(out);
        case TableKind::bars:
            return bar(out);
    }
    return true;
}

bool TableDecoder::quote(EventRow& out) {
    QuotePayload event{};
    if (!time(Column::ts_event, event.ts_event)) return false;
    event.ts_recv = event.ts_event;
    if (has(Column::ts_recv) && !time(Column::ts_recv, event.ts_recv)) return false;
    if (!units(Column::bid, true, event.bid) || !units(Column::ask, true, event.ask) ||
        !units(Column::bid_size, false, event.bid_size) ||
        !units(Column::ask_size, false, event.ask_size)) {
        return false;
    }
    out.time = event.ts_recv;
    put(out, EventType::quote, event);
    if (config_.measuring) measure(out.time, event.ts_event);
    return hand_on(out);
}

bool TableDecoder::trade(EventRow& out) {
    TradePayload event{};
    if (!time(Column::ts_event, event.ts_event)) return false;
    event.ts_recv = event.ts_event;
    if (has(Column::ts_recv) && !time(Column::ts_recv, event.ts_recv)) return false;
    if (!units(Column::price, true, event.price) || !units(Column::size, false, event.size)) {
        return false;
    }
    if (event.size == 0 && !config_.measuring) return refuse("size is zero");
    if (has(Column::side) && !read_side(text(Column::side), event.side)) {
        return refuse("side is neither buy nor sell");
    }
    if (has(Column::id)) read_id(text(Column::id), event);
    out.time = event.ts_recv;
    put(out, EventType::trade, event);
    if (config_.measuring) measure(out.time, event.ts_event);
    return hand_on(out);
}

bool TableDecoder::bar(EventRow& out) {
    BarPayload event{};
    std::int64_t stamp = 0, received = 0;
    if (!time(Column::ts_event, stamp)) return false;
    if (has(Column::ts_recv) && !time(Column::ts_recv, received)) return false;
    if (!units(Column::open, true, event.open) || !units(Column::high, true, event.high) ||
        !units(Column::low, true, event.low) || !units(Column::close, true, event.close) ||
        !units(Column::volume, false, event.volume)) {
        return false;
    }
    if (config_.measuring) {
        measure(stamp, stamp);
        return true;
    }
    if (event.high < std::max({event.open, event.low, event.close}) ||
        event.low > std::min(event.open, event.close)) {
        return refuse("open, high, low, close contradict each other");
    }
    event.period_ns = config_.period_ns;
    event.ts_open = stamp;
    event.ts_close = stamp;
    if (config_.time_is_close ? __builtin_sub_overflow(stamp, config_.period_ns, &event.ts_open)
                              : __builtin_add_overflow(stamp, config_.period_ns, &event.ts_close)) {
        return refuse("time is outside 1678 to 2262");
    }
    event.trades = -1;
    out.time = std::max(event.ts_close, received);
    put(out, EventType::bar, event);
    return hand_on(out);
}

bool TableDecoder::units(Column column, bool is_price, std::int64_t& value) {
    value = 0;
    if (!has(column)) return true;
    const std::string_view field = text(column);
    RawDecimal raw;
    const char* p = field.data();
    if (field.empty() || consume_decimal(p, raw) != NumberFault::none ||
        p != field.data() + field.size()) {
        const NumberFault fault = parse_decimal(field, raw);
        if (fault != NumberFault::none) return refuse(column_name(column) + " " + describe(fault));
    }
    if (!is_price && raw.mantissa < 0) return refuse(column_name(column) + " is negative");
    if (config_.measuring) {
        (is_price ? facts_.price : column == Column::volume ? facts_.volume : facts_.size).add(raw);
        return true;
    }
    const int decimals = is_price ? config_.price_decimals : config_.size_decimals;
    switch (scale_snapped(raw, decimals, value)) {
        case Scaled::exact:
            return true;
        case Scaled::snapped:
            ++facts_.snapped;
            return true;
        case Scaled::inexact:
            return refuse(column_name(column) + " has more decimals than fit 64 bits");
        case Scaled::overflow:
            return refuse(column_name(column) + " does not fit 64 bits");
    }
    return true;
}

bool TableDecoder::time(Column column, std::int64_t& ns) {
    const TimeFault fault = parse_time(text(column), config_.zone, ns);
    return fault == TimeFault::none || refuse(column_name(column) + " " + describe(fault));
}

bool TableDecoder::hand_on(EventRow& row) {
    if (config_.measuring) return true;
    row.order = config_.reversed ? -order_ : order_;
    ++order_;
    row.order += static_cast<std::int64_t>(config_.source) << 48;
    if (sorter_ != nullptr)
        status_ = sorter_->add(row).status;
    else
        status_ = gate_->pass(row);
    return status_ == Status::ok;
}

void TableDecoder::measure(std::int64_t time, std::int64_t step_time) {
    if (facts_.rows++ == 0) {
        facts_.first_time = time;
    } else {
        if (time < facts_.last_time) facts_.ascending = false;
        if (time > facts_.last_time) facts_.descending = false;
        if (config_.kind == TableKind::bars) {
            std::int64_t step = 0;
            if (!__builtin_sub_overflow(step_time, step_from_, &step) && step != 0) {
                step = step < 0 ? -step : step;
                const auto found = facts_.steps.find(step);
                if (found != facts_.steps.end())
                    ++found->second;
                else if (facts_.steps.size() < steps_max)
                    facts_.steps.emplace(step, 1);
            }
        }
    }
    facts_.last_time = time;
    step_from_ = step_time;
}

}  // namespace onetape
