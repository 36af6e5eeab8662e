#include "bindings/errors.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace onetape {
namespace {

struct Raised {
    const char* name;  // class in onetape.model.errors
    const char* todo;
};

Raised raised(Status status) {
    switch (status) {
        case Status::locked:
            return {"JournalLocked", "stop the other writer, or use another home"};
        case Status::disk_full:
            return {"DiskFull", "free space; the journal goes on by itself"};
        case Status::foreign:
            return {"TornTape", "this is not a piece of that tape"};
        case Status::newer_version:
            return {"SchemaMismatch", "read it with a newer onetape"};
        case Status::torn:
            return {"TornTape", "the next writer sets the tail aside"};
        case Status::damaged:
            return {"TornTape",
                    "look with `onetape journal verify`; `onetape journal repair` sets aside what "
                    "follows the damage"};
        case Status::gone:
            return {"BadInput", "begin at the first sequence that is still there"};
        case Status::not_available:
            return {"NotAvailable", "expand the segment first"};
        case Status::io_error:
            return {"IoFailed", "check the disk and its permissions"};
        default:
            return {"BadInput", ""};
    }
}

}  // namespace

void raise(const Failure& failure) {
    const Raised what = raised(failure.status);
    const nb::object made = nb::module_::import_("onetape.model.errors")
                                .attr(what.name)(failure.what, nb::arg("todo") = what.todo);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    throw nb::python_error();
}

void check(bool holds, const std::string& rule) {
    if (!holds) nb::module_::import_("onetape.model.errors").attr("check")(false, rule);
}

}  // namespace onetape
