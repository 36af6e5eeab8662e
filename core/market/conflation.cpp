#include "market/conflation.hpp"

#include <algorithm>

namespace onetape {

void Conflation::on_book(const BookPayload& payload, std::uint16_t flags, const BookLevel* levels,
                         std::int64_t received) {
    ++facts_.messages;
    const bool was_synced = book_.synced();
    (void)book_.apply(payload, flags, levels);
    if (was_synced && book_.synced() && !between_.empty()) {
        intervals_.push_back(received - last_);
        facts_.prints += between_.size();
        for (const Print& print : between_) {
            const std::int64_t shown = book_.side(print.level).size_at(print.price);
            if (print.shown > 0 && shown < print.shown) ++facts_.explaining;
        }
    }
    between_.clear();
    last_ = received;
    stamp_ = payload.ts_event == payload.ts_recv ? 0 : payload.ts_event;
}

void Conflation::on_trade(const TradePayload& trade) {
    if (!book_.synced()) return;
    const Side level = other_side(trade.side);
    between_.push_back({trade.price, book_.side(level).size_at(trade.price), level});
    if (stamp_ == 0 || trade.ts_event == 0 || trade.ts_event == trade.ts_recv) return;
    ++facts_.stamped;
    if (trade.ts_event <= stamp_) ++facts_.late;
}

ConflationFacts Conflation::facts() const {
    ConflationFacts facts = facts_;
    if (intervals_.empty()) return facts;
    std::vector<std::int64_t> sorted = intervals_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    facts.interval_median = *middle;
    return facts;
}

}  // namespace onetape
