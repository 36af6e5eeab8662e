#pragma once
// Shows readers that the writer's process lives and how far it came: native, so that it does not
// stop when the interpreter is busy. It shows progress as well as life.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "journal/control.hpp"

namespace onetape {

inline constexpr auto heartbeat_every = std::chrono::milliseconds(100);

class Heartbeat {
public:
    explicit Heartbeat(ControlPage& control) : control_(control), thread_([this] { run(); }) {}
    ~Heartbeat() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        thread_.join();
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
            wake_.wait_for(lock, heartbeat_every);
        }
    }

    ControlPage& control_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace onetape
