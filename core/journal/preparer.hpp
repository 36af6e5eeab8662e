#pragma once
// The writer's helper thread: has the next segment ready before it is needed, and seals the ones
// that were left. The hot path therefore makes no system call and takes no page fault.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "journal/seal.hpp"

namespace onetape {

// Creates segment `number` of `bytes` with real, writable pages and a header of zeros. It gets
// its name when it is whole. is_synced: it is synced while it is written to.
Failure prepare_segment(const std::string& directory, std::uint64_t number, std::uint64_t bytes,
                        bool is_synced, OpenSegment& segment);

class Preparer {
 public:
    // seal: that of the last sealed segment. on_failure: a seal failed; nothing may follow it.
    Preparer(std::string directory, bool durable, Digest seal, std::function<void()> on_failure);
    ~Preparer();  // finishes what was asked for

    // Idempotent while one is on its way. Where the disk has no room for `bytes`, a smaller one
    // that it has room for is made, of no fewer than `least`.
    void ask(std::uint64_t number, std::uint64_t bytes, std::uint64_t least);
    // Waits for the segment asked for. disk_full is told at once and tried again by the thread.
    Failure take(std::shared_ptr<OpenSegment>& segment);
    [[nodiscard]] bool is_requested() const;
    // The next segment was asked for, and the disk has no room for it yet.
    [[nodiscard]] bool lacks_room() const;
    void seal(std::shared_ptr<OpenSegment> segment);
    Failure drain();  // waits until all is sealed; the first failure of a seal
    void discard();   // removes a prepared segment that nobody took

 private:
    void run();

    const std::string directory_;
    const bool durable_;
    Digest seal_;
    const std::function<void()> on_failure_;
    mutable std::mutex mutex_;
    std::condition_variable work_, done_;
    std::uint64_t number_ = 0, bytes_ = 0, least_ = 0;  // number 0: nothing asked for
    std::shared_ptr<OpenSegment> ready_;
    Failure prepare_failure_, seal_failure_;
    std::deque<std::shared_ptr<OpenSegment>> seals_;
    bool busy_ = false, stop_ = false;
    std::thread thread_;
};

}  // namespace onetape
