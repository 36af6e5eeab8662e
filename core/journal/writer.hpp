#pragma once
// The one writer of a journal. See docs/format.md for what it leaves on disk.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

using Uuid = std::array<std::uint8_t, 16>;

// What each segment repeats at its beginning: schemas, and instruments met so far.
struct PreambleEntry {
    EventType type;        // instrument, or params for a schema
    std::uint32_t stream;  // instrument: its stream; schema: the type id that it describes
    std::vector<std::byte> payload;  // MessagePack
};

struct WriterOptions {
    std::string directory;
    std::string process;  // at most 63 bytes
    std::string account;  // at most 63 bytes
    Uuid uuid{};          // used when the journal is new
    std::int64_t created = 0;  // ns UTC, given by the shell
    std::uint64_t segment_bytes_first = 4ull << 20;
    std::uint64_t segment_bytes_max = 64ull << 20;
    std::vector<PreambleEntry> preamble;
};

class Writer {
public:
    static Failure open(const WriterOptions& options, std::unique_ptr<Writer>& writer);
    ~Writer();  // releases the lock; does not seal
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // One frame from a whole payload. Published when it returns.
    Status append(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                  const void* payload, std::uint32_t payload_bytes) noexcept;

    // In place: at most one claim is open; the claimed bytes are zero.
    Status claim(std::uint32_t payload_bytes, std::byte** payload) noexcept;
    void commit(EventType type, std::uint16_t flags, std::uint32_t stream,
                std::int64_t time) noexcept;

    // Instruments are frames and belong to the preamble of all later segments.
    Status append_instrument(std::uint32_t stream, std::int64_t time,
                             std::span<const std::byte> payload);

    [[nodiscard]] std::uint64_t published_sequence() const noexcept;
    [[nodiscard]] std::uint64_t durable_sequence() const noexcept;
    Status sync() noexcept;  // returns when all that is published now is durable
    Failure close();         // seals the last segment and waits for it

    [[nodiscard]] const Uuid& uuid() const noexcept;
    [[nodiscard]] std::uint64_t epoch() const noexcept;

private:
    struct State;
    explicit Writer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace onetape
