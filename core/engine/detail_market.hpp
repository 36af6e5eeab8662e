#pragma once
// Finer data of one instrument that only the exchange sees: the events inside the bars that the
// robot is shown, and how completely they cover each bar.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "exchange/recorded.hpp"
#include "journal/events.hpp"
#include "market/book.hpp"
#include "market/mbo_book.hpp"

namespace onetape {

class DetailMarket {
 public:
    enum class Cover : std::uint8_t {
        none,     // no detail event inside the bar: a hole
        partial,  // its prices do not reach the bar's high or low: some are missing
        whole,
    };

    MarketView view;
    Book book;
    std::unique_ptr<MboBook> orders;

    DetailMarket() { view.book = &book; }

    // Notes an event of the detail data at `time`. Only traded prices extend low and high: a bar
    // need not reach a quoted price.
    void note(std::int64_t time, std::int64_t low, std::int64_t high, bool traded) {
        // Whole seconds: bars begin on them, and a day of quotes stays small.
        const std::int64_t at = time - time % second;
        if (seen_.empty() || seen_.back().at < at)
            seen_.push_back({at, std::numeric_limits<std::int64_t>::max(),
                             std::numeric_limits<std::int64_t>::min()});
        all_traded_ = all_traded_ && traded;
        if (!traded) return;
        seen_.back().low = std::min(seen_.back().low, low);
        seen_.back().high = std::max(seen_.back().high, high);
    }

    // Notes a bar of the detail data; bars longer than the shortest period repeat the same prices
    // and are ignored.
    void note(const BarPayload& bar) {
        if (detail_period_ != 0 && bar.period_ns > detail_period_) return;
        detail_period_ = bar.period_ns;
        note(bar.ts_open, bar.low, bar.high, true);
    }

    // Returns how the detail data covers a bar of the main data, and drops the covered part.
    Cover cover(const BarPayload& bar) {
        std::int64_t low = std::numeric_limits<std::int64_t>::max();
        std::int64_t high = std::numeric_limits<std::int64_t>::min();
        bool any = false;
        for (const Seen& each : seen_) {
            if (each.at < bar.ts_open || each.at >= bar.ts_close) continue;
            any = true;
            low = std::min(low, each.low);
            high = std::max(high, each.high);
        }
        seen_.erase(seen_.begin(), std::find_if(seen_.begin(), seen_.end(), [&](const Seen& each) {
                        return each.at >= bar.ts_close;
                    }));
        if (!any) return Cover::none;
        if (all_traded_ && (low > bar.low || high < bar.high)) return Cover::partial;
        return Cover::whole;
    }

    // Returns whether the bar has the shortest period of the main data: longer bars repeat it.
    bool shortest(const BarPayload& bar) {
        if (period_ != 0 && bar.period_ns > period_) return false;
        period_ = bar.period_ns;
        return true;
    }

    // The detail data has a hole: the exchange uses the bar until detail data resumes.
    void show_bar(const BarPayload& bar) {
        view.has_quote = view.has_trade = false;
        book.desync();
        if (orders) orders->lose();
        view.set_bar(bar);
    }

 private:
    static constexpr std::int64_t second = 1'000'000'000;
    struct Seen {
        std::int64_t at, low, high;
    };
    std::vector<Seen> seen_;  // since the last bar
    std::int64_t period_ = 0, detail_period_ = 0;
    bool all_traded_ = true;  // only trades and bars so far: the bars must reach their prices
};

}  // namespace onetape
