#pragma once
// Why an order was refused, in words with the numbers that decided.
#include <cstdint>
#include <string>

#include "engine/instrument_state.hpp"
#include "engine/order.hpp"

namespace onetape {

// `units` at `decimals` as plain decimal text: 61800, -0.5, 0.001.
[[nodiscard]] std::string decimal_text(Int128 units, int decimals);

// Of a refusal's error number; empty for 0. Uses what is known of the instrument now.
[[nodiscard]] std::string refusal_text(const Order& order, std::uint16_t code);
// Of an order that the account cannot carry: what it needs, rounded up, and what is there, rounded
// down, at eight decimals.
[[nodiscard]] std::string shortage_text(Money needed, Money available, const std::string& currency);
[[nodiscard]] inline std::string refusal_text(const Order& order) {
    return refusal_text(order, order.code);
}

}  // namespace onetape
