#include "bindings/bars_view.hpp"

#include <nanobind/ndarray.h>

namespace onetape {
namespace {

template <class T>
nb::object array_over(const T* data, std::size_t rows, std::shared_ptr<const BarBlock> block) {
    auto* kept = new std::shared_ptr<const BarBlock>(std::move(block));
    const nb::capsule owner(
        kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<const BarBlock>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, const T, nb::ndim<1>>(data, {rows}, owner));
}

}  // namespace

nb::object BarArrays::slice(std::size_t column, std::size_t begin, std::size_t end) {
    nb::object& whole = arrays_[column];
    if (!whole.is_valid()) {
        if (column < bar_float_columns) {
            // Its slices are of its class, too.
            whole = array_over(block_->column(static_cast<BarColumn>(column)), block_->rows, block_)
                        .attr("view")(nb::module_::import_("onetape.engine.column").attr("Column"));
        } else {
            whole = array_over(column == bar_float_columns ? block_->ts_open() : block_->ts_close(),
                               block_->rows, block_);
        }
    }
    return whole[nb::slice(static_cast<Py_ssize_t>(begin), static_cast<Py_ssize_t>(end))];
}

BarsView ViewedBarWindow::view(std::size_t n) {
    const BarRange range = last(n);
    if (!arrays_ || arrays_->block() != range.block.get()) {
        arrays_ = std::make_shared<BarArrays>(range.block);
    }
    return {arrays_, range.begin, range.end};
}

}  // namespace onetape
