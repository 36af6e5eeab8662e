#pragma once
// The balances of an account by holder, wallet and currency: sums of the entries' legs.
//
// Holders are small numbers from `least` to `most`; numbers below zero are external. 0 is no holder
// but the total of our own money: all holders above zero and the one in `also_ours`.
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
    std::size_t recent_max = 0;  // number of kept changes of a currency's total
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
        std::deque<Change> recent;  // in the order of posting
        std::int64_t forgotten =
            -0x7fffffffffffffffll - 1;  // newest time among changes dropped from `recent`
    };
    using Wallet = std::map<std::string, Currency, std::less<>>;

    explicit Balances(const BalanceRules& rules) : rules_(rules) { wallets_[""]; }

    // Returns whether the legs form a valid entry and every balance stays within 128 bits. Changes
    // nothing.
    [[nodiscard]] bool takes(const EntryFrame& entry);
    // Posts all legs, or returns false and changes nothing.
    [[nodiscard]] bool post(const EntryFrame& entry);

    // Null if nothing was ever posted.
    [[nodiscard]] const Currency* find(std::string_view wallet, std::string_view currency) const;
    // 0: the total; also 0 for numbers that are no holder.
    [[nodiscard]] Int128 of(const Currency& currency, std::int64_t holder) const noexcept;
    // Fills `rows` with the total, the first holder including `also_ours`, then the others, as far
    // as `rows` has room (at least two). False: a holder beyond has a balance.
    [[nodiscard]] bool slots(const Currency& currency, std::vector<Int128>& rows) const noexcept;
    // The amount that a slot may use if nothing is reserved: its balance; for the first slot (the
    // pool) also its credit, less its losses by netting. Null currency: nothing was ever posted.
    [[nodiscard]] Int128 free(const Currency* currency, std::int64_t slot,
                              Int128 credit) const noexcept;
    // Computes the total without changes later than `time`. False: some of these changes are no
    // longer kept.
    [[nodiscard]] static bool as_of(const Currency& currency, std::int64_t time, Int128& total);

    [[nodiscard]] const BalanceRules& rules() const noexcept { return rules_; }
    [[nodiscard]] const std::map<std::string, Wallet, std::less<>>& wallets() const noexcept {
        return wallets_;
    }
    // Replaces the row; `holders` from `least` to `most`.
    void restore(std::string_view wallet, std::string_view currency, Currency row);

 private:
    struct Run {  // adjacent legs of one currency
        Currency* currency;
        Int128 moved;
    };

    // False: a sum exceeded 128 bits, and the caller must call `take_back`.
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
    std::vector<Run> runs_;  // of the current entry
    std::vector<std::pair<std::string_view, std::string_view>>
        fresh_;  // currencies that the current entry added
};

}  // namespace onetape
