#include "exchange/account.hpp"

#include <algorithm>

#include "exchange/errors.hpp"

namespace onetape {

namespace {

std::size_t side_at(Side side) {
    return side == Side::sell ? 1 : 0;
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
    return at_rate(absolute(spec.notional(price, size)), rate);
}

Money liquidation_fee_of(const InstrumentSpec& spec, std::int64_t rate, std::int64_t price,
                         std::int64_t size) noexcept {
    return at_rate(absolute(spec.notional(price, size)), rate);
}

Money base_money(const InstrumentSpec& spec, std::int64_t size) noexcept {
    const int exponent = money_decimals - spec.size_decimals - spec.multiplier_decimals;
    const Int128 amount = static_cast<Int128>(size) * spec.multiplier;
    return exponent >= 0 ? amount * pow10(exponent) : divide_half_even(amount, pow10(-exponent));
}

Account::Account(const AccountOptions& options) noexcept : options_(options) {
    options_.leverage = std::max<std::int64_t>(options_.leverage, 1);
}

Account::Holding& Account::at(std::uint32_t index) noexcept {
    if (index >= holdings_.size()) holdings_.resize(index + 1);
    Holding& holding = holdings_[index];
    holding.share.has_profit = holding.share.has_margin = holding.share.has_maintenance = false;
    return holding;
}

Money& Account::balance_at(std::uint32_t currency) noexcept {
    if (currency >= balances_.size()) balances_.resize(currency + 1);
    return balances_[currency];
}

// Called after each change of a position, of working orders or of isolated margin.
void Account::note_open(std::uint32_t index) noexcept {
    Holding& holding = holdings_[index];
    bool is_open = false;
    for (std::size_t side = 0; side < holding.positions.size(); ++side) {
        is_open = is_open || holding.allotted[side] != 0 ||
                  (!holding.is_spot && !holding.positions[side].flat());
        for (const WorkingSum& sum : holding.working[side])
            is_open = is_open || sum.size != 0 || sum.notional != 0 || sum.fee != 0;
    }
    if (is_open == holding.is_open) return;
    holding.is_open = is_open;
    if (is_open)
        open_.push_back(index);
    else
        std::erase(open_, index);
}

void Account::set_instrument(std::uint32_t index, const InstrumentSpec& spec, std::uint32_t settle,
                             std::uint32_t base) noexcept {
    Holding& holding = at(index);
    holding.spec = spec;
    holding.is_spot = spec.kind == ContractKind::spot;
    holding.settle = settle;
    holding.base = base;
    if (!holding.is_listed) {
        holding.leverage = options_.leverage;
        holding.isolated = options_.isolated;
    }
    holding.is_listed = true;
    if (holding.margin.empty()) holding.margin.set({}, spec.maintenance_rate);
    ++revision_;
    balance_at(std::max(settle, base));
    note_open(index);
    if (spec.kind != ContractKind::spot || settle == base) return;
    // One instrument values a holding: the first that trades it against this currency.
    holding.values_base =
        std::none_of(holdings_.begin(), holdings_.end(), [&](const Holding& other) {
            return &other != &holding && other.values_base && other.base == base &&
                   other.settle == settle;
        });
}

void Account::set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept {
    Holding& holding = at(index);
    holding.margin.set(terms.brackets, holding.spec.maintenance_rate);
    holding.leverage = terms.leverage > 0 ? terms.leverage : options_.leverage;
    holding.liquidation_fee = terms.liquidation_fee;
    ++revision_;
}

void Account::set_isolated(std::uint32_t index, bool isolated) noexcept {
    at(index).isolated = isolated;
    ++revision_;
}

void Account::move_margin(std::uint32_t index, PositionSide side, Money amount) noexcept {
    at(index).allotted[static_cast<std::size_t>(side)] += amount;
    note_open(index);
    ++revision_;
}

void Account::set_fees(std::uint32_t index, std::int64_t maker, std::int64_t taker) noexcept {
    Holding& holding = at(index);
    holding.spec.maker_fee = maker;
    holding.spec.taker_fee = taker;
}

void Account::set_borrow(std::uint32_t currency, std::int64_t rate) noexcept {
    (void)rate;  // the venue applies it
    if (currency >= may_borrow_.size()) may_borrow_.resize(currency + 1);
    may_borrow_[currency] = true;
    borrows_ = true;
}

void Account::credit_interest(std::uint32_t currency, Money change) noexcept {
    if (currency >= interest_.size()) interest_.resize(currency + 1);
    interest_[currency] += change;
    balance_at(currency) += change;
    ++revision_;
}

Money Account::interest(std::uint32_t currency) const noexcept {
    return currency < interest_.size() ? interest_[currency] : 0;
}

void Account::deposit(std::uint32_t currency, Money amount) noexcept {
    balance_at(currency) += amount;
    ++revision_;
}

Money Account::apply_fill(std::uint32_t index, const FillPayload& fill) noexcept {
    Holding& holding = at(index);
    const auto side = has_sides(index) ? fill.position_side : PositionSide::both;
    const Money fee = join_halves(fill.fee_low, fill.fee_high);
    Position& position = holding.positions[static_cast<std::size_t>(side)];
    const Position before = position;
    const Money profit = position.apply(holding.spec, fill.side, fill.price, fill.size);
    if (holding.isolated) allot(holding, static_cast<std::size_t>(side), before, fill);
    const std::uint32_t fee_money = fill.fee_currency ? fill.fee_currency - 1 : holding.settle;
    if (fill.fee_currency != fee_external) balance_at(fee_money) -= fee;
    if (fee_money == holding.settle)
        (fill.order_id >= venue_orders ? holding.liquidation_fees : holding.fees) += fee;
    holding.volume += absolute(holding.spec.notional(fill.price, fill.size));
    ++revision_;
    if (holding.spec.kind == ContractKind::spot) {
        const std::int64_t size = fill.side == Side::buy ? fill.size : -fill.size;
        balance_at(holding.settle) -= holding.spec.notional(fill.price, size);
        balance_at(holding.base) += base_money(holding.spec, size);
        if (bought_.size() <= holding.base) bought_.resize(holding.base + 1);
        bought_[holding.base] += base_money(holding.spec, size);
    } else {
        balance_at(holding.settle) += profit;
    }
    note_open(index);
    return profit;
}

Money Account::funding_of(std::uint32_t index, PositionSide side,
                          const FundingPayload& funding) const noexcept {
    const Position& held = position(index, side);
    if (held.flat() || holdings_[index].spec.kind == ContractKind::spot) return 0;
    const Holding& holding = holdings_[index];
    const std::int64_t doubled = funding.mark != 0 ? 2 * funding.mark : holding.mark_doubled;
    const Money value = doubled != 0 ? holding.spec.notional_doubled(doubled, held.qty) : held.cost;
    return -at_rate(value, funding.rate);
}

Money Account::apply_funding(std::uint32_t index, const FundingPayload& funding) noexcept {
    Money sum = 0;
    for (const PositionSide side :
         {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
        const Money change = funding_of(index, side, funding);
        if (change != 0) credit_funding(index, side, change);
        sum += change;
    }
    return sum;
}

void Account::credit_funding(std::uint32_t index, PositionSide side, Money change) noexcept {
    Holding& holding = at(index);
    holding.funding += change;
    balance_at(holding.settle) += change;
    if (holding.isolated) holding.allotted[static_cast<std::size_t>(side)] += change;
    note_open(index);
    ++revision_;
}

void Account::credit_insurance(std::uint32_t index, Money amount) noexcept {
    Holding& holding = at(index);
    holding.insurance += amount;
    balance_at(holding.settle) += amount;
    ++revision_;
}

void Account::add_working(std::uint32_t index, PositionSide position_side, Side side,
                          std::int64_t price, std::int64_t size) noexcept {
    Holding& holding = at(index);
    WorkingSum& sum = holding.working[static_cast<std::size_t>(position_side)][side_at(side)];
    sum.size += size;
    sum.notional += absolute(holding.spec.notional(price, size));
    sum.fee += std::max<Money>(fee_of(holding.spec, Liquidity::taker, price, size), 0);
    note_open(index);
}

void Account::remove_working(std::uint32_t index, PositionSide position_side, Side side,
                             std::int64_t price, std::int64_t size) noexcept {
    Holding& holding = at(index);
    WorkingSum& sum = holding.working[static_cast<std::size_t>(position_side)][side_at(side)];
    sum.size -= size;
    sum.notional -= absolute(holding.spec.notional(price, size));
    sum.fee -= std::max<Money>(fee_of(holding.spec, Liquidity::taker, price, size), 0);
    note_open(index);
}

bool Account::assume_filled(std::uint32_t index, PositionSide position_side, Side side,
                            std::int64_t price, std::int64_t size, std::int64_t reserved) noexcept {
    if (index >= holdings_.size()) return false;
    const Holding& holding = holdings_[index];
    const std::int64_t held =
        position(index, has_sides(index) ? position_side : PositionSide::both).qty;
    const bool reduces =
        holding.is_spot ? side == Side::sell : held != 0 && (held > 0) == (side == Side::sell);
    if (!reduces) return false;
    if (reserved != 0)
        remove_working(index, position_side, side, reserved, size);
    else if (!holding.is_spot)
        size = std::min(size, held < 0 ? -held : held);
    const Money fee = fee_of(holding.spec, Liquidity::taker, price, size);
    FillPayload fill{};
    fill.side = side;
    fill.position_side = position_side;
    fill.price = price;
    fill.size = size;
    fill.fee_low = low_half(fee);
    fill.fee_high = high_half(fee);
    apply_fill(index, fill);
    return true;
}

std::int64_t Account::sellable(std::uint32_t index) const noexcept {
    const Holding& holding = holdings_[index];
    const Money unit = base_money(holding.spec, 1);
    const Money held = available(holding.base);
    return held > 0 && unit > 0 ? static_cast<std::int64_t>(held / unit) : 0;
}

// Signed like the quantity.
Money Account::position_value(const Holding& holding, const Position& position) noexcept {
    if (position.flat()) return 0;
    const Money value = absolute(holding.mark_doubled != 0 ? holding.spec.notional_doubled(
                                                                 holding.mark_doubled, position.qty)
                                                           : position.cost);
    return position.qty < 0 ? -value : value;
}

Money Account::balance(std::uint32_t currency) const noexcept {
    return currency < balances_.size() ? balances_[currency] : 0;
}

const Position& Account::position(std::uint32_t index, PositionSide side) const noexcept {
    static const Position none;
    if (index >= holdings_.size()) return none;
    return holdings_[index].positions[static_cast<std::size_t>(side)];
}

Position Account::held(std::uint32_t index, PositionSide side) const noexcept {
    Position found = position(index, side);
    if (found.qty <= 0 || !holdings_[index].is_spot) return found;
    const Holding& holding = holdings_[index];
    const Money missing = bought_[holding.base] - balance(holding.base);
    if (missing <= 0) return found;
    const Money unit = base_money(holding.spec, 1);
    const Money units = std::min<Money>((missing + unit - 1) / unit, found.qty);
    const std::int64_t left = found.qty - static_cast<std::int64_t>(units);
    found.cost = multiply_divide_half_even(found.cost, left, found.qty);
    found.qty = left;
    return found;
}

bool Account::is_at(std::uint32_t index, PositionSide side, std::int64_t wanted) const noexcept {
    const std::int64_t qty = held(index, side).qty;
    if (qty >= wanted || qty >= position(index, side).qty) return qty == wanted;
    return wanted - qty <= at_rate(wanted, holdings_[index].spec.taker_fee) + 1;
}

std::int64_t Account::net_qty(std::uint32_t index) const noexcept {
    std::int64_t qty = 0;
    if (index < holdings_.size()) {
        for (const Position& position : holdings_[index].positions) qty += position.qty;
    }
    return qty;
}

Money Account::unrealized(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? profit_of(holdings_[index]) : 0;
}

Money Account::profit_of(const Holding& holding) const noexcept {
    Share& share = holding.share;
    if (share.has_profit) return share.profit;
    const auto profit_at = [&](PositionSide side) {
        return holding.positions[static_cast<std::size_t>(side)].unrealized(holding.spec,
                                                                            holding.mark_doubled);
    };
    share.has_profit = true;
    share.profit = holding.mark_doubled == 0 ? 0
                   : options_.hedge && !holding.is_spot
                       ? profit_at(PositionSide::long_) + profit_at(PositionSide::short_)
                       : profit_at(PositionSide::both);
    return share.profit;
}

Money Account::equity(std::uint32_t currency) const noexcept {
    Money sum = balance(currency);
    for (const Holding& holding : holdings_) {
        if (!holding.is_listed || holding.settle != currency) continue;
        if (!holding.is_spot) {
            sum += profit_of(holding);
        } else if (holding.values_base && holding.mark_doubled != 0) {
            sum += base_value(holding);
        } else if (holding.values_base) {
            sum += holding.positions[0].cost;
        }
    }
    return sum;
}

void Account::forget_totals() noexcept {
    for (Holding& holding : holdings_)
        holding.volume = holding.fees = holding.funding = holding.liquidation_fees =
            holding.insurance = 0;
    ++revision_;
}

Money Account::volume(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].volume : 0;
}

Money Account::fees(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].fees : 0;
}

Money Account::funding(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].funding : 0;
}

Money Account::liquidation_fees(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].liquidation_fees : 0;
}

Money Account::insurance(std::uint32_t index) const noexcept {
    return index < holdings_.size() ? holdings_[index].insurance : 0;
}

}  // namespace onetape
