#pragma once
// HMAC-SHA-256 (FIPS 198-1) with a key that is taken in once: of each signature only the message
// is left to be read.
#include <array>
#include <cstddef>
#include <string_view>

#include "base/sha256.hpp"

namespace onetape {

class HmacSha256 {
 public:
    explicit HmacSha256(std::string_view key) noexcept {
        std::array<unsigned char, block_bytes> block{};
        if (key.size() > block_bytes) {
            const Digest digest = sha256(key.data(), key.size());
            for (std::size_t i = 0; i < digest.size(); ++i) block[i] = digest[i];
        } else {
            for (std::size_t i = 0; i < key.size(); ++i)
                block[i] = static_cast<unsigned char>(key[i]);
        }
        for (auto& byte : block) byte ^= 0x36;
        inner_.update(block.data(), block.size());
        for (auto& byte : block) byte ^= 0x36 ^ 0x5c;
        outer_.update(block.data(), block.size());
    }

    [[nodiscard]] Digest of(std::string_view message) const noexcept {
        Sha256 inner = inner_, outer = outer_;
        inner.update(message.data(), message.size());
        const Digest digest = inner.finish();
        outer.update(digest.data(), digest.size());
        return outer.finish();
    }

 private:
    static constexpr std::size_t block_bytes = 64;
    Sha256 inner_, outer_;  // after the padded key
};

}  // namespace onetape
