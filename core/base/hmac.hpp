#pragma once
// HMAC-SHA256 (RFC 2104) of one key: its two pads are hashed once, not for each message.
#include <cstddef>
#include <string_view>

#include "base/sha256.hpp"

namespace onetape {

class HmacSha256 {
 public:
    explicit HmacSha256(std::string_view key) noexcept;
    [[nodiscard]] Digest of(std::string_view message) const noexcept;
    // Whether `given` is the hexadecimal code of a message, in letters of any case. Takes as long
    // wherever they differ.
    [[nodiscard]] bool is_code(std::string_view message, std::string_view given) const noexcept;

 private:
    Sha256 inner_;
    Sha256 outer_;
};

}  // namespace onetape
