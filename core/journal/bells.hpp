#pragma once
// The bell board: lets a writer wake sleeping readers, and lets readers state which segments they
// still need. One mechanism for journals and sockets: a reader process owns one FIFO, which its
// event loop watches beside its sockets, and enters its path in a slot of each journal that it
// follows. The writer writes one byte, and only to readers whose `asleep` flag is set.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/status.hpp"

namespace onetape {

inline constexpr std::uint64_t bells_magic = 0x0a0d4c4c45423154ULL;  // "T1BELL\r\n"
inline constexpr std::uint32_t bell_slots_max = 64;
inline constexpr std::size_t bell_path_bytes = 192;

struct alignas(64) BellSlot {
    std::atomic<std::uint32_t> pid;     // 0: free; its owner alone writes the rest
    std::atomic<std::uint32_t> asleep;  // 1: wake me; whoever resets it to 0 decrements `sleepers`
    std::atomic<std::uint64_t> pid_start;
    std::atomic<std::uint64_t> lease_segment;   // this segment and all later ones are needed
    std::atomic<std::uint64_t> lease_sequence;  // next sequence that the reader will read
    std::atomic<std::uint64_t> generation;      // changes with every owner: the writer's cache key
    char path[bell_path_bytes];                 // of the FIFO, zero-terminated; empty: none
    char reserved[24];
};
static_assert(sizeof(BellSlot) == 256);
static_assert(offsetof(BellSlot, asleep) == 4);
static_assert(offsetof(BellSlot, pid_start) == 8);
static_assert(offsetof(BellSlot, lease_segment) == 16);
static_assert(offsetof(BellSlot, lease_sequence) == 24);
static_assert(offsetof(BellSlot, generation) == 32);
static_assert(offsetof(BellSlot, path) == 40);

struct alignas(64) BellBoard {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t reserved;
    alignas(64) std::atomic<std::uint32_t> sleepers;  // slots with asleep set
    alignas(64) BellSlot slots[bell_slots_max];
};
static_assert(offsetof(BellBoard, sleepers) == 64);
static_assert(offsetof(BellBoard, slots) == 128);
inline constexpr std::size_t bells_bytes = sizeof(BellBoard);
static_assert(bells_bytes == 128 + 256 * 64);

// Maps <directory>/bells; `create` makes it with zeros.
Failure map_bells(const std::string& directory, bool create, Mapping& mapping);
[[nodiscard]] inline BellBoard& bell_board(const Mapping& mapping) {
    return *reinterpret_cast<BellBoard*>(mapping.data());
}

// The writer's side: wakes waiting readers.
class BellRinger {
 public:
    void ring(BellBoard& board) noexcept;

 private:
    struct Line {
        std::uint64_t generation = 0;
        FileHandle fifo;
    };
    std::array<Line, bell_slots_max> lines_;
};

// Registers for membarrier, so that readers can spare the writer a fence on each append. False
// where the system has none.
bool register_for_membarrier() noexcept;

// A reader process's FIFO.
class Bell {
 public:
    // Makes <directory>/bell-<pid>-<n>; the directory is created 0700 and must belong to our user.
    static Failure make(const std::string& directory, std::unique_ptr<Bell>& bell);
    ~Bell();
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;
    [[nodiscard]] int fd() const { return fifo_.fd(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    void drain() noexcept;  // reads the waiting bytes

 private:
    Bell() = default;
    FileHandle fifo_;
    std::string path_;
};

// One reader's slot on one journal's board.
class BellPlace {
 public:
    // bell may be nullptr: the slot then only holds a lease.
    static Failure take(const std::string& directory, const Bell* bell,
                        std::unique_ptr<BellPlace>& place);
    ~BellPlace();
    BellPlace(const BellPlace&) = delete;
    BellPlace& operator=(const BellPlace&) = delete;

    void lease(std::uint64_t segment, std::uint64_t sequence) noexcept;
    // Requests a wake-up. The reader must look once more before it sleeps. True: that look is
    // conclusive. False: the system has no membarrier, sleep no longer than `blind_ms`.
    [[nodiscard]] bool arm() noexcept;
    void disarm() noexcept;

    static constexpr int blind_ms = 20;

 private:
    BellPlace() = default;
    Mapping map_;
    BellSlot* slot_ = nullptr;
};

// Returns the lowest segment that a living reader still needs, UINT64_MAX if there is none. Frees
// the slots of dead readers.
[[nodiscard]] std::uint64_t lowest_lease(BellBoard& board) noexcept;

}  // namespace onetape
