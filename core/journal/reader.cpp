#include "journal/reader.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "journal/recover.hpp"
#include "journal/walk.hpp"

namespace onetape {
Reader::~Reader() = default;

Failure Reader::open(const ReaderOptions& options, std::unique_ptr<Reader>& reader) {
    std::unique_ptr<Reader> made(new Reader);
    made->options_ = options;
    // Without a control page the journal is a copied or imported tape: read it as it is.
    (void)map_control(options.directory, false, made->control_map_);
    if (Failure failure = made->enter_first();
        !failure.ok() && !(failure.status == Status::not_found && made->control() != nullptr))
        return failure;
    reader = std::move(made);
    return {};
}

const ControlPage* Reader::control() const noexcept {
    if (control_map_.data() == nullptr) return nullptr;
    const ControlPage& page = control_page(control_map_);
    if (page.magic != control_magic) return nullptr;
    if (number_ != 0 && page.uuid != header_.uuid) return nullptr;
    return &page;
}

const Uuid& Reader::uuid() const noexcept {
    const ControlPage* page = number_ == 0 ? control() : nullptr;
    return page == nullptr ? header_.uuid : page->uuid;
}

std::uint64_t Reader::epoch() const noexcept {
    const ControlPage* page = number_ == 0 ? control() : nullptr;
    return page == nullptr ? header_.epoch : page->epoch;
}

bool Reader::writer_alive() const noexcept {
    return is_written() && control()->away.load(std::memory_order_acquire) == 0;
}

bool Reader::is_written() const noexcept {
    const ControlPage* page = control();
    return page != nullptr && page->closed.load(std::memory_order_acquire) == 0 &&
           page->boot_id == boot_id() && process_alive(page->pid, page->pid_start);
}

Status Reader::fail(Failure failure) noexcept {
    failure_ = std::move(failure);
    if (failure_.status != Status::not_found && failure_.status != Status::torn) stopped_ = true;
    return failure_.status;
}

Failure Reader::enter_first() {
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(options_.directory, files); !failure.ok()) return failure;
    if (files.empty()) return {Status::not_found, options_.directory + ": holds no tape segment"};
    return enter(files.front(), false);
}

// chained: it must continue the segment at whose end the reader is.
Failure Reader::enter(const SegmentFile& listed, bool chained) {
    FileHandle file;
    if (listed.compressed) {
        if (!options_.expand)
            return {Status::not_available, listed.path + ": compressed, and no way to expand it"};
        file = FileHandle(options_.expand(listed.path));
        if (!file.is_open()) return {Status::damaged, listed.path + ": cannot be expanded"};
    } else if (Failure failure = open_file(listed.path, O_RDONLY, file); !failure.ok()) {
        return failure;
    }
    std::uint64_t bytes = 0;
    if (Failure failure = file_bytes(file, listed.path, bytes); !failure.ok()) return failure;
    if (bytes < sizeof(SegmentHeader))
        return {Status::damaged, listed.path + ": shorter than a segment header"};
    if (bytes > segment_bytes_limit)
        return {Status::exhausted, listed.path + ": larger than 1 GiB"};
    Mapping map;
    if (Failure failure = Mapping::map(file, bytes, false, listed.path, map); !failure.ok())
        return failure;
    // The magic is stored last, with release order.
    auto* base = reinterpret_cast<std::uint64_t*>(map.data());
    if (std::atomic_ref<std::uint64_t>(*base).load(std::memory_order_acquire) == 0)
        return {Status::not_found, listed.path + ": prepared, not entered yet"};
    SegmentHeader header;
    std::memcpy(&header, map.data(), sizeof header);
    if (Failure failure = check_header(header, bytes, listed.number, listed.path); !failure.ok())
        return failure;
    if (chained) {
        if (header.uuid != header_.uuid)
            return {Status::foreign, listed.path + ": belongs to journal " +
                                         uuid_text(header.uuid) + ", not " +
                                         uuid_text(header_.uuid)};
        if (header.first_sequence != sequence_ + 1 || header.chain_seed != crc_)
            return {Status::damaged, listed.path + ": does not continue the segment before it"};
    } else if (number_ != 0 && header.uuid != header_.uuid) {
        return {Status::foreign, listed.path + ": belongs to journal " + uuid_text(header.uuid)};
    }
    std::size_t limit = bytes;
    if (header.sealed != 0) {
        SegmentTrailer trailer;
        if (Failure failure = read_trailer({map.data(), bytes}, header, listed.path, trailer);
            !failure.ok())
            return failure;
        limit = trailer.index_offset;
    }
    std::vector<PreambleEntry> preamble;
    if (Failure failure = unpack_preamble({map.data(), bytes}, header, listed.path, preamble);
        !failure.ok())
        return failure;
    map_ = std::move(map);
    header_ = header;
    preamble_ = std::move(preamble);
    number_ = header.number;
    sequence_ = header.first_sequence - 1;
    crc_ = header.chain_seed;
    frame_limit_ = limit;
    cursor_ = map_.data() + header.data_offset;
    // Pages are mapped on the first touch: the kernel maps the neighbors of a faulting page with
    // it, which costs less here than requesting them (MADV_POPULATE_READ: 280 ns a page against
    // 160).
    last_header_ = map_.data() + frame_limit_ - frame_header_bytes;
    if (place_ != nullptr) place_->lease(number_, sequence_ + 1);
    return {};
}

Status Reader::advance() noexcept {
    const std::string path = segment_path(options_.directory, number_ + 1);
    Failure failure = enter({number_ + 1, path, false}, true);
    const std::string packed = path + ".zst";
    if (failure.status == Status::not_found && ::access(packed.c_str(), F_OK) == 0)
        failure = enter({number_ + 1, packed, true}, true);
    if (failure.ok()) return Status::ok;
    if (failure.status != Status::not_found) return fail(std::move(failure));
    // The segment's file is missing. If later ones exist it was pruned under us, or is lost.
    std::vector<SegmentFile> files;
    if (list_segments(options_.directory, files).ok() && !files.empty() &&
        files.back().number > number_ + 1) {
        // A living writer may have entered it, and made the one after it, since our check.
        const bool is_there =
            ::access(path.c_str(), F_OK) == 0 || ::access(packed.c_str(), F_OK) == 0;
        if (is_there && is_written()) return fail(std::move(failure));
        if (files.front().number > number_ + 1)
            return fail({Status::gone, path + ": pruned; the tape now begins with segment " +
                                           std::to_string(files.front().number)});
        return fail({Status::damaged, path + ": missing, later segments are there"});
    }
    return fail(std::move(failure));
}

Status Reader::slow(Frame& frame) noexcept {
    for (;;) {
        if (stopped_) return failure_.status;
        if (number_ == 0) {
            if (Failure failure = enter_first(); !failure.ok()) return fail(std::move(failure));
            return next(frame);
        }
        const std::span<const std::byte> bytes{map_.data(), frame_limit_};
        const auto offset = static_cast<std::size_t>(cursor_ - map_.data());
        // Made only when needed: this function is called very often, mostly without a new frame.
        const auto path = [this] { return segment_path(options_.directory, number_); };
        if (map_.is_cut())
            return fail({Status::damaged, path() + ": was cut short while it was read"});
        std::uint64_t word0 = 0;
        if (offset + frame_header_bytes <= frame_limit_)
            word0 =
                std::atomic_ref<std::uint64_t>(
                    *const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(cursor_)))
                    .load(std::memory_order_acquire);
        if (static_cast<std::uint32_t>(word0) == 0) {
            if (header_.sealed != 0)
                return fail({Status::damaged, path() + ": offset " + std::to_string(offset) +
                                                  ": a sealed segment without its end"});
            return fail({Status::not_found, ""});
        }
        const FrameHeader* header = good_frame(bytes, offset, sequence_ + 1, crc_);
        if (header == nullptr) {
            // A living writer never shows a bad frame; one that died may have left a torn one.
            // Reading ends there: a torn frame was never promised, `verify` counts it, and the next
            // writer or `repair` sets it aside.
            Walk walk;
            walk.offset = offset;
            walk.last_sequence = sequence_;
            walk.crc = crc_;
            walk.stop = WalkStop::bad_frame;
            if (header_.sealed == 0 && !is_written()) {
                // Another writer may be recovering at the moment and have cut the file.
                std::uint64_t size = 0;
                FileHandle file;
                const std::string name = path();
                if (open_file(name, O_RDONLY, file).ok()) (void)file_bytes(file, name, size);
                const Tail tail = judge_tail(bytes.first(std::min<std::size_t>(bytes.size(), size)),
                                             walk, last_writer(control(), header_.uuid), name);
                if (tail.state == TailState::torn) return fail({Status::not_found, ""});
            }
            const char* what =
                offset + frame_header_bytes <= frame_limit_ &&
                        !is_frame_time(reinterpret_cast<const FrameHeader*>(cursor_)->time)
                    ? ": a time beyond the years 1740 to 2200 after sequence "
                    : ": a bad frame after sequence ";
            return fail({Status::damaged, path() + ": offset " + std::to_string(offset) + what +
                                              std::to_string(sequence_)});
        }
        if (header->type != static_cast<std::uint16_t>(EventType::end)) return next(frame);
        // Stays at the end frame until the next segment can be entered, then checks the chain.
        const std::uint32_t before = crc_;
        crc_ = header->crc;
        const Status status = advance();
        if (status == Status::ok) return next(frame);
        crc_ = before;
        if (status == Status::not_found && header->flags == end_rolled && !is_written()) {
            // The end frame announces a next segment, whose file was created before it, at least as
            // a prepared one.
            std::vector<SegmentFile> files;
            if (list_segments(options_.directory, files).ok() && files.back().number == number_ &&
                !died_moving_on(control(), uuid(), sequence_))
                return fail(
                    {Status::damaged, segment_path(options_.directory, number_ + 1) +
                                          ": missing, the tape says that it goes on there"});
        }
        return status;
    }
}

// At the end of the segment, or before the very first frame.
bool Reader::ready_slow() noexcept {
    if (stopped_) return true;
    if (number_ == 0) return enter_first().ok() && ready();
    if (cursor_ > last_header_ || map_.is_cut()) return true;
    const auto* end = reinterpret_cast<const FrameHeader*>(cursor_);
    const std::span<const std::byte> bytes{map_.data(), frame_limit_};
    if (good_frame(bytes, static_cast<std::size_t>(cursor_ - map_.data()), sequence_ + 1, crc_) ==
        nullptr)
        return true;
    if (block_segment_ == number_ && !block_end_) return true;  // the end frame is a block
    const std::uint32_t before = crc_;
    crc_ = end->crc;
    const Status status = advance();
    block_end_ = block_end_ && status != Status::ok;
    if (status == Status::ok) return block_segment_ != 0 || ready();  // its header is a block
    crc_ = before;
    return status != Status::not_found;
}

Status Reader::seek_sequence(std::uint64_t sequence) noexcept {
    return seek(false, sequence, 0);
}
Status Reader::seek_time(std::int64_t time) noexcept {
    return seek(true, 0, time);
}

Status Reader::seek(bool by_time, std::uint64_t sequence, std::int64_t time) noexcept {
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(options_.directory, files); !failure.ok())
        return fail(std::move(failure));
    stopped_ = false;
    // The last segment that begins at or before the target. By time, every sealed segment whose
    // latest time is too early is skipped; times need not ascend, the latest counts.
    std::size_t chosen = 0;
    bool found = false;
    const auto behind = [&](const SegmentTrailer& trailer) {
        return by_time ? trailer.frame_count == 0 || trailer.latest_time < time
                       : trailer.last_sequence < sequence;
    };
    SegmentTrailer trailer{};
    for (std::size_t i = 0; i < files.size() && !found; ++i) {
        Failure failure = enter(files[i], false);
        // Only prepared. In a journal that is being created it is the first segment: nothing is
        // skipped.
        if (failure.status == Status::not_found && (i > 0 || number_ == 0)) break;
        if (!failure.ok()) return fail(std::move(failure));
        chosen = i;
        if (header_.sealed == 0) break;
        failure = read_trailer({map_.data(), map_.bytes()}, header_, files[i].path, trailer);
        if (!failure.ok()) return fail(std::move(failure));
        found = !behind(trailer);
    }
    (void)chosen;
    if (found) {
        const auto* index = reinterpret_cast<const IndexEntry*>(map_.data() + trailer.index_offset);
        const IndexEntry* best = nullptr;
        for (std::uint64_t i = 0; i < trailer.index_count; ++i) {
            const bool before =
                by_time ? index[i].time_before < time : index[i].sequence <= sequence;
            if (!before) break;
            best = index + i;
        }
        const bool inside = best != nullptr && best->offset % frame_align == 0 &&
                            best->offset >= header_.data_offset &&
                            best->offset + frame_header_bytes <= trailer.index_offset;
        if (best != nullptr && !inside)
            return fail({Status::damaged, segment_path(options_.directory, number_) +
                                              ": an index entry points outside the frames"});
        if (best != nullptr) {
            cursor_ = map_.data() + best->offset;
            sequence_ = best->sequence - 1;
            crc_ = best->crc_before;
        }
    }
    // Reads and checks the remaining frames one by one; then goes back one frame.
    Frame frame;
    for (;;) {
        const std::byte* const cursor = cursor_;
        const std::uint64_t last = sequence_, number = number_;
        const std::uint32_t crc = crc_;
        const Status status = next(frame);
        if (status != Status::ok) return status == Status::not_found ? Status::ok : status;
        const bool there =
            by_time ? frame.header->time >= time : frame.header->sequence >= sequence;
        if (!there) continue;
        if (number == number_) {
            cursor_ = cursor;
            sequence_ = last;
            crc_ = crc;
        } else {  // the first of its segment
            cursor_ = map_.data() + header_.data_offset;
            sequence_ = header_.first_sequence - 1;
            crc_ = header_.chain_seed;
        }
        return Status::ok;
    }
}

std::uint64_t Reader::last_sequence() noexcept {
    if (const ControlPage* page = control(); page != nullptr)
        return page->published.load(std::memory_order_acquire);
    std::vector<SegmentFile> files;
    if (!list_segments(options_.directory, files).ok()) return 0;
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
        Reader look;
        look.options_ = options_;
        if (!look.enter(*file, false).ok()) continue;
        SegmentTrailer trailer;
        if (look.header_.sealed != 0 &&
            read_trailer({look.map_.data(), look.map_.bytes()}, look.header_, file->path, trailer)
                .ok())
            return trailer.last_sequence;
        return walk_frames({look.map_.data(), look.frame_limit_}, look.header_).last_sequence;
    }
    return 0;
}

Failure Reader::join(const Bell* bell) {
    if (Failure failure = BellPlace::take(options_.directory, bell, place_); !failure.ok())
        return failure;
    place_->lease(number_ == 0 ? 1 : number_, sequence_ + 1);
    return {};
}

}  // namespace onetape
