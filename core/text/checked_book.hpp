#pragma once
// Checks that a book whose snapshots come on the same stream as its changes is complete: by
// consecutive numbers, by ids of levels, or by a checksum, whichever the venue sends. For a
// checksum the levels are kept as text.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "journal/events.hpp"
#include "text/json_scan.hpp"

namespace onetape {

// A CRC-32 over the best levels.
enum class BookChecksum : std::uint8_t {
    none,
    // Kraken: ten asks, then bids, each price and size as digits without point and leading zeros,
    // at the pair's decimals. The messages do not state the decimals: the most seen so far are
    // used, which is right whether or not trailing zeros are sent. After each message the book is
    // cut to the subscribed depth.
    digits,
    // OKX: 25 levels, bid and ask alternating, prices and sizes as written with colons between.
    turns,
};

enum class LevelChange : std::uint8_t { insert, update, remove };

class CheckedBook {
 public:
    void set_depth(std::size_t depth) noexcept { depth_ = depth; }
    // A message was lost: the next one has the gap flag.
    void lose() noexcept { is_lost_ = true; }
    void connected() noexcept { synced_ = is_lost_ = false; }

    // Number of the last message, 0 before the first.
    [[nodiscard]] std::uint64_t last_id() const noexcept { return last_id_; }
    void set_last_id(std::uint64_t id) noexcept { last_id_ = id; }

    // Forgets the ids of levels when a snapshot begins.
    void clear_ids() noexcept;
    // Applies a change of a level by its id: sets its price if the message has none (`is_priced`),
    // and adds it to `own`; a level that changed sides is removed from `other`. False: unknown id.
    bool change(Side side, std::uint64_t id, LevelChange what, bool is_priced, BookLevel level,
                std::vector<BookLevel>& own, std::vector<BookLevel>& other);

    // For a checksum: applies a message of levels, `raw` as written, and adds to it, with size 0,
    // the levels that fell out of the depth.
    void apply(BookChecksum form, bool is_snapshot, std::vector<BookLevel>& bids,
               std::span<const RawLevel> raw_bids, std::vector<BookLevel>& asks,
               std::span<const RawLevel> raw_asks);
    [[nodiscard]] std::uint32_t checksum(BookChecksum form) const;

    // Flags of a message. fits: it continues the one before, and its checks pass.
    [[nodiscard]] std::uint16_t flags(bool is_snapshot, bool fits) noexcept;

 private:
    std::map<std::int64_t, RawLevel, std::greater<>> bids_;
    std::map<std::int64_t, RawLevel> asks_;
    std::array<std::unordered_map<std::uint64_t, std::int64_t>, 2> prices_;  // by id: bids, asks
    std::size_t depth_ = 0;                                                  // 0: unknown
    std::uint64_t last_id_ = 0;
    int price_decimals_ = 0, size_decimals_ = 0;  // the most seen so far
    bool synced_ = false, is_lost_ = false;
};

}  // namespace onetape
