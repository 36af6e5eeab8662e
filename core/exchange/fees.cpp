// Changes of fees while orders work: tiers by volume, and new versions of an instrument.
#include "exchange/recorded.hpp"

namespace onetape {

// Reserves of working orders were added with the old fees and must be removed with them.
template <class Change>
void RecordedExchange::with_reserves_anew(std::uint32_t index, const Change& change) noexcept {
    std::vector<std::pair<std::uint32_t, std::int64_t>> reserved;
    for (std::uint32_t slot = 0; slot < orders_.size(); ++slot) {
        Order& order = orders_[slot];
        if (!order.live || order.instrument != index || order.reserved_price == 0) continue;
        reserved.emplace_back(slot, order.reserved_price);
        unreserve(order);
    }
    change();
    for (const auto& [slot, price] : reserved) reserve(orders_[slot], price);
}

void RecordedExchange::set_instrument(std::uint32_t index, const InstrumentSpec& spec,
                                      std::uint32_t settle_currency, std::uint32_t base_currency,
                                      const MarketView* view) noexcept {
    if (index >= markets_.size()) markets_.resize(index + 1);
    if (options_.impact.is_on()) {
        while (impacts_.size() < markets_.size()) impacts_.emplace_back(options_.impact);
        markets_[index].pushed = true;
    }
    with_reserves_anew(index, [&] {
        markets_[index].spec = spec;
        markets_[index].view = view;
        account_->set_instrument(index, spec, settle_currency, base_currency);
    });
}

void RecordedExchange::set_terms(std::uint32_t index, const InstrumentTerms& terms) noexcept {
    Market& market = markets_[index];
    account_->set_terms(index, terms);
    market.venue = terms.venue;
    market.amend = terms.amend;
    market.refuses_met_triggers = terms.refuses_met_triggers;
    if (market.expiry != terms.expiry) market.settled = false;
    market.expiry = terms.expiry;
    find_next_event();
    if (market.fee_tiers != terms.fee_tiers)
        market.fee_tier = 0;  // determined anew at the next fill
    market.fee_tiers = terms.fee_tiers;
    market.base_maker = market.spec.maker_fee;
    market.base_taker = market.spec.taker_fee;
    market.volume_group = terms.volume_group;
    while (market.volume_group >= volumes_.size()) add_volume_group();
    if (market.fee_tier == 0) return;
    const FeeTier tier = market.fee_tiers[market.fee_tier - 1];  // the schedule stays in force
    with_reserves_anew(index, [&] {
        market.spec.maker_fee = tier.maker;
        market.spec.taker_fee = tier.taker;
        account_->set_fees(index, tier.maker, tier.taker);
    });
}

void RecordedExchange::add_volume(std::int64_t now, Money others,
                                  const std::map<std::uint32_t, Money>& groups) noexcept {
    before_ = {now, others, groups};
    for (std::uint32_t group = 0; group < volumes_.size(); ++group) add_volume_before(group);
}

void RecordedExchange::add_volume_before(std::uint32_t group) noexcept {
    const auto named = before_.groups.find(group);
    const Money amount = named == before_.groups.end() ? before_.others : named->second;
    if (amount > 0) volumes_[group].add(before_.time, amount);
}

// A schedule may come with a later version, or with a later instrument: volume from before the
// start counts for it all the same.
void RecordedExchange::add_volume_group() noexcept {
    volumes_.emplace_back();
    add_volume_before(static_cast<std::uint32_t>(volumes_.size()) - 1);
}

Money RecordedExchange::volume(std::uint32_t index, std::int64_t now) noexcept {
    return index < markets_.size() ? volumes_[markets_[index].volume_group].at(now) : 0;
}

// Called before each fill, whose own volume counts from the next one on.
void RecordedExchange::update_tier(std::uint32_t index, std::int64_t now) noexcept {
    Market& market = markets_[index];
    const Money volume = volumes_[market.volume_group].at(now);
    const std::size_t tier = tier_of(market.fee_tiers, volume);
    if (tier == market.fee_tier) return;
    market.fee_tier = tier;
    FeeNews news{now, volume, market.base_maker, market.base_taker,
                 static_cast<std::uint32_t>(tier)};
    if (tier > 0) {
        news.maker = market.fee_tiers[tier - 1].maker;
        news.taker = market.fee_tiers[tier - 1].taker;
    }
    with_reserves_anew(index, [&] {
        market.spec.maker_fee = news.maker;
        market.spec.taker_fee = news.taker;
        account_->set_fees(index, news.maker, news.taker);
    });
    ++counters_.fee_tier_changes;
    sink_->on_fees(index, news);
}

void RecordedExchange::count_volume(const Market& market, std::int64_t now, std::int64_t price,
                                    std::int64_t size) noexcept {
    const InstrumentSpec& spec = market.spec;
    // An inverse contract is worth its multiplier in the quote currency, whatever the price.
    Money value =
        spec.kind == ContractKind::inverse ? base_money(spec, size) : spec.notional(price, size);
    volumes_[market.volume_group].add(now, absolute(value));
}

}  // namespace onetape
