#pragma once
// HMAC-SHA-256 (FIPS 198-1). The key is hashed once, so that each signature only reads the message.
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

    // Returns whether `signature` is the hexadecimal signature of a message, in letters of any
    // case. Takes the same time wherever they differ.
    [[nodiscard]] bool is_code(std::string_view message,
                               std::string_view signature) const noexcept {
        constexpr std::string_view digits = "0123456789abcdef";
        const Digest code = of(message);
        if (signature.size() != 2 * code.size()) return false;
        unsigned differing = 0;
        for (std::size_t i = 0; i < signature.size(); ++i) {
            const int half = i % 2 == 0 ? code[i / 2] >> 4 : code[i / 2] & 15;
            unsigned found = static_cast<unsigned char>(signature[i]);
            if (found >= 'A' && found <= 'F') found += 'a' - 'A';
            differing |= static_cast<unsigned char>(digits[static_cast<std::size_t>(half)]) ^ found;
        }
        return differing == 0;
    }

 private:
    static constexpr std::size_t block_bytes = 64;
    Sha256 inner_, outer_;  // states after the padded key
};

}  // namespace onetape
