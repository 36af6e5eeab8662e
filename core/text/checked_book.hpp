#pragma once
// A book that its venue holds to a checksum (Kraken's): a CRC-32 over the ten best asks, then bids,
// each price and size as digits without point and leading zeros, at the pair's decimals. The
// messages do not say these: they are the most that were written so far, which is right whether or
// not trailing zeros are sent. The book is cut to the depth that was subscribed to after each
// message.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "journal/events.hpp"

namespace onetape {

class CheckedBook {
 public:
    void set_depth(std::size_t depth) noexcept { depth_ = depth; }
    void written(int price_decimals, int size_decimals) noexcept {
        if (price_decimals > price_decimals_) price_decimals_ = price_decimals;
        if (size_decimals > size_decimals_) size_decimals_ = size_decimals;
    }
    // A message was lost: the next one shows the gap.
    void lose() noexcept { is_lost_ = true; }
    void connected() noexcept { synced_ = is_lost_ = false; }

    // Applies a message and adds to it, with size 0, the levels that fell out of the depth.
    void apply(bool is_snapshot, std::vector<BookLevel>& bids, std::vector<BookLevel>& asks);
    // Flags of the message last applied. fits: its checksum agrees.
    [[nodiscard]] std::uint16_t flags(bool is_snapshot, bool fits) noexcept;
    // price_decimals, size_decimals: of the units.
    [[nodiscard]] std::uint32_t checksum(int price_decimals, int size_decimals) const;

 private:
    std::map<std::int64_t, std::int64_t, std::greater<>> bids_;
    std::map<std::int64_t, std::int64_t> asks_;
    std::size_t depth_ = 0;  // 0: not said
    int price_decimals_ = 0, size_decimals_ = 0;
    bool synced_ = false, is_lost_ = false;
};

}  // namespace onetape
