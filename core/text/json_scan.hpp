#pragma once
// Reads one JSON message in one pass and keeps only the values at requested paths. It knows no
// venue: paths come from the protocol's table in Python.
//
// One pass serves every kind of message, in any key order, with blanks and with other keys: a key
// of one character is found by a table lookup, so there is no need for a second, order-dependent
// path. Arrays of price levels are decoded on the way.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "text/decimal_text.hpp"

namespace onetape {

inline constexpr int json_depth_max = 64;
inline constexpr int path_depth_max = 4;
inline constexpr std::size_t json_slots_max = 64;

enum class JsonKind : std::uint8_t {
    absent,
    string,
    number,
    true_,
    false_,
    null,
    object,
    array,
    levels,
};

struct JsonValue {
    std::string_view text;      // string: between the quotes, escapes resolved; number: as written
    std::uint64_t integer = 0;  // number: its value, if `is_digits`
    std::uint32_t first = 0, count = 0;  // levels: range in JsonMessage::levels
    JsonKind kind = JsonKind::absent;
    bool is_digits = false;  // and at most 18
};

struct RawLevel {
    RawDecimal price, size;
};

// One row of a list: where it begins, and the key of its list.
struct JsonRow {
    const char* at;
    std::string_view list;
};

// The result of one scan. Reused from message to message; texts point into the line.
struct JsonMessage {
    std::array<JsonValue, json_slots_max> values;
    std::vector<RawLevel> levels;
    std::string_view newest_level;  // the greatest third text of a level: Kraken's time
    std::uint64_t present = 0;      // bit n: slot n was found
    bool is_list = false;           // it has a list of rows; the first is in `values`
    bool has_row = false;
    std::string_view list;      // the key of the list of the row in `values`
    std::vector<JsonRow> rows;  // the later ones

    [[nodiscard]] bool has(int slot) const noexcept {
        return slot >= 0 && (present >> static_cast<unsigned>(slot) & 1u) != 0;
    }
    [[nodiscard]] const JsonValue& at(int slot) const noexcept {
        return values[static_cast<std::size_t>(slot)];
    }
};

// The paths to look for: "E", "k.t" (inside the object k), and wrappers that contain the message
// ("data" of {"stream":..,"data":{..}}). In a list of rows the paths apply to every row
// ("data.price" of {"data":[{"price":..},..]}). Values of a list have their index as key ("b.2" of
// {"b":[1,2,3]}), also if a row is a list, and so do lists ("data.l.1" of
// {"data":{"l":[[..],[..]]}}).
class JsonPaths {
 public:
    JsonPaths();

    // Slot of the path, the same for the same path. invalid: too many paths, or nested deeper than
    // three.
    Failure add(const std::string& path, int& slot);
    Failure add_wrapper(const std::string& key);
    // Declares a list of rows at this path. The first is a key, after the paths into it; others are
    // in an object under the same key, with rows of the same form ("data", "data.update").
    Failure add_rows(const std::string& path);
    // For messages that are a list: an object in it is read as the message itself, a list as the
    // value of the first key of rows, and its texts as the values of these keys.
    void set_texts(std::vector<std::string> keys) { texts_ = std::move(keys); }
    // Allows a level to be an object with these two keys.
    void set_level_keys(std::string price, std::string size) {
        level_price_ = std::move(price);
        level_size_ = std::move(size);
    }

 private:
    friend class JsonScanner;
    static constexpr std::int16_t none = -1;
    static constexpr std::int16_t scope_base = 1000;  // target >= base: enter that scope

    struct Scope {
        std::array<std::int16_t, 128> single;  // by the key's only character
        std::vector<std::pair<std::string, std::int16_t>> longer;
        std::array<std::int16_t, 128> inner_single;  // scope of the object under this key
        std::vector<std::pair<std::string, std::int16_t>> inner_longer;
        std::size_t parent = 0;
        Scope();
    };

    [[nodiscard]] static std::int16_t find(
        const std::array<std::int16_t, 128>& single,
        const std::vector<std::pair<std::string, std::int16_t>>& longer,
        std::string_view key) noexcept;
    static void put(std::array<std::int16_t, 128>& single,
                    std::vector<std::pair<std::string, std::int16_t>>& longer,
                    const std::string& key, std::int16_t target);

    struct RowList {
        std::size_t scope;  // the scope of its key
        std::string key;
    };
    [[nodiscard]] const RowList* row_list(std::size_t scope, std::string_view key) const noexcept;

    std::vector<Scope> scopes_;
    std::vector<std::size_t> scope_of_slot_;
    std::vector<RowList> lists_;
    std::vector<std::string> texts_;
    std::string level_price_, level_size_;
    std::size_t rows_scope_ = 0;
    std::uint64_t rows_mask_ = 0;  // slots inside a row
    int slots_ = 0;
};

class JsonScanner {
 public:
    explicit JsonScanner(JsonPaths paths) : paths_(std::move(paths)) {}

    // `line` is followed by a readable '
    // ', '\r' or '\0'. Returns nullptr, or why it is no message.
    [[nodiscard]] const char* scan(std::string_view line, JsonMessage& message);
    // Reads the next row of the message last scanned, in place of the one before. False: there is
    // none. `fault`: as in scan.
    [[nodiscard]] bool next_row(JsonMessage& message, const char*& fault);
    // Whether `p` and the following `bytes` are within the line last scanned.
    [[nodiscard]] bool holds(const char* p, std::ptrdiff_t bytes) const noexcept {
        return p >= begin_ && end_ - p >= bytes;
    }

 private:
    [[nodiscard]] const char* object(const char*& p, std::size_t scope, int depth,
                                     JsonMessage& message);
    [[nodiscard]] const char* array(const char*& p, std::size_t scope, int depth,
                                    JsonMessage& message);
    [[nodiscard]] const char* list_message(const char*& p, JsonMessage& message);
    [[nodiscard]] const char* member(const char*& p, std::size_t scope, std::string_view key,
                                     int depth, JsonMessage& message);
    [[nodiscard]] const char* nested(const char*& p, std::size_t scope, std::string_view key,
                                     int depth, JsonMessage& message);
    // A repeated object or list has no value: parts of both would be mixed.
    [[nodiscard]] bool enter(std::int16_t scope) noexcept {
        const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(scope);
        const bool is_first = (entered_ & bit) == 0;
        entered_ |= bit;
        return is_first;
    }
    [[nodiscard]] const char* repeated_value(const char*& p, std::int16_t slot, int depth,
                                             JsonMessage& message);
    [[nodiscard]] const char* value(const char*& p, std::int16_t slot, int depth,
                                    JsonMessage& message);
    [[nodiscard]] const char* rows(const char*& p, const JsonPaths::RowList& list, int depth,
                                   JsonMessage& message);
    [[nodiscard]] const char* row(const char*& p, std::string_view list, int depth,
                                  JsonMessage& message);
    [[nodiscard]] const char* levels(const char*& p, std::int16_t slot, JsonMessage& message);
    [[nodiscard]] const char* level_list(const char*& p, RawLevel& level, JsonMessage& message);
    [[nodiscard]] const char* level_object(const char*& p, RawLevel& level);
    void plain_levels(const char*& p, std::vector<RawLevel>& found) const;
    [[nodiscard]] const char* skip(const char*& p, int depth);
    [[nodiscard]] static const char* string(const char*& p, std::string& kept,
                                            std::string_view& text);
    [[nodiscard]] static const char* unescape(const char* begin, const char*& p, std::string& kept,
                                              std::string_view& text);

    JsonPaths paths_;
    std::uint64_t entered_ = 0;    // scopes of the present message or row
    const char* begin_ = nullptr;  // of the present line
    const char* end_ = nullptr;
    std::size_t row_ = 0;                                // index of the message's next row
    std::array<std::string, json_slots_max> unescaped_;  // resolved strings, by slot
    std::string scratch_;                                // for keys and ignored values
};

}  // namespace onetape
