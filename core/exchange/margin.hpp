#pragma once
// Margin by notional: the brackets of one instrument, handed down from onetape/model/margin.py.
//
// A bracket holds for values above the one before it, up to and including its own `notional_max`.
// Maintenance there is value * rate - amount; the amount makes it continuous at the edge where the
// venue says so. `leverage` is the highest at which a position of that value may be opened.
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
    Money amount = 0;           // taken off the product
    std::int64_t leverage = 0;  // 0: no limit
};

// The part of an instrument's terms that is not one number each: see instrument.hpp for those.
struct InstrumentTerms {
    std::vector<MarginBracket> brackets;  // by notional_max; empty: the spec's one rate
    std::int64_t leverage = 0;            // the account's for this instrument, 0: its common one
    std::int64_t liquidation_fee = 0;     // 1e-12 of what the venue closes by force
    std::vector<FeeTier> fee_tiers;       // by volume; empty: the spec's fees
    std::int64_t funding_interval = 0;    // ns, 0: not known
    std::int64_t expiry = 0;              // ns, 0: none
    std::uint32_t venue = 0;              // number of the venue, from 1
    std::uint32_t volume_group = 0;       // instruments of one group share their volume
    AmendTerms amend;
    // An order whose trigger is met when it arrives is refused; else it fires at once.
    bool refuses_met_triggers = false;
};

// The first price on the way from `open` to `extreme` at which `ends_at` holds; it holds at the
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
    // The greatest value that may be opened at a leverage; 0: that leverage is above all of them.
    [[nodiscard]] Money notional_limit(std::int64_t leverage) const noexcept;
    // What a value is cut to when it must leave its bracket downward; 0: nothing below.
    [[nodiscard]] Money lower_edge(Money value) const noexcept;
    [[nodiscard]] std::int64_t highest_rate() const noexcept { return highest_rate_; }
    [[nodiscard]] bool empty() const noexcept { return brackets_.empty(); }

 private:
    std::vector<MarginBracket> brackets_;
    std::int64_t flat_rate_ = 0, highest_rate_ = 0;
};

}  // namespace onetape
