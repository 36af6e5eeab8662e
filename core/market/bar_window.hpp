#pragma once
// The last completed bars as contiguous columns, oldest first: the data behind
// `self.bars(...).close`.
//
// Columns are appended to and never rewritten: a view of the last n bars never changes, however
// long it is kept. A full block is left to its views and its last `capacity` bars are copied into a
// new one: one copied bar for each appended one, and no wrap-around for readers.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "journal/events.hpp"
#include "journal/frame.hpp"

namespace onetape {

enum class BarColumn : std::uint8_t { open = 0, high, low, close, volume, vwap };
inline constexpr std::size_t bar_float_columns = 6;

// A block for `rows` bars: six columns of doubles, then ts_open and ts_close.
struct BarBlock {
    explicit BarBlock(std::size_t rows_)
        : rows(rows_),
          floats(std::make_unique<double[]>(rows_ * bar_float_columns)),
          times(std::make_unique<std::int64_t[]>(rows_ * 2)) {}

    [[nodiscard]] double* column(BarColumn column) const noexcept {
        return floats.get() + static_cast<std::size_t>(column) * rows;
    }
    [[nodiscard]] std::int64_t* ts_open() const noexcept { return times.get(); }
    [[nodiscard]] std::int64_t* ts_close() const noexcept { return times.get() + rows; }

    std::size_t rows;
    std::unique_ptr<double[]> floats;
    std::unique_ptr<std::int64_t[]> times;
};

// Bars [begin, end) of a block.
struct BarRange {
    std::shared_ptr<const BarBlock> block;
    std::size_t begin = 0, end = 0;
    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
};

class BarWindow {
 public:
    // Decimals of the bars' prices (mid bars: one more than the instrument's) and sizes.
    BarWindow(int price_decimals, int size_decimals, std::size_t capacity = 512);

    void push(const BarPayload& bar);
    void reserve(std::size_t capacity);  // keeps at least this many from now on

    // The last n bars, or as many as there are.
    [[nodiscard]] BarRange last(std::size_t n) const noexcept;
    // A column of these bars, without keeping the block alive: valid until the next bar.
    [[nodiscard]] const double* last(std::size_t n, BarColumn column) const noexcept {
        return block_->column(column) + end_ - std::min(n, size());
    }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
    void move_to(std::size_t rows);

    double price_unit_, size_unit_;  // units in 1.0
    std::size_t capacity_;
    std::shared_ptr<BarBlock> block_;
    std::size_t begin_ = 0, end_ = 0;  // kept bars in the block
};

}  // namespace onetape
