#pragma once
// Measures how conflated a depth stream is: the intervals between its messages while prints happen,
// and how the prints relate to the messages that include them.
#include <cstdint>
#include <vector>

#include "journal/events.hpp"
#include "market/book.hpp"

namespace onetape {

struct ConflationFacts {
    std::uint64_t messages = 0;    // of depth
    std::uint64_t prints = 0;      // between two messages of a synced book
    std::uint64_t explaining = 0;  // of those: their level was displayed before, and smaller after
    std::uint64_t late =
        0;  // came after a message that includes them, by the venue's stamps of both
    std::uint64_t stamped = 0;         // prints for which that is known
    std::int64_t interval_median = 0;  // ns between messages with a print in between, 0: none
};

class Conflation {
 public:
    void on_book(const BookPayload& payload, std::uint16_t flags, const BookLevel* levels,
                 std::int64_t received);
    void on_trade(const TradePayload& trade);
    [[nodiscard]] ConflationFacts facts() const;

 private:
    struct Print {
        std::int64_t price, shown;
        Side level;  // the side whose order it took
    };

    Book book_;
    std::vector<Print> between_;  // since the last message
    std::vector<std::int64_t> intervals_;
    std::int64_t last_ = 0, stamp_ = 0;
    ConflationFacts facts_;
};

}  // namespace onetape
