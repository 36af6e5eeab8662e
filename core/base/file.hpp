#pragma once
// Owners of descriptors and mappings, and the conversion of failed system calls to Failure.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/mapping_guard.hpp"
#include "base/status.hpp"

namespace onetape {

// Maps ENOSPC and EDQUOT to disk_full, ENOENT to not_found, all others to io_error. what: "call
// path: reason".
[[nodiscard]] Failure system_failure(const char* call, const std::string& path, int error);

class FileHandle {
 public:
    FileHandle() = default;
    explicit FileHandle(int fd) : fd_(fd) {}
    FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileHandle& operator=(FileHandle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileHandle();
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
    int fd_ = -1;
};

// A mapped file. If another process truncates a file that is mapped read-only, the lost part reads
// as zeros from then on and is_cut() returns true (base/mapping_guard.hpp).
class Mapping {
 public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)),
          guard_(std::exchange(other.guard_, nullptr)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        std::swap(guard_, other.guard_);
        return *this;
    }
    ~Mapping();
    static Failure map(const FileHandle& file, std::size_t bytes, bool writable,
                       const std::string& path, Mapping& mapping);
    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] bool is_cut() const noexcept {
        return guard_ != nullptr && guard_is_cut(*guard_);
    }

 private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
    GuardedRange* guard_ = nullptr;
};

// Opens with O_CLOEXEC and O_NOFOLLOW; regular files only; created 0600.
Failure open_file(const std::string& path, int flags, FileHandle& file);
Failure file_bytes(const FileHandle& file, const std::string& path, std::uint64_t& bytes);
Failure make_directory(const std::string& path);  // mode 0700; ok if it exists
Failure sync_directory(const std::string& path);
Failure write_all(const FileHandle& file, const std::string& path, const void* data,
                  std::size_t bytes);

// Allocates real blocks for [0, bytes), so that a store never meets a full disk (no SIGBUS).
Failure allocate(const FileHandle& file, const std::string& path, std::uint64_t bytes);
// Writes zeros to [0, bytes) with plain writes: the page cache then holds the file in large pieces,
// while stores into a mapping create it page by page. Halves the time to create a tape and to read
// it through.
Failure write_zeros(const FileHandle& file, const std::string& path, std::uint64_t bytes);
// Makes the pages of [data, data + bytes) writable without a fault at the first store.
void populate(std::byte* data, std::size_t bytes) noexcept;

}  // namespace onetape
