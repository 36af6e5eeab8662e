#include "state/table_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/crc32c.hpp"
#include "state/group.hpp"

namespace onetape {

std::uint64_t pointer_crc(const PointerPage& page) noexcept {
    return crc32c(&page, offsetof(PointerPage, current));
}

std::uint64_t generation_crc(const GenerationPage& page) noexcept {
    GenerationPage fixed = page;
    fixed.crc = fixed.places_end = fixed.keys = 0;
    fixed.vouched = 0;
    return crc32c(&fixed, sizeof fixed);
}

std::string pointer_path(const std::string& directory, const std::string& process) {
    return directory + "/" + process + ".table";
}

std::string generation_path(const std::string& directory, const std::string& process,
                            std::uint64_t generation) {
    return pointer_path(directory, process) + "." + std::to_string(generation);
}

std::uint64_t generation_bytes(std::uint32_t capacity, std::uint32_t cells) noexcept {
    return table_page_bytes + std::uint64_t{capacity} * place_words(cells) * sizeof(std::uint64_t);
}

std::int64_t monotonic_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

#if defined(F_OFD_SETLK)

// Locks the open file description, not the process: in the embedded run a reader of the same
// process closes its file without dropping the writer's lock.
Failure lock_table(const FileHandle& file, const std::string& path) {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(file.fd(), F_OFD_SETLK, &lock) == 0) return {};
    if (errno == EAGAIN || errno == EACCES) return {Status::locked, path + " has a writer"};
    return system_failure("lock", path, errno);
}

bool table_locked(const FileHandle& file) noexcept {
    struct flock lock{};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    // If the lock cannot be queried, the writer counts as alive: the age of its values tells more.
    return ::fcntl(file.fd(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

#else

// flock can only be queried by taking it, so a writer retries for a moment.
Failure lock_table(const FileHandle& file, const std::string& path) {
    for (int attempt = 0; attempt < 50; ++attempt) {
        if (::flock(file.fd(), LOCK_EX | LOCK_NB) == 0) return {};
        if (errno != EWOULDBLOCK && errno != EINTR) return system_failure("lock", path, errno);
        ::usleep(1000);
    }
    return {Status::locked, path + " has a writer"};
}

bool table_locked(const FileHandle& file) noexcept {
    if (::flock(file.fd(), LOCK_SH | LOCK_NB) != 0) return true;
    ::flock(file.fd(), LOCK_UN);
    return false;
}

#endif

}  // namespace onetape
