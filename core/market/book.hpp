#pragma once
// L2 order book of one instrument, from snapshots and changes. It is synced over an unbroken chain
// of ids only: a break empties it until the next snapshot.
//
// Continuity is read off the data (p: previous_id, f: first_id, l: last_id, L: the book's last id):
//   p != 0           p == L                     (each change names the one before it)
//   p == 0, f != 0   f == L + 1                 (ids count up)
//   l alone          l > L                      (order is known, completeness is not)
//   no ids           nothing to check
// The first change after a snapshot may straddle it: p == L or f <= L <= l with p, f <= L + 1 <= l
// without. Changes wholly older than the snapshot are dropped and counted as stale.
//
// With market-by-order data (mbo_book.hpp) the levels are sums of orders, and messages about levels
// are ignored.
//
// Changes that come before the snapshot are buffered (bounded) and replayed on it: venues that
// serve the snapshot by request send the changes first.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "market/book_side.hpp"

namespace onetape {

enum class BookOutcome : std::uint8_t {
    applied = 0,   // the change was applied
    snapshot = 1,  // all levels were replaced
    stale = 2,     // wholly older than the book: dropped
    waiting = 3,   // the book is not synced: buffered for the next snapshot if it has ids
    gap = 4,       // the chain broke here: the book is empty and not synced from now on
    refused = 5,   // breaks a rule (negative size): nothing stored; the book is not synced
};

struct BookChange {
    BookOutcome outcome = BookOutcome::applied;
    bool crossed = false;      // best bid >= best ask after it
    bool top_changed = false;  // price or size of the best bid or ask differs from before
};

struct BookCounts {
    std::uint64_t applied = 0, snapshots = 0, stale = 0, waiting = 0, gaps = 0, refused = 0;
};

// Whether a frame's payload is as long as its counts require; check before reading its levels.
[[nodiscard]] inline bool book_fits(const void* payload, std::uint32_t payload_bytes) noexcept {
    if (payload_bytes < sizeof(BookPayload)) return false;
    const auto& book = *static_cast<const BookPayload*>(payload);
    const std::uint64_t levels = std::uint64_t{book.bid_count} + book.ask_count;
    return payload_bytes == sizeof(BookPayload) + levels * sizeof(BookLevel);
}

class Book {
 public:
    explicit Book(std::size_t windowed_from = BookSide::windowed_default)
        : bids_(true, windowed_from), asks_(false, windowed_from) {}

    // levels: bid_count bids, then ask_count asks, in any order.
    BookChange apply_snapshot(const BookPayload& payload, const BookLevel* levels);
    BookChange refuse_snapshot(std::uint16_t flags);
    // flags: of the frame. A snapshot flag replaces all levels, a gap or unsynced flag ends the
    // chain before this change.
    BookChange apply(const BookPayload& payload, std::uint16_t flags, const BookLevel* levels);
    void desync() noexcept;  // the feed is lost: as after a gap, but not counted as one
    // Applies the venue's best bid and ask from a separate stream. It counts if it happened after
    // the last depth change (by the venue's stamps; with equal stamps depth counts). False: it did
    // not.
    bool fuse(const QuotePayload& quote);

    // Market by order: mbo_book.hpp supplies the levels from now on, and whether they are complete.
    void begin_orders() noexcept;
    void set_orders_synced(bool synced) noexcept { orders_synced_ = synced; }
    void clear_orders(Side side) noexcept;  // none: both
    void add_size(Side side, std::int64_t price, std::int64_t change);
    void stamp(std::int64_t ts_event, std::int64_t ts_recv) noexcept {
        ts_event_ = ts_event;
        ts_recv_ = ts_recv;
    }

    [[nodiscard]] bool synced() const noexcept { return synced_ || orders_synced_; }
    [[nodiscard]] bool by_order() const noexcept { return by_order_; }
    [[nodiscard]] bool crossed() const noexcept;
    [[nodiscard]] std::size_t bid_count() const noexcept { return bids_.count(); }
    [[nodiscard]] std::size_t ask_count() const noexcept { return asks_.count(); }
    [[nodiscard]] BookLevel bid(std::size_t index) const noexcept { return bids_.level(index); }
    [[nodiscard]] BookLevel ask(std::size_t index) const noexcept { return asks_.level(index); }
    [[nodiscard]] const BookSide& side(Side side) const noexcept {
        return side == Side::buy ? bids_ : asks_;
    }
    [[nodiscard]] std::int64_t bid_size_at(std::int64_t price) const noexcept {
        return bids_.size_at(price);
    }
    [[nodiscard]] std::int64_t ask_size_at(std::int64_t price) const noexcept {
        return asks_.size_at(price);
    }
    // 0 for an empty side; a price of zero is possible, so check bid_count() where it matters.
    [[nodiscard]] std::int64_t best_bid() const noexcept { return top(bids_).price; }
    [[nodiscard]] std::int64_t best_ask() const noexcept { return top(asks_).price; }
    [[nodiscard]] std::uint64_t last_id() const noexcept { return last_id_; }
    [[nodiscard]] std::int64_t ts_event() const noexcept { return ts_event_; }
    [[nodiscard]] std::int64_t ts_recv() const noexcept { return ts_recv_; }
    [[nodiscard]] const BookCounts& counts() const noexcept { return counts_; }

    // Beyond this all buffered changes are dropped: the chain then starts at the newest.
    static constexpr std::size_t waiting_bytes_max = 1u << 20;
    // After this many stale changes in a row the book's id is taken to be wrong (a venue that
    // restarted its numbering would otherwise leave a frozen book that looks live).
    static constexpr std::uint32_t stale_run_max = 4096;

 private:
    enum class Fit : std::uint8_t { next, stale, gap };

    [[nodiscard]] static BookLevel top(const BookSide& side) noexcept {
        return side.count() == 0 ? BookLevel{0, 0} : side.best();
    }
    [[nodiscard]] Fit fit(const BookPayload& payload) const noexcept;
    BookOutcome take(const BookPayload& payload, const BookLevel* levels);
    BookChange pass_over() noexcept;
    void keep(const BookPayload& payload, const BookLevel* levels);
    BookOutcome replay_waiting();

    BookSide bids_, asks_;
    std::uint64_t last_id_ = 0;
    std::int64_t ts_event_ = 0, ts_recv_ = 0;
    bool synced_ = false;  // an unbroken chain of level messages: never with market-by-order data
    bool by_order_ = false, orders_synced_ = false;
    bool bridging_ = false;  // nothing was applied since the snapshot
    std::uint32_t stale_run_ = 0;
    BookCounts counts_;
    std::vector<std::byte> waiting_;  // payloads with their levels, in order of arrival
};

}  // namespace onetape
