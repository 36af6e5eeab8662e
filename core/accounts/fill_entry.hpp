#pragma once
// The entry of a fill of contracts: what a sub-account and the account have realized by it, and its
// fee.
#include <cstdint>
#include <string_view>
#include <vector>

#include "accounts/entry_frame.hpp"
#include "base/money.hpp"

namespace onetape {

// Holders that are no sub-accounts, as `Outside` of onetape/accounts/entries.py numbers them.
inline constexpr std::int64_t market_holder = -1, fees_holder = -2, netting_holder = -9;

struct FillMoney {
    std::int64_t slot = 0;
    std::string_view settle, fee_currency;
    Int128 profit = 0;  // of the sub-account, in what the instrument settles in
    Int128 total = 0;   // of the account
    Int128 fee = 0;     // negative: a rebate
};

// In place of what `legs` has. What the sub-account has realized more or less than the account is
// netting's.
void fill_legs(const FillMoney& fill, std::vector<EntryLeg>& legs);

}  // namespace onetape
