#include "journal/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace onetape {

Failure take_lock(const std::string& directory, FileHandle& lock) {
    const std::string path = directory + "/lock";
    if (Failure failure = open_file(path, O_RDWR | O_CREAT, lock); !failure.ok()) return failure;
    if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return system_failure("flock", path, errno);
        char pid[24] = {};
        const ssize_t bytes = ::pread(lock.fd(), pid, sizeof pid - 1, 0);
        const long holder = bytes > 0 ? std::strtol(pid, nullptr, 10) : 0;
        return {Status::locked,
                directory + ": held by the writer with pid " + std::to_string(holder)};
    }
    char pid[24];
    const int length = std::snprintf(pid, sizeof pid, "%ld\n", static_cast<long>(::getpid()));
    if (::ftruncate(lock.fd(), 0) != 0) return system_failure("ftruncate", path, errno);
    return write_all(lock, path, pid, static_cast<std::size_t>(length));
}

}  // namespace onetape
