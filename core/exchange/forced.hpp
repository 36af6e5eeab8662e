#pragma once
// Orders that the venue makes itself: their ids and their reasons.
#include <cstdint>

namespace onetape {

enum class Forced : std::uint8_t { none = 0, liquidation, deleveraging, loan, settlement };

// Ids of the venue's own orders begin here; the robot's count from 1.
inline constexpr std::uint64_t venue_orders = std::uint64_t{1} << 62;
inline constexpr std::uint64_t liquidation_orders = venue_orders;
inline constexpr std::uint64_t loan_orders = venue_orders + (std::uint64_t{1} << 59);
inline constexpr std::uint64_t deleveraging_orders = venue_orders + (std::uint64_t{1} << 60);
inline constexpr std::uint64_t settlement_orders = venue_orders + (std::uint64_t{1} << 61);

// An order id is the epoch of its robot's incarnation and an ordinal; see `is_by_hand` of
// model/ids.py. Orders that a gateway places for a robot without its request have a bit of their
// own there, on tapes before November 2026 an epoch of their own.
inline constexpr int epoch_bits = 32;
inline constexpr std::uint64_t by_hand = std::uint64_t{1} << 31;
inline constexpr std::uint64_t counted_by_hand = 36 * 36 * 36;

[[nodiscard]] constexpr bool is_by_hand(std::uint64_t order_id) noexcept {
    return (order_id & by_hand) != 0 || order_id >> epoch_bits == counted_by_hand;
}

[[nodiscard]] constexpr Forced forced_of(std::uint64_t order_id) noexcept {
    return order_id < venue_orders           ? Forced::none
           : order_id >= settlement_orders   ? Forced::settlement
           : order_id >= deleveraging_orders ? Forced::deleveraging
           : order_id >= loan_orders         ? Forced::loan
                                             : Forced::liquidation;
}

struct ForcedWords {
    const char* tag;     // of the order, and the kind of the alert and of the health event
    const char* reason;  // of the order
    const char* severity;
};

[[nodiscard]] constexpr ForcedWords words_of(Forced forced) noexcept {
    switch (forced) {
        case Forced::none:
            return {"", "", ""};
        case Forced::liquidation:
            return {"liquidation", "closed by the venue: margin no longer covered it", "critical"};
        case Forced::deleveraging:
            return {"adl", "taken over by the venue at another account's bankruptcy price",
                    "critical"};
        case Forced::loan:
            return {"loan", "traded by the venue to repay a loan that it called in", "critical"};
        case Forced::settlement:
            return {"settlement", "the contract expired and was settled", "info"};
    }
    return {"", "", ""};
}

}  // namespace onetape
