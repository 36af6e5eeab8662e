#pragma once
// The frame: the record that a tape consists of. docs/format.md draws it; the assertions below keep
// both equal.
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
// frame exists once its length is not zero. The writer prepares the zeros before that.
//
// crc = CRC-32C over the padded payload (seed 0), then the 32 header bytes with the previous
// frame's crc in the crc field. This detects swapped, missing and foreign frames, while only the
// last step of a frame's checksum waits for the frame before (docs/adr/0002).
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

// A time outside these bounds (years 1740 and 2200) is damage, whatever the checksum says: a
// process that runs on the tape's clock would step through every moment until then.
inline constexpr std::int64_t frame_time_max = 7'258'118'400'000'000'000;

[[nodiscard]] constexpr bool is_frame_time(std::int64_t time) {
    return static_cast<std::uint64_t>(time) + frame_time_max <= std::uint64_t{2} * frame_time_max;
}

// Frame flags that a reader must check before it trusts a payload.
inline constexpr std::uint16_t flag_snapshot =
    1;  // book: replaces all levels; bar: requested after its end
inline constexpr std::uint16_t flag_unsynced = 2;  // book: depth without a snapshot as its base
inline constexpr std::uint16_t flag_gap = 4;       // book: the venue's sequence broke before this
inline constexpr std::uint16_t flag_late = 8;      // older than data that was already taken
inline constexpr std::uint16_t flag_empty = 16;    // bar, history: no trades in it
inline constexpr std::uint16_t flag_open = 32;     // history: its period has not ended
inline constexpr std::uint16_t flag_synthetic =
    64;  // synthetic: a quote made of the last ones, a bar made of trades
inline constexpr std::uint16_t flag_corrected = 128;  // bar: replaces one that was published before
// The upper byte of the flags of a hub's market frames is the number of their source, plus one.
inline constexpr unsigned flag_source_shift = 8;

}  // namespace onetape
