#include "bindings/bars_view.hpp"

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

namespace onetape {
namespace {

// The class of columns, with fast plain reductions. Kept until the process ends.
PyTypeObject* column_class() {
    static PyObject* found = [] {
        if (_import_array() < 0) throw nb::python_error();
        return nb::module_::import_("onetape.engine.column").attr("Column").inc_ref().ptr();
    }();
    return reinterpret_cast<PyTypeObject*>(found);
}

}  // namespace

BarArrays::BarArrays(std::shared_ptr<const BarBlock> block) : block_(std::move(block)) {
    auto* kept = new std::shared_ptr<const BarBlock>(block_);
    owner_ = nb::capsule(
        kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<const BarBlock>*>(p); });
}

nb::object BarArrays::slice(std::size_t column, std::size_t begin, std::size_t end) const {
    PyTypeObject* columns = column_class();
    const bool is_float = column < bar_float_columns;
    const void* data =
        is_float ? static_cast<const void*>(block_->column(static_cast<BarColumn>(column)) + begin)
        : column == bar_float_columns ? block_->ts_open() + begin
                                      : block_->ts_close() + begin;
    npy_intp rows = static_cast<npy_intp>(end - begin);
    // Read-only: the flags do not include writing.
    nb::object array = nb::steal(
        PyArray_NewFromDescr(is_float ? columns : &PyArray_Type,
                             PyArray_DescrFromType(is_float ? NPY_DOUBLE : NPY_INT64), 1, &rows,
                             nullptr, const_cast<void*>(data), NPY_ARRAY_ALIGNED, nullptr));
    if (!array.is_valid() || PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(array.ptr()),
                                                   nb::object(owner_).release().ptr()) < 0)
        throw nb::python_error();
    return array;
}

BarsView ViewedBarWindow::view(std::size_t n) {
    const BarRange range = last(n);
    if (!arrays_ || arrays_->block() != range.block.get()) {
        arrays_ = std::make_shared<BarArrays>(range.block);
    }
    return {arrays_, range.begin, range.end};
}

}  // namespace onetape
