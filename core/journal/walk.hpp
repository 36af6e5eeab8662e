#pragma once
// Walks the frames of one mapped segment and checks the chain: sealing, recovery and
// verification stand on it. Not for a segment that its writer still appends to.
#include <cstdint>
#include <span>
#include <vector>

#include "journal/segment.hpp"

namespace onetape {

enum class WalkStop : std::uint8_t {
    end_frame,  // the writer left the segment here
    nothing,    // length zero, or the bytes end: no frame here yet
    bad_frame,  // something is here, and it does not continue the chain
};

struct Walk {
    std::uint64_t offset = 0;  // after the last good frame (end_frame: after the end frame)
    std::uint64_t frame_count = 0;
    std::uint64_t last_sequence = 0;
    std::int64_t first_time = 0;
    std::int64_t latest_time = 0;
    std::uint32_t crc = 0;  // of the last good frame
    std::uint16_t end_flags = 0;
    WalkStop stop = WalkStop::nothing;
    std::vector<IndexEntry> index;
};

// One frame at `offset` that must carry `sequence` and continue `seed`. Gives its header, or
// nullptr when it does not.
[[nodiscard]] const FrameHeader* good_frame(std::span<const std::byte> bytes, std::uint64_t offset,
                                            std::uint64_t sequence, std::uint32_t seed) noexcept;

[[nodiscard]] Walk walk_frames(std::span<const std::byte> bytes, const SegmentHeader& header);

// After a bad frame at `offset` behind the good ones: where the chain goes on, so that what lies
// between was damaged; 0 when nothing after it is a frame of this journal.
[[nodiscard]] std::uint64_t find_continuation(std::span<const std::byte> bytes, const Walk& walk);

}  // namespace onetape
