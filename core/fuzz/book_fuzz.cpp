// Any sequence of frames leaves the book that a map would hold, or an empty one.
#include <limits>
#include <map>
#include <vector>

#include "fuzz/input.hpp"
#include "market/book.hpp"

using namespace onetape;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Book book(input.take<std::uint8_t>() % 2 != 0 ? 1 : BookSide::windowed_default);
    std::map<std::int64_t, std::int64_t> sides[2];
    bool waited = false;  // buffered changes may be replayed; the simple model does not
    while (!input.empty()) {
        BookPayload payload{};
        const auto flags = static_cast<std::uint16_t>(input.take<std::uint8_t>() & 15u);
        const auto counts = input.take<std::uint8_t>();
        const auto ids = input.take<std::uint8_t>();
        payload.bid_count = counts & 15u;
        payload.ask_count = counts >> 4;
        payload.first_id = ids & 3u;
        payload.last_id = ids >> 2 & 7u;
        payload.previous_id = ids >> 5;
        std::vector<BookLevel> levels(payload.bid_count + payload.ask_count);
        for (BookLevel& level : levels) {
            const auto price = input.take<std::int8_t>();
            level.price = price == -128  ? std::numeric_limits<std::int64_t>::min()
                          : price == 127 ? std::numeric_limits<std::int64_t>::max()
                                         : price;
            level.size = input.take<std::int8_t>() % 4;
        }
        const BookChange change = book.apply(payload, flags, levels.data());
        waited =
            waited || change.outcome == BookOutcome::waiting || change.outcome == BookOutcome::gap;
        fuzz::require(book.synced() || (book.bid_count() == 0 && book.ask_count() == 0));
        fuzz::require(change.crossed == book.crossed());
        if (!book.synced() || change.outcome == BookOutcome::snapshot) {
            sides[0].clear();
            sides[1].clear();
        }
        if (book.synced() && change.outcome != BookOutcome::stale) {
            for (std::size_t i = 0; i < levels.size(); ++i) {
                auto& side = sides[i < payload.bid_count ? 0 : 1];
                if (levels[i].size == 0)
                    side.erase(levels[i].price);
                else
                    side[levels[i].price] = levels[i].size;
            }
        }
        if (waited) continue;
        fuzz::require(book.bid_count() == sides[0].size());
        fuzz::require(book.ask_count() == sides[1].size());
        std::size_t i = sides[0].size();
        for (const auto& [price, amount] : sides[0]) {
            --i;
            fuzz::require(book.bid(i).price == price && book.bid(i).size == amount);
            fuzz::require(book.bid_size_at(price) == amount);
        }
        for (const auto& [price, amount] : sides[1]) {
            fuzz::require(book.ask(i).price == price && book.ask(i).size == amount);
            ++i;
        }
    }
    return 0;
}
