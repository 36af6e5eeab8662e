#pragma once
// A small map of texts as MessagePack, for what the core itself writes to a tape.
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace onetape {

// Encodes a map as MessagePack: at most 15 keys of at most 31 bytes.
inline std::string packed_map(
    std::initializer_list<std::pair<std::string_view, std::string>> texts) {
    std::string map(1, static_cast<char>(0x80 + texts.size()));
    for (const auto& [key, text] : texts) {
        const std::size_t size = std::min<std::size_t>(text.size(), 0xffff);
        map += static_cast<char>(0xa0 + key.size());
        map += key;
        if (size < 0x100) {
            map += "\xd9";
        } else {
            map += "\xda";
            map += static_cast<char>(size >> 8);
        }
        map += static_cast<char>(size & 0xff);
        map.append(text, 0, size);
    }
    return map;
}

}  // namespace onetape
