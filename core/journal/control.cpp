#include "journal/control.hpp"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace onetape {

Failure map_control(const std::string& directory, bool writable, Mapping& mapping) {
    const std::string path = directory + "/control";
    FileHandle file;
    if (Failure failure = open_file(path, writable ? O_RDWR | O_CREAT : O_RDONLY, file);
        !failure.ok())
        return failure;
    std::uint64_t bytes = 0;
    if (Failure failure = file_bytes(file, path, bytes); !failure.ok()) return failure;
    if (bytes < control_bytes) {
        if (!writable) return {Status::not_found, path + ": too short"};
        if (Failure failure = allocate(file, path, control_bytes); !failure.ok()) return failure;
    }
    return Mapping::map(file, control_bytes, writable, path, mapping);
}

#if defined(__APPLE__)
static BootId read_boot_id() noexcept {
    BootId id{};
    struct timeval booted{};
    std::size_t bytes = sizeof booted;
    if (::sysctlbyname("kern.boottime", &booted, &bytes, nullptr, 0) == 0)
        std::memcpy(id.data(), &booted, sizeof id < bytes ? sizeof id : bytes);
    return id;
}

std::uint64_t process_start(std::uint32_t pid) noexcept {
    struct kinfo_proc info{};
    std::size_t bytes = sizeof info;
    int name[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, static_cast<int>(pid)};
    if (::sysctl(name, 4, &info, &bytes, nullptr, 0) != 0 || bytes == 0) return 0;
    const auto& at = info.kp_proc.p_starttime;
    return static_cast<std::uint64_t>(at.tv_sec) * 1000000 + static_cast<std::uint64_t>(at.tv_usec);
}
#else
static BootId read_boot_id() noexcept {
    BootId id{};
    char text[64] = {};
    const FileHandle file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    if (!file.is_open() || ::read(file.fd(), text, sizeof text - 1) < 36) return id;
    std::size_t at = 0;
    for (std::size_t i = 0; i < 36 && at < 32; ++i) {
        if (text[i] == '-') continue;
        const char digit = text[i];
        const int value = digit >= 'a' ? digit - 'a' + 10 : digit - '0';
        id[at / 2] = static_cast<std::uint8_t>((id[at / 2] << 4) | (value & 15));
        ++at;
    }
    return id;
}

std::uint64_t process_start(std::uint32_t pid) noexcept {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/%u/stat", pid);
    const FileHandle file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return 0;
    char text[1024];
    const ssize_t bytes = ::read(file.fd(), text, sizeof text - 1);
    if (bytes <= 0) return 0;
    text[bytes] = '\0';
    // The process name, in brackets, may contain anything: field 3 (state) follows its last
    // bracket, the start time is field 22.
    const char* at = std::strrchr(text, ')');
    if (at == nullptr || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X') return 0;
    for (int field = 2; field < 22 && at != nullptr; ++field) at = std::strchr(at + 1, ' ');
    return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}
#endif

BootId boot_id() noexcept {
    static const BootId first = read_boot_id();
    return first == BootId{} ? read_boot_id() : first;  // it may have lacked a file descriptor
}

bool process_alive(std::uint32_t pid, std::uint64_t start) noexcept {
    return pid != 0 && start != 0 && process_start(pid) == start;
}

std::int64_t wall_clock_ns() noexcept {
    struct timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

}  // namespace onetape
