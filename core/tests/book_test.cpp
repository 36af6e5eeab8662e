#include "market/book.hpp"

#include <limits>
#include <map>
#include <random>

#include "doctest.h"

using namespace onetape;

namespace {

struct Message {
    BookPayload payload{};
    std::vector<BookLevel> levels;
};

Message message(std::vector<BookLevel> bids, const std::vector<BookLevel>& asks,
                std::uint64_t first, std::uint64_t last, std::uint64_t previous) {
    Message m;
    m.payload.first_id = first;
    m.payload.last_id = last;
    m.payload.previous_id = previous;
    m.payload.bid_count = static_cast<std::uint32_t>(bids.size());
    m.payload.ask_count = static_cast<std::uint32_t>(asks.size());
    m.levels = std::move(bids);
    m.levels.insert(m.levels.end(), asks.begin(), asks.end());
    return m;
}

BookChange apply(Book& book, const Message& m, std::uint16_t flags = 0) {
    return book.apply(m.payload, flags, m.levels.data());
}

}  // namespace

TEST_CASE("an empty book has no best and is not synced") {
    const Book book;
    CHECK(!book.synced());
    CHECK(!book.crossed());
    CHECK(book.best_bid() == 0);
    CHECK(book.bid_size_at(5) == 0);
}

TEST_CASE("a gap empties the book until the next snapshot") {
    Book book;
    apply(book, message({{99, 1}}, {{101, 1}}, 0, 10, 0), flag_snapshot);
    CHECK(apply(book, message({{98, 1}}, {}, 11, 12, 10)).outcome == BookOutcome::applied);
    CHECK(apply(book, message({{97, 1}}, {}, 14, 15, 13)).outcome == BookOutcome::gap);
    CHECK(!book.synced());
    CHECK(book.bid_count() == 0);
    CHECK(apply(book, message({{96, 1}}, {}, 16, 17, 15)).outcome == BookOutcome::waiting);
    const BookChange healed = apply(book, message({{99, 2}}, {{101, 2}}, 0, 15, 0), flag_snapshot);
    CHECK(healed.outcome == BookOutcome::snapshot);
    CHECK(book.synced());
    CHECK(book.last_id() == 17);  // the buffered changes were replayed
    CHECK(book.bid_size_at(96) == 1);
    CHECK(book.bid_size_at(98) == 0);  // the ones before the gap were not
}

TEST_CASE("what waits for a snapshot is bounded") {
    Book book;
    std::vector<BookLevel> levels(1000, BookLevel{1, 1});
    std::uint64_t id = 1;
    for (int i = 0; i < 200; ++i, ++id) apply(book, message(levels, {}, id, id, 0));
    // Far more than waiting_bytes_max came: the oldest were dropped, so this is a gap.
    CHECK(apply(book, message({{9, 9}}, {}, 0, 1, 0), flag_snapshot).outcome == BookOutcome::gap);
    CHECK(apply(book, message({{9, 9}}, {}, 0, id - 2, 0), flag_snapshot).outcome ==
          BookOutcome::snapshot);
    CHECK(book.last_id() == id - 1);
}

TEST_CASE("a deep book equals a map over a long random flow") {
    Book book;
    std::map<std::int64_t, std::int64_t> bids, asks;
    std::mt19937_64 random(11);
    apply(book, message({}, {}, 0, 0, 0), flag_snapshot);
    for (int step = 0; step < 4000; ++step) {
        std::vector<BookLevel> b, a;
        for (int i = 0; i < 40; ++i) {
            const auto deep = random() % 4 == 0 ? 6000u : 12u;
            const auto offset = static_cast<std::int64_t>(random() % deep);
            const auto size = static_cast<std::int64_t>(random() % 3);
            const BookLevel level{i % 2 != 0 ? 10'000 - offset : 10'001 + offset, size};
            auto& side = i % 2 != 0 ? bids : asks;
            (i % 2 != 0 ? b : a).push_back(level);
            if (size == 0)
                side.erase(level.price);
            else
                side[level.price] = size;
        }
        apply(book, message(b, a, 0, 0, 0));
        if (step % 500 != 0) continue;
        REQUIRE(book.bid_count() == bids.size());
        REQUIRE(book.ask_count() == asks.size());
        std::size_t i = 0;
        for (const auto& [price, size] : asks) {
            REQUIRE(book.ask(i).price == price);
            REQUIRE(book.ask(i++).size == size);
        }
        i = bids.size();
        for (const auto& [price, size] : bids) {
            REQUIRE(book.bid(--i).price == price);
            REQUIRE(book.bid_size_at(price) == size);
        }
    }
}

TEST_CASE("a side equals a map, whatever its window does") {
    struct World {
        const char* name;
        std::int64_t touch, step, near, far;  // prices in steps around the touch
        bool wanders, wild;
    };
    const World worlds[] = {
        {"near the touch", 100'000, 1, 40, 5'000, false, false},
        {"wider than the window", 1'000'000, 1, 40, 60'000, false, false},
        {"a tick of 25 units", 2'500'000, 25, 40, 60'000, true, false},
        {"a touch that runs", 500'000, 1, 30, 20'000, true, false},
        {"prices that nobody would send", 0, 7, 30, 9'000, true, true},
    };
    for (const World& world : worlds) {
        for (const bool is_bid : {true, false}) {
            BookSide side(is_bid, 4);
            std::map<std::int64_t, std::int64_t> slow;  // by price
            std::mt19937_64 random(is_bid ? 3 : 5);
            std::int64_t touch = world.touch;
            for (int step = 0; step < 3'000; ++step) {
                INFO(std::string(world.name), is_bid ? ", bids" : ", asks", ", step ", step);
                if (world.wanders && step % 7 == 0)
                    touch += (static_cast<std::int64_t>(random() % 4001) - 2000) * world.step;
                std::vector<BookLevel> levels;
                for (int i = 0; i < 12; ++i) {
                    const auto deep = random() % 5 == 0 ? world.far : world.near;
                    const auto steps = static_cast<std::int64_t>(random()) % deep;
                    std::int64_t price = touch + steps * world.step;
                    if (world.wild && random() % 200 == 0) price += 3;  // off every grid
                    if (world.wild && random() % 50 == 0)
                        price = random() % 2 != 0 ? std::numeric_limits<std::int64_t>::max()
                                                  : std::numeric_limits<std::int64_t>::min();
                    levels.push_back({price, static_cast<std::int64_t>(random() % 3)});
                }
                if (random() % 97 == 0) {  // removed, in part or whole
                    for (const auto& [price, size] : slow)
                        if (random() % 8 != 0) levels.push_back({price, 0});
                }
                for (const BookLevel& level : levels) {
                    if (level.size == 0)
                        slow.erase(level.price);
                    else
                        slow[level.price] = level.size;
                }
                side.apply(levels.data(), levels.size());
                REQUIRE(side.count() == slow.size());
                for (const BookLevel& level : levels) {
                    const auto found = slow.find(level.price);
                    REQUIRE(side.size_at(level.price) == (found == slow.end() ? 0 : found->second));
                }
                if (slow.empty()) continue;
                const auto& [best, worst] = is_bid ? std::pair{*slow.rbegin(), *slow.begin()}
                                                   : std::pair{*slow.begin(), *slow.rbegin()};
                REQUIRE(side.best().price == best.first);
                REQUIRE(side.best().size == best.second);
                REQUIRE(side.worst().price == worst.first);
                if (step % 50 != 0) continue;
                std::vector<BookLevel> walked;
                side.walk([&](const BookLevel& level) {
                    walked.push_back(level);
                    return true;
                });
                REQUIRE(walked.size() == slow.size());
                std::size_t i = 0;
                const auto same = [&](const auto& expected) {
                    REQUIRE(walked[i].price == expected.first);
                    REQUIRE(walked[i++].size == expected.second);
                };
                if (is_bid)
                    for (auto at = slow.rbegin(); at != slow.rend(); ++at) same(*at);
                else
                    for (const auto& each : slow) same(each);
                REQUIRE(side.level(walked.size() / 2).price == walked[walked.size() / 2].price);
            }
        }
    }
}

TEST_CASE("a fused book is never crossed, and its touch is the quote's") {
    std::mt19937_64 random(17);
    for (const std::size_t windowed_from : {std::size_t{1}, std::size_t{128}}) {
        Book book(windowed_from);
        std::int64_t now = 0;
        const auto level = [&](std::int64_t price) {
            return BookLevel{price, static_cast<std::int64_t>(random() % 9 + 1)};
        };
        for (int step = 0; step < 3'000; ++step) {
            const auto middle = static_cast<std::int64_t>(1'000 + random() % 30);
            if (step % 10 == 0) {
                std::vector<BookLevel> bids, asks;
                for (std::int64_t i = 0; i < 20; ++i) {
                    bids.push_back(level(middle - 1 - i));
                    asks.push_back(level(middle + i));
                }
                Message m = message(bids, asks, 0, 0, 0);
                m.payload.ts_event = now += 10;
                apply(book, m, flag_snapshot);
                continue;
            }
            QuotePayload quote{};
            quote.ts_event = random() % 5 == 0 ? now : ++now;
            quote.bid = middle - 1;
            quote.ask = middle + static_cast<std::int64_t>(random() % 3);
            quote.bid_size = static_cast<std::int64_t>(random() % 5);
            quote.ask_size = static_cast<std::int64_t>(random() % 5);
            const bool newer = quote.ts_event > book.ts_event();
            REQUIRE(book.fuse(quote) == newer);
            REQUIRE(!book.crossed());
            if (!newer) continue;
            if (quote.bid_size != 0) {
                REQUIRE(book.best_bid() == quote.bid);
                REQUIRE(book.bid_size_at(quote.bid) == quote.bid_size);
            }
            if (quote.ask_size != 0) REQUIRE(book.best_ask() == quote.ask);
        }
    }
}
