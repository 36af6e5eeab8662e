#pragma once
// The one place where a Status becomes an exception of onetape/model/errors.py.
#include "base/status.hpp"

namespace onetape {

[[noreturn]] void raise(const Failure& failure);
inline void raise_if_failed(const Failure& failure) {
    if (!failure.ok()) raise(failure);
}

}  // namespace onetape
