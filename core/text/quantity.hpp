#pragma once
// What a number of a file measures, which decides the decimals that it needs.
#include <cstdint>

namespace onetape {

// price and size: what can be traded, tick and lot follow from them. reference (marks and indices)
// and volume (sums) must be representable, and say nothing of tick and lot.
enum class Quantity : std::uint8_t { price, size, reference, volume };

[[nodiscard]] constexpr bool is_price(Quantity quantity) noexcept {
    return quantity == Quantity::price || quantity == Quantity::reference;
}

}  // namespace onetape
