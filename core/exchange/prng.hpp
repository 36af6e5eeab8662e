#pragma once
// Random numbers with identical bits on every platform: xoshiro256** (Blackman and Vigna, 2018),
// seeded by splitmix64. Floats use only + - * / and sqrt, which IEEE 754 rounds exactly, and no
// libm functions, whose last bit differs between platforms.
#include <array>
#include <bit>
#include <cstdint>

namespace onetape {

class Prng {
 public:
    explicit constexpr Prng(std::uint64_t seed = 0) noexcept {
        for (std::uint64_t& word : state_) {
            seed += 0x9E3779B97F4A7C15ull;
            std::uint64_t mixed = seed;
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ull;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBull;
            word = mixed ^ (mixed >> 31);
        }
    }

    constexpr std::uint64_t next() noexcept {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    // In (0, 1), never an end: 53 bits, offset by half a step from zero.
    constexpr double uniform() noexcept {
        return (static_cast<double>(next() >> 11) + 0.5) * 0x1.0p-53;
    }
    // In [0, bound). The bias of taking the high half of a product is below 2^-40 for the bounds
    // used here.
    constexpr std::uint64_t below(std::uint32_t bound) noexcept {
        return ((next() >> 32) * bound) >> 32;
    }
    constexpr bool chance(double probability) noexcept { return uniform() < probability; }

    // Mean 0, variance 1, within +-6: twelve uniforms. Jumps model the tails beyond.
    constexpr double bell() noexcept {
        double sum = -6.0;
        for (int i = 0; i < 12; ++i) sum += uniform();
        return sum;
    }
    // Exponential with mean 1.
    constexpr double waiting() noexcept { return -natural_log(uniform()); }

    // ln(x) for normal x > 0 by the area hyperbolic tangent's series; good to 1e-15.
    [[nodiscard]] static constexpr double natural_log(double x) noexcept {
        const auto bits = std::bit_cast<std::uint64_t>(x);
        const auto exponent = static_cast<int>((bits >> 52) & 0x7FF) - 1023;
        const double mantissa =
            std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
        const double s = (mantissa - 1.0) / (mantissa + 1.0);
        const double square = s * s;
        double sum = 0.0;
        for (int power = 31; power >= 1; power -= 2) sum = sum * square + 1.0 / power;
        return 2.0 * s * sum + static_cast<double>(exponent) * 0.6931471805599453;
    }

 private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace onetape
