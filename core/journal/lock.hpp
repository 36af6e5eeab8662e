#pragma once
// The exclusive lock of a journal directory, held by its one writer or by a repair.
#include <string>

#include "base/file.hpp"
#include "base/status.hpp"

namespace onetape {

// locked: the failure names the pid that holds the lock. Released when `lock` is closed, also when
// the process is killed.
Failure take_lock(const std::string& directory, FileHandle& lock);

}  // namespace onetape
