// Reads bytes as frames of entries: each is refused, or read and written identically. After
// booking, the books balance: every currency adds up to zero over all holders and wallets, its
// total is the sum of our own holders, and refused entries have changed nothing.
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "accounts/balances.hpp"
#include "accounts/booked.hpp"
#include "accounts/entry_frame.hpp"
#include "fuzz/input.hpp"

using namespace onetape;

namespace {

using Unsigned = unsigned __int128;  // wraps around
using Key = std::tuple<std::string, std::string, std::int64_t>;

constexpr BalanceRules rules{-9, 63, -9, 4};
constexpr std::string_view currencies[] = {"USD", "BTC", "", "\xff", "U"};
constexpr std::string_view causes[] = {"fill", "fee", "transfer", "?"};

// Amounts near the limits as often as small ones.
[[nodiscard]] Int128 amount_of(fuzz::Input& input) {
    const auto how = input.take<std::uint8_t>();
    const Int128 small = input.take<std::int16_t>();
    if (how % 4 == 0) return small;
    if (how % 4 == 1) return small * pow10(how / 4 % 33);
    const Int128 end = how % 4 == 2 ? ~(Int128{1} << 127) : Int128{1} << 127;
    return static_cast<Int128>(static_cast<Unsigned>(end) + static_cast<Unsigned>(small));
}

// An entry in the gateway's encoding, made from the input, balanced more often than not.
[[nodiscard]] std::string written(fuzz::Input& input) {
    EntryFrame entry;
    entry.time = input.take<std::int8_t>();
    entry.cause = causes[input.take<std::uint8_t>() % std::size(causes)];
    const auto count = input.take<std::uint8_t>() % 8;
    for (int at = 0; at < count; ++at) {
        EntryLeg leg;
        leg.holder = input.take<std::int8_t>() % 12;
        leg.currency = currencies[input.take<std::uint8_t>() % std::size(currencies)];
        leg.wallet = input.take<std::uint8_t>() % 4 == 0 ? "spot" : "";
        leg.amount = amount_of(input);
        entry.legs.push_back(leg);
        if (input.take<std::uint8_t>() % 4 == 0) continue;
        leg.holder = -5;
        leg.amount = static_cast<Int128>(-static_cast<Unsigned>(leg.amount));
        entry.legs.push_back(leg);
    }
    const std::string reference = std::to_string(input.take<std::uint8_t>());
    entry.reference = reference;
    entry.of = input.take<std::int32_t>();
    std::string out;
    append_entry(out, entry);
    const auto patches = input.take<std::uint8_t>() % 8;
    for (int at = 0; at < (patches < 4 ? 0 : patches - 3); ++at) {
        const auto place = input.take<std::uint16_t>();
        out[place % out.size()] = static_cast<char>(input.take<std::uint8_t>());
    }
    return out;
}

[[nodiscard]] std::map<Key, Int128> all_of(const Balances& balances) {
    std::map<Key, Int128> found;
    std::map<std::string, Unsigned> sums;
    for (const auto& [wallet, names] : balances.wallets()) {
        for (const auto& [name, row] : names) {
            Unsigned ours = 0;
            for (std::int64_t holder = rules.least; holder <= rules.most; ++holder) {
                const Int128 amount = holder == 0 ? 0 : balances.of(row, holder);
                sums[name] += static_cast<Unsigned>(amount);
                if (holder > 0 || holder == rules.also_ours) ours += static_cast<Unsigned>(amount);
                found[{wallet, name, holder}] = amount;
            }
            fuzz::require(static_cast<Unsigned>(row.total) == ours);
            fuzz::require(row.recent.size() <= rules.recent_max);
            std::vector<Int128> rows(64);
            fuzz::require(balances.slots(row, rows));
            Unsigned shown = 0;
            for (std::size_t at = 1; at < rows.size(); ++at)
                shown += static_cast<Unsigned>(rows[at]);
            fuzz::require(shown == ours && rows[0] == row.total);
        }
    }
    for (const auto& [name, sum] : sums) fuzz::require(sum == 0);
    return found;
}

void take(const std::string& payload, Balances& balances, Booked& booked) {
    // On the heap with exact size, so that reading one byte more is detected.
    const std::vector<char> bytes(payload.begin(), payload.end());
    EntryFrame entry;
    if (!read_entry({bytes.data(), bytes.size()}, entry)) return;
    std::string repeated;
    append_entry(repeated, entry);
    EntryFrame same;
    fuzz::require(read_entry(repeated, same));
    std::string twice;
    append_entry(twice, same);
    fuzz::require(repeated == twice);
    const auto before = all_of(balances);
    const bool fits = balances.takes(entry);
    fuzz::require(all_of(balances) == before);
    if (booked.has(entry.reference) || booked.is_old(entry.time)) return;
    fuzz::require(balances.post(entry) == fits);
    const auto after = all_of(balances);
    if (!fits) {
        fuzz::require(after == before);
        return;
    }
    booked.add(entry.reference, entry.time);
    fuzz::require(booked.has(entry.reference) || booked.is_old(entry.time));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Balances balances(rules);
    Booked booked(6);
    if (data[0] % 2 == 0) {
        take(std::string(data + 1, data + size), balances, booked);
        return 0;
    }
    fuzz::Input input(data + 1, size - 1);
    for (int frame = 0; frame < 32 && !input.empty(); ++frame)
        take(written(input), balances, booked);
    return 0;
}
