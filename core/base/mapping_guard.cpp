#include "base/mapping_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace onetape {

struct GuardedRange {
    std::atomic<bool> taken{false};
    std::atomic<std::uint64_t> version{0};  // odd while the two fields below change
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<bool> cut{false};
};

namespace {

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free, "read inside a signal handler");

std::array<GuardedRange, 4096> ranges;
struct sigaction before{};  // the former handler, for faults that are not ours
std::uintptr_t page_mask = 0;

void set_place(GuardedRange& range, std::uintptr_t begin, std::uintptr_t end) noexcept {
    range.version.fetch_add(1);
    range.begin.store(begin);
    range.end.store(end);
    range.version.fetch_add(1);
}

// Uses only functions that POSIX allows in a handler, and mmap, which is one system call on all our
// systems.
bool put_zeros_at(std::uintptr_t fault) noexcept {
    for (GuardedRange& range : ranges) {
        const std::uint64_t version = range.version.load();
        const std::uintptr_t begin = range.begin.load(), end = range.end.load();
        // The range that is being read does not change meanwhile.
        if (version % 2 != 0 || range.version.load() != version) continue;
        if (fault < begin || fault >= end) continue;
        // The file ends on this page or before it: all following pages are lost, too.
        const std::uintptr_t from = fault & ~page_mask;
        range.cut.store(true, std::memory_order_release);
        return ::mmap(reinterpret_cast<void*>(from), end - from, PROT_READ,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    }
    return false;
}

void on_bus_error(int number, siginfo_t* info, void* context) {
    if (info->si_code == BUS_ADRERR &&
        put_zeros_at(reinterpret_cast<std::uintptr_t>(info->si_addr)))
        return;
    if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else {
        // The load is repeated and ends the process.
        struct sigaction plain{};
        plain.sa_handler = SIG_DFL;
        ::sigaction(SIGBUS, &plain, nullptr);
    }
}

// Checked for each mapping: another library (faulthandler) may have taken the signal since.
void install() noexcept {
    static std::mutex one_at_a_time;
    const std::scoped_lock lock(one_at_a_time);
    struct sigaction now{};
    if (::sigaction(SIGBUS, nullptr, &now) != 0) return;
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_bus_error) return;
    page_mask = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)) - 1;
    struct sigaction ours{};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    before = now;
    ::sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace

GuardedRange* guard_range(const void* data, std::size_t bytes) noexcept {
    install();
    for (GuardedRange& range : ranges) {
        if (range.taken.load(std::memory_order_relaxed) || range.taken.exchange(true)) continue;
        const auto begin = reinterpret_cast<std::uintptr_t>(data);
        range.cut.store(false);
        set_place(range, begin, (begin + bytes + page_mask) & ~page_mask);  // whole pages
        return &range;
    }
    return nullptr;
}

void unguard_range(GuardedRange& range) noexcept {
    set_place(range, 0, 0);
    range.taken.store(false, std::memory_order_release);
}

bool guard_is_cut(const GuardedRange& range) noexcept {
    return range.cut.load(std::memory_order_acquire);
}

}  // namespace onetape
