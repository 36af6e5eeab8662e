#pragma once
// Makes minute bars of trades, if the venue numbers these consecutively: a minute is complete once
// every number between the trade before it and the one after it was seen, from any source and in
// any order. Minutes without this proof give no bar.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "base/money.hpp"
#include "journal/events.hpp"

namespace onetape {

class TradeBars {
 public:
    static constexpr std::int64_t period_ns = 60'000'000'000;
    // The venue's own bar has come this long after its end: streams send it at once, pollers
    // request it after three seconds.
    static constexpr std::int64_t hold_ns = 5'000'000'000;
    static constexpr std::size_t minutes_max = 8;  // with trades; others are forgotten

    // Adds a trade; each only once.
    void add(const TradePayload& trade) {
        if (trade.id_kind != IdKind::integer || trade.id_high != 0 || trade.ts_event <= 0 ||
            trade.ts_event > std::numeric_limits<std::int64_t>::max() / 2)
            return;
        const std::int64_t ts_open = trade.ts_event - trade.ts_event % period_ns;
        std::size_t at = minutes_.size();  // behind the last one that is not later
        while (at > 0 && minutes_[at - 1].ts_open > ts_open) --at;
        if (at == 0 || minutes_[at - 1].ts_open != ts_open) {
            if (minutes_.size() == minutes_max) {
                if (at == 0) return;
                before_ = minutes_.front().last;
                minutes_.erase(minutes_.begin());
                --at;
            }
            minutes_.insert(minutes_.begin() + static_cast<std::ptrdiff_t>(at),
                            {ts_open, trade.id_low, trade.id_low, 0, trade.price, trade.price,
                             trade.price, trade.price, 0, 0, false});
            ++at;
        }
        Minute& own = minutes_[at - 1];
        if (trade.id_low <= own.first) own.first = trade.id_low, own.open = trade.price;
        if (trade.id_low >= own.last) own.last = trade.id_low, own.close = trade.price;
        own.high = std::max(own.high, trade.price);
        own.low = std::min(own.low, trade.price);
        // Values that no bar can hold are not a real market's: the trade only counts as taken.
        const Int128 value = static_cast<Int128>(trade.price) * trade.size;
        own.is_taken |= __builtin_add_overflow(own.volume, trade.size, &own.volume) ||
                        __builtin_add_overflow(own.turnover, value, &own.turnover);
        ++own.count;
    }

    // Returns the oldest complete bar that ended `hold_ns` before this time, each once. Its number
    // of trades is unknown: a venue may number several fills of one order together.
    [[nodiscard]] std::optional<BarPayload> next(std::int64_t time) {
        for (std::size_t i = 0; i + 1 < minutes_.size(); ++i) {
            Minute& own = minutes_[i];
            if (time < own.ts_open + period_ns + hold_ns) break;
            const std::uint64_t before = i == 0 ? before_ : minutes_[i - 1].last;
            if (own.is_taken || own.count != own.last - own.first + 1 || before + 1 != own.first ||
                minutes_[i + 1].first != own.last + 1)
                continue;
            own.is_taken = true;
            return BarPayload{own.ts_open,
                              own.ts_open + period_ns,
                              period_ns,
                              own.open,
                              own.high,
                              own.low,
                              own.close,
                              own.volume,
                              static_cast<std::int64_t>(own.turnover),
                              static_cast<std::int64_t>(own.turnover >> 64),
                              -1,
                              0};
        }
        return std::nullopt;
    }

 private:
    struct Minute {
        std::int64_t ts_open;
        std::uint64_t first, last, count;  // numbers of trades
        std::int64_t open, high, low, close, volume;
        Int128 turnover;
        bool is_taken;
    };
    std::vector<Minute> minutes_;  // by ts_open
    std::uint64_t before_ = 0;     // the last number of forgotten trades, 0: unknown
};

}  // namespace onetape
