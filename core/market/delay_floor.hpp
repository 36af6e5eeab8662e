#pragma once
// The least of what was measured in the last one to two spans: a minimum filter. Of receipt minus
// venue time it is the offset of the two clocks and the shortest way between them, whatever queues
// and pauses add to other messages.
#include <algorithm>
#include <cstdint>
#include <limits>

namespace onetape {

// Beyond 64 bits the bound.
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

    // time: of a clock that does not go back.
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
