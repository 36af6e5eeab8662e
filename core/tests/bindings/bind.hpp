#pragma once
// Bindings that only Python tests need: a module beside `onetape._core`.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_bars(nb::module_& m);
void bind_merge(nb::module_& m);
void bind_recorded(nb::module_& m);
void bind_rules(nb::module_& m);
