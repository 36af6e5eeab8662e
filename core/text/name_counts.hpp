#pragma once
// Counts skipped names, which are a file's own text.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace onetape {

using NameCounts = std::map<std::string, std::uint64_t, std::less<>>;

inline constexpr std::size_t counted_name_bytes_max = 64;
inline constexpr std::size_t counted_names_max = 64;  // more count as "other"

// Shortens the name and removes control characters for terminals.
inline void count_name(NameCounts& counts, std::string_view text) {
    std::string name(text.substr(0, counted_name_bytes_max));
    for (char& c : name) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    const auto found = counts.find(name);
    if (found != counts.end())
        ++found->second;
    else
        ++counts[counts.size() < counted_names_max ? name : "other"];
}

}  // namespace onetape
