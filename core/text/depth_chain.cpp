#include "text/depth_chain.hpp"

#include <functional>

namespace onetape {

// The first change after a snapshot spans its id. A linked one may also name it outright: the
// change that ended at the snapshot's id came before it, and this is the next.
bool DepthChain::joins(const DepthIds& ids, std::uint64_t snapshot_id) noexcept {
    if (!ids.linked) return ids.first <= snapshot_id + 1;
    return ids.first <= snapshot_id || ids.previous == snapshot_id;
}

bool DepthChain::follows(const DepthIds& ids, std::uint64_t last_id) noexcept {
    return ids.linked ? ids.previous == last_id : ids.first == last_id + 1;
}

bool DepthChain::older(const DepthIds& ids, std::uint64_t snapshot_id) noexcept {
    return ids.linked ? ids.last < snapshot_id : ids.last <= snapshot_id;
}

void DepthChain::set_aside(const DepthIds& ids, std::int64_t ts_event,
                           std::span<const BookLevel> bids, std::span<const BookLevel> asks) {
    // After a break earlier changes are useless: no snapshot can join both sides.
    if (!waiting_.empty() && !follows(ids, waiting_.back().ids.last)) {
        waiting_.clear();
        waiting_levels_ = 0;
    }
    Waiting& kept = waiting_.emplace_back();
    kept.ids = ids;
    kept.ts_event = ts_event;
    kept.bid_count = static_cast<std::uint32_t>(bids.size());
    kept.levels.reserve(bids.size() + asks.size());
    kept.levels.insert(kept.levels.end(), bids.begin(), bids.end());
    kept.levels.insert(kept.levels.end(), asks.begin(), asks.end());
    waiting_levels_ += kept.levels.size();
    while (waiting_.size() > waiting_changes_max ||
           (waiting_levels_ > waiting_levels_max && waiting_.size() > 1)) {
        waiting_levels_ -= waiting_.front().levels.size();
        waiting_.pop_front();
    }
}

DepthChain::Verdict DepthChain::change(const DepthIds& ids, std::int64_t ts_event,
                                       std::span<const BookLevel> bids,
                                       std::span<const BookLevel> asks) {
    if (!synced_) {
        set_aside(ids, ts_event, bids, asks);
        return Verdict::waits;
    }
    if (fresh_ ? older(ids, last_id_) : ids.last <= last_id_) return Verdict::stale;
    if (fresh_ ? joins(ids, last_id_) : follows(ids, last_id_)) {
        fresh_ = false;
        last_id_ = ids.last;
        return Verdict::applies;
    }
    synced_ = false;
    set_aside(ids, ts_event, bids, asks);
    return Verdict::gap;
}

DepthChain::Seed DepthChain::snapshot(std::uint64_t& last_id, std::int64_t& ts_event,
                                      std::vector<BookLevel>& bids, std::vector<BookLevel>& asks) {
    if (synced_ && last_id < last_id_) return Seed::too_old;
    const Waiting* first = nullptr;
    for (const Waiting& change : waiting_) {
        if (older(change.ids, last_id)) continue;
        first = &change;
        break;
    }
    if (first != nullptr && !joins(first->ids, last_id)) return Seed::too_old;

    fresh_ = true;
    if (first != nullptr) {
        std::map<std::int64_t, std::int64_t, std::greater<>> bid_side;
        std::map<std::int64_t, std::int64_t> ask_side;
        for (const BookLevel& level : bids) bid_side[level.price] = level.size;
        for (const BookLevel& level : asks) ask_side[level.price] = level.size;
        const std::uint64_t snapshot_id = last_id;
        for (const Waiting& change : waiting_) {
            if (older(change.ids, snapshot_id)) continue;
            for (std::size_t i = 0; i < change.levels.size(); ++i) {
                const BookLevel& level = change.levels[i];
                if (i < change.bid_count) {
                    if (level.size == 0)
                        bid_side.erase(level.price);
                    else
                        bid_side[level.price] = level.size;
                } else if (level.size == 0) {
                    ask_side.erase(level.price);
                } else {
                    ask_side[level.price] = level.size;
                }
            }
            last_id = change.ids.last;
            ts_event = change.ts_event;
            fresh_ = false;
        }
        bids.clear();
        asks.clear();
        for (const auto& [price, size] : bid_side) bids.push_back({price, size});
        for (const auto& [price, size] : ask_side) asks.push_back({price, size});
    }
    synced_ = true;
    last_id_ = last_id;
    waiting_.clear();
    waiting_levels_ = 0;
    return Seed::taken;
}

}  // namespace onetape
