#include "journal/mirror.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "journal/lock.hpp"
#include "journal/walk.hpp"

namespace onetape {
namespace {

// Zeros what follows the last good frame: a frame that was half copied comes again.
void drop_tail(const OpenSegment& segment, std::uint64_t offset) noexcept {
    std::byte* const from = segment.map.data() + offset;
    std::size_t last = segment.map.bytes() - offset;
    while (last > 0 && from[last - 1] == std::byte{0}) --last;
    std::memset(from, 0, last);
}

}  // namespace

Mirror::~Mirror() {
    if (pid_ != ::getpid()) {
        // In a forked child: the threads do not exist here, and the journal is the parent's.
        (void)preparer_.release();
        (void)syncer_.release();
        return;
    }
    if (syncer_ != nullptr) syncer_->stop();
    if (control_ == nullptr) return;
    control_->pid = 0;
    control_->boot_id = {};  // whoever goes on with it may lack its end, as after a loss of power
}

Failure Mirror::open(const std::string& directory, bool durable, const Digest& seal,
                     std::unique_ptr<Mirror>& mirror) {
    if (Failure failure = make_directory(directory); !failure.ok()) return failure;
    std::unique_ptr<Mirror> made(new Mirror);
    made->directory_ = directory;
    made->durable_ = durable;
    made->pid_ = ::getpid();
    if (Failure failure = take_lock(directory, made->lock_); !failure.ok()) return failure;
    if (Failure failure = map_control(directory, true, made->control_map_); !failure.ok())
        return failure;
    if (Failure failure = map_bells(directory, true, made->bells_map_); !failure.ok())
        return failure;
    (void)register_for_membarrier();
    ControlPage& control = control_page(made->control_map_);
    Digest last = seal;
    if (Failure failure = made->resume(directory, durable, last); !failure.ok()) return failure;
    control.magic = 0;
    control.version = 1;
    control.uuid = made->uuid_;
    control.pid = static_cast<std::uint32_t>(::getpid());
    control.pid_start = process_start(control.pid);
    control.boot_id = boot_id();
    control.published.store(made->place_.sequence);
    control.durable.store(std::min(control.durable.load(), made->place_.sequence));
    control.closed.store(0);
    control.failed.store(0);
    control.away.store(0);
    std::atomic_ref<std::uint64_t>(control.magic).store(control_magic, std::memory_order_release);
    made->control_ = &control;
    made->bells_ = &bell_board(made->bells_map_);
    Mirror* const self = made.get();
    made->preparer_ = std::make_unique<Preparer>(directory, durable, last, [self] {
        self->control_->failed.store(1);
        self->limit_.store(0);
    });
    made->syncer_ = std::make_unique<Syncer>(control, made->limit_, durable);
    if (made->current_ != nullptr) made->syncer_->entered(made->current_);
    mirror = std::move(made);
    return {};
}

// Finds the place behind what is there, and seals what a death left unsealed. seal: in, that before
// the first segment; out, of the last sealed one.
Failure Mirror::resume(const std::string& directory, bool durable, Digest& seal) {
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(directory, files); !failure.ok()) return failure;
    std::size_t first = 0;
    if (Failure failure = find_last_sealed(files, first); !failure.ok()) return failure;
    for (std::size_t i = first; i < files.size(); ++i) {
        auto segment = std::make_shared<OpenSegment>();
        if (Failure failure = open_segment(files[i], *segment); !failure.ok()) return failure;
        const SegmentHeader& header = segment->header();
        const Failure checked =
            check_header(header, segment->map.bytes(), files[i].number, files[i].path);
        if (!checked.ok() && i + 1 == files.size() && header.sealed == 0) {
            // A death while it was begun: it comes again.
            if (::unlink(files[i].path.c_str()) != 0)
                return system_failure("unlink", files[i].path, errno);
            return {};
        }
        if (!checked.ok()) return checked;
        uuid_ = header.uuid;
        ended_ = true;
        if (header.sealed != 0) {
            SegmentTrailer trailer;
            if (Failure failure = cut_sealed(*segment, trailer); !failure.ok()) return failure;
            seal = trailer.seal;
            place_ = {header.number, trailer.index_offset, trailer.last_sequence, trailer.last_crc};
            continue;
        }
        const Walk walk = walk_frames(segment->bytes(), header);
        place_ = {header.number, walk.offset, walk.last_sequence, walk.crc};
        if (walk.stop == WalkStop::end_frame) {
            if (Failure failure = seal_segment(*segment, durable, seal); !failure.ok())
                return failure;
            continue;
        }
        if (i + 1 != files.size())
            return {Status::damaged, files[i].path + ": breaks off, and another segment follows"};
        drop_tail(*segment, walk.offset);
        ended_ = false;
        current_ = std::move(segment);
    }
    return {};
}

Status Mirror::fail(Failure failure) noexcept {
    failure_ = std::move(failure);
    return failure_.status;
}

Status Mirror::take(std::uint64_t segment, std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept {
    if (limit_.load() == 0)
        return fail({Status::io_error, directory_ + ": stopped after a failed sync or seal"});
    if (offset == 0 && (place_.segment == 0 || (ended_ && segment == place_.segment + 1))) {
        Failure failure = begin_segment(segment, bytes);
        return failure.ok() ? Status::ok : fail(std::move(failure));
    }
    if (segment < place_.segment) return Status::ok;
    if (segment > place_.segment || offset > place_.offset || (ended_ && offset == place_.offset))
        return fail({Status::not_found, segment_path(directory_, segment) +
                                            ": blocks are missing before offset " +
                                            std::to_string(offset)});
    const std::uint64_t had = std::min<std::uint64_t>(place_.offset - offset, bytes.size());
    const std::size_t compared_from = offset == 0 ? sizeof(SegmentHeader) : 0;  // `sealed` differs
    if (current_ != nullptr && had > compared_from &&
        std::memcmp(current_->map.data() + offset + compared_from, bytes.data() + compared_from,
                    had - compared_from) != 0)
        return fail({Status::foreign,
                     current_->path + ": other bytes are at offset " + std::to_string(offset)});
    if (ended_ || had == bytes.size()) return Status::ok;
    return take_frames(bytes.subspan(had));
}

Failure Mirror::begin_segment(std::uint64_t number, std::span<const std::byte> bytes) {
    const std::string path = segment_path(directory_, number);
    SegmentHeader header;
    if (bytes.size() < sizeof header)
        return {Status::damaged, path + ": a block shorter than a header"};
    std::memcpy(&header, bytes.data(), sizeof header);
    header.sealed = 0;
    if (header.capacity > segment_bytes_limit)
        return {Status::damaged, path + ": its capacity is beyond 1 GiB"};
    if (Failure failure = check_header(header, header.capacity, number, path); !failure.ok())
        return failure;
    if (header.data_offset != bytes.size())
        return {Status::damaged, path + ": the block of its header has another length"};
    std::vector<PreambleEntry> entries;
    if (Failure failure = unpack_preamble(bytes, header, path, entries); !failure.ok())
        return failure;
    if (place_.segment != 0) {
        if (header.uuid != uuid_)
            return {Status::foreign, path + ": belongs to journal " + uuid_text(header.uuid)};
        if (header.first_sequence != place_.sequence + 1 || header.chain_seed != place_.crc)
            return {Status::damaged, path + ": does not continue the segment before it"};
    }
    preparer_->ask(number, header.capacity, header.capacity);
    std::shared_ptr<OpenSegment> segment;
    if (Failure failure = preparer_->take(segment); !failure.ok()) {
        preparer_->discard();
        return failure;
    }
    std::byte* const base = segment->map.data();
    std::memcpy(base + sizeof header, bytes.data() + sizeof header, bytes.size() - sizeof header);
    std::memcpy(base + 8, reinterpret_cast<const std::byte*>(&header) + 8, sizeof header - 8);
    syncer_->entered(segment);
    uuid_ = header.uuid;
    control_->uuid = header.uuid;
    control_->epoch = header.epoch;
    place_ = {number, header.data_offset, header.first_sequence - 1, header.chain_seed};
    ended_ = false;
    current_ = std::move(segment);
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(base))
        .store(segment_magic, std::memory_order_release);
    return {};
}

Status Mirror::take_frames(std::span<const std::byte> bytes) noexcept {
    const std::uint64_t room = current_->map.bytes() - sizeof(SegmentTrailer);
    Status status = Status::ok;
    for (std::uint64_t at = 0; at < bytes.size() && status == Status::ok;) {
        const FrameHeader* frame = good_frame(bytes, at, place_.sequence + 1, place_.crc);
        const std::uint32_t length = frame == nullptr ? 0 : padded(frame->length);
        if (frame == nullptr || ended_ || place_.offset + length > room) {
            status =
                fail({Status::damaged,
                      current_->path + ": the block at offset " + std::to_string(place_.offset) +
                          " does not continue sequence " + std::to_string(place_.sequence)});
            break;
        }
        std::byte* const to = current_->map.data() + place_.offset;
        std::memcpy(to + 8, bytes.data() + at + 8, length - 8);
        // Pairs with the acquire of Reader::next, as of Writer::publish.
        std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(to))
            .store(load_word(bytes.data() + at), std::memory_order_release);
        ended_ = frame->type == static_cast<std::uint16_t>(EventType::end);
        if (!ended_) place_.sequence = frame->sequence;
        place_.crc = frame->crc;
        place_.offset += length;
        at += length;
    }
    control_->published.store(place_.sequence, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // as after Writer::publish
    if (bells_->sleepers.load(std::memory_order_relaxed) != 0) ringer_.ring(*bells_);
    if (ended_ && current_ != nullptr) {
        preparer_->seal(std::move(current_));
        current_.reset();
    }
    return status;
}

void Mirror::show_writer(std::int64_t heartbeat, std::uint64_t progress, bool closed,
                         bool alive) noexcept {
    control_->away.store(alive ? 0 : 1, std::memory_order_release);
    if (progress != control_->progress.load()) control_->progress_time.store(heartbeat);
    control_->heartbeat.store(heartbeat);
    control_->progress.store(progress);
    if (closed && ended_ && control_->closed.exchange(1) == 0 && bells_->sleepers.load() != 0)
        ringer_.ring(*bells_);
    if (!closed) control_->closed.store(0);
}

}  // namespace onetape
