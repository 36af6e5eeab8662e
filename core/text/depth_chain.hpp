#pragma once
// Follows the numbering of one depth stream: decides which changes apply to a snapshot, and which
// buffered changes a late snapshot needs. Two rules of numbering: a change names the id before it
// (link), or counts on from it (no link).
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "journal/events.hpp"

namespace onetape {

struct DepthIds {
    std::uint64_t first = 0, last = 0, previous = 0;
    bool linked = false;  // `previous` is set
};

class DepthChain {
 public:
    enum class Verdict : std::uint8_t {
        applies,  // the next change of a synced book
        waits,    // no snapshot yet: buffered for a late one
        stale,    // wholly older than the book
        gap,      // the numbering broke: the book is unknown from here on
    };
    enum class Seed : std::uint8_t {
        taken,    // the book is synced, with the buffered changes applied
        too_old,  // the buffered changes do not join it, or the book is synced and newer
    };

    // `levels`: bids, then asks.
    Verdict change(const DepthIds& ids, std::int64_t ts_event, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks);

    // Applies the buffered changes to the levels. On `taken`, last_id is the last one applied (else
    // the snapshot's own) and ts_event its time.
    Seed snapshot(std::uint64_t& last_id, std::int64_t& ts_event, std::vector<BookLevel>& bids,
                  std::vector<BookLevel>& asks);

    [[nodiscard]] bool synced() const noexcept { return synced_; }

 private:
    struct Waiting {
        DepthIds ids;
        std::int64_t ts_event;
        std::uint32_t bid_count;
        std::vector<BookLevel> levels;
    };

    [[nodiscard]] static bool joins(const DepthIds& ids, std::uint64_t snapshot_id) noexcept;
    [[nodiscard]] static bool follows(const DepthIds& ids, std::uint64_t last_id) noexcept;
    [[nodiscard]] static bool older(const DepthIds& ids, std::uint64_t snapshot_id) noexcept;
    void set_aside(const DepthIds& ids, std::int64_t ts_event, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks);

    bool synced_ = false;
    bool fresh_ = false;  // nothing was applied since the snapshot
    std::uint64_t last_id_ = 0;
    std::deque<Waiting> waiting_;
    std::size_t waiting_levels_ = 0;
};

// A snapshot is answered within seconds; a capture without any must not fill memory. The oldest
// changes are dropped.
inline constexpr std::size_t waiting_levels_max = std::size_t{1} << 18;
inline constexpr std::size_t waiting_changes_max = std::size_t{1} << 16;

}  // namespace onetape
