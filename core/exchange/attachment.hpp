#pragma once
// Attaches an order as stop or take-profit to another one, its entry: it is sent together with the
// entry and inactive until the entry fills. It then closes at most the entry's filled quantity;
// several attached orders of one entry share that. Its trigger may follow the entry's average
// price.
#include <cstdint>

#include "base/money.hpp"

namespace onetape {

struct Attachment {
    std::uint64_t entry = 0;    // id of the entry; 0: not attached
    std::int64_t share = 0;     // offset of the trigger: 1e-9 of the average price, and
    std::int64_t distance = 0;  // price units; both 0: the trigger as sent

    static constexpr std::int64_t share_one = 1'000'000'000;

    [[nodiscard]] constexpr bool follows_price() const noexcept {
        return share != 0 || distance != 0;
    }
    // The trigger for an entry whose fills (price * size) sum up to `cost`: the nearest tick, at
    // least one.
    [[nodiscard]] constexpr std::int64_t trigger_behind(Int128 cost, std::int64_t filled,
                                                        std::int64_t tick) const noexcept {
        const Int128 whole = static_cast<Int128>(filled) * share_one;
        const Int128 steps =
            divide_half_even(cost * (share_one + share) + whole * distance, whole * tick);
        return steps < 1 ? tick : static_cast<std::int64_t>(steps) * tick;
    }
};

}  // namespace onetape
