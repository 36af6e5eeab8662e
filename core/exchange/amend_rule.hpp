#pragma once
// What a venue makes of a request to change an order that rests: whether it takes it at all, and
// whether the order keeps its place in the queue.
#include <cstdint>

namespace onetape {

enum class AmendRule : std::uint8_t {
    decrease_keeps = 0,  // a smaller size keeps the place; another price or a larger size loses it
    requeues,            // every change loses it: the order is canceled and replaced
    decrease_only,       // a smaller size keeps the place; all else is refused
    none,                // nothing can be changed
};
inline constexpr std::uint8_t amend_rule_count = 4;

struct AmendTerms {
    AmendRule rule = AmendRule::decrease_keeps;
    bool triggers = true;  // an order whose trigger waits can be changed, too

    // smaller: price and trigger stay, and the size does not grow.
    [[nodiscard]] constexpr bool takes(bool waits_for_trigger, bool smaller) const noexcept {
        if (rule == AmendRule::none || (waits_for_trigger && !triggers)) return false;
        return smaller || rule != AmendRule::decrease_only;
    }
    [[nodiscard]] constexpr bool keeps_place(bool smaller) const noexcept {
        return smaller && rule != AmendRule::requeues;
    }
};

}  // namespace onetape
