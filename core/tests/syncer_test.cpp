// The order of syncing: data first, then the durable sequence.
#include "journal/syncer.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "doctest.h"
#include "journal/preparer.hpp"

using namespace onetape;

#if !defined(__APPLE__)
namespace {

std::mutex hook_mutex;
std::function<int(int)> hook;  // replaces the system call, in these tests only

}  // namespace

// Overrides the C library's.
extern "C" int fdatasync(int fd) {
    std::function<int(int)> wanted;
    {
        const std::lock_guard lock(hook_mutex);
        wanted = hook;
    }
    return wanted ? wanted(fd) : static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace {

// A syncer and its segments; each sync is recorded with the durable sequence at its begin.
struct Desk {
    struct Sync {
        int fd;
        std::uint64_t durable;
        bool operator==(const Sync&) const = default;
    };

    std::filesystem::path folder;
    ControlPage control{};
    std::atomic<std::uintptr_t> limit{1};
    std::vector<Sync> syncs;
    int result = 0;
    std::function<void()> meanwhile = [] {};
    std::unique_ptr<Syncer> syncer = std::make_unique<Syncer>(control, limit, true);

    Desk() {
        std::string name = (std::filesystem::temp_directory_path() / "syncer-test-XXXXXX").string();
        folder = ::mkdtemp(name.data());
        const std::lock_guard lock(hook_mutex);
        hook = [this](int fd) {
            syncs.push_back({fd, control.durable.load()});
            meanwhile();
            errno = result == 0 ? 0 : EIO;
            return result;
        };
    }
    ~Desk() {
        syncer.reset();
        const std::lock_guard lock(hook_mutex);
        hook = nullptr;
        std::filesystem::remove_all(folder);
    }

    std::shared_ptr<OpenSegment> enter(std::uint64_t number) {
        auto segment = std::make_shared<OpenSegment>();
        REQUIRE(prepare_segment(folder.string(), number, 64u << 10, true, *segment).ok());
        syncer->entered(segment);
        return segment;
    }
    Failure sync(std::uint64_t sequence) {
        control.published.store(sequence);
        return syncer->wait(sequence);
    }
};

}  // namespace

TEST_CASE("sync: nothing is said to be durable before it is on disk") {
    Desk desk;
    const auto segment = desk.enter(1);
    REQUIRE(desk.sync(7).ok());
    CHECK(desk.control.durable.load() == 7);
    REQUIRE(desk.sync(9).ok());
    CHECK(desk.control.durable.load() == 9);
    // The current segment is synced each time.
    CHECK(desk.syncs == std::vector<Desk::Sync>{{segment->file.fd(), 0}, {segment->file.fd(), 7}});
}

TEST_CASE("sync: what is published while a sync runs is not durable by it") {
    Desk desk;
    const auto segment = desk.enter(1);
    std::uint64_t after = 0;
    desk.meanwhile = [&] { after = desk.control.published.exchange(99); };
    desk.control.published.store(7);
    REQUIRE(desk.syncer->wait(7).ok());
    CHECK(after == 7);
    CHECK(desk.control.durable.load() == 7);
}

TEST_CASE("sync: after a roll the segment before is synced once more, then the new one alone") {
    Desk desk;
    const auto first = desk.enter(1);
    const auto second = desk.enter(2);
    REQUIRE(desk.sync(7).ok());
    REQUIRE(desk.sync(9).ok());
    const int one = first->file.fd(), two = second->file.fd();
    CHECK(desk.syncs == std::vector<Desk::Sync>{{one, 0}, {two, 0}, {two, 7}});
}

TEST_CASE("sync: a segment that its seal has synced is not synced again") {
    Desk desk;
    const auto first = desk.enter(1);
    first->header().sealed = sealed_mark;
    const auto second = desk.enter(2);
    REQUIRE(desk.sync(7).ok());
    CHECK(desk.syncs == std::vector<Desk::Sync>{{second->file.fd(), 0}});
}

TEST_CASE("sync: segments that are entered while one runs are synced by the next") {
    Desk desk;
    const auto first = desk.enter(1);
    std::shared_ptr<OpenSegment> second, third;
    desk.meanwhile = [&] {
        if (second) return;
        second = desk.enter(2);
        third = desk.enter(3);
    };
    REQUIRE(desk.sync(7).ok());
    REQUIRE(desk.sync(9).ok());
    const int one = first->file.fd(), two = second->file.fd(), three = third->file.fd();
    CHECK(desk.syncs == std::vector<Desk::Sync>{{one, 0}, {two, 7}, {three, 7}});
}

TEST_CASE("sync: one segment that fails is not made up for by the next") {
    Desk desk;
    const auto first = desk.enter(1);
    const auto second = desk.enter(2);
    desk.meanwhile = [&] { desk.result = desk.syncs.back().fd == first->file.fd() ? -1 : 0; };
    CHECK(!desk.sync(7).ok());
    CHECK(desk.control.durable.load() == 0);
    CHECK(desk.syncs.size() == 1);
}

TEST_CASE("sync: one that fails stops the journal for ever, and says so to all who wait") {
    Desk desk;
    const auto segment = desk.enter(1);
    desk.result = -1;
    const Failure failure = desk.sync(7);
    CHECK(failure.status == Status::io_error);
    CHECK(desk.control.durable.load() == 0);
    CHECK(desk.control.failed.load() == 1);
    CHECK(desk.limit.load() == 0);
    desk.result = 0;  // a successful second try proves nothing
    CHECK(!desk.sync(8).ok());
    CHECK(desk.control.durable.load() == 0);
    CHECK(desk.syncs.size() == 1);
}

TEST_CASE("sync: where nothing is to be durable nobody waits for it") {
    Desk desk;
    desk.syncer = std::make_unique<Syncer>(desk.control, desk.limit, false);
    CHECK(desk.sync(7).status == Status::invalid);
    CHECK(desk.syncs.empty());
}
#endif
