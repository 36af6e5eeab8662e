#pragma once
// Checks every byte of a journal and changes nothing.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/sha256.hpp"
#include "base/status.hpp"
#include "journal/segment.hpp"

namespace onetape {

using Expand = std::function<int(const std::string& path)>;

struct VerifyReport {
    Uuid uuid{};
    std::uint64_t frames = 0;
    std::uint64_t segments = 0;
    std::uint64_t sealed = 0;
    std::uint64_t first_number = 0;    // above 1: pruned, or the first segments are missing
    std::uint64_t first_sequence = 0;  // 0: no frame
    std::uint64_t last_sequence = 0;
    std::uint64_t claimed_sequence = 0;  // from the trailers: may be more than the good frames
    std::uint64_t torn_bytes = 0;
    std::vector<std::string> damaged;  // descriptions with their location
    Digest seal{};                     // of the last sealed segment; proves the content of the tape
};

// ok: see the report, which lists any damage; otherwise there was nothing to check.
Failure verify_journal(const std::string& directory, const Expand& expand, VerifyReport& report);

// SHA-256 over type, flags, stream, time and payload of every frame: equal for tapes with equal
// content, regardless of identity, epochs, segments and seals.
Failure content_hash(const std::string& directory, const Expand& expand, Digest& digest);

// The result of checking one segment, starting from the chain value of the segment before.
struct SegmentCheck {
    bool damaged = false;
    bool entered = true;  // false: prepared only
    bool sealed = false;
    bool frames_whole = false;  // the chain is good up to an end frame
    std::string what;
    std::uint64_t good_offset = 0;  // after the last good frame, before an end frame
    std::uint64_t torn_bytes = 0;
    SegmentHeader header{};
    std::uint64_t frame_count = 0;
    std::uint64_t last_sequence = 0;
    std::uint64_t claimed_sequence = 0;
    std::uint32_t crc = 0;
    std::uint16_t end_flags = 0;
    Digest seal{};
};
struct ChainEnd {
    bool exists = false;
    Uuid uuid{};
    std::uint64_t number = 0, epoch = 0, last_sequence = 0;
    std::uint32_t crc = 0;
    Digest seal{};
    bool sealed = false;
};
// Chain value after a segment; a damaged segment has no seal.
[[nodiscard]] inline ChainEnd chain_end(const SegmentCheck& check) noexcept {
    return {true,
            check.header.uuid,
            check.header.number,
            check.header.epoch,
            check.last_sequence,
            check.crc,
            check.seal,
            check.sealed && !check.damaged};
}
struct LastWriter;
[[nodiscard]] SegmentCheck check_segment(std::span<const std::byte> bytes, std::uint64_t number,
                                         const std::string& path, const ChainEnd& before,
                                         const LastWriter& writer, bool alive);

}  // namespace onetape
