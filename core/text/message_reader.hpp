#pragma once
// Converts a venue's market messages to events: one by one from a live connection, or from a
// capture's `<receipt ns> <json>` lines. A table passed from Python
// (onetape/venues/<venue>/market.py) describes the messages; this class knows the kinds of event,
// the paths of their values, and the rules of depth, whose messages are numbered or carry a
// checksum.
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/checked_book.hpp"
#include "text/decimal_text.hpp"
#include "text/depth_chain.hpp"
#include "text/event_sink.hpp"
#include "text/json_scan.hpp"
#include "text/line_split.hpp"
#include "text/name_counts.hpp"
#include "text/stream_numbers.hpp"
#include "text/time_text.hpp"

namespace onetape {

enum class MessageKind : std::uint8_t {
    quote,
    trade,
    book,
    snapshot,
    checked_book,  // snapshots and changes on one stream; with a side: one level of them
    depth,         // answer to a subscription: the depth of the checked book
    refusal,       // of a request
    mark,
    liquidation,
    bar,
    open_interest,
};

// The meaning of a value in a message. Each rule gives its path.
enum class Role : std::uint8_t {
    symbol,
    symbol_fallback,
    time,
    time_fallback,
    bid,
    ask,
    bid_size,
    ask_size,
    price,
    size,
    id,
    sell,
    side,
    first_id,
    last_id,
    previous_id,
    sequence,  // ascending, not consecutive
    bids,
    asks,
    mark,
    index,
    rate,
    funding_time,
    predicted,  // rate of the payment after the next
    open,
    high,
    low,
    close,
    volume,
    turnover,
    trades,
    open_time,
    close_time,
    closed,
    action,
    checksum,
    depth,
    error,
    minutes,  // length of a bar without a close time
};
inline constexpr std::size_t role_count = 39;

struct MessageRule {
    MessageKind kind = MessageKind::quote;
    std::string name;                   // for display: "bookTicker"
    std::string whole;                  // the action that replaces the whole book
    std::string event;                  // value of the discriminator; empty: none
    std::vector<std::string> channels;  // only on these channels of the wrapper; empty: all
    std::array<int, role_count> slots;  // by role, -1: not in this message
    std::uint64_t required = 0;         // slots that this message must have
    int filter_slot = -1;               // if set, this slot's value must be ...
    std::string filter;                 // ... this, else the message is skipped
    MessageRule() { slots.fill(-1); }
};

struct MessageStream {
    std::string raw;  // the venue's name; empty: the capture's only symbol
    std::uint32_t stream = 0;
    int price_decimals = 0, size_decimals = 0;
    bool growable = true;  // stop at a digit that does not fit, so that decimals can grow
};

struct ReaderConfig {
    JsonPaths paths;
    int event_slot = -1;    // the discriminator
    char separator = 0;     // ends the event's name; the rest belongs to its channel
    int channel_slot = -1;  // the wrapper's "symbol@channel"
    int answer_slot = -1;   // a message with this slot is an answer and no event
    BookChecksum checksum = BookChecksum::none;
    std::vector<MessageRule> rules;
    std::vector<MessageStream> streams;
    bool others_pass = false;  // symbols without a stream are skipped, not refused
    bool measuring = false;    // emit nothing; collect decimals
    bool discovers = false;    // a new symbol gets a stream, up to streams_max
};

inline constexpr std::size_t streams_max = 10'000;

class MessageReader {
 public:
    enum class Stop : std::uint8_t { none, failed, decimals };

    MessageReader(ReaderConfig config, EventSink& sink);

    void begin_source(std::uint32_t index);
    Stop feed(const char* data, std::size_t size);
    Stop end_source();
    // Reads one message without an envelope: JSON followed by a readable '
    // ' or '\0', `number` its line in the source.
    Stop message_of(std::uint32_t source, std::uint64_t number, std::int64_t receipt,
                    std::string_view json);
    Stop finish();     // after the last source: emits withheld events
    void connected();  // a new connection: books without numbers may have missed changes before it

    struct StreamFacts {
        std::string raw;                 // empty: never seen
        DecimalsSeen price, size;        // traded quantities: tick and lot follow from them
        DecimalsSeen reference, volume;  // marks and sums: must only be representable
    };
    [[nodiscard]] StreamFacts facts(std::size_t index) const;
    [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }
    [[nodiscard]] Status status() const noexcept { return status_; }
    void resume() noexcept { stop_ = Stop::none; }  // after a sink that failed
    [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }
    [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }
    [[nodiscard]] std::uint64_t snapped() const noexcept { return snapped_; }
    [[nodiscard]] std::uint64_t unsynced() const noexcept { return unsynced_; }
    [[nodiscard]] const NameCounts& passed_over() const noexcept { return passed_over_; }
    // Symbols without a stream, with the count of their messages.
    [[nodiscard]] const NameCounts& unmapped() const noexcept { return unmapped_; }
    [[nodiscard]] RejectLog& rejects() noexcept { return rejects_; }
    [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }  // the last one
    // Rate (1e-12) and time (ns UTC, 0: unknown) of a stream's next funding; nothing if not
    // reported.
    [[nodiscard]] std::optional<std::pair<std::int64_t, std::int64_t>> next_funding(
        std::uint32_t stream) const noexcept;

 private:
    struct StreamState {
        MessageStream spec;
        std::string raw;
        StreamNumbers numbers;
        DepthChain chain;
        CheckedBook checked;
        // The first kinds of message, and the first channel, with these values: others repeat them.
        const MessageRule* quote_rule = nullptr;
        const MessageRule* trade_rule = nullptr;
        std::string book_channel;
        QuotePayload top{};  // for quotes that only have the changed side
        bool has_top = false;
        FundingRatePayload rate{};  // as last reported
        bool has_rate = false;
        std::int64_t mark = 0;  // the last one
    };
    // The checked book of the present message.
    struct OpenBook {
        StreamState* stream = nullptr;  // nullptr: none
        const MessageRule* rule = nullptr;
        BookPayload head{};
        bool is_snapshot = false, fits = true;
    };
    struct HeldBar {
        std::int64_t time;
        std::uint32_t stream;
        BarPayload payload;
    };

    bool on_line(std::string_view line, std::uint64_t number, LineSplitter::Ending ending);
    void take(std::string_view line, std::uint64_t number, std::int64_t receipt);
    bool message(std::int64_t receipt);  // false: reason_ says why
    bool empty_book(std::int64_t receipt);
    [[nodiscard]] const MessageRule* rule_of() noexcept;
    [[nodiscard]] std::string_view implied_symbol(const MessageRule& rule);
    StreamState* stream_of(const MessageRule& rule);  // nullptr: refused, or not ours
    bool is_first(const MessageRule*& first, const MessageRule& rule);
    bool is_first_channel(const MessageRule& rule, StreamState& stream);
    [[nodiscard]] bool is_whole(const MessageRule& rule) const noexcept;
    bool quote(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool quote_side(const MessageRule& rule, StreamState& stream, Role price, Role size,
                    std::int64_t& price_units, std::int64_t& size_units);
    bool trade(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool book(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool snapshot(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool checked_book(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool open_book(const MessageRule& rule, StreamState& stream);
    bool close_book(std::int64_t receipt);
    void lose_book() noexcept;
    bool checked_level(const MessageRule& rule, StreamState& stream);
    bool mark(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool funding_rate(const MessageRule& rule, StreamState& stream, const MarkPayload& mark);
    bool rate(const MessageRule& rule, Role role, std::int64_t& units, bool& is_there);
    bool liquidation(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool open_interest(const MessageRule& rule, StreamState& stream, std::int64_t receipt);
    bool bar(const MessageRule& rule, StreamState& stream, std::int64_t receipt);

    [[nodiscard]] int slot(const MessageRule& rule, Role role) const noexcept {
        return rule.slots[static_cast<std::size_t>(role)];
    }
    bool number(const MessageRule& rule, Role role, RawDecimal& value);
    bool units(const MessageRule& rule, StreamState& stream, Role role, Quantity quantity,
               std::int64_t& value);
    bool fit(const RawDecimal& raw, StreamState& stream, Quantity quantity, std::int64_t& value);
    bool integer(const MessageRule& rule, Role role, std::uint64_t& value);
    bool signed_integer(const MessageRule& rule, Role role, std::int64_t& value);
    bool trade_id(const MessageRule& rule, TradePayload& event);
    bool number_time(const RawDecimal& value, Role role, std::int64_t& ns);
    bool time(const MessageRule& rule, Role role, std::int64_t& ns);
    bool event_time(const MessageRule& rule, std::int64_t& ns);
    bool side_of(const MessageRule& rule, Side& side);
    // False: the value is not a boolean.
    bool flag(int slot, bool& found) const noexcept;
    [[nodiscard]] bool is_null(int slot) const noexcept;
    bool sides_of_book(const MessageRule& rule, StreamState& stream);
    bool side_of_levels(const MessageRule& rule, StreamState& stream, Role role,
                        std::vector<BookLevel>& levels);
    bool emit(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
              const void* payload, std::size_t bytes);
    bool emit_book(std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
                   BookPayload head);  // of bids_ and asks_
    bool emit_frame(std::uint16_t flags, std::uint32_t stream, std::int64_t receipt,
                    const BookPayload& head);
    bool release_bars(std::int64_t until);
    bool refuse(std::string reason);
    void pass_over(std::string_view what);
    [[nodiscard]] static std::string_view name_of(Role role) noexcept;

    ReaderConfig config_;
    EventSink& sink_;
    JsonScanner scanner_;
    JsonMessage message_;
    LineSplitter splitter_;
    std::deque<StreamState> streams_;  // a deque keeps their addresses
    std::map<std::string, StreamState*, std::less<>> by_raw_;
    StreamState* last_stream_ = nullptr;
    std::vector<HeldBar> held_;
    std::int64_t next_held_;
    std::vector<BookLevel> bids_, asks_, frame_;
    OpenBook open_;
    std::string_view event_, channel_;  // of the present message: "orderbook", "50.BTCUSDT"
    std::string reason_, upper_, refusal_, whole_;
    Zone utc_;
    RejectLog rejects_;
    NameCounts passed_over_, unmapped_;
    std::uint64_t lines_ = 0, gaps_ = 0, unsynced_ = 0, snapped_ = 0;
    std::uint32_t source_ = 0;
    Status status_ = Status::ok;
    Stop stop_ = Stop::none;
};

}  // namespace onetape
