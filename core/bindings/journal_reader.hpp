#pragma once
// A Reader as Python holds it.
#include <nanobind/nanobind.h>

#include <memory>

#include "journal/reader.hpp"

namespace onetape {

struct PyReader {
    std::unique_ptr<Reader> reader;
    nanobind::object expand;  // kept alive for the reader's callback
};

}  // namespace onetape
