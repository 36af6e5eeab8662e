#include "text/checked_book.hpp"

#include <algorithm>
#include <iterator>
#include <string>

#include "journal/frame.hpp"
#include "text/decimal_text.hpp"

namespace onetape {
namespace {

constexpr std::size_t levels_of_digits = 10, levels_of_turns = 25;
constexpr std::array<std::size_t, 5> depths{10, 25, 100, 500, 1000};  // valid subscription depths

constexpr std::array<std::uint32_t, 256> crc32_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
        table[byte] = crc;
    }
    return table;
}();

// The CRC-32 of zip and Ethernet; the journal's is another.
[[nodiscard]] std::uint32_t crc32(const std::string& text) noexcept {
    std::uint32_t crc = ~0u;
    for (const char c : text) {
        crc = crc >> 8 ^ crc32_table[(crc ^ static_cast<unsigned char>(c)) & 0xffu];
    }
    return ~crc;
}

void add_digits(std::string& text, const RawDecimal& number, int decimals) {
    text += std::to_string(number.mantissa);
    text.append(static_cast<std::size_t>(decimals - number.decimals), '0');
}

// The number as written, if it was written plainly; with a colon before all but the first.
void add_plain(std::string& text, const RawDecimal& number) {
    if (!text.empty()) text += ':';
    std::string digits = std::to_string(number.mantissa);
    const auto decimals = static_cast<std::size_t>(number.decimals);
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    if (decimals > 0) digits.insert(digits.size() - decimals, 1, '.');
    text += digits;
}

template <class Levels>
void apply_side(Levels& side, bool is_snapshot, std::size_t depth, std::vector<BookLevel>& levels,
                std::span<const RawLevel> raw) {
    if (is_snapshot) side.clear();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (levels[i].size == 0)
            side.erase(levels[i].price);
        else
            side[levels[i].price] = raw[i];
    }
    while (depth != 0 && side.size() > depth) {
        const auto last = std::prev(side.end());
        levels.push_back({last->first, 0});
        side.erase(last);
    }
}

}  // namespace

void CheckedBook::clear_ids() noexcept {
    for (auto& side : prices_) side.clear();
}

bool CheckedBook::change(Side side, std::uint64_t id, LevelChange what, bool is_priced,
                         BookLevel level, std::vector<BookLevel>& own,
                         std::vector<BookLevel>& other) {
    const bool is_bid = side == Side::buy;
    auto& prices = prices_[is_bid ? 0 : 1];
    auto& opposite = prices_[is_bid ? 1 : 0];
    const auto found = prices.find(id);
    const bool has_price = found != prices.end() || what == LevelChange::insert;
    if (!is_priced && found != prices.end()) {
        level.price = found->second;
    } else if (!is_priced) {
        const auto moved = opposite.find(id);
        if (what != LevelChange::update || moved == opposite.end()) return false;
        // It changed sides: it keeps its id and price.
        level.price = moved->second;
        opposite.erase(moved);
        prices[id] = level.price;
        other.push_back({level.price, 0});
        own.push_back(level);
        return true;
    }
    if (what == LevelChange::remove) {
        prices.erase(id);
        level.size = 0;
    } else {
        prices[id] = level.price;
    }
    own.push_back(level);
    return has_price;
}

void CheckedBook::apply(BookChecksum form, bool is_snapshot, std::vector<BookLevel>& bids,
                        std::span<const RawLevel> raw_bids, std::vector<BookLevel>& asks,
                        std::span<const RawLevel> raw_asks) {
    const bool is_cut = form == BookChecksum::digits;
    if (is_cut) {
        for (const auto& raw : {raw_bids, raw_asks}) {
            for (const RawLevel& level : raw) {
                price_decimals_ = std::max<int>(price_decimals_, level.price.decimals);
                size_decimals_ = std::max<int>(size_decimals_, level.size.decimals);
            }
        }
    }
    if (is_snapshot && is_cut) {
        const std::size_t most = std::max(bids.size(), asks.size());
        if (depth_ < most) {  // not reported: the least depth that could have been subscribed to
            const auto* const fits = std::lower_bound(depths.begin(), depths.end(), most);
            depth_ = fits != depths.end() ? *fits : most;
        }
    }
    const std::size_t depth = is_cut ? depth_ : 0;
    apply_side(bids_, is_snapshot, depth, bids, raw_bids);
    apply_side(asks_, is_snapshot, depth, asks, raw_asks);
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

std::uint32_t CheckedBook::checksum(BookChecksum form) const {
    std::string text;
    if (form == BookChecksum::digits) {
        const auto add = [&](const auto& side) {
            std::size_t count = 0;
            for (auto level = side.begin(); level != side.end() && count < levels_of_digits;
                 ++level, ++count) {
                add_digits(text, level->second.price, price_decimals_);
                add_digits(text, level->second.size, size_decimals_);
            }
        };
        add(asks_);
        add(bids_);
        return crc32(text);
    }
    const auto add = [&](const RawLevel& level) {
        add_plain(text, level.price);
        add_plain(text, level.size);
    };
    auto bid = bids_.begin();
    auto ask = asks_.begin();
    for (std::size_t count = 0; count < levels_of_turns; ++count) {
        if (bid != bids_.end()) add((bid++)->second);
        if (ask != asks_.end()) add((ask++)->second);
    }
    return crc32(text);
}

}  // namespace onetape
