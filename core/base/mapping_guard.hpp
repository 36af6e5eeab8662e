#pragma once
// Handles SIGBUS from files that are truncated while mapped. A check of the size before a load does
// not help: the truncation may come after the check. Read-only ranges are therefore registered
// here, and the signal handler maps zeros over the lost part and marks the range; the reader then
// reports damage. A fault anywhere else, above all a store into a mapped file, ends the process as
// usual.
#include <cstddef>

namespace onetape {

struct GuardedRange;

// nullptr: the table of ranges is full; the range is then not guarded.
[[nodiscard]] GuardedRange* guard_range(const void* data, std::size_t bytes) noexcept;
void unguard_range(GuardedRange& range) noexcept;  // call before unmapping
[[nodiscard]] bool guard_is_cut(const GuardedRange& range) noexcept;

}  // namespace onetape
