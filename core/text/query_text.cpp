#include "text/query_text.hpp"

#include <array>
#include <cstdint>

namespace onetape {
namespace {

constexpr auto plain = [] {
    std::array<bool, 256> table{};
    for (const char* at = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"; *at;
         ++at)
        table[static_cast<std::uint8_t>(*at)] = true;
    return table;
}();

}  // namespace

void append_escaped(std::string& text, std::string_view raw) {
    for (const char letter : raw) {
        const auto byte = static_cast<std::uint8_t>(letter);
        if (plain[byte]) {
            text += letter;
        } else if (letter == ' ') {
            text += '+';
        } else {
            text += '%';
            text += "0123456789ABCDEF"[byte >> 4];
            text += "0123456789ABCDEF"[byte & 15];
        }
    }
}

void append_parameter(std::string& text, std::string_view name, std::string_view value) {
    if (!text.empty()) text += '&';
    append_escaped(text, name);
    text += '=';
    append_escaped(text, value);
}

void append_hex(std::string& text, const Digest& digest) {
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
}

}  // namespace onetape
