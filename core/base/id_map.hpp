#pragma once
// Hash map (owner, order id) -> slot with open addressing and linear probing. Removal shifts the
// run back, so there are no tombstones, and a table that has grown enough never changes size again.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace onetape {

class IdMap {
 public:
    static constexpr std::uint32_t absent = 0xffffffffu;

    explicit IdMap(std::size_t capacity = 64) { cells_.resize(std::bit_ceil(capacity * 2)); }

    [[nodiscard]] std::uint32_t find(std::uint32_t owner, std::uint64_t id) const noexcept {
        for (std::size_t at = home(owner, id);; at = next(at)) {
            const Cell& cell = cells_[at];
            if (cell.slot == absent) return absent;
            if (cell.id == id && cell.owner == owner) return cell.slot;
        }
    }

    // The key must not be there.
    void insert(std::uint32_t owner, std::uint64_t id, std::uint32_t slot) noexcept {
        if ((count_ + 1) * 2 > cells_.size()) grow();
        put({id, owner, slot});
        ++count_;
    }

    // Does nothing when the key is not there.
    void erase(std::uint32_t owner, std::uint64_t id) noexcept {
        std::size_t at = home(owner, id);
        for (;; at = next(at)) {
            if (cells_[at].slot == absent) return;
            if (cells_[at].id == id && cells_[at].owner == owner) break;
        }
        --count_;
        for (std::size_t from = next(at);; from = next(from)) {
            const Cell& cell = cells_[from];
            if (cell.slot == absent) break;
            const std::size_t wanted = home(cell.owner, cell.id);
            // Movable unless its home position lies within (at, from], counted around the ring.
            if (((from - wanted) & mask()) >= ((from - at) & mask())) {
                cells_[at] = cell;
                at = from;
            }
        }
        cells_[at].slot = absent;
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
    struct Cell {
        std::uint64_t id = 0;
        std::uint32_t owner = 0;
        std::uint32_t slot = absent;
    };

    [[nodiscard]] std::size_t mask() const noexcept { return cells_.size() - 1; }
    [[nodiscard]] std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }
    [[nodiscard]] std::size_t home(std::uint32_t owner, std::uint64_t id) const noexcept {
        // Fibonacci hashing: consecutive ids, the usual case, land far apart or in order.
        const std::uint64_t mixed =
            (id + (static_cast<std::uint64_t>(owner) << 40)) * 0x9E3779B97F4A7C15ull;
        return static_cast<std::size_t>(mixed >> 32) & mask();
    }
    void put(const Cell& cell) noexcept {
        std::size_t at = home(cell.owner, cell.id);
        while (cells_[at].slot != absent) at = next(at);
        cells_[at] = cell;
    }
    void grow() noexcept {
        std::vector<Cell> old(cells_.size() * 2);
        old.swap(cells_);
        for (const Cell& cell : old) {
            if (cell.slot != absent) put(cell);
        }
    }

    std::vector<Cell> cells_;
    std::size_t count_ = 0;
};

}  // namespace onetape
