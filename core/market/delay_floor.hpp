#pragma once
// A minimum filter over the last one to two spans. Applied to receipt minus venue time it gives the
// clock offset plus the shortest latency, whatever queues and pauses delay other messages.
#include <algorithm>
#include <cstdint>
#include <limits>

namespace onetape {

// Saturates at 64 bits.
[[nodiscard]] inline std::int64_t difference(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t found = 0;
    if (!__builtin_sub_overflow(a, b, &found)) return found;
    return a < b ? std::numeric_limits<std::int64_t>::min()
                 : std::numeric_limits<std::int64_t>::max();
}

class DelayFloor {
 public:
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::max();

    DelayFloor() noexcept = default;
    explicit DelayFloor(std::int64_t span_ns) noexcept : span_(span_ns) {}

    // time: of a monotonic clock.
    void add(std::int64_t time, std::int64_t delay) noexcept {
        if (count_ == 0 || difference(time, began_) >= span_) {
            before_ = count_ == 0 || difference(time, began_) >= 2 * span_ ? unknown : now_;
            now_ = unknown;
            began_ = time;
        }
        ++count_;
        now_ = std::min(now_, delay);
    }
    [[nodiscard]] std::int64_t value() const noexcept { return std::min(before_, now_); }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    void clear() noexcept { *this = DelayFloor(span_); }

 private:
    std::int64_t span_ = 60'000'000'000;
    std::int64_t began_ = 0, before_ = unknown, now_ = unknown;
    std::uint64_t count_ = 0;
};

}  // namespace onetape
