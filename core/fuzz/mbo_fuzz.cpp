// Any sequence of messages about orders leaves levels that are the sums of the orders, and none in
// a book that is lost.
#include <limits>
#include <vector>

#include "fuzz/input.hpp"
#include "market/mbo_book.hpp"

using namespace onetape;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Book levels(input.take<std::uint8_t>() % 2 != 0 ? 1 : BookSide::windowed_default);
    MboBook orders(levels);
    while (!input.empty()) {
        MboPayload message{};
        const auto flags = static_cast<std::uint16_t>(input.take<std::uint8_t>() & 15u);
        const auto kind = input.take<std::uint8_t>();
        message.action = static_cast<MboAction>(kind & 7u);
        message.side = static_cast<Side>(kind >> 3 & 3u);
        message.last = kind >> 5 & 1u;
        message.reported = kind >> 6 & 1u;
        message.order_id = input.take<std::uint8_t>() % 16;
        message.price = input.take<std::int8_t>();
        const auto amount = input.take<std::int8_t>();
        message.size = amount == 127 ? std::numeric_limits<std::int64_t>::max() : amount;
        const MboChange change = orders.apply(message, flags);
        fuzz::require(change.traded >= 0 && change.came >= 0);
        fuzz::require((orders.order_count() == 0) ==
                      (levels.bid_count() == 0 && levels.ask_count() == 0));
        levels.side(Side::buy).walk([](const BookLevel& level) {
            fuzz::require(level.size > 0);
            return true;
        });
        levels.side(Side::sell).walk([](const BookLevel& level) {
            fuzz::require(level.size > 0);
            return true;
        });
    }
    return 0;
}
