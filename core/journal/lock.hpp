#pragma once
// The exclusive lock of a journal directory: held by its one writer, or by a repair.
#include <string>

#include "base/file.hpp"
#include "base/status.hpp"

namespace onetape {

// locked: names the pid that holds it. Given back when `lock` is closed, also by a kill.
Failure take_lock(const std::string& directory, FileHandle& lock);

}  // namespace onetape
