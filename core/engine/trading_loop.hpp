#pragma once
// The trading loop: reads tapes and writes actions in virtual time, the same for a backtest, for
// paper trading beside a growing feed, and for replay. It never reads a clock; the frames set the
// time.
//
// Order of processing at a time T:
//   1. everything due at T or earlier: scheduled stops and starts of the robot, closing bars,
//      expiries, arrivals at the exchange, reports, timers, in this order;
//   2. the frame: first the exchange sees it, then reports due by T, then the robot.
//
// A due action waits until a frame of its time or later is read. So the actions are a function of
// the tapes alone, whether they are complete or still growing.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/sha256.hpp"
#include "engine/exchange_port.hpp"
#include "engine/instrument_state.hpp"
#include "engine/live_money.hpp"
#include "engine/order.hpp"
#include "engine/robot_port.hpp"
#include "engine/run_terms.hpp"
#include "exchange/account.hpp"
#include "exchange/recorded.hpp"
#include "journal/reader.hpp"
#include "journal/writer.hpp"
#include "market/scan.hpp"
#include "market/tick_filter.hpp"

namespace onetape {

class TradingLoop final {
 public:
    // exchange: the venue to trade with; the loop takes it over.
    TradingLoop(const LoopOptions& options, std::shared_ptr<ExchangePort> exchange);
    ~TradingLoop();

    // --- set-up ---
    Instrument& add_instrument(std::string symbol, const InstrumentSpec& spec, std::uint32_t settle,
                               std::uint32_t base);
    // Sets a new version; false if its decimals differ, which no position survives.
    bool update_instrument(std::uint32_t index, const InstrumentSpec& spec);
    void set_terms(std::uint32_t index, const InstrumentTerms& terms);
    std::uint32_t add_source(Reader* reader);
    // Ends a source after this sequence, even if later frames exist: a replay reads what the run
    // read.
    void limit_source(std::uint32_t source, std::uint64_t last_sequence);
    // A step of the inputs of a robot that follows more than its gateway's tape (source 0): frames
    // of another tape that an earlier run took after frame `after` of the gateway's. Frames before
    // `first` were skipped there. No other frames are taken; more steps may follow.
    struct InputStep {
        std::uint64_t after;
        std::uint32_t source;
        std::uint64_t first, last;
    };
    void order_inputs(std::span<const InputStep> steps) {
        steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(next_step_));
        next_step_ = 0;
        steps_.insert(steps_.end(), steps.begin(), steps.end());
        ordered_ = true;
    }
    void conflate() noexcept { conflates_ = true; }  // some instrument is want_conflated
    [[nodiscard]] std::size_t source_count() const noexcept { return sources_.size(); }
    [[nodiscard]] bool has_started() const { return started_; }
    // Takes the robot's money from the ledger's entries for its sub-account after frame `after` of
    // the gateway's tape; earlier entries are part of the opening balance.
    void follow_ledger(std::uint32_t gateway, std::uint64_t after) {
        follows_ledger_ = true;
        sources_[gateway].entries_after = after;
    }
    [[nodiscard]] bool follows_entry(std::uint32_t gateway, std::uint64_t sequence) const {
        return follows_ledger_ && sequence > sources_[gateway].entries_after;
    }
    // Posts one entry of a gateway's ledger. of: frame of its fill; instrument: whose funding it
    // is, -1 if unknown.
    void post(std::uint32_t gateway, EntryKind kind, std::uint64_t of, std::int64_t instrument,
              std::span<const LedgerLeg> legs);
    // Change, since the run began, of the part of the robot's money that does not come from its own
    // fills, funding and interest: deposits, fills of others who trade with the same money, and
    // price changes of coins that it did not buy. Equity minus this is the robot's own result.
    [[nodiscard]] Money moved_in();
    [[nodiscard]] Money moved_in(std::uint32_t currency);
    // For a later incarnation of a run, before it begins: the worth of that external money when the
    // run began, plus funding and interest so far. Own fills are taken over with their orders.
    void carry_brought(Money worth) { brought_ = worth; }
    void carry_earned(std::uint32_t currency, Money amount) { foreign_.deposit(currency, -amount); }
    // Call before the tapes are read: the loop takes over orders and positions of earlier
    // incarnations while it warms up. Money is not taken over: the present balance is deposited
    // afterwards.
    void inherit(std::uint32_t gateway, const Inheritance& what) {
        sources_[gateway].inherits = what;
    }
    // Sets whether a gateway takes orders; while it is away, requests are denied. Notifies the
    // robot.
    bool set_away(std::uint32_t gateway, const std::string& account, bool is_away);
    // Hides bad ticks from exchange and robot from now on; the run's journal lists them.
    void use_filter(const TickFilterOptions& options) {
        filter_ = std::make_unique<TickFilter>(options);
    }
    [[nodiscard]] const TickFilter* filter() const noexcept { return filter_.get(); }
    // Writes the order events and fills that arrived while no process of the robot ran to the run's
    // journal. Returns the fills of the robot's own orders.
    std::vector<std::pair<OrderRef, FillPayload>> write_missed();
    // Adds one action to the action hash; also called for the actions of earlier incarnations, in
    // their order.
    void hash_action(std::string_view symbol, const OrderRequestPayload& request, std::int64_t now);
    // Maps a currency number in the fills of the gateway's tape to a currency of the robot's
    // account, or to -1 if it has none of it.
    void set_fee_currency(std::uint32_t gateway, std::uint32_t number, std::int64_t currency) {
        auto& currencies = sources_[gateway].fee_currencies;
        if (number >= currencies.size()) currencies.resize(number + 1, Account::fee_external);
        currencies[number] =
            currency < 0 ? Account::fee_external : static_cast<std::uint32_t>(currency) + 1;
    }
    void map_stream(std::uint32_t source, std::uint32_t stream, std::int64_t index);
    // Makes the market of a stream, which belongs to `of`, also that of `index`: the same
    // instrument on another account. Both then share its liquidity.
    void share_stream(std::uint32_t source, std::uint32_t stream, std::uint32_t of,
                      std::uint32_t index);
    // Marks a source as detail data (before the run begins): its frames are shown to the exchange
    // and not to the robot, and the instrument's orders are filled on them instead of on its bars.
    void use_as_detail(std::uint32_t source) { sources_[source].is_detail = true; }
    void use_detail(std::uint32_t index);
    void deposit(std::uint32_t currency, Money amount);
    // Equity and balance are sums over these currencies: the same money at several accounts.
    void set_report_currencies(std::vector<std::uint32_t> currencies) {
        report_currencies_ = std::move(currencies);
    }
    // Adds a balance of each of these to every equity sample.
    void set_account_money(std::vector<AccountMoney> money) { account_money_ = std::move(money); }
    void set_rules(const VenueRules& rules);
    // Sorted by time, the first one at or before the start. At a stop working orders are canceled,
    // and until the next start new orders are denied; positions are kept, and the market is still
    // shown.
    void set_schedule(std::vector<TradingSwitch> schedule) { schedule_ = std::move(schedule); }
    void set_writer(Writer* writer) { writer_ = writer; }
    void set_robot(RobotPort* robot) { robot_ = robot; }

    // --- running --- Applies market state only, up to the first market event at `start` or later.
    RunOutcome warm_up(std::int64_t start);
    // Loads bars from before the start: folds the frames in [from, until) into the subscribed
    // streams and windows without showing them, and lets scans learn from those in [scans_from,
    // until). Needs a separate reader for each source, in their order.
    RunOutcome preload(std::span<Reader* const> readers, std::int64_t from, std::int64_t until,
                       std::int64_t scans_from = never);
    // Call before preload: takes the history bars of a subscribed period, frames first to last of a
    // source. Returns the number of completed bars.
    std::size_t take_history(std::uint32_t source, Reader& reader, std::uint64_t first,
                             std::uint64_t last);
    [[nodiscard]] std::int64_t next_time();  // of the next frame, `never` if there is none
    void begin(std::int64_t now);            // the robot may act from here
    RunOutcome run(std::uint64_t frames_max, std::int64_t until);
    // The same over frames that were checked in a reading shared with other loops, the next ones of
    // the one tape: this loop's own reader is no longer used. Only if it `shares`.
    RunOutcome run_checked(std::span<const Frame> frames, std::int64_t until);
    // True with one tape and an exchange that sees its frames in order of receipt.
    [[nodiscard]] bool shares() const noexcept {
        return sources_.size() == 1 && !sources_.front().is_detail && exchange_->is_plain();
    }
    bool finish_input();  // no frame will follow: processes everything due by now
    // No frame of this time or earlier will follow: processes everything due by then.
    bool advance(std::int64_t until);
    void begin_stop() { stopping_ = true; }      // on_stop follows: orders are denied
    void enter_callback() { in_robot_ = true; }  // around the callbacks that the host calls:
    bool leave_callback();                       // on_start, on_stop
    [[nodiscard]] bool in_robot() const { return in_robot_; }

    // --- the robot's services ---
    OrderRef place(Instrument& instrument, const OrderSpec& spec);
    OrderRef deny(Instrument& instrument, const OrderSpec& spec, std::uint16_t code,
                  std::string reason);
    // Sets the text of a gateway's refusal of an order; ignored for closed orders.
    void note_reason(std::uint64_t order_id, std::string text);
    // Writes a MessagePack frame in its place between this callback's orders.
    void append_with_actions(EventType type, std::string payload);
    // Places an order of a target or a ladder, or denies a side that the account does not have.
    OrderRef place_or_deny_side(Instrument& instrument, const OrderSpec& spec);
    // Why an order may not name this side of a position, empty if it may. option: how the strategy
    // names it.
    [[nodiscard]] std::string side_refusal(const Instrument& instrument, PositionSide side,
                                           std::string_view option) const;
    bool cancel(const OrderRef& order);
    bool amend(const OrderRef& order, std::int64_t price, std::int64_t size);
    void halt(bool and_flatten);
    [[nodiscard]] bool halted() const { return halted_; }
    [[nodiscard]] bool trading() const { return trading_; }
    // Switches trading on or off for the operator: a robot that may not trade has no working
    // orders, and still receives the market. Before `begin` the switch only applies from there on.
    // false: a callback failed.
    bool allow_trading(bool allowed);
    BarFeed& subscribe_bars(Instrument& instrument, std::int64_t period, BarSource source,
                            const std::string& text, std::int64_t made_of = 0);
    void unsubscribe_bars(Instrument& instrument, std::int64_t period);
    void set_timer(const std::string& name, std::int64_t every, std::int64_t at);
    bool cancel_timer(const std::string& name);
    // Adds a condition over these instruments, in the order of the scan's symbols; `takes_all`:
    // also over instruments added later. Evaluated at each of their events, after the robot has
    // seen it, and each second. Returns its number.
    std::size_t add_scan(std::unique_ptr<Scan> scan, const std::vector<std::uint32_t>& instruments,
                         bool takes_all);
    // Writes MessagePack to the run's journal, at the present time.
    Status append_cold(EventType type, std::uint32_t stream, std::span<const std::byte> payload);

    [[nodiscard]] std::int64_t now() const { return now_; }
    [[nodiscard]] Instrument* instrument(std::uint32_t index) {
        return index < instruments_.size() ? instruments_[index].get() : nullptr;
    }
    [[nodiscard]] std::size_t instrument_count() const { return instruments_.size(); }
    // Increases with each action and each order event: equal values mean equal orders.
    [[nodiscard]] std::uint64_t order_changes() const { return counters_.actions + news_; }
    [[nodiscard]] const OrderRef& last_refused() const { return last_refused_; }
    [[nodiscard]] const OrderTable& orders() const { return orders_; }
    [[nodiscard]] const Account& account() const { return robot_account_; }
    // Counts of the market-by-order data used for fills; nullptr without it.
    [[nodiscard]] const MboCounts* mbo_counts(std::uint32_t index) const {
        const Instrument& instrument = *instruments_[index];
        const MboBook* orders =
            instrument.detail ? instrument.detail->orders.get() : instrument.orders.get();
        return orders ? &orders->counts() : nullptr;
    }
    struct FeeChange {
        std::uint32_t instrument;
        FeeNews news;
    };
    // The first hundred; the exchange's counters count all.
    [[nodiscard]] const std::vector<FeeChange>& fee_changes() const { return fee_changes_; }
    [[nodiscard]] ExchangePort& exchange() const { return *exchange_; }
    [[nodiscard]] Money equity();
    // As equity, for the records: holdings without a price yet count at their opening price.
    [[nodiscard]] Money worth();
    void set_opening_price(std::uint32_t index, std::int64_t doubled) {
        instruments_[index]->opening_doubled = doubled;
    }
    [[nodiscard]] Money equity_of(std::uint32_t currency);  // of one account, in that currency
    // The result of an instrument so far: realized and unrealized profit, less fees, with funding.
    [[nodiscard]] Money gained(std::uint32_t index);
    [[nodiscard]] const std::vector<EquitySample>& samples() const { return samples_; }
    [[nodiscard]] const std::vector<double>& sampled_prices() const { return sampled_prices_; }
    [[nodiscard]] const std::vector<double>& sampled_positions() const {
        return sampled_positions_;
    }
    [[nodiscard]] const std::vector<double>& fill_profits() const { return fill_profits_; }
    [[nodiscard]] Money drawdown_max() const { return drawdown_max_; }
    [[nodiscard]] double drawdown_max_ratio() const { return drawdown_max_ratio_; }
    [[nodiscard]] const RunCounters& counters() const { return counters_; }
    [[nodiscard]] const Failure& failure() const { return failure_; }
    [[nodiscard]] Digest action_hash() const;
    // Hash of positions, balances, working orders and the memory last settled.
    [[nodiscard]] Digest state_hash(std::span<const std::byte> memory) const;
    // The last frame read from a source: sequence and chain value, for input frames.
    [[nodiscard]] std::uint64_t source_sequence(std::uint32_t source) const;
    [[nodiscard]] std::uint32_t source_crc(std::uint32_t source) const;
    // Takes one equity sample now. kept: also if samples are thinned out.
    void sample(bool kept = false);
    void widen_samples();  // adds an instrument that has no price yet

    // --- for the exchange: reports reach the robot. false: the loop stops ---
    bool deliver(Instrument& instrument, const OrderEventPayload& event);
    // sequence: of the fill's frame on a gateway's tape, 0: none.
    bool deliver(Instrument& instrument, const FillPayload& fill, std::uint64_t sequence = 0);
    bool deliver(Instrument& instrument, const CashNews& cash);
    bool deliver(Instrument& instrument, const FeeNews& fees);
    bool deliver(Instrument& instrument, const LoanNews& loan);
    // Applies funding to the positions in the robot's own account.
    void apply_funding(Instrument& instrument, const FundingPayload& payload);
    // The exchange has something to do at that time.
    void wake(std::int64_t time) { next_due_ = std::min(next_due_, time); }
    // Processes everything due by `time`, then sets the time; or the other way round.
    bool reach(std::int64_t time);
    bool catch_up(std::int64_t time);
    [[nodiscard]] bool fits(const Frame& frame);  // false: failure_ says what is wrong with it
    // True for a live robot's first tapes, which are its gateways'.
    [[nodiscard]] bool is_gateways(std::uint32_t source) const {
        return sources_[source].is_gateways;
    }

    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

 private:
    struct Source {
        Reader* reader = nullptr;
        Frame frame;
        bool loaded = false;
        bool is_detail = false;
        bool is_gateways = false;    // requests go to it, and its tape has the reports
        Inheritance inherits;        // of a gateway's tape, as are the next three
        std::uint64_t news_met = 0;  // order events of this run read while warming up
        std::uint64_t entries_after = 0;
        std::vector<std::uint32_t> fee_currencies;  // by number on that tape
        std::uint64_t last_sequence = 0;
        std::uint32_t last_crc = 0;
        std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
        std::vector<Instrument*> streams;  // by stream, nullptr for foreign ones
        std::vector<std::vector<Instrument*>>
            further;  // by stream: the same instrument on other accounts
        // The newest quote and mark of each stream among the frames up to `looked_to`.
        std::vector<std::array<std::uint64_t, 2>> newest;
        std::uint64_t looked_to = 0;
    };
    struct Timer {
        std::string name;
        std::int64_t every = 0, due = 0;
    };
    struct RobotScan {
        std::unique_ptr<Scan> scan;
        bool takes_all;
        std::vector<std::uint32_t> symbols;      // the scan's, by instrument
        std::vector<std::uint32_t> instruments;  // by the scan's symbol
    };
    struct ShownBar {
        Instrument* instrument;
        BarFeed* feed;
        BarPayload bar;
    };

    Source* pick();  // the source whose frame is next, nullptr: none has one
    Source* pick_ordered();
    // True if the order of the other tapes among the first one's frames is part of the run.
    [[nodiscard]] bool leads() const { return sources_.front().is_gateways || ordered_; }
    [[nodiscard]] bool is_superseded(const Source& source);
    void look_ahead(Source& source);
    bool note_taken(const Source& source, const Frame& frame);
    bool note_input(const Source& source, std::uint64_t first, std::uint64_t last);
    bool load(Source& source);
    [[nodiscard]] bool is_foreign(const Source& source) const;
    [[nodiscard]] static Instrument* instrument_of(const Source& source, std::uint32_t stream) {
        return stream < source.streams.size() ? source.streams[stream] : nullptr;
    }
    [[nodiscard]] static std::span<Instrument* const> further_of(const Source& source,
                                                                 std::uint32_t stream) {
        if (stream >= source.further.size()) [[likely]]
            return {};
        return source.further[stream];
    }
    [[nodiscard]] bool owns(const Order& order) const noexcept;
    // `plain`: compiled for the usual case. See `run`.
    RunOutcome run_plain(Source& source, std::uint64_t frames_max, std::int64_t until);
    template <bool plain>
    bool step(Source& source, const Frame& frame);
    template <bool plain>
    bool take(Source& source, const Frame& frame);  // one complete frame
    bool take_cold(Source& source, const Frame& frame);
    template <bool plain, class Payload>
    bool take_market(const Source& source, const Frame& frame, const Payload& payload);
    template <bool plain, class Payload>
    bool take_shared(const Source& source, Instrument& instrument, const Frame& frame,
                     const Payload& payload);
    // further: the same market on other accounts.
    template <bool plain, class Payload>
    bool show_market(Instrument& instrument, std::span<Instrument* const> further,
                     const Frame& frame, const Payload& payload);
    // Passes a frame through the bad-tick filter: first the frames that it held back, then this
    // one, if it is good.
    template <bool plain, class Payload>
    bool judge(const Source& source, Instrument& instrument, const Frame& frame,
               const Payload& payload);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const QuotePayload& quote,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const TradePayload& trade,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const BookPayload& change,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const BarPayload& bar,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const MarkPayload& mark,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const FundingPayload& funding,
                       std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame,
                       const LiquidationPayload& liquidation, std::int64_t time);
    template <bool plain>
    void show_exchange(Instrument&, const Frame&, const OpenInterestPayload&, std::int64_t) {}
    template <bool plain>
    void show_exchange(Instrument&, const Frame&, const FundingRatePayload&, std::int64_t) {}
    template <bool plain>
    void show_exchange(Instrument& instrument, const Frame& frame, const MboPayload& event,
                       std::int64_t time) {
        show_mbo(instrument, frame, event, time);
    }
    void show_mbo(Instrument& instrument, const Frame& frame, const MboPayload& event,
                  std::int64_t time);
    void show_detail(Instrument& instrument, const Frame& frame);
    bool take_detail(Source& source);
    void check_detail(Instrument& instrument, std::int64_t time);
    [[nodiscard]] bool wanted(const Instrument& instrument, std::uint32_t event) const {
        return (instrument.wants & event) != 0 && !halted_;
    }
    bool show_robot(Instrument& instrument, const QuotePayload& quote);
    bool show_robot(Instrument& instrument, const TradePayload& trade);
    bool show_robot(Instrument& instrument, const BookPayload& change);
    bool show_robot(Instrument& instrument, const BarPayload& bar);
    bool show_robot(Instrument& instrument, const MarkPayload& mark);
    bool show_robot(Instrument& instrument, const FundingPayload& funding);
    bool show_robot(Instrument& instrument, const LiquidationPayload& liquidation);
    bool show_robot(Instrument& instrument, const MboPayload& event);
    bool show_robot(Instrument& instrument, const FundingRatePayload& rate);
    bool show_robot(Instrument&, const OpenInterestPayload&) {
        return true;
    }  // only its scans see it
    bool tell_book(Instrument& instrument);
    template <class Payload>
    void fold_bars(Instrument& instrument, const Frame& frame, const Payload& payload,
                   std::int64_t time);
    bool drain(std::int64_t until);  // processes everything due at `until` or earlier
    bool spans(std::int64_t from, std::int64_t until);  // false: the gap is too long, see failure_
    bool close_bars(std::int64_t now);
    void note_bar_due(const Instrument& instrument);
    // Values the robot's account at the present price of each instrument.
    void value_all(bool with_openings = false);
    void find_next_due();
    void settle_funding(Instrument& instrument, std::int64_t time, const FundingPayload& payload);
    void take_over(Source& source, const Frame& frame);
    void take_over(Instrument& instrument, const OrderRequestPayload& request, std::int64_t time);
    [[nodiscard]] static bool is_missed(Source& source, const Frame& frame);
    void begin_life();  // reserves for working orders at their present cost
    void take_terms(Order& order, const OrderEventPayload& event);
    void learn(const OrderRef& order, const OrderEventPayload& event);
    Money take_over(const Instrument& instrument, const FillPayload& fill, std::uint64_t sequence);
    void fill_order(const OrderRef& order, const FillPayload& fill);
    void follow_entry(const Order& entry);
    OrderRef adopt(Instrument& instrument, const FillPayload& fill);
    bool tell_forced(const Instrument& instrument, const FillPayload& fill);
    void note_interest(const BorrowRate& borrow, Money amount);
    Money book_fill(const Instrument& instrument, const FillPayload& fill, std::uint64_t sequence);
    void move_money(std::span<const LedgerLeg> legs);
    void begin_money();
    void deposit_foreign(const LedgerLeg& leg);
    [[nodiscard]] bool has_traded(std::uint32_t index) const;  // in this run, or has a position
    bool fire_timers(std::int64_t now);
    void scan_instrument(std::size_t number, const Instrument& instrument);
    template <class Payload>
    bool take_scans(const Instrument& instrument, const Payload& payload, std::int64_t time);
    bool sweep_scans(std::int64_t until);
    bool tell_scan(std::size_t number);
    [[nodiscard]] std::int64_t next_switch() const {
        return next_switch_ < schedule_.size() ? schedule_[next_switch_].time : never;
    }
    void note_refusal(const OrderRef& order);
    bool tell_storm();
    bool switch_trading();
    bool tell_trading(const char* by);
    void cancel_working();
    // Called at the end of each callback.
    bool after_callback() {
        in_robot_ = false;
        return (actions_.empty() && !robot_->unsettled) || settle();
    }
    bool settle();
    void flatten();  // closes positions that no flatten order closes yet
    void flatten_after(const Order& ended);
    void act(const Instrument& instrument, const OrderRequestPayload& request,
             std::string_view more = {});
    void flush_actions();
    void flush_action(std::size_t at);
    // Gives an order its terms and enters it. All orders pass here. Returns the order.
    OrderRef open_order(const OrderRef& order, const Instrument& instrument,
                        const OrderRequestPayload& terms, std::int64_t created) const;
    void deny_order(const OrderRef& order, std::uint16_t code);
    // The account as if every taking order under way had filled and released what it closes. but:
    // an order to leave out. `everything`: also all else that is reserved, except for what that
    // order adds to.
    [[nodiscard]] Account account_after(const Order& but, bool everything) const;
    [[nodiscard]] static Funds funds_for(const Account& account, const Order& order,
                                         std::int64_t price);
    void note_shortage(Order& order, const Funds& funds) const;
    void thin_samples();
    [[nodiscard]] std::vector<OrderRef> judge_batch();
    bool tell_denied(const std::vector<OrderRef>& denied);
    void move(Order& order, OrderAct act, std::int64_t size = 0);
    void note_cell(OrderCell cell) noexcept;
    void close_order(const OrderRef& order);
    template <class Change>
    void with_reserves_anew(const Instrument& instrument, const Change& change);
    void reserve(Order& order, std::int64_t price);
    std::int64_t unreserve(Order& order);  // the price it was reserved at
    void note_equity(Money equity);
    [[nodiscard]] Money sum_of_equities(const Account& account) const;
    using Texts = std::initializer_list<std::pair<std::string_view, std::string>>;
    void note(EventType type, std::uint32_t stream, Texts texts);  // writes a map of texts
    void write(EventType type, std::uint32_t instrument, const void* payload, std::uint32_t bytes,
               std::uint16_t flags = 0);
    void write_news(std::uint32_t instrument, const OrderEventPayload& event, const Order* order,
                    std::uint16_t flags = 0);
    void write_request(std::uint32_t instrument, const OrderRequestPayload& request,
                       std::string_view more, std::uint16_t flags);
    // A record written with this callback's action number `at`: further fields of an order request,
    // or a frame before it.
    struct Beside {
        std::size_t at;
        EventType type;
        std::string payload;
    };
    void write_beside(const Beside& beside);

    LoopOptions options_;
    std::shared_ptr<ExchangePort> exchange_;
    std::vector<std::uint32_t> report_currencies_;
    std::vector<AccountMoney> account_money_;
    std::vector<std::shared_ptr<Instrument>> instruments_;  // orders keep theirs alive
    std::vector<Source> sources_;
    std::vector<InputStep> steps_;
    std::size_t next_step_ = 0;
    bool ordered_ = false;
    bool conflates_ = false;
    std::uint64_t noted_ = 0;  // frame of the gateway's tape up to which its orders are reported
    Writer* writer_ = nullptr;
    bool follows_ledger_ = false;
    UnbookedFills unbooked_;
    bool counts_ = false;  // whether fees and volume count: only in the run itself
    std::vector<std::pair<std::uint32_t, std::variant<OrderEventPayload, FillPayload>>> missed_;
    std::vector<std::pair<OrderRef, FillPayload>> missed_fills_;
    std::uint64_t news_ = 0;            // order events and fills delivered
    std::uint64_t state_noted_at_ = 0;  // number of actions at the last state hash on the tape
    RobotPort* robot_ = nullptr;
    Account robot_account_;
    Account
        foreign_;  // money in the robot's account that is not from its own trading; no positions
    std::optional<Money> brought_;   // its worth when the run began
    std::vector<Money> brought_of_;  // by currency, when this incarnation began
    OrderTable orders_;
    std::map<std::uint32_t, std::string> currency_names_;  // by currency
    std::map<std::uint32_t, BorrowRate> borrows_;          // by currency
    std::vector<RobotScan> scans_;
    OrderRef last_refused_;
    struct Refusals {
        std::int64_t since = 0;  // when the first order of this second was placed
        std::uint32_t count = 0;
    };
    // By instrument, side and code.
    std::map<std::tuple<std::uint32_t, Side, std::uint16_t>, Refusals> refusals_;
    OrderRef storm_;  // the order whose refusal exceeded the bound
    std::vector<Timer> timers_;
    std::vector<TradingSwitch> schedule_;
    std::size_t next_switch_ = 0;
    std::int64_t next_sweep_ =
        never;  // next retry of refused cancels and closes, in a stop or a halt
    std::vector<std::pair<std::uint32_t, OrderRequestPayload>> actions_;  // of this callback
    std::vector<Beside> beside_;
    // Orders of this callback: denied ones, those that wait for the other requests of the callback,
    // and those of them that are sent last.
    std::vector<OrderRef> denied_, unfunded_, behind_;
    bool judging_ = false;  // the results are being reported to the robot: no more waiting
    std::vector<ShownBar> shown_;
    // Bound for robots that run for months: at samples_max every other sample is dropped, and
    // future ones are thinned out alike. The journal has all.
    static constexpr std::size_t samples_max = 1 << 16;
    std::vector<EquitySample> samples_;
    std::uint64_t sampled_ = 0, sample_stride_ = 1;
    std::vector<double> sampled_prices_, sampled_positions_;
    std::vector<double> fill_profits_;  // realized by each fill, in the order of the fills
    std::vector<FeeChange> fee_changes_;
    RunCounters counters_;
    Failure failure_;
    Sha256 actions_hash_;
    std::int64_t now_ = 0;
    std::int64_t next_due_ = never, next_bar_close_ = never, next_timer_ = never;
    std::int64_t exchange_due_ = never;  // as of the last check for the next due time
    std::int64_t next_sample_ = never, next_scan_ = never;
    bool started_ = false, halted_ = false, in_robot_ = false;
    bool stopping_ = false, flattening_ = false;
    std::int64_t flatten_pause_ =
        1'000'000'000;     // pause before remaining positions are closed again
    bool trading_ = true;  // by the schedule and the operator
    bool scheduled_ = true, allowed_ = true;
    std::unique_ptr<TickFilter> filter_;  // null: no filter
    bool bars_held_ = false;  // bars of the same time are shown together: more may follow
    Money equity_peak_ = 0, drawdown_max_ = 0;
    Money moved_ = 0;                   // moved_in() when equity was sampled last
    std::optional<Money> earned_peak_;  // peak of equity less moved_in()
    double drawdown_max_ratio_ = 0;
    double peak_ratio_ = 1;  // equity's peak divided by equity, at the last external move
    bool has_peak_ = false;
};

// Reserves of working orders were added with the old terms and must be removed with them.
template <class Change>
void TradingLoop::with_reserves_anew(const Instrument& instrument, const Change& change) {
    std::vector<std::pair<Order*, std::int64_t>> reserved;
    for (const auto& [id, order] : orders_.working())
        if (order->instrument == &instrument && order->reserve_price != 0)
            reserved.emplace_back(order.get(), unreserve(*order));
    change();
    for (const auto& [order, price] : reserved) reserve(*order, price);
}

}  // namespace onetape
