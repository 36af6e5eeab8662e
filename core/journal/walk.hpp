#pragma once
// Walks the frames of one mapped segment and checks the chain, for sealing, recovery and
// verification. Not for a segment that its writer still appends to.
#include <cstdint>
#include <span>
#include <vector>

#include "journal/segment.hpp"

namespace onetape {

enum class WalkStop : std::uint8_t {
    end_frame,  // the writer left the segment here
    nothing,    // length zero, or end of the bytes: no frame here yet
    bad_frame,  // not zero, but does not continue the chain
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

// Returns the header of the frame at `offset` if it carries `sequence` and continues `seed`, else
// nullptr.
[[nodiscard]] const FrameHeader* good_frame(std::span<const std::byte> bytes, std::uint64_t offset,
                                            std::uint64_t sequence, std::uint32_t seed) noexcept;

[[nodiscard]] Walk walk_frames(std::span<const std::byte> bytes, const SegmentHeader& header);

// Returns where the chain continues after a bad frame at `offset`, which proves that the bytes
// between were damaged; 0 if nothing after it is a frame of this journal.
[[nodiscard]] std::uint64_t find_continuation(std::span<const std::byte> bytes, const Walk& walk);

}  // namespace onetape
