#pragma once
// Shows readers that the writer's process is alive and how far it has come. Native, so that it does
// not stop when the interpreter is busy.
//
// It also keeps the pages ahead of a slow writer writable: once the kernel has written a prepared
// page back, the next store into it would fault.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "journal/control.hpp"
#include "journal/seal.hpp"

namespace onetape {

inline constexpr auto heartbeat_every = std::chrono::milliseconds(100);

class Heartbeat {
 public:
    // Readers see the new writer alive before its thread has had a turn.
    explicit Heartbeat(ControlPage& control) : control_(control) {
        control_.heartbeat.store(wall_clock_ns(), std::memory_order_relaxed);
        thread_ = std::thread([this] { run(); });
    }
    ~Heartbeat() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }
    // Reports the writer's new segment and the first sequence in it.
    void entered(std::shared_ptr<OpenSegment> segment, std::uint64_t first_sequence) {
        const std::lock_guard lock(mutex_);
        segment_ = std::move(segment);
        place_ = segment_->header().data_offset;
        place_sequence_ = first_sequence;
    }
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

 private:
    void run() {
        std::uint64_t seen = 0;
        std::unique_lock lock(mutex_);
        while (!stop_) {
            const std::int64_t now = wall_clock_ns();
            const std::uint64_t at = control_.progress.load(std::memory_order_relaxed) +
                                     control_.published.load(std::memory_order_relaxed);
            if (at != seen) control_.progress_time.store(now, std::memory_order_relaxed);
            seen = at;
            control_.heartbeat.store(now, std::memory_order_relaxed);
            touch_ahead();
            wake_.wait_for(lock, heartbeat_every);
        }
    }

    // Follows the writer by the frames' lengths; the lock keeps the segment mapped.
    void touch_ahead() {
        if (segment_ == nullptr) return;
        const std::uint64_t published = control_.published.load(std::memory_order_acquire);
        const std::uint64_t end = segment_->map.bytes() - frame_header_bytes;
        while (place_sequence_ <= published && place_ < end) {
            const auto length = static_cast<std::uint32_t>(
                std::atomic_ref<std::uint64_t>(
                    *reinterpret_cast<std::uint64_t*>(segment_->map.data() + place_))
                    .load(std::memory_order_acquire));
            if (length == 0) break;
            place_ += padded(length);
            ++place_sequence_;
        }
        const std::uint64_t from = place_ & ~std::uint64_t{4095};
        const std::uint64_t left = segment_->map.bytes() - from;
        populate(segment_->map.data() + from, std::min(touch_ahead_bytes, left));
    }

    ControlPage& control_;
    std::shared_ptr<OpenSegment> segment_;
    std::uint64_t place_ = 0, place_sequence_ = 0;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace onetape
