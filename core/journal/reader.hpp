#pragma once
// Reads a journal in order, sealed or while it is being written. Never writes to its segments.
// Not thread-safe; any number of readers may read one journal.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/bells.hpp"
#include "journal/control.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/seal.hpp"
#include "journal/segment.hpp"

namespace onetape {

struct Frame {
    const FrameHeader* header = nullptr;
    const std::byte* payload = nullptr;
    std::uint32_t payload_bytes = 0;

    [[nodiscard]] EventType type() const { return static_cast<EventType>(header->type); }
    template <class Payload>
    [[nodiscard]] const Payload& as() const {
        return *reinterpret_cast<const Payload*>(payload);
    }
};

// Bytes of a segment as they are in its file: its header and preamble, or whole frames.
struct Block {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;         // of the bytes in the segment
    std::uint64_t last_sequence = 0;  // of the last frame up to the end of the bytes
    std::span<const std::byte> bytes;
};

struct ReaderOptions {
    std::string directory;
    // Returns a descriptor of the plain content of a compressed segment, which the reader then
    // owns, or -1. Unset: compressed segments are not_available.
    std::function<int(const std::string& path)> expand;
};

class Reader {
 public:
    static Failure open(const ReaderOptions& options, std::unique_ptr<Reader>& reader);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Returns ok and a checked frame; not_found when there is none yet (end of a sealed journal,
    // the writer has not written it or has died in it); damaged and others, described by failure().
    // The frame stays valid until a later call leaves its segment.
    Status next(Frame& frame) noexcept;
    // Returns up to `frames.size()` checked frames, all of one segment; 0: call `next`, which gives
    // the reason. Checking several frames in a row costs half as much as checking them one by one
    // with other work in between: the checksums of several then overlap in the CPU.
    std::size_t next_batch(std::span<Frame> frames) noexcept;
    // Reads a batch of at least one frame into `frames`, `count` of them. Returns ok, or the status
    // of `next` if there is none.
    Status next_batch(std::span<Frame> frames, std::size_t& count) noexcept;
    // Undoes a batch from this frame on. crc_before: chain value of the frame before it.
    void give_back(const Frame& frame, std::uint32_t crc_before) noexcept;

    // Returns ok and the next bytes of the journal: of each segment its header and preamble, then
    // checked frames, at most `bytes_max` unless one is larger, then its end frame alone. Statuses
    // as of `next`. A reader gives frames or blocks, not both in turn.
    Status next_block(std::size_t bytes_max, Block& block) noexcept;
    // The next block begins at this place of a segment, which must be the beginning of a frame, or
    // zero. foreign: the segment's frames do not reach to it; gone: the segment was pruned.
    Status seek_block(std::uint64_t segment, std::uint64_t offset) noexcept;

    // Returns whether `next` would return something other than not_found; costs one load.
    [[nodiscard]] bool ready() noexcept;

    Status seek_sequence(std::uint64_t sequence) noexcept;  // the next frame is the one >= it
    Status seek_time(std::int64_t time) noexcept;           // the next frame is the first >= it
    // Last sequence published by the writer; without a control page, of the last sealed segment.
    [[nodiscard]] std::uint64_t last_sequence() noexcept;

    // Sequence of the next frame, and the chain value of the frame before it.
    [[nodiscard]] std::uint64_t next_sequence() const noexcept { return sequence_ + 1; }
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }
    [[nodiscard]] std::uint64_t segment_number() const noexcept { return number_; }

    // Preamble of the reader's current segment.
    [[nodiscard]] std::span<const PreambleEntry> preamble() const noexcept { return preamble_; }
    // The journal's; of one that is being created its control page's, because there is no segment
    // yet.
    [[nodiscard]] const Uuid& uuid() const noexcept;
    [[nodiscard]] std::uint64_t epoch() const noexcept;  // the segment's
    [[nodiscard]] const SegmentHeader& segment_header() const noexcept { return header_; }
    // nullptr if the journal has no control page (a copied tape).
    [[nodiscard]] const ControlPage* control() const noexcept;
    // Its process runs; of a copy: that of the journal that is copied, and the copying one.
    [[nodiscard]] bool writer_alive() const noexcept;
    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

    // Takes a slot on the bell board: segments from the reader's cursor on are not pruned, and the
    // writer can wake it.
    Failure join(const Bell* bell);
    void leave() noexcept { place_.reset(); }  // gives the slot back; no more wake-ups
    [[nodiscard]] BellPlace* place() noexcept { return place_.get(); }

 private:
    Reader() = default;
    [[nodiscard]] bool is_written() const noexcept;  // its files are, by a living process
    [[nodiscard]] bool fast(Frame& frame) noexcept;
    Status slow(Frame& frame) noexcept;
    Status advance() noexcept;  // to the next segment
    Failure enter(const SegmentFile& file, bool chained);
    [[nodiscard]] bool ready_slow() noexcept;
    Failure enter_first();
    Status seek(bool by_time, std::uint64_t sequence, std::int64_t time) noexcept;
    Status fail(Failure failure) noexcept;
    [[nodiscard]] bool has_word() const noexcept;      // a frame begins at the cursor
    [[nodiscard]] bool at_end_frame() const noexcept;  // it is the segment's end

    // Hot.
    const std::byte* cursor_ = nullptr;
    const std::byte* last_header_ = nullptr;  // where the last frame of the segment may begin
    std::uint64_t sequence_ = 0;
    std::uint32_t crc_ = 0;
    bool stopped_ = false;  // failure_ is final

    std::uint64_t number_ = 0;         // 0: no segment yet
    std::uint64_t block_segment_ = 0;  // whose header was given as a block
    bool block_end_ = false;           // the end frame at the cursor was given as a block
    Mapping map_;
    std::size_t frame_limit_ = 0;  // bytes of the mapping that may hold frames
    SegmentHeader header_{};
    std::vector<PreambleEntry> preamble_;
    ReaderOptions options_;
    Mapping control_map_;
    std::unique_ptr<BellPlace> place_;
    Failure failure_;
};

inline bool Reader::ready() noexcept {
    if (cursor_ == nullptr || cursor_ > last_header_) [[unlikely]]
        return ready_slow();
    const std::uint64_t word0 =
        std::atomic_ref<std::uint64_t>(
            *const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(cursor_)))
            .load(std::memory_order_acquire);
    if (static_cast<std::uint32_t>(word0) == 0) return false;
    if (((word0 >> 32) & 0xffff) != static_cast<std::uint16_t>(EventType::end)) return true;
    return ready_slow();
}

// Reads the next frame in the usual case: it is there, whole, mapped and correct.
inline bool Reader::fast(Frame& frame) noexcept {
    const std::byte* const at = cursor_;
    if (at == nullptr || at > last_header_) [[unlikely]]
        return false;
    // Pairs with the release of Writer::publish.
    const std::uint64_t word0 =
        std::atomic_ref<std::uint64_t>(
            *const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(at)))
            .load(std::memory_order_acquire);
    const auto length = static_cast<std::uint32_t>(word0);
    const std::uint64_t room = static_cast<std::uint64_t>(last_header_ - at) + frame_header_bytes;
    if (length < frame_header_bytes || length > room ||
        ((word0 >> 32) & 0xffff) == static_cast<std::uint16_t>(EventType::end)) [[unlikely]]
        return false;
    const auto* header = reinterpret_cast<const FrameHeader*>(at);
    const std::uint32_t payload_padded = padded(length) - frame_header_bytes;
    const std::uint32_t sum = payload_crc(at + frame_header_bytes, payload_padded);
    const std::uint32_t crc =
        chain_crc(crc_, word0, sequence_ + 1, header->time, header->stream, sum);
    // The sequence is checked together with the checksum, which is computed over the expected
    // sequence.
    if (crc != header->crc || header->sequence != sequence_ + 1 || !is_frame_time(header->time))
        [[unlikely]]
        return false;
    crc_ = crc;
    ++sequence_;
    cursor_ = at + frame_header_bytes + payload_padded;
    frame.header = header;
    frame.payload = at + frame_header_bytes;
    frame.payload_bytes = length - frame_header_bytes;
    return true;
}

inline Status Reader::next(Frame& frame) noexcept {
    return fast(frame) ? Status::ok : slow(frame);
}

inline std::size_t Reader::next_batch(std::span<Frame> frames) noexcept {
    std::size_t count = 0;
    while (count < frames.size() && fast(frames[count])) ++count;
    return count;
}

inline Status Reader::next_batch(std::span<Frame> frames, std::size_t& count) noexcept {
    count = next_batch(frames);
    if (count != 0) return Status::ok;
    const Status status = next(frames[0]);
    count = status == Status::ok ? 1 : 0;
    return status;
}

inline void Reader::give_back(const Frame& frame, std::uint32_t crc_before) noexcept {
    cursor_ = reinterpret_cast<const std::byte*>(frame.header);
    sequence_ = frame.header->sequence - 1;
    crc_ = crc_before;
}

}  // namespace onetape
