#pragma once
// Reconciles a live robot's own account with its gateway's ledger.
//
// The robot's account applies each fill at once, so that every callback sees the money after its
// fill. The ledger's entry for that fill follows on the tape; then the entry replaces the computed
// amounts.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "base/money.hpp"

namespace onetape {

// Why an entry moved the robot's money, as far as it matters to the robot.
enum class EntryKind : std::uint8_t { fill, funding, interest, moved };

// The amount by which an entry changes a balance of the robot's sub-account.
struct LedgerLeg {
    std::uint32_t currency = 0;
    Money amount = 0;
};

// The effect of one fill on the account: settle currency, base coins, a fee in a third currency.
struct FillEffect {
    std::array<LedgerLeg, 3> legs{};
    std::size_t count = 0;

    void add(std::uint32_t currency, Money amount) {
        for (std::size_t i = 0; i < count; ++i) {
            if (legs[i].currency != currency) continue;
            return;  // both are of the same balance
        }
        if (amount != 0) legs[count++] = {currency, amount};
    }
};

class UnbookedFills {
 public:
    using Key =
        std::pair<std::uint32_t, std::uint64_t>;  // the gateway, and the fill's frame on its tape
    // Entries follow their fills at once. A fill without an entry (booked before its gateway died)
    // must not be kept for ever; the oldest is dropped, and its computed amounts stay.
    static constexpr std::size_t kept = 1024;

    void add(Key fill, const FillEffect& effect) {
        effects_[fill] = effect;
        if (effects_.size() > kept) effects_.erase(effects_.begin());
    }
    [[nodiscard]] std::optional<FillEffect> take(Key fill) {
        const auto found = effects_.find(fill);
        if (found == effects_.end()) return std::nullopt;
        const FillEffect effect = found->second;
        effects_.erase(found);
        return effect;
    }

 private:
    std::map<Key, FillEffect> effects_;
};

}  // namespace onetape
