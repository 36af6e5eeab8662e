#include "market/book_side.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/money.hpp"

namespace onetape {

void BookSide::clear() noexcept {
    sorted_count_ = 0;
    if (near_count_ != 0) std::fill(occupied_.begin(), occupied_.end(), 0);
    near_count_ = 0;
    span_ = 0;
    base_ = std::numeric_limits<std::int64_t>::max();
}

BookLevel BookSide::worst() const noexcept {
    if (sorted_count_ != 0) return sorted(0);
    std::size_t word = 0;
    while (occupied_[word] == 0) ++word;
    return near(word * 64 + static_cast<std::size_t>(std::countr_zero(occupied_[word])));
}

BookLevel BookSide::level(std::size_t index) const noexcept {
    if (index >= near_count_) return sorted(sorted_count_ - 1 - (index - near_count_));
    BookLevel found{};
    walk([&](const BookLevel& level) {
        found = level;
        return index-- != 0;
    });
    return found;
}

std::int64_t BookSide::size_at(std::int64_t price) const noexcept {
    const std::int64_t rank = price ^ flip_;
    const std::uint64_t offset =
        static_cast<std::uint64_t>(rank) - static_cast<std::uint64_t>(base_);
    if (offset < span_) {
        const std::size_t slot = slot_of(offset);
        const bool there = slot < slots && (occupied_[slot / 64] >> (slot % 64) & 1) != 0;
        return there ? slot_size_[slot] : 0;
    }
    const std::size_t at = find(rank);
    return at < sorted_count_ && rank_[at] == rank ? size_[at] : 0;
}

// --- changes ------------------------------------------------------------------------------------

void BookSide::apply(const BookLevel* levels, std::size_t count) {
    if (!windowed() && sorted_count_ >= windowed_from_ && sorted_count_ != 0) place_window();
    if (!windowed()) {
        for (std::size_t i = 0; i < count; ++i) set_sorted(levels[i].price ^ flip_, levels[i].size);
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t rank = levels[i].price ^ flip_;
        const std::uint64_t offset =
            static_cast<std::uint64_t>(rank) - static_cast<std::uint64_t>(base_);
        const std::size_t slot = offset < span_ ? slot_of(offset) : slots;
        if (slot < slots) [[likely]]
            set_near(slot, levels[i].size);
        else
            set_outside(rank, levels[i].size);
    }
    settle_best();
}

void BookSide::set_best(const BookLevel& best) {
    const std::int64_t rank = best.price ^ flip_;
    while (count() != 0) {
        const BookLevel now = this->best();
        if ((now.price ^ flip_) <= rank) break;
        const BookLevel gone{now.price, 0};
        apply(&gone, 1);
    }
    apply(&best, 1);
}

// best_slot_ is kept exact when it rises; when the best is removed it is a bound, until
// settle_best().
void BookSide::set_near(std::size_t slot, std::int64_t size) noexcept {
    std::uint64_t& word = occupied_[slot / 64];
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    const std::size_t was = (word & bit) != 0 ? 1 : 0;
    const std::size_t is = size != 0 ? 1 : 0;
    slot_size_[slot] = size;
    word = is != 0 ? word | bit : word & ~bit;
    near_count_ += is - was;
    if (is != 0 && slot > best_slot_) best_slot_ = slot;
}

void BookSide::set_outside(std::int64_t rank, std::int64_t size) {
    if (rank < base_ || !windowed()) {
        set_sorted(rank, size);
    } else if (size != 0) {  // no level is above the window or between its slots
        gather();
        set_sorted(rank, size);
        place_window();
    }
}

// Moves down to the present best; moves the window if the touch left its upper part.
void BookSide::settle_best() noexcept {
    if (near_count_ != 0) {
        std::size_t word = best_slot_ / 64;
        std::uint64_t bits = occupied_[word] & (~std::uint64_t{0} >> (63 - best_slot_ % 64));
        while (bits == 0) bits = occupied_[--word];
        best_slot_ = word * 64 + static_cast<std::size_t>(63 - std::countl_zero(bits));
        if (best_slot_ >= best_low || sorted_count_ == 0) [[likely]]
            return;
        place_window();
    } else if (sorted_count_ != 0) {
        place_window();
    } else {
        best_slot_ = 0;
    }
}

void BookSide::gather() {
    if (near_count_ == 0) return;
    const std::size_t wanted = sorted_count_ + near_count_;
    if (rank_.size() < wanted) {
        rank_.resize(wanted * 2);
        size_.resize(wanted * 2);
    }
    for (std::size_t word = 0; word < occupied_.size(); ++word) {
        for (std::uint64_t bits = occupied_[word]; bits != 0; bits &= bits - 1) {
            const BookLevel level =
                near(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
            rank_[sorted_count_] = level.price ^ flip_;
            size_[sorted_count_++] = level.size;
        }
        occupied_[word] = 0;
    }
    near_count_ = 0;
}

// Makes a window with the best in slot `best_home`, of the widest step that all levels share.
// Prices too far apart for one stay sorted.
void BookSide::place_window() {
    gather();
    std::uint64_t step = 0;
    for (std::size_t at = 1; at < sorted_count_ && step != 1; ++at)
        step = std::gcd(step, static_cast<std::uint64_t>(rank_[at]) -
                                  static_cast<std::uint64_t>(rank_[at - 1]));
    best_slot_ = 0;
    if (step > step_max) {
        span_ = 0;
        base_ = std::numeric_limits<std::int64_t>::max();
        return;
    }
    if (slot_size_.empty()) {
        slot_size_.resize(slots);
        occupied_.resize(slots / 64);
    }
    step_ = std::max<std::int64_t>(static_cast<std::int64_t>(step), 1);
    step_inverse_ = 1.0 / static_cast<double>(step_);
    constexpr Int128 least = std::numeric_limits<std::int64_t>::min();
    constexpr Int128 most = std::numeric_limits<std::int64_t>::max();
    Int128 base =
        static_cast<Int128>(rank_[sorted_count_ - 1]) - static_cast<Int128>(step_) * best_home;
    if (base < least) base += (least - base + step_ - 1) / step_ * step_;
    base_ = static_cast<std::int64_t>(base);
    // Ends at the largest number: further ranks would wrap around.
    span_ = static_cast<std::uint64_t>(
        std::min(static_cast<Int128>(step_) * (slots - 1), most - base) + 1);
    std::size_t first = sorted_count_;
    while (first != 0 && rank_[first - 1] >= base_) --first;
    for (std::size_t at = first; at < sorted_count_; ++at) {
        const std::uint64_t offset =
            static_cast<std::uint64_t>(rank_[at]) - static_cast<std::uint64_t>(base_);
        set_near(slot_of(offset), size_[at]);
    }
    sorted_count_ = first;
}

// --- the sorted arrays --------------------------------------------------------------------------

// The first position whose rank is not below `rank`. Most changes fall on the last few levels:
// those are counted without a branch; deeper ones are found by branch-free bisection.
std::size_t BookSide::find(std::int64_t rank) const noexcept {
    constexpr std::size_t window = 8;
    const std::int64_t* ranks = rank_.data();
    std::size_t base = 0;
    std::size_t length = sorted_count_;
    if (length > window) {
        const std::int64_t* tail = ranks + length - window;
        if (tail[0] < rank) {
            std::size_t below = 1;
            for (std::size_t i = 1; i < window; ++i) below += tail[i] < rank ? 1u : 0u;
            return length - window + below;
        }
        length -= window - 1;
    }
    while (length > 1) {
        const std::size_t half = length / 2;
        base += ranks[base + half - 1] < rank ? half : 0;
        length -= half;
    }
    return base + (length == 1 && ranks[base] < rank ? 1 : 0);
}

void BookSide::set_sorted(std::int64_t rank, std::int64_t size) {
    const std::size_t at = find(rank);
    if (at < sorted_count_ && rank_[at] == rank) {
        if (size != 0)
            size_[at] = size;
        else
            erase(at);
    } else if (size != 0) {
        insert(at, rank, size);
    }
}

void BookSide::insert(std::size_t at, std::int64_t rank, std::int64_t size) {
    if (sorted_count_ == rank_.size()) {
        const std::size_t capacity = std::max<std::size_t>(64, rank_.size() * 2);
        rank_.resize(capacity);
        size_.resize(capacity);
    }
    const std::size_t bytes = (sorted_count_ - at) * sizeof(std::int64_t);
    std::memmove(rank_.data() + at + 1, rank_.data() + at, bytes);
    std::memmove(size_.data() + at + 1, size_.data() + at, bytes);
    rank_[at] = rank;
    size_[at] = size;
    ++sorted_count_;
}

void BookSide::erase(std::size_t at) noexcept {
    const std::size_t bytes = (sorted_count_ - at - 1) * sizeof(std::int64_t);
    std::memmove(rank_.data() + at, rank_.data() + at + 1, bytes);
    std::memmove(size_.data() + at, size_.data() + at + 1, bytes);
    --sorted_count_;
}

void BookSide::replace(const BookLevel* levels, std::size_t count) {
    clear();
    if (rank_.size() < count) {
        rank_.resize(count);
        size_.resize(count);
    }
    // Snapshots come best first: those are plainly copied, back to front.
    bool best_first = true;
    for (std::size_t i = 0; i < count && best_first; ++i) {
        best_first = levels[i].size != 0 &&
                     (i == 0 || (levels[i - 1].price ^ flip_) > (levels[i].price ^ flip_));
    }
    if (!best_first) {
        for (std::size_t i = 0; i < count; ++i) set_sorted(levels[i].price ^ flip_, levels[i].size);
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        rank_[count - 1 - i] = levels[i].price ^ flip_;
        size_[count - 1 - i] = levels[i].size;
    }
    sorted_count_ = count;
}

}  // namespace onetape
