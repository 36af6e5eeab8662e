#pragma once
// The frame: what every byte of a tape belongs to. docs/format.md draws it; the two are kept
// together by the assertions below.
//
//   0               4       6       8
//   +---------------+-------+-------+---------------------------------+
//   | length  u32   | type  | flags | sequence  u64                   |
//   +---------------+-------+-------+---------------------------------+
//   16                              24              28
//   +-------------------------------+---------------+-----------------+
//   | time  i64 ns UTC              | stream  u32   | crc  u32        |
//   +-------------------------------+---------------+-----------------+
//   32 payload, zero-padded to 8 bytes ...
//
// `length` counts header and payload without padding. It is stored last, with release order: a
// frame exists when its length is not zero. The stretch of zeros before it is what the writer
// prepared.
//
// crc = CRC-32C over the padded payload (seed 0), then the 32 header bytes with the previous
// frame's crc standing in the crc field. Swapped, missing and foreign frames therefore show, while
// only the last step of a frame waits for the frame before (docs/adr/0002).
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace onetape {

struct FrameHeader {
    std::uint32_t length;
    std::uint16_t type;
    std::uint16_t flags;
    std::uint64_t sequence;  // contiguous within a journal, from 1, across segments and epochs
    std::int64_t time;       // ns UTC: receipt in market tapes, append elsewhere
    std::uint32_t stream;    // instrument version (its instrument frame's stream), 0: none
    std::uint32_t crc;
};

static_assert(sizeof(FrameHeader) == 32);
static_assert(offsetof(FrameHeader, length) == 0);
static_assert(offsetof(FrameHeader, type) == 4);
static_assert(offsetof(FrameHeader, flags) == 6);
static_assert(offsetof(FrameHeader, sequence) == 8);
static_assert(offsetof(FrameHeader, time) == 16);
static_assert(offsetof(FrameHeader, stream) == 24);
static_assert(offsetof(FrameHeader, crc) == 28);
static_assert(std::is_trivially_copyable_v<FrameHeader>);

inline constexpr std::uint32_t frame_header_bytes = sizeof(FrameHeader);
inline constexpr std::uint32_t frame_align = 8;

[[nodiscard]] constexpr std::uint32_t padded(std::uint32_t bytes) {
    return (bytes + (frame_align - 1)) & ~(frame_align - 1);
}

// A time beyond these (years 1740 and 2200) is damage, whatever the checksum says: what runs on the
// tape's clock would go through every moment until then.
inline constexpr std::int64_t frame_time_max = 7'258'118'400'000'000'000;

[[nodiscard]] constexpr bool is_frame_time(std::int64_t time) {
    return static_cast<std::uint64_t>(time) + frame_time_max <= std::uint64_t{2} * frame_time_max;
}

// Frame flags: what a reader must know before it trusts a payload.
inline constexpr std::uint16_t flag_snapshot =
    1;  // book: replaces all levels; bar: asked for after its end
inline constexpr std::uint16_t flag_unsynced = 2;  // book: depth without a snapshot to stand on
inline constexpr std::uint16_t flag_gap = 4;       // book: the venue's sequence broke before this
inline constexpr std::uint16_t flag_late = 8;      // older than what was already taken
inline constexpr std::uint16_t flag_empty = 16;    // bar, history: nothing traded in it
inline constexpr std::uint16_t flag_open = 32;     // history: its period has not ended
inline constexpr std::uint16_t flag_synthetic =
    64;  // nobody's: a quote of the last, a bar of trades
inline constexpr std::uint16_t flag_corrected = 128;  // bar: in place of one that was told
// Of a hub's market frames the upper byte is the number of the source that brought it, plus one.
inline constexpr unsigned flag_source_shift = 8;

}  // namespace onetape
