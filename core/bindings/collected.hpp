#pragma once
// Classes that refer to objects of Python which refer to them in turn: they list these in
// `objects()`, so that an account that nobody refers to any more is collected.
#include <nanobind/nanobind.h>

namespace onetape {

namespace nb = nanobind;

template <class Class>
struct Collected {
    static int traverse(PyObject* self, visitproc visit, void* arg) {
        Py_VISIT(Py_TYPE(self));
        if (!nb::inst_ready(self)) return 0;
        for (const nb::object* const each : nb::inst_ptr<Class>(self)->objects())
            Py_VISIT(each->ptr());
        return 0;
    }

    static int clear(PyObject* self) {
        for (nb::object* const each : nb::inst_ptr<Class>(self)->objects()) each->reset();
        return 0;
    }

    static inline PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                                         {Py_tp_clear, reinterpret_cast<void*>(clear)},
                                         {0, nullptr}};
};

}  // namespace onetape
