#pragma once
// SHA-256 (FIPS 180-4), with the CPU's SHA instructions where available. Our own, because the core
// has no dependencies and a seal reads 64 MiB at a time.
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace onetape {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
    // portable_only: tests compare both ways.
    explicit Sha256(bool portable_only = false) noexcept;
    void update(const void* data, std::size_t bytes) noexcept;
    // The bytes of a number as they lie in memory (little-endian here).
    template <class Number>
        requires std::is_trivially_copyable_v<Number>
    void update_number(Number value) noexcept {
        update(&value, sizeof value);
    }
    [[nodiscard]] Digest finish() noexcept;

    // The intermediate state of a hash: plain bytes, the same on every machine.
    struct Progress {
        std::array<std::uint32_t, 8> state;
        std::array<unsigned char, 64> rest{};
        std::uint64_t rest_bytes = 0, total_bytes = 0;
    };
    [[nodiscard]] const Progress& progress() const noexcept { return at_; }
    // Continues from a saved state.
    explicit Sha256(const Progress& progress);

 private:
    void blocks(const unsigned char* data, std::size_t count) noexcept;

    Progress at_;
    bool fast_;
};

[[nodiscard]] Digest sha256(const void* data, std::size_t bytes) noexcept;
[[nodiscard]] bool sha256_has_hardware() noexcept;

}  // namespace onetape
