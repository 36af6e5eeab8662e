#pragma once
// A BarWindow as Python sees it: `view.close` and its like are numpy arrays over the window's own
// memory, read-only and safe to keep.
#include <nanobind/nanobind.h>

#include <array>
#include <memory>

#include "market/bar_window.hpp"

namespace nb = nanobind;

namespace onetape {

// One numpy array a column, over the whole block, made when first asked for. A view is a slice of
// it: slicing an array costs a tenth of making one.
class BarArrays {
 public:
    explicit BarArrays(std::shared_ptr<const BarBlock> block) : block_(std::move(block)) {}
    [[nodiscard]] const BarBlock* block() const noexcept { return block_.get(); }
    [[nodiscard]] nb::object slice(std::size_t column, std::size_t begin, std::size_t end);

 private:
    std::shared_ptr<const BarBlock> block_;
    std::array<nb::object, bar_float_columns + 2> arrays_;
};

struct BarsView {
    std::shared_ptr<BarArrays> arrays;
    std::size_t begin = 0, end = 0;
};

class ViewedBarWindow : public BarWindow {
 public:
    using BarWindow::BarWindow;
    [[nodiscard]] BarsView view(std::size_t n);

 private:
    std::shared_ptr<BarArrays> arrays_;
};

}  // namespace onetape
