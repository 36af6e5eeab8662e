#include "journal/preparer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

namespace onetape {
namespace {

constexpr std::uint64_t populate_step = 1ull << 20;
constexpr auto disk_full_retry = std::chrono::milliseconds(500);
constexpr std::uint64_t shrink =
    4;  // factor by which a segment is made smaller when the disk has no room

}  // namespace

Failure prepare_segment(const std::string& directory, std::uint64_t number, std::uint64_t bytes,
                        bool is_synced, OpenSegment& segment) {
    const std::string path = segment_path(directory, number);
    const std::string unfinished = path + ".new";
    // A leftover of a writer that died here is empty.
    ::unlink(unfinished.c_str());
    OpenSegment made;
    made.number = number;
    made.path = path;
    const auto give_up = [&](Failure failure) {
        ::unlink(unfinished.c_str());
        return failure;
    };
    if (Failure failure = open_file(unfinished, O_RDWR | O_CREAT | O_EXCL, made.file);
        !failure.ok())
        return failure;
    if (Failure failure = allocate(made.file, unfinished, bytes); !failure.ok())
        return give_up(failure);
    // A sync writes every page-cache folio that a store has touched as a whole. So a journal that
    // is synced gets single pages, and only those that are needed soon.
    if (!is_synced) {
        if (Failure failure = write_zeros(made.file, unfinished, bytes); !failure.ok())
            return give_up(failure);
    }
    if (Failure failure = Mapping::map(made.file, bytes, true, unfinished, made.map); !failure.ok())
        return give_up(failure);
    const std::uint64_t touched = is_synced ? std::min(bytes, touch_ahead_bytes) : bytes;
    for (std::uint64_t at = 0; at < touched; at += populate_step)
        populate(made.map.data() + at, std::min(populate_step, touched - at));
    // link, not rename: it refuses to replace a segment that is already there.
    if (::link(unfinished.c_str(), path.c_str()) == 0) {
        ::unlink(unfinished.c_str());
    } else {
        // File systems without hard links; the lock keeps other writers out.
        const int error = errno;
        const bool no_links = error == EPERM || error == ENOTSUP || error == ENOSYS;
        if (!no_links || ::access(path.c_str(), F_OK) == 0)
            return give_up(system_failure("link", path, error));
        if (::rename(unfinished.c_str(), path.c_str()) != 0)
            return give_up(system_failure("rename", path, errno));
    }
    segment = std::move(made);
    return {};
}

Preparer::Preparer(std::string directory, bool durable, Digest seal,
                   std::function<void()> on_failure)
    : directory_(std::move(directory)),
      durable_(durable),
      seal_(seal),
      on_failure_(std::move(on_failure)),
      thread_([this] { run(); }) {}

Preparer::~Preparer() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    work_.notify_all();
    thread_.join();
}

void Preparer::ask(std::uint64_t number, std::uint64_t bytes, std::uint64_t least) {
    {
        const std::lock_guard lock(mutex_);
        if (number_ == number) return;
        number_ = number;
        bytes_ = bytes;
        least_ = std::min(least, bytes);
        prepare_failure_ = {};
    }
    work_.notify_one();
}

bool Preparer::is_requested() const {
    const std::lock_guard lock(mutex_);
    return number_ != 0;
}

bool Preparer::lacks_room() const {
    const std::lock_guard lock(mutex_);
    return number_ != 0 && ready_ == nullptr && prepare_failure_.status == Status::disk_full;
}

Failure Preparer::take(std::shared_ptr<OpenSegment>& segment) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return ready_ != nullptr || !prepare_failure_.ok(); });
    if (ready_ == nullptr) return prepare_failure_;
    segment = std::move(ready_);
    ready_.reset();
    number_ = 0;
    return {};
}

void Preparer::seal(std::shared_ptr<OpenSegment> segment) {
    {
        const std::lock_guard lock(mutex_);
        seals_.push_back(std::move(segment));
    }
    work_.notify_one();
}

Failure Preparer::drain() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return seals_.empty() && !busy_; });
    return seal_failure_;
}

void Preparer::discard() {
    std::unique_lock lock(mutex_);
    done_.wait(lock,
               [this] { return number_ == 0 || ready_ != nullptr || !prepare_failure_.ok(); });
    if (ready_ != nullptr) ::unlink(ready_->path.c_str());
    ready_.reset();
    number_ = 0;
    prepare_failure_ = {};
}

void Preparer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        const bool wants = number_ != 0 && ready_ == nullptr;
        if (wants && (prepare_failure_.ok() || prepare_failure_.status == Status::disk_full) &&
            !stop_) {
            if (!prepare_failure_.ok() && seals_.empty()) {
                work_.wait_for(lock, disk_full_retry);
                if (stop_ || number_ == 0) continue;
            }
            const std::uint64_t number = number_, bytes = bytes_, least = least_;
            busy_ = true;
            lock.unlock();
            auto made = std::make_shared<OpenSegment>();
            Failure failure = prepare_segment(directory_, number, bytes, durable_, *made);
            for (std::uint64_t fewer = bytes; failure.status == Status::disk_full && fewer > least;)
                failure = prepare_segment(directory_, number,
                                          fewer = std::max(fewer / shrink, least), durable_, *made);
            if (failure.ok() && durable_) failure = sync_directory(directory_);
            lock.lock();
            busy_ = false;
            prepare_failure_ = failure;
            if (failure.ok()) {
                if (number_ == number && bytes_ == bytes)
                    ready_ = std::move(made);
                else
                    ::unlink(made->path.c_str());
            }
            done_.notify_all();
            if (seals_.empty()) continue;
        }
        if (!seals_.empty()) {
            const std::shared_ptr<OpenSegment> segment = seals_.front();
            busy_ = true;
            lock.unlock();
            Digest seal = seal_;
            Failure failure;
            // Each seal covers the one before: after a failure there is no base for the next.
            if (seal_failure_.ok()) failure = seal_segment(*segment, durable_, seal);
            lock.lock();
            busy_ = false;
            seals_.pop_front();
            if (failure.ok()) {
                seal_ = seal;
            } else {
                seal_failure_ = failure;
                on_failure_();
            }
            done_.notify_all();
            continue;
        }
        if (stop_) return;
        if (!(number_ != 0 && ready_ == nullptr && prepare_failure_.status == Status::disk_full))
            work_.wait(lock);
    }
}

}  // namespace onetape
