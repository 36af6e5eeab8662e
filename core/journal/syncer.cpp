#include "journal/syncer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace onetape {

void Syncer::entered(std::shared_ptr<OpenSegment> segment) {
    const std::lock_guard lock(mutex_);
    // A sealed segment was synced by its seal; an open one stays until a sync here has covered it.
    std::erase_if(dirty_, [](const auto& old) {
        return std::atomic_ref<std::uint64_t>(old->header().sealed).load() != 0;
    });
    dirty_.push_back(std::move(segment));
}

void Syncer::request(std::uint64_t sequence) {
    if (!durable_) return;
    {
        const std::lock_guard lock(mutex_);
        wanted_ = std::max(wanted_, sequence);
        if (!thread_.joinable() && !stop_) thread_ = std::thread([this] { run(); });
    }
    work_.notify_one();
}

Failure Syncer::wait(std::uint64_t sequence) {
    if (!durable_) return {Status::invalid, "the journal was opened with durable off"};
    request(sequence);
    std::unique_lock lock(mutex_);
    done_.wait(lock,
               [&] { return !failure_.ok() || stop_ || control_.durable.load() >= sequence; });
    return failure_;
}

void Syncer::stop() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    work_.notify_all();
    done_.notify_all();
    if (thread_.joinable()) thread_.join();
    const std::lock_guard lock(mutex_);
    dirty_.clear();
}

void Syncer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [this] { return stop_ || wanted_ > control_.durable.load(); });
        if (stop_) return;
        // All frames published by now are in segments that were announced before.
        const std::uint64_t sequence = control_.published.load(std::memory_order_acquire);
        const auto segments = dirty_;
        lock.unlock();
        Failure failure;
        for (const auto& segment : segments) {
#if defined(__APPLE__)
            const int result = ::fsync(segment->file.fd());
#else
            const int result = ::fdatasync(segment->file.fd());
#endif
            if (result != 0) {
                failure = system_failure("fdatasync", segment->path, errno);
                break;
            }
        }
        lock.lock();
        if (!failure.ok()) {
            failure.status = Status::io_error;
            failure_ = failure;
            control_.failed.store(1);
            limit_.store(0);
            done_.notify_all();
            return;
        }
        // All but the current segment are complete.
        const auto current = dirty_.empty() ? nullptr : dirty_.back();
        std::erase_if(dirty_, [&](const auto& segment) {
            return segment != current &&
                   std::find(segments.begin(), segments.end(), segment) != segments.end();
        });
        control_.durable.store(sequence, std::memory_order_release);
        done_.notify_all();
    }
}

}  // namespace onetape
