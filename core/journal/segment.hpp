#pragma once
// The segment file: header, preamble, frames, and when sealed an index and a trailer.
// docs/format.md draws every byte; the assertions here keep both equal.
//
//   0        256              data_offset                    index_offset
//   +--------+----------------+------------------------------+---------------+---------+
//   | header | preamble, zero | frames ... end frame         | index entries | trailer |
//   +--------+----------------+------------------------------+---------------+---------+
//
// An open segment has its full `capacity` on disk, zeros after the last frame, and `sealed` 0. A
// prepared segment, which the writer has not entered yet, has a header of zeros.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

using Uuid = std::array<std::uint8_t, 16>;

inline constexpr std::uint64_t segment_magic = 0x0a0d45504154314fULL;  // "O1TAPE\r\n" on disk
inline constexpr std::uint64_t trailer_magic = 0x0a0d4c4145534f31ULL;  // "1OSEAL\r\n" on disk
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint64_t sealed_mark = 0x5ea1ULL << 48;  // over the sealed size in bytes
inline constexpr std::uint64_t sealed_mask = 0xffffULL << 48;
inline constexpr std::uint64_t index_stride = 64ull << 10;
inline constexpr std::uint32_t payload_bytes_max = 16u << 20;
inline constexpr std::uint64_t segment_bytes_limit = 1ull << 30;  // the most that a reader maps
// Pages are touched this far ahead of the newest frame, before a store needs them. Each sync writes
// the touched pages again: with 256 KiB the slowest sync in a hundred takes 1.3 ms instead of 0.6.
inline constexpr std::uint64_t touch_ahead_bytes = 64u << 10;
inline constexpr std::size_t name_bytes = 64;

struct SegmentHeader {
    std::uint64_t magic;  // stored last, with release order: marks the segment as entered
    std::uint32_t version;
    std::uint32_t crc;  // CRC-32C of this header with crc and sealed as zero
    Uuid uuid;
    std::uint64_t epoch;           // number of writers of this journal so far, from 1
    std::uint64_t number;          // as in the file's name, from 1
    std::uint64_t first_sequence;  // of the first frame, also when there is none
    std::int64_t created;          // ns UTC; 0 where a tape must not depend on when it was made
    std::uint32_t chain_seed;      // crc of the predecessor's end frame; segment 1: of the uuid
    std::uint32_t preamble_count;
    std::uint64_t preamble_bytes;
    std::uint64_t data_offset;
    std::uint64_t capacity;  // bytes of the file while open
    std::uint64_t sealed;    // 0: open; else sealed_mark | exact size of the file
    std::uint64_t reserved[3];
    char process[name_bytes];  // zero-padded UTF-8
    char account[name_bytes];
};
static_assert(sizeof(SegmentHeader) == 256);
static_assert(offsetof(SegmentHeader, version) == 8);
static_assert(offsetof(SegmentHeader, crc) == 12);
static_assert(offsetof(SegmentHeader, uuid) == 16);
static_assert(offsetof(SegmentHeader, epoch) == 32);
static_assert(offsetof(SegmentHeader, number) == 40);
static_assert(offsetof(SegmentHeader, first_sequence) == 48);
static_assert(offsetof(SegmentHeader, created) == 56);
static_assert(offsetof(SegmentHeader, chain_seed) == 64);
static_assert(offsetof(SegmentHeader, preamble_count) == 68);
static_assert(offsetof(SegmentHeader, preamble_bytes) == 72);
static_assert(offsetof(SegmentHeader, data_offset) == 80);
static_assert(offsetof(SegmentHeader, capacity) == 88);
static_assert(offsetof(SegmentHeader, sealed) == 96);
static_assert(offsetof(SegmentHeader, process) == 128);
static_assert(offsetof(SegmentHeader, account) == 192);

// An entry that each segment repeats at its beginning: a schema, or an instrument that appeared so
// far.
struct PreambleEntry {
    EventType type;        // instrument, or params for a schema
    std::uint32_t stream;  // instrument: its stream; schema: the type id that it describes
    std::vector<std::byte> payload;  // MessagePack
};

struct PreambleHeader {  // followed by the payload, zero-padded to 8
    std::uint32_t bytes;
    std::uint32_t crc;  // CRC-32C of this header with crc as zero, then the padded payload
    std::uint16_t type;
    std::uint16_t reserved;
    std::uint32_t stream;
};
static_assert(sizeof(PreambleHeader) == 16);
static_assert(offsetof(PreambleHeader, type) == 8);
static_assert(offsetof(PreambleHeader, stream) == 12);

// An index entry: the first frame that begins at or after each 64 KiB of frames.
struct IndexEntry {
    std::uint64_t sequence;
    std::int64_t time_before;  // latest time of all frames of the segment before this one
    std::uint64_t offset;
    std::uint32_t crc_before;  // chain value of the frame before this one
    std::uint32_t reserved;
};
static_assert(sizeof(IndexEntry) == 32);
static_assert(offsetof(IndexEntry, time_before) == 8);
static_assert(offsetof(IndexEntry, offset) == 16);
static_assert(offsetof(IndexEntry, crc_before) == 24);

struct SegmentTrailer {
    std::uint64_t magic;
    std::uint64_t index_offset;
    std::uint64_t index_count;
    std::uint64_t frame_count;    // without the end frame
    std::uint64_t last_sequence;  // first_sequence - 1 when there is no frame
    std::int64_t first_time;      // 0 when there is no frame
    std::int64_t latest_time;     // the greatest, not the last
    std::uint32_t last_crc;       // of the end frame
    std::uint32_t reserved;
    Digest predecessor;  // seal of the segment before, zero for the first
    Digest seal;         // SHA-256 over every byte of the file before it
};
static_assert(sizeof(SegmentTrailer) == 128);
static_assert(offsetof(SegmentTrailer, last_sequence) == 32);
static_assert(offsetof(SegmentTrailer, last_crc) == 56);
static_assert(offsetof(SegmentTrailer, predecessor) == 64);
static_assert(offsetof(SegmentTrailer, seal) == 96);

// Flags of an end frame.
inline constexpr std::uint16_t end_rolled = 0;  // the next segment has been entered
inline constexpr std::uint16_t end_closed = 1;  // the writer closed the journal here
inline constexpr std::uint16_t end_recovered =
    2;  // a later writer ended it after the last good frame

[[nodiscard]] std::string segment_path(const std::string& directory, std::uint64_t number);

struct SegmentFile {
    std::uint64_t number;
    std::string path;
    bool compressed;  // ".tape.zst": the same bytes, packed
};
// Lists segments in order of their numbers. A segment that is there in both forms counts as plain.
Failure list_segments(const std::string& directory, std::vector<SegmentFile>& files);

[[nodiscard]] std::uint32_t header_crc(const SegmentHeader& header) noexcept;
[[nodiscard]] std::uint32_t first_seed(const Uuid& uuid) noexcept;
[[nodiscard]] std::string uuid_text(const Uuid& uuid);

// Checks magic, version, crc, and that the numbers fit the file. not_found: a header of zeros.
Failure check_header(const SegmentHeader& header, std::uint64_t file_bytes, std::uint64_t number,
                     const std::string& path);

[[nodiscard]] std::vector<std::byte> pack_preamble(std::span<const PreambleEntry> entries);
void pack_preamble_entry(const PreambleEntry& entry, std::vector<std::byte>& packed);
Failure unpack_preamble(std::span<const std::byte> segment, const SegmentHeader& header,
                        const std::string& path, std::vector<PreambleEntry>& entries);

// Bytes that sealing needs after the frames of a segment of this capacity: end frame, index,
// trailer, and one spare word so that a sealed file is never as long as an open one.
[[nodiscard]] constexpr std::uint64_t seal_reserve(std::uint64_t capacity) noexcept {
    return sizeof(FrameHeader) + (capacity / index_stride + 2) * sizeof(IndexEntry) +
           sizeof(SegmentTrailer) + 64;
}

// The checksum of the payload alone: over its padded bytes, seed 0.
[[nodiscard]] inline std::uint32_t payload_crc(const std::byte* payload,
                                               std::uint32_t padded_bytes) noexcept {
    std::uint32_t crc = 0;
    for (std::uint32_t at = 0; at < padded_bytes; at += 8)
        crc = crc32c_word(crc, load_word(payload + at));
    return crc;
}

// The chain value: the payload's checksum, then the header with the previous frame's crc in the crc
// field, so that only the last step waits for the frame before. The payload's checksum is the start
// value for the header: included as data it would overlay the header, and equal changes in both
// would cancel. word0: length, type, flags.
[[nodiscard]] inline std::uint32_t chain_crc(std::uint32_t previous, std::uint64_t word0,
                                             std::uint64_t sequence, std::int64_t time,
                                             std::uint32_t stream,
                                             std::uint32_t payload_sum) noexcept {
    std::uint32_t crc = crc32c_word(payload_sum, word0);
    crc = crc32c_word(crc, sequence);
    crc = crc32c_word(crc, static_cast<std::uint64_t>(time));
    return crc32c_word(crc, stream | (static_cast<std::uint64_t>(previous) << 32));
}

[[nodiscard]] constexpr std::uint64_t pack_word0(std::uint32_t length, std::uint16_t type,
                                                 std::uint16_t flags) noexcept {
    return length | (static_cast<std::uint64_t>(type) << 32) |
           (static_cast<std::uint64_t>(flags) << 48);
}

}  // namespace onetape
