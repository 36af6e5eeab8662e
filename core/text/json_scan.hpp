#pragma once
// Reads one JSON message in one pass and keeps only the values whose paths it was told to look
// for. It knows no venue: paths come from the protocol's table in Python.
//
// One pass serves every kind of message, in any key order, with blanks and with keys that nobody
// asked for: a key of one character is found by a table lookup, so there is no need for a second,
// order-dependent path. Arrays of price levels are decoded while they are passed over.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "text/decimal_text.hpp"

namespace onetape {

inline constexpr int json_depth_max = 64;
inline constexpr int path_depth_max = 3;
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
    std::uint64_t integer = 0;  // number: its value, where it `is_digits`
    std::uint32_t first = 0, count = 0;  // levels: where in JsonMessage::levels
    JsonKind kind = JsonKind::absent;
    bool is_digits = false;  // and at most 18
};

struct RawLevel {
    RawDecimal price, size;
};

// One row of a list: where it begins, and the key under which its list stands.
struct JsonRow {
    const char* at;
    std::string_view list;
};

// What one scan found. Reused from message to message; texts point into the line.
struct JsonMessage {
    std::array<JsonValue, json_slots_max> values;
    std::vector<RawLevel> levels;
    std::string_view newest_level;  // the greatest text that stands third in a level: Kraken's time
    std::uint64_t present = 0;      // bit n: slot n was found
    bool is_list = false;           // it has a list of rows, of which the first is in `values`
    bool has_row = false;
    std::string_view list;      // the key under which the row stands that is in `values`
    std::vector<JsonRow> rows;  // the later ones

    [[nodiscard]] bool has(int slot) const noexcept {
        return slot >= 0 && (present >> static_cast<unsigned>(slot) & 1u) != 0;
    }
    [[nodiscard]] const JsonValue& at(int slot) const noexcept {
        return values[static_cast<std::size_t>(slot)];
    }
};

// The paths to look for: "E", "k.t" (inside the object k), and wrappers whose inside is the
// message itself ("data" of {"stream":..,"data":{..}}). Of a list of rows the paths are those of
// every row ("data.price" of {"data":[{"price":..},..]}). Values of a list have their place for a
// key ("b.2" of {"b":[1,2,3]}), also where a row is one, and so do lists ("data.l.1" of
// {"data":{"l":[[..],[..]]}}).
class JsonPaths {
 public:
    JsonPaths();

    // Slot of the path, the same for the same path. invalid: too many, or nested deeper than three.
    Failure add(const std::string& path, int& slot);
    Failure add_wrapper(const std::string& key);
    // A list of rows stands at this path. The first is a key, after the paths into it; others are
    // in an object under the same key, and their rows are alike ("data", "data.update").
    Failure add_rows(const std::string& path);
    // A message may be a list: an object of it is read as the message itself, a list as what stands
    // under the first key of rows, and its texts as what stands under these keys.
    void set_texts(std::vector<std::string> keys) { texts_ = std::move(keys); }
    // A level may be an object with these two keys.
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
        std::array<std::int16_t, 128> inner_single;  // scope that an object under this key opens
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
        std::size_t scope;  // that its key is in
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

    // `line` is followed by a readable '\n', '\r' or '\0'. nullptr, or why it is no message.
    [[nodiscard]] const char* scan(std::string_view line, JsonMessage& message);
    // The next row of the message last scanned, in place of the one before. False: there is none.
    // `fault`: as scan's.
    [[nodiscard]] bool next_row(JsonMessage& message, const char*& fault);
    // Of the line last scanned, with so many bytes behind it.
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
    // An object or list that stands twice has no value: parts of both would be mixed.
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
    std::uint64_t entered_ = 0;    // scopes, of the message or row that is read
    const char* begin_ = nullptr;  // of the line that is read
    const char* end_ = nullptr;
    std::size_t row_ = 0;                                // of the message: the next of its rows
    std::array<std::string, json_slots_max> unescaped_;  // resolved strings, by slot
    std::string scratch_;                                // of keys and of what nobody asked for
};

}  // namespace onetape
