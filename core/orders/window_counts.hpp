#pragma once
// Counts against a venue's request limits within one process: see `Counts` of
// onetape/orders/budget.py. Times ns by the steady clock.
#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace onetape {

class WindowCounts {
 public:
    // A limit of the venue: at most this weight in each window of its clock.
    struct Limit {
        std::int64_t window = 0, most = 0;
    };

    std::int64_t phase = 0;  // the venue's clock minus the steady clock
    std::int64_t banned_until = 0;

    void ban(std::int64_t until) noexcept { banned_until = std::max(banned_until, until); }

    // Adds to the count of a window, unless it would exceed `most`; a new window starts at zero.
    // Returns the count before.
    std::int64_t spend(std::int64_t slot, std::int64_t window, std::int64_t weight,
                       std::int64_t most) {
        const auto found = windows_.find(slot);
        const Count counted = found == windows_.end() ? Count{window, 0} : found->second;
        const std::int64_t used = counted.begins >= window ? counted.used : 0;
        if (used + weight <= most)
            windows_[slot] = {std::max(counted.begins, window), used + weight};
        return used;
    }

    // Adds to the counts of all limits (slot = index); false: one of them has no room, and nothing
    // is counted.
    bool spend_each(std::span<const Limit> limits, std::int64_t weight, std::int64_t now) {
        if (now < banned_until) return false;
        const auto begins = [&](const Limit& limit) { return now - (now + phase) % limit.window; };
        for (std::size_t slot = 0; slot < limits.size(); ++slot) {
            const auto at = static_cast<std::int64_t>(slot);
            // A weight of 0 and a maximum of -1: only reads the count.
            const std::int64_t used = spend(at, begins(limits[slot]), 0, -1);
            if (used + weight > limits[slot].most) return false;
        }
        for (std::size_t slot = 0; slot < limits.size(); ++slot)
            spend(static_cast<std::int64_t>(slot), begins(limits[slot]), weight, limits[slot].most);
        return true;
    }

    // Raises the count to the venue's if that is higher.
    void correct(std::int64_t slot, std::int64_t window, std::int64_t used) {
        const auto found = windows_.find(slot);
        const Count counted = found == windows_.end() ? Count{window, 0} : found->second;
        if (counted.begins > window) return;
        windows_[slot] = {window, std::max(used, counted.begins == window ? counted.used : 0)};
    }

    // Moves the count of a window that began by the old clock to the window by the new clock.
    void recount(std::int64_t slot, std::int64_t begun, std::int64_t begins) {
        const auto found = windows_.find(slot);
        const Count counted = found == windows_.end() ? Count{begins, 0} : found->second;
        windows_[slot] = {begins, counted.begins >= begun ? counted.used : 0};
    }

 private:
    struct Count {
        std::int64_t begins = 0, used = 0;
    };
    std::unordered_map<std::int64_t, Count> windows_;
};

}  // namespace onetape
