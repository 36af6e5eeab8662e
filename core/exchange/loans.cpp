// Spot loans: the ratio of assets to debts, and the venue's steps when it falls.
// docs/concepts/fills.md states it in words, tests/exchange/reference_loans.py in slow Python.
//
// Like margin (liquidation.cpp), a check leaves a span of prices within which nothing can happen:
// an owned coin moves the level by its amount for a unit of price, a borrowed coin by its amount
// times the watched level.
#include <algorithm>
#include <cmath>

#include "exchange/errors.hpp"
#include "exchange/recorded.hpp"

namespace onetape {

namespace {

constexpr std::int64_t level_one = 1'000'000;

// The value of assets that gives this level.
Money needed(const LoanState& loans, std::int64_t level) {
    return multiply_divide_half_even(loans.debts, level, level_one);
}

std::int64_t round_up(std::int64_t size, std::int64_t step) {
    return step > 1 ? (size + step - 1) / step * step : size;
}

}  // namespace

// After each fill and each deposit: determines which spot instruments are watched because of a
// debt.
void RecordedExchange::note_loans() noexcept {
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        if (markets_[i].spec.kind != ContractKind::spot || markets_[i].view == nullptr) continue;
        markets_[i].lent = is_owing(account_->settle(i));
    }
}

// A withdrawal beyond the balance is a loan.
void RecordedExchange::deposit(std::uint32_t currency, Money amount) noexcept {
    account_->deposit(currency, amount);
    if (rules_.loans.call > 0) note_loans();
}

// Also after full repayment, until that has been reported.
bool RecordedExchange::is_owing(std::uint32_t currency) const noexcept {
    return account_->owes(currency) || (currency < loan_called_.size() && loan_called_[currency]);
}

bool RecordedExchange::called_in(const LoanState& loans) const noexcept {
    return loans.is_priced && loans.debts > 0 &&
           loans.assets <= needed(loans, rules_.loans.liquidation);
}

void RecordedExchange::check_loans(std::uint32_t currency, std::int64_t now) noexcept {
    mark_where([&](std::uint32_t i) { return moves_loans_of(currency, i); });
    LoanState loans = account_->loans(currency);
    if (called_in(loans)) {
        tell_loans(currency, loans, now);
        liquidate_loans(currency, now);
        loans = account_->loans(currency);
    }
    if (loans.is_priced) tell_loans(currency, loans, now);
    note_loans();
    set_loan_spans(currency, loans);
}

// Reports once when the level falls to the call, and once when it is above it again.
void RecordedExchange::tell_loans(std::uint32_t currency, const LoanState& loans,
                                  std::int64_t now) noexcept {
    if (currency >= loan_called_.size()) loan_called_.resize(currency + 1);
    const bool called = loans.debts > 0 && loans.assets <= needed(loans, rules_.loans.call);
    if (called == loan_called_[currency]) return;
    loan_called_[currency] = called;
    counters_.loan_calls += called ? 1 : 0;
    std::uint32_t index = 0;
    while (index + 1 < markets_.size() &&
           !(markets_[index].view != nullptr && account_->settle(index) == currency))
        ++index;
    sink_->on_loan(index, {now, loans.assets, loans.debts, currency, called});
}

void RecordedExchange::set_loan_spans(std::uint32_t currency, const LoanState& loans) noexcept {
    // A contract in the same currency moves the level with its own mark: then each event is
    // checked.
    const bool alone = !account_->holds(currency) && loans.is_priced;
    const std::int64_t call = rules_.loans.call, liquidation = rules_.loans.liquidation;
    const Money to_call = absolute(loans.assets - needed(loans, call));
    const bool called = currency < loan_called_.size() && loan_called_[currency];
    const Money spare =
        called ? std::min(to_call, loans.assets - needed(loans, liquidation)) : to_call;
    const double heavier = std::max(1.0, static_cast<double>(call) / level_one);
    double count = 0;
    for (std::uint32_t i = 0; i < markets_.size(); ++i)
        count += markets_[i].lent && account_->settle(i) == currency ? 1 : 0;
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        Market& market = markets_[i];
        if (!market.lent || account_->settle(i) != currency) continue;
        const std::int64_t price = account_->mark(i);
        const double unit = std::abs(static_cast<double>(account_->base_balance(i))) /
                            static_cast<double>(pow10(market.spec.price_decimals));
        const double span =
            unit > 0 ? static_cast<double>(std::max<Money>(spare, 0)) / (count * unit * heavier)
                     : 4e18;
        market.keep_safe(price, span, alone ? account_->revision() : 0);
    }
}

// Buys borrowed coins back first, whatever money that costs; then repays borrowed money by selling
// the most valuable holdings, no more than needed.
void RecordedExchange::liquidate_loans(std::uint32_t currency, std::int64_t now) noexcept {
    const auto is_ours = [&](std::uint32_t index) {
        return markets_[index].lent && account_->settle(index) == currency &&
               account_->mark(index) != 0;
    };
    cancel_where(now, error::insufficient_funds,
                 [&](const Order& order) { return is_ours(order.instrument); });
    const LoanState before = account_->loans(currency);
    Money fees_left = std::max<Money>(before.assets - before.debts, 0);
    std::uint32_t last = 0;
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        if (!is_ours(i)) continue;
        last = i;
        const Money owed = -account_->base_balance(i);
        if (owed <= 0) continue;
        const Money unit = base_money(markets_[i].spec, 1);
        const auto size = static_cast<std::int64_t>((owed + unit - 1) / unit);
        fees_left -= repay_step(i, Side::buy, round_up(size, markets_[i].spec.lot), fees_left, now);
    }
    while (account_->balance(currency) < 0) {
        std::uint32_t best = 0;
        Money most = 0;
        for (std::uint32_t i = 0; i < markets_.size(); ++i) {
            if (!is_ours(i) || sellable(i) == 0) continue;
            const Money value = markets_[i].spec.notional(account_->mark(i), sellable(i));
            if (value <= most) continue;
            most = value;
            best = i;
        }
        if (most <= 0) break;
        last = best;
        fees_left -= repay_step(best, Side::sell, size_to_repay(best, -account_->balance(currency)),
                                fees_left, now);
    }
    const Money missing = -account_->balance(currency);
    if (missing <= 0 || account_->holds(currency)) return;
    ++counters_.insurance_payments;
    account_->credit_insurance(last, missing);
    sink_->on_cash(last, {now, missing, CashKind::insurance, PositionSide::both});
}

// Whole units of the base that the account has.
std::int64_t RecordedExchange::sellable(std::uint32_t index) const noexcept {
    const Money unit = base_money(markets_[index].spec, 1);
    const Money held = account_->base_balance(index);
    return held > 0 && unit > 0 ? static_cast<std::int64_t>(held / unit) : 0;
}

// The smallest size, in whole lots, that repays a debt after the fee; the whole holding if that
// does not.
std::int64_t RecordedExchange::size_to_repay(std::uint32_t index, Money debt) const noexcept {
    const InstrumentSpec& spec = markets_[index].spec;
    const std::int64_t most = sellable(index), price = account_->mark(index);
    std::int64_t low = 0, high = most;  // the answer lies in (low, high]
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        const Money paid = spec.notional(price, middle) -
                           liquidation_fee_of(spec, rules_.loans.fee, price, middle);
        (paid >= debt ? high : low) = middle;
    }
    return std::min(round_up(high, spec.lot), most);
}

// One forced trade at the mark; its fee is at most the money left.
Money RecordedExchange::repay_step(std::uint32_t index, Side side, std::int64_t size,
                                   Money fees_left, std::int64_t now) noexcept {
    const std::int64_t price = account_->mark(index);
    FillPayload fill = venue_fill(index, PositionSide::both, price, size, now, loan_orders);
    fill.side = side;
    const Money fee =
        std::min(liquidation_fee_of(markets_[index].spec, rules_.loans.fee, price, size),
                 std::max<Money>(fees_left, 0));
    fill.fee_low = low_half(fee);
    fill.fee_high = high_half(fee);
    ++counters_.loan_liquidations;
    book_venue_fill(index, fill);
    return fee;
}

}  // namespace onetape
