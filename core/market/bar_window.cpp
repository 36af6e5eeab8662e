#include "market/bar_window.hpp"

#include <algorithm>
#include <cmath>

#include "base/money.hpp"

namespace onetape {
namespace {

// Exact up to 1e22: a division by it rounds once.
[[nodiscard]] double power_of_ten(int exponent) {
    double value = 1;
    for (int i = 0; i < exponent; ++i) value *= 10;
    return value;
}

[[nodiscard]] double vwap_of(const BarPayload& bar, double close, double price_unit) {
    if (bar.volume == 0) return close;  // no trades: the present price
    const Int128 turnover = join_halves(bar.turnover_low, bar.turnover_high);
    if (turnover == 0) return std::nan("");  // a venue bar without turnover
    return static_cast<double>(turnover) / static_cast<double>(bar.volume) / price_unit;
}

}  // namespace

BarWindow::BarWindow(int price_decimals, int size_decimals, std::size_t capacity)
    : price_unit_(power_of_ten(price_decimals)),
      size_unit_(power_of_ten(size_decimals)),
      capacity_(std::max<std::size_t>(capacity, 1)),
      block_(std::make_shared<BarBlock>(capacity_ * 2)) {}

void BarWindow::push(const BarPayload& bar) {
    if (end_ == block_->rows) move_to(capacity_ * 2);
    const double close = static_cast<double>(bar.close) / price_unit_;
    block_->column(BarColumn::open)[end_] = static_cast<double>(bar.open) / price_unit_;
    block_->column(BarColumn::high)[end_] = static_cast<double>(bar.high) / price_unit_;
    block_->column(BarColumn::low)[end_] = static_cast<double>(bar.low) / price_unit_;
    block_->column(BarColumn::close)[end_] = close;
    block_->column(BarColumn::volume)[end_] = static_cast<double>(bar.volume) / size_unit_;
    block_->column(BarColumn::vwap)[end_] = vwap_of(bar, close, price_unit_);
    block_->ts_open()[end_] = bar.ts_open;
    block_->ts_close()[end_] = bar.ts_close;
    ++end_;
    if (end_ - begin_ > capacity_) begin_ = end_ - capacity_;
}

void BarWindow::reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    capacity_ = capacity;
    move_to(capacity * 2);
}

void BarWindow::move_to(std::size_t rows) {
    auto block = std::make_shared<BarBlock>(rows);
    const std::size_t count = std::min(end_ - begin_, capacity_);
    const std::size_t from = end_ - count;
    for (std::size_t i = 0; i < bar_float_columns; ++i) {
        const auto column = static_cast<BarColumn>(i);
        std::copy_n(block_->column(column) + from, count, block->column(column));
    }
    std::copy_n(block_->ts_open() + from, count, block->ts_open());
    std::copy_n(block_->ts_close() + from, count, block->ts_close());
    block_ = std::move(block);
    begin_ = 0;
    end_ = count;
}

BarRange BarWindow::last(std::size_t n) const noexcept {
    return {block_, end_ - std::min(n, end_ - begin_), end_};
}

}  // namespace onetape
