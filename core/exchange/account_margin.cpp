// What an account must hold: initial margin of positions and orders, maintenance, what is free.
#include <algorithm>

#include "exchange/account.hpp"
#include "exchange/errors.hpp"

namespace onetape {

namespace {

Money absolute(Money value) {
    return value < 0 ? -value : value;
}

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

Money Account::margin_of(const Holding& holding) const noexcept {
    const Money exposure = options_.hedge ? side_exposure(holding, PositionSide::long_, 0, 0) +
                                                side_exposure(holding, PositionSide::short_, 0, 0)
                                          : side_exposure(holding, PositionSide::both, 0, 0);
    Money margin = divide_half_even(exposure, holding.leverage);
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
    const Money reached = side_exposure(holding, held, side == Side::buy ? value : 0,
                                        side == Side::sell ? value : 0);
    const Money more = reached - side_exposure(holding, held, 0, 0);
    // What does not raise the worst case is let through whatever the account looks like: it can
    // only make it safer.
    if (more <= 0) return error::none;
    const Money limit = holding.margin.notional_limit(holding.leverage);
    if (limit != MarginTable::unlimited && reached > limit) return error::position_limit;
    const Money needed = divide_half_even(more, holding.leverage) + fee;
    return available(holding.settle) >= needed ? error::none : error::insufficient_funds;
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
            sum += holding.margin.maintenance(absolute(position_value(holding, position)));
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

}  // namespace onetape
