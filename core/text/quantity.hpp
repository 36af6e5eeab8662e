#pragma once
// The kind of a number in a file, which decides the decimals that it needs.
#include <cstdint>

namespace onetape {

// price and size: traded quantities, from which tick and lot follow. reference (marks and indices)
// and volume (sums): must be representable, and do not affect tick and lot.
enum class Quantity : std::uint8_t { price, size, reference, volume };

[[nodiscard]] constexpr bool is_price(Quantity quantity) noexcept {
    return quantity == Quantity::price || quantity == Quantity::reference;
}

}  // namespace onetape
