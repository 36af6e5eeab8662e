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
        } catch (nanobind::python_error& error) {
            // The core then names the segment; here the cause is shown.
            error.discard_as_unraisable("expanding a compressed segment");
            return -1;
        }
    };
}

}  // namespace onetape
