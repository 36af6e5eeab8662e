#pragma once
// Remembers the trades of one symbol by the venue's ids, so that each is taken once however many
// sources report it and however late.
//
// Memory is bounded. When it is full the trades taken first are forgotten, and from then on an
// unknown trade that is not newer than those is `late`: it may have been taken.
#include <cstdint>
#include <limits>
#include <vector>

#include "journal/events.hpp"
#include "market/delay_floor.hpp"

namespace onetape {

inline constexpr std::int64_t trade_memory_keep_ns = 600'000'000'000;  // while there is room
inline constexpr std::size_t trade_memory_max = std::size_t{1} << 17;  // trades of one symbol

// The identity of a trade. Without an id of the venue the caller makes one of kind `none` from its
// content.
struct TradeKey {
    std::uint64_t low = 0, high = 0;
    IdKind kind = IdKind::none;
    friend bool operator==(const TradeKey&, const TradeKey&) = default;
};

class TradeMemory {
 public:
    enum class Seen : std::uint8_t {
        fresh,
        taken,
        differs,  // taken before with another price, size or side
        late,
    };

    explicit TradeMemory(std::size_t count_max = trade_memory_max,
                         std::int64_t keep_ns = trade_memory_keep_ns);

    [[nodiscard]] Seen look(const TradeKey& key, const TradePayload& trade) const noexcept;
    // Remembers a fresh trade.
    void take(const TradeKey& key, const TradePayload& trade);
    // Trades up to this venue time count as forgotten.
    void forget_until(std::int64_t time) noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
    struct Entry {
        TradeKey key;
        std::uint32_t content;
        std::int64_t time;
    };
    static constexpr std::uint32_t absent = 0xffffffffu;
    [[nodiscard]] static std::size_t mixed(const TradeKey& key) noexcept;
    [[nodiscard]] std::size_t home(const TradeKey& key) const noexcept {
        return mixed(key) & (table_.size() - 1);
    }
    [[nodiscard]] std::uint32_t find(const TradeKey& key) const noexcept;
    void put(std::uint32_t at) noexcept;
    void forget_first() noexcept;
    void grow();

    std::size_t count_max_;
    std::int64_t keep_ns_;
    std::vector<Entry> ring_;           // in order of taking, from first_
    std::vector<std::uint32_t> table_;  // indices in the ring, open addressing
    std::size_t first_ = 0, count_ = 0;
    std::int64_t newest_ = std::numeric_limits<std::int64_t>::min();
    std::int64_t forgotten_ = std::numeric_limits<std::int64_t>::min();
};

// The venue's time of a trade, or its receipt if the venue gives none.
[[nodiscard]] inline std::int64_t trade_time(const TradePayload& trade) noexcept {
    return trade.ts_event != 0 ? trade.ts_event : trade.ts_recv;
}

// Makes ids for trades without one: the content, and the count of equal ones at the same venue
// time. Counts restart with each venue time, so that trades of one source get the same ids in every
// source that reports all trades of that time.
class TradeCounter {
 public:
    [[nodiscard]] TradeKey key(const TradePayload& trade);

 private:
    static constexpr std::size_t kinds_max = 256;  // of one venue time
    struct Kind {
        std::int64_t price, size;
        Side side;
        std::uint32_t count;
    };
    std::int64_t time_ = std::numeric_limits<std::int64_t>::min();
    std::vector<Kind> kinds_;
};

}  // namespace onetape
