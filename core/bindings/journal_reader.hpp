#pragma once
// A Reader as Python holds it.
#include <nanobind/nanobind.h>

#include <memory>

#include "bindings/errors.hpp"
#include "journal/reader.hpp"

namespace onetape {

struct PyReader {
    std::unique_ptr<Reader> reader;
    nanobind::object expand;  // kept alive for the reader's callback
};

[[noreturn]] inline void raise_reader(const Reader& reader, Status status) {
    raise(reader.failure().status == status ? reader.failure() : Failure{status, "read"});
}

}  // namespace onetape
