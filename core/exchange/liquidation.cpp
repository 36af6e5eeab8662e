// Liquidation: when margin no longer covers a position, and the venue's steps then.
// docs/concepts/fills.md states it in words, tests/reference in slow Python.
//
// Most events are far from any liquidation, and there are millions of them. So each check computes
// a cautious span of prices within which no liquidation can happen: a position's profit and
// maintenance change by at most its size times (1 + the highest rate) for a unit of price, and of
// several positions each may use up an equal share of the spare margin. Fills, funding and the like
// change the account's revision, which invalidates the spans.
#include <algorithm>
#include <cmath>
#include <span>

#include "exchange/errors.hpp"
#include "exchange/recorded.hpp"

namespace onetape {

namespace {

constexpr std::array position_sides = {PositionSide::both, PositionSide::long_,
                                       PositionSide::short_};

double span_of(const InstrumentSpec& spec, const Position& position, std::int64_t price,
               std::int64_t highest_rate, double spare) {
    const double heavier = 1.0 + static_cast<double>(highest_rate) / 1e12;
    if (spec.kind != ContractKind::inverse) {
        const double unit = std::abs(static_cast<double>(spec.notional(1, position.qty)));
        return unit > 0 ? spare / (unit * heavier) : 0;
    }
    // Down to half of the price, a / P grows by at most 2 a / P^2 for a unit of it.
    const double value = std::abs(static_cast<double>(spec.notional(price, position.qty)));
    const auto level = static_cast<double>(price);
    return value > 0 ? std::min(level / 2, spare * level / (2 * value * heavier)) : 0;
}

}  // namespace

void RecordedExchange::note_held(std::uint32_t index) noexcept {
    markets_[index].held =
        markets_[index].spec.kind != ContractKind::spot &&
        std::any_of(position_sides.begin(), position_sides.end(),
                    [&](PositionSide side) { return !account_->position(index, side).flat(); });
    if (rules_.loans.call > 0) note_loans();
}

void RecordedExchange::watch(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const std::int64_t price = reference(market);
    if (market.safe_revision == account_->revision() && price >= market.safe_low &&
        price <= market.safe_high) {
        return;
    }
    if (price == 0) return;
    if (market.held) check_margin(index, now);
    if (rules_.loans.call <= 0) return;
    const std::uint32_t currency = account_->settle(index);
    if (!is_owing(currency)) return;
    check_loans(currency, now);
}

void RecordedExchange::check_margin(std::uint32_t index, std::int64_t now) noexcept {
    const std::uint32_t currency = account_->settle(index);
    mark_where(
        [&](std::uint32_t i) { return markets_[i].held && account_->settle(i) == currency; });
    if (account_->options().isolated) {
        for (const PositionSide side : position_sides) liquidate_isolated(index, side, now);
        set_spans(index, 0);
        return;
    }
    Money spare = account_->covered(currency) - account_->maintenance_margin(currency);
    if (spare < 0) {
        liquidate_cross(currency, now);
        spare = account_->covered(currency) - account_->maintenance_margin(currency);
    }
    set_spans(index, spare);
}

// Cross: for all instruments of the check; isolated: for this instrument.
void RecordedExchange::set_spans(std::uint32_t index, Money cross) noexcept {
    const bool isolated = account_->options().isolated, is_hedge = account_->options().hedge;
    const std::uint32_t currency = account_->settle(index);
    // A contract's mark also moves the level of loans in its currency: then each event is checked.
    const bool moves_loans = rules_.loans.call > 0 && is_owing(currency);
    const std::span<const PositionSide> sides_held{position_sides.data() + (is_hedge ? 1 : 0),
                                                   is_hedge ? 2u : 1u};
    std::int64_t held = 0;
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        held += markets_[i].held && account_->settle(i) == currency ? 1 : 0;
    }
    for (std::uint32_t i = 0; i < markets_.size(); ++i) {
        Market& market = markets_[i];
        if (!market.held || account_->settle(i) != currency) continue;
        if (isolated && i != index) continue;
        const std::int64_t price = account_->mark(i);
        double span = 9e18;
        bool short_already = false;  // it is liquidated at every price
        double sides = 0;  // both sides of a hedge share the instrument's part of the spare margin
        for (const PositionSide side : sides_held) {
            sides += account_->position(i, side).flat() ? 0 : 1;
        }
        for (const PositionSide side : sides_held) {
            const Position& position = account_->position(i, side);
            if (position.flat()) continue;
            short_already = short_already || (isolated && account_->spare(i, side) < 0);
            const double spare =
                isolated ? static_cast<double>(account_->spare(i, side))
                         : static_cast<double>(cross) / (static_cast<double>(held) * sides);
            span = std::min(span, span_of(market.spec, position, price, account_->highest_rate(i),
                                          std::max(spare, 0.0)));
        }
        market.keep_safe(price, span, short_already || moves_loans ? 0 : account_->revision());
    }
}

// Closes positions by steps, the one with the most margin first, until the rest is covered.
void RecordedExchange::liquidate_cross(std::uint32_t currency, std::int64_t now) noexcept {
    if (!account_->below_maintenance(currency)) return;
    for (std::uint32_t i = 0; i < markets_.size(); ++i)
        if (account_->settle(i) == currency) pay_fundings(i, now - 1);
    cancel_where(now, error::insufficient_funds, [&](const Order& order) {
        return account_->settle(order.instrument) == currency;
    });
    while (account_->below_maintenance(currency)) {
        std::uint32_t worst = 0;
        PositionSide worst_side = PositionSide::both;
        Money most = -1;
        for (std::uint32_t i = 0; i < markets_.size(); ++i) {
            if (!markets_[i].held || account_->settle(i) != currency) continue;
            for (const PositionSide side : position_sides) {
                if (account_->position(i, side).flat() || account_->mark(i) == 0) continue;
                const Money needs = account_->maintenance_of(i, side);
                if (needs <= most) continue;
                most = needs;
                worst = i;
                worst_side = side;
            }
        }
        if (most < 0) return;  // none with a known price
        liquidate_step(worst, worst_side, now);
    }
}

void RecordedExchange::liquidate_isolated(std::uint32_t index, PositionSide side,
                                          std::int64_t now) noexcept {
    if (!account_->below_maintenance(index, side)) return;
    pay_fundings(index, now - 1);
    cancel_where(now, error::insufficient_funds, [&](const Order& order) {
        return order.instrument == index &&
               (side == PositionSide::both || order.request.position_side == side);
    });
    while (account_->below_maintenance(index, side)) liquidate_step(index, side, now);
}

void RecordedExchange::liquidate_step(std::uint32_t index, PositionSide side,
                                      std::int64_t now) noexcept {
    const Market& market = markets_[index];
    const std::uint32_t currency = account_->settle(index);
    const std::int64_t price = account_->mark(index);
    const std::int64_t size = account_->reduction_step(index, side);
    FillPayload fill = venue_fill(index, side, price, size, now, liquidation_orders);
    // The rest of the margin bounds the fee; without any, the venue pays.
    const bool isolated = account_->options().isolated;
    Account trial = *account_;
    trial.apply_fill(index, fill);
    const Money left = isolated
                           ? trial.free_of_isolated(currency) - account_->free_of_isolated(currency)
                           : trial.covered(currency);
    const Money wanted =
        liquidation_fee_of(market.spec, account_->liquidation_fee(index), price, size);
    const Money fee = std::max<Money>(std::min(wanted, left), 0);
    fill.fee_low = low_half(fee);
    fill.fee_high = high_half(fee);
    ++counters_.liquidations;
    if (market.view->mark == 0) ++counters_.liquidations_without_mark;
    close_by_venue(index, side, fill, now);
}

// The insurance pays the cost of a liquidation fill beyond the money behind the position. Isolated:
// each step returns its share of the margin, and free money never falls by it. Cross: once no
// position is left, the balance does not stay below zero.
void RecordedExchange::close_by_venue(std::uint32_t index, PositionSide side,
                                      const FillPayload& fill, std::int64_t now) noexcept {
    const std::uint32_t currency = account_->settle(index);
    const Money free_before = account_->free_of_isolated(currency);
    book_venue_fill(index, fill);
    Money covered = 0;
    if (account_->options().isolated)
        covered = free_before - account_->free_of_isolated(currency);
    else if (!account_->holds(currency) && !is_loan(currency))
        covered = -account_->balance(currency);
    if (covered <= 0) return;
    ++counters_.insurance_payments;
    account_->credit_insurance(index, covered);
    sink_->on_cash(index, {now, covered, CashKind::insurance, side});
}

// A fill that the venue makes itself, without an order of the robot.
FillPayload RecordedExchange::venue_fill(std::uint32_t index, PositionSide side, std::int64_t price,
                                         std::int64_t size, std::int64_t now,
                                         std::uint64_t orders) noexcept {
    FillPayload fill{};
    fill.order_id = orders + ++venue_orders_;
    fill.venue_id = next_venue_id_++;
    fill.trade_id = next_trade_id_++;
    fill.ts_event = now;
    fill.price = price;
    fill.size = size;
    fill.side = account_->position(index, side).qty > 0 ? Side::sell : Side::buy;
    fill.liquidity = Liquidity::taker;
    fill.position_side = side;
    return fill;
}

void RecordedExchange::book_venue_fill(std::uint32_t index, const FillPayload& fill) noexcept {
    account_->apply_fill(index, fill);
    ++counters_.fills;
    markets_[index].sweep = true;
    if (markets_[index].pushed) impact_of(index).note_held(fill.side, fill.size);
    note_held(index);
    sink_->on_fill(index, fill);
}

// Bars alone: the price went from the open to each extreme, and a position is liquidated at the
// first price on the way that it does not survive.
void RecordedExchange::stress_bar(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const BarPayload& bar = market.view->bar;
    const auto survives = [&] {
        return market.safe_revision == account_->revision() && bar.low >= market.safe_low &&
               bar.high <= market.safe_high;
    };
    if (survives()) return;
    mark_where([&](std::uint32_t i) { return markets_[i].held; });  // the account's other positions
    if (market.safe_revision != account_->revision()) {
        const std::uint32_t currency = account_->settle(index);
        const Money spare =
            account_->options().isolated
                ? 0
                : account_->covered(currency) - account_->maintenance_margin(currency);
        if (spare >= 0) set_spans(index, spare);
    }
    if (survives()) return;
    for (const std::int64_t extreme : {bar.open, bar.low, bar.high}) {
        const auto ends_at = [&](std::int64_t price) {
            account_->set_mark(index, price);
            if (!account_->options().isolated) {
                return account_->below_maintenance(account_->settle(index));
            }
            return std::any_of(
                position_sides.begin(), position_sides.end(),
                [&](PositionSide side) { return account_->below_maintenance(index, side); });
        };
        // The rest after a step down the brackets may be liquidated further on the way.
        for (std::int64_t safe = bar.open; market.held && ends_at(extreme);) {
            const std::int64_t gone = first_end(safe, extreme, ends_at);
            account_->set_mark(index, gone);
            const std::uint64_t revision = account_->revision();
            if (account_->options().isolated) {
                for (const PositionSide side : position_sides) liquidate_isolated(index, side, now);
            } else {
                liquidate_cross(account_->settle(index), now);
            }
            if (account_->revision() == revision) break;  // nothing could be closed
            safe = gone;
        }
    }
}

// The same for debts in spot.
void RecordedExchange::stress_loans(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const BarPayload& bar = market.view->bar;
    if (market.safe_revision == account_->revision() && bar.low >= market.safe_low &&
        bar.high <= market.safe_high)
        return;
    market.safe_revision = 0;  // levels reported on the way are checked again at the bar's end
    const std::uint32_t currency = account_->settle(index);
    mark_where([&](std::uint32_t i) { return i != index && moves_loans_of(currency, i); });
    const auto ends_at = [&](std::int64_t price) {
        account_->set_mark(index, price);
        return called_in(account_->loans(currency));
    };
    for (const std::int64_t extreme : {bar.open, bar.low, bar.high}) {
        if (!market.lent) return;
        const bool ends = ends_at(extreme);
        if (ends) account_->set_mark(index, first_end(bar.open, extreme, ends_at));
        tell_loans(currency, account_->loans(currency), now);
        if (ends) liquidate_loans(currency, now);
    }
}

}  // namespace onetape
