#include "exchange/account.hpp"

#include <algorithm>

#include "exchange/errors.hpp"

namespace onetape {

namespace {

constexpr int rate_decimals = 12;
constexpr auto rate_one = static_cast<std::int64_t>(pow10(rate_decimals));

std::size_t side_at(Side side) {
    return side == Side::sell ? 1 : 0;
}
Money absolute(Money value) {
    return value < 0 ? -value : value;
}

// Units of a spot instrument's base currency as money of that currency.
Money base_money(const InstrumentSpec& spec, std::int64_t size) {
    const int exponent = money_decimals - spec.size_decimals - spec.multiplier_decimals;
    const Int128 amount = static_cast<Int128>(size) * spec.multiplier;
    return exponent >= 0 ? amount * pow10(exponent) : divide_half_even(amount, pow10(-exponent));
}

}  // namespace

Money fee_of(const InstrumentSpec& spec, Liquidity liquidity, std::int64_t price,
             std::int64_t size) noexcept {
    const std::int64_t rate = liquidity == Liquidity::maker ? spec.maker_fee : spec.taker_fee;
    if (rate == 0) return 0;
    const int exponent = money_decimals - rate_decimals - spec.price_decimals - spec.size_decimals -
                         spec.multiplier_decimals;
    if (spec.kind != ContractKind::inverse && exponent >= 0) {  // exact: nothing to divide
        return absolute(static_cast<Int128>(price) * size * spec.multiplier) * rate *
               pow10(exponent);
    }
    return multiply_divide_half_even(absolute(spec.notional(price, size)), rate, rate_one);
}

Account::Account(const AccountOptions& options) noexcept : options_(options) {
    options_.leverage = std::max<std::int64_t>(options_.leverage, 1);
}

Account::Holding& Account::at(std::uint32_t index) noexcept {
    if (index >= holdings_.size()) holdings_.resize(index + 1);
    return holdings_[index];
}

Money& Account::balance_at(std::uint32_t currency) noexcept {
    if (currency >= balances_.size()) balances_.resize(currency + 1);
    return balances_[currency];
}

void Account::set_instrument(std::uint32_t index, const InstrumentSpec& spec, std::uint32_t settle,
                             std::uint32_t base) noexcept {
    Holding& holding = at(index);
    holding.spec = spec;
    holding.settle = settle;
    holding.base = base;
    holding.known = true;
    balance_at(std::max(settle, base));
    if (spec.kind != ContractKind::spot || settle == base) return;
    // One instrument values a holding: the first that trades it against this currency.
    holding.values_base =
        std::none_of(holdings_.begin(), holdings_.end(), [&](const Holding& other) {
            return &other != &holding && other.values_base && other.base == base &&
                   other.settle == settle;
        });
}

void Account::deposit(std::uint32_t currency, Money amount) noexcept {
    balance_at(currency) += amount;
}

void Account::set_mark(std::uint32_t index, std::int64_t price) noexcept {
    at(index).mark = price;
}

Money Account::apply_fill(std::uint32_t index, const FillPayload& fill) noexcept {
    Holding& holding = at(index);
    const auto side = options_.hedge ? fill.position_side : PositionSide::both;
    const Money fee = join_halves(fill.fee_low, fill.fee_high);
    const Money profit = holding.positions[static_cast<std::size_t>(side)].apply(
        holding.spec, fill.side, fill.price, fill.size);
    const std::uint32_t fee_currency = fill.fee_currency ? fill.fee_currency : holding.settle;
    balance_at(fee_currency) -= fee;
    if (fee_currency == holding.settle) holding.fees += fee;
    if (holding.spec.kind == ContractKind::spot) {
        const std::int64_t size = fill.side == Side::buy ? fill.size : -fill.size;
        balance_at(holding.settle) -= holding.spec.notional(fill.price, size);
        balance_at(holding.base) += base_money(holding.spec, size);
    } else {
        balance_at(holding.settle) += profit;
    }
    return profit;
}

Money Account::apply_funding(std::uint32_t index, const FundingPayload& funding) noexcept {
    Holding& holding = at(index);
    if (holding.spec.kind == ContractKind::spot) return 0;
    const std::int64_t price = funding.mark != 0 ? funding.mark : holding.mark;
    Money change = 0;
    for (const Position& position : holding.positions) {
        if (position.flat()) continue;
        const Money value = price != 0 ? holding.spec.notional(price, position.qty) : position.cost;
        change -= multiply_divide_half_even(value, funding.rate, rate_one);
    }
    credit_funding(index, change);
    return change;
}

void Account::credit_funding(std::uint32_t index, Money change) noexcept {
    Holding& holding = at(index);
    holding.funding += change;
    balance_at(holding.settle) += change;
}

void Account::add_working(std::uint32_t index, PositionSide position_side, Side side,
                          std::int64_t price, std::int64_t size) noexcept {
    Holding& holding = at(index);
    WorkingSum& sum = holding.working[static_cast<std::size_t>(position_side)][side_at(side)];
    sum.size += size;
    sum.notional += absolute(holding.spec.notional(price, size));
    sum.fee += std::max<Money>(fee_of(holding.spec, Liquidity::taker, price, size), 0);
}

void Account::remove_working(std::uint32_t index, PositionSide position_side, Side side,
                             std::int64_t price, std::int64_t size) noexcept {
    Holding& holding = at(index);
    WorkingSum& sum = holding.working[static_cast<std::size_t>(position_side)][side_at(side)];
    sum.size -= size;
    sum.notional -= absolute(holding.spec.notional(price, size));
    sum.fee -= std::max<Money>(fee_of(holding.spec, Liquidity::taker, price, size), 0);
}

// The largest value that a position could reach if every working order of one side filled.
Money Account::side_exposure(const Holding& holding, PositionSide side, Money extra_buys,
                             Money extra_sells) noexcept {
    const auto at_side = static_cast<std::size_t>(side);
    const Money value = position_value(holding, holding.positions[at_side]);
    const Money buys = holding.working[at_side][0].notional + extra_buys;
    const Money sells = holding.working[at_side][1].notional + extra_sells;
    switch (side) {
        case PositionSide::long_:
            return absolute(value) + buys;
        case PositionSide::short_:
            return absolute(value) + sells;
        case PositionSide::both:
            break;
    }
    return std::max(absolute(value + buys), absolute(value - sells));
}

// Signed like the quantity.
Money Account::position_value(const Holding& holding, const Position& position) noexcept {
    if (position.flat()) return 0;
    const Money value = absolute(
        holding.mark != 0 ? holding.spec.notional(holding.mark, position.qty) : position.cost);
    return position.qty < 0 ? -value : value;
}

Money Account::margin_of(const Holding& holding) const noexcept {
    const Money exposure = options_.hedge ? side_exposure(holding, PositionSide::long_, 0, 0) +
                                                side_exposure(holding, PositionSide::short_, 0, 0)
                                          : side_exposure(holding, PositionSide::both, 0, 0);
    Money margin = divide_half_even(exposure, options_.leverage);
    for (const auto& sides : holding.working) margin += sides[0].fee + sides[1].fee;
    return margin;
}

std::uint16_t Account::check_funds(std::uint32_t index, PositionSide position_side, Side side,
                                   std::int64_t price, std::int64_t size,
                                   bool reduce_only) const noexcept {
    if (index >= holdings_.size()) return error::insufficient_funds;
    const Holding& holding = holdings_[index];
    const InstrumentSpec& spec = holding.spec;
    const Money fee = std::max<Money>(fee_of(spec, Liquidity::taker, price, size), 0);
    if (spec.kind == ContractKind::spot) {
        const bool covered = side == Side::buy
                                 ? available(holding.settle) >= spec.notional(price, size) + fee
                                 : available(holding.base) >= base_money(spec, size);
        return covered ? error::none : error::insufficient_funds;
    }
    if (reduce_only) return error::none;
    const PositionSide held = options_.hedge ? position_side : PositionSide::both;
    const Money value = absolute(spec.notional(price, size));
    const Money more = side_exposure(holding, held, side == Side::buy ? value : 0,
                                     side == Side::sell ? value : 0) -
                       side_exposure(holding, held, 0, 0);
    // What does not raise the worst case is let through whatever the account looks like: it can
    // only make it safer.
    if (more <= 0) return error::none;
    const Money needed = divide_half_even(more, options_.leverage) + fee;
    return available(holding.settle) >= needed ? error::none : error::insufficient_funds;
}

Money Account::balance(std::uint32_t currency) const noexcept {
    return currency < balances_.size() ? balances_[currency] : 0;
}

const Position& Account::position(std::uint32_t index, PositionSide side) const noexcept {
    static const Position none;
    if (index >= holdings_.size()) return none;
    return holdings_[index].positions[static_cast<std::size_t>(side)];
}

std::int64_t Account::net_qty(std::uint32_t index) const noexcept {
    std::int64_t qty = 0;
    if (index < holdings_.size()) {
        for (const Position& position : holdings_[index].positions) qty += position.qty;
    }
    return qty;
}

Money Account::unrealized(std::uint32_t index) const noexcept {
    if (index >= holdings_.size() || holdings_[index].mark == 0) return 0;
    const Holding& holding = holdings_[index];
    Money sum = 0;
    for (const Position& position : holding.positions) {
        sum += position.unrealized(holding.spec, holding.mark);
    }
    return sum;
}

Money Account::equity(std::uint32_t currency) const noexcept {
    Money sum = balance(currency);
    for (std::uint32_t index = 0; index < holdings_.size(); ++index) {
        const Holding& holding = holdings_[index];
        if (!holding.known || holding.settle != currency) continue;
        if (holding.spec.kind != ContractKind::spot) {
            sum += unrealized(index);
        } else if (holding.values_base && holding.mark != 0) {
            const Money held = balance(holding.base);
            // mark is 1e-price_decimals of the quote for one whole unit of the base.
            const auto scale = static_cast<std::int64_t>(pow10(holding.spec.price_decimals));
            sum += multiply_divide_half_even(held, holding.mark, scale);
        } else if (holding.values_base) {
            sum += holding.positions[0].cost;
        }
    }
    return sum;
}

Money Account::initial_margin(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for (const Holding& holding : holdings_) {
        if (!holding.known || holding.spec.kind == ContractKind::spot) continue;
        if (holding.settle == currency) sum += margin_of(holding);
    }
    return sum;
}

Money Account::maintenance_margin(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for (const Holding& holding : holdings_) {
        if (!holding.known || holding.spec.kind == ContractKind::spot) continue;
        if (holding.settle != currency) continue;
        for (const Position& position : holding.positions) {
            sum += multiply_divide_half_even(absolute(position_value(holding, position)),
                                             holding.spec.maintenance_rate, rate_one);
        }
    }
    return sum;
}

Money Account::available(std::uint32_t currency) const noexcept {
    Money sum = balance(currency);
    for (std::uint32_t index = 0; index < holdings_.size(); ++index) {
        const Holding& holding = holdings_[index];
        if (!holding.known) continue;
        if (holding.spec.kind != ContractKind::spot) {
            if (holding.settle == currency) sum += unrealized(index) - margin_of(holding);
            continue;
        }
        for (const auto& sides : holding.working) {
            if (holding.settle == currency) sum -= sides[0].notional + sides[0].fee;
            if (holding.base == currency) sum -= base_money(holding.spec, sides[1].size);
        }
    }
    return sum;
}

bool Account::below_maintenance(std::uint32_t currency) const noexcept {
    Money covered = balance(currency);
    bool holds = false;
    for (std::uint32_t index = 0; index < holdings_.size(); ++index) {
        const Holding& holding = holdings_[index];
        if (!holding.known || holding.spec.kind == ContractKind::spot) continue;
        if (holding.settle != currency) continue;
        covered += unrealized(index);
        holds = holds || std::any_of(holding.positions.begin(), holding.positions.end(),
                                     [](const Position& position) { return !position.flat(); });
    }
    return holds && covered < maintenance_margin(currency);
}

Money Account::fees(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].fees : 0;
}

Money Account::funding(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].funding : 0;
}

}  // namespace onetape
