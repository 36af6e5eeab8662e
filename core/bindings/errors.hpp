#pragma once
// Converts a Status to an exception of onetape/model/errors.py; the only place that does.
#include <string>

#include "base/status.hpp"

namespace onetape {

[[noreturn]] void raise(const Failure& failure);
inline void raise_if_failed(const Failure& failure) {
    if (!failure.ok()) raise(failure);
}

// As `check` of that module: raises InvariantViolation if the rule does not hold.
void check(bool holds, const std::string& rule);

}  // namespace onetape
