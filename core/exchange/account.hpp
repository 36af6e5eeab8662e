#pragma once
// The money of one account: balances, positions, margin in cross or isolated mode. Used twice: by
// the exchange as the true state, and by a robot as its own view from the fills that reached it.
//
// Currencies and instruments are indices from the caller; both tables grow as needed. Currencies do
// not back each other: money of the same name at two venues has two indices, and each instrument
// settles in its own venue's, so that one Account holds the accounts of all venues of a run
// separately. Marks are pushed in (`set_mark`); without a mark, a position is valued at its cost.
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
    bool hedge = false;         // long and short side by side; else one position per instrument
    bool isolated = false;      // each position has its own margin; else the account backs all
    std::int64_t leverage = 1;  // initial margin = notional / leverage, >= 1; terms may override it
    Money margin_step = 0;      // isolated margin moves in multiples of this, 0: exactly
};

// Sum over the working orders of one side: what they may still buy or sell.
struct WorkingSum {
    std::int64_t size = 0;
    Money notional = 0;
    Money fee = 0;  // taker fee on the notional, never negative
};

// The funds that an order needs and those available for it, in one currency.
struct Funds {
    static constexpr std::uint32_t no_currency = std::numeric_limits<std::uint32_t>::max();
    std::uint16_t code = 0;
    std::uint32_t currency = no_currency;
    Money needed = 0, available = 0;
};

// Assets and debts in spot, valued in one currency. is_priced: every coin in it has a mark.
struct LoanState {
    Money assets = 0, debts = 0;
    bool is_priced = true;
};

class Account {
 public:
    explicit Account(const AccountOptions& options = {}) noexcept;

    // settle: currency of notional, profit and fees (spot: quote). base: the currency that spot
    // delivers.
    void set_instrument(std::uint32_t index, const InstrumentSpec& spec, std::uint32_t settle,
                        std::uint32_t base) noexcept;
    // Sets brackets and leverage of an instrument that was set before.
    void set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept;
    // Sets whether positions of an instrument have isolated margin, overriding the options. Only
    // without positions and working orders in it.
    void set_isolated(std::uint32_t index, bool isolated) noexcept;
    // Moves free money to a position's isolated margin; a negative amount moves it back.
    void move_margin(std::uint32_t index, PositionSide side, Money amount) noexcept;
    // Only without working orders in the instrument: their reserves were computed with the old
    // fees.
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

    // Books position, balances and fee of one fill. Returns the realized profit (settle currency).
    // Position side: `both` in one-way mode, else the fill's own. fee_currency: 0, or 1 + a
    // currency of this account, or fee_external if the fee is paid elsewhere.
    static constexpr std::uint32_t fee_external = ~std::uint32_t{0};
    Money apply_fill(std::uint32_t index, const FillPayload& fill) noexcept;
    // Returns the change of the balance: a long pays when the rate is positive. Spot: 0.
    Money apply_funding(std::uint32_t index, const FundingPayload& funding) noexcept;

    // Funding of one position: computed, or booked as the exchange settled it. In isolated mode it
    // moves the position's margin, too.
    [[nodiscard]] Money funding_of(std::uint32_t index, PositionSide side,
                                   const FundingPayload& funding) const noexcept;
    void credit_funding(std::uint32_t index, PositionSide side, Money change) noexcept;

    // Credits the payment of the venue's insurance for a loss beyond the money behind it.
    void credit_insurance(std::uint32_t index, Money amount) noexcept;

    // Allows a currency to be borrowed, and books interest.
    void set_borrow(std::uint32_t currency, std::int64_t rate) noexcept;
    void credit_interest(std::uint32_t currency, Money change) noexcept;
    [[nodiscard]] bool borrows() const noexcept { return borrows_; }
    [[nodiscard]] bool may_borrow(std::uint32_t currency) const noexcept {
        return currency < may_borrow_.size() && may_borrow_[currency];
    }
    [[nodiscard]] Money interest(std::uint32_t currency) const noexcept;  // payments are negative

    // Assets and debts in a currency and the coins that spot instruments price in it. Unrealized
    // profit of contracts counts as money (cross), isolated margin does not.
    [[nodiscard]] LoanState loans(std::uint32_t currency) const noexcept;
    // True if the currency, or a coin that is priced in it, is borrowed.
    [[nodiscard]] bool owes(std::uint32_t currency) const noexcept;
    // Coins of a spot instrument, if it is the one that prices them; else 0.
    [[nodiscard]] Money base_balance(std::uint32_t index) const noexcept;

    // Working orders reserve money until they are filled or closed. Opening orders only:
    // reduce-only ones need no margin.
    void add_working(std::uint32_t index, PositionSide position_side, Side side, std::int64_t price,
                     std::int64_t size) noexcept;
    void remove_working(std::uint32_t index, PositionSide position_side, Side side,
                        std::int64_t price, std::int64_t size) noexcept;

    // Applies an order, reserved at `reserved` (0: nothing, it only reduces), as filled at `price`
    // as a taker, if that releases money: a sale of coins, or of a position. Returns whether it
    // does.
    bool assume_filled(std::uint32_t index, PositionSide position_side, Side side,
                       std::int64_t price, std::int64_t size, std::int64_t reserved) noexcept;
    // Whole units of a spot instrument's base that no order reserves.
    [[nodiscard]] std::int64_t sellable(std::uint32_t index) const noexcept;

    // Returns 0, INSUFFICIENT_FUNDS for an order that the account cannot carry at `price` (market:
    // the expected price), or POSITION_LIMIT if no bracket allows that value at the leverage. The
    // order itself must not be in the working sums yet.
    [[nodiscard]] std::uint16_t check_funds(std::uint32_t index, PositionSide position_side,
                                            Side side, std::int64_t price, std::int64_t size,
                                            bool reduce_only) const noexcept {
        return weigh(index, position_side, side, price, size, reduce_only).code;
    }
    // As check_funds, with the compared amounts; without a currency if none were compared.
    [[nodiscard]] Funds weigh(std::uint32_t index, PositionSide position_side, Side side,
                              std::int64_t price, std::int64_t size,
                              bool reduce_only) const noexcept;

    [[nodiscard]] Money balance(std::uint32_t currency) const noexcept;
    [[nodiscard]] std::uint32_t currency_count() const noexcept {
        return static_cast<std::uint32_t>(balances_.size());
    }
    [[nodiscard]] const Position& position(std::uint32_t index,
                                           PositionSide side = PositionSide::both) const noexcept;
    // A position as it can be closed: of spot less the coins that are missing, because fees may be
    // paid in them.
    [[nodiscard]] Position held(std::uint32_t index,
                                PositionSide side = PositionSide::both) const noexcept;
    // Whether a position has this quantity, but for the fee paid in the coins of its purchase.
    [[nodiscard]] bool is_at(std::uint32_t index, PositionSide side,
                             std::int64_t wanted) const noexcept;
    // Whether orders of an instrument name a side of its position: in hedge mode, but not on spot.
    [[nodiscard]] bool has_sides(std::uint32_t index) const noexcept {
        return options_.hedge && !(index < holdings_.size() && holdings_[index].is_spot);
    }
    [[nodiscard]] std::int64_t net_qty(std::uint32_t index) const noexcept;
    [[nodiscard]] Money unrealized(std::uint32_t index) const noexcept;

    // A position's isolated margin, and the amount it draws at its mark to keep it.
    [[nodiscard]] Money allotted(std::uint32_t index, PositionSide side) const noexcept;
    [[nodiscard]] Money maintenance_of(std::uint32_t index, PositionSide side) const noexcept;
    // Balance, unrealized profit of instruments that settle in it, and spot holdings priced in it
    // at marks.
    [[nodiscard]] Money equity(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money initial_margin(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money maintenance_margin(std::uint32_t currency) const noexcept;
    // Maintenance margin of the cross positions.
    [[nodiscard]] Money cross_maintenance(std::uint32_t currency) const noexcept;
    // Free for new orders: balance and unrealized profit of derivatives, less initial margin and
    // reserves of working spot orders; without the profit of isolated positions. May be negative.
    [[nodiscard]] Money available(std::uint32_t currency) const noexcept;
    // Initial margin and reserves of working spot orders.
    [[nodiscard]] Money locked(std::uint32_t currency) const noexcept;
    // True if the maintenance margin is no longer covered: of all positions that settle in a
    // currency (cross), of one position (isolated).
    [[nodiscard]] bool below_maintenance(std::uint32_t currency) const noexcept;
    [[nodiscard]] bool below_maintenance(std::uint32_t index, PositionSide side) const noexcept;

    // The mark, in quote units, at which a position is liquidated while all other marks stay: where
    // `spare`, the margin above its present maintenance, is used up. alone: it has isolated margin;
    // else the instrument's other position side moves with it. None if no positive price does it,
    // without a position, or without a mark.
    [[nodiscard]] std::optional<double> liquidation_price(std::uint32_t index, PositionSide side,
                                                          Money spare, bool alone) const noexcept;

    // For liquidation. Free balance plus unrealized profit of cross positions; isolated margin
    // above maintenance; free balance; whether a currency has any position.
    [[nodiscard]] Money covered(std::uint32_t currency) const noexcept;
    [[nodiscard]] Money spare(std::uint32_t index, PositionSide side) const noexcept;
    [[nodiscard]] Money free_of_isolated(std::uint32_t currency) const noexcept;
    [[nodiscard]] bool holds(std::uint32_t currency) const noexcept;
    // The quantity to close to reach the next lower bracket, in whole lots; all of it in the
    // lowest.
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
    // Increases with every change of covered or required money, except marks.
    [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

    // Resets the sums of payments and volume; balances and positions stay.
    void forget_totals() noexcept;
    [[nodiscard]] Money volume(std::uint32_t index) const noexcept;  // traded, settle currency
    [[nodiscard]] Money fees(std::uint32_t index) const noexcept;    // paid; rebates are negative
    [[nodiscard]] Money funding(
        std::uint32_t index) const noexcept;  // received; payments are negative
    [[nodiscard]] Money liquidation_fees(std::uint32_t index) const noexcept;  // paid
    [[nodiscard]] Money insurance(std::uint32_t index) const noexcept;         // received
    [[nodiscard]] const AccountOptions& options() const noexcept { return options_; }

 private:
    // A contract's part of the account of its currency. The sums are needed for each order and each
    // event while a position is open, with few changes in between: the computed part stays valid
    // until its holding is written to (`at`).
    struct Share {
        Money profit = 0, margin = 0, maintenance = 0;
        bool has_profit = false, has_margin = false, has_maintenance = false;
    };

    struct Holding {  // the account's state of one instrument
        std::uint32_t settle = 0, base = 0;
        std::int64_t mark_doubled = 0;  // 0: unknown
        bool is_listed = false;
        bool is_spot = false;
        bool isolated = false;
        bool values_base = false;  // the one spot instrument that prices its base in its quote
        bool is_open = false;      // is in open_
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

    Holding& at(std::uint32_t index) noexcept;  // for writing
    void note_open(std::uint32_t index) noexcept;
    // Calls visit(holding) for each contract in a currency that has a part in its account.
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
    // Contracts with a position or orders, and spot with orders: usually few of many instruments.
    std::vector<std::uint32_t> open_;
    std::vector<Money> balances_;
    std::vector<Money> bought_;     // by currency: coins of spot fills, less those sold
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
