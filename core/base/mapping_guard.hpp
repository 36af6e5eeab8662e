#pragma once
// A load from a mapped file that was cut short raises SIGBUS, and no check of the size before it
// helps: the cut may come after the check. Ranges that are only read are therefore registered here,
// and the signal puts zeros under the lost part and marks it; the reader then meets what it calls
// damage. A fault anywhere else, stores into what is written above all, ends the process as ever.
#include <cstddef>

namespace onetape {

struct GuardedRange;

// nullptr: no room for another one; the range is then not guarded.
[[nodiscard]] GuardedRange* guard_range(const void* data, std::size_t bytes) noexcept;
void unguard_range(GuardedRange& range) noexcept;  // before it is unmapped
[[nodiscard]] bool guard_is_cut(const GuardedRange& range) noexcept;

}  // namespace onetape
