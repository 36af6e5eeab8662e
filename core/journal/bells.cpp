#include "journal/bells.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "journal/control.hpp"

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

namespace onetape {
namespace {

#if defined(__linux__)
bool membarrier(int command) noexcept {
    return ::syscall(__NR_membarrier, command, 0, 0) == 0;
}
#endif

// Resets `asleep`; the thread that succeeds decrements the counter.
bool take_asleep(BellBoard& board, BellSlot& slot) noexcept {
    if (slot.asleep.exchange(0, std::memory_order_acq_rel) == 0) return false;
    board.sleepers.fetch_sub(1, std::memory_order_acq_rel);
    return true;
}

void free_slot(BellBoard& board, BellSlot& slot) noexcept {
    take_asleep(board, slot);
    slot.lease_segment.store(0, std::memory_order_relaxed);
    slot.pid_start.store(0, std::memory_order_relaxed);
    slot.pid.store(0, std::memory_order_release);
}

}  // namespace

Failure map_bells(const std::string& directory, bool create, Mapping& mapping) {
    const std::string path = directory + "/bells";
    FileHandle file;
    if (Failure failure = open_file(path, create ? O_RDWR | O_CREAT : O_RDWR, file); !failure.ok())
        return failure;
    std::uint64_t bytes = 0;
    if (Failure failure = file_bytes(file, path, bytes); !failure.ok()) return failure;
    if (bytes < bells_bytes) {
        if (!create) return {Status::not_found, path + ": too short"};
        if (Failure failure = allocate(file, path, bells_bytes); !failure.ok()) return failure;
    }
    if (Failure failure = Mapping::map(file, bells_bytes, true, path, mapping); !failure.ok())
        return failure;
    BellBoard& board = bell_board(mapping);
    if (create && board.magic == 0) {
        board.version = 1;
        board.magic = bells_magic;
    }
    if (board.magic != bells_magic) return {Status::foreign, path + ": not a bell board"};
    return {};
}

void BellRinger::ring(BellBoard& board) noexcept {
    for (std::uint32_t i = 0; i < bell_slots_max; ++i) {
        BellSlot& slot = board.slots[i];
        if (slot.asleep.load(std::memory_order_relaxed) == 0 || !take_asleep(board, slot)) continue;
        Line& line = lines_[i];
        const std::uint64_t generation = slot.generation.load(std::memory_order_acquire);
        if (line.generation != generation || !line.fifo.is_open()) {
            char path[bell_path_bytes];
            std::memcpy(path, slot.path, sizeof path);
            path[sizeof path - 1] = '\0';
            line.generation = generation;
            line.fifo = FileHandle();
            FileHandle fifo(::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
            struct stat status{};
            // Accept only a FIFO of our own user: the board is 0600, but the path in it is only
            // text.
            if (!fifo.is_open() || ::fstat(fifo.fd(), &status) != 0 || !S_ISFIFO(status.st_mode) ||
                status.st_uid != ::geteuid())
                continue;
            line.fifo = std::move(fifo);
        }
        const char one = 1;
        // EAGAIN: the FIFO is already full of wake-up bytes. EPIPE: the reader is gone (Python
        // ignores SIGPIPE; any other host of the core must, too). Both are fine.
        if (::write(line.fifo.fd(), &one, 1) < 0 && errno != EAGAIN) line.fifo = FileHandle();
    }
}

bool register_for_membarrier() noexcept {
#if defined(__linux__)
    return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
#else
    return false;
#endif
}

Failure Bell::make(const std::string& directory, std::unique_ptr<Bell>& bell) {
    if (Failure failure = make_directory(directory); !failure.ok()) return failure;
    struct stat status{};
    if (::lstat(directory.c_str(), &status) != 0) return system_failure("stat", directory, errno);
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0)
        return {Status::foreign, directory + ": must be a directory of this user, mode 0700"};
    static std::atomic<std::uint32_t> count{0};
    std::unique_ptr<Bell> made(new Bell);
    made->path_ = directory + "/bell-" + std::to_string(::getpid()) + "-" +
                  std::to_string(count.fetch_add(1));
    if (made->path_.size() >= bell_path_bytes)
        return {Status::invalid, made->path_ + ": path of a bell is longer than 191 bytes"};
    ::unlink(made->path_.c_str());  // left by a process that had our pid
    if (::mkfifo(made->path_.c_str(), 0600) != 0)
        return system_failure("mkfifo", made->path_, errno);
    // Opened for reading and writing: it never reports end of file, and a writer never meets EPIPE.
    made->fifo_ =
        FileHandle(::open(made->path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!made->fifo_.is_open()) return system_failure("open", made->path_, errno);
    bell = std::move(made);
    return {};
}

Bell::~Bell() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

void Bell::drain() noexcept {
    char bytes[256];
    while (::read(fifo_.fd(), bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes)) {
    }
}

Failure BellPlace::take(const std::string& directory, const Bell* bell,
                        std::unique_ptr<BellPlace>& place) {
    std::unique_ptr<BellPlace> made(new BellPlace);
    if (Failure failure = map_bells(directory, false, made->map_); !failure.ok()) return failure;
    BellBoard& board = bell_board(made->map_);
    (void)lowest_lease(board);  // frees the slots of dead readers
    const auto pid = static_cast<std::uint32_t>(::getpid());
    for (BellSlot& slot : board.slots) {
        std::uint32_t free = 0;
        if (!slot.pid.compare_exchange_strong(free, pid, std::memory_order_acq_rel)) continue;
        slot.asleep.store(0, std::memory_order_relaxed);
        slot.lease_segment.store(0, std::memory_order_relaxed);
        slot.lease_sequence.store(0, std::memory_order_relaxed);
        std::memset(slot.path, 0, sizeof slot.path);
        if (bell != nullptr) std::memcpy(slot.path, bell->path().data(), bell->path().size());
        slot.generation.fetch_add(1, std::memory_order_release);
        slot.pid_start.store(process_start(pid), std::memory_order_release);
        made->slot_ = &slot;
        place = std::move(made);
        return {};
    }
    return {Status::exhausted,
            directory + "/bells: all " + std::to_string(bell_slots_max) + " places are taken"};
}

BellPlace::~BellPlace() {
    if (slot_ != nullptr) free_slot(bell_board(map_), *slot_);
}

void BellPlace::lease(std::uint64_t segment, std::uint64_t sequence) noexcept {
    slot_->lease_sequence.store(sequence, std::memory_order_relaxed);
    slot_->lease_segment.store(segment, std::memory_order_release);
}

bool BellPlace::arm() noexcept {
    // Incremented first: the count may be too high for a moment, never too low.
    std::atomic<std::uint32_t>& sleepers = bell_board(map_).sleepers;
    sleepers.fetch_add(1, std::memory_order_acq_rel);
    if (slot_->asleep.exchange(1, std::memory_order_seq_cst) == 1) sleepers.fetch_sub(1);
#if defined(__linux__)
    return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
#else
    return false;
#endif
}

void BellPlace::disarm() noexcept {
    take_asleep(bell_board(map_), *slot_);
}

std::uint64_t lowest_lease(BellBoard& board) noexcept {
    std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
    for (BellSlot& slot : board.slots) {
        const std::uint32_t pid = slot.pid.load(std::memory_order_acquire);
        if (pid == 0) continue;
        const std::uint64_t start = slot.pid_start.load(std::memory_order_acquire);
        // start 0: the slot is being taken right now, or its taker died in between.
        if (start == 0 ? process_start(pid) == 0 : !process_alive(pid, start)) {
            free_slot(board, slot);
            continue;
        }
        const std::uint64_t segment = slot.lease_segment.load(std::memory_order_acquire);
        if (segment != 0 && segment < lowest) lowest = segment;
    }
    return lowest;
}

}  // namespace onetape
