#pragma once
// Margin by notional: the brackets of one instrument, passed from onetape/model/margin.py.
//
// A bracket applies to values above the one before it, up to and including its own `notional_max`.
// Maintenance there is value * rate - amount; the amount makes it continuous at the edge where the
// venue defines it so. `leverage` is the highest at which a position of that value may be opened.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/money.hpp"
#include "exchange/amend_rule.hpp"
#include "exchange/fee_schedule.hpp"

namespace onetape {

struct MarginBracket {
    Money notional_max = 0;     // settle currency, inclusive
    std::int64_t rate = 0;      // 1e-12 of notional
    Money amount = 0;           // subtracted from the product
    std::int64_t leverage = 0;  // 0: no limit
};

// The terms of an instrument that are not single numbers: see instrument.hpp for those.
struct InstrumentTerms {
    std::vector<MarginBracket> brackets;  // by notional_max; empty: the spec's one rate
    std::int64_t leverage = 0;  // the account's for this instrument, 0: the account's default
    std::int64_t liquidation_fee = 0;   // 1e-12 of a liquidated value
    std::vector<FeeTier> fee_tiers;     // by volume; empty: the spec's fees
    std::int64_t funding_interval = 0;  // ns, 0: unknown
    std::int64_t expiry = 0;            // ns, 0: none
    std::uint32_t venue = 0;            // number of the venue, from 1
    std::uint32_t volume_group = 0;     // instruments of one group share their volume
    AmendTerms amend;
    // True: an order whose trigger is met on arrival is refused; false: it fires at once.
    bool refuses_met_triggers = false;
};

// The first price on the way from `open` to `extreme` at which `ends_at` is true; it is true at the
// extreme.
template <class EndsAt>
std::int64_t first_end(std::int64_t open, std::int64_t extreme, const EndsAt& ends_at) noexcept {
    if (ends_at(open)) return open;
    std::int64_t safe = open, gone = extreme;
    while (safe - gone > 1 || gone - safe > 1) {
        const std::int64_t middle = safe + (gone - safe) / 2;
        (ends_at(middle) ? gone : safe) = middle;
    }
    return gone;
}

class MarginTable {
 public:
    void set(std::vector<MarginBracket> brackets, std::int64_t flat_rate);

    // value >= 0, settle currency.
    [[nodiscard]] Money maintenance(Money value) const noexcept;
    [[nodiscard]] std::size_t bracket_of(Money value) const noexcept;
    static constexpr Money unlimited = -1;
    // The greatest value that may be opened at a leverage; 0: no bracket allows that leverage.
    [[nodiscard]] Money notional_limit(std::int64_t leverage) const noexcept;
    // The value to which a position is cut when it must move to the next lower bracket; 0: none
    // below.
    [[nodiscard]] Money lower_edge(Money value) const noexcept;
    [[nodiscard]] std::int64_t highest_rate() const noexcept { return highest_rate_; }
    [[nodiscard]] bool empty() const noexcept { return brackets_.empty(); }

 private:
    std::vector<MarginBracket> brackets_;
    std::int64_t flat_rate_ = 0, highest_rate_ = 0;
};

}  // namespace onetape
