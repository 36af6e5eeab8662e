#pragma once
// Advances the durable sequence: one fdatasync for all waiting callers (group commit). A failed
// sync stops the journal for ever: the kernel may have dropped the pages that it could not write,
// so a successful second try proves nothing.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "journal/control.hpp"
#include "journal/seal.hpp"

namespace onetape {

class Syncer {
 public:
    // limit: the writer's; setting it to zero stops the writer's fast path.
    Syncer(ControlPage& control, std::atomic<std::uintptr_t>& limit, bool durable)
        : control_(control), limit_(limit), durable_(durable) {}
    ~Syncer() { stop(); }

    void entered(std::shared_ptr<OpenSegment> segment);  // called before the segment's first frame
    void request(std::uint64_t sequence);                // the first call starts the thread
    Failure wait(std::uint64_t sequence);
    void stop();

 private:
    void run();

    ControlPage& control_;
    std::atomic<std::uintptr_t>& limit_;
    const bool durable_;
    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::vector<std::shared_ptr<OpenSegment>> dirty_;
    std::uint64_t wanted_ = 0;
    Failure failure_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace onetape
