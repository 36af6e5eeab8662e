#pragma once
// The ledger entry of a fill of contracts: profit realized by the sub-account and by the account,
// and the fee.
#include <cstdint>
#include <string_view>
#include <vector>

#include "accounts/entry_frame.hpp"
#include "base/money.hpp"

namespace onetape {

// Holders that are no sub-accounts, numbered as in `Outside` of onetape/accounts/entries.py.
inline constexpr std::int64_t market_holder = -1, fees_holder = -2, netting_holder = -9;

struct FillMoney {
    std::int64_t slot = 0;
    std::string_view settle, fee_currency;
    Int128 profit = 0;  // of the sub-account, in the settle currency
    Int128 total = 0;   // of the account
    Int128 fee = 0;     // negative: a rebate
};

// Replaces `legs`. The difference between the profit of the sub-account and that of the account
// goes to the netting holder.
void fill_legs(const FillMoney& fill, std::vector<EntryLeg>& legs);

}  // namespace onetape
