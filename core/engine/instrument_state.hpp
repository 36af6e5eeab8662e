#pragma once
// One instrument of a run: its facts, the present market, and the robot's subscriptions.
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
                               want_conflated =
                                   256;  // only the newest quote and mark while the robot is behind

// One subscribed period; it has the same index in Instrument::bars as its builder in the stream.
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

// The funding reports that the robot has received.
struct FundingRates {
    std::optional<FundingPayload> last;      // payment
    std::optional<FundingRatePayload> next;  // from the venue

    // Rate of the next payment, 1e-12: as published, else that of the last payment.
    [[nodiscard]] std::optional<std::int64_t> rate() const noexcept {
        if (next) return next->rate;
        return last ? std::optional(last->rate) : std::nullopt;
    }
    // Rate of the payment after the next.
    [[nodiscard]] std::optional<std::int64_t> predicted() const noexcept {
        return next && next->has_predicted != 0 ? std::optional(next->predicted) : std::nullopt;
    }
    // ns, 0: unknown.
    [[nodiscard]] std::int64_t interval() const noexcept { return last ? last->interval_ns : 0; }
    // Time of the next payment, ns UTC, 0: unknown.
    [[nodiscard]] std::int64_t due() const noexcept {
        if (next && next->next_ns != 0) return next->next_ns;
        return interval() > 0 ? last->ts_event + interval() : 0;
    }
};

struct Instrument {
    std::uint32_t index = 0;
    std::string symbol;
    std::string robot_tag;  // of the run: prefix of its client order ids
    InstrumentSpec spec;
    std::uint32_t settle = 0, base = 0;  // currency indices in its venue's account
    std::uint32_t route = 0;             // to its venue and back
    std::uint32_t gateway = no_gateway;  // index of the gateway's tape that trades it
    bool is_away = false;                // its gateway is away: it takes no orders
    std::int64_t opening_doubled = 0;    // twice its first price, if coins are held before it
    double price_scale = 1.0, size_scale = 1.0;
    const MarketInterest* interest = nullptr;  // the exchange's
    MarketView view;
    Book book;
    Book fused;                       // the exchange's book where quotes move it, too; else unused
    std::unique_ptr<MboBook> orders;  // the venue's market-by-order book, from its first message on
    std::unique_ptr<DetailMarket>
        detail;                    // with --detail-data: the data that the exchange uses instead
    std::uint32_t subscribed = 0;  // the strategy's subscriptions
    std::uint32_t wants = 0;       // the subscriptions that have callbacks
    bool was_synced = false;
    bool is_listed = false;
    FundingWatch funding;
    FundingRates rates;
    std::int64_t funding_interval = 0;  // ns, 0: unknown
    BarStream stream;
    std::vector<std::unique_ptr<BarFeed>> bars;

    static constexpr std::uint32_t no_gateway = ~0U;
    [[nodiscard]] bool is_traded() const noexcept { return gateway != no_gateway; }

    // The market that orders are filled on.
    [[nodiscard]] MarketView& fill_view() noexcept { return detail ? detail->view : view; }
    // Applies a quote to the exchange's book. False: no change.
    bool fuse(const QuotePayload& quote) {
        view.keep_mid();
        return fused.fuse(quote);
    }
    // Twice the best price for valuation: mark, mid of quote or book, last trade, bar close, the
    // last mid; 0: none. The mid goes before the last trade, which lies on one side of the spread
    // and may be old: a position would gain and lose half the spread without a market move.
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
    // The best price on the opposite side for a taker of `side`; 0: unknown.
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
