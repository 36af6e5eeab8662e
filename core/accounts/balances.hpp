#pragma once
// What each holder of an account has, by wallet and currency: the sum of its entries' legs.
//
// Holders are small numbers, from `least` (below zero: not ours) to `most`; 0 is none of them but
// the total: what is ours, all above zero and the one that is named so (`also_ours`).
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/entry_frame.hpp"
#include "base/money.hpp"

namespace onetape {

struct BalanceRules {
    std::int64_t least = 0, most = 0;
    std::int64_t also_ours = 0;
    std::size_t recent_max = 0;  // changes of a currency's total that are known one by one
};

class Balances {
 public:
    struct Change {
        std::int64_t time;
        Int128 amount;
    };
    struct Currency {
        std::vector<Int128> holders;  // from `least` on
        Int128 total = 0;
        std::deque<Change> recent;                           // in the order of posting
        std::int64_t forgotten = -0x7fffffffffffffffll - 1;  // newest time that `recent` let go
    };
    using Wallet = std::map<std::string, Currency, std::less<>>;

    explicit Balances(const BalanceRules& rules) : rules_(rules) { wallets_[""]; }

    // The legs are an entry's and every balance stays within 128 bits. Changes nothing.
    [[nodiscard]] bool takes(const EntryFrame& entry);
    // All legs, or false and nothing has changed.
    [[nodiscard]] bool post(const EntryFrame& entry);

    // Null where nothing was ever posted.
    [[nodiscard]] const Currency* find(std::string_view wallet, std::string_view currency) const;
    // 0: the total; also 0 for whoever is no holder.
    [[nodiscard]] Int128 of(const Currency& currency, std::int64_t holder) const noexcept;
    // The total, the first with what else is ours, the others: as many as `rows` has room for, two
    // at least. False: one beyond them has something.
    [[nodiscard]] bool slots(const Currency& currency, std::vector<Int128>& rows) const noexcept;
    // What a slot may use if nothing is held: its balance; of the first, the pool, with its credit
    // and less what netting has lost. Null: nothing was ever posted.
    [[nodiscard]] Int128 free(const Currency* currency, std::int64_t slot,
                              Int128 credit) const noexcept;
    // Total without the changes later than `time`. False: they are not all known any more.
    [[nodiscard]] static bool as_of(const Currency& currency, std::int64_t time, Int128& total);

    [[nodiscard]] const BalanceRules& rules() const noexcept { return rules_; }
    [[nodiscard]] const std::map<std::string, Wallet, std::less<>>& wallets() const noexcept {
        return wallets_;
    }
    // In place of what was there; `holders` from `least` to `most`.
    void restore(std::string_view wallet, std::string_view currency, Currency row);

 private:
    struct Run {  // legs of one currency that stand together
        Currency* currency;
        Int128 moved;
    };

    // False: something went beyond 128 bits, and `take_back` is owed.
    [[nodiscard]] bool add(const EntryFrame& entry);
    void take_back(const EntryFrame& entry);
    [[nodiscard]] bool is_ours(std::int64_t holder) const noexcept {
        return holder > 0 || holder == rules_.also_ours;
    }
    [[nodiscard]] Currency& room(std::string_view wallet, std::string_view currency);
    [[nodiscard]] Int128& at(Currency& currency, std::int64_t holder) const noexcept {
        return currency.holders[static_cast<std::size_t>(holder - rules_.least)];
    }

    BalanceRules rules_;
    std::map<std::string, Wallet, std::less<>> wallets_;
    std::vector<Run> runs_;                                             // of the entry at hand
    std::vector<std::pair<std::string_view, std::string_view>> fresh_;  // that it has brought
};

}  // namespace onetape
