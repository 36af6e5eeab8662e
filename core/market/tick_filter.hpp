#pragma once
// Detects bad ticks: messages of a venue or a collector that no market explains. The same detector
// for import, backtest and live. Pure: times come with the messages.
//
// A price is a spike if it lies further from the median of the last prices than a number of median
// deviations, and than a minimum share of the price. It is held, and becomes the market when it is
// confirmed: by enough messages in a row near it, or by one of a second source. Trades held until
// then are returned by `released`.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "journal/events.hpp"
#include "market/delay_floor.hpp"
#include "market/trade_memory.hpp"

namespace onetape {

enum class TickRule : std::uint8_t {
    none,  // it is good
    zero_price,
    negative,
    crossed,
    locked_too_long,
    stale,
    duplicate,
    out_of_order,
    wrong_symbol,
    spike,
};
inline constexpr std::array<std::string_view, 10> tick_rule_names{
    "none",  "zero_price", "negative",     "crossed",      "locked_too_long",
    "stale", "duplicate",  "out_of_order", "wrong_symbol", "spike"};

struct TickFilterOptions {
    std::uint32_t rules = ~0u;               // one bit for each active rule, 1 << TickRule
    std::int64_t locked_ns = 1'000'000'000;  // bid = ask for longer
    std::int64_t stale_ns =
        10'000'000'000;  // delayed by more than this beyond the source's fastest message
    std::int64_t ahead_ns = 5'000'000'000;     // its venue time ahead of that of other sources
    double deviations = 10;                    // times 1.4826 of the median deviation
    std::int64_t share_ppm = 10'000;           // of the price, at least
    std::uint32_t confirm = 3;                 // messages in a row
    std::int64_t confirm_ns = 10'000'000'000;  // from the first to the last of them
};

inline constexpr std::size_t tick_window = 32;     // prices
inline constexpr std::size_t tick_window_min = 8;  // with fewer prices nothing is a spike
inline constexpr std::size_t tick_band_every = 8;  // prices between two updates of the band

// A trade that was held as a spike.
struct HeldTrade {
    std::uint32_t source = 0;
    std::uint64_t sequence = 0;  // of its frame
    TradePayload trade{};
    bool is_late = false;  // set by a merge: newer trades have been taken
};

// Identifies a message of the venue, whenever it was received.
template <class Payload>
[[nodiscard]] bool same_message(const Payload& a, const Payload& b) noexcept {
    Payload other = b;
    if constexpr (requires { other.ts_recv; }) other.ts_recv = a.ts_recv;
    return std::memcmp(&a, &other, sizeof a) == 0;
}

class TickFilter {
 public:
    explicit TickFilter(const TickFilterOptions& options) : options_(options) {}

    // source, symbol: any numbers from 0. time: of the frame. sequence: of the frame, to find a
    // held trade.
    TickRule on_quote(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                      const QuotePayload& quote);
    TickRule on_trade(std::uint32_t source, std::uint32_t symbol, std::int64_t time,
                      const TradePayload& trade, std::uint64_t sequence = 0);
    TickRule on_mark(std::uint32_t source, std::uint32_t symbol, const MarkPayload& mark);
    // A message of a symbol that its source does not follow.
    TickRule on_unknown() noexcept { return refused(TickRule::wrong_symbol); }

    // Held trades that the last message confirmed, in their order; valid until the next message.
    [[nodiscard]] std::span<const HeldTrade> released() const noexcept { return released_; }
    [[nodiscard]] std::uint64_t count(TickRule rule) const noexcept {
        return counts_[static_cast<std::size_t>(rule)];
    }

 private:
    struct Candidate {
        std::int64_t price = 0;  // doubled
        std::int64_t time = 0;
        std::uint32_t source = 0;
        std::uint32_t count = 0;  // 0: there is none
        std::vector<HeldTrade> held;
    };
    struct Symbol {
        std::array<std::int64_t, tick_window> prices{};  // doubled, so that a mid is an integer
        std::size_t count = 0, next = 0, since_band = 0;
        std::int64_t median = 0, width = 0;
        Candidate candidate;
        std::int64_t locked_since = 0;
        bool is_locked = false;
        TradeMemory trades;
    };
    struct Last {  // per source and symbol
        QuotePayload quote{};
        MarkPayload mark{};
        bool has_quote = false, has_mark = false;
    };
    struct Source {
        DelayFloor floor;
        std::uint32_t ahead = 0;  // messages in a row whose time was ahead
        std::vector<Last> last;   // by symbol
    };

    [[nodiscard]] bool is_on(TickRule rule) const noexcept {
        return (options_.rules >> static_cast<unsigned>(rule) & 1u) != 0;
    }
    TickRule refused(TickRule rule) noexcept {
        ++counts_[static_cast<std::size_t>(rule)];
        return rule;
    }
    Symbol& symbol_at(std::uint32_t symbol);
    Source& source_at(std::uint32_t source);
    Last& last_at(std::uint32_t source, std::uint32_t symbol);
    TickRule times(std::uint32_t source, std::int64_t event, std::int64_t received,
                   bool is_late_bad);
    bool is_spike(Symbol& own, std::uint32_t source, std::int64_t time, std::int64_t price,
                  const HeldTrade* trade);
    void learn(Symbol& own, std::int64_t price);
    void remember(Symbol& own, const TradePayload& trade);
    void band(Symbol& own) noexcept;

    TickFilterOptions options_;
    std::vector<Symbol> symbols_;
    std::vector<Source> sources_;
    std::vector<HeldTrade> released_;
    std::array<std::uint64_t, tick_rule_names.size()> counts_{};
};

}  // namespace onetape
