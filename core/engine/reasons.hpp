#pragma once
// Texts for refused orders, with the numbers that decided.
#include <cstdint>
#include <string>

#include "engine/instrument_state.hpp"
#include "engine/order.hpp"

namespace onetape {

// `units` at `decimals` as plain decimal text: 61800, -0.5, 0.001.
[[nodiscard]] std::string decimal_text(Int128 units, int decimals);

// The text for a refusal's error number; empty for 0. Uses the instrument's present state.
[[nodiscard]] std::string refusal_text(const Order& order, std::uint16_t code);
// The text for an order that the account cannot carry: the amount needed, rounded up, and the
// amount available, rounded down, at eight decimals.
[[nodiscard]] std::string shortage_text(Money needed, Money available, const std::string& currency);
[[nodiscard]] inline std::string refusal_text(const Order& order) {
    return refusal_text(order, order.code);
}

}  // namespace onetape
