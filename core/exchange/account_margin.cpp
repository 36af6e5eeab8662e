// Margin requirements of an account: initial margin of positions and orders, maintenance, free
// money.
#include <algorithm>

#include "exchange/account.hpp"
#include "exchange/errors.hpp"

namespace onetape {

namespace {

constexpr std::int64_t price_max = std::int64_t{1} << 62;
constexpr Money worth_max = pow10(36);

}  // namespace

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

Money Account::value_of(const Holding& holding, PositionSide side) noexcept {
    return absolute(position_value(holding, holding.positions[static_cast<std::size_t>(side)]));
}

Money Account::margin_of(const Holding& holding) const noexcept {
    Share& share = holding.share;
    if (share.has_margin) return share.margin;
    share.has_margin = true;
    share.margin = holding.isolated ? isolated_margin_of(holding) : cross_margin_of(holding);
    return share.margin;
}

Money Account::cross_margin_of(const Holding& holding) const noexcept {
    const Money exposure = options_.hedge ? side_exposure(holding, PositionSide::long_, 0, 0) +
                                                side_exposure(holding, PositionSide::short_, 0, 0)
                                          : side_exposure(holding, PositionSide::both, 0, 0);
    Money margin = divide_half_even(exposure, holding.leverage);
    for (const auto& sides : holding.working) margin += sides[0].fee + sides[1].fee;
    return margin;
}

// The margin of the positions, and the addition in the worst case of the working orders.
Money Account::isolated_margin_of(const Holding& holding) const noexcept {
    Money margin = 0, more = 0;
    for (const PositionSide side :
         {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
        const auto at_side = static_cast<std::size_t>(side);
        margin += holding.allotted[at_side];
        more += side_exposure(holding, side, 0, 0) - value_of(holding, side);
        for (const WorkingSum& sum : holding.working[at_side]) margin += sum.fee;
    }
    return margin + divide_half_even(more, holding.leverage);
}

// Opening moves free money to the position's margin at the account's leverage, closing returns a
// proportional share.
void Account::allot(Holding& holding, std::size_t side, const Position& before,
                    const FillPayload& fill) noexcept {
    if (holding.spec.kind == ContractKind::spot) return;
    Money& allotted = holding.allotted[side];
    const std::int64_t change = fill.side == Side::buy ? fill.size : -fill.size;
    std::int64_t opened = change;
    if (before.qty != 0 && (before.qty > 0) != (change > 0)) {
        const std::int64_t held = before.qty < 0 ? -before.qty : before.qty;
        const std::int64_t closed = std::min(fill.size, held);
        Money share = multiply_divide_half_even(allotted, closed, held);
        if (options_.margin_step != 0 && closed != held) share -= share % options_.margin_step;
        allotted -= share;
        opened = fill.size - closed;
    }
    const Money value = absolute(holding.spec.notional(fill.price, opened));
    const Money step = options_.margin_step;
    allotted += step == 0 ? divide_half_even(value, holding.leverage)
                          : (value / holding.leverage + step - 1) / step * step;
}

Money Account::base_value(const Holding& holding) const noexcept {
    // A price is 1e-price_decimals of the quote for one whole unit of the base.
    const auto scale = static_cast<std::int64_t>(2 * pow10(holding.spec.price_decimals));
    return multiply_divide_half_even(balance(holding.base), holding.mark_doubled, scale);
}

// Spot on margin: the worst case of holdings and orders must not be worth more than the leverage
// times the account's net assets; margin of contracts is checked elsewhere.
bool Account::carries_loan(const Holding& holding, Side side, std::int64_t price,
                           std::int64_t size) const noexcept {
    if (!holding.values_base || holding.mark_doubled == 0) return false;
    if (!may_borrow(side == Side::buy ? holding.settle : holding.base)) return false;
    Money own = balance(holding.settle), reached = 0, before = 0;
    for (const Holding& other : holdings_) {
        if (!other.is_listed || other.settle != holding.settle) continue;
        if (!other.is_spot) {
            own += (other.isolated ? 0 : profit_of(other)) - margin_of(other);
            continue;
        }
        Money buys = 0, sells = 0;
        for (const auto& sides : other.working) {
            buys += sides[0].notional;
            sells += sides[1].notional;
        }
        const Money value = other.values_base && other.mark_doubled != 0 ? base_value(other) : 0;
        own += value;
        before += std::max(absolute(value + buys), absolute(value - sells));
        if (&other == &holding)
            (side == Side::buy ? buys : sells) += absolute(holding.spec.notional(price, size));
        reached += std::max(absolute(value + buys), absolute(value - sells));
    }
    own -= std::max<Money>(fee_of(holding.spec, Liquidity::taker, price, size), 0);
    return reached <= before || (own > 0 && reached <= own * holding.leverage);
}

Funds Account::weigh(std::uint32_t index, PositionSide position_side, Side side, std::int64_t price,
                     std::int64_t size, bool reduce_only) const noexcept {
    if (index >= holdings_.size()) return {.code = error::insufficient_funds};
    const auto compared = [this](std::uint32_t currency, Money needed) {
        const Money there = available(currency);
        return Funds{there >= needed ? error::none : error::insufficient_funds, currency, needed,
                     there};
    };
    const Holding& holding = holdings_[index];
    const InstrumentSpec& spec = holding.spec;
    const Money fee = std::max<Money>(fee_of(spec, Liquidity::taker, price, size), 0);
    if (spec.kind == ContractKind::spot) {
        Funds found = side == Side::buy ? compared(holding.settle, spec.notional(price, size) + fee)
                                        : compared(holding.base, base_money(spec, size));
        if (found.code != error::none && borrows_ && carries_loan(holding, side, price, size))
            found.code = error::none;
        return found;
    }
    if (reduce_only) return {};
    const PositionSide held = options_.hedge ? position_side : PositionSide::both;
    const Money value = absolute(spec.notional(price, size));
    const Money reached =
        side_exposure(holding, held, side == Side::buy ? value : 0, side == Side::sell ? value : 0);
    const Money more = reached - side_exposure(holding, held, 0, 0);
    // An order that does not raise the worst case is always allowed: it can only reduce risk.
    if (more <= 0) return {};
    const Money limit = holding.margin.notional_limit(holding.leverage);
    if (limit != MarginTable::unlimited && reached > limit) return {.code = error::position_limit};
    return compared(holding.settle, divide_half_even(more, holding.leverage) + fee);
}

Money Account::initial_margin(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for_contracts(currency, [&](const Holding& holding) { sum += margin_of(holding); });
    return sum;
}

Money Account::maintenance_margin(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for_contracts(currency, [&](const Holding& holding) { sum += maintenance_of(holding); });
    return sum;
}

Money Account::cross_maintenance(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for_contracts(currency, [&](const Holding& holding) {
        if (!holding.isolated) sum += maintenance_of(holding);
    });
    return sum;
}

Money Account::maintenance_of(const Holding& holding) noexcept {
    Share& share = holding.share;
    if (share.has_maintenance) return share.maintenance;
    share.has_maintenance = true;
    share.maintenance = 0;
    for (const Position& position : holding.positions) {
        if (position.flat()) continue;
        share.maintenance +=
            holding.margin.maintenance(absolute(position_value(holding, position)));
    }
    return share.maintenance;
}

Money Account::maintenance_of(std::uint32_t index, PositionSide side) const noexcept {
    if (index >= holdings_.size()) return 0;
    return holdings_[index].margin.maintenance(value_of(holdings_[index], side));
}

Money Account::allotted(std::uint32_t index, PositionSide side) const noexcept {
    return index < holdings_.size() ? holdings_[index].allotted[static_cast<std::size_t>(side)] : 0;
}

bool Account::below_maintenance(std::uint32_t index, PositionSide side) const noexcept {
    const Position& held = position(index, side);
    if (held.flat() || holdings_[index].spec.kind == ContractKind::spot) return false;
    return spare(index, side) < 0;
}

Money Account::spare(std::uint32_t index, PositionSide side) const noexcept {
    if (index >= holdings_.size()) return 0;
    const Holding& holding = holdings_[index];
    const Position& held = holding.positions[static_cast<std::size_t>(side)];
    const Money profit =
        holding.mark_doubled != 0 ? held.unrealized(holding.spec, holding.mark_doubled) : 0;
    return allotted(index, side) + profit - maintenance_of(index, side);
}

std::optional<double> Account::liquidation_price(std::uint32_t index, PositionSide side,
                                                 Money spare, bool alone) const noexcept {
    if (index >= holdings_.size() || position(index, side).flat()) return {};
    const Holding& holding = holdings_[index];
    const std::int64_t mark = holding.mark_doubled / 2;
    if (holding.is_spot || mark <= 0) return {};
    Money worth = 0;
    std::int64_t net = 0;
    const auto left_at = [&](std::int64_t price) {
        Money left = 0;
        for (std::size_t at = 0; at < holding.positions.size(); ++at) {
            const Position& held = holding.positions[at];
            if (held.flat() || (alone && at != static_cast<std::size_t>(side))) continue;
            left += held.unrealized(holding.spec, 2 * price) -
                    holding.margin.maintenance(absolute(holding.spec.notional(price, held.qty)));
        }
        return left;
    };
    for (std::size_t at = 0; at < holding.positions.size(); ++at) {
        if (alone && at != static_cast<std::size_t>(side)) continue;
        net += holding.positions[at].qty;
        worth += absolute(holding.spec.notional(mark, holding.positions[at].qty));
    }
    const Money others = spare - left_at(mark);
    const auto ends_at = [&](std::int64_t price) { return others + left_at(price) < 0; };
    std::int64_t extreme = 1;
    if (net <= 0) {  // upwards, as far as prices and their values fit
        extreme = mark;
        for (; !ends_at(extreme); extreme *= 2, worth *= 2) {
            if (extreme > price_max / 4 || worth > worth_max) return {};
        }
    } else if (!ends_at(extreme)) {
        return {};
    }
    const std::int64_t gone = first_end(mark, extreme, ends_at);
    auto price = static_cast<double>(gone);
    if (gone != mark) {  // between the last covered price and this one the margin falls linearly
        const std::int64_t step = gone < mark ? 1 : -1;
        const auto below = static_cast<double>(others + left_at(gone));
        const auto above = static_cast<double>(others + left_at(gone + step));
        price += static_cast<double>(step) * (below / (below - above));
    }
    return price / static_cast<double>(pow10(holding.spec.price_decimals));
}

Money Account::free_of_isolated(std::uint32_t currency) const noexcept {
    Money sum = balance(currency);
    for (const Holding& holding : holdings_) {
        if (!holding.is_listed || holding.settle != currency) continue;
        for (const Money allotted : holding.allotted) sum -= allotted;
    }
    return sum;
}

std::int64_t Account::reduction_step(std::uint32_t index, PositionSide side) const noexcept {
    const Holding& holding = holdings_[index];
    const InstrumentSpec& spec = holding.spec;
    const std::int64_t qty = holding.positions[static_cast<std::size_t>(side)].qty;
    const std::int64_t held = qty < 0 ? -qty : qty;
    const Money edge = holding.margin.lower_edge(value_of(holding, side));
    if (edge == 0 || holding.mark_doubled == 0) return held;
    std::int64_t fits = 0, beyond = held;  // the greatest size that is worth no more than the edge
    while (beyond - fits > 1) {
        const std::int64_t middle = fits + (beyond - fits) / 2;
        const Money value = absolute(spec.notional_doubled(holding.mark_doubled, middle));
        (value <= edge ? fits : beyond) = middle;
    }
    const std::int64_t lot = std::max<std::int64_t>(spec.lot, 1);
    const std::int64_t lots = (held - fits + lot - 1) / lot;
    return std::min(lots * lot, held);
}

Money Account::available(std::uint32_t currency) const noexcept {
    Money sum = balance(currency) - locked(currency);
    for_contracts(currency, [&](const Holding& holding) {
        if (!holding.isolated) sum += profit_of(holding);
    });
    return sum;
}

Money Account::locked(std::uint32_t currency) const noexcept {
    Money sum = 0;
    for (const std::uint32_t index : open_) {
        const Holding& holding = holdings_[index];
        if (!holding.is_spot) {
            if (holding.settle == currency) sum += margin_of(holding);
            continue;
        }
        for (const auto& sides : holding.working) {
            if (holding.settle == currency) sum += sides[0].notional + sides[0].fee;
            if (holding.base == currency) sum += base_money(holding.spec, sides[1].size);
        }
    }
    return sum;
}

bool Account::holds(std::uint32_t currency) const noexcept {
    bool holds = false;
    for_contracts(currency, [&](const Holding& holding) {
        for (const Position& position : holding.positions) holds = holds || !position.flat();
    });
    return holds;
}

Money Account::covered(std::uint32_t currency) const noexcept {
    Money sum = balance(currency);
    for_contracts(currency, [&](const Holding& holding) {
        if (!holding.isolated) {
            sum += profit_of(holding);
            return;
        }
        for (const Money allotted : holding.allotted) sum -= allotted;
    });
    return sum;
}

LoanState Account::loans(std::uint32_t currency) const noexcept {
    LoanState state;
    const auto add = [&state](Money value) {
        (value < 0 ? state.debts : state.assets) += absolute(value);
    };
    add(covered(currency));
    for (std::uint32_t index = 0; index < holdings_.size(); ++index) {
        const Money held = base_balance(index);
        if (held == 0 || holdings_[index].settle != currency) continue;
        if (holdings_[index].mark_doubled == 0) state.is_priced = false;
        add(base_value(holdings_[index]));
    }
    return state;
}

bool Account::owes(std::uint32_t currency) const noexcept {
    if (balance(currency) < 0) return true;
    for (std::uint32_t index = 0; index < holdings_.size(); ++index) {
        if (holdings_[index].settle == currency && base_balance(index) < 0) return true;
    }
    return false;
}

Money Account::base_balance(std::uint32_t index) const noexcept {
    if (index >= holdings_.size() || !holdings_[index].is_listed) return 0;
    const Holding& holding = holdings_[index];
    return holding.spec.kind == ContractKind::spot && holding.values_base ? balance(holding.base)
                                                                          : 0;
}

bool Account::below_maintenance(std::uint32_t currency) const noexcept {
    return holds(currency) && covered(currency) < cross_maintenance(currency);
}

}  // namespace onetape
