#pragma once
// Hashes the common part of messages of one kind: their fields and words, without numbers.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace onetape {

// Hash of the outline of a JSON text: field names, structure and strings of letters count, numbers
// and strings with a digit (ids, prices, times) do not. Accepts any text.
[[nodiscard]] inline std::uint64_t json_outline(std::string_view text) noexcept {
    std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
    const auto take = [&hash](char letter) {
        hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211ull;
    };
    const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = text[at];
        if (letter != '"') {
            const bool is_figure =
                is_digit(letter) || letter == '.' || letter == '-' || letter == '+';
            if (!is_figure) take(letter);
            continue;
        }
        std::size_t end = at + 1;
        bool has_digit = false;
        for (; end < text.size() && text[end] != '"'; ++end) {
            has_digit = has_digit || is_digit(text[end]);
            if (text[end] == '\\') ++end;
        }
        const bool is_name = end + 1 < text.size() && text[end + 1] == ':';
        take('"');
        if (has_digit && !is_name)
            take('#');
        else
            for (std::size_t inner = at + 1; inner < end && inner < text.size(); ++inner)
                take(text[inner]);
        take('"');
        at = end;
    }
    return hash;
}

}  // namespace onetape
