#include "journal/walk.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace onetape {
namespace {

// Whether the header could be one: a length that fits and a sequence not below `sequence`.
bool plausible(std::span<const std::byte> bytes, std::uint64_t offset, std::uint64_t sequence) {
    if (bytes.size() - offset < frame_header_bytes) return false;
    const auto* header = reinterpret_cast<const FrameHeader*>(bytes.data() + offset);
    if (header->length < frame_header_bytes) return false;
    if (header->length > frame_header_bytes + payload_bytes_max) return false;
    if (padded(header->length) > bytes.size() - offset) return false;
    if (!is_frame_time(header->time)) return false;
    // Each frame in between needs at least a header's bytes.
    return header->sequence >= sequence &&
           header->sequence - sequence <= bytes.size() / frame_header_bytes;
}

std::uint32_t frame_crc(const std::byte* at, const FrameHeader& header, std::uint32_t seed) {
    const std::uint32_t sum =
        payload_crc(at + frame_header_bytes, padded(header.length) - frame_header_bytes);
    return chain_crc(seed, load_word(at), header.sequence, header.time, header.stream, sum);
}

}  // namespace

const FrameHeader* good_frame(std::span<const std::byte> bytes, std::uint64_t offset,
                              std::uint64_t sequence, std::uint32_t seed) noexcept {
    if (offset > bytes.size() || !plausible(bytes, offset, sequence)) return nullptr;
    const std::byte* at = bytes.data() + offset;
    const auto* header = reinterpret_cast<const FrameHeader*>(at);
    if (header->sequence != sequence) return nullptr;
    return frame_crc(at, *header, seed) == header->crc ? header : nullptr;
}

Walk walk_frames(std::span<const std::byte> bytes, const SegmentHeader& header) {
    Walk walk;
    walk.offset = header.data_offset;
    walk.last_sequence = header.first_sequence - 1;
    walk.crc = header.chain_seed;
    walk.latest_time = std::numeric_limits<std::int64_t>::min();
    std::uint64_t next_mark = header.data_offset;
    for (;;) {
        if (walk.offset > bytes.size() || bytes.size() - walk.offset < sizeof(std::uint32_t)) break;
        const std::byte* at = bytes.data() + walk.offset;
        if (static_cast<std::uint32_t>(load_word(at)) == 0) break;
        const FrameHeader* frame = good_frame(bytes, walk.offset, walk.last_sequence + 1, walk.crc);
        if (frame == nullptr) {
            walk.stop = WalkStop::bad_frame;
            break;
        }
        if (frame->type == static_cast<std::uint16_t>(EventType::end)) {
            walk.crc = frame->crc;
            walk.offset += padded(frame->length);
            walk.end_flags = frame->flags;
            walk.stop = WalkStop::end_frame;
            break;
        }
        if (walk.offset >= next_mark) {
            walk.index.push_back({frame->sequence, walk.latest_time, walk.offset, walk.crc, 0});
            next_mark =
                walk.offset - (walk.offset - header.data_offset) % index_stride + index_stride;
        }
        if (walk.frame_count == 0) walk.first_time = frame->time;
        walk.latest_time = std::max(walk.latest_time, frame->time);
        walk.last_sequence = frame->sequence;
        walk.crc = frame->crc;
        walk.offset += padded(frame->length);
        ++walk.frame_count;
    }
    if (walk.frame_count == 0) walk.latest_time = 0;
    return walk;
}

std::uint64_t find_continuation(std::span<const std::byte> bytes, const Walk& walk) {
    const std::uint64_t sequence = walk.last_sequence + 1;
    const std::uint64_t bad = walk.offset;
    if (bad > bytes.size() || bytes.size() - bad < frame_header_bytes) return 0;
    // The frame after the bad one is seeded with the bad one's crc: the stored one, if other bytes
    // of the frame were damaged; the correct one, if the stored crc was.
    const auto* header = reinterpret_cast<const FrameHeader*>(bytes.data() + bad);
    std::uint32_t recomputed = header->crc;
    if (plausible(bytes, bad, sequence))
        recomputed = frame_crc(bytes.data() + bad, *header, walk.crc);

    for (std::uint64_t at = bad + 8; bytes.size() - at >= frame_header_bytes; at += 8) {
        if (!plausible(bytes, at, sequence + 1)) continue;
        const auto* next = reinterpret_cast<const FrameHeader*>(bytes.data() + at);
        if (good_frame(bytes, at, sequence + 1, header->crc) != nullptr) return at;
        if (good_frame(bytes, at, sequence + 1, recomputed) != nullptr) return at;
        // Or further on: two frames in a row that form a chain.
        if (good_frame(bytes, at + padded(next->length), next->sequence + 1, next->crc) != nullptr)
            return at;
    }
    return 0;
}

}  // namespace onetape
