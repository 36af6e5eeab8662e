#pragma once
// The names of booked items, so that each is booked once; the newest by their own time are kept. Of
// dropped names only the latest time is kept: anything no newer counts as booked, so that a full
// memory never causes a double booking.
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
    // Returns whether an item counts as booked by its time alone.
    [[nodiscard]] bool is_old(std::int64_t time) const noexcept { return time < complete_; }

    // Adds a name that is not contained. Drops at most `drops_max` of the oldest, so that no call
    // takes long.
    void add(std::string_view name, std::int64_t time);

    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }
    // Items older than this count as booked.
    [[nodiscard]] std::int64_t complete() const noexcept { return complete_; }
    // Sorted by time, then by name.
    [[nodiscard]] std::vector<std::pair<std::string_view, std::int64_t>> rows() const;
    void restore(std::int64_t complete) noexcept { complete_ = complete; }

 private:
    static constexpr std::size_t drops_max = 2;
    // From this size on room for all names is reserved at once: repeated growth is a pause each
    // time.
    static constexpr std::size_t names_few = 4096;

    struct Hash {
        using is_transparent = void;
        // Not noexcept: the library then stores each name's hash beside it, and walking over names
        // does not read them.
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Times = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;
    using Booking =
        std::pair<std::int64_t, const std::string*>;  // a key of `times_`, whose address is stable

    std::size_t names_max_;
    Times times_;
    std::deque<Booking> in_order_;  // the usual case: the oldest first
    std::vector<Booking> late_;     // a heap of the others, the oldest first
    std::int64_t newest_ = never;
    std::int64_t complete_ = never;
};

}  // namespace onetape
