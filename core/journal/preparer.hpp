#pragma once
// The writer's helper thread: prepares the next segment before it is needed and seals the previous
// ones. The hot path therefore makes no system call and takes no page fault.
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

// Creates segment `number` of `bytes` with real, writable pages and a header of zeros. The file
// gets its final name when it is complete. is_synced: the writer syncs it while it writes.
Failure prepare_segment(const std::string& directory, std::uint64_t number, std::uint64_t bytes,
                        bool is_synced, OpenSegment& segment);

class Preparer {
 public:
    // seal: of the last sealed segment. on_failure: called when a seal failed; nothing may follow
    // it.
    Preparer(std::string directory, bool durable, Digest seal, std::function<void()> on_failure);
    ~Preparer();  // finishes the requested work first

    // Requests a segment; does nothing while one is being prepared. Where the disk has no room for
    // `bytes`, a smaller one of at least `least` bytes is made.
    void ask(std::uint64_t number, std::uint64_t bytes, std::uint64_t least);
    // Waits for the requested segment. Returns disk_full at once; the thread tries again.
    Failure take(std::shared_ptr<OpenSegment>& segment);
    [[nodiscard]] bool is_requested() const;
    // True if the next segment was requested and the disk has no room for it yet.
    [[nodiscard]] bool lacks_room() const;
    void seal(std::shared_ptr<OpenSegment> segment);
    Failure drain();  // waits until all is sealed; returns the first failure of a seal
    void discard();   // removes a prepared segment that was not used

 private:
    void run();

    const std::string directory_;
    const bool durable_;
    Digest seal_;
    const std::function<void()> on_failure_;
    mutable std::mutex mutex_;
    std::condition_variable work_, done_;
    std::uint64_t number_ = 0, bytes_ = 0, least_ = 0;  // number 0: none requested
    std::shared_ptr<OpenSegment> ready_;
    Failure prepare_failure_, seal_failure_;
    std::deque<std::shared_ptr<OpenSegment>> seals_;
    bool busy_ = false, stop_ = false;
    std::thread thread_;
};

}  // namespace onetape
