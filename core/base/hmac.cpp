#include "base/hmac.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace onetape {

HmacSha256::HmacSha256(std::string_view key) noexcept {
    std::array<unsigned char, 64> block{};
    if (key.size() > block.size()) {
        const Digest shorter = sha256(key.data(), key.size());
        std::ranges::copy(shorter, block.begin());
    } else {
        std::ranges::copy(key, block.begin());
    }
    for (unsigned char& byte : block) byte ^= 0x36;
    inner_.update(block.data(), block.size());
    for (unsigned char& byte : block) byte ^= 0x36 ^ 0x5c;
    outer_.update(block.data(), block.size());
}

Digest HmacSha256::of(std::string_view message) const noexcept {
    Sha256 inner = inner_;
    inner.update(message.data(), message.size());
    const Digest code = inner.finish();
    Sha256 outer = outer_;
    outer.update(code.data(), code.size());
    return outer.finish();
}

bool HmacSha256::is_code(std::string_view message, std::string_view given) const noexcept {
    constexpr std::string_view digits = "0123456789abcdef";
    const Digest code = of(message);
    if (given.size() != 2 * code.size()) return false;
    unsigned differing = 0;
    for (std::size_t at = 0; at < given.size(); ++at) {
        const unsigned wanted =
            static_cast<unsigned char>(digits[at % 2 == 0 ? code[at / 2] >> 4 : code[at / 2] & 15]);
        unsigned found = static_cast<unsigned char>(given[at]);
        if (found >= 'A' && found <= 'F') found += 'a' - 'A';
        differing |= wanted ^ found;
    }
    return differing == 0;
}

}  // namespace onetape
