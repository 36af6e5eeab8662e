#include "accounts/fill_entry.hpp"

namespace onetape {

void fill_legs(const FillMoney& fill, std::vector<EntryLeg>& legs) {
    legs.clear();
    const auto add = [&](std::int64_t holder, std::string_view currency, Int128 amount) {
        if (amount != 0) legs.push_back({holder, currency, amount, "", {}});
    };
    add(fill.slot, fill.settle, fill.profit);
    add(netting_holder, fill.settle, fill.total - fill.profit);
    add(market_holder, fill.settle, -fill.total);
    add(fill.slot, fill.fee_currency, -fill.fee);
    add(fees_holder, fill.fee_currency, fill.fee);
}

}  // namespace onetape
