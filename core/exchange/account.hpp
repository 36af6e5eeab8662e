#pragma once
// The money of one account: balances, positions, margin in cross or isolated mode. Used twice: by
// the exchange as the truth, and by a robot as what it knows from the fills that reached it.
//
// Currencies and instruments are indices handed down by the caller; both tables grow as needed.
// Nothing of one currency backs another: money of the same name at two venues has two indices, and
// each instrument settles in its own venue's, so that one Account holds the accounts of all venues
// of a run and keeps them apart.
// Marks are pushed in (`set_mark`); with none, a position is valued at its cost.
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "exchange/forced.hpp"
#include "exchange/instrument.hpp"
#include "exchange/margin.hpp"
#include "exchange/position.hpp"
#include "journal/events.hpp"

namespace onetape {

struct AccountOptions {
    bool hedge = false;         // long and short side by side; else one position a instrument
    bool isolated = false;      // margin is allotted to each position; else the account backs all
    std::int64_t leverage = 1;  // initial margin = notional / leverage, >= 1; terms may say else
    Money margin_step = 0;      // isolated margin moves in whole ones of these, 0: exactly
};

// Unsettled wishes of one side: what working orders may still buy or sell.
struct WorkingSum {
    std::int64_t size = 0;
    Money notional = 0;
    Money fee = 0;  // taker fee on the notional, never negative
};

// What an order needs and what is there for it, in one currency.
struct Funds {
    static constexpr std::uint32_t no_currency = std::numeric_limits<std::uint32_t>::max();
    std::uint16_t code = 0;
    std::uint32_t currency = no_currency;
    Money needed = 0, available = 0;
};

// What is owned and what is owed in spot, valued in one currency. is_priced: every coin in it has
// a mark.
struct LoanState {
    Money assets = 0, debts = 0;
    bool is_priced = true;
};

class Account {
 public:
    explicit Account(const AccountOptions& options = {}) noexcept;

    // settle: currency of notional, profit and fees (spot: quote). base: what spot delivers.
    void set_instrument(std::uint32_t index, const InstrumentSpec& spec, std::uint32_t settle,
                        std::uint32_t base) noexcept;
    // Brackets and leverage of an instrument that is known.
    void set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept;
    // Whether positions of an instrument have margin of their own, whatever the options say.
    // Without positions and without working orders of it.
    void set_isolated(std::uint32_t index, bool isolated) noexcept;
    // To what is allotted to a position from what is free; back where it is negative.
    void move_margin(std::uint32_t index, PositionSide side, Money amount) noexcept;
    // Without working orders of the instrument: what they hold back was reckoned with the old ones.
    void set_fees(std::uint32_t index, std::int64_t maker, std::int64_t taker) noexcept;
    void deposit(std::uint32_t currency, Money amount) noexcept;  // negative: withdrawal
    void set_mark(std::uint32_t index, std::int64_t price) noexcept {
        set_mark_doubled(index, 2 * price);
    }
    // Twice the price: a mid may lie between two units.
    void set_mark_doubled(std::uint32_t index, std::int64_t doubled) noexcept {
        if (index >= holdings_.size() || holdings_[index].mark_doubled != doubled)
            at(index).mark_doubled = doubled;
    }

    // Position, balances and fee of one fill. Returns the realized profit (settle currency).
    // Position side: `both` in one-way mode, else the fill's own.
    // fee_currency: 0 or 1 + a currency of this account, or that the fee is none of its money.
    static constexpr std::uint32_t fee_external = ~std::uint32_t{0};
    Money apply_fill(std::uint32_t index, const FillPayload& fill) noexcept;
    // Returns what the balance changed by: a long pays when the rate is positive. Spot: nothing.
    Money apply_funding(std::uint32_t index, const FundingPayload& funding) noexcept;

    // Funding of one position: what it would be, and as the exchange settled it. In isolated mode
    // it moves the position's margin, too.
    [[nodiscard]] Money funding_of(std::uint32_t index, PositionSide side,
                                   const FundingPayload& funding) const noexcept;
    void credit_funding(std::uint32_t index, PositionSide side, Money change) noexcept;

    // What the venue's insurance put in where nothing was left.
    void credit_insurance(std::uint32_t index, Money amount) noexcept;

    // A currency that may be borrowed, and what was charged for it.
    void set_borrow(std::uint32_t currency, std::int64_t rate) noexcept;
    void credit_interest(std::uint32_t currency, Money change) noexcept;
    [[nodiscard]] bool borrows() const noexcept { return borrows_; }
    [[nodiscard]] bool may_borrow(std::uint32_t currency) const noexcept {
        return currency < may_borrow_.size() && may_borrow_[currency];
    }
    [[nodiscard]] Money interest(std::uint32_t currency) const noexcept;  // paid negative

    // Of the money of a currency and the coins that spot instruments price in it. Unrealized
    // profit of contracts counts as money (cross), allotted margin does not (isolated).
    [[nodiscard]] LoanState loans(std::uint32_t currency) const noexcept;
    // True when the currency, or a coin that is priced in it, has been borrowed.
    [[nodiscard]] bool owes(std::uint32_t currency) const noexcept;
    // Coins of a spot instrument, where it is the one that prices them; else 0.
    [[nodiscard]] Money base_balance(std::uint32_t index) const noexcept;

    // Working orders count against the account until they are filled or gone. Opening orders
    // only: reduce-only ones need no margin.
    void add_working(std::uint32_t index, PositionSide position_side, Side side, std::int64_t price,
                     std::int64_t size) noexcept;
    void remove_working(std::uint32_t index, PositionSide position_side, Side side,
                        std::int64_t price, std::int64_t size) noexcept;

    // As if an order that holds back at `reserved` (0: nothing, it only reduces) had filled at
    // `price`, as a taker, where that gives something back: a sale of coins, or of what is held.
    // Whether it does.
    bool assume_filled(std::uint32_t index, PositionSide position_side, Side side,
                       std::int64_t price, std::int64_t size, std::int64_t reserved) noexcept;
    // Whole units of a spot instrument's base that no order holds back.
    [[nodiscard]] std::int64_t sellable(std::uint32_t index) const noexcept;

    // 0, INSUFFICIENT_FUNDS for an order that the account cannot carry at `price` (market: the
    // price expected), or POSITION_LIMIT where no bracket lets so much be opened at the leverage.
    // The order's own part must not be in the working sums yet.
    [[nodiscard]] std::uint16_t check_funds(std::uint32_t index, PositionSide position_side,
                                            Side side, std::int64_t price, std::int64_t size,
                                            bool reduce_only) const noexcept {
        return weigh(index, position_side, side, price, size, reduce_only).code;
    }
    // The same with the amounts that were compared; of no currency where none were.
    [[nodiscard]] Funds weigh(std::uint32_t index, PositionSide position_side, Side side,
                              std::int64_t price, std::int64_t size,
                              bool reduce_only) const noexcept;

    [[nodiscard]] Money balance(std::uint32_t currency) const noexcept;
    [[nodiscard]] std::uint32_t currency_count() const noexcept {
        return static_cast<std::uint32_t>(balances_.size());
    }
    [[nodiscard]] const Position& position(std::uint32_t index,
                                           PositionSide side = PositionSide::both) const noexcept;
    [[nodiscard]] std::int64_t net_qty(std::uint32_t index) const noexcept;
    [[nodiscard]] Money unrealized(std::uint32_t index) const noexcept;

    // What is allotted to a position in isolated mode, and what it takes in at its mark to keep it.
    [[nodiscard]] Money allotted(std::uint32_t index, PositionSide side) const noexcept;
    [[nodiscard]] Money maintenance_of(std::uint32_t index, PositionSide side) const noexcept;
    // Balance, unrealized profit of what settles in it, and spot holdings priced in it at marks.
    [[nodiscard]] Money equity(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money initial_margin(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money maintenance_margin(std::uint32_t currency) const noexcept;
    // Of the positions that the account backs.
    [[nodiscard]] Money cross_maintenance(std::uint32_t currency) const noexcept;
    // Free for new orders: balance and unrealized profit of derivatives, less initial margin and
    // what working spot orders hold; without the profit of isolated positions. May be negative.
    [[nodiscard]] Money available(std::uint32_t currency) const noexcept;
    // Initial margin and what working spot orders hold.
    [[nodiscard]] Money locked(std::uint32_t currency) const noexcept;
    // True when the maintenance margin is no longer covered: of all that settles in a currency
    // (cross), of one position (isolated).
    [[nodiscard]] bool below_maintenance(std::uint32_t currency) const noexcept;
    [[nodiscard]] bool below_maintenance(std::uint32_t index, PositionSide side) const noexcept;

    // The mark, in quote units, at which a position is closed by force while all other marks stay:
    // where `spare`, what is left over its maintenance now, is used up. alone: its margin is its
    // own; else what is held of the other side of the instrument goes with it. None where no
    // positive price does it, where it is flat and while no mark is known.
    [[nodiscard]] std::optional<double> liquidation_price(std::uint32_t index, PositionSide side,
                                                          Money spare, bool alone) const noexcept;

    // For liquidation. Balance that is not allotted and unrealized profit of what the account
    // backs; what isolated margin covers beyond maintenance; balance that is not allotted; whether
    // anything is held in a currency.
    [[nodiscard]] Money covered(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money spare(std::uint32_t index, PositionSide side) const noexcept;
    [[nodiscard]] Money free_of_isolated(std::uint32_t currency) const noexcept;
    [[nodiscard]] bool holds(std::uint32_t currency) const noexcept;
    // What must be closed to come down into the next lower bracket, in whole lots; all of it from
    // the lowest.
    [[nodiscard]] std::int64_t reduction_step(std::uint32_t index,
                                              PositionSide side) const noexcept;
    [[nodiscard]] std::uint32_t settle(std::uint32_t index) const noexcept {
        return index < holdings_.size() ? holdings_[index].settle : 0;
    }
    [[nodiscard]] std::int64_t mark(std::uint32_t index) const noexcept {
        return index < holdings_.size() ? holdings_[index].mark_doubled / 2 : 0;
    }
    [[nodiscard]] std::int64_t liquidation_fee(std::uint32_t index) const noexcept {
        return index < holdings_.size() ? holdings_[index].liquidation_fee : 0;
    }
    [[nodiscard]] std::int64_t highest_rate(std::uint32_t index) const noexcept {
        return index < holdings_.size() ? holdings_[index].margin.highest_rate() : 0;
    }
    // Rises with whatever changes what is covered or needed, marks aside.
    [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

    // Sums of what was paid and traded begin anew; what is held stays.
    void forget_totals() noexcept;
    [[nodiscard]] Money volume(std::uint32_t index) const noexcept;   // traded, settle currency
    [[nodiscard]] Money fees(std::uint32_t index) const noexcept;     // paid, rebates negative
    [[nodiscard]] Money funding(std::uint32_t index) const noexcept;  // received, paid negative
    [[nodiscard]] Money liquidation_fees(std::uint32_t index) const noexcept;  // paid
    [[nodiscard]] Money insurance(std::uint32_t index) const noexcept;         // received
    [[nodiscard]] const AccountOptions& options() const noexcept { return options_; }

 private:
    // What a contract adds to the account of its currency. Each order and each event of what is
    // held asks for the sums, and between two of them little has changed: what was reckoned stands
    // until its holding is written to (`at`).
    struct Share {
        Money profit = 0, margin = 0, maintenance = 0;
        bool has_profit = false, has_margin = false, has_maintenance = false;
    };

    struct Holding {  // all that the account knows of one instrument
        std::uint32_t settle = 0, base = 0;
        std::int64_t mark_doubled = 0;  // 0: not known
        bool is_listed = false;
        bool is_spot = false;
        bool isolated = false;
        bool values_base = false;  // the one spot instrument that prices its base in its quote
        bool is_open = false;      // is among open_
        mutable Share share;
        InstrumentSpec spec;
        std::array<Position, 3> positions;                 // by PositionSide
        std::array<std::array<WorkingSum, 2>, 3> working;  // by PositionSide, then buy, sell
        Money volume = 0, fees = 0, funding = 0, liquidation_fees = 0, insurance = 0;
        std::int64_t liquidation_fee = 0;
        std::array<Money, 3> allotted{};  // isolated margin, by PositionSide
        MarginTable margin;
        std::int64_t leverage = 1;
    };

    Holding& at(std::uint32_t index) noexcept;  // to write to
    void note_open(std::uint32_t index) noexcept;
    // Calls visit(holding) for each contract in a currency that adds anything to its account.
    template <class Visit>
    void for_contracts(std::uint32_t currency, const Visit& visit) const {
        for (const std::uint32_t index : open_) {
            const Holding& holding = holdings_[index];
            if (holding.settle == currency && !holding.is_spot) visit(holding);
        }
    }
    [[nodiscard]] Money profit_of(const Holding& holding) const noexcept;
    [[nodiscard]] static Money maintenance_of(const Holding& holding) noexcept;
    Money& balance_at(std::uint32_t currency) noexcept;
    [[nodiscard]] static Money position_value(const Holding& holding,
                                              const Position& position) noexcept;
    [[nodiscard]] Money margin_of(const Holding& holding) const noexcept;
    [[nodiscard]] bool carries_loan(const Holding& holding, Side side, std::int64_t price,
                                    std::int64_t size) const noexcept;
    [[nodiscard]] Money base_value(const Holding& holding) const noexcept;
    [[nodiscard]] Money cross_margin_of(const Holding& holding) const noexcept;
    [[nodiscard]] Money isolated_margin_of(const Holding& holding) const noexcept;
    void allot(Holding& holding, std::size_t side, const Position& before,
               const FillPayload& fill) noexcept;
    [[nodiscard]] static Money side_exposure(const Holding& holding, PositionSide side,
                                             Money extra_buys, Money extra_sells) noexcept;
    [[nodiscard]] static Money value_of(const Holding& holding, PositionSide side) noexcept;

    AccountOptions options_;
    std::vector<Holding> holdings_;
    // Contracts that are held or ordered, and spot that is ordered: of many instruments mostly few.
    std::vector<std::uint32_t> open_;
    std::vector<Money> balances_;
    std::vector<Money> interest_;   // by currency
    std::vector<bool> may_borrow_;  // by currency
    bool borrows_ = false;
    std::uint64_t revision_ = 1;
};

// Fee of a trade, half to even at 1e-18: positive is paid, negative a rebate.
[[nodiscard]] Money fee_of(const InstrumentSpec& spec, Liquidity liquidity, std::int64_t price,
                           std::int64_t size) noexcept;

[[nodiscard]] Money liquidation_fee_of(const InstrumentSpec& spec, std::int64_t rate,
                                       std::int64_t price, std::int64_t size) noexcept;

// Units of a spot instrument's base currency as money of that currency.
[[nodiscard]] Money base_money(const InstrumentSpec& spec, std::int64_t size) noexcept;

}  // namespace onetape
