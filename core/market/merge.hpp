#pragma once
// Merges several sources of one market into one, by freshness.
//
// A value (quote, mark, funding, open interest) is replaced by a newer one only: by the venue's
// time, then by the venue's sequence if both have one; with equal times and no sequence a source's
// own order holds, and between sources the rank. The order of arrival does not matter, and no value
// steps back. A source without the venue's time and sequence takes over from a better one when that
// has been silent for `stale_ns`.
//
// A trade is a fact: each is taken once by its id, from whichever source brings it first. So is a
// bar, by its period, until the venue's final value corrects it (bar_book.hpp). Minute bars are
// also made of the trades (trade_bars.hpp): they fill missing bars, and the sources' bars are
// compared with them.
//
// Changes of a book come from one source at a time (merge_depth.hpp).
//
// The caller assigns numbers to symbols and sources. A symbol's number is never reused: another
// listing of the same name gets another number, so its prices cannot be mixed with the former's.
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/reader.hpp"
#include "journal/writer.hpp"
#include "market/bar_book.hpp"
#include "market/delay_floor.hpp"
#include "market/merge_depth.hpp"
#include "market/tick_filter.hpp"
#include "market/trade_bars.hpp"
#include "market/trade_memory.hpp"

namespace onetape {

inline constexpr std::uint32_t merge_none = ~std::uint32_t{0};
inline constexpr std::size_t merge_sources_max = 255;  // a byte of a frame's flags, 0: no source
inline constexpr std::size_t merge_samples = 60;       // per symbol: quotes for the median
inline constexpr std::size_t merge_samples_min = 3;

enum class Merged : std::uint8_t {
    taken,
    duplicate,
    older,      // than the present value
    late,       // a trade from before the memory: it may have been taken
    pinned,     // the symbol is pinned to another source
    ended,      // the symbol is delisted
    bad,        // a bad tick, by `rule()`
    corrected,  // a bar that replaces one taken before
};
inline constexpr std::size_t merged_count = 8;

struct MergeOptions {
    std::int64_t stale_ns = 2'000'000'000;
    std::int64_t median_ns = 30'000'000'000;  // for synthetic quotes
    bool filters = true;
    TickFilterOptions filter{};
};

// Counts for one source and one symbol. Times in ns, of frames and of the venue.
struct MergeCounts {
    std::int64_t received = 0;  // last
    std::int64_t event = 0;     // newest
    std::int64_t behind = 0;    // venue time of its last quote behind the newest of all
    std::array<std::uint64_t, merged_count> outcomes{};  // by Merged
    std::uint64_t disagreed = 0;                         // same venue message, different contents
    bool has_spoken = false;                             // since the last check
};

// The result for a bar that was made of trades.
enum class MadeBar : std::uint8_t { none, filled, agrees, differs };

struct MergedBar {
    std::uint32_t symbol;
    BarPayload bar;
};
inline constexpr std::size_t merge_bars_max = 1u << 16;

struct MergeDelay {
    DelayFloor floor;
    double mean = 0;  // of receipt minus venue time, over about the last 64 messages
    std::uint64_t count = 0;
};

class Merge {
 public:
    explicit Merge(const MergeOptions& options);

    // rank: the lower, the better. Returns the source's number.
    std::uint32_t add_source(std::uint32_t rank);
    void set_rank(std::uint32_t source, std::uint32_t rank) { ranks_[source] = rank; }
    std::uint32_t add_symbol();
    [[nodiscard]] std::size_t sources() const noexcept { return ranks_.size(); }
    [[nodiscard]] std::size_t symbols() const noexcept { return symbols_.size(); }
    // Ends a symbol: its values end, and nothing is taken from now on.
    void end(std::uint32_t symbol) noexcept { symbols_[symbol].is_ended = true; }
    // Pins a symbol's values to this source; merge_none: the freshest. Trades come from all.
    void pin(std::uint32_t symbol, std::uint32_t source) noexcept {
        symbols_[symbol].pinned = source;
    }

    // time: of the frame.
    Merged on_quote(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                    const QuotePayload& quote);
    Merged on_trade(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                    const TradePayload& trade, std::uint64_t sequence = 0);
    Merged on_mark(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                   const MarkPayload& mark);
    Merged on_funding(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                      const FundingPayload& funding) {
        return on_value(source, symbol, time, funding, &Symbol::funding);
    }
    Merged on_open_interest(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                            const OpenInterestPayload& open) {
        return on_value(source, symbol, time, open, &Symbol::open_interest);
    }
    Merged on_funding_rate(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                           const FundingRatePayload& rate) {
        return on_value(source, symbol, time, rate, &Symbol::funding_rate);
    }
    Merged on_bar(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                  const BarPayload& bar, std::uint16_t flags);
    // Restores bars that an earlier hub took, back to before the part of its journal that is read.
    void restore_bar(std::uint32_t symbol, const BarPayload& bar, std::uint16_t flags = 0) {
        symbols_[symbol].bars.take(bar, flags);
    }
    // Makes the next bar of a symbol from its trades as of `time`, of a frame; only for symbols
    // with bars of the venue. filled: it must be written.
    MadeBar make_bar(std::uint32_t symbol, std::int64_t time, BarPayload& bar);
    // levels: bid_count bids, then ask_count asks. depth_next() says what to write.
    Merged on_book(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                   const BookPayload& book, std::uint16_t flags, const BookLevel* levels);
    [[nodiscard]] MergeDepth::Next depth_next() const noexcept { return depth_next_; }
    [[nodiscard]] const MergeDepth& depth(std::uint32_t symbol) const noexcept {
        return symbols_[symbol].depth;
    }
    // Restores merged frames as if they were taken now. Trades up to a venue time are forgotten.
    void restore(std::uint32_t source, std::uint32_t symbol, const Frame& frame);
    void forget_until(std::int64_t time);

    // Why the last message was bad.
    [[nodiscard]] TickRule rule() const noexcept { return rule_; }
    // Held trades that the last message confirmed, in their order, each taken once.
    [[nodiscard]] std::span<const HeldTrade> released() const noexcept { return released_; }
    // True if the trade or bar just taken is older, by the venue's time, than one before it.
    [[nodiscard]] bool is_late() const noexcept { return is_late_; }

    // The median of the bids and of the asks of a symbol's last quotes, sizes 0. False: too few.
    [[nodiscard]] bool median(std::uint32_t symbol, std::int64_t time, QuotePayload& quote) const;
    // The present value of each kind; nullptr: none yet.
    [[nodiscard]] const QuotePayload* quote(std::uint32_t symbol) const noexcept {
        return payload_of(symbols_[symbol].quote);
    }
    [[nodiscard]] const MarkPayload* mark(std::uint32_t symbol) const noexcept {
        return payload_of(symbols_[symbol].mark);
    }
    [[nodiscard]] const FundingPayload* funding(std::uint32_t symbol) const noexcept {
        return payload_of(symbols_[symbol].funding);
    }
    [[nodiscard]] const OpenInterestPayload* open_interest(std::uint32_t symbol) const noexcept {
        return payload_of(symbols_[symbol].open_interest);
    }
    [[nodiscard]] const TradePayload* trade(std::uint32_t symbol) const noexcept {
        return symbols_[symbol].has_trade ? &symbols_[symbol].trade : nullptr;
    }
    // Returns the bars taken since the last call; of very many the first.
    [[nodiscard]] std::vector<MergedBar> take_bars() { return std::exchange(closed_, {}); }
    [[nodiscard]] std::uint32_t quote_source(std::uint32_t symbol) const noexcept {
        return symbols_[symbol].quote.has ? symbols_[symbol].quote.source : merge_none;
    }
    [[nodiscard]] MergeCounts& counts(std::uint32_t source, std::uint32_t symbol);
    [[nodiscard]] const MergeDelay& delay(std::uint32_t source) const noexcept {
        return delays_[source];
    }

 private:
    template <class Payload>
    struct Value {
        Payload payload{};
        std::int64_t time = 0;  // of its frame
        std::uint32_t source = 0;
        bool has = false;
    };
    template <class Payload>
    [[nodiscard]] static const Payload* payload_of(const Value<Payload>& value) noexcept {
        return value.has ? &value.payload : nullptr;
    }
    struct Sample {
        std::int64_t time, bid, ask;
    };
    struct Symbol {
        Value<QuotePayload> quote;
        std::uint32_t pinned = merge_none;
        bool is_ended = false;
        std::vector<MergeCounts> counts;  // by source
        Value<MarkPayload> mark;
        Value<FundingPayload> funding;
        Value<OpenInterestPayload> open_interest;
        Value<FundingRatePayload> funding_rate;
        BarBook bars;
        TradeBars made;
        MergeDepth depth;
        std::vector<TradeCounter> counters;  // by source
        TradeCounter restored;               // of the hub's own journal
        TradeMemory trades;
        TradePayload trade{};  // last taken
        bool has_trade = false;
        std::int64_t trade_newest = std::numeric_limits<std::int64_t>::min();
        std::array<Sample, merge_samples> samples;
        std::size_t samples_count = 0, samples_next = 0;
    };
    template <class Payload>
    [[nodiscard]] Merged order(std::uint32_t source, std::int64_t time, const Payload& payload,
                               std::int64_t event, std::uint64_t id, const Value<Payload>& held,
                               std::int64_t held_event, std::uint64_t held_id,
                               MergeCounts& counts) const noexcept;
    template <class Payload>
    Merged value(std::uint32_t source, Symbol& own, std::int64_t time, const Payload& payload,
                 Value<Payload>& held);
    template <class Payload>
    Merged on_value(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                    const Payload& payload, Value<Payload> Symbol::* held);
    MergeCounts& heard(std::uint32_t source, Symbol& own, std::int64_t time, std::int64_t event,
                       std::int64_t received);
    Merged count(MergeCounts& counts, Merged outcome) noexcept {
        ++counts.outcomes[static_cast<std::size_t>(outcome)];
        return outcome;
    }
    [[nodiscard]] bool is_bad(TickRule rule) noexcept {
        rule_ = rule;
        return rule != TickRule::none;
    }
    Merged take_trade(Symbol& own, const TradeKey& key, const TradePayload& trade);
    void release(Symbol& own);
    void sample(Symbol& own, std::int64_t time) noexcept;

    MergeOptions options_;
    TickFilter filter_;
    std::vector<std::uint32_t> ranks_;  // by source
    std::vector<MergeDelay> delays_;
    std::vector<Symbol> symbols_;
    std::vector<HeldTrade> released_;
    std::vector<MergedBar> closed_;
    TickRule rule_ = TickRule::none;
    MergeDepth::Next depth_next_ = MergeDepth::Next::nothing;
    bool is_late_ = false;
    std::int64_t floor_ = std::numeric_limits<std::int64_t>::min();  // of all symbols: trades up to
                                                                     // here are forgotten
};

// Merges journals of sources into the hub's own. A frame in it has its source's number plus one in
// the upper byte of its flags, and the symbol's number plus one as its stream.
class MergeFeeds {
 public:
    MergeFeeds(Merge& merge, Writer& writer) noexcept : merge_(&merge), writer_(&writer) {}

    // Reads the source of this number from the reader's cursor on; nullptr: stops reading it.
    void follow(std::uint32_t source, Reader* reader);
    // Assigns a stream of the source to the symbol from now on; merge_none: to none.
    void map(std::uint32_t source, std::uint32_t stream, std::uint32_t symbol);

    enum class Stop : std::uint8_t { at_most, nothing, found, failed, unwritten };
    // Takes up to `frames_max` available frames, in time order. found: an instrument or health
    // frame came, found() of source(). failed: status() of source(). unwritten: status() of the
    // hub's own journal.
    Stop take(std::size_t frames_max);
    [[nodiscard]] std::uint32_t source() const noexcept { return source_; }
    [[nodiscard]] const Frame& found() const noexcept { return found_; }
    [[nodiscard]] Status status() const noexcept { return status_; }

    // Writes the cursors of sources that advanced since the last time, or of all.
    Status write_cursors(bool all);
    // Writes a synthetic quote of a symbol, flagged as such. False: there are too few quotes.
    [[nodiscard]] bool write_median(std::uint32_t symbol, std::int64_t time, Status& status);
    // Restores from the hub's own journal, before anything is taken. False: not one of its symbols.
    void restore(const Frame& frame);

    struct BadTick {
        std::uint32_t source, symbol;
        std::uint64_t sequence;  // of the frame in its source's journal
        EventType type;
        Merged outcome;
        TickRule rule;
    };
    static constexpr std::size_t bad_ticks_max =
        1024;  // bound between two checks; others are counted
    // A bar made of trades that was filled in, or differs from the venue's.
    struct Made {
        std::uint32_t symbol;
        std::int64_t ts_open;
        MadeBar outcome;
    };
    [[nodiscard]] std::vector<Made> take_made() { return std::exchange(made_, {}); }
    [[nodiscard]] std::uint64_t made(MadeBar outcome) const noexcept {
        return made_counts_[static_cast<std::size_t>(outcome)];
    }
    [[nodiscard]] std::vector<BadTick> take_bad_ticks() { return std::exchange(bad_ticks_, {}); }
    [[nodiscard]] std::uint64_t passed_over() const noexcept { return passed_over_; }
    [[nodiscard]] std::int64_t time() const noexcept { return time_; }

 private:
    struct Feed {
        Reader* reader = nullptr;
        std::vector<std::uint32_t> symbols{};  // by stream
        Frame frame{};
        bool has_frame = false;
        std::uint64_t first = 0, last = 0;  // taken since the last cursor
        std::uint32_t crc = 0;              // of the last
    };
    [[nodiscard]] Status merge(std::uint32_t source, const Frame& frame, std::uint32_t symbol);
    [[nodiscard]] Status write(EventType type, std::uint16_t flags, std::uint32_t source,
                               std::uint32_t symbol, const void* payload, std::size_t bytes);
    [[nodiscard]] Status write_depth(std::uint32_t source, std::uint32_t symbol,
                                     const Frame& frame);
    [[nodiscard]] Status write_cursor(Feed& feed);
    [[nodiscard]] Status write_made();
    void note(std::uint32_t source, std::uint32_t symbol, const Frame& frame, Merged outcome,
              TickRule rule);

    Merge* merge_;
    Writer* writer_;
    std::vector<Feed> feeds_;
    std::vector<BadTick> bad_ticks_;
    std::vector<Made> made_;
    std::array<std::uint64_t, 4> made_counts_{};
    std::int64_t made_at_ = 0;
    std::vector<std::byte> snapshot_;  // of a book
    std::uint64_t passed_over_ =
        0;  // frames of kinds that are not merged, or of unassigned streams
    std::int64_t time_ = 0;
    std::uint32_t source_ = 0;
    Frame found_;
    Status status_ = Status::ok;
};

}  // namespace onetape
