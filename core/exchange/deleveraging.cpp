// Positions that the venue takes over at the bankruptcy price of another account. No data tells
// when that would have hit this account: it comes from outside, as dated facts or from a ranking.
#include <algorithm>

#include "exchange/recorded.hpp"

namespace onetape {

std::int64_t RecordedExchange::deleverage(std::uint32_t index, PositionSide side, std::int64_t size,
                                          std::int64_t price, std::int64_t now) noexcept {
    if (index >= markets_.size() || markets_[index].view == nullptr) return 0;
    if (markets_[index].spec.kind == ContractKind::spot) return 0;
    pay_fundings(index, now - 1);
    const std::int64_t qty = account_->position(index, side).qty;
    size = std::min(size, qty < 0 ? -qty : qty);
    if (size <= 0 || price <= 0) return 0;
    ++counters_.deleveragings;
    close_by_venue(index, side, venue_fill(index, side, price, size, now, deleveraging_orders),
                   now);
    sweep_reduce_only(index, now);
    return size;
}

// Takes the configured share of the position on its side, rounded down to whole lots.
void RecordedExchange::take_over(const Deleveraging& fact, std::int64_t now) noexcept {
    if (fact.instrument >= markets_.size() || markets_[fact.instrument].view == nullptr) return;
    const Market& market = markets_[fact.instrument];
    const PositionSide side = !account_->options().hedge ? PositionSide::both
                              : fact.is_long             ? PositionSide::long_
                                                         : PositionSide::short_;
    const std::int64_t qty = account_->position(fact.instrument, side).qty;
    const std::int64_t held = qty < 0 ? -qty : qty;
    const std::int64_t price = fact.price != 0 ? fact.price : reference(market);
    std::int64_t size = held;
    if (fact.share < Deleveraging::whole) {
        const std::int64_t lot = std::max<std::int64_t>(market.spec.lot, 1);
        size = static_cast<std::int64_t>(static_cast<Int128>(held) * fact.share /
                                         Deleveraging::whole) /
               lot * lot;
    }
    const bool is_held = qty != 0 && (qty > 0) == fact.is_long;
    if (!is_held || deleverage(fact.instrument, side, size, price, now) == 0)
        ++counters_.deleveragings_missed;
}

void RecordedExchange::run_deleveragings(std::int64_t now) noexcept {
    while (next_deleveraging_ < rules_.deleveragings.size() &&
           rules_.deleveragings[next_deleveraging_].time <= now)
        take_over(rules_.deleveragings[next_deleveraging_++], now);
}

}  // namespace onetape
