#include "text/json_scan.hpp"

#include <cstring>

#include "text/decimal_wide.hpp"

namespace onetape {
namespace {

constexpr const char* truncated = "message ends in the middle";
constexpr const char* malformed = "not JSON";
constexpr const char* price_fault = "a level's price is not a number";
constexpr const char* size_fault = "a level's size is not a number";

void skip_blanks(const char*& p) noexcept {
    while (*p == ' ' || *p == '\t') ++p;
}

// The first byte that ends a string or has a special meaning in it.
[[nodiscard]] const char* behind_plain_text(const char* p, const char* end) noexcept {
#if defined(__SSE4_1__)
    if (end - p >= 16) {
        const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i is_other =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('"')),
                                      _mm_cmpeq_epi8(text, _mm_set1_epi8('\\'))),
                         _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text));
        const auto others = static_cast<unsigned>(_mm_movemask_epi8(is_other));
        if (others != 0) return p + __builtin_ctz(others);
        p += 16;
    }
#else
    static_cast<void>(end);
#endif
    while (*p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
    return p;
}

[[nodiscard]] const char* expected(const char* p) noexcept {
    return *p == '\n' || *p == '\r' ? truncated : malformed;
}

[[nodiscard]] bool is_number_part(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

void append_utf8(std::string& text, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

[[nodiscard]] bool read_hex(const char*& p, std::uint32_t& code) noexcept {
    code = 0;
    for (int i = 0; i < 4; ++i, ++p) {
        std::uint32_t digit;
        if (*p >= '0' && *p <= '9')
            digit = static_cast<std::uint32_t>(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            digit = static_cast<std::uint32_t>(*p - 'a' + 10);
        else if (*p >= 'A' && *p <= 'F')
            digit = static_cast<std::uint32_t>(*p - 'A' + 10);
        else
            return false;
        code = code << 4 | digit;
    }
    return true;
}

}  // namespace

JsonPaths::Scope::Scope() {
    single.fill(none);
    inner_single.fill(none);
}

JsonPaths::JsonPaths() : scopes_(1) {}

std::int16_t JsonPaths::find(const std::array<std::int16_t, 128>& single,
                             const std::vector<std::pair<std::string, std::int16_t>>& longer,
                             std::string_view key) noexcept {
    if (key.size() == 1) {
        const auto c = static_cast<unsigned char>(key[0]);
        return c < 128 ? single[c] : none;
    }
    for (const auto& [name, target] : longer) {
        if (name.size() == key.size() && std::memcmp(name.data(), key.data(), key.size()) == 0) {
            return target;
        }
    }
    return none;
}

void JsonPaths::put(std::array<std::int16_t, 128>& single,
                    std::vector<std::pair<std::string, std::int16_t>>& longer,
                    const std::string& key, std::int16_t target) {
    if (key.size() == 1 && static_cast<unsigned char>(key[0]) < 128) {
        single[static_cast<unsigned char>(key[0])] = target;
    } else {
        longer.emplace_back(key, target);
    }
}

Failure JsonPaths::add(const std::string& path, int& slot) {
    std::size_t scope = 0, from = 0;
    int depth = 1;
    for (std::size_t dot; (dot = path.find('.', from)) != std::string::npos; from = dot + 1) {
        if (++depth > path_depth_max) {
            return {Status::invalid, "JSON path nests deeper than four: " + path};
        }
        const std::string outer = path.substr(from, dot - from);
        std::int16_t target = find(scopes_[scope].inner_single, scopes_[scope].inner_longer, outer);
        if (target == none) {
            if (scopes_.size() == json_slots_max) {
                return {Status::exhausted, "more than 64 JSON objects"};
            }
            target = static_cast<std::int16_t>(scopes_.size());
            scopes_.emplace_back();
            scopes_.back().parent = scope;
            put(scopes_[scope].inner_single, scopes_[scope].inner_longer, outer, target);
        }
        scope = static_cast<std::size_t>(target);
    }
    const std::string key = path.substr(from);
    if (key.empty()) return {Status::invalid, "JSON path has an empty key: " + path};
    Scope& place = scopes_[scope];
    const std::int16_t listed = find(place.single, place.longer, key);
    if (listed != none) {
        slot = listed;
        return {};
    }
    if (slots_ == static_cast<int>(json_slots_max)) {
        return {Status::exhausted, "more than 64 JSON paths"};
    }
    slot = slots_++;
    scope_of_slot_.push_back(scope);
    put(place.single, place.longer, key, static_cast<std::int16_t>(slot));
    return {};
}

Failure JsonPaths::add_wrapper(const std::string& key) {
    if (key.empty()) return {Status::invalid, "JSON wrapper has an empty key"};
    put(scopes_[0].inner_single, scopes_[0].inner_longer, key, 0);
    return {};
}

Failure JsonPaths::add_rows(const std::string& path) {
    const std::size_t dot = path.find('.');
    const std::string key = path.substr(0, dot);
    if (dot != std::string::npos) {
        if (lists_.empty() || lists_.front().key != key) {
            return {Status::invalid, "rows are not inside the first ones: " + path};
        }
        lists_.push_back({rows_scope_, path.substr(dot + 1)});
        return {};
    }
    const std::int16_t target = find(scopes_[0].inner_single, scopes_[0].inner_longer, key);
    if (target == none) return {Status::invalid, "no JSON path is in the rows: " + key};
    lists_.push_back({0, key});
    rows_scope_ = static_cast<std::size_t>(target);
    for (std::size_t slot = 0; slot < scope_of_slot_.size(); ++slot) {
        const std::size_t scope = scope_of_slot_[slot];
        if (scope == rows_scope_ || scopes_[scope].parent == rows_scope_) {
            rows_mask_ |= std::uint64_t{1} << slot;
        }
    }
    return {};
}

const JsonPaths::RowList* JsonPaths::row_list(std::size_t scope,
                                              std::string_view key) const noexcept {
    for (const RowList& list : lists_) {
        if (list.scope == scope && list.key == key) return &list;
    }
    return nullptr;
}

const char* JsonScanner::scan(std::string_view line, JsonMessage& message) {
    message.present = 0;
    message.is_list = message.has_row = false;
    message.newest_level = message.list = {};
    message.levels.clear();
    message.rows.clear();
    row_ = 0;
    entered_ = 0;
    const char* p = line.data();
    const char* const end = p + line.size();
    begin_ = p;
    end_ = end;
    skip_blanks(p);
    if (p >= end) return "empty message";
    const bool is_list = *p == '[' && !paths_.texts_.empty();
    if (*p != '{' && !is_list) return malformed;
    if (const char* fault = is_list ? list_message(p, message) : object(p, 0, 1, message)) {
        return fault;
    }
    skip_blanks(p);
    return p == end ? nullptr : "text after the message";
}

// The value of an object's key, or at a list's index.
[[gnu::always_inline]] inline const char* JsonScanner::member(const char*& p,
                                                              std::size_t scope_index,
                                                              std::string_view key, int depth,
                                                              JsonMessage& message) {
    if (*p == '{' || *p == '[') return nested(p, scope_index, key, depth, message);
    const JsonPaths::Scope& scope = paths_.scopes_[scope_index];
    const std::int16_t slot = JsonPaths::find(scope.single, scope.longer, key);
    return slot == JsonPaths::none ? skip(p, depth) : value(p, slot, depth, message);
}

const char* JsonScanner::object(const char*& p, std::size_t scope, int depth,
                                JsonMessage& message) {
    ++p;
    skip_blanks(p);
    if (*p == '}') {
        ++p;
        return nullptr;
    }
    for (;;) {
        if (*p != '"') return expected(p);
        std::string_view key;
        if (static_cast<unsigned char>(p[1]) >= 0x20 && p[1] != '"' && p[1] != '\\' &&
            p[2] == '"') {  // one character: the usual case
            key = {p + 1, 1};
            p += 3;
        } else if (const char* fault = string(p, scratch_, key)) {
            return fault;
        }
        skip_blanks(p);
        if (*p != ':') return expected(p);
        ++p;
        skip_blanks(p);
        if (const char* fault = member(p, scope, key, depth, message)) return fault;
        skip_blanks(p);
        if (*p == ',') {
            ++p;
            skip_blanks(p);
            continue;
        }
        if (*p != '}') return expected(p);
        ++p;
        return nullptr;
    }
}

const char* JsonScanner::nested(const char*& p, std::size_t scope_index, std::string_view key,
                                int depth, JsonMessage& message) {
    const JsonPaths::Scope& scope = paths_.scopes_[scope_index];
    if (depth >= json_depth_max) return "nested deeper than 64";
    const std::int16_t inner = JsonPaths::find(scope.inner_single, scope.inner_longer, key);
    if (*p == '{') {
        if (inner == JsonPaths::none) return skip(p, depth);
        if (!enter(inner)) return "a key stands twice";
        return object(p, static_cast<std::size_t>(inner), depth + 1, message);
    }
    if (const JsonPaths::RowList* list = paths_.row_list(scope_index, key)) {
        return rows(p, *list, depth, message);
    }
    const char* inside = p + 1;
    skip_blanks(inside);
    const bool is_flat = *inside != '[' && *inside != '{' && *inside != ']';
    if (inner != JsonPaths::none && (is_flat || scope_index != 0)) {
        if (!enter(inner)) return "a key stands twice";
        return array(p, static_cast<std::size_t>(inner), depth + 1, message);
    }
    const std::int16_t slot = JsonPaths::find(scope.single, scope.longer, key);
    return slot == JsonPaths::none ? skip(p, depth) : value(p, slot, depth, message);
}

// Beyond ten indices nothing is looked for.
const char* JsonScanner::array(const char*& p, std::size_t scope, int depth, JsonMessage& message) {
    constexpr std::string_view places = "0123456789";
    ++p;
    skip_blanks(p);
    if (*p == ']') {
        ++p;
        return nullptr;
    }
    for (std::size_t place = 0;; ++place) {
        const char* const fault = place < places.size()
                                      ? member(p, scope, places.substr(place, 1), depth, message)
                                      : skip(p, depth);
        if (fault != nullptr) return fault;
        skip_blanks(p);
        if (*p == ']') break;
        if (*p != ',') return expected(p);
        ++p;
        skip_blanks(p);
    }
    ++p;
    return nullptr;
}

// [7,{"b":..},"book-10","XBT/USD"]
const char* JsonScanner::list_message(const char*& p, JsonMessage& message) {
    std::size_t texts = 0;
    ++p;
    for (;;) {
        skip_blanks(p);
        const char* fault = nullptr;
        if (*p == '{') {
            fault = object(p, 0, 2, message);
        } else if (*p == '[' && !paths_.lists_.empty()) {
            fault = member(p, 0, paths_.lists_.front().key, 1, message);
        } else if (*p == '"' && texts < paths_.texts_.size()) {
            fault = member(p, 0, paths_.texts_[texts++], 1, message);
        } else {
            fault = skip(p, 1);
        }
        if (fault != nullptr) return fault;
        skip_blanks(p);
        if (*p == ']') break;
        if (*p != ',') return expected(p);
        ++p;
    }
    ++p;
    return nullptr;
}

// The first row is read at once, because it is usually the only one. Later ones are skipped, and
// read on request.
const char* JsonScanner::rows(const char*& p, const JsonPaths::RowList& list, int depth,
                              JsonMessage& message) {
    const char* c = p + 1;
    skip_blanks(c);
    if (*c != '{' && *c != '[' && *c != ']') {
        return array(p, paths_.rows_scope_, depth + 1, message);
    }
    if (message.is_list && (list.scope == 0 || message.list == list.key)) {
        return "a key stands twice";
    }
    message.is_list = true;
    p = c;
    if (*p == ']') {
        ++p;
        return nullptr;
    }
    if (message.has_row) {
        message.rows.push_back({p, list.key});
        if (const char* fault = skip(p, depth + 1)) return fault;
    } else {
        message.has_row = true;
        if (const char* fault = row(p, list.key, depth + 1, message)) return fault;
    }
    for (;;) {
        skip_blanks(p);
        if (*p == ']') break;
        if (*p != ',') return expected(p);
        ++p;
        skip_blanks(p);
        if (*p != '{' && *p != '[') return expected(p);
        message.rows.push_back({p, list.key});
        if (const char* fault = skip(p, depth + 1)) return fault;
    }
    ++p;
    return nullptr;
}

const char* JsonScanner::row(const char*& p, std::string_view list, int depth,
                             JsonMessage& message) {
    message.list = list;
    const std::uint64_t entered = entered_;
    const char* const fault = *p == '{' ? object(p, paths_.rows_scope_, depth, message)
                                        : array(p, paths_.rows_scope_, depth, message);
    entered_ = entered;  // the next row has its own
    return fault;
}

bool JsonScanner::next_row(JsonMessage& message, const char*& fault) {
    if (row_ == message.rows.size()) return false;
    message.present &= ~paths_.rows_mask_;
    message.newest_level = {};
    message.levels.clear();
    const JsonRow& next = message.rows[row_++];
    const char* p = next.at;
    fault = row(p, next.list, 2, message);
    return true;
}

// Venues have sent a key twice in one object (Binance COIN-M's depth, 2021). Equal values count
// once; different ones make the value unknown.
const char* JsonScanner::repeated_value(const char*& p, std::int16_t slot, int depth,
                                        JsonMessage& message) {
    constexpr const char* fault = "a key stands twice, with different values";
    const JsonValue& found = message.values[static_cast<std::size_t>(slot)];
    const JsonKind kind = found.kind;
    if (kind == JsonKind::array || kind == JsonKind::levels) return fault;
    const std::string text(found.text);  // its memory may be reused by the second one's text
    message.present &= ~(std::uint64_t{1} << static_cast<unsigned>(slot));
    if (const char* other = value(p, slot, depth, message)) return other;
    return found.kind == kind && found.text == text ? nullptr : fault;
}

const char* JsonScanner::value(const char*& p, std::int16_t slot, int depth, JsonMessage& message) {
    JsonValue& found = message.values[static_cast<std::size_t>(slot)];
    const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(slot);
    if ((message.present & bit) != 0) [[unlikely]]
        return repeated_value(p, slot, depth, message);
    message.present |= bit;
    found.is_digits = false;
    if (*p == '"') {
        found.kind = JsonKind::string;
        const char* const c = behind_plain_text(p + 1, end_);
        if (*c == '"') {
            found.text = {p + 1, static_cast<std::size_t>(c - p - 1)};
            p = c + 1;
            return nullptr;
        }
        return string(p, unescaped_[static_cast<std::size_t>(slot)], found.text);
    }
    if (*p == '[') {
        const char* inside = p + 1;
        skip_blanks(inside);
        if (*inside == '[' || *inside == ']' || (*inside == '{' && !paths_.level_price_.empty())) {
            return levels(p, slot, message);
        }
        found.kind = JsonKind::array;
        found.text = {};
        return skip(p, depth);
    }
    const char* const begin = p;
    // Times and ids: digits only, and few enough not to overflow.
    const char* c = p;
    std::uint64_t integer = 0;
    for (unsigned d; (d = static_cast<unsigned>(static_cast<unsigned char>(*c)) - '0') < 10; ++c) {
        integer = integer * 10 + d;
    }
    if (c != p && c - p <= decimal_digits_max && (*c == ',' || *c == '}')) {
        found.text = {p, static_cast<std::size_t>(c - p)};
        found.kind = JsonKind::number;
        found.integer = integer;
        found.is_digits = true;
        p = c;
        return nullptr;
    }
    if (const char* fault = skip(p, depth)) return fault;
    found.text = {begin, static_cast<std::size_t>(p - begin)};
    switch (*begin) {
        case 't':
            found.kind = JsonKind::true_;
            break;
        case 'f':
            found.kind = JsonKind::false_;
            break;
        case 'n':
            found.kind = JsonKind::null;
            break;
        default:
            found.kind = JsonKind::number;
    }
    return nullptr;
}

// ["61800.20","2.909"], one after the other, in the usual form, with enough readable bytes behind
// them for wide reads. Stops before another form, or on the bracket that ends the list.
void JsonScanner::plain_levels(const char*& p, std::vector<RawLevel>& found) const {
    constexpr std::ptrdiff_t room = 2 * wide_bytes + 8;
    while (end_ - p >= room && p[0] == '[' && p[1] == '"') {
        RawLevel level;
        const char* c = p + 2;
        if (!consume_wide(c, level.price) || c[1] != ',' || c[2] != '"') return;
        c += 3;
        if (!consume_wide(c, level.size) || c[1] != ']') return;
        c += 2;
        if (*c == ',' && c[1] == '[') {
            p = c + 1;
            found.push_back(level);
        } else if (*c == ']') {
            p = c;
            found.push_back(level);
            return;
        } else {
            return;
        }
    }
}

[[nodiscard]] const char* level_number(const char*& p, RawDecimal& out,
                                       const char* fault) noexcept {
    const bool quoted = *p == '"';
    if (quoted) ++p;
    const bool is_number = consume_decimal(p, out) == NumberFault::none && (!quoted || *p == '"');
    if (!is_number) return *p == '\n' ? truncated : fault;
    if (quoted) ++p;
    return nullptr;
}

// [["61800.20","2.909"],[61800.1,0.696,...]]: quoted or bare, values after the second are skipped.
// Or objects of two keys.
const char* JsonScanner::levels(const char*& p, std::int16_t slot, JsonMessage& message) {
    JsonValue& found = message.values[static_cast<std::size_t>(slot)];
    found.kind = JsonKind::levels;
    found.text = {};
    found.first = static_cast<std::uint32_t>(message.levels.size());
    ++p;
    plain_levels(p, message.levels);
    skip_blanks(p);
    if (*p != ']') {
        for (;;) {
            RawLevel& level = message.levels.emplace_back();
            const char* fault = *p == '{' && !paths_.level_price_.empty()
                                    ? level_object(p, level)
                                    : level_list(p, level, message);
            if (fault != nullptr) return fault;
            skip_blanks(p);
            if (*p == ']') break;
            if (*p != ',') return expected(p);
            ++p;
            skip_blanks(p);
        }
    }
    ++p;
    found.count = static_cast<std::uint32_t>(message.levels.size()) - found.first;
    return nullptr;
}

const char* JsonScanner::level_list(const char*& p, RawLevel& level, JsonMessage& message) {
    if (*p != '[') return expected(p);
    ++p;
    skip_blanks(p);
    if (const char* fault = level_number(p, level.price, price_fault)) return fault;
    skip_blanks(p);
    if (*p != ',') return expected(p);
    ++p;
    skip_blanks(p);
    if (const char* fault = level_number(p, level.size, size_fault)) return fault;
    skip_blanks(p);
    for (bool is_third = true; *p == ','; is_third = false) {
        ++p;
        skip_blanks(p);
        if (is_third && *p == '"') {
            std::string_view text;
            if (const char* fault = string(p, scratch_, text)) return fault;
            if (text > message.newest_level && holds(text.data(), 0)) message.newest_level = text;
        } else if (const char* fault = skip(p, 2)) {
            return fault;
        }
        skip_blanks(p);
    }
    if (*p != ']') return expected(p);
    ++p;
    return nullptr;
}

const char* JsonScanner::level_object(const char*& p, RawLevel& level) {
    bool has_price = false, has_size = false;
    do {
        ++p;
        skip_blanks(p);
        if (*p != '"') return expected(p);
        std::string_view key;
        if (const char* fault = string(p, scratch_, key)) return fault;
        const bool is_price = key == paths_.level_price_, is_size = key == paths_.level_size_;
        if ((is_price && has_price) || (is_size && has_size)) return "a key stands twice";
        skip_blanks(p);
        if (*p != ':') return expected(p);
        ++p;
        skip_blanks(p);
        const char* const fault = is_price  ? level_number(p, level.price, price_fault)
                                  : is_size ? level_number(p, level.size, size_fault)
                                            : skip(p, 2);
        if (fault != nullptr) return fault;
        has_price = has_price || is_price;
        has_size = has_size || is_size;
        skip_blanks(p);
    } while (*p == ',');
    if (*p != '}') return expected(p);
    ++p;
    return has_price && has_size ? nullptr : "a level lacks its price or its size";
}

// Skips any value. No recursion: the open brackets are counted on a small stack.
const char* JsonScanner::skip(const char*& p, int depth) {
    std::array<char, json_depth_max> open;
    int count = 0;
    std::string_view ignored;
    for (;;) {
        bool value_ended = true;
        if (*p == '"') {
            if (const char* fault = string(p, scratch_, ignored)) return fault;
        } else if (*p == '{' || *p == '[') {
            if (depth + count >= json_depth_max) return "nested deeper than 64";
            const bool is_object = *p == '{';
            open[static_cast<std::size_t>(count++)] = is_object ? '}' : ']';
            ++p;
            skip_blanks(p);
            value_ended = *p == (is_object ? '}' : ']');
            if (value_ended) {
                ++p;
                --count;
            } else if (is_object) {
                if (*p != '"') return expected(p);
                if (const char* fault = string(p, scratch_, ignored)) return fault;
                skip_blanks(p);
                if (*p != ':') return expected(p);
                ++p;
                skip_blanks(p);
            }
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            RawDecimal unused;
            const char* const begin = p;
            while (is_number_part(*p)) ++p;
            const char* check = begin;
            const NumberFault fault = consume_decimal(check, unused);
            if (fault != NumberFault::too_large && (fault != NumberFault::none || check != p)) {
                return malformed;
            }
        } else if (*p == 't' && p[1] == 'r' && p[2] == 'u' && p[3] == 'e') {
            p += 4;
        } else if (*p == 'n' && p[1] == 'u' && p[2] == 'l' && p[3] == 'l') {
            p += 4;
        } else if (*p == 'f' && p[1] == 'a' && p[2] == 'l' && p[3] == 's' && p[4] == 'e') {
            p += 5;
        } else {
            return expected(p);
        }
        if (!value_ended) continue;
        for (;;) {
            if (count == 0) return nullptr;
            skip_blanks(p);
            const char close = open[static_cast<std::size_t>(count - 1)];
            if (*p == close) {
                ++p;
                --count;
                continue;
            }
            if (*p != ',') return expected(p);
            ++p;
            skip_blanks(p);
            if (close == '}') {
                if (*p != '"') return expected(p);
                if (const char* fault = string(p, scratch_, ignored)) return fault;
                skip_blanks(p);
                if (*p != ':') return expected(p);
                ++p;
                skip_blanks(p);
            }
            break;
        }
    }
}

const char* JsonScanner::string(const char*& p, std::string& kept, std::string_view& text) {
    const char* const begin = ++p;
    for (;;) {
        const char c = *p;
        if (c == '"') {
            text = {begin, static_cast<std::size_t>(p - begin)};
            ++p;
            return nullptr;
        }
        if (c == '\\') return unescape(begin, p, kept, text);
        if (static_cast<unsigned char>(c) < 0x20) return expected(p);
        ++p;
    }
}

const char* JsonScanner::unescape(const char* begin, const char*& p, std::string& kept,
                                  std::string_view& text) {
    kept.assign(begin, p);
    for (;;) {
        const char c = *p;
        if (c == '"') {
            text = kept;
            ++p;
            return nullptr;
        }
        if (static_cast<unsigned char>(c) < 0x20) return expected(p);
        ++p;
        if (c != '\\') {
            kept.push_back(c);
            continue;
        }
        const char escape = *p;
        if (escape == '\n' || escape == '\r') return truncated;
        ++p;
        switch (escape) {
            case '"':
            case '\\':
            case '/':
                kept.push_back(escape);
                break;
            case 'b':
                kept.push_back('\b');
                break;
            case 'f':
                kept.push_back('\f');
                break;
            case 'n':
                kept.push_back('\n');
                break;
            case 'r':
                kept.push_back('\r');
                break;
            case 't':
                kept.push_back('\t');
                break;
            case 'u': {
                std::uint32_t code;
                if (!read_hex(p, code)) return malformed;
                if (code >= 0xd800 && code < 0xdc00) {
                    std::uint32_t low;
                    if (p[0] != '\\' || p[1] != 'u') return malformed;
                    p += 2;
                    if (!read_hex(p, low) || low < 0xdc00 || low > 0xdfff) return malformed;
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                } else if (code >= 0xdc00 && code <= 0xdfff) {
                    return malformed;
                }
                append_utf8(kept, code);
                break;
            }
            default:
                return malformed;
        }
    }
}

}  // namespace onetape
