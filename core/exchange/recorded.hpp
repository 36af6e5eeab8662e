#pragma once
// The simulated exchange of backtest and paper: own orders against a recorded market. Order rules,
// triggers, fees and account are those of the matching engine's venues; only the source of
// liquidity differs. docs/concepts/fills.md states each fill rule in words.
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

// Returns whether `price` is at least as good as `limit` for an order of `side`.
[[nodiscard]] constexpr bool within(Side side, std::int64_t price, std::int64_t limit) noexcept {
    return side == Side::buy ? price <= limit : price >= limit;
}

struct MarketView {  // one instrument's recorded market, written by the engine loop
    std::uint64_t version =
        0;  // +1 for each market event; until then we remember the liquidity that we took
    bool has_quote = false, has_trade = false, has_bar = false;
    bool has_volume = false;  // some bar reported its volume: from then on 0 means no volume
    QuotePayload quote{};
    TradePayload trade{};
    BarPayload bar{};
    std::int64_t mark = 0, index = 0;  // 0: none
    const Book* book = nullptr;        // null without depth
    const MboBook* orders = nullptr;   // null without market-by-order data
    // Twice the last mid with both sides present, 0: none. It values the instrument when a side is
    // missing and there is no other price; it is therefore stored only when a side is about to go.
    std::int64_t last_mid_doubled = 0;

    [[nodiscard]] bool has_book() const noexcept { return book != nullptr && book->synced(); }
    // Twice the mid of the displayed market: of depth, else of the quote. A side of a quote is
    // missing when the venue sent neither price nor size for it. False: a side is missing.
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
    // `bar_price`. False: unknown.
    [[nodiscard]] bool last_doubled(std::int64_t bar_price, std::int64_t& doubled) const noexcept {
        if (has_trade)
            doubled = 2 * trade.price;
        else if (!mid_doubled(doubled)) {
            doubled = 2 * bar_price;
            return has_bar;
        }
        return true;
    }
    // True if a trigger uses the last price, also because the data has no marks or index: otherwise
    // such a stop would never fire.
    [[nodiscard]] bool goes_by_last(TriggerBy by) const noexcept {
        if (by == TriggerBy::mark) return mark == 0;
        if (by == TriggerBy::index) return index == 0;
        return true;
    }
    // The price for valuation: the mark, else the last price, else the last mid; 0: none.
    [[nodiscard]] std::int64_t reference(std::int64_t bar_price) const noexcept {
        if (mark != 0) return mark;
        std::int64_t doubled = 0;
        return (last_doubled(bar_price, doubled) ? doubled : last_mid_doubled) / 2;
    }
    // Twice the price that a trigger watches. False: unknown.
    [[nodiscard]] bool trigger_doubled(TriggerBy by, std::int64_t bar_price,
                                       std::int64_t& doubled) const noexcept {
        if (goes_by_last(by)) return last_doubled(bar_price, doubled);
        doubled = 2 * (by == TriggerBy::mark ? mark : index);
        return true;
    }
    // Called before any event that may remove a side. Unnecessary once a trade or a bar gives a
    // price. Not inlined: few quotes lack a side, and the loop over them is short of registers.
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

// The reasons for which the exchange needs an instrument's market.
struct MarketInterest {
    std::uint32_t working = 0;  // number of own orders
    bool held = false;          // a contract's position is open
    bool lent = false;          // spot: a debt in its currencies
    bool closed = false;        // its venue is closed, by its hours
    bool pushed = false;        // own trades move it: each event measures by how much

    [[nodiscard]] bool none() const noexcept { return working == 0 && !(held | lent | pushed); }
    [[nodiscard]] bool active() const noexcept { return working != 0 && !closed; }
    [[nodiscard]] bool watched() const noexcept { return (held || lent) && !closed; }
};

// Money that moves without a fill. Payments by the venue are positive.
enum class CashKind : std::uint8_t { funding = 0, insurance = 1, interest = 2 };

struct CashNews {
    std::int64_t time = 0;
    Money amount = 0;
    CashKind kind = CashKind::funding;
    PositionSide side = PositionSide::both;  // of the position that it belongs to
    std::uint32_t currency = 0;              // for interest, which belongs to no instrument
};

struct FeeNews {  // the volume reached another tier
    std::int64_t time = 0;
    Money volume = 0;
    std::int64_t maker = 0, taker = 0;
    std::uint32_t tier = 0;  // 0: the instrument's own fees
};

struct LoanNews {  // the ratio of assets to debts crossed the venue's call level
    std::int64_t time = 0;
    Money assets = 0, debts = 0;
    std::uint32_t currency = 0;
    bool called = false;  // false: it is above the call level again
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
    std::int64_t bar_volume_share = 500'000;  // 1e-6 of a bar's volume that our orders may take
    bool check_funds = true;
    bool fuse = false;  // quotes move the book's touch between depth messages
    // A resting limit fills at its own price when a bar opens beyond it, not at the open.
    bool limits_at_limit = false;
    ImpactOptions impact;
};

// Counts that a report must state about the quality of fills.
struct RecordedCounters {
    std::uint64_t orders = 0, rejected = 0, fills = 0;
    std::uint64_t fills_without_volume = 0;       // bars without a volume: not capped
    std::uint64_t fills_without_size = 0;         // quotes without a size: not capped
    std::uint64_t fills_beyond_touch = 0;         // L1: one tick worse than the displayed touch
    std::uint64_t liquidations = 0;               // forced closings, each step counted
    std::uint64_t liquidations_without_mark = 0;  // valued by the last price or the mid
    std::uint64_t fee_tier_changes = 0;
    std::uint64_t settlements = 0;  // positions closed at their contract's expiry
    std::uint64_t settlements_without_mark = 0;
    std::uint64_t rate_limited = 0;
    // By order: orders that came to rest while the venue's orders were unknown.
    std::uint64_t queue_unknown = 0;
    std::uint64_t insurance_payments = 0;    // losses beyond the money behind them
    std::uint64_t deleveragings = 0;         // positions taken over
    std::uint64_t deleveragings_missed = 0;  // deleveragings without a position to take
    std::uint64_t loan_calls = 0, loan_liquidations = 0;
    // Prints at a price of ours, larger than the displayed size: hidden orders stood ahead of us or
    // behind us, and the data does not tell which.
    std::uint64_t trades_beyond_display = 0;
    // Bars in which own orders were reached both on the way up and on the way down from the open:
    // the data does not tell which came first. And the fills inside such bars.
    std::uint64_t ambiguous_bars = 0, ambiguous_fills = 0;
    std::uint64_t gapped_limits = 0;  // fills of resting limits at an open beyond their price
    // Stops that were placed after the bar that filled their entry, although that bar had reached
    // them.
    std::uint64_t late_stops = 0;
    // Taker fills where own trades move the market: with a worse price for it, and before impact
    // was measured.
    std::uint64_t impact_fills = 0, impact_unmeasured = 0;
};

struct PushedFill {  // a fill that own impact made worse, and the price without it
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

    // Also sets it in the account. `view` must outlive the exchange.
    void set_instrument(std::uint32_t index, const InstrumentSpec& spec,
                        std::uint32_t settle_currency, std::uint32_t base_currency,
                        const MarketView* view) noexcept;

    // Sets another market view; `view` must outlive the exchange.
    void set_view(std::uint32_t index, const MarketView* view) noexcept {
        markets_[index].view = view;
    }

    // Lets the orders of both instruments share the liquidity of displays, prints and bars. Both
    // views must be written with the same events.
    void share_market(std::uint32_t index, std::uint32_t of) noexcept {
        markets_[index].pool = markets_[of].pool == no_pool ? of : markets_[of].pool;
    }

    // Sets brackets, leverage and other tables; call it after set_instrument.
    void set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept;

    // Sets the volume traded before the run, in the present windows: of the groups named, and of
    // all others.
    void add_volume(std::int64_t now, Money others,
                    const std::map<std::uint32_t, Money>& groups = {}) noexcept;
    // The same for a group that appears later.
    void set_volume_before(std::uint32_t group, Money amount) { before_.groups[group] = amount; }
    [[nodiscard]] Money volume(std::uint32_t index, std::int64_t now) noexcept;
    [[nodiscard]] const InstrumentSpec& spec(std::uint32_t index) const noexcept {
        return markets_[index].spec;
    }
    [[nodiscard]] std::size_t fee_tier(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].fee_tier : 0;
    }

    // Units ahead of a resting order, QueuePlace::unknown if that is unknown or there is no such
    // order.
    [[nodiscard]] std::int64_t units_ahead(std::uint8_t robot,
                                           std::uint64_t order_id) const noexcept {
        const std::uint32_t slot = ids_.find(robot, order_id);
        if (slot == IdMap::absent || orders_[slot].place != Place::resting)
            return QueuePlace::unknown;
        return orders_[slot].queue.ahead;
    }
    // Accepts bars of another period from now on.
    void forget_bar_period(std::uint32_t index) noexcept { markets_[index].bar_period = 0; }

    // Once, before `begin`; the run starts at `now`.
    void set_rules(const VenueRules& rules) noexcept;
    void begin(std::int64_t now) noexcept;
    void deposit(std::uint32_t currency, Money amount) noexcept;  // negative: withdrawal
    // Time of the next clock-driven event, and the processing of all that are due.
    [[nodiscard]] std::int64_t next_event() const noexcept { return next_event_; }
    void run_events(std::int64_t now) noexcept;
    // With a clock of the venue's own: checks whether it was open at the time of the next market
    // event.
    void look_at_hours(std::uint32_t index, std::int64_t now) noexcept;
    // True if the instrument has orders or positions and its venue is open: only then are the hooks
    // below needed.
    [[nodiscard]] bool active(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].active();
    }
    // The same as a pointer to check on every event; valid until another instrument is set.
    [[nodiscard]] const MarketInterest* interest(std::uint32_t index) const noexcept {
        return &markets_[index];
    }

    // Places, cancels or amends an order at its time of arrival. Reports through the sink before it
    // returns.
    void request(std::uint32_t index, std::int64_t now,
                 const OrderRequestPayload& request) noexcept;

    // Attaches the order of this id, which is about to arrive, to another.
    void attach(std::uint64_t order_id, const Attachment& attached) {
        attachments_[order_id] = attached;
    }

    // True if a market hook could do something for this instrument.
    [[nodiscard]] bool working(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].working != 0;
    }
    // True if a contract's position, or a debt beside a spot instrument, is open: `watch` then
    // checks after each event, and after the hooks below, whether it is still covered.
    [[nodiscard]] bool held(std::uint32_t index) const noexcept {
        return index < markets_.size() && markets_[index].watched();
    }
    // Lets the venue take over `size` of a contract's position at `price`, free of fee. Cancels
    // working orders that then have nothing to reduce. Returns the size taken.
    std::int64_t deleverage(std::uint32_t index, PositionSide side, std::int64_t size,
                            std::int64_t price, std::int64_t now) noexcept;
    void watch(std::uint32_t index, std::int64_t now) noexcept;
    // The same after a quote: the mid lies between its prices, and if another price counts nothing
    // has changed.
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
    // Applies a change of one of the venue's orders.
    void on_mbo(std::uint32_t index, std::int64_t now, const MboChange& change) noexcept;
    // The view has the venue's orders from now on.
    void begin_orders(std::uint32_t index) noexcept;
    // True if own orders have their exact place in the queue here.
    [[nodiscard]] bool by_order(std::uint32_t index) const noexcept {
        return index < markets_.size() && by_order(markets_[index]);
    }
    void on_bar(std::uint32_t index, std::int64_t now) noexcept;
    // Observes the event for own impact; a bar after its orders are processed.
    void measure(std::uint32_t index, std::int64_t now, bool is_trade) noexcept;
    void measure_bar(std::uint32_t index) noexcept;
    void on_mark(std::uint32_t index, std::int64_t now) noexcept;
    // Settles funding on the account and reports it. Call it whether or not orders work. With bars
    // alone and an order that may fill at the open of the bar around it, it waits for that bar.
    void on_funding(std::uint32_t index, std::int64_t now, const FundingPayload& funding) noexcept;
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    [[nodiscard]] std::int64_t next_expiry() const noexcept { return next_expiry_; }
    void expire(std::int64_t now) noexcept;  // expires GTD orders with a time of `now` or earlier
    void end_data() noexcept;                // processes everything that waits for a bar
    void finish(std::int64_t now) noexcept;  // the same, and cancels all working orders

    [[nodiscard]] const RecordedCounters& counters() const noexcept { return counters_; }
    // Only the first are kept; `counters` counts all.
    static constexpr std::size_t ambiguous_kept = 100;
    [[nodiscard]] const std::vector<AmbiguousBar>& ambiguous_bars() const noexcept {
        return ambiguous_;
    }
    [[nodiscard]] const std::vector<PushedFill>& pushed_fills() const noexcept { return pushed_; }
    // Total cost of own impact for takers of an instrument, in its settle currency.
    [[nodiscard]] Money impact_cost(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].impact_cost : 0;
    }
    // Total gain of resting limits that filled at opens beyond their price, in the settle currency.
    [[nodiscard]] Money gapped_gain(std::uint32_t index) const noexcept {
        return index < markets_.size() ? markets_[index].gapped_gain : 0;
    }

 private:
    // The stage of an order: not yet triggered, triggered but not live yet, waiting for a market to
    // take from (market orders before the first event, or in bars), or resting in the book.
    enum class Place : std::uint8_t { trigger, delayed, waiting, resting };

    struct Order {
        OrderRequestPayload request;  // as accepted: price, whole size, trigger
        std::uint64_t venue_id;
        std::int64_t filled;
        QueuePlace queue;
        std::uint64_t rank;           // by order: the venue's orders of lower rank are ahead of it
        std::int64_t reserved_price;  // the price for its reserve, 0: nothing reserved
        std::int64_t arrival;         // when it entered the queue
        std::uint32_t instrument;
        Place place;
        // It would have crossed on arrival: in bar mode, and where own trades moved the market away
        // from it.
        bool taker;
        bool live;
        // Bar mode: it waits for money that earlier orders will release, and the last bar that it
        // met offered it this.
        bool on_credit, has_offer;
        std::int64_t offer_time, offer_price;
        Int128 cost;          // sum of price * size over its fills
        Attachment attached;  // its entry, if it has one, and
        std::int64_t covers;  // the filled quantity of the entry that this order has to close
        [[nodiscard]] bool sleeps() const noexcept { return attached.entry != 0 && covers == 0; }
    };

    struct Funding {  // in a bar whose open is not known yet
        std::int64_t time;
        FundingPayload terms;
    };

    struct Taken {  // our taking from a displayed level within one version of the view
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
        std::int64_t bar_period = 0;   // the shortest seen: longer bars repeat it
        std::int64_t bar_left = 0;     // what we may still take of the current bar
        std::uint32_t pool = no_pool;  // the market that shares these and the next, if not its own
        std::int64_t print_left = 0;   // of the last trade
        std::uint64_t print_version = 0, bar_version = 0;
        bool bar_capped = false;
        bool in_bar = false;            // while a bar is processed, its close is not known;
        std::int64_t bar_price = 0;     // this price is
        std::vector<Funding> fundings;  // by time: they wait for the bar around them
        Money gapped_gain = 0;          // by limits that filled at opens beyond their price
        std::int64_t filled_bar = 0;    // end of the last bar that filled an order before its close
        bool settled = false;           // by its own expiry
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
        // span: computed in doubles, so slightly less is kept.
        void keep_safe(std::int64_t price, double span, std::uint64_t revision) noexcept {
            const auto width = static_cast<std::int64_t>(std::min(span * 0.999, 4e18));
            safe_low = price - width;
            safe_high = price + width;
            safe_revision = revision;
        }
        Money impact_cost = 0;
        bool sweep = false;  // a fill may have left reduce-only orders with nothing to reduce
    };

    struct TradedBefore {  // before the run, by volume group
        std::int64_t time = 0;
        Money others = 0;
        std::map<std::uint32_t, Money> groups{};
    };

    struct Venue {
        TokenBucket bucket;
    };

    struct Delayed {  // triggered, and not live before `due`
        std::int64_t due;
        std::uint64_t venue_id;  // of the order: its slot may be reused by then
        std::uint32_t slot;
    };

    struct Step {  // one planned taking, at the recorded price, and its impact cost
        std::int64_t price, size, paid;
    };

    // recorded.cpp: requests and the state of an order
    void place(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    void cancel(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    void amend(std::uint32_t index, std::int64_t now, const OrderRequestPayload& request) noexcept;
    // on_credit: the order may rely on money that earlier orders will release.
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
    // Books a fill whose recorded price own impact has made worse.
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

    // recorded_market.cpp: liquidity of the recorded market
    [[nodiscard]] static bool has_book(const Market& market) noexcept;
    [[nodiscard]] static bool bars_only(const Market& market) noexcept;
    [[nodiscard]] static bool silent(const Market& market) noexcept;
    [[nodiscard]] static bool touch(const Market& market, Side side, std::int64_t& price) noexcept;
    [[nodiscard]] static bool crosses(const Market& market, Side side, std::int64_t price) noexcept;
    // Twice the price that triggers and bands use (a mid may fall between two units).
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
    // The market whose liquidity an instrument's orders take: its own, or the one it is shared
    // with.
    [[nodiscard]] Market& pool_of(Market& market) noexcept {
        return market.pool == no_pool ? market : markets_[market.pool];
    }
    // The own impact on a market, common to all accounts that trade it.
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
    // Over the markets that have data, at their present prices.
    template <class Which>
    void mark_where(const Which& which) noexcept {
        for (std::uint32_t i = 0; i < markets_.size(); ++i)
            if (markets_[i].view != nullptr && which(i)) mark_account(i);
    }
    void mark_for_funds(std::uint32_t index) noexcept;
    // True if a negative balance is a loan, which the loan levels watch: insurance pays no loan.
    [[nodiscard]] bool is_loan(std::uint32_t currency) const noexcept {
        return rules_.loans.call > 0 && account_->may_borrow(currency);
    }
    // True if the instrument's price moves the level of loans: of a coin, or of a contract, whose
    // profit is money.
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

    // recorded_impact.cpp: own impact
    //
    // By how much the market is worse for an order, as a summand to its prices.
    [[nodiscard]] std::int64_t push(std::uint32_t index, Side side, std::int64_t now) noexcept {
        return markets_[index].pushed ? displacement(index, side, now) : 0;
    }
    // The same for prints that reach a resting order. With impact, a print beyond its recorded
    // price meets an unknown queue there: it has to trade through.
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

    // liquidation.cpp: positions that are no longer covered
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

    // deleveraging.cpp: positions that the venue takes over
    void take_over(const Deleveraging& fact, std::int64_t now) noexcept;
    void run_deleveragings(std::int64_t now) noexcept;

    // loans.cpp: debts in spot
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
    std::map<std::uint64_t, Attachment> attachments_;  // by id, of orders not yet arrived
    std::vector<Market> markets_;
    std::vector<RollingVolume> volumes_{1};  // by group
    TradedBefore before_;
    std::vector<Step> steps_;                       // of the planned taking
    std::vector<std::uint32_t> batch_, bar_batch_;  // slots being processed while lists change
    RecordedCounters counters_;
    std::vector<AmbiguousBar> ambiguous_;
    std::vector<OwnImpact> impacts_;  // by instrument, if own impact is on
    std::vector<PushedFill> pushed_;
    std::uint64_t next_venue_id_ = 1, next_trade_id_ = 1, venue_orders_ = 0;
    std::int64_t next_expiry_ = never;
    VenueRules rules_;
    std::vector<Venue> venues_;
    std::vector<Delayed> delayed_;  // by due time, then arrival
    std::uint32_t on_credit_ = 0;   // number of orders on credit
    std::size_t next_deleveraging_ = 0;
    std::vector<bool> loan_called_;  // by currency
    std::int64_t next_event_ = never, next_interest_ = never;
    std::int64_t clock_ =
        std::numeric_limits<std::int64_t>::min();  // of the last clock-driven event
};

// All orders that `which` selects, in the order in which the venue accepted them.
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
