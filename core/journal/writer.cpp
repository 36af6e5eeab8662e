#include "journal/writer.hpp"

#include <unistd.h>

#include <algorithm>

#include "journal/heartbeat.hpp"
#include "journal/lock.hpp"
#include "journal/preparer.hpp"
#include "journal/recover.hpp"
#include "journal/syncer.hpp"

namespace onetape {
namespace {

// Reserved in each segment until the next one is ready; ordinary frames may not use it: room for a
// few hundred cancels, kills and replies.
constexpr std::uint64_t urgent_reserve_max = 64ull << 10;
constexpr std::uint64_t segment_growth = 4;
constexpr std::uint64_t segment_bytes_min = 64ull << 10;
constexpr std::uint64_t page = 4096;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

void take_control(ControlPage& control, const Uuid& uuid, std::uint64_t epoch,
                  std::uint64_t last_sequence) {
    control.magic = 0;
    control.version = 1;
    control.uuid = uuid;
    control.epoch = epoch;
    control.pid = static_cast<std::uint32_t>(::getpid());
    control.pid_start = process_start(control.pid);
    control.boot_id = boot_id();
    control.published.store(last_sequence);
    // Frames sealed by recovery are as durable as their seal; the value is only a lower bound.
    control.progress.store(0);
    control.closed.store(0);
    control.failed.store(0);
    control.away.store(0);
    control.replicated.store(0);
    std::atomic_ref<std::uint64_t>(control.magic).store(control_magic, std::memory_order_release);
}

}  // namespace

struct Writer::Threads {
    Threads(const std::string& directory, bool durable, Digest seal, ControlPage& control,
            std::atomic<std::uintptr_t>& limit)
        : preparer(directory, durable, seal,
                   [&control, &limit] {
                       control.failed.store(1);
                       limit.store(0);
                   }),
          syncer(control, limit, durable) {}

    std::shared_ptr<OpenSegment> current;
    Preparer preparer;
    Syncer syncer;
    std::unique_ptr<Heartbeat> heartbeat;
};

Writer::Writer() = default;

Failure Writer::open(const WriterOptions& options, std::unique_ptr<Writer>& writer) {
    if (options.process.size() >= name_bytes || options.account.size() >= name_bytes)
        return {Status::invalid, "process and account names are at most 63 bytes"};
    if (options.segment_bytes_first < segment_bytes_min ||
        options.segment_bytes_max < options.segment_bytes_first ||
        options.segment_bytes_max > segment_bytes_limit / 4)
        return {Status::invalid,
                "segment sizes must be at least 64 KiB, first <= max, at most "
                "256 MiB; first is " +
                    std::to_string(options.segment_bytes_first) + ", max is " +
                    std::to_string(options.segment_bytes_max)};
    if (Failure failure = make_directory(options.directory); !failure.ok()) return failure;

    std::unique_ptr<Writer> made(new Writer);
    made->options_ = options;
    made->pid_ = ::getpid();
    if (Failure failure = take_lock(options.directory, made->lock_); !failure.ok()) return failure;
    if (Failure failure = map_control(options.directory, true, made->control_map_); !failure.ok())
        return failure;
    if (Failure failure = map_bells(options.directory, true, made->bells_map_); !failure.ok())
        return failure;
    made->control_ = &control_page(made->control_map_);
    made->bells_ = &bell_board(made->bells_map_);
    (void)register_for_membarrier();

    JournalEnd end;
    if (Failure failure = recover_journal(options.directory, made->control_, options.durable, end);
        !failure.ok())
        return failure;
    made->uuid_ = end.exists ? end.uuid : options.uuid;
    if (made->uuid_ == Uuid{}) return {Status::invalid, "a new journal needs a uuid"};
    if (options.uuid != Uuid{} && options.uuid != made->uuid_)
        return {Status::foreign, options.directory + ": holds journal " + uuid_text(end.uuid)};
    made->epoch_ = std::max(end.epoch + 1, options.epoch_min);
    made->sequence_ = end.last_sequence;
    made->crc_ = end.exists ? end.crc : first_seed(made->uuid_);
    made->recovered_ = {end.torn_bytes, end.torn_file, end.last_sequence};
    made->preamble_ = pack_preamble(options.preamble);
    made->preamble_count_ = static_cast<std::uint32_t>(options.preamble.size());
    made->next_bytes_ = options.segment_bytes_first;
    take_control(*made->control_, made->uuid_, made->epoch_, end.last_sequence);
    if (!end.exists) made->control_->durable.store(0);

    made->threads_ = std::make_unique<Threads>(options.directory, options.durable, end.seal,
                                               *made->control_, made->limit_);
    made->ask_next(end.number + 1, 0);
    std::shared_ptr<OpenSegment> segment;
    if (Failure failure = made->threads_->preparer.take(segment); !failure.ok()) return failure;
    if (Failure failure = made->enter(std::move(segment)); !failure.ok()) return failure;
    if (options.heartbeat) {
        made->threads_->heartbeat = std::make_unique<Heartbeat>(*made->control_);
        made->threads_->heartbeat->entered(made->threads_->current, made->sequence_ + 1);
    }
    writer = std::move(made);
    return {};
}

Writer::~Writer() {
    if (threads_ != nullptr && pid_ != ::getpid()) {
        // In a forked child: the threads do not exist here, and the journal is the parent's.
        (void)threads_.release();
        return;
    }
    // Destroyed without a close, in a process that continues: nobody writes here any more.
    if (lock_.is_open() && control_ != nullptr && control_->magic == control_magic)
        control_->pid = 0;
}

// bytes: the wanted size; raised if it is not enough.
std::uint64_t Writer::planned_bytes(std::uint64_t frame_bytes, std::uint64_t bytes) const noexcept {
    const std::uint64_t fixed = sizeof(SegmentHeader) + preamble_.size() + 64 + frame_bytes;
    while (bytes < fixed * 2 + seal_reserve(bytes) + urgent_reserve_max &&
           bytes < options_.segment_bytes_max)
        bytes *= segment_growth;
    bytes = std::min(bytes, std::max(options_.segment_bytes_max, options_.segment_bytes_first));
    // A frame or preamble larger than planned gets a segment that fits it.
    const std::uint64_t least = fixed + seal_reserve(fixed * 2 + page) + urgent_reserve_max + page;
    return round_up(std::max(bytes, least), page);
}

void Writer::ask_next(std::uint64_t number, std::uint64_t frame_bytes) {
    threads_->preparer.ask(number, planned_bytes(frame_bytes, next_bytes_),
                           planned_bytes(frame_bytes, options_.segment_bytes_first));
}

bool Writer::lacks_room() const {
    return threads_ != nullptr && threads_->preparer.lacks_room();
}

// Writes the header, its magic last: from then on the segment is part of the journal.
Failure Writer::enter(std::shared_ptr<OpenSegment> segment) {
    SegmentHeader header{};
    header.version = format_version;
    header.uuid = uuid_;
    header.epoch = epoch_;
    header.number = segment->number;
    header.first_sequence = sequence_ + 1;
    header.created = options_.created;
    header.chain_seed = crc_;
    header.preamble_count = preamble_count_;
    header.preamble_bytes = preamble_.size();
    header.data_offset = round_up(sizeof header + preamble_.size(), 64);
    header.capacity = segment->map.bytes();
    std::memcpy(header.process, options_.process.data(), options_.process.size());
    std::memcpy(header.account, options_.account.data(), options_.account.size());
    header.magic = segment_magic;
    header.crc = header_crc(header);
    std::byte* base = segment->map.data();
    if (!preamble_.empty()) std::memcpy(base + sizeof header, preamble_.data(), preamble_.size());
    std::memcpy(base + 8, reinterpret_cast<const std::byte*>(&header) + 8, sizeof header - 8);
    cursor_ = base + header.data_offset;
    next_bytes_ =
        std::min(options_.segment_bytes_max,
                 std::max(header.capacity, options_.segment_bytes_first) * segment_growth);
    threads_->current = segment;
    threads_->syncer.entered(segment);
    set_limits();
    if (threads_->heartbeat != nullptr)
        threads_->heartbeat->entered(std::move(segment), header.first_sequence);
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(base))
        .store(segment_magic, std::memory_order_release);
    return {};
}

void Writer::set_limits() noexcept {
    const Mapping& map = threads_->current->map;
    const auto base = reinterpret_cast<std::uintptr_t>(map.data());
    const auto data = reinterpret_cast<std::uintptr_t>(cursor_);
    hard_limit_ = base + map.bytes() - seal_reserve(map.bytes());
    const std::uint64_t room = hard_limit_ - data;
    normal_limit_ = hard_limit_ - std::min(urgent_reserve_max, room / 16);
    notice_limit_ = data + room / 4;
    limit_.store(notice_limit_);
    if (control_->failed.load() != 0) limit_.store(0);
}

Status Writer::fail(Failure failure) noexcept {
    failure_ = std::move(failure);
    return failure_.status;
}

void Writer::give_up_claim() noexcept {
    if (!claim_open_) return;
    std::memset(cursor_ + frame_header_bytes, 0, padded(claimed_));
    claim_open_ = false;
}

Status Writer::make_room(std::uint32_t payload_bytes, bool urgent) noexcept {
    if (control_->failed.load() != 0)
        return fail({Status::io_error, options_.directory +
                                           ": stopped, a sync failed and what is on disk is not "
                                           "known; open it again to recover"});
    if (threads_ == nullptr || threads_->current == nullptr)
        return fail({Status::invalid, options_.directory + ": the journal is closed"});
    give_up_claim();
    if (payload_bytes > payload_bytes_max)
        return fail({Status::exhausted, "a payload is at most 16 MiB, this one has " +
                                            std::to_string(payload_bytes) + " bytes"});
    const std::uint64_t frame = std::uint64_t{frame_header_bytes} + payload_bytes + 7;
    const auto at = reinterpret_cast<std::uintptr_t>(cursor_);
    if (at >= notice_limit_ && !threads_->preparer.is_requested())
        ask_next(threads_->current->number + 1, 0);
    if (at + frame <= normal_limit_) {
        limit_.store(at + frame > notice_limit_ ? normal_limit_ : notice_limit_);
        if (at + frame > notice_limit_ && !threads_->preparer.is_requested())
            ask_next(threads_->current->number + 1, 0);
        if (control_->failed.load() != 0) limit_.store(0);
        return Status::ok;
    }
    const Status status = roll(frame);
    if (status == Status::disk_full && urgent && at + frame <= hard_limit_) return Status::ok;
    return status;
}

void Writer::put_end_frame(std::uint16_t flags) noexcept {
    const std::uint64_t word0 =
        pack_word0(frame_header_bytes, static_cast<std::uint16_t>(EventType::end), flags);
    const std::uint64_t sequence = sequence_ + 1;
    const std::uint32_t crc = chain_crc(crc_, word0, sequence, 0, 0, 0);
    const std::uint64_t word3 = static_cast<std::uint64_t>(crc) << 32;
    std::memcpy(cursor_ + 8, &sequence, 8);
    std::memset(cursor_ + 16, 0, 8);
    std::memcpy(cursor_ + 24, &word3, 8);
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(cursor_))
        .store(word0, std::memory_order_release);
    crc_ = crc;
}

Status Writer::roll(std::uint64_t frame_bytes) noexcept {
    Preparer& preparer = threads_->preparer;
    const std::uint64_t number = threads_->current->number + 1;
    ask_next(number, frame_bytes);
    std::shared_ptr<OpenSegment> next;
    if (Failure failure = preparer.take(next); !failure.ok()) return fail(std::move(failure));
    const std::uint64_t bytes = next->map.bytes();
    if (sizeof(SegmentHeader) + preamble_.size() + 64 + frame_bytes + seal_reserve(bytes) +
            urgent_reserve_max >
        bytes) {
        ::unlink(next->path.c_str());
        next.reset();
        ask_next(number, frame_bytes);
        if (Failure failure = preparer.take(next); !failure.ok()) return fail(std::move(failure));
    }
    put_end_frame(end_rolled);
    std::shared_ptr<OpenSegment> left = threads_->current;
    if (Failure failure = enter(std::move(next)); !failure.ok()) return fail(std::move(failure));
    preparer.seal(std::move(left));
    if (bells_->sleepers.load(std::memory_order_relaxed) != 0) ringer_.ring(*bells_);
    return Status::ok;
}

Status Writer::append_urgent(EventType type, std::uint16_t flags, std::uint32_t stream,
                             std::int64_t time, const void* payload,
                             std::uint32_t payload_bytes) noexcept {
    const std::uint64_t frame = std::uint64_t{frame_header_bytes} + payload_bytes + 7;
    if (reinterpret_cast<std::uintptr_t>(cursor_) + frame > limit_.load()) {
        if (const Status status = make_room(payload_bytes, true); status != Status::ok)
            return status;
        // Opens the fast path for one call, up to the hard limit, and closes it again.
        limit_.store(hard_limit_);
        const Status status = append(type, flags, stream, time, payload, payload_bytes);
        limit_.store(0);
        return status;
    }
    return append(type, flags, stream, time, payload, payload_bytes);
}

void Writer::commit(EventType type, std::uint16_t flags, std::uint32_t stream,
                    std::int64_t time) noexcept {
    if (!claim_open_) return;
    claim_open_ = false;
    const std::uint32_t bytes = padded(claimed_);
    std::byte* const at = cursor_;
    if (claimed_ % 8 != 0) std::memset(at + frame_header_bytes + claimed_, 0, bytes - claimed_);
    publish(at, pack_word0(frame_header_bytes + claimed_, static_cast<std::uint16_t>(type), flags),
            stream, time, payload_crc(at + frame_header_bytes, bytes), bytes);
    const auto next = reinterpret_cast<std::uintptr_t>(cursor_);
    limit_.store(next < notice_limit_ ? notice_limit_ : normal_limit_);
    if (control_->failed.load() != 0) limit_.store(0);
}

Status Writer::append_instrument(std::uint32_t stream, std::int64_t time,
                                 std::span<const std::byte> payload) {
    const Status status = append(EventType::instrument, 0, stream, time, payload.data(),
                                 static_cast<std::uint32_t>(payload.size()));
    if (status != Status::ok) return status;
    pack_preamble_entry({EventType::instrument, stream, {payload.begin(), payload.end()}},
                        preamble_);
    ++preamble_count_;
    return Status::ok;
}

Failure Writer::sync() {
    if (threads_ == nullptr) return {Status::invalid, "the journal is closed"};
    return threads_->syncer.wait(control_->published.load());
}

void Writer::request_durable() {
    if (threads_ != nullptr) threads_->syncer.request(control_->published.load());
}

Failure Writer::close() {
    if (threads_ == nullptr || threads_->current == nullptr) return {};
    if (control_->failed.load() != 0)
        return {Status::io_error, options_.directory + ": stopped after a failed sync"};
    give_up_claim();
    threads_->heartbeat.reset();  // it touches pages that the seal is about to cut off
    put_end_frame(end_closed);
    threads_->preparer.discard();
    threads_->preparer.seal(std::move(threads_->current));
    threads_->current.reset();
    limit_.store(0);
    if (Failure failure = threads_->preparer.drain(); !failure.ok()) return failure;
    threads_->syncer.stop();
    if (options_.durable) control_->durable.store(sequence_);
    control_->closed.store(1, std::memory_order_release);
    if (bells_->sleepers.load() != 0) ringer_.ring(*bells_);
    threads_.reset();
    lock_ = FileHandle();
    return {};
}

}  // namespace onetape
