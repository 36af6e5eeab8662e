#include "journal/wait.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace onetape {
namespace {

std::int64_t monotonic_ns() noexcept {
    struct timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool any_ready(std::span<Reader* const> readers) noexcept {
    for (Reader* reader : readers)
        if (reader->ready()) return true;
    return false;
}

}  // namespace

void pause_cpu() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

bool arm(std::span<Reader* const> readers, bool& certain) noexcept {
    certain = true;
    for (Reader* reader : readers)
        certain = reader->place() != nullptr && reader->place()->arm() && certain;
    return any_ready(readers);
}

void disarm(std::span<Reader* const> readers) noexcept {
    for (Reader* reader : readers)
        if (reader->place() != nullptr) reader->place()->disarm();
}

Woken wait_for_frame(std::span<Reader* const> readers, Bell& bell, std::int64_t spin_ns,
                     std::int64_t timeout_ns) noexcept {
    if (any_ready(readers)) return Woken::frame;
    const std::int64_t begin = monotonic_ns();
    const std::int64_t slice = timeout_ns < 0 ? max_slice_ns : std::min(timeout_ns, max_slice_ns);
    // The clock is read only once in a while: it costs more than checking a few journals.
    for (const std::int64_t spin_end = begin + std::min(spin_ns, slice); spin_ns > 0;) {
        for (int i = 0; i < 64; ++i) {
            if (any_ready(readers)) return Woken::frame;
            pause_cpu();
        }
        if (monotonic_ns() >= spin_end) break;
    }
    bool certain = true;
    if (arm(readers, certain)) {
        disarm(readers);
        return Woken::frame;
    }
    std::int64_t left = std::max<std::int64_t>(begin + slice - monotonic_ns(), 0);
    if (!certain) left = std::min<std::int64_t>(left, BellPlace::blind_ms * 1'000'000);
    struct pollfd watched{bell.fd(), POLLIN, 0};
#if defined(__linux__)
    const struct timespec limit{left / 1'000'000'000, left % 1'000'000'000};
    const int rung = ::ppoll(&watched, 1, &limit, nullptr);
#else
    const int rung = ::poll(&watched, 1, static_cast<int>((left + 999'999) / 1'000'000));
#endif
    const bool interrupted = rung < 0 && errno == EINTR;
    disarm(readers);
    if (rung > 0) bell.drain();
    if (any_ready(readers)) return Woken::frame;
    return interrupted ? Woken::interrupted : Woken::timeout;
}

}  // namespace onetape
