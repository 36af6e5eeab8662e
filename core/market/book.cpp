#include "market/book.hpp"

#include <algorithm>
#include <cstring>

namespace onetape {
namespace {

[[nodiscard]] std::size_t level_count(const BookPayload& payload) {
    return static_cast<std::size_t>(payload.bid_count) + payload.ask_count;
}

[[nodiscard]] bool has_negative_size(const BookLevel* levels, std::size_t count) {
    std::int64_t signs = 0;  // combined signs: one branch for all levels
    for (std::size_t i = 0; i < count; ++i) signs |= levels[i].size;
    return signs < 0;
}

[[nodiscard]] bool has_ids(const BookPayload& payload) {
    return payload.last_id != 0 || payload.first_id != 0 || payload.previous_id != 0;
}

[[nodiscard]] bool same(const BookLevel& a, const BookLevel& b) {
    return a.price == b.price && a.size == b.size;
}

}  // namespace

bool Book::crossed() const noexcept {
    return bids_.count() > 0 && asks_.count() > 0 && best_bid() >= best_ask();
}

void Book::desync() noexcept {
    synced_ = orders_synced_ = false;
    bridging_ = false;
    stale_run_ = 0;
    bids_.clear();
    asks_.clear();
}

void Book::begin_orders() noexcept {
    desync();
    waiting_.clear();
    waiting_.shrink_to_fit();
    by_order_ = true;
}

void Book::clear_orders(Side side) noexcept {
    if (side != Side::sell) bids_.clear();
    if (side != Side::buy) asks_.clear();
}

void Book::add_size(Side side, std::int64_t price, std::int64_t change) {
    BookSide& levels = side == Side::buy ? bids_ : asks_;
    const BookLevel level{price, levels.size_at(price) + change};
    levels.apply(&level, 1);
}

bool Book::fuse(const QuotePayload& quote) {
    if (!synced_ || quote.ts_event <= ts_event_) return false;
    if (quote.bid_size < 0 || quote.ask_size < 0) return false;
    // A side without price and size was not sent; a size of 0 beside a price is unknown.
    if (quote.bid != 0 && quote.bid_size != 0) bids_.set_best({quote.bid, quote.bid_size});
    if (quote.ask != 0 && quote.ask_size != 0) asks_.set_best({quote.ask, quote.ask_size});
    // A new touch on one side removes the crossed levels of the other.
    const auto clear = [](BookSide& side, bool is_bid, std::int64_t touch) {
        while (side.count() != 0) {
            const std::int64_t price = side.best().price;
            if (is_bid ? price < touch : price > touch) break;
            const BookLevel gone{price, 0};
            side.apply(&gone, 1);
        }
    };
    if (quote.ask != 0 && quote.ask_size != 0) clear(bids_, true, quote.ask);
    if (quote.bid != 0 && quote.bid_size != 0) clear(asks_, false, quote.bid);
    return true;
}

Book::Fit Book::fit(const BookPayload& p) const noexcept {
    if (!has_ids(p) || last_id_ == 0) return Fit::next;
    if (p.previous_id != 0) {
        // Compared before any order of sizes: a venue may restart its count and still name the last
        // id.
        if (p.previous_id == last_id_) return Fit::next;
        if (bridging_) {
            if (p.last_id < last_id_) return Fit::stale;
            return p.first_id != 0 && p.first_id <= last_id_ ? Fit::next : Fit::gap;
        }
        return p.last_id <= last_id_ ? Fit::stale : Fit::gap;
    }
    if (p.last_id <= last_id_) return Fit::stale;
    if (p.first_id == 0 || p.first_id == last_id_ + 1) return Fit::next;
    return bridging_ && p.first_id <= last_id_ ? Fit::next : Fit::gap;
}

BookOutcome Book::take(const BookPayload& payload, const BookLevel* levels) {
    Fit place = fit(payload);
    if (place == Fit::stale) {
        if (++stale_run_ <= stale_run_max) {
            ++counts_.stale;
            return BookOutcome::stale;
        }
        place = Fit::gap;
    }
    if (place == Fit::gap) {
        ++counts_.gaps;
        desync();
        return BookOutcome::gap;
    }
    bids_.apply(levels, payload.bid_count);
    asks_.apply(levels + payload.bid_count, payload.ask_count);
    if (payload.last_id != 0) last_id_ = payload.last_id;
    ts_event_ = payload.ts_event;
    ts_recv_ = payload.ts_recv;
    bridging_ = false;
    stale_run_ = 0;
    ++counts_.applied;
    return BookOutcome::applied;
}

void Book::keep(const BookPayload& payload, const BookLevel* levels) {
    if (!has_ids(payload)) return;  // it could not be aligned with a snapshot
    const std::size_t bytes = sizeof(BookPayload) + level_count(payload) * sizeof(BookLevel);
    if (waiting_.size() + bytes > waiting_bytes_max) waiting_.clear();
    if (bytes > waiting_bytes_max) return;
    const std::size_t at = waiting_.size();
    waiting_.resize(at + bytes);
    std::memcpy(waiting_.data() + at, &payload, sizeof(BookPayload));
    if (bytes > sizeof(BookPayload)) {
        std::memcpy(waiting_.data() + at + sizeof(BookPayload), levels,
                    bytes - sizeof(BookPayload));
    }
}

BookOutcome Book::replay_waiting() {
    BookOutcome outcome = BookOutcome::snapshot;
    std::size_t at = 0;
    while (at < waiting_.size() && synced_) {
        const auto& payload = *reinterpret_cast<const BookPayload*>(waiting_.data() + at);
        const auto* levels =
            reinterpret_cast<const BookLevel*>(waiting_.data() + at + sizeof(BookPayload));
        at += sizeof(BookPayload) + level_count(payload) * sizeof(BookLevel);
        if (take(payload, levels) == BookOutcome::gap) {
            outcome = BookOutcome::gap;
            at -= sizeof(BookPayload) + level_count(payload) * sizeof(BookLevel);
        }
    }
    // After a gap the rest may still join a later snapshot.
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    return outcome;
}

BookChange Book::apply_snapshot(const BookPayload& payload, const BookLevel* levels) {
    if (by_order_) return pass_over();
    if (has_negative_size(levels, level_count(payload))) {
        ++counts_.refused;
        desync();
        return {BookOutcome::refused, false, true};
    }
    bids_.replace(levels, payload.bid_count);
    asks_.replace(levels + payload.bid_count, payload.ask_count);
    last_id_ = payload.last_id;
    ts_event_ = payload.ts_event;
    ts_recv_ = payload.ts_recv;
    synced_ = true;
    bridging_ = true;
    stale_run_ = 0;
    ++counts_.snapshots;
    BookOutcome outcome = BookOutcome::snapshot;
    if (!waiting_.empty()) outcome = replay_waiting();
    return {outcome, crossed(), true};
}

// The levels are sums of orders: messages about levels add nothing.
BookChange Book::pass_over() noexcept {
    ++counts_.stale;
    return {BookOutcome::stale, crossed(), false};
}

// A snapshot that does not join the book, or whose checksum is wrong.
BookChange Book::refuse_snapshot(std::uint16_t flags) {
    if (by_order_) return pass_over();
    if ((flags & flag_gap) != 0) {
        ++counts_.gaps;
        waiting_.clear();
        desync();
        return {BookOutcome::gap, false, true};
    }
    if (synced_) {
        ++counts_.stale;
        return {BookOutcome::stale, crossed(), false};
    }
    ++counts_.waiting;
    return {BookOutcome::waiting, false, false};
}

BookChange Book::apply(const BookPayload& payload, std::uint16_t flags, const BookLevel* levels) {
    if ((flags & flag_snapshot) != 0) {
        if ((flags & flag_unsynced) == 0) return apply_snapshot(payload, levels);
        return refuse_snapshot(flags);
    }
    if (has_negative_size(levels, level_count(payload))) {
        if (by_order_) return pass_over();
        ++counts_.refused;
        waiting_.clear();  // the chain lacks this one
        desync();
        return {BookOutcome::refused, false, true};
    }
    // A change that comes after a newer snapshot cannot be applied, but does not invalidate the
    // synced book.
    if (synced_ && (flags & (flag_gap | flag_unsynced)) == flag_unsynced && has_ids(payload) &&
        last_id_ != 0 && fit(payload) == Fit::stale) {
        ++counts_.stale;
        return {BookOutcome::stale, crossed(), false};
    }
    if (synced_ && (flags & (flag_gap | flag_unsynced)) != 0) {
        ++counts_.gaps;
        desync();
        keep(payload, levels);
        return {BookOutcome::gap, false, true};
    }
    if (!synced_) {
        if (by_order_) return pass_over();
        if ((flags & flag_gap) != 0) waiting_.clear();
        ++counts_.waiting;
        keep(payload, levels);
        return {BookOutcome::waiting, false, false};
    }
    if ((flags & flag_late) != 0) {
        ++counts_.stale;
        return {BookOutcome::stale, crossed(), false};
    }
    const BookLevel bid = top(bids_);
    const BookLevel ask = top(asks_);
    const BookOutcome outcome = take(payload, levels);
    if (outcome == BookOutcome::gap) keep(payload, levels);
    return {outcome, crossed(), !same(bid, top(bids_)) || !same(ask, top(asks_))};
}

}  // namespace onetape
