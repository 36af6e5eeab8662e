#pragma once
// The one writer of a journal. docs/format.md describes the files.
//
// Not thread-safe: one thread appends. Any thread may call `sync` and `wait_durable`.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/bells.hpp"
#include "journal/control.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/segment.hpp"

namespace onetape {

struct WriterOptions {
    std::string directory;
    std::string process;       // at most 63 bytes
    std::string account;       // at most 63 bytes
    Uuid uuid{};               // used when the journal is new
    std::int64_t created = 0;  // ns UTC, from the caller (the core reads no clock)
    std::uint64_t segment_bytes_first = 4ull << 20;
    std::uint64_t segment_bytes_max = 64ull << 20;
    std::vector<PreambleEntry> preamble;
    bool durable = true;          // seals and directory entries are synced
    bool heartbeat = false;       // run a thread that shows readers that this process is alive
    std::uint64_t epoch_min = 0;  // lowest epoch of this writer
};

// What opening the journal had to recover.
struct Recovered {
    std::uint64_t torn_bytes = 0;  // bytes set aside
    std::string torn_file;         // empty: nothing was torn
    std::uint64_t last_sequence = 0;
};

class Writer {
 public:
    static Failure open(const WriterOptions& options, std::unique_ptr<Writer>& writer);
    ~Writer();  // releases the lock; does not seal
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // Appends one frame. It is published when the call returns.
    Status append(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                  const void* payload, std::uint32_t payload_bytes) noexcept;

    // True if the disk has no room for the next segment, so that only the rest of this one is left:
    // at least three quarters of it, since the next one is requested when a quarter is written.
    [[nodiscard]] bool lacks_room() const;
    // As append, but on a full disk it may use the reserve at the end of the segment, for frames
    // that must still be written then (cancels, kills, alerts, replies).
    Status append_urgent(EventType type, std::uint16_t flags, std::uint32_t stream,
                         std::int64_t time, const void* payload,
                         std::uint32_t payload_bytes) noexcept;

    // Reserves a payload to be written in place: at most one claim is open; its bytes are zero. An
    // append or another claim before the commit drops the claim.
    Status claim(std::uint32_t payload_bytes, std::byte** payload) noexcept;
    void commit(EventType type, std::uint16_t flags, std::uint32_t stream,
                std::int64_t time) noexcept;

    // Appends an instrument, which also enters the preamble of all later segments.
    Status append_instrument(std::uint32_t stream, std::int64_t time,
                             std::span<const std::byte> payload);

    [[nodiscard]] std::uint64_t published_sequence() const noexcept { return sequence_; }
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }  // of the last frame
    [[nodiscard]] std::uint64_t durable_sequence() const noexcept {
        return control_->durable.load(std::memory_order_acquire);
    }
    Failure sync();  // returns when all frames published before the call are durable
    // Last sequence that another host has, as its mirror has said (`show_replicated`).
    [[nodiscard]] std::uint64_t replicated() const noexcept {
        return control_->replicated.load(std::memory_order_acquire);
    }
    // Requests a sync and returns at once; durable_sequence() shows when it is done.
    void request_durable();
    Failure close();  // seals the last segment and waits for it

    // Reports that this process has handled all frames up to here; readers see it with the
    // heartbeat.
    void progress(std::uint64_t handled) noexcept {
        control_->progress.store(handled, std::memory_order_relaxed);
    }

    [[nodiscard]] const Uuid& uuid() const noexcept { return uuid_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] const Recovered& recovered() const noexcept { return recovered_; }
    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
    Writer();
    struct Threads;  // preparer, syncer, heartbeat

    Status make_room(std::uint32_t payload_bytes, bool urgent) noexcept;
    Status roll(std::uint64_t frame_bytes) noexcept;
    Failure enter(std::shared_ptr<struct OpenSegment> segment);
    void set_limits() noexcept;
    void give_up_claim() noexcept;
    void put_end_frame(std::uint16_t flags) noexcept;
    [[nodiscard]] std::uint64_t planned_bytes(std::uint64_t frame_bytes,
                                              std::uint64_t bytes) const noexcept;
    void ask_next(std::uint64_t number, std::uint64_t frame_bytes);
    Status fail(Failure failure) noexcept;
    void publish(std::byte* at, std::uint64_t word0, std::uint32_t stream, std::int64_t time,
                 std::uint32_t payload_sum, std::uint32_t payload_padded) noexcept;

    // Hot: one cache line.
    std::byte* cursor_ = nullptr;
    std::atomic<std::uintptr_t> limit_{0};  // where the slow path begins; 0 after a failure
    std::uint64_t sequence_ = 0;
    ControlPage* control_ = nullptr;
    BellBoard* bells_ = nullptr;
    std::uint32_t crc_ = 0;
    std::uint32_t claimed_ = 0;  // payload bytes of the open claim
    bool claim_open_ = false;

    std::uintptr_t notice_limit_ = 0;  // the next segment is requested here
    std::uintptr_t normal_limit_ = 0;  // the reserve begins here
    std::uintptr_t hard_limit_ = 0;    // the room for sealing begins here

    int pid_ = 0;  // a forked child inherits the object and must leave the journal alone
    Uuid uuid_{};
    std::uint64_t epoch_ = 0;
    std::uint64_t next_bytes_ = 0;  // planned size of the next segment
    std::uint32_t preamble_count_ = 0;
    std::vector<std::byte> preamble_;
    Recovered recovered_;
    Failure failure_;
    WriterOptions options_;
    FileHandle lock_;
    Mapping control_map_, bells_map_;
    BellRinger ringer_;
    std::unique_ptr<Threads> threads_;
};

inline void Writer::publish(std::byte* at, std::uint64_t word0, std::uint32_t stream,
                            std::int64_t time, std::uint32_t payload_sum,
                            std::uint32_t payload_padded) noexcept {
    const std::uint64_t sequence = sequence_ + 1;
    const std::uint32_t crc = chain_crc(crc_, word0, sequence, time, stream, payload_sum);
    const std::uint64_t word3 = stream | (static_cast<std::uint64_t>(crc) << 32);
    std::memcpy(at + 8, &sequence, 8);
    std::memcpy(at + 16, &time, 8);
    std::memcpy(at + 24, &word3, 8);
    // Pairs with the acquire of Reader::next: a reader that sees the length sees the frame.
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at))
        .store(word0, std::memory_order_release);
    control_->published.store(sequence, std::memory_order_release);
    sequence_ = sequence;
    crc_ = crc;
    cursor_ = at + frame_header_bytes + payload_padded;
    // The CPU may move the store above past this load. A reader that goes to sleep compensates with
    // a membarrier, so that an append needs no fence (docs/adr/0001).
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (bells_->sleepers.load(std::memory_order_relaxed) != 0) [[unlikely]]
        ringer_.ring(*bells_);
}

inline Status Writer::append(EventType type, std::uint16_t flags, std::uint32_t stream,
                             std::int64_t time, const void* payload,
                             std::uint32_t payload_bytes) noexcept {
    const std::uint64_t frame = std::uint64_t{frame_header_bytes} + payload_bytes + 7;
    if (reinterpret_cast<std::uintptr_t>(cursor_) + frame > limit_.load(std::memory_order_relaxed))
        [[unlikely]] {
        if (const Status status = make_room(payload_bytes, false); status != Status::ok)
            return status;
    }
    if (!is_frame_time(time)) [[unlikely]]
        return Status::invalid;  // no reader would accept it
    std::byte* const at = cursor_;
    std::byte* to = at + frame_header_bytes;
    const auto* from = static_cast<const std::byte*>(payload);
    std::uint32_t sum = 0, rest = payload_bytes;
    for (; rest >= 8; rest -= 8, to += 8, from += 8) {
        const std::uint64_t word = load_word(from);
        std::memcpy(to, &word, 8);
        sum = crc32c_word(sum, word);
    }
    if (rest > 0) {
        std::uint64_t word = 0;
        std::memcpy(&word, from, rest);
        std::memcpy(to, &word, 8);
        sum = crc32c_word(sum, word);
    }
    publish(at,
            pack_word0(frame_header_bytes + payload_bytes, static_cast<std::uint16_t>(type), flags),
            stream, time, sum, padded(payload_bytes));
    return Status::ok;
}

inline Status Writer::claim(std::uint32_t payload_bytes, std::byte** payload) noexcept {
    const std::uint64_t frame = std::uint64_t{frame_header_bytes} + payload_bytes + 7;
    if (reinterpret_cast<std::uintptr_t>(cursor_) + frame > limit_.load(std::memory_order_relaxed))
        [[unlikely]] {
        if (const Status status = make_room(payload_bytes, false); status != Status::ok)
            return status;
    }
    claimed_ = payload_bytes;
    claim_open_ = true;
    limit_.store(0, std::memory_order_relaxed);  // makes the next call check the claim first
    *payload = cursor_ + frame_header_bytes;
    return Status::ok;
}

}  // namespace onetape
