#pragma once
// Market messages of a usual shape, straight to frames: for live feeds, where a message comes alone
// and its strategy waits.
//
// What a message means is a shape handed down from Python: which keys make it one of its kind, and
// under which key which value stands. How it is laid out is learned from the messages themselves:
// the bytes between their values. A message with the layout of an earlier one is compared with
// those bytes and its values are read where they must stand; nothing is searched for. Whatever does
// not fit, in a byte, in a value's form, in an instrument's decimals, is not taken, and is for the
// venue's own decoder to read or to refuse by name. So this is never wrong, at worst not quick.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/events.hpp"
#include "text/decimal_text.hpp"

namespace onetape {

enum class ShapeEvent : std::uint8_t { quote, trade, mark, book };
enum class ShapeTime : std::uint8_t { ms, us, ns, iso };
enum class ShapeRole : std::uint8_t {
    skip,  // whatever it is
    symbol,
    time,
    bid,
    bid_size,
    ask,
    ask_size,
    price,
    size,
    side,
    id,
    mark,
    index,
    first_id,
    previous_id,  // `id` is the last
    bids,
    asks,
};
inline constexpr std::size_t shape_role_count = 17;

enum class ShapeForm : std::uint8_t {
    text,    // "1.5"
    bare,    // 1.5 or true
    levels,  // [["1.5","2"],...], size 0 takes a level away
};

struct ShapeSlot {
    std::string path;
    ShapeRole role = ShapeRole::skip;
    ShapeForm form = ShapeForm::text;
};

// A path is keys joined by points; the list at `rows` adds none: "data.symbol" is that of each row.
struct Shape {
    ShapeEvent event = ShapeEvent::quote;
    ShapeTime time = ShapeTime::ms;
    std::string rows;  // path of a list of objects, each one event; empty: the message is the event
                       // (a book always is)
    std::vector<std::pair<std::string, std::string>> constants;  // path, and the JSON it must be
    std::vector<ShapeSlot> roles;
    std::uint32_t required = 0;  // bits of roles
    std::string buy, sell;       // what the side's value is, without quotes
};

struct ShapeStream {
    std::string raw;  // the venue's name
    std::uint32_t stream = 0;
    int price_decimals = 0, size_decimals = 0;
};

struct ShapeFrame {
    EventType type = EventType::quote;
    std::uint32_t stream = 0;
    std::uint32_t bytes = 0;
    union {
        QuotePayload quote;
        TradePayload trade;
        MarkPayload mark;
    };
    ShapeFrame() : quote{} {}
};

class ShapeReader {
 public:
    static constexpr std::size_t layouts_max = 16;
    static constexpr std::uint64_t learned_max = 1024;  // then a feed is too wild to learn from
    static constexpr std::size_t rows_max = 1024;

    ShapeReader(std::vector<Shape> shapes, std::vector<ShapeStream> streams);

    // All events of one message. False: not taken, `frames` is empty. `message` is followed by a
    // readable byte that is no part of a number; `receipt` is ns.
    [[nodiscard]] bool read(std::string_view message, std::int64_t receipt,
                            std::vector<ShapeFrame>& frames);

    // Remembers the layout of a message that was not taken. False: it is of no shape, or one that
    // could not be read in any layout. Reads `message` once more where true.
    bool learn(std::string_view message);

    // Of a frame of the last message read, `frame.bytes` long.
    [[nodiscard]] const void* payload(const ShapeFrame& frame) const noexcept {
        if (frame.type == EventType::book) return book_.data();
        return &frame.quote;
    }

    [[nodiscard]] std::size_t layout_count() const noexcept { return layouts_.size(); }

 private:
    friend class ShapeLearner;

    // The bytes before a value, then the value. A quoted one's quotes belong to the bytes.
    struct Piece {
        std::string before;
        ShapeRole role = ShapeRole::skip;
        ShapeForm form = ShapeForm::bare;
    };
    struct Sequence {
        std::vector<Piece> pieces;
        std::string tail;
    };
    struct Layout {
        std::size_t shape = 0;
        bool has_rows = false;
        Sequence head, row, foot;  // without rows all is head
        std::uint64_t used = 0;
    };
    struct Value {
        std::string_view text;
        RawDecimal number;
    };
    using Values = std::array<Value, shape_role_count>;

    [[nodiscard]] bool read_as(const Layout& layout, std::string_view message, std::int64_t receipt,
                               std::vector<ShapeFrame>& frames);
    [[nodiscard]] bool sequence(const Sequence& expected, const char*& p, const char* end);
    [[nodiscard]] bool value(const Piece& piece, const char*& p, const char* end);
    [[nodiscard]] static bool levels(const char*& p, const char* end,
                                     std::vector<std::pair<RawDecimal, RawDecimal>>& found);
    [[nodiscard]] bool book(const ShapeStream& stream, std::int64_t ts_event, std::int64_t receipt,
                            ShapeFrame& out);
    [[nodiscard]] bool frame(const Shape& shape, std::int64_t receipt, ShapeFrame& out);
    [[nodiscard]] bool event_time(const Shape& shape, std::int64_t& ns) const;
    [[nodiscard]] const ShapeStream* stream_of(std::string_view raw);
    [[nodiscard]] const Value& at(ShapeRole role) const noexcept {
        return values_[static_cast<std::size_t>(role)];
    }

    std::vector<Shape> shapes_;
    std::vector<ShapeStream> streams_;
    std::map<std::string, std::size_t, std::less<>> by_raw_;
    const ShapeStream* last_stream_ = nullptr;
    std::vector<Layout> layouts_;
    std::size_t last_layout_ = 0;
    Values values_;
    std::array<std::vector<std::pair<RawDecimal, RawDecimal>>, 2> sides_;  // bids, asks as written
    std::vector<BookLevel> book_;  // the payload of a book: its head is as large as three levels
    std::uint64_t clock_ = 0;      // of use: the layout longest not used gives way
    std::uint64_t learned_ = 0;
};

}  // namespace onetape
