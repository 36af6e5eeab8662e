#pragma once
// The control page: which process writes this journal, how far it is, and whether it is alive.
// Mapped by the writer for writing, by readers for reading. It is a hint beside the tape and no
// part of its content, except the durable sequence: frames once reported as on disk must not be
// treated as a torn tail.
#include <atomic>
#include <cstdint>
#include <string>

#include "base/file.hpp"
#include "base/status.hpp"
#include "journal/segment.hpp"

namespace onetape {

inline constexpr std::uint64_t control_magic = 0x0a0d4c5254433154ULL;  // "T1CTRL\r\n"
inline constexpr std::size_t control_bytes = 4096;

using BootId = std::array<std::uint8_t, 16>;

struct alignas(64) ControlPage {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t pid;
    Uuid uuid;
    std::uint64_t epoch;
    std::uint64_t pid_start;  // start time of the process, in the system's own unit
    BootId boot_id;           // of the machine when the writer opened the journal

    alignas(64) std::atomic<std::uint64_t> published;  // last sequence that readers may use
    alignas(64) std::atomic<std::uint64_t> durable;    // last sequence that is on disk
    alignas(64) std::atomic<std::int64_t> heartbeat;   // ns UTC, by the writer's own thread
    std::atomic<std::int64_t> progress_time;           // ns UTC of the last change of progress
    std::atomic<std::uint64_t> progress;  // last frame handled, as reported by the process
    std::atomic<std::uint32_t> closed;    // 1: sealed and closed cleanly
    std::atomic<std::uint32_t> failed;    // 1: a disk write failed; nothing more will be written
    std::atomic<std::uint32_t> away;      // 1: a copy whose writer, on another host, does not run
    alignas(64) std::atomic<std::uint64_t> replicated;  // last sequence that another host has
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(offsetof(ControlPage, uuid) == 16);
static_assert(offsetof(ControlPage, epoch) == 32);
static_assert(offsetof(ControlPage, pid_start) == 40);
static_assert(offsetof(ControlPage, boot_id) == 48);
static_assert(offsetof(ControlPage, published) == 64);
static_assert(offsetof(ControlPage, durable) == 128);
static_assert(offsetof(ControlPage, heartbeat) == 192);
static_assert(offsetof(ControlPage, progress_time) == 200);
static_assert(offsetof(ControlPage, progress) == 208);
static_assert(offsetof(ControlPage, closed) == 216);
static_assert(offsetof(ControlPage, failed) == 220);
static_assert(offsetof(ControlPage, away) == 224);
static_assert(offsetof(ControlPage, replicated) == 256);
static_assert(sizeof(ControlPage) <= control_bytes);

// Maps <directory>/control; creates it with zeros if writable and absent.
Failure map_control(const std::string& directory, bool writable, Mapping& mapping);
[[nodiscard]] inline ControlPage& control_page(const Mapping& mapping) {
    return *reinterpret_cast<ControlPage*>(mapping.data());
}

[[nodiscard]] BootId boot_id() noexcept;
[[nodiscard]] std::uint64_t process_start(std::uint32_t pid) noexcept;  // 0: no such process
[[nodiscard]] bool process_alive(std::uint32_t pid, std::uint64_t start) noexcept;
[[nodiscard]] std::int64_t wall_clock_ns() noexcept;  // for the shell's threads only

// Returns whether a writer died between two segments: the last segment ends with an end frame that
// announces another one, which is missing. If the writer had published nothing beyond that end
// frame, it died while it moved on (or in a recovery that set the prepared segment aside).
// Otherwise, or without a control page, a segment is missing.
[[nodiscard]] inline bool died_moving_on(const ControlPage* control, const Uuid& uuid,
                                         std::uint64_t last_sequence) noexcept {
    return control != nullptr && control->magic == control_magic && control->uuid == uuid &&
           control->closed.load() == 0 && control->published.load() <= last_sequence;
}

}  // namespace onetape
