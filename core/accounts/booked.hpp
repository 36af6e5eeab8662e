#pragma once
// What was booked, so that it is booked once: by name, the newest by their own time. Of what was
// let go only a time is known: whatever is no newer counts as booked, for want of memory nothing is
// booked twice.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace onetape {

class Booked {
 public:
    static constexpr std::int64_t never = -0x7fffffffffffffffll - 1;

    explicit Booked(std::size_t names_max) : names_max_(names_max) {}

    [[nodiscard]] bool has(std::string_view name) const { return times_.contains(name); }
    // By its time alone.
    [[nodiscard]] bool is_old(std::int64_t time) const noexcept { return time < complete_; }

    // One that is not known by name. Lets at most `drops_max` of the oldest go: no call takes
    // longer than another, however many are known.
    void add(std::string_view name, std::int64_t time);

    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }
    // What is older counts as booked.
    [[nodiscard]] std::int64_t complete() const noexcept { return complete_; }
    // By time, then by name.
    [[nodiscard]] std::vector<std::pair<std::string_view, std::int64_t>> rows() const;
    void restore(std::int64_t complete) noexcept { complete_ = complete; }

 private:
    static constexpr std::size_t drops_max = 2;
    // From here on room for all is made at once: to make it again and again is a pause each time.
    static constexpr std::size_t names_few = 4096;

    struct Hash {
        using is_transparent = void;
        // Not noexcept: the library then keeps each name's hash beside it, and to walk over names
        // does not mean to read them.
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Times = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;
    using Booking = std::pair<std::int64_t, const std::string*>;  // a key of `times_`, which stays

    std::size_t names_max_;
    Times times_;
    std::deque<Booking> in_order_;  // as nearly all come: the oldest first
    std::vector<Booking> late_;     // a heap of the others, the oldest first
    std::int64_t newest_ = never;
    std::int64_t complete_ = never;
};

}  // namespace onetape
