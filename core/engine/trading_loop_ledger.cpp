// A live robot's money: see engine/live_money.hpp.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "engine/trading_loop.hpp"

namespace onetape {

Money TradingLoop::book_fill(const Instrument& instrument, const FillPayload& fill,
                             std::uint64_t sequence) {
    FillPayload booked = fill;
    if (fill.fee_currency != 0) {
        static const std::vector<std::uint32_t> none;
        const auto& currencies =
            instrument.is_traded() ? sources_[instrument.gateway].fee_currencies : none;
        booked.fee_currency = fill.fee_currency < currencies.size() ? currencies[fill.fee_currency]
                                                                    : Account::fee_external;
    }
    if (!follows_ledger_ || sequence == 0)
        return robot_account_.apply_fill(instrument.index, booked);
    const bool has_fee_money =
        booked.fee_currency != 0 && booked.fee_currency != Account::fee_external;
    const std::array touched = {instrument.settle, instrument.base,
                                has_fee_money ? booked.fee_currency - 1 : instrument.settle};
    std::array<Money, touched.size()> before{};
    for (std::size_t i = 0; i < touched.size(); ++i) before[i] = robot_account_.balance(touched[i]);
    const Money profit = robot_account_.apply_fill(instrument.index, booked);
    FillEffect effect;
    for (std::size_t i = 0; i < touched.size(); ++i)
        effect.add(touched[i], robot_account_.balance(touched[i]) - before[i]);
    unbooked_.add({instrument.gateway, sequence}, effect);
    return profit;
}

void TradingLoop::post(std::uint32_t gateway, EntryKind kind, std::uint64_t of,
                       std::int64_t instrument, std::span<const LedgerLeg> legs) {
    switch (kind) {
        case EntryKind::fill:
            if (const auto reckoned = unbooked_.take({gateway, of})) {
                for (const LedgerLeg& leg : std::span(reckoned->legs.data(), reckoned->count))
                    robot_account_.deposit(leg.currency, -leg.amount);
                for (const LedgerLeg& leg : legs) robot_account_.deposit(leg.currency, leg.amount);
                return;
            }
            break;  // of somebody else's order, who trades with the same money
        case EntryKind::funding:
            for (const LedgerLeg& leg : legs) {
                const auto index = static_cast<std::uint32_t>(instrument);
                if (instrument >= 0 && robot_account_.settle(index) == leg.currency)
                    robot_account_.credit_funding(index, PositionSide::both, leg.amount);
                else
                    robot_account_.deposit(leg.currency, leg.amount);
            }
            return;
        case EntryKind::interest:
            for (const LedgerLeg& leg : legs)
                robot_account_.credit_interest(leg.currency, leg.amount);
            return;
        case EntryKind::moved:
            break;
    }
    move_money(legs);
}

// What is moved in raises the equity and is no profit, and what is taken away is no drawdown: the
// peak changes in proportion, as a time-weighted return has it, and a sample shows the moment.
void TradingLoop::move_money(std::span<const LedgerLeg> legs) {
    const auto deposit = [&] {
        for (const LedgerLeg& leg : legs) robot_account_.deposit(leg.currency, leg.amount);
    };
    if (!started_) {
        const Money worth_before = sum_of_equities();
        deposit();
        moved_early_ += sum_of_equities() - worth_before;
        return;
    }
    const Money worth_before = worth();
    if (options_.sample_every > 0) note_equity(worth_before);
    std::vector<Money> before(robot_account_.currency_count());
    const auto count = [&] { return static_cast<std::uint32_t>(before.size()); };
    for (std::uint32_t i = 0; i < count(); ++i) before[i] = robot_account_.equity(i);
    deposit();
    before.resize(robot_account_.currency_count());
    moved_.resize(std::max(moved_.size(), before.size()));
    for (std::uint32_t i = 0; i < count(); ++i) moved_[i] += robot_account_.equity(i) - before[i];
    const Money worth_after = sum_of_equities();
    moved_in_ += worth_after - worth_before;
    if (worth_before > 0)
        peak_ratio_ = static_cast<double>(equity_peak_) / static_cast<double>(worth_before);
    equity_peak_ = static_cast<Money>(static_cast<double>(worth_after) * peak_ratio_);
    if (options_.sample_every > 0 && worth_after != worth_before) sample(true);
}

}  // namespace onetape
