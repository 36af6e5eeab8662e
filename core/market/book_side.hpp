#pragma once
// One side of an order book. Small sides are sorted arrays. A growing side gets a window: a slot
// for each price step near the touch, where a change costs one store whatever the depth; levels
// beyond it stay in the sorted arrays.
//
//   worst                                                                  best
//   [ sorted: rank_, size_ ........ ][ window: slot 0 ... best_slot_ ... slots-1 ]
//
// Prices are kept as ranks (bid: the price, ask: its complement), so that both sides grow upwards
// and no price overflows.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "journal/events.hpp"

namespace onetape {

class BookSide {
 public:
    static constexpr std::size_t windowed_default = 128;
    // A side of fewer than windowed_from levels has no window.
    explicit BookSide(bool is_bid, std::size_t windowed_from = windowed_default)
        : flip_(is_bid ? 0 : -1), windowed_from_(windowed_from) {}

    void clear() noexcept;
    void replace(const BookLevel* levels, std::size_t count);
    void apply(const BookLevel* levels, std::size_t count);
    // Sets the best level: better levels are removed. Size 0: that price is removed, too.
    void set_best(const BookLevel& best);

    [[nodiscard]] std::size_t count() const noexcept { return sorted_count_ + near_count_; }
    [[nodiscard]] std::int64_t size_at(std::int64_t price) const noexcept;
    // The side must not be empty.
    [[nodiscard]] BookLevel best() const noexcept {
        return near_count_ != 0 ? near(best_slot_) : sorted(sorted_count_ - 1);
    }
    [[nodiscard]] BookLevel worst() const noexcept;
    [[nodiscard]] BookLevel level(std::size_t index) const noexcept;  // 0 is the best
    // Calls visit(level) from the best down until it returns false.
    template <class Visit>
    void walk(Visit&& visit) const {
        if (near_count_ != 0) {
            std::size_t word = best_slot_ / 64;
            std::uint64_t bits = occupied_[word] & (~std::uint64_t{0} >> (63 - best_slot_ % 64));
            for (std::size_t left = near_count_; left != 0; --left) {
                while (bits == 0) bits = occupied_[--word];
                const auto bit = static_cast<std::size_t>(63 - std::countl_zero(bits));
                bits &= ~(std::uint64_t{1} << bit);
                if (!visit(near(word * 64 + bit))) return;
            }
        }
        for (std::size_t at = sorted_count_; at != 0; --at)
            if (!visit(sorted(at - 1))) return;
    }

 private:
    // In a real capture (0.1 at 61,700), 92 of 100 changes fall within 8,192 steps of the touch, 95
    // within 16,384; the slots of one side are 128 kB.
    static constexpr std::size_t slots = 1u << 14;
    static constexpr std::size_t best_home = slots / 4 * 3;  // the best's slot in a new window
    static constexpr std::size_t best_low = slots / 4;       // below it the window is moved
    static constexpr std::uint64_t step_max = std::uint64_t{1} << 40;

    [[nodiscard]] BookLevel near(std::size_t slot) const noexcept {
        const auto offset = static_cast<std::uint64_t>(slot) * static_cast<std::uint64_t>(step_);
        const auto rank = static_cast<std::uint64_t>(base_) + offset;
        return {static_cast<std::int64_t>(rank) ^ flip_, slot_size_[slot]};
    }
    [[nodiscard]] BookLevel sorted(std::size_t at) const noexcept {
        return {rank_[at] ^ flip_, size_[at]};
    }
    [[nodiscard]] bool windowed() const noexcept { return span_ != 0; }
    // The slot of a rank inside the window; `slots` if it lies between two of them.
    [[nodiscard]] std::size_t slot_of(std::uint64_t offset) const noexcept {
        if (step_ == 1) return offset;
        const auto slot =
            static_cast<std::uint64_t>(static_cast<double>(offset) * step_inverse_ + 0.5);
        return slot * static_cast<std::uint64_t>(step_) == offset ? slot : slots;
    }
    void set_near(std::size_t slot, std::int64_t size) noexcept;
    void set_sorted(std::int64_t rank, std::int64_t size);
    void set_outside(std::int64_t rank, std::int64_t size);
    void settle_best() noexcept;
    void place_window();
    void gather();  // moves all levels into the sorted arrays and empties the window
    [[nodiscard]] std::size_t find(std::int64_t rank) const noexcept;
    void insert(std::size_t at, std::int64_t rank, std::int64_t size);
    void erase(std::size_t at) noexcept;

    std::int64_t flip_;  // price ^ flip_ is the rank
    std::size_t windowed_from_;
    std::size_t sorted_count_ = 0;
    std::vector<std::int64_t> rank_, size_;  // worst first, equally long

    std::int64_t base_ = std::numeric_limits<std::int64_t>::max();  // rank of slot 0
    std::int64_t step_ = 1;                                         // ranks between slots
    std::uint64_t span_ = 0;  // ranks that the window covers, 0: no window
    double step_inverse_ = 1.0;
    std::size_t near_count_ = 0, best_slot_ = 0;
    std::vector<std::int64_t> slot_size_;
    std::vector<std::uint64_t> occupied_;  // a bit for each slot
};

}  // namespace onetape
