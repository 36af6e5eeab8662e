#include "exchange/margin.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace onetape {

void MarginTable::set(std::vector<MarginBracket> brackets, std::int64_t flat_rate) {
    brackets_ = std::move(brackets);
    flat_rate_ = highest_rate_ = flat_rate;
    Money edge = 0, owed = 0;
    for (const MarginBracket& bracket : brackets_) {
        highest_rate_ = std::max(highest_rate_, bracket.rate);
        const auto at = [&](Money value) { return at_rate(value, bracket.rate) - bracket.amount; };
        // A table with a jump has no highest rate: a step over an edge may cost any amount.
        const Money jump = edge == 0 ? 0 : at(edge) - owed;
        if (jump > 1 || jump < -1) highest_rate_ = std::numeric_limits<std::int64_t>::max();
        edge = bracket.notional_max;
        owed = at(edge);
    }
}

// Values beyond the last bracket use its rule: they cannot be opened, but a price move may lead
// there.
std::size_t MarginTable::bracket_of(Money value) const noexcept {
    const auto found = std::find_if(
        brackets_.begin(), brackets_.end(),
        [value](const MarginBracket& bracket) { return value <= bracket.notional_max; });
    const auto at = static_cast<std::size_t>(found - brackets_.begin());
    return found == brackets_.end() && at > 0 ? at - 1 : at;
}

Money MarginTable::maintenance(Money value) const noexcept {
    if (brackets_.empty()) return at_rate(value, flat_rate_);
    const MarginBracket& bracket = brackets_[bracket_of(value)];
    return std::max<Money>(at_rate(value, bracket.rate) - bracket.amount, 0);
}

Money MarginTable::notional_limit(std::int64_t leverage) const noexcept {
    if (brackets_.empty()) return unlimited;
    Money limit = 0;
    for (const MarginBracket& bracket : brackets_) {
        if (bracket.leverage == 0 || bracket.leverage >= leverage) limit = bracket.notional_max;
    }
    return limit;
}

Money MarginTable::lower_edge(Money value) const noexcept {
    const std::size_t at = brackets_.empty() ? 0 : bracket_of(value);
    return at == 0 ? 0 : brackets_[at - 1].notional_max;
}

}  // namespace onetape
