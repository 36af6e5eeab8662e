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

bool TradingLoop::has_traded(std::uint32_t index) const {
    if (robot_account_.volume(index) != 0) return true;
    for (const PositionSide side : {PositionSide::both, PositionSide::long_, PositionSide::short_})
        if (!robot_account_.position(index, side).flat()) return true;
    return false;
}

void TradingLoop::post(std::uint32_t gateway, EntryKind kind, std::uint64_t of,
                       std::int64_t instrument, std::span<const LedgerLeg> legs) {
    switch (kind) {
        case EntryKind::fill:
            if (const auto reckoned = unbooked_.take({gateway, of})) {
                // A difference to the ledger is not the fill's: the ledger realizes profit by the
                // position of the whole sub-account, in which others may trade, too.
                for (const LedgerLeg& leg : std::span(reckoned->legs.data(), reckoned->count))
                    deposit_foreign({leg.currency, -leg.amount});
                for (const LedgerLeg& leg : legs) deposit_foreign(leg);
                return;
            }
            break;  // from the order of another trader with the same money
        case EntryKind::funding: {
            const auto index = static_cast<std::uint32_t>(instrument);
            if (instrument < 0 || !has_traded(index)) break;  // for positions of others
            for (const LedgerLeg& leg : legs) {
                if (robot_account_.settle(index) == leg.currency)
                    robot_account_.credit_funding(index, PositionSide::both, leg.amount);
                else
                    robot_account_.deposit(leg.currency, leg.amount);
            }
            return;
        }
        case EntryKind::interest:
            for (const LedgerLeg& leg : legs)
                robot_account_.credit_interest(leg.currency, leg.amount);
            return;
        case EntryKind::moved:
            break;
    }
    move_money(legs);
}

Money TradingLoop::moved_in() {
    if (!follows_ledger_) return 0;
    value_all(true);
    return sum_of_equities(foreign_) - brought_.value_or(0);
}

Money TradingLoop::moved_in(std::uint32_t currency) {
    if (!follows_ledger_) return 0;
    value_all(true);
    const Money brought = currency < brought_of_.size() ? brought_of_[currency] : 0;
    return foreign_.equity(currency) - brought;
}

void TradingLoop::begin_money() {
    value_all(true);
    if (!brought_) brought_ = sum_of_equities(foreign_);
    for (std::uint32_t i = 0; i < foreign_.currency_count(); ++i)
        brought_of_.push_back(foreign_.equity(i));
    moved_ = moved_in();
}

void TradingLoop::deposit_foreign(const LedgerLeg& leg) {
    robot_account_.deposit(leg.currency, leg.amount);
    foreign_.deposit(leg.currency, leg.amount);
}

// A sample shows the present equity.
void TradingLoop::move_money(std::span<const LedgerLeg> legs) {
    const bool is_noted = started_ && options_.sample_every > 0;
    const Money worth_before = is_noted ? worth() : 0;
    if (is_noted) note_equity(worth_before);
    for (const LedgerLeg& leg : legs) deposit_foreign(leg);
    if (is_noted && worth() != worth_before) sample(true);
}

}  // namespace onetape
