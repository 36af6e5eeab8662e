#pragma once
// A histogram of durations with a few hundred buckets: sixteen for each doubling, so that a
// duration is reported within a sixteenth.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace onetape {

class Durations {
 public:
    static constexpr int part_bits = 4;  // of 16 buckets

    std::int64_t count = 0, total = 0, largest = 0;  // ns

    void note(std::int64_t ns) {
        const auto of = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
        const std::size_t at = bucket_of(of);
        if (at >= counts_.size()) counts_.resize(at + 1);
        ++counts_[at];
        ++count;
        total += static_cast<std::int64_t>(of);
        largest = std::max(largest, static_cast<std::int64_t>(of));
    }

    // Returns the number of durations of at most `ns` (up to a sixteenth more).
    [[nodiscard]] std::int64_t at_most(std::int64_t ns) const noexcept {
        std::int64_t found = 0;
        for (std::size_t at = 0; at < counts_.size() && last_of(at) <= ns; ++at)
            found += counts_[at];
        return found;
    }

    // Returns a percentile in ns, at most a sixteenth too long; 0 if there are no durations.
    [[nodiscard]] std::int64_t percentile(double percent) const noexcept {
        double left = static_cast<double>(count) * percent / 100;
        for (std::size_t at = 0; at < counts_.size(); ++at) {
            left -= static_cast<double>(counts_[at]);
            if (counts_[at] != 0 && left <= 0) return std::min(last_of(at), largest);
        }
        return largest;
    }

 private:
    [[nodiscard]] static std::size_t bucket_of(std::uint64_t ns) noexcept {
        const int shift = static_cast<int>(std::bit_width(ns)) - part_bits - 1;
        if (shift <= 0) return static_cast<std::size_t>(ns);
        return (static_cast<std::size_t>(shift) << part_bits) +
               static_cast<std::size_t>(ns >> static_cast<unsigned>(shift));
    }
    // The longest duration that a bucket holds.
    [[nodiscard]] static std::int64_t last_of(std::size_t bucket) noexcept {
        if (bucket < 2U << part_bits) return static_cast<std::int64_t>(bucket);
        const std::size_t shift = (bucket >> part_bits) - 1;
        return static_cast<std::int64_t>(((bucket - (shift << part_bits) + 1) << shift) - 1);
    }

    std::vector<std::int64_t> counts_;
};

}  // namespace onetape
