#include "text/checked_book.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <string>

#include "journal/frame.hpp"
#include "text/decimal_text.hpp"

namespace onetape {
namespace {

constexpr std::size_t checked_levels = 10;
constexpr std::array<std::size_t, 5> depths{10, 25, 100, 500, 1000};  // that can be subscribed to

constexpr std::array<std::uint32_t, 256> crc32_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
        table[byte] = crc;
    }
    return table;
}();

// The CRC-32 of zip and of Ethernet; the journal's is another.
[[nodiscard]] std::uint32_t crc32(const std::string& text) noexcept {
    std::uint32_t crc = ~0u;
    for (const char c : text) {
        crc = crc >> 8 ^ crc32_table[(crc ^ static_cast<unsigned char>(c)) & 0xffu];
    }
    return ~crc;
}

// written: the decimals of which the venue sums up, `decimals` those of `units`.
void add_digits(std::string& text, std::int64_t units, int decimals, int written) {
    if (units == 0) return;
    std::string digits = std::to_string(units);
    for (int at = decimals; at < written; ++at) digits += '0';
    // Nothing but zeros stands there.
    for (int at = written; at < decimals && !digits.empty(); ++at) digits.pop_back();
    text += digits;
}

template <class Levels>
void apply_side(Levels& side, bool is_snapshot, std::size_t depth, std::vector<BookLevel>& levels) {
    if (is_snapshot) side.clear();
    for (const BookLevel& level : levels) {
        if (level.size == 0)
            side.erase(level.price);
        else
            side[level.price] = level.size;
    }
    while (depth != 0 && side.size() > depth) {
        const auto last = std::prev(side.end());
        levels.push_back({last->first, 0});
        side.erase(last);
    }
}

}  // namespace

void CheckedBook::apply(bool is_snapshot, std::vector<BookLevel>& bids,
                        std::vector<BookLevel>& asks) {
    if (is_snapshot) {
        const std::size_t most = std::max(bids.size(), asks.size());
        if (depth_ < most) {  // nobody said: the least that could have been subscribed to
            const auto* const fits = std::lower_bound(depths.begin(), depths.end(), most);
            depth_ = fits != depths.end() ? *fits : most;
        }
    }
    apply_side(bids_, is_snapshot, depth_, bids);
    apply_side(asks_, is_snapshot, depth_, asks);
}

std::uint16_t CheckedBook::flags(bool is_snapshot, bool fits) noexcept {
    std::uint16_t flags = 0;
    if (is_snapshot) {
        synced_ = true;
        is_lost_ = false;
        flags = flag_snapshot;
        if (fits) return flags;
    }
    if (!synced_) return flag_unsynced;
    if (fits && !is_lost_) return flags;
    synced_ = is_lost_ = false;
    return static_cast<std::uint16_t>(flags | flag_gap | flag_unsynced);
}

std::uint32_t CheckedBook::checksum(int price_decimals, int size_decimals) const {
    std::string text;
    const auto add = [&](const auto& side) {
        std::size_t count = 0;
        for (auto level = side.begin(); level != side.end() && count < checked_levels;
             ++level, ++count) {
            add_digits(text, level->first, price_decimals, price_decimals_);
            add_digits(text, level->second, size_decimals, size_decimals_);
        }
    };
    add(asks_);
    add(bids_);
    return crc32(text);
}

}  // namespace onetape
