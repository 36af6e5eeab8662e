#include "text/row_sorter.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace onetape {
namespace {

constexpr std::size_t read_rows = 512;                      // 68 KiB a run
constexpr std::size_t level_buffer = std::size_t{1} << 16;  // levels before they are written

[[nodiscard]] Failure failed(const char* call) {
    const int error = errno;
    const Status status = error == ENOSPC || error == EDQUOT ? Status::disk_full : Status::io_error;
    return {status, std::string("sorting rows: ") + call + ": " + std::strerror(error)};
}

// A file that is unlinked while open, so nothing remains.
[[nodiscard]] int open_unlinked(const std::string& path) {
    const int descriptor =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor >= 0) ::unlink(path.c_str());
    return descriptor;
}

[[nodiscard]] bool write_all(int descriptor, const void* data, std::size_t bytes) {
    const auto* p = static_cast<const char*>(data);
    while (bytes > 0) {
        const ssize_t put = ::write(descriptor, p, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        p += put;
        bytes -= static_cast<std::size_t>(put);
    }
    return true;
}

// The location of a book row's levels is stored behind its BookPayload.
void put_place(EventRow& row, std::uint64_t place) {
    std::memcpy(row.payload.data() + sizeof(BookPayload), &place, sizeof place);
}

[[nodiscard]] std::uint64_t place_of(const EventRow& row) {
    std::uint64_t place = 0;
    std::memcpy(&place, row.payload.data() + sizeof(BookPayload), sizeof place);
    return place;
}

}  // namespace

// The levels of all book rows, in order of arrival. Rows are sorted without them.
struct RowSorter::LevelFile {
    int descriptor = -1;
    std::uint64_t written = 0;  // levels in the file
    std::vector<BookLevel> buffer;

    ~LevelFile() {
        if (descriptor >= 0) ::close(descriptor);
    }

    [[nodiscard]] bool flush() {
        if (!write_all(descriptor, buffer.data(), buffer.size() * sizeof(BookLevel))) return false;
        written += buffer.size();
        buffer.clear();
        return true;
    }
};

struct RowSorter::Run {
    int descriptor = -1;
    std::size_t left = 0;  // rows not yet read from the file
    std::vector<EventRow> buffer;
    std::size_t cursor = 0;

    ~Run() {
        if (descriptor >= 0) ::close(descriptor);
    }

    [[nodiscard]] const EventRow& front() const noexcept { return buffer[cursor]; }

    // ok with a row in front; not_found at the end.
    Status advance(Failure& failure) {
        if (!buffer.empty() && ++cursor < buffer.size()) return Status::ok;
        if (left == 0) return Status::not_found;
        buffer.resize(std::min(left, read_rows));
        left -= buffer.size();
        cursor = 0;
        auto* p = reinterpret_cast<char*>(buffer.data());
        std::size_t bytes = buffer.size() * sizeof(EventRow);
        while (bytes > 0) {
            const ssize_t got = ::read(descriptor, p, bytes);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) {
                failure = failed("read");
                return failure.status;
            }
            p += got;
            bytes -= static_cast<std::size_t>(got);
        }
        return Status::ok;
    }
};

RowSorter::RowSorter(std::string directory, std::size_t rows_in_memory)
    : directory_(std::move(directory)), rows_in_memory_(std::max<std::size_t>(rows_in_memory, 2)) {}

RowSorter::~RowSorter() = default;

Failure RowSorter::add(const EventRow& row, std::span<const BookLevel> levels) {
    rows_.push_back(row);
    if (row.type == EventType::book) {
        if (levels_ == nullptr) {
            levels_ = std::make_unique<LevelFile>();
            levels_->descriptor = open_unlinked(directory_ + "/.sort-levels");
            if (levels_->descriptor < 0) return failure_ = failed("open");
        }
        put_place(rows_.back(), levels_->written + levels_->buffer.size());
        levels_->buffer.insert(levels_->buffer.end(), levels.begin(), levels.end());
        if (levels_->buffer.size() >= level_buffer && !levels_->flush()) {
            return failure_ = failed("write");
        }
    }
    return rows_.size() < rows_in_memory_ ? Failure{} : spill();
}

Failure RowSorter::spill() {
    std::sort(rows_.begin(), rows_.end(),
              [](const EventRow& a, const EventRow& b) { return a.before(b); });
    const std::string path = directory_ + "/.sort-" + std::to_string(runs_.size());
    auto run = std::make_unique<Run>();
    run->descriptor = open_unlinked(path);
    if (run->descriptor < 0) return failure_ = failed("open");
    if (!write_all(run->descriptor, rows_.data(), rows_.size() * sizeof(EventRow))) {
        return failure_ = failed("write");
    }
    if (::lseek(run->descriptor, 0, SEEK_SET) != 0) return failure_ = failed("seek");
    run->left = rows_.size();
    runs_.push_back(std::move(run));
    rows_.clear();
    return {};
}

Failure RowSorter::finish() {
    if (levels_ != nullptr && !levels_->flush()) return failure_ = failed("write");
    if (runs_.empty()) {
        std::sort(rows_.begin(), rows_.end(),
                  [](const EventRow& a, const EventRow& b) { return a.before(b); });
        return {};
    }
    if (!rows_.empty()) {
        if (Failure failure = spill(); !failure.ok()) return failure;
    }
    std::vector<EventRow>().swap(rows_);
    for (const auto& run : runs_) {
        if (run->advance(failure_) != Status::ok) return failure_;
        heap_.push_back(run.get());
    }
    const auto later = [](const Run* a, const Run* b) { return b->front().before(a->front()); };
    std::make_heap(heap_.begin(), heap_.end(), later);
    return {};
}

Status RowSorter::next(EventRow& row, std::vector<BookLevel>& levels) {
    levels.clear();
    const Status status = take(row);
    if (status != Status::ok || row.type != EventType::book) return status;
    return levels_of(row, levels);
}

Status RowSorter::levels_of(const EventRow& row, std::vector<BookLevel>& levels) {
    BookPayload head;
    std::memcpy(&head, row.payload.data(), sizeof head);
    levels.resize(std::size_t{head.bid_count} + head.ask_count);
    auto* p = reinterpret_cast<char*>(levels.data());
    std::size_t bytes = levels.size() * sizeof(BookLevel);
    auto offset = static_cast<off_t>(place_of(row) * sizeof(BookLevel));
    while (bytes > 0) {
        const ssize_t got = ::pread(levels_->descriptor, p, bytes, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            failure_ = failed("read");
            return failure_.status;
        }
        p += got;
        offset += got;
        bytes -= static_cast<std::size_t>(got);
    }
    return Status::ok;
}

Status RowSorter::take(EventRow& row) {
    if (runs_.empty()) {
        if (cursor_ == rows_.size()) return Status::not_found;
        row = rows_[cursor_++];
        return Status::ok;
    }
    if (heap_.empty()) return Status::not_found;
    const auto later = [](const Run* a, const Run* b) { return b->front().before(a->front()); };
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Run* const run = heap_.back();
    row = run->front();
    switch (run->advance(failure_)) {
        case Status::ok:
            std::push_heap(heap_.begin(), heap_.end(), later);
            break;
        case Status::not_found:
            heap_.pop_back();
            break;
        default:
            return failure_.status;
    }
    return Status::ok;
}

}  // namespace onetape
