#include "base/sha256.hpp"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace onetape {
namespace {

alignas(16) constexpr std::array<std::uint32_t, 64> k{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<std::uint32_t, 8>;

std::uint32_t load_big(const unsigned char* at) noexcept {
    return (std::uint32_t{at[0]} << 24) | (std::uint32_t{at[1]} << 16) |
           (std::uint32_t{at[2]} << 8) | std::uint32_t{at[3]};
}

void blocks_portable(State& state, const unsigned char* data, std::size_t count) noexcept {
    for (; count > 0; --count, data += 64) {
        std::array<std::uint32_t, 64> w{};
        for (std::size_t i = 0; i < 16; ++i) w[i] = load_big(data + 4 * i);
        for (std::size_t i = 16; i < 64; ++i) {
            const std::uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3)) +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10));
        }
        State v = state;
        for (std::size_t i = 0; i < 64; ++i) {
            const std::uint32_t s1 = std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25);
            const std::uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
            const std::uint32_t t1 = v[7] + s1 + choice + k[i] + w[i];
            const std::uint32_t s0 = std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22);
            const std::uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            v = {t1 + s0 + majority, v[0], v[1], v[2], v[3] + t1, v[4], v[5], v[6]};
        }
        for (std::size_t i = 0; i < 8; ++i) state[i] += v[i];
    }
}

#if defined(__x86_64__)
// The instructions need the state as (a,b,e,f) and (c,d,g,h), and do two rounds a call. The message
// schedule is kept as four groups of four words, each made from the four before it.
__attribute__((target("sha,sse4.1,ssse3"))) void blocks_x86(State& state, const unsigned char* data,
                                                            std::size_t count) noexcept {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    const auto* words = reinterpret_cast<const __m128i*>(state.data());
    const __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);      // c d a b
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);  // e f g h
    __m128i abef = _mm_alignr_epi8(dcba, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);

    for (; count > 0; --count, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int group = 0; group < 16; ++group) {
            __m128i& now = w[group & 3];
            if (group < 4) {
                now = _mm_shuffle_epi8(
                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + group), swap);
            } else {
                const __m128i last = w[(group - 1) & 3];
                const __m128i seven_back = _mm_alignr_epi8(last, w[(group - 2) & 3], 4);
                now = _mm_sha256msg1_epu32(now, w[(group - 3) & 3]);
                now = _mm_sha256msg2_epu32(_mm_add_epi32(now, seven_back), last);
            }
            __m128i sum = _mm_add_epi32(
                now, _mm_load_si128(reinterpret_cast<const __m128i*>(k.data()) + group));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            sum = _mm_shuffle_epi32(sum, 0x0e);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, sum);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    auto* out = reinterpret_cast<__m128i*>(state.data());
    _mm_storeu_si128(out, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(out + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool detect() noexcept {
    unsigned a = 0, b = 0, c = 0, d = 0;
    // Leaf 7, EBX bit 29: SHA. g++ 12 has no name for it in __builtin_cpu_supports.
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return (b & (1u << 29)) != 0 && __builtin_cpu_supports("sse4.1") != 0;
}
#else
bool detect() noexcept {
    return false;
}
#endif

}  // namespace

bool sha256_has_hardware() noexcept {
    static const bool has = detect();
    return has;
}

Sha256::Sha256(bool portable_only) noexcept
    : at_{.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                    0x1f83d9ab, 0x5be0cd19}},
      fast_(!portable_only && sha256_has_hardware()) {}

Sha256::Sha256(const Progress& progress) : at_(progress), fast_(sha256_has_hardware()) {
    at_.rest_bytes = at_.total_bytes % at_.rest.size();  // never more than fits
}

void Sha256::blocks(const unsigned char* data, std::size_t count) noexcept {
#if defined(__x86_64__)
    if (fast_) return blocks_x86(at_.state, data, count);
#endif
    blocks_portable(at_.state, data, count);
}

void Sha256::update(const void* data, std::size_t bytes) noexcept {
    if (bytes == 0) return;
    const auto* at = static_cast<const unsigned char*>(data);
    at_.total_bytes += bytes;
    if (at_.rest_bytes > 0) {
        const std::size_t take = bytes < 64 - at_.rest_bytes ? bytes : 64 - at_.rest_bytes;
        std::memcpy(at_.rest.data() + at_.rest_bytes, at, take);
        at_.rest_bytes += take;
        at += take;
        bytes -= take;
        if (at_.rest_bytes < 64) return;
        blocks(at_.rest.data(), 1);
        at_.rest_bytes = 0;
    }
    blocks(at, bytes / 64);
    at += bytes / 64 * 64;
    at_.rest_bytes = bytes % 64;
    if (at_.rest_bytes > 0) std::memcpy(at_.rest.data(), at, at_.rest_bytes);
}

Digest Sha256::finish() noexcept {
    const std::uint64_t bits = at_.total_bytes * 8;
    std::array<unsigned char, 72> tail{0x80};
    const std::size_t zeros = (at_.rest_bytes < 56 ? 56 : 120) - at_.rest_bytes;
    for (std::size_t i = 0; i < 8; ++i)
        tail[zeros + i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    update(tail.data(), zeros + 8);
    Digest digest{};
    for (std::size_t i = 0; i < 8; ++i)
        for (std::size_t j = 0; j < 4; ++j)
            digest[4 * i + j] = static_cast<std::uint8_t>(at_.state[i] >> (24 - 8 * j));
    return digest;
}

Digest sha256(const void* data, std::size_t bytes) noexcept {
    Sha256 hash;
    hash.update(data, bytes);
    return hash.finish();
}

}  // namespace onetape
