#pragma once
// The checks of an order before the exchange looks at its market or at an account. Pure: one
// instrument, one request, one reference price. The same rules serve every liquidity source.
#include <cstdint>

#include "exchange/instrument.hpp"
#include "journal/events.hpp"

namespace onetape {

enum class Rounding : std::uint8_t { nearest = 0, down = 1, up = 2, toward_zero = 3 };

// `value` in units of 10^-decimals, on a multiple of `step` (step >= 1): the nearest multiple when
// value lies within 1e-9 relative of it, else rounded as requested (down and up as on the number
// line; nearest: half to even). False for NaN, infinities and values beyond 62 bits.
[[nodiscard]] bool snap(double value, int decimals, std::int64_t step, Rounding rounding,
                        std::int64_t& units) noexcept;

// CONTRACT.md's directions: prices round passively (a buy down, a sell up), quantities down.
[[nodiscard]] inline bool snap_price(const InstrumentSpec& spec, double price, Side side,
                                     std::int64_t& units) noexcept {
    return snap(price, spec.price_decimals, spec.tick,
                side == Side::sell ? Rounding::up : Rounding::down, units);
}
[[nodiscard]] inline bool snap_size(const InstrumentSpec& spec, double size,
                                    std::int64_t& units) noexcept {
    return snap(size, spec.size_decimals, spec.lot, Rounding::down, units);
}

// The rules that an order can break, as bits, in the order of checking.
enum OrderRule : std::uint32_t {
    rule_form = 1U << 0U,  // the order's own fields; if broken nothing else is checked
    rule_trigger_watch = 1U << 1U,
    rule_trigger_sign = 1U << 2U,
    rule_trigger_tick = 1U << 3U,
    rule_lot = 1U << 4U,
    rule_size_min = 1U << 5U,
    rule_size_max = 1U << 6U,
    rule_too_large = 1U << 7U,
    rule_price_sign = 1U << 8U,
    rule_tick = 1U << 9U,
    rule_band = 1U << 10U,
    rule_notional_min = 1U << 11U,
};

// All rules that an order breaks, 0: none. `reference` is the price for bands and for the value of
// a market order, 0: unknown (those rules are then not applied); an order with a trigger is
// measured from its trigger. Reduce-only orders need no minimum notional: the rest of a position
// must be closable. band_times: multiple of the venue's band.
[[nodiscard]] std::uint32_t broken_rules(const InstrumentSpec& spec,
                                         const OrderRequestPayload& request, std::int64_t reference,
                                         std::int64_t band_times = 1) noexcept;

// The error number of the first of these rules, 0 if there is none.
[[nodiscard]] std::uint16_t code_of_rules(std::uint32_t broken) noexcept;

[[nodiscard]] inline std::uint16_t check_order(const InstrumentSpec& spec,
                                               const OrderRequestPayload& request,
                                               std::int64_t reference) noexcept {
    return code_of_rules(broken_rules(spec, request, reference));
}

// The same rules for the price (0: market) and the whole size of an order after an amendment.
[[nodiscard]] std::uint16_t check_price_size(const InstrumentSpec& spec, Side side, OrderType type,
                                             std::int64_t price, std::int64_t size,
                                             bool reduce_only, std::int64_t reference) noexcept;

}  // namespace onetape
