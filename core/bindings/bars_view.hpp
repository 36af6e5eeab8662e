#pragma once
// A BarWindow for Python: `view.close` and the others are numpy arrays over the window's own
// memory, read-only and safe to keep.
#include <nanobind/nanobind.h>

#include <memory>

#include "market/bar_window.hpp"

namespace nb = nanobind;

namespace onetape {

// Makes numpy arrays over parts of a block, which lives as long as one of them does.
class BarArrays {
 public:
    explicit BarArrays(std::shared_ptr<const BarBlock> block);
    [[nodiscard]] const BarBlock* block() const noexcept { return block_.get(); }
    // Rows [begin, end) of a column.
    [[nodiscard]] nb::object slice(std::size_t column, std::size_t begin, std::size_t end) const;

 private:
    std::shared_ptr<const BarBlock> block_;
    nb::object owner_;
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
