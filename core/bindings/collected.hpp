#pragma once
// Lets Python's garbage collector see reference cycles: these classes list the Python objects that
// they refer to in `objects()`, so that an unreferenced account is collected.
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
