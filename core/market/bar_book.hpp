#pragma once
// The bars of one symbol by open time: each is reported once, and again if the venue corrects it.
//
// A bar requested after its end (flag_snapshot) is the venue's final value: it replaces a bar of
// the stream and an earlier request's. A bar made of trades (flag_synthetic) is replaced by any of
// the venue's. Nothing else is replaced.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

enum class BarNews : std::uint8_t {
    fresh,      // later than all others
    filled,     // of a skipped period
    corrected,  // replaces a reported one
    duplicate,
    differs,  // differs from the stored one, which it may not replace
    older,    // before all stored ones
};

class BarBook {
 public:
    static constexpr std::size_t bars_max = 2048;  // per period: 34 hours of minutes

    BarNews take(const BarPayload& bar, std::uint16_t flags) {
        Period& own = period(bar.period_ns);
        if (bar.ts_open <= own.forgotten) return BarNews::older;
        const Entry entry{bar.ts_open, content(bar),
                          static_cast<std::int32_t>(std::min<std::int64_t>(bar.trades, 1 << 30)),
                          source(flags)};
        const auto at = std::lower_bound(
            own.bars.begin(), own.bars.end(), bar.ts_open,
            [](const Entry& each, std::int64_t time) { return each.ts_open < time; });
        if (at != own.bars.end() && at->ts_open == bar.ts_open) {
            const bool gives_way = at->source == Source::trades && entry.source != Source::trades;
            // The number of trades of a synthetic bar is unknown.
            if (at->content == entry.content && !gives_way &&
                (at->trades == entry.trades || entry.source == Source::trades)) {
                at->source = std::max(at->source, entry.source);
                return BarNews::duplicate;
            }
            if (entry.source != Source::answer && !gives_way) return BarNews::differs;
            *at = entry;
            return BarNews::corrected;
        }
        const BarNews news = at == own.bars.end() ? BarNews::fresh : BarNews::filled;
        own.bars.insert(at, entry);
        if (own.bars.size() > bars_max) {
            own.forgotten = own.bars.front().ts_open;
            own.bars.erase(own.bars.begin());
        }
        return news;
    }

    // Whether any bar of the period is stored.
    [[nodiscard]] bool has_period(std::int64_t period_ns) const noexcept {
        return std::any_of(periods_.begin(), periods_.end(),
                           [&](const Period& each) { return each.length == period_ns; });
    }
    // Whether the bar that opens then is stored.
    [[nodiscard]] bool has(std::int64_t period_ns, std::int64_t ts_open) const noexcept {
        const auto own = std::find_if(periods_.begin(), periods_.end(),
                                      [&](const Period& each) { return each.length == period_ns; });
        return own != periods_.end() &&
               std::any_of(own->bars.rbegin(), own->bars.rend(),
                           [&](const Entry& each) { return each.ts_open == ts_open; });
    }

 private:
    enum class Source : std::uint8_t { trades, stream, answer };  // ascending by quality
    struct Entry {
        std::int64_t ts_open;
        std::uint64_t content;
        std::int32_t trades;
        Source source;
    };
    [[nodiscard]] static constexpr Source source(std::uint16_t flags) noexcept {
        if ((flags & flag_snapshot) != 0) return Source::answer;
        return (flags & flag_synthetic) != 0 ? Source::trades : Source::stream;
    }
    struct Period {
        std::int64_t length;
        std::vector<Entry> bars;  // by ts_open
        std::int64_t forgotten = std::numeric_limits<std::int64_t>::min();
    };

    Period& period(std::int64_t length) {
        for (Period& each : periods_)
            if (each.length == length) return each;
        return periods_.emplace_back(Period{length, {}});
    }

    // A hash of the bar's prices and volume. Without turnover, which some endpoints do not return.
    [[nodiscard]] static std::uint64_t content(const BarPayload& bar) noexcept {
        std::uint64_t hash = 0xcbf29ce484222325;
        for (const std::int64_t each : {bar.open, bar.high, bar.low, bar.close, bar.volume}) {
            hash = (hash ^ static_cast<std::uint64_t>(each)) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 32;
        }
        return hash;
    }

    std::vector<Period> periods_;
};

// Flags of its frame: whether it is late, and whether it replaces another bar.
[[nodiscard]] constexpr std::uint16_t flags_of(BarNews news) noexcept {
    if (news == BarNews::corrected) return flag_late | flag_corrected;
    return news == BarNews::filled ? flag_late : std::uint16_t{0};
}

}  // namespace onetape
