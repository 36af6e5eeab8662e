#pragma once
// CRC-32C (Castagnoli, reflected 0x82f63b78). `update` works on the raw register: no inversion
// before or after, so that a chain of frames is a chain of updates. `crc32c` is the usual value
// (inverted at both ends) for things that stand alone.
//
// The instruction is chosen when compiling (x86-64-v2 and ARMv8 with CRC are the baseline, see
// CMakeLists.txt); ONETAPE_PORTABLE=ON builds on the table. Both are always there for tests.
#include <cstddef>
#include <cstdint>
#include <cstring>

#if !defined(ONETAPE_PORTABLE) && defined(__SSE4_2__)
#include <nmmintrin.h>
#define ONETAPE_CRC_HARDWARE 1
#elif !defined(ONETAPE_PORTABLE) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define ONETAPE_CRC_HARDWARE 1
#else
#define ONETAPE_CRC_HARDWARE 0
#endif

namespace onetape {

[[nodiscard]] std::uint32_t crc32c_update_portable(std::uint32_t state, const void* data,
                                                   std::size_t bytes) noexcept;

// One little-endian word of eight bytes.
[[nodiscard]] inline std::uint32_t crc32c_word(std::uint32_t state, std::uint64_t word) noexcept {
#if ONETAPE_CRC_HARDWARE && defined(__SSE4_2__)
    return static_cast<std::uint32_t>(_mm_crc32_u64(state, word));
#elif ONETAPE_CRC_HARDWARE
    return __crc32cd(state, word);
#else
    return crc32c_update_portable(state, &word, sizeof word);
#endif
}

[[nodiscard]] inline std::uint64_t load_word(const void* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

[[nodiscard]] inline std::uint32_t crc32c_update(std::uint32_t state, const void* data,
                                                 std::size_t bytes) noexcept {
#if ONETAPE_CRC_HARDWARE
    const auto* at = static_cast<const unsigned char*>(data);
    for (; bytes >= 8; bytes -= 8, at += 8) state = crc32c_word(state, load_word(at));
    return bytes == 0 ? state : crc32c_update_portable(state, at, bytes);
#else
    return crc32c_update_portable(state, data, bytes);
#endif
}

[[nodiscard]] inline std::uint32_t crc32c(const void* data, std::size_t bytes) noexcept {
    return ~crc32c_update(~0u, data, bytes);
}

}  // namespace onetape
