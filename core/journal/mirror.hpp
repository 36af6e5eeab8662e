#pragma once
// A copy of a journal that is written elsewhere: the same segments, byte for byte, made of the
// blocks of a reader there (Reader::next_block). Readers here see it as any journal.
//
// Each frame is checked against the chain of those before it, so a mirror can neither skip nor
// alter one. Blocks may come twice, or too early: `place` says which is next. Not thread-safe.
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.hpp"
#include "journal/bells.hpp"
#include "journal/control.hpp"
#include "journal/preparer.hpp"
#include "journal/syncer.hpp"

namespace onetape {

// Where the next block begins. segment 0: the mirror is empty, and takes any segment's beginning.
struct MirrorPlace {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;  // of the last frame
    std::uint32_t crc = 0;       // its chain value
};

class Mirror {
 public:
    // durable: seals are synced, and `sync` works. seal: of the segment before the first one, where
    // the first is not number 1.
    static Failure open(const std::string& directory, bool durable, const Digest& seal,
                        std::unique_ptr<Mirror>& mirror);
    ~Mirror();
    Mirror(const Mirror&) = delete;
    Mirror& operator=(const Mirror&) = delete;

    // Takes a block. ok: its bytes are in the journal now, or were before. not_found: blocks before
    // it are missing. damaged: it does not continue the chain. foreign: it is of another journal,
    // or other bytes are in its place.
    Status take(std::uint64_t segment, std::uint64_t offset,
                std::span<const std::byte> bytes) noexcept;
    [[nodiscard]] const MirrorPlace& place() const noexcept { return place_; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }  // with the end of a segment
    [[nodiscard]] const Uuid& uuid() const noexcept { return uuid_; }
    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

    // Shows readers how the writer is: when its heartbeat was last seen (ns UTC, by this machine's
    // clock), how far it has come, whether it has closed the journal, and whether its process
    // lives.
    void show_writer(std::int64_t heartbeat, std::uint64_t progress, bool closed,
                     bool alive) noexcept;

    [[nodiscard]] std::uint64_t durable_sequence() const noexcept {
        return control_->durable.load(std::memory_order_acquire);
    }
    void request_durable() { syncer_->request(control_->published.load()); }
    Failure sync() { return syncer_->wait(control_->published.load()); }

 private:
    Mirror() = default;
    Failure resume(const std::string& directory, bool durable, Digest& seal);
    Failure begin_segment(std::uint64_t number, std::span<const std::byte> bytes);
    Status take_frames(std::span<const std::byte> bytes) noexcept;
    Status fail(Failure failure) noexcept;

    std::string directory_;
    bool durable_ = true;
    int pid_ = 0;
    bool ended_ = false;  // the end frame of the current segment is there
    Uuid uuid_{};
    MirrorPlace place_;
    Failure failure_;
    FileHandle lock_;
    Mapping control_map_, bells_map_;
    ControlPage* control_ = nullptr;
    BellBoard* bells_ = nullptr;
    BellRinger ringer_;
    std::shared_ptr<OpenSegment> current_;
    std::atomic<std::uintptr_t> limit_{1};  // the syncer clears it when a sync fails
    std::unique_ptr<Preparer> preparer_;
    std::unique_ptr<Syncer> syncer_;
};

}  // namespace onetape
