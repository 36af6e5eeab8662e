#pragma once
// One instrument inside a run: its facts, the recorded market as it stands now, and what the robot
// asked to hear of it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/detail_market.hpp"
#include "exchange/funding_watch.hpp"
#include "exchange/recorded.hpp"
#include "journal/events.hpp"
#include "market/bar_window.hpp"
#include "market/bars.hpp"
#include "market/book.hpp"
#include "market/mbo_book.hpp"

namespace onetape {

inline constexpr std::uint32_t want_quotes = 1, want_trades = 2, want_book = 4, want_mark = 8,
                               want_funding = 16, want_liquidations = 32, want_mbo = 128,
                               want_conflated = 256;  // not each quote and mark where it is behind

// One subscribed period; its place in Instrument::bars is its builder's in the stream.
struct BarFeed {
    std::int64_t period = 0;
    BarSource source = BarSource::trade;
    std::string text;  // as subscribed: "1m"
    BarWindow window;
    bool shown = true;  // false: unsubscribed, kept only for its window

    BarFeed(std::int64_t period_ns, BarSource from, std::string as_text, const InstrumentSpec& spec)
        : period(period_ns),
          source(from),
          text(std::move(as_text)),
          window(spec.price_decimals + extra_decimals(), spec.size_decimals) {}
    [[nodiscard]] int extra_decimals() const noexcept { return source == BarSource::mid ? 1 : 0; }
};

// What the robot has heard of its funding.
struct FundingRates {
    std::optional<FundingPayload> last;      // payment
    std::optional<FundingRatePayload> next;  // as the venue says

    // Of the next payment, 1e-12: where nobody says it, that of the last one.
    [[nodiscard]] std::optional<std::int64_t> rate() const noexcept {
        if (next) return next->rate;
        return last ? std::optional(last->rate) : std::nullopt;
    }
    // Of the payment after that one.
    [[nodiscard]] std::optional<std::int64_t> predicted() const noexcept {
        return next && next->has_predicted != 0 ? std::optional(next->predicted) : std::nullopt;
    }
    // ns, 0: not known.
    [[nodiscard]] std::int64_t interval() const noexcept { return last ? last->interval_ns : 0; }
    // Of the next payment, ns UTC, 0: not known.
    [[nodiscard]] std::int64_t due() const noexcept {
        if (next && next->next_ns != 0) return next->next_ns;
        return interval() > 0 ? last->ts_event + interval() : 0;
    }
};

struct Instrument {
    std::uint32_t index = 0;
    std::string symbol;
    std::string robot_tag;  // of the run: begins its client order ids
    InstrumentSpec spec;
    std::uint32_t settle = 0, base = 0;  // currency indices, of its venue's account
    std::uint32_t route = 0;             // to its venue and back
    std::uint32_t gateway = no_gateway;  // the tape of the gateway that trades it
    bool is_away = false;                // that gateway is: it takes no orders
    std::int64_t opening_doubled = 0;    // twice its first price, where coins are there before it
    double price_scale = 1.0, size_scale = 1.0;
    const MarketInterest* interest = nullptr;  // of the exchange
    MarketView view;
    Book book;
    Book fused;                            // the exchange's, where quotes move it too; else unused
    std::unique_ptr<MboBook> orders;       // of the venue's book, from the first message of one
    std::unique_ptr<DetailMarket> detail;  // with --detail-data: where the exchange looks instead
    std::uint32_t subscribed = 0;          // what the strategy subscribed to
    std::uint32_t wants = 0;               // that part of it which it has callbacks for
    bool was_synced = false;
    bool is_listed = false;
    FundingWatch funding;
    FundingRates rates;
    std::int64_t funding_interval = 0;  // ns, 0: not known
    BarStream stream;
    std::vector<std::unique_ptr<BarFeed>> bars;

    static constexpr std::uint32_t no_gateway = ~0U;
    [[nodiscard]] bool is_traded() const noexcept { return gateway != no_gateway; }

    // What orders are filled on.
    [[nodiscard]] MarketView& fill_view() noexcept { return detail ? detail->view : view; }
    // A quote in the exchange's book. False: it says nothing new.
    bool fuse(const QuotePayload& quote) {
        view.keep_mid();
        return fused.fuse(quote);
    }
    // Twice the best price known for valuing: mark, mid of quote or book, last trade, bar close,
    // the last mid that there was; 0: none. The mid goes before the last trade, which lies on one
    // side of the spread and may be old: what is held would gain and lose half of it without a
    // move.
    [[nodiscard]] std::int64_t value_doubled() const noexcept {
        if (view.mark != 0) return 2 * view.mark;
        if (view.has_quote && view.quote.bid != 0 && view.quote.ask != 0)
            return view.quote.bid + view.quote.ask;
        if (book.synced() && book.bid_count() != 0 && book.ask_count() != 0)
            return book.best_bid() + book.best_ask();
        if (view.has_trade) return 2 * view.trade.price;
        if (view.has_bar) return 2 * view.bar.close;
        return view.last_mid_doubled;
    }
    [[nodiscard]] std::int64_t value_price() const noexcept { return value_doubled() / 2; }
    // What a taker of `side` would meet; 0: not known.
    [[nodiscard]] std::int64_t touch(Side side) const noexcept {
        if (view.has_quote) {
            const std::int64_t price = side == Side::buy ? view.quote.ask : view.quote.bid;
            if (price != 0) return price;
        }
        if (book.synced()) {
            if (side == Side::buy && book.ask_count() != 0) return book.best_ask();
            if (side == Side::sell && book.bid_count() != 0) return book.best_bid();
        }
        return value_price();
    }
};

}  // namespace onetape
