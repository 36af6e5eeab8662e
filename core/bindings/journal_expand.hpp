#pragma once
// A Python callable path -> descriptor as the core's way to expand compressed segments.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <functional>
#include <string>

namespace onetape {

inline std::function<int(const std::string&)> expand_with(const nanobind::object& callable) {
    if (callable.is_none()) return {};
    return [callable](const std::string& path) {
        const nanobind::gil_scoped_acquire acquire;
        try {
            return nanobind::cast<int>(callable(path));
        } catch (const nanobind::python_error&) {
            return -1;  // the core then names the segment as damaged
        }
    };
}

}  // namespace onetape
