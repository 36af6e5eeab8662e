#pragma once
// The exchange inside backtest and paper: own orders against a recorded market. Order rules,
// triggers, fees and account are those of the matching engine's venues; what differs is where
// liquidity comes from. docs/concepts/fills.md states each fill rule in words.
//
// The caller owns time: it calls `request` at the moment an order ARRIVES, and the market hooks in
// tape order after it has written the event into the instrument's MarketView. Nothing here
// allocates once the tables have grown to the number of orders that work at a time.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "base/id_map.hpp"
#include "exchange/account.hpp"
#include "exchange/attachment.hpp"
#include "exchange/impact.hpp"
#include "exchange/instrument.hpp"
#include "exchange/queue.hpp"
#include "exchange/venue_rules.hpp"
#include "journal/events.hpp"
#include "market/book.hpp"
#include "market/mbo_book.hpp"

namespace onetape {

// Is `price` at least as good a deal as `limit` for somebody who wants to `side`?
[[nodiscard]] constexpr bool within(Side side, std::int64_t price, std::int64_t limit) noexcept {
    return side == Side::buy ? price <= limit : price >= limit;
}

struct MarketView {             // one instrument's recorded market, written by the engine loop
    std::uint64_t version = 0;  // +1 for each market event: what we took is remembered until then
    bool has_quote = false, has_trade = false, has_bar = false;
    bool has_volume = false;  // some bar said its volume: from then on 0 means that none was traded
    QuotePayload quote{};
    TradePayload trade{};
    BarPayload bar{};
    std::int64_t mark = 0, index = 0;  // 0: none
    const Book* book = nullptr;        // null without depth
    const MboBook* orders = nullptr;   // null without market-by-order data
    // Twice the last mid at which both sides were there, 0: none. Where a side is gone and nothing
    // else says a price, this is what the instrument is worth; only then is it asked for, so it is
    // written down only where it is about to go.
    std::int64_t last_mid_doubled = 0;

    [[nodiscard]] bool has_book() const noexcept { return book != nullptr && book->synced(); }
    // Twice the mid of what is displayed: of depth, else of the quote. A side of a quote is missing
    // when the venue sent neither price nor size for it. False: one is.
    [[nodiscard]] bool mid_doubled(std::int64_t& doubled) const noexcept {
        if (has_book()) {
            if (book->bid_count() == 0 || book->ask_count() == 0) return false;
            doubled = book->best_bid() + book->best_ask();
            return true;
        }
        if (!has_quote || (quote.bid == 0 && quote.bid_size == 0) ||
            (quote.ask == 0 && quote.ask_size == 0))
            return false;
        doubled = quote.bid + quote.ask;
        return true;
    }
    // Twice the last price (a mid may fall between two units): of a trade, else the mid, else
    // `bar_price`, of a bar. False: none is known.
    [[nodiscard]] bool last_doubled(std::int64_t bar_price, std::int64_t& doubled) const noexcept {
        if (has_trade)
            doubled = 2 * trade.price;
        else if (!mid_doubled(doubled)) {
            doubled = 2 * bar_price;
            return has_bar;
        }
        return true;
    }
    // Data without marks or an index must not leave a stop dead: those then go by the last price.
    [[nodiscard]] bool goes_by_last(TriggerBy by) const noexcept {
        if (by == TriggerBy::mark) return mark == 0;
        if (by == TriggerBy::index) return index == 0;
        return true;
    }
    // What a holding is valued at: the mark, else the last price, else the last mid; 0: none.
    [[nodiscard]] std::int64_t reference(std::int64_t bar_price) const noexcept {
        if (mark != 0) return mark;
        std::int64_t doubled = 0;
        return (last_doubled(bar_price, doubled) ? doubled : last_mid_doubled) / 2;
    }
    // Twice the price that a trigger goes by. False: none is known.
    [[nodiscard]] bool trigger_doubled(TriggerBy by, std::int64_t bar_price,
                                       std::int64_t& doubled) const noexcept {
        if (goes_by_last(by)) return last_doubled(bar_price, doubled);
        doubled = 2 * (by == TriggerBy::mark ? mark : index);
        return true;
    }
    // Before anything that may take a side away. A trade or a bar says a price from then on. Not
    // inlined: few quotes lack a side, and the loop over them is short of registers.
    [[gnu::noinline]] void keep_mid() noexcept {
        if (has_trade || has_bar || (orders != nullptr && !orders->is_whole())) return;
        if (std::int64_t doubled = 0; mid_doubled(doubled)) last_mid_doubled = doubled;
    }
    void set_quote(const QuotePayload& next) noexcept {
        if (next.bid == 0 || next.ask == 0) [[unlikely]]
            keep_mid();
        quote = next;
        has_quote = true;
        ++version;
    }
    void set_bar(const BarPayload& next) noexcept {
        bar = next;
        has_bar = true;
        has_volume = has_volume || next.volume > 0;
        ++version;
    }
};

// What the exchange has to do with an instrument's market.
struct MarketInterest {
    std::uint32_t working = 0;  // own orders
    bool held = false;          // a contract's position is open
    bool lent = false;          // spot: something is owed in its currencies
    bool closed = false;        // its venue is, by its hours
    bool pushed = false;        // own trades move it: each event says how far

    [[nodiscard]] bool none() const noexcept { return working == 0 && !(held | lent | pushed); }
    [[nodiscard]] bool active() const noexcept { return working != 0 && !closed; }
    [[nodiscard]] bool watched() const noexcept { return (held || lent) && !closed; }
};

// Money that moves without a fill. What a venue pays out counts positive.
enum class CashKind : std::uint8_t { funding = 0, insurance = 1, interest = 2 };

struct CashNews {
    std::int64_t time = 0;
    Money amount = 0;
    CashKind kind = CashKind::funding;
    PositionSide side = PositionSide::both;  // of the position that it belongs to
    std::uint32_t currency = 0;              // interest alone: it belongs to no instrument
};

struct FeeNews {  // the volume reached another tier
    std::int64_t time = 0;
    Money volume = 0;
    std::int64_t maker = 0, taker = 0;
    std::uint32_t tier = 0;  // 0: the instrument's own fees
};

struct LoanNews {  // the level of what is owned to what is owed crossed the venue's call
    std::int64_t time = 0;
    Money assets = 0, debts = 0;
    std::uint32_t currency = 0;
    bool called = false;  // else it is above the call again
};

class ExchangeSink {
 public:
    virtual ~ExchangeSink() = default;
    virtual void on_cash(std::uint32_t instrument, const CashNews& cash) = 0;
    virtual void on_fees(std::uint32_t instrument, const FeeNews& fees) = 0;
    // instrument: one that is priced in the currency.
    virtual void on_loan(std::uint32_t instrument, const LoanNews& loan) = 0;
    virtual void on_order_event(std::uint32_t instrument, const OrderEventPayload& event) = 0;
    virtual void on_fill(std::uint32_t instrument, const FillPayload& fill) = 0;
};

struct RecordedOptions {
    QueueOptions queue;
    std::int64_t bar_volume_share = 500'000;  // 1e-6 of a bar's volume that we may take
    bool check_funds = true;
    bool fuse = false;  // quotes move the book's touch between its own messages
    // A resting limit that a bar opens beyond fills at its own price, and not at the open.
    bool limits_at_limit = false;
    ImpactOptions impact;
};

// What a report must say about how fills came about.
struct RecordedCounters {
    std::uint64_t orders = 0, rejected = 0, fills = 0;
    std::uint64_t fills_without_volume = 0;       // bars that do not say their volume: not capped
    std::uint64_t fills_without_size = 0;         // quotes that do not say their size: not capped
    std::uint64_t fills_beyond_touch = 0;         // L1: one tick worse than the displayed touch
    std::uint64_t liquidations = 0;               // forced closings, each step of them
    std::uint64_t liquidations_without_mark = 0;  // by the last price or the mid
    std::uint64_t fee_tier_changes = 0;
    std::uint64_t settlements = 0;  // positions closed when their contract expired
    std::uint64_t settlements_without_mark = 0;
    std::uint64_t rate_limited = 0;
    // By order: came to rest while the venue's orders were unknown.
    std::uint64_t queue_unknown = 0;
    std::uint64_t insurance_payments = 0;    // losses beyond the money behind them
    std::uint64_t deleveragings = 0;         // positions taken over
    std::uint64_t deleveragings_missed = 0;  // facts that found nothing to take
    std::uint64_t loan_calls = 0, loan_liquidations = 0;
    // Prints at a price of ours, larger than what was displayed there: hidden orders stood before
    // us or behind us, and no data say which.
    std::uint64_t trades_beyond_display = 0;
    // Bars inside which own orders were reached both on the way up and on the way down from the
    // open: which came first is not in the data. And the fills inside such bars.
    std::uint64_t ambiguous_bars = 0, ambiguous_fills = 0;
    std::uint64_t gapped_limits = 0;  // fills of resting limits at an open beyond their price
    // Stops that came after the bar of the fill that they protect, and that it had reached.
    std::uint64_t late_stops = 0;
    // Of takers, where own trades move the market: dearer for it, and before it was measured.
    std::uint64_t impact_fills = 0, impact_unmeasured = 0;
};

struct PushedFill {  // a fill that own trades made dearer, and at which price it would have been
    std::uint64_t trade_id;
    std::int64_t recorded;
    std::uint32_t instrument;
};

struct AmbiguousBar {
    std::int64_t ts_open;
    std::uint32_t instrument;
};

class RecordedExchange {
 public:
    RecordedExchange(const RecordedOptions& options, Account& account, ExchangeSink& sink) noexcept;

    // Also tells the account. `view` must outlive the exchange.
    void set_instrument(std::uint32_t index, const InstrumentSpec& spec,
                        std::uint32_t settle_currency, std::uint32_t base_currency,
                        const MarketView* view) noexcept;

    // Where it looks from now on; `view` must outlive the exchange.
    void set_view(std::uint32_t index, const MarketView* view) noexcept {
        markets_[index].view = view;
    }

    // What orders of the one take of the displayed market, of a print or of a bar is gone for the
    // other's. Both views are written with the same events.
    void share_market(std::uint32_t index, std::uint32_t of) noexcept {
        markets_[index].pool = markets_[of].pool == no_pool ? of : markets_[of].pool;
    }

    // Brackets, leverage and what else is a table; call it after set_instrument.
    void set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept;

    // Traded before the run, in the windows from now on: of the groups named, and of all others.
    void add_volume(std::int64_t now, Money others,
                    const std::map<std::uint32_t, Money>& groups = {}) noexcept;
    // The same of a group that will come later.
    void set_volume_before(std::uint32_t group, Money amount) { before_.groups[group] = amount; }
    [[nodiscard]] Money volume(std::uint32_t index, std::int64_t now) noexcept;
    [[nodiscard]] const InstrumentSpec& spec(std::uint32_t index) const noexcept {
        return markets_[index].spec;
    }
    [[nodiscard]] std::size_t fee_tier(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].fee_tier : 0;
    }

    // Units that stand before a resting order, QueuePlace::unknown where that is not known or there
    // is no such order.
    [[nodiscard]] std::int64_t units_ahead(std::uint8_t robot,
                                           std::uint64_t order_id) const noexcept {
        const std::uint32_t slot = ids_.find(robot, order_id);
        if (slot == IdMap::absent || orders_[slot].place != Place::resting)
            return QueuePlace::unknown;
        return orders_[slot].queue.ahead;
    }
    // Bars of another period are looked at from now on.
    void forget_bar_period(std::uint32_t index) noexcept { markets_[index].bar_period = 0; }

    // Once, before `begin`; the run starts at `now`.
    void set_rules(const VenueRules& rules) noexcept;
    void begin(std::int64_t now) noexcept;
    void deposit(std::uint32_t currency, Money amount) noexcept;  // negative: withdrawal
    // What happens by the clock: when it is next due, and all that is due then.
    [[nodiscard]] std::int64_t next_event() const noexcept { return next_event_; }
    void run_events(std::int64_t now) noexcept;
    // With a clock of the venue's own: whether it was open when the next market event happened.
    void look_at_hours(std::uint32_t index, std::int64_t now) noexcept;
    // Works or holds, and its venue is open: the hooks below are for such instruments.
    [[nodiscard]] bool active(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].active();
    }
    // The same to be asked for every event; stays in place until another instrument is set.
    [[nodiscard]] const MarketInterest* interest(std::uint32_t index) const noexcept {
        return &markets_[index];
    }

    // Place, cancel or amend at the moment of arrival. Answers through the sink before it returns.
    void request(std::uint32_t index, std::int64_t now,
                 const OrderRequestPayload& request) noexcept;

    // The order of this id, which is about to arrive, is attached to another.
    void attach(std::uint64_t order_id, const Attachment& attached) {
        attachments_[order_id] = attached;
    }

    // True when a market hook could do something for this instrument.
    [[nodiscard]] bool working(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].working != 0;
    }
    // True when a contract is held, or something is owed beside a spot instrument: `watch` then
    // asks after each event, once the hooks below are through, whether it is still covered.
    [[nodiscard]] bool held(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].watched();
    }
    // The venue takes `size` of a contract's position over at `price`, free of fee. Working orders
    // that then have nothing to reduce go. Returns what was there to take.
    std::int64_t deleverage(std::uint32_t index, PositionSide side, std::int64_t size,
                            std::int64_t price, std::int64_t now) noexcept;
    void watch(std::uint32_t index, std::int64_t now) noexcept;
    // The same after a quote: its mid lies between its prices, and where another price counts
    // nothing has changed.
    void watch_quote(std::uint32_t index, std::int64_t now) noexcept {
        const Market& market = markets_[index];
        const QuotePayload& quote = market.view->quote;
        if (market.safe_revision == account_->revision() && quote.bid >= market.safe_low &&
            quote.ask <= market.safe_high && quote.bid <= quote.ask) [[likely]]
            return;
        watch(index, now);
    }

    void on_quote(std::uint32_t index, std::int64_t now) noexcept;
    void on_trade(std::uint32_t index, std::int64_t now) noexcept;
    void on_book(std::uint32_t index, std::int64_t now) noexcept;
    // One order of the venue's changed so.
    void on_mbo(std::uint32_t index, std::int64_t now, const MboChange& change) noexcept;
    // The view has the venue's orders from now on.
    void begin_orders(std::uint32_t index) noexcept;
    // Own orders have their exact place in the queue here.
    [[nodiscard]] bool by_order(std::uint32_t index) const noexcept {
        return index < markets_.size() && by_order(markets_[index]);
    }
    void on_bar(std::uint32_t index, std::int64_t now) noexcept;
    // What happened is noted for the size of own impact: of a bar once its orders are through.
    void measure(std::uint32_t index, std::int64_t now, bool is_trade) noexcept;
    void measure_bar(std::uint32_t index) noexcept;
    void on_mark(std::uint32_t index, std::int64_t now) noexcept;
    // Settles funding on the account, and says so. Call it whether or not orders work. With bars
    // alone and an order that may fill at the open of the bar around it, it waits for that bar.
    void on_funding(std::uint32_t index, std::int64_t now, const FundingPayload& funding) noexcept;
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    [[nodiscard]] std::int64_t next_expiry() const noexcept { return next_expiry_; }
    void expire(std::int64_t now) noexcept;  // cancels what is good until `now` or earlier
    void end_data() noexcept;                // what waits for a bar waits no longer
    void finish(std::int64_t now) noexcept;  // the same, and cancels all that still works

    [[nodiscard]] const RecordedCounters& counters() const noexcept { return counters_; }
    // The first of them; `counters` has them all.
    static constexpr std::size_t ambiguous_kept = 100;
    [[nodiscard]] const std::vector<AmbiguousBar>& ambiguous_bars() const noexcept {
        return ambiguous_;
    }
    [[nodiscard]] const std::vector<PushedFill>& pushed_fills() const noexcept { return pushed_; }
    // What own impact has cost takers of an instrument, in its settle currency.
    [[nodiscard]] Money impact_cost(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].impact_cost : 0;
    }
    // What resting limits have got beyond their own price at opens, in the settle currency.
    [[nodiscard]] Money gapped_gain(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].gapped_gain : 0;
    }

 private:
    // Where an order stands: not yet triggered, triggered but not live yet, waiting for a market to
    // take from (market orders before the first event, or in bars), or resting in the book.
    enum class Place : std::uint8_t { trigger, delayed, waiting, resting };

    struct Order {
        OrderRequestPayload request;  // as accepted: price, whole size, trigger
        std::uint64_t venue_id;
        std::int64_t filled;
        QueuePlace queue;
        std::uint64_t rank;           // by order: the venue's orders of lower rank stand before it
        std::int64_t reserved_price;  // what its working part is valued at, 0: nothing reserved
        std::int64_t arrival;         // when it took its place
        std::uint32_t instrument;
        Place place;
        // It would have crossed when it arrived: in bar mode, and where own trades moved the market
        // away from it.
        bool taker;
        bool live;
        // Bar mode: it waits for money that orders before it will free, and the last bar that it
        // met offered it this.
        bool on_credit, has_offer;
        std::int64_t offer_time, offer_price;
        Int128 cost;          // sum of price * size over its fills
        Attachment attached;  // its entry, where it has one, and
        std::int64_t covers;  // what of its fills this order has to close
        [[nodiscard]] bool sleeps() const noexcept { return attached.entry != 0 && covers == 0; }
    };

    struct Funding {  // of a bar whose open is not known yet
        std::int64_t time;
        FundingPayload terms;
    };

    struct Taken {  // what we took of a displayed level within one version of the view
        std::int64_t price, size;
        Side side;  // of the level: buy is a bid
    };

    static constexpr std::uint32_t no_pool = ~0U;

    struct Market : MarketInterest {
        InstrumentSpec spec;
        const MarketView* view = nullptr;
        std::vector<std::uint32_t> bids, asks;  // resting, best price first, then arrival
        std::vector<std::uint32_t> triggers;    // by arrival
        std::vector<std::uint32_t> waiting;     // by arrival
        std::vector<Taken> taken;
        std::uint64_t taken_version = 0;
        std::int64_t bar_period = 0;   // the shortest seen: longer bars repeat what it said
        std::int64_t bar_left = 0;     // what we may still take of the bar in hand
        std::uint32_t pool = no_pool;  // the market that has these and the next, where not its own
        std::int64_t print_left = 0;   // of the last trade
        std::uint64_t print_version = 0, bar_version = 0;
        bool bar_capped = false;
        bool in_bar = false;            // while a bar is gone through, its close is not known:
        std::int64_t bar_price = 0;     // this is
        std::vector<Funding> fundings;  // by time: they wait for the bar that they lie in
        Money gapped_gain = 0;        // by limits that the open gapped over, beyond their own price
        std::int64_t filled_bar = 0;  // end of the last bar that filled an order before its close
        bool settled = false;         // its own end
        std::int64_t expiry = 0;
        std::uint32_t venue = 0;
        AmendTerms amend;
        bool refuses_met_triggers = false;
        std::vector<FeeTier> fee_tiers;
        std::size_t fee_tier = 0;
        std::int64_t base_maker = 0, base_taker = 0;
        std::uint32_t volume_group = 0;
        std::int64_t safe_low = 0, safe_high = 0;  // no liquidation between them, while the
        std::uint64_t safe_revision = 0;           // account is at this revision
        // span: by arithmetic in doubles, so a little less than that is kept.
        void keep_safe(std::int64_t price, double span, std::uint64_t revision) noexcept {
            const auto width = static_cast<std::int64_t>(std::min(span * 0.999, 4e18));
            safe_low = price - width;
            safe_high = price + width;
            safe_revision = revision;
        }
        Money impact_cost = 0;
        bool sweep = false;  // a fill may have left reduce-only orders with nothing to reduce
    };

    struct TradedBefore {  // the run, by volume group
        std::int64_t time = 0;
        Money others = 0;
        std::map<std::uint32_t, Money> groups{};
    };

    struct Venue {
        TokenBucket bucket;
    };

    struct Delayed {  // triggered, and not live before `due`
        std::int64_t due;
        std::uint64_t venue_id;  // of the order: its slot may be another's by then
        std::uint32_t slot;
    };

    struct Step {  // one planned taking, at the recorded price, and what it costs
        std::int64_t price, size, paid;
    };

    // recorded.cpp: requests and the life of an order
    void place(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    void cancel(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    void amend(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    // on_credit: what else has arrived will have to pay for it.
    [[nodiscard]] std::uint16_t admit(std::uint32_t index, std::int64_t now,
                                      OrderRequestPayload& request, bool is_attached,
                                      bool& on_credit) noexcept;
    void cover_legs(const Order& order, std::int64_t size) noexcept;
    [[nodiscard]] std::uint16_t check_market(std::uint32_t index,
                                             const OrderRequestPayload& request, std::int64_t size,
                                             std::int64_t now, bool* on_credit = nullptr) noexcept;
    void activate(std::uint32_t slot, std::int64_t now) noexcept;
    void rest(std::uint32_t slot, std::int64_t now) noexcept;
    void close(std::uint32_t slot, std::int64_t now, OrderNews news, std::uint16_t code) noexcept;
    void release(std::uint32_t slot) noexcept;
    void unlink(std::uint32_t slot) noexcept;
    void reserve(Order& order, std::int64_t price) noexcept;
    void unreserve(Order& order) noexcept;
    std::int64_t fill(std::uint32_t slot, std::int64_t time, std::int64_t price, std::int64_t size,
                      Liquidity liquidity) noexcept;
    // A fill whose recorded price own trades have made worse.
    std::int64_t fill_pushed(std::uint32_t slot, std::int64_t time, std::int64_t recorded,
                             std::int64_t paid, std::int64_t size, Liquidity liquidity) noexcept;
    void sweep_reduce_only(std::uint32_t index, std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t reducible(std::uint32_t index,
                                         const OrderRequestPayload& request) const noexcept;
    static void note_bar_period(Market& market) noexcept;
    void find_next_expiry() noexcept;
    void note_expiry(const OrderRequestPayload& request) noexcept;
    void emit(const Order& order, std::int64_t now, OrderNews news, OrderState state,
              std::uint16_t code) noexcept;
    void refuse(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request,
                OrderNews news, std::uint16_t code) noexcept;

    // recorded_market.cpp: what the recorded market gives
    [[nodiscard]] static bool has_book(const Market& market) noexcept;
    [[nodiscard]] static bool bars_only(const Market& market) noexcept;
    [[nodiscard]] static bool silent(const Market& market) noexcept;
    [[nodiscard]] static bool touch(const Market& market, Side side, std::int64_t& price) noexcept;
    [[nodiscard]] static bool crosses(const Market& market, Side side, std::int64_t price) noexcept;
    // Twice the price that triggers and bands go by (a mid may fall between two units).
    [[nodiscard]] static std::int64_t bar_last(const Market& market) noexcept;
    [[nodiscard]] bool untouched(const Market& market, std::int64_t low,
                                 std::int64_t high) const noexcept;
    [[nodiscard]] bool trigger_met(std::uint32_t index, const OrderRequestPayload& request,
                                   std::int64_t now) noexcept;
    [[nodiscard]] static std::int64_t reference(const Market& market) noexcept;
    [[nodiscard]] static std::int64_t displayed(const Market& market, Side side,
                                                std::int64_t price) noexcept;
    [[nodiscard]] static std::int64_t display_stamp(const Market& market) noexcept;
    std::int64_t plan(std::uint32_t index, const OrderRequestPayload& request, std::int64_t size,
                      bool beyond_touch, std::int64_t now) noexcept;
    void take(std::uint32_t slot, std::int64_t now) noexcept;
    // Whose liquidity a market's orders take: its own, or that of the one it is shared with.
    [[nodiscard]] Market& pool_of(Market& market) noexcept {
        return market.pool == no_pool ? market : markets_[market.pool];
    }
    // What own trades do to a market, on whichever account they are.
    [[nodiscard]] OwnImpact& impact_of(std::uint32_t index) noexcept {
        const std::uint32_t pool = markets_[index].pool;
        return impacts_[pool == no_pool ? index : pool];
    }
    [[nodiscard]] static std::int64_t taken_of(Market& pool, Side level,
                                               std::int64_t price) noexcept;
    static void note_taken(Market& pool, Side level, std::int64_t price,
                           std::int64_t size) noexcept;
    void take_waiting(std::uint32_t index, std::int64_t now) noexcept;
    void fire(std::uint32_t slot, std::int64_t now, std::uint16_t code = 0) noexcept;
    void fire_triggers(std::uint32_t index, std::int64_t now) noexcept;
    void fill_touched(std::uint32_t index, std::int64_t now) noexcept;
    void fill_traded(std::uint32_t index, std::int64_t now) noexcept;
    void fill_traded_side(std::uint32_t index, std::int64_t now, Side side,
                          std::int64_t& budget) noexcept;
    void limit_queues(Market& market) noexcept;
    void mark_account(std::uint32_t index) noexcept;
    // Of the markets that have data, at their prices of now.
    template <class Which>
    void mark_where(const Which& which) noexcept {
        for (std::uint32_t i = 0; i < markets_.size(); ++i)
            if (markets_[i].view != nullptr && which(i)) mark_account(i);
    }
    void mark_for_funds(std::uint32_t index) noexcept;
    // What is below zero was borrowed, and the levels of loans see to it: no insurance pays a loan.
    [[nodiscard]] bool is_loan(std::uint32_t currency) const noexcept {
        return rules_.loans.call > 0 && account_->may_borrow(currency);
    }
    // A coin's price moves the level of loans, and so does a contract's: its profit is money.
    [[nodiscard]] bool moves_loans_of(std::uint32_t currency, std::uint32_t index) const noexcept {
        const Market& market = markets_[index];
        return (market.lent || market.held) && account_->settle(index) == currency;
    }

    // recorded_mbo.cpp: the venue's orders one by one
    [[nodiscard]] bool by_order(const Market& market) const noexcept {
        return options_.queue.by_order && market.view != nullptr && market.view->orders != nullptr;
    }
    void join_queue(Order& order) noexcept;
    void forget_queue(Market& market, Side side) noexcept;
    void move_queue(Market& market, const MboChange& change) noexcept;
    void place_blind(Market& market) noexcept;
    void fill_behind(std::uint32_t index, std::int64_t now, const MboChange& change) noexcept;
    void fill_met(std::uint32_t index, std::int64_t now, const MboChange& change) noexcept;

    // recorded_impact.cpp: what own trades do to the market
    // By how much an order finds the market worse, as something to add to its prices.
    [[nodiscard]] std::int64_t push(std::uint32_t index, Side side, std::int64_t now) noexcept {
        return markets_[index].pushed ? displacement(index, side, now) : 0;
    }
    // The same for what comes to a resting order. A print that has to come further than it was
    // recorded meets a queue that nobody knows there: it has to go through.
    [[nodiscard]] std::int64_t reach(std::uint32_t index, Side side, std::int64_t now) noexcept {
        const std::int64_t pushed = push(index, side, now);
        return pushed + (pushed > 0 ? 1 : pushed < 0 ? -1 : 0);
    }
    [[nodiscard]] std::int64_t displacement(std::uint32_t index, Side side,
                                            std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t worse(const Market& market, const OrderRequestPayload& request,
                                     std::int64_t price, std::int64_t ticks) const noexcept;
    [[nodiscard]] std::int64_t pushed_price(std::uint32_t index, const OrderRequestPayload& request,
                                            std::int64_t price, std::int64_t before,
                                            std::int64_t size, std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t room_within(std::uint32_t index, const OrderRequestPayload& request,
                                           std::int64_t price, std::int64_t before,
                                           std::int64_t size, std::int64_t now) noexcept;
    [[nodiscard]] bool was_kept(std::uint32_t index, const OrderRequestPayload& request) noexcept;
    void note_impact(std::uint32_t index, const FillPayload& fill) noexcept;

    // fees.cpp: fees that change
    void add_volume_before(std::uint32_t group) noexcept;
    void add_volume_group() noexcept;
    template <class Change>
    void with_reserves_anew(std::uint32_t index, const Change& change) noexcept;
    void update_tier(std::uint32_t index, std::int64_t now) noexcept;
    void count_volume(const Market& market, std::int64_t now, std::int64_t price,
                      std::int64_t size) noexcept;

    // venue_hours.cpp: by the clock
    [[nodiscard]] Venue& venue_of(std::uint32_t index) noexcept;
    [[nodiscard]] bool closed_at(std::uint32_t venue, std::int64_t now,
                                 std::int64_t& until) const noexcept;
    [[nodiscard]] std::uint16_t venue_refusal(std::uint32_t index, std::int64_t now,
                                              RequestKind kind) noexcept;
    void find_next_event() noexcept;
    void settle(std::uint32_t index, std::int64_t now) noexcept;
    void charge_interest(std::int64_t now) noexcept;
    void delay_trigger(std::uint32_t slot, std::int64_t due) noexcept;
    void go_live(std::uint32_t slot, std::int64_t now, bool is_reported,
                 std::uint16_t triggered = 0) noexcept;

    // liquidation.cpp: what is no longer covered
    void note_held(std::uint32_t index) noexcept;
    void check_margin(std::uint32_t index, std::int64_t now) noexcept;
    void set_spans(std::uint32_t index, Money spare) noexcept;
    void liquidate_cross(std::uint32_t currency, std::int64_t now) noexcept;
    void liquidate_isolated(std::uint32_t index, PositionSide side, std::int64_t now) noexcept;
    void liquidate_step(std::uint32_t index, PositionSide side, std::int64_t now) noexcept;
    [[nodiscard]] FillPayload venue_fill(std::uint32_t index, PositionSide side, std::int64_t price,
                                         std::int64_t size, std::int64_t now,
                                         std::uint64_t orders) noexcept;
    void book_venue_fill(std::uint32_t index, const FillPayload& fill) noexcept;
    void close_by_venue(std::uint32_t index, PositionSide side, const FillPayload& fill,
                        std::int64_t now) noexcept;
    template <class Which>
    void cancel_where(std::int64_t now, std::uint16_t code, const Which& which) noexcept;

    // deleveraging.cpp: what the venue takes over
    void take_over(const Deleveraging& fact, std::int64_t now) noexcept;
    void run_deleveragings(std::int64_t now) noexcept;

    // loans.cpp: what is owed in spot
    void note_loans() noexcept;
    [[nodiscard]] bool is_owing(std::uint32_t currency) const noexcept;
    [[nodiscard]] bool called_in(const LoanState& loans) const noexcept;
    void check_loans(std::uint32_t currency, std::int64_t now) noexcept;
    void tell_loans(std::uint32_t currency, const LoanState& loans, std::int64_t now) noexcept;
    void set_loan_spans(std::uint32_t currency, const LoanState& loans) noexcept;
    void liquidate_loans(std::uint32_t currency, std::int64_t now) noexcept;
    [[nodiscard]] std::int64_t sellable(std::uint32_t index) const noexcept;
    [[nodiscard]] std::int64_t size_to_repay(std::uint32_t index, Money debt) const noexcept;
    Money repay_step(std::uint32_t index, Side side, std::int64_t size, Money fees_left,
                     std::int64_t now) noexcept;
    void stress_bar(std::uint32_t index, std::int64_t now) noexcept;
    void stress_loans(std::uint32_t index, std::int64_t now) noexcept;

    // recorded_bars.cpp: orders against bars
    [[nodiscard]] std::int64_t bar_room(Market& market, std::int64_t wanted) noexcept;
    [[nodiscard]] std::int64_t bar_taker_room(std::uint32_t slot, std::int64_t price,
                                              std::int64_t time) noexcept;
    [[nodiscard]] std::uint16_t funds_on_credit(std::uint32_t index,
                                                const OrderRequestPayload& request,
                                                std::int64_t price, std::int64_t size) noexcept;
    [[nodiscard]] bool bar_pays(std::uint32_t slot, std::int64_t time, std::int64_t price) noexcept;
    void take_offers(std::int64_t now) noexcept;
    std::int64_t bar_fill(std::uint32_t slot, std::int64_t time, std::int64_t price,
                          Liquidity liquidity) noexcept;
    void bar_take(std::uint32_t slot, std::int64_t time, std::int64_t price) noexcept;
    void bar_fire(std::uint32_t slot, std::int64_t time, std::int64_t price) noexcept;
    void bar_triggered(std::uint32_t slot, std::int64_t time, std::int64_t price) noexcept;
    void pay_funding(std::uint32_t index, const Funding& funding) noexcept;
    void pay_fundings(std::uint32_t index, std::int64_t until) noexcept;
    void bar_open(std::uint32_t index) noexcept;
    template <class Meets>
    void bar_at_price(std::uint32_t index, std::int64_t time, std::int64_t price, bool at_open,
                      const Meets& meets) noexcept;
    void bar_inside(std::uint32_t index, std::int64_t now) noexcept;
    [[nodiscard]] bool bar_ambiguous(std::uint32_t index) const noexcept;
    [[nodiscard]] static bool bar_reaches(const Market& market, const Order& order) noexcept;
    [[nodiscard]] bool bar_fills_entry(const Market& market, const Order& leg) const noexcept;
    void bar_stops(std::uint32_t index, std::int64_t now, bool adverse, bool limits_done) noexcept;
    void bar_limits(std::uint32_t index, std::int64_t now) noexcept;

    RecordedOptions options_;
    Account* account_;
    ExchangeSink* sink_;
    std::vector<Order> orders_;
    std::vector<std::uint32_t> free_;
    IdMap ids_;
    std::map<std::uint64_t, Attachment> attachments_;  // by id, of orders on their way
    std::vector<Market> markets_;
    std::vector<RollingVolume> volumes_{1};  // by group
    TradedBefore before_;
    std::vector<Step> steps_;                       // of the taking being planned
    std::vector<std::uint32_t> batch_, bar_batch_;  // slots in hand while lists change
    RecordedCounters counters_;
    std::vector<AmbiguousBar> ambiguous_;
    std::vector<OwnImpact> impacts_;  // by instrument, where own trades move the market
    std::vector<PushedFill> pushed_;
    std::uint64_t next_venue_id_ = 1, next_trade_id_ = 1, venue_orders_ = 0;
    std::int64_t next_expiry_ = never;
    VenueRules rules_;
    std::vector<Venue> venues_;
    std::vector<Delayed> delayed_;  // by due time, then arrival
    std::uint32_t on_credit_ = 0;   // how many orders are
    std::size_t next_deleveraging_ = 0;
    std::vector<bool> loan_called_;  // by currency
    std::int64_t next_event_ = never, next_interest_ = never;
    std::int64_t clock_ = std::numeric_limits<std::int64_t>::min();  // of the last such event
};

// All that `which` picks, in the order in which the venue took them.
template <class Which>
void RecordedExchange::cancel_where(std::int64_t now, std::uint16_t code,
                                    const Which& which) noexcept {
    batch_.clear();
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) {
        if (orders_[slot].live && which(orders_[slot])) batch_.push_back(slot);
    }
    std::sort(batch_.begin(), batch_.end(), [this](std::uint32_t left, std::uint32_t right) {
        return orders_[left].venue_id < orders_[right].venue_id;
    });
    for (const std::uint32_t slot : batch_) close(slot, now, OrderNews::canceled, code);
}

}  // namespace onetape
