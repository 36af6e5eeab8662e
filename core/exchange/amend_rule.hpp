#pragma once
// A venue's rule for amending a resting order: whether it accepts the request, and whether the
// order keeps its place in the queue.
#include <cstdint>

namespace onetape {

enum class AmendRule : std::uint8_t {
    decrease_keeps = 0,  // a smaller size keeps the place; another price or a larger size loses it
    requeues,            // every change loses it: the order is canceled and replaced
    decrease_only,       // a smaller size keeps the place; other changes are refused
    none,                // all changes are refused
};
inline constexpr std::uint8_t amend_rule_count = 4;

struct AmendTerms {
    AmendRule rule = AmendRule::decrease_keeps;
    bool triggers = true;  // an order with a waiting trigger can be changed, too

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
