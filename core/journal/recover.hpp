#pragma once
// Takes over the journal of a dead writer. Nothing is ever overwritten: unusable bytes are set
// aside in a file of their own.
#include <cstdint>
#include <string>

#include "journal/control.hpp"
#include "journal/seal.hpp"
#include "journal/walk.hpp"

namespace onetape {

// Facts from the control page about how the last writer ended.
struct LastWriter {
    std::uint64_t durable = 0;  // frames up to here were on disk: missing ones are damage
    bool same_boot = true;      // a kill leaves no holes; only a power loss does
};
[[nodiscard]] LastWriter last_writer(const ControlPage* control, const Uuid& uuid) noexcept;

enum class TailState : std::uint8_t { clean, torn, damaged };

struct Tail {
    TailState state = TailState::clean;
    std::uint64_t torn_bytes = 0;  // from walk.offset to the last byte that is not zero
    std::string what;              // damage: the description
};

// Judges the bytes after the last good frame of an open segment.
[[nodiscard]] Tail judge_tail(std::span<const std::byte> bytes, const Walk& walk,
                              const LastWriter& writer, const std::string& path);

struct JournalEnd {
    bool exists = false;
    Uuid uuid{};
    std::uint64_t epoch = 0;
    std::uint64_t number = 0;  // of the last segment
    std::uint64_t last_sequence = 0;
    std::uint32_t crc = 0;  // of its end frame
    Digest seal{};
    std::uint64_t bytes = 0;  // of the last segment, for planning the next
    std::uint64_t torn_bytes = 0;
    std::string torn_file;
};

// Seals all segments of the journal. The caller holds the lock.
Failure recover_journal(const std::string& directory, const ControlPage* control, bool durable,
                        JournalEnd& end);

}  // namespace onetape
