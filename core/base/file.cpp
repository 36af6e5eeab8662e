#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

namespace onetape {

Failure system_failure(const char* call, const std::string& path, int error) {
    Status status = Status::io_error;
    if (error == ENOSPC || error == EDQUOT) status = Status::disk_full;
    if (error == ENOENT) status = Status::not_found;
    return {status, std::string(call) + " " + path + ": " + std::strerror(error)};
}

FileHandle::~FileHandle() {
    if (fd_ >= 0) ::close(fd_);
}

Mapping::~Mapping() {
    if (guard_ != nullptr) unguard_range(*guard_);
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

Failure Mapping::map(const FileHandle& file, std::size_t bytes, bool writable,
                     const std::string& path, Mapping& mapping) {
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, file.fd(), 0);
    if (data == MAP_FAILED) return system_failure("mmap", path, errno);
    Mapping made;
    made.data_ = static_cast<std::byte*>(data);
    made.bytes_ = bytes;
    if (!writable) made.guard_ = guard_range(data, bytes);
    mapping = std::move(made);
    return {};
}

Failure open_file(const std::string& path, int flags, FileHandle& file) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return system_failure("open", path, errno);
    FileHandle opened(fd);
    struct stat status{};
    if (::fstat(fd, &status) != 0) return system_failure("fstat", path, errno);
    if (!S_ISREG(status.st_mode)) return {Status::foreign, path + ": not a regular file"};
    file = std::move(opened);
    return {};
}

Failure file_bytes(const FileHandle& file, const std::string& path, std::uint64_t& bytes) {
    struct stat status{};
    if (::fstat(file.fd(), &status) != 0) return system_failure("fstat", path, errno);
    bytes = static_cast<std::uint64_t>(status.st_size);
    return {};
}

Failure make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    const int error = errno;
    struct stat status{};
    if (error == EEXIST && ::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return {};
        return {Status::foreign, path + ": not a directory"};
    }
    return system_failure("mkdir", path, error);
}

Failure sync_directory(const std::string& path) {
    const FileHandle file(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!file.is_open()) return system_failure("open", path, errno);
    if (::fsync(file.fd()) != 0) return system_failure("fsync", path, errno);
    return {};
}

Failure write_all(const FileHandle& file, const std::string& path, const void* data,
                  std::size_t bytes) {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
        const ssize_t written = ::write(file.fd(), at, bytes);
        if (written < 0) {
            if (errno == EINTR) continue;
            return system_failure("write", path, errno);
        }
        at += written;
        bytes -= static_cast<std::size_t>(written);
    }
    return {};
}

Failure allocate(const FileHandle& file, const std::string& path, std::uint64_t bytes) {
#if defined(__APPLE__)
    fstore_t request{F_ALLOCATEALL, F_PEOFPOSMODE, 0, static_cast<off_t>(bytes), 0};
    if (::fcntl(file.fd(), F_PREALLOCATE, &request) != 0)
        return system_failure("preallocate", path, errno);
    if (::ftruncate(file.fd(), static_cast<off_t>(bytes)) != 0)
        return system_failure("ftruncate", path, errno);
#else
    int error = 0;
    do error = ::posix_fallocate(file.fd(), 0, static_cast<off_t>(bytes));
    while (error == EINTR);
    if (error != 0) return system_failure("fallocate", path, error);
#endif
    return {};
}

Failure write_zeros(const FileHandle& file, const std::string& path, std::uint64_t bytes) {
    const std::vector<std::byte> zeros(std::min<std::uint64_t>(bytes, 1u << 20));
    for (std::uint64_t at = 0; at < bytes;) {
        const std::size_t size = std::min<std::uint64_t>(zeros.size(), bytes - at);
        const ssize_t done = ::pwrite(file.fd(), zeros.data(), size, static_cast<off_t>(at));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return system_failure("write", path, errno);
        at += static_cast<std::uint64_t>(done);
    }
    return {};
}

void populate(std::byte* data, std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
    if (::madvise(data, bytes, MADV_POPULATE_WRITE) == 0 || errno != EINVAL) return;
#endif
    // An atomic add of nothing dirties the page and cannot undo a concurrent store.
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    for (std::size_t at = 0; at < bytes; at += page) {
        std::atomic_ref<std::uint64_t> word(*reinterpret_cast<std::uint64_t*>(data + at));
        word.fetch_add(0, std::memory_order_relaxed);
    }
}

}  // namespace onetape
