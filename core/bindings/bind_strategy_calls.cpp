// Services of a strategy that are called on each event. A call with positional arguments goes to
// the loop without a Python frame; any other, and one that the loop refuses, goes to the Python
// method, which has the error texts.
#include <nanobind/nanobind.h>
#include <structmember.h>

#include <array>
#include <cstddef>

#include "bindings/bind.hpp"
#include "bindings/py_trading_loop.hpp"

namespace {

using onetape::PyTradingLoop;

// A call with (strategy, arguments...): returns whether it is answered; else the Python method must
// do it.
using Quick = bool (*)(PyObject* const* arguments, PyObject*& answer);

// Lives as long as its class, that is until the process ends: not visible to the garbage collector.
struct Service {
    PyObject ob_base;
    vectorcallfunc call;
    PyObject* method;  // in Python
    Quick quick;
    Py_ssize_t argument_count;  // including the strategy
};

PyObject* loop_name = nullptr;     // "_loop"
PyObject* desk_name = nullptr;     // "_desk": None until first use
PyObject* plain_target = nullptr;  // the loop's method

// Null for other objects.
[[nodiscard]] nb::object loop_of(PyObject* strategy) {
    nb::object loop = nb::steal(PyObject_GetAttr(strategy, loop_name));
    return loop.is_valid() && nb::isinstance<PyTradingLoop>(loop) ? loop : nb::object();
}

bool quick_bars(PyObject* const* arguments, PyObject*& answer) {
    const nb::object loop = loop_of(arguments[0]);
    if (!loop.is_valid()) return false;
    const auto view =
        nb::inst_ptr<PyTradingLoop>(loop)->named_bars(arguments[1], arguments[2], arguments[3]);
    if (view) answer = nb::cast(*view).release().ptr();
    return view.has_value();
}

bool quick_target(PyObject* const* arguments, PyObject*& answer) {
    const nb::object desk = nb::steal(PyObject_GetAttr(arguments[0], desk_name));
    const nb::object loop = loop_of(arguments[0]);
    if (!desk.is_none() || !loop.is_valid()) return false;
    const std::array passed{loop.ptr(), arguments[1], arguments[2]};
    answer = PyObject_Vectorcall(plain_target, passed.data(), passed.size(), nullptr);
    // Both are raised before anything is changed.
    return answer != nullptr || !(PyErr_ExceptionMatches(PyExc_TypeError) != 0 ||
                                  PyErr_ExceptionMatches(PyExc_ValueError) != 0);
}

PyObject* call_service(PyObject* self, PyObject* const* arguments, std::size_t flags,
                       PyObject* names) {
    const auto& service = *reinterpret_cast<Service*>(self);
    PyObject* answer = nullptr;
    if (names == nullptr && PyVectorcall_NARGS(flags) == service.argument_count) {
        if (service.quick(arguments, answer)) return answer;
        PyErr_Clear();
    }
    return PyObject_Vectorcall(service.method, arguments, flags, names);
}

PyObject* bind_service(PyObject* self, PyObject* strategy, PyObject*) {
    return strategy == nullptr ? Py_NewRef(self) : PyMethod_New(self, strategy);
}

PyObject* attribute_of_service(PyObject* self, PyObject* name) {
    PyObject* own = PyObject_GenericGetAttr(self, name);
    if (own != nullptr || PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return own;
    PyErr_Clear();
    return PyObject_GetAttr(reinterpret_cast<Service*>(self)->method, name);
}

PyObject* doc_of_service(PyObject* self, void*) {
    return PyObject_GetAttrString(reinterpret_cast<Service*>(self)->method, "__doc__");
}

void free_service(PyObject* self) {
    auto* service = reinterpret_cast<Service*>(self);
    PyTypeObject* type = Py_TYPE(self);
    Py_CLEAR(service->method);
    type->tp_free(self);
    Py_DECREF(type);
}

PyTypeObject* service_type() {
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(Service, call), READONLY, nullptr},
        {"__wrapped__", T_OBJECT, offsetof(Service, method), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr}};
    static PyGetSetDef properties[] = {{"__doc__", doc_of_service, nullptr, nullptr, nullptr},
                                       {nullptr, nullptr, nullptr, nullptr, nullptr}};
    static std::array<PyType_Slot, 7> slots{{
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_descr_get, reinterpret_cast<void*>(bind_service)},
        {Py_tp_getattro, reinterpret_cast<void*>(attribute_of_service)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_service)},
        {Py_tp_members, members},
        {Py_tp_getset, properties},
        {0, nullptr},
    }};
    // Without this flag an attribute look-up would make a bound method for each call.
    constexpr unsigned flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
    static PyType_Spec spec{"onetape._core.Service", sizeof(Service), 0, flags, slots.data()};
    static PyObject* type = PyType_FromSpec(&spec);
    if (type == nullptr) throw nb::python_error();
    return reinterpret_cast<PyTypeObject*>(type);
}

nb::object service(nb::handle method, Quick quick, Py_ssize_t argument_count) {
    auto* made = PyObject_New(Service, service_type());
    if (made == nullptr) throw nb::python_error();
    made->call = call_service;
    made->method = Py_NewRef(method.ptr());
    made->quick = quick;
    made->argument_count = argument_count;
    return nb::steal(reinterpret_cast<PyObject*>(made));
}

}  // namespace

void bind_strategy_calls(nb::module_& m) {
    loop_name = PyUnicode_InternFromString("_loop");
    desk_name = PyUnicode_InternFromString("_desk");
    plain_target = nb::object(nb::type<PyTradingLoop>().attr("plain_target")).release().ptr();
    m.def(
        "quick_bars", [](nb::handle method) { return service(method, quick_bars, 4); },
        nb::sig("def quick_bars(method: Callable[..., Any]) -> Any"), "The strategy's `bars`.");
    m.def(
        "quick_target", [](nb::handle method) { return service(method, quick_target, 3); },
        nb::sig("def quick_target(method: Callable[..., Any]) -> Any"),
        "The strategy's `set_target`.");
}
