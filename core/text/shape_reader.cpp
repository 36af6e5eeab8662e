#include "text/shape_reader.hpp"

#include <cstring>

#include "text/decimal_wide.hpp"
#include "text/json_number.hpp"
#include "text/shape_learner.hpp"
#include "text/time_text.hpp"

namespace onetape {
namespace {

[[nodiscard]] bool is_here(const std::string& expected, const char*& p, const char* end) noexcept {
    const std::size_t size = expected.size();
    if (static_cast<std::size_t>(end - p) < size || std::memcmp(p, expected.data(), size) != 0) {
        return false;
    }
    p += size;
    return true;
}

[[nodiscard]] bool is_exponential(const char* begin, const char* end) noexcept {
    for (; begin < end; ++begin) {
        if (*begin == 'e' || *begin == 'E') return true;
    }
    return false;
}

// `2026-11-20T22:36:10.014Z` and no other form of it.
[[nodiscard]] bool utc_text(std::string_view text, std::int64_t& ns) noexcept {
    if (text.size() < 20 || text[4] != '-' || text[10] != 'T' || text.back() != 'Z') return false;
    Zone utc;
    return parse_time(text, utc, ns) == TimeFault::none;
}

// Digits alone, at most 18.
[[nodiscard]] bool integer(std::string_view text, std::int64_t& value) noexcept {
    if (text.empty() || text.size() > decimal_digits_max) return false;
    value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return false;
        value = value * 10 + (c - '0');
    }
    return true;
}

[[nodiscard]] bool units(const RawDecimal& raw, int decimals, std::int64_t& value) noexcept {
    return scale(raw, decimals, value) == Scaled::exact;
}

// A number between quotes, which are passed over. Plain digits only: an exponent in a string is a
// number to nobody.
[[nodiscard]] bool quoted(const char*& p, const char* end, RawDecimal& value) noexcept {
    if (p >= end || *p != '"' || !is_digit(p[1])) return false;
    ++p;
    if (end - p < wide_bytes || !consume_wide(p, value)) {
        const char* c = p;
        while (is_digit(*c) || *c == '.') ++c;
        if (c >= end || *c != '"' || consume_decimal(p, value) != NumberFault::none || p != c) {
            return false;
        }
    }
    ++p;
    return true;
}

// Nearest, half up: marks have more decimals than what can be traded.
[[nodiscard]] bool nearest_units(const RawDecimal& raw, int decimals,
                                 std::int64_t& value) noexcept {
    const int beyond = raw.decimals - decimals;
    if (beyond <= 0 || raw.mantissa == 0) return units(raw, decimals, value);
    if (raw.cut || beyond > decimal_digits_max) return false;
    const std::int64_t power = powers_of_ten[static_cast<std::size_t>(beyond)];
    value = raw.mantissa / power;
    value += raw.mantissa % power >= power / 2 ? 1 : 0;
    return true;
}

}  // namespace

ShapeReader::ShapeReader(std::vector<Shape> shapes, std::vector<ShapeStream> streams)
    : shapes_(std::move(shapes)), streams_(std::move(streams)) {
    for (std::size_t i = 0; i < streams_.size(); ++i) by_raw_[streams_[i].raw] = i;
    layouts_.reserve(layouts_max);
}

bool ShapeReader::read(std::string_view message, std::int64_t receipt,
                       std::vector<ShapeFrame>& frames) {
    if (layouts_.empty()) return false;
    std::size_t at = last_layout_;
    for (std::size_t tried = 0; tried < layouts_.size(); ++tried) {
        Layout& layout = layouts_[at];
        frames.clear();
        if (read_as(layout, message, receipt, frames)) {
            layout.used = ++clock_;
            last_layout_ = at;
            return true;
        }
        if (++at == layouts_.size()) at = 0;
    }
    frames.clear();
    return false;
}

bool ShapeReader::learn(std::string_view message) {
    if (learned_ >= learned_max) return false;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
        Layout layout;
        layout.shape = i;
        if (!ShapeLearner(shapes_[i], message).learn(layout)) continue;
        std::vector<ShapeFrame> frames;
        if (!read_as(layout, message, 0, frames)) continue;
        layout.used = ++clock_;
        ++learned_;
        if (layouts_.size() < layouts_max) {
            layouts_.push_back(std::move(layout));
            return true;
        }
        Layout* oldest = &layouts_.front();
        for (Layout& other : layouts_) {
            if (other.used < oldest->used) oldest = &other;
        }
        *oldest = std::move(layout);
        return true;
    }
    return false;
}

bool ShapeReader::read_as(const Layout& layout, std::string_view message, std::int64_t receipt,
                          std::vector<ShapeFrame>& frames) {
    const Shape& shape = shapes_[layout.shape];
    const char* p = message.data();
    const char* const end = p + message.size();
    values_ = Values{};
    for (auto& side : sides_) side.clear();
    if (!sequence(layout.head, p, end)) return false;
    if (!layout.has_rows) return p == end && frame(shape, receipt, frames.emplace_back());
    const Values outside = values_;
    for (;;) {
        if (frames.size() == rows_max || !sequence(layout.row, p, end) ||
            !frame(shape, receipt, frames.emplace_back())) {
            return false;
        }
        if (p < end && *p == ',') {
            ++p;
            values_ = outside;
            continue;
        }
        break;
    }
    // What stands behind the rows is no row's.
    return sequence(layout.foot, p, end) && p == end;
}

bool ShapeReader::sequence(const Sequence& expected, const char*& p, const char* end) {
    for (const Piece& piece : expected.pieces) {
        if (!is_here(piece.before, p, end) || !value(piece, p, end)) return false;
    }
    return is_here(expected.tail, p, end);
}

bool ShapeReader::value(const Piece& piece, const char*& p, const char* end) {
    const char* const begin = p;
    Value& found = values_[static_cast<std::size_t>(piece.role)];
    switch (piece.role) {
        case ShapeRole::bid:
        case ShapeRole::bid_size:
        case ShapeRole::ask:
        case ShapeRole::ask_size:
        case ShapeRole::price:
        case ShapeRole::size:
        case ShapeRole::mark:
        case ShapeRole::index:
            if (piece.form == ShapeForm::text) {
                --p;  // its quotes belong to the bytes around it
                if (!quoted(p, end, found.number)) return false;
                --p;
            } else {
                if (!is_digit(*p)) return false;
                const char* check = p;
                if (!skip_number(check) || consume_decimal(p, found.number) != NumberFault::none ||
                    p != check) {
                    return false;
                }
                // 0e99 is nothing to some and out of range to others.
                if (found.number.mantissa == 0 && is_exponential(begin, p)) {
                    return false;
                }
            }
            break;
        case ShapeRole::bids:
        case ShapeRole::asks:
            if (!levels(p, end, sides_[piece.role == ShapeRole::bids ? 0 : 1])) return false;
            break;
        default:
            if (piece.form == ShapeForm::text)
                while (p < end && is_plain_text(*p)) ++p;
            else if (p >= end || !skip_bare(p, end))
                return false;
    }
    found.text = {begin, static_cast<std::size_t>(p - begin)};
    return p <= end;
}

bool ShapeReader::levels(const char*& p, const char* end,
                         std::vector<std::pair<RawDecimal, RawDecimal>>& found) {
    found.clear();
    if (p >= end || *p != '[') return false;
    ++p;
    if (p < end && *p == ']') {
        ++p;
        return true;
    }
    for (;;) {
        if (p >= end || *p != '[') return false;
        ++p;
        auto& [price, size] = found.emplace_back();
        if (!quoted(p, end, price) || p >= end || *p != ',') return false;
        ++p;
        if (!quoted(p, end, size) || end - p < 2 || p[0] != ']') return false;
        p += 2;
        if (p[-1] == ']') return true;
        if (p[-1] != ',') return false;
    }
}

bool ShapeReader::book(const ShapeStream& stream, std::int64_t ts_event, std::int64_t receipt,
                       ShapeFrame& out) {
    static_assert(sizeof(BookPayload) == 3 * sizeof(BookLevel));
    BookPayload head{};
    head.ts_event = ts_event;
    head.ts_recv = receipt;
    std::array<std::int64_t, 3> ids{};
    constexpr std::array<ShapeRole, 3> roles{ShapeRole::first_id, ShapeRole::id,
                                             ShapeRole::previous_id};
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::string_view text = at(roles[i]).text;
        if (text.data() != nullptr && !integer(text, ids[i])) return false;
    }
    head.first_id = static_cast<std::uint64_t>(ids[0]);
    head.last_id = static_cast<std::uint64_t>(ids[1]);
    head.previous_id = static_cast<std::uint64_t>(ids[2]);
    const std::size_t count = sides_[0].size() + sides_[1].size();
    book_.resize(3 + count);
    BookLevel* to = book_.data() + 3;
    for (const auto& side : sides_) {
        for (const auto& [price, size] : side) {
            if (!units(price, stream.price_decimals, to->price) ||
                !units(size, stream.size_decimals, to->size)) {
                return false;
            }
            ++to;
        }
    }
    head.bid_count = static_cast<std::uint32_t>(sides_[0].size());
    head.ask_count = static_cast<std::uint32_t>(sides_[1].size());
    std::memcpy(book_.data(), &head, sizeof head);
    out.type = EventType::book;
    out.bytes = static_cast<std::uint32_t>(book_.size() * sizeof(BookLevel));
    return true;
}

bool ShapeReader::event_time(const Shape& shape, std::int64_t& ns) const {
    const std::string_view text = at(ShapeRole::time).text;
    ns = 0;
    if (text.data() == nullptr) return true;  // this layout has none
    if (shape.time == ShapeTime::iso) return utc_text(text, ns);
    constexpr std::array<std::int64_t, 3> factors{1'000'000, 1'000, 1};
    return integer(text, ns) &&
           !__builtin_mul_overflow(ns, factors[static_cast<std::size_t>(shape.time)], &ns);
}

const ShapeStream* ShapeReader::stream_of(std::string_view raw) {
    if (last_stream_ != nullptr && last_stream_->raw == raw) return last_stream_;
    const auto known = by_raw_.find(raw);
    if (known == by_raw_.end()) return nullptr;
    return last_stream_ = &streams_[known->second];
}

bool ShapeReader::frame(const Shape& shape, std::int64_t receipt, ShapeFrame& out) {
    const ShapeStream* const stream = stream_of(at(ShapeRole::symbol).text);
    std::int64_t ts_event = 0;
    if (stream == nullptr || !event_time(shape, ts_event)) return false;
    const int price = stream->price_decimals, size = stream->size_decimals;
    out.stream = stream->stream;
    switch (shape.event) {
        case ShapeEvent::quote: {
            QuotePayload event{};
            event.ts_event = ts_event;
            event.ts_recv = receipt;
            std::int64_t number = 0;
            const std::string_view id = at(ShapeRole::id).text;
            if (id.data() != nullptr && !integer(id, number)) return false;
            event.update_id = static_cast<std::uint64_t>(number);
            out.type = EventType::quote;
            out.bytes = sizeof event;
            const bool fits = units(at(ShapeRole::bid).number, price, event.bid) &&
                              units(at(ShapeRole::ask).number, price, event.ask) &&
                              units(at(ShapeRole::bid_size).number, size, event.bid_size) &&
                              units(at(ShapeRole::ask_size).number, size, event.ask_size);
            out.quote = event;
            // Of an empty side each venue has its own way to tell.
            return fits && event.bid > 0 && event.ask > 0;
        }
        case ShapeEvent::trade: {
            TradePayload event{};
            event.ts_event = ts_event;
            event.ts_recv = receipt;
            std::int64_t number = 0;
            if (!integer(at(ShapeRole::id).text, number)) return false;
            event.id_low = static_cast<std::uint64_t>(number);
            event.id_kind = IdKind::integer;
            const std::string_view side = at(ShapeRole::side).text;
            if (side == shape.buy)
                event.side = Side::buy;
            else if (side == shape.sell)
                event.side = Side::sell;
            else
                return false;
            out.type = EventType::trade;
            out.bytes = sizeof event;
            const bool fits = units(at(ShapeRole::price).number, price, event.price) &&
                              units(at(ShapeRole::size).number, size, event.size);
            out.trade = event;
            return fits;
        }
        case ShapeEvent::mark: {
            MarkPayload event{};
            event.ts_event = ts_event;
            event.ts_recv = receipt;
            out.type = EventType::mark;
            out.bytes = sizeof event;
            const bool fits = nearest_units(at(ShapeRole::mark).number, price, event.mark) &&
                              nearest_units(at(ShapeRole::index).number, price, event.index);
            out.mark = event;
            return fits;
        }
        case ShapeEvent::book:
            return book(*stream, ts_event, receipt, out);
    }
    return false;
}

}  // namespace onetape
