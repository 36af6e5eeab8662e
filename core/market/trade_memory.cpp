#include "market/trade_memory.hpp"

#include <algorithm>
#include <bit>

namespace onetape {

namespace {

constexpr std::size_t ring_first = 16;

[[nodiscard]] std::uint64_t stirred(std::uint64_t word) noexcept {
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
    return word ^ (word >> 31);
}

[[nodiscard]] std::uint32_t content_of(const TradePayload& trade) noexcept {
    std::uint64_t word = stirred(static_cast<std::uint64_t>(trade.price));
    word = stirred(word ^ static_cast<std::uint64_t>(trade.size));
    return static_cast<std::uint32_t>(word) ^ static_cast<std::uint32_t>(trade.side);
}

}  // namespace

TradeMemory::TradeMemory(std::size_t count_max, std::int64_t keep_ns)
    : count_max_(std::bit_floor(std::max<std::size_t>(count_max, 2))), keep_ns_(keep_ns) {}

std::size_t TradeMemory::mixed(const TradeKey& key) noexcept {
    return static_cast<std::size_t>(
        stirred(key.low ^ stirred(key.high + static_cast<std::uint64_t>(key.kind))));
}

std::uint32_t TradeMemory::find(const TradeKey& key) const noexcept {
    if (table_.empty()) return absent;
    for (std::size_t at = home(key);; at = (at + 1) & (table_.size() - 1)) {
        const std::uint32_t place = table_[at];
        if (place == absent || ring_[place].key == key) return place;
    }
}

TradeMemory::Seen TradeMemory::look(const TradeKey& key, const TradePayload& trade) const noexcept {
    const std::uint32_t place = find(key);
    if (place != absent)
        return ring_[place].content == content_of(trade) ? Seen::taken : Seen::differs;
    return trade_time(trade) <= forgotten_ ? Seen::late : Seen::fresh;
}

void TradeMemory::put(std::uint32_t place) noexcept {
    std::size_t at = home(ring_[place].key);
    while (table_[at] != absent) at = (at + 1) & (table_.size() - 1);
    table_[at] = place;
}

void TradeMemory::grow() {
    const std::size_t capacity =
        ring_.empty() ? std::min(ring_first, count_max_) : ring_.size() * 2;
    std::vector<Entry> wider(capacity);
    for (std::size_t i = 0; i < count_; ++i) wider[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_.swap(wider);
    first_ = 0;
    table_.assign(capacity * 2, absent);
    for (std::size_t i = 0; i < count_; ++i) put(static_cast<std::uint32_t>(i));
}

void TradeMemory::forget_first() noexcept {
    const auto place = static_cast<std::uint32_t>(first_);
    forgotten_ = std::max(forgotten_, ring_[first_].time);
    const std::size_t mask = table_.size() - 1;
    std::size_t at = home(ring_[first_].key);
    while (table_[at] != place) at = (at + 1) & mask;
    // Following entries of the run move up, so that a search never ends before its target.
    for (std::size_t from = (at + 1) & mask; table_[from] != absent; from = (from + 1) & mask) {
        const std::size_t wanted = home(ring_[table_[from]].key);
        if (((from - wanted) & mask) >= ((from - at) & mask)) {
            table_[at] = table_[from];
            at = from;
        }
    }
    table_[at] = absent;
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
}

void TradeMemory::take(const TradeKey& key, const TradePayload& trade) {
    const std::int64_t time = trade_time(trade);
    newest_ = std::max(newest_, time);
    if (count_ == ring_.size()) {
        const bool is_young = count_ == 0 || difference(newest_, ring_[first_].time) < keep_ns_;
        if (ring_.size() < count_max_ && is_young)
            grow();
        else
            forget_first();
    }
    const std::size_t place = (first_ + count_) & (ring_.size() - 1);
    ring_[place] = {key, content_of(trade), time};
    ++count_;
    put(static_cast<std::uint32_t>(place));
}

void TradeMemory::forget_until(std::int64_t time) noexcept {
    forgotten_ = std::max(forgotten_, time);
}

TradeKey TradeCounter::key(const TradePayload& trade) {
    if (trade.id_kind != IdKind::none) return {trade.id_low, trade.id_high, trade.id_kind};
    const std::int64_t time = trade_time(trade);
    if (time != time_) {
        time_ = time;
        kinds_.clear();
    }
    auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& each) {
        return each.price == trade.price && each.size == trade.size && each.side == trade.side;
    });
    if (kind == kinds_.end()) {
        if (kinds_.size() == kinds_max) kinds_.erase(kinds_.begin());
        kinds_.push_back({trade.price, trade.size, trade.side, 0});
        kind = kinds_.end() - 1;
    }
    const std::uint64_t which = ++kind->count;
    std::uint64_t low = stirred(static_cast<std::uint64_t>(time));
    low = stirred(low ^ static_cast<std::uint64_t>(trade.price));
    std::uint64_t high = stirred(low ^ static_cast<std::uint64_t>(trade.size));
    high = stirred(high ^ (which << 2 | static_cast<std::uint64_t>(trade.side)));
    return {low, high, IdKind::none};
}

}  // namespace onetape
