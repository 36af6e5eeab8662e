#include "accounts/balances.hpp"

#include <algorithm>
#include <utility>

namespace onetape {

bool Balances::takes(const EntryFrame& entry) {
    if (!adds_up(entry, rules_.least, rules_.most)) return false;
    const bool fits = add(entry);
    take_back(entry);
    return fits;
}

bool Balances::post(const EntryFrame& entry) {
    if (!adds_up(entry, rules_.least, rules_.most)) return false;
    if (!add(entry)) {
        take_back(entry);
        return false;
    }
    for (const Run& run : runs_) {
        if (run.moved == 0) continue;
        Currency& row = *run.currency;
        row.recent.push_back({entry.time, run.moved});
        if (row.recent.size() <= rules_.recent_max) continue;
        row.forgotten = std::max(row.forgotten, row.recent.front().time);
        row.recent.pop_front();
    }
    return true;
}

// Sums wrap around and are exact again once all is taken back.
bool Balances::add(const EntryFrame& entry) {
    bool is_beyond = false;
    runs_.clear();
    fresh_.clear();
    std::string_view currency, wallet;
    for (const EntryLeg& leg : entry.legs) {
        if (runs_.empty() || leg.currency != currency || leg.wallet != wallet) {
            currency = leg.currency, wallet = leg.wallet;
            runs_.push_back({&room(wallet, currency), 0});
        }
        Run& run = runs_.back();
        Int128& balance = at(*run.currency, leg.holder);
        is_beyond |= __builtin_add_overflow(balance, leg.amount, &balance);
        if (is_ours(leg.holder))
            is_beyond |= __builtin_add_overflow(run.moved, leg.amount, &run.moved);
    }
    for (const Run& run : runs_) {
        Currency& row = *run.currency;
        is_beyond |= __builtin_add_overflow(row.total, run.moved, &row.total);
        Int128 first = 0;  // the value shown to readers
        is_beyond |= __builtin_add_overflow(at(row, 1), at(row, rules_.also_ours), &first);
    }
    return !is_beyond;
}

void Balances::take_back(const EntryFrame& entry) {
    std::size_t number = 0;
    const EntryLeg* last = nullptr;
    for (const EntryLeg& leg : entry.legs) {
        if (last != nullptr && (leg.currency != last->currency || leg.wallet != last->wallet))
            ++number;
        Int128& balance = at(*runs_[number].currency, leg.holder);
        (void)__builtin_sub_overflow(balance, leg.amount, &balance);
        last = &leg;
    }
    for (const Run& run : runs_)
        (void)__builtin_sub_overflow(run.currency->total, run.moved, &run.currency->total);
    for (const auto& [wallet, currency] : fresh_) {
        const auto found = wallets_.find(wallet);
        if (const auto row = found->second.find(currency); row != found->second.end())
            found->second.erase(row);
        if (found->second.empty() && !found->first.empty()) wallets_.erase(found);
    }
}

Balances::Currency& Balances::room(std::string_view wallet, std::string_view currency) {
    auto names = wallets_.find(wallet);
    if (names == wallets_.end()) names = wallets_.try_emplace(std::string(wallet)).first;
    auto found = names->second.find(currency);
    if (found == names->second.end()) {
        found = names->second.try_emplace(std::string(currency)).first;
        found->second.holders.resize(static_cast<std::size_t>(rules_.most - rules_.least + 1));
        fresh_.emplace_back(wallet, currency);
    }
    return found->second;
}

const Balances::Currency* Balances::find(std::string_view wallet, std::string_view currency) const {
    const auto names = wallets_.find(wallet);
    if (names == wallets_.end()) return nullptr;
    const auto found = names->second.find(currency);
    return found == names->second.end() ? nullptr : &found->second;
}

Int128 Balances::of(const Currency& currency, std::int64_t holder) const noexcept {
    if (holder == 0) return currency.total;
    if (holder < rules_.least || holder > rules_.most) return 0;
    return currency.holders[static_cast<std::size_t>(holder - rules_.least)];
}

bool Balances::slots(const Currency& currency, std::vector<Int128>& rows) const noexcept {
    const auto count = static_cast<std::int64_t>(rows.size());
    for (std::int64_t holder = 1; holder <= rules_.most; ++holder) {
        const Int128 amount = of(currency, holder);
        if (holder >= count && amount != 0) return false;
        if (holder < count) rows[static_cast<std::size_t>(holder)] = amount;
    }
    rows[1] += of(currency, rules_.also_ours);
    rows[0] =
        currency
            .total;  // the sum of some of them may exceed 128 bits even if the sum of all does not
    return true;
}

Int128 Balances::free(const Currency* currency, std::int64_t slot, Int128 credit) const noexcept {
    Int128 found = currency == nullptr ? 0 : of(*currency, slot);
    if (slot != 1) return found;
    const Int128 netted = currency == nullptr ? 0 : of(*currency, rules_.also_ours);
    if (netted < 0) found += netted;  // cannot overflow: both together fit, or neither was posted
    if (__builtin_add_overflow(found, credit, &found)) return ~(Int128{1} << 127);
    return found;
}

bool Balances::as_of(const Currency& currency, std::int64_t time, Int128& total) {
    if (time < currency.forgotten) return false;
    total = currency.total;
    for (const Change& change : currency.recent)
        if (change.time > time) (void)__builtin_sub_overflow(total, change.amount, &total);
    return true;
}

void Balances::restore(std::string_view wallet, std::string_view currency, Currency row) {
    row.total = 0;
    for (std::int64_t holder = rules_.least; holder <= rules_.most; ++holder)
        if (is_ours(holder)) (void)__builtin_add_overflow(row.total, at(row, holder), &row.total);
    room(wallet, currency) = std::move(row);
}

}  // namespace onetape
