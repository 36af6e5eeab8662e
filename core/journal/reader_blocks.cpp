// Reads a journal as the bytes of its segments, for a mirror on another machine.
#include <algorithm>
#include <cstring>

#include "journal/reader.hpp"
#include "journal/walk.hpp"

namespace onetape {

Status Reader::next_block(std::size_t bytes_max, Block& block) noexcept {
    if (stopped_) return failure_.status;
    if (number_ == 0) {
        if (Failure failure = enter_first(); !failure.ok()) return fail(std::move(failure));
    }
    const auto give = [&](const std::byte* from, std::size_t bytes) {
        block = {number_, static_cast<std::uint64_t>(from - map_.data()), sequence_, {from, bytes}};
        return Status::ok;
    };
    if (block_end_) {  // its end frame was given: the next segment follows
        const std::uint32_t before = crc_;
        crc_ = reinterpret_cast<const FrameHeader*>(cursor_)->crc;
        if (const Status status = advance(); status != Status::ok) {
            crc_ = before;
            return status;
        }
        block_end_ = false;
    }
    if (block_segment_ != number_) {
        block_segment_ = number_;
        return give(map_.data(), header_.data_offset);
    }
    const std::byte* const from = cursor_;
    Frame frame;
    if (!has_word())  // `slow` says what a sealed segment without its end is
        return map_.is_cut() || header_.sealed != 0 ? slow(frame) : Status::not_found;
    while (static_cast<std::size_t>(cursor_ - from) < bytes_max && fast(frame)) {
    }
    if (cursor_ != from) return give(from, static_cast<std::size_t>(cursor_ - from));
    if (at_end_frame()) {
        block_end_ = true;
        return give(cursor_, frame_header_bytes);
    }
    return slow(frame);  // a bad frame: it says whether the tail is torn or damaged
}

bool Reader::has_word() const noexcept {
    return cursor_ <= last_header_ &&
           static_cast<std::uint32_t>(
               std::atomic_ref<std::uint64_t>(
                   *const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(cursor_)))
                   .load(std::memory_order_acquire)) != 0;
}

bool Reader::at_end_frame() const noexcept {
    const std::span<const std::byte> bytes{map_.data(), frame_limit_};
    const FrameHeader* frame =
        good_frame(bytes, static_cast<std::size_t>(cursor_ - map_.data()), sequence_ + 1, crc_);
    return frame != nullptr && frame->type == static_cast<std::uint16_t>(EventType::end);
}

Status Reader::seek_block(std::uint64_t segment, std::uint64_t offset) noexcept {
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(options_.directory, files); !failure.ok())
        return fail(std::move(failure));
    stopped_ = false;
    const auto found = std::find_if(files.begin(), files.end(),
                                    [&](const auto& file) { return file.number == segment; });
    const std::string place = segment_path(options_.directory, segment);
    if (found == files.end()) {
        if (!files.empty() && files.front().number > segment)
            return fail({Status::gone, place + ": pruned; the tape now begins with segment " +
                                           std::to_string(files.front().number)});
        return fail({Status::not_found, place + ": not there yet"});
    }
    if (Failure failure = enter(*found, false); !failure.ok()) return fail(std::move(failure));
    block_end_ = false;
    block_segment_ = offset == 0 ? 0 : number_;
    Frame frame;
    while (cursor_ < map_.data() + offset && fast(frame)) {
    }
    if (offset <= static_cast<std::uint64_t>(cursor_ - map_.data())) return Status::ok;
    if (offset == static_cast<std::uint64_t>(cursor_ - map_.data()) + frame_header_bytes) {
        block_end_ = at_end_frame();
        if (block_end_) return Status::ok;
    }
    return fail({Status::foreign, place + ": ends before offset " + std::to_string(offset)});
}

}  // namespace onetape
