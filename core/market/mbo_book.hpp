#pragma once
// The orders of one venue's book, from market-by-order messages ("L3"), and the sums of their
// levels. Each order has a rank: of two orders at one price the lower rank trades first. Price-time
// priority needs no more, so a message costs a hash lookup and one change of a level, whatever the
// depth.
//
// A message that contradicts earlier ones is counted by kind, and at most its consistent part is
// applied (see apply()).
//
// A clear forgets the orders. Orders that a following snapshot repeats at the same price with no
// larger size keep their rank: they were there all the time.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/id_map.hpp"
#include "journal/events.hpp"
#include "market/book.hpp"

namespace onetape {

struct MboCounts {
    std::uint64_t applied = 0, snapshots = 0, gaps = 0;
    std::uint64_t waiting = 0;     // after a gap: skipped until the next clear
    std::uint64_t unknown = 0;     // modify, cancel or fill of an order that is not in the book
    std::uint64_t duplicates = 0;  // add of an order that is already in the book
    std::uint64_t overfills = 0;   // fill or cancel of more than was left
    std::uint64_t refused = 0;     // negative or missing size, no side, unknown action: not applied
    std::uint64_t disagreeing = 0;  // side or price differs from the order's: the order's counts
    // Messages after which the best bid was above, or at, the best ask.
    std::uint64_t crossed = 0, locked = 0;

    [[nodiscard]] std::uint64_t faults() const noexcept {
        return unknown + duplicates + overfills + refused + disagreeing;
    }
};

// The changes made by one message.
struct MboChange {
    std::uint64_t rank = 0;   // of the order, before the message
    std::int64_t price = 0;   // of the order, before the message; of an add, its own
    std::int64_t gone = 0;    // units that left the queue at `price`
    std::int64_t traded = 0;  // units of it that were traded there
    std::int64_t came = 0;    // units that now stand at the end of the queue at `new_price`
    std::int64_t new_price = 0;
    Side side = Side::none;
    bool forgets_bids = false, forgets_asks = false;
    bool synced = false;  // the whole book is known again with this message
    bool last = false;    // the last of the venue's message
};

class MboBook {
 public:
    static constexpr std::uint64_t no_rank = std::numeric_limits<std::uint64_t>::max();

    explicit MboBook(Book& levels) : levels_(levels) { levels_.begin_orders(); }

    // flags: of the frame.
    MboChange apply(const MboPayload& message, std::uint16_t flags);
    void lose() noexcept;  // the feed is lost: the book is unknown until the next clear

    [[nodiscard]] const Book& levels() const noexcept { return levels_; }
    // Orders of lower rank are ahead of an order that arrives now.
    [[nodiscard]] std::uint64_t next_rank() const noexcept { return next_rank_; }
    [[nodiscard]] std::size_t order_count() const noexcept {
        return halves_[0].live + halves_[1].live;
    }
    // True once a fill was seen: for feeds without fills, trades must serve.
    [[nodiscard]] bool has_fills() const noexcept { return has_fills_; }
    // True after the venue's last message of a group: the levels are as the venue showed them.
    [[nodiscard]] bool is_whole() const noexcept { return is_whole_; }
    [[nodiscard]] const MboCounts& counts() const noexcept { return counts_; }

 private:
    struct Order {
        std::uint64_t id, rank;
        std::int64_t price, size;
        std::uint64_t clear;  // number of clears before: entries of an older one are forgotten
    };
    struct Half {  // one side
        std::vector<Order> orders;
        std::vector<std::uint32_t> free;
        std::size_t live = 0;
        std::uint64_t clears = 0;
        bool has_forgotten = false;
    };
    static constexpr std::uint32_t ask_bit = 1u << 31;  // bit of an index: the half it is in

    [[nodiscard]] static Side side_of(std::uint32_t place) noexcept {
        return (place & ask_bit) != 0 ? Side::sell : Side::buy;
    }
    [[nodiscard]] Half& half(Side side) noexcept { return halves_[side == Side::sell ? 1 : 0]; }
    [[nodiscard]] Order& at(std::uint32_t place) noexcept {
        return half(side_of(place)).orders[place & ~ask_bit];
    }
    [[nodiscard]] std::uint32_t find(std::uint64_t id) noexcept;
    [[nodiscard]] bool room(Side side, std::int64_t price, std::int64_t size) const noexcept;
    void add(const MboPayload& message, bool is_snapshot, MboChange& change);
    void modify(std::uint32_t place, const MboPayload& message, MboChange& change);
    void cancel(std::uint32_t place, const MboPayload& message, MboChange& change);
    void fill(std::uint32_t place, const MboPayload& message, MboChange& change);
    void take_off(std::uint32_t place, std::int64_t size, MboChange& change);
    void clear(Side side, MboChange& change) noexcept;
    void end_snapshot();

    Book& levels_;
    IdMap places_;
    std::array<Half, 2> halves_;
    std::uint64_t next_rank_ = 1;
    bool begun_ = false;        // a message was seen
    bool in_snapshot_ = false;  // orders that it does not contain are forgotten at its end
    bool lost_ = false;         // until the next clear
    bool has_fills_ = false;
    bool is_whole_ = true;
    MboCounts counts_;
};

}  // namespace onetape
