#pragma once
// Where decoded market events go: keeps frame time from going back, counts, hands on.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

struct EventCounts {
    std::vector<std::array<std::uint64_t, event_type_count + 1>> by_stream;  // [stream][type]
    std::int64_t first_time = 0, last_time = 0;
    std::uint64_t events = 0;
    std::uint64_t late = 0;     // frames whose own time was before the frame before
    std::uint64_t crossed = 0;  // quotes with bid above ask: kept
};

class EventSink {
 public:
    virtual ~EventSink() = default;

    // `time` may be older than the last one: the frame then takes the last one and flag_late.
    Status emit(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                const void* payload, std::uint32_t payload_bytes) {
        if (time < counts_.last_time && counts_.events != 0) {
            time = counts_.last_time;
            flags = static_cast<std::uint16_t>(flags | flag_late);
            ++counts_.late;
        }
        const Status status = write(type, flags, stream, time, payload, payload_bytes);
        if (status != Status::ok) return status;
        if (counts_.events++ == 0) counts_.first_time = time;
        counts_.last_time = time;
        if (stream >= counts_.by_stream.size()) counts_.by_stream.resize(stream + 1);
        ++counts_.by_stream[stream][static_cast<std::size_t>(type)];
        return Status::ok;
    }

    void count_crossed() noexcept { ++counts_.crossed; }
    [[nodiscard]] const EventCounts& counts() const noexcept { return counts_; }

 protected:
    virtual Status write(EventType type, std::uint16_t flags, std::uint32_t stream,
                         std::int64_t time, const void* payload, std::uint32_t payload_bytes) = 0;

 private:
    EventCounts counts_;
};

// A line or row that was not decoded.
struct Reject {
    std::uint32_t source;
    std::uint64_t line;
    std::string reason;
    std::string text;  // its first 200 bytes
};

inline constexpr std::size_t rejects_listed_max = 10'000;
inline constexpr std::size_t reject_text_max = 200;

// Listed up to a bound, counted beyond it.
class RejectLog {
 public:
    void add(std::uint32_t source, std::uint64_t line, std::string reason, std::string_view text) {
        if (count_++ >= rejects_listed_max) return;
        waiting_.push_back(
            {source, line, std::move(reason), std::string(text.substr(0, reject_text_max))});
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    // Those that were listed since the last call.
    [[nodiscard]] std::vector<Reject> take() { return std::exchange(waiting_, {}); }

 private:
    std::uint64_t count_ = 0;
    std::vector<Reject> waiting_;
};

}  // namespace onetape
