#pragma once
// Reads a journal in order, sealed or while it is being written. Never writes to it.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/writer.hpp"

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

struct ReaderOptions {
    std::string directory;
    // Gives a descriptor of the plain content of a compressed segment; unset: those are
    // not_available.
    std::function<int(const std::string& path)> expand;
};

class Reader {
public:
    static Failure open(const ReaderOptions& options, std::unique_ptr<Reader>& reader);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // ok and a checked frame; not_found when there is none yet (end of a sealed journal, or the
    // writer has not written it); damaged, torn ... otherwise, described by failure(). The frame
    // stays valid until the reader leaves its segment (the next call that does says so by value).
    Status next(Frame& frame) noexcept;

    Status seek_sequence(std::uint64_t sequence) noexcept;  // the next frame is the one >= it
    Status seek_time(std::int64_t time) noexcept;           // the next frame is the first >= it
    [[nodiscard]] std::uint64_t last_sequence() const noexcept;  // published, 0: empty

    // Preamble of the segment that the reader stands in.
    [[nodiscard]] std::span<const PreambleEntry> preamble() const noexcept;
    [[nodiscard]] const Uuid& uuid() const noexcept;
    [[nodiscard]] std::uint64_t epoch() const noexcept;
    [[nodiscard]] bool writer_alive() const noexcept;
    [[nodiscard]] const Failure& failure() const noexcept;

private:
    struct State;
    explicit Reader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace onetape
