#pragma once
// The one place where a Status becomes an exception of onetape/model/errors.py.
#include <string>

#include "base/status.hpp"

namespace onetape {

[[noreturn]] void raise(const Failure& failure);
inline void raise_if_failed(const Failure& failure) {
    if (!failure.ok()) raise(failure);
}

// As `check` of that module: raises InvariantViolation where the rule does not hold.
void check(bool holds, const std::string& rule);

}  // namespace onetape
