#include "market/mbo_book.hpp"

#include <map>
#include <random>

#include "doctest.h"
#include "journal/frame.hpp"

using namespace onetape;

namespace {

MboPayload message(MboAction action, std::uint64_t id, Side side = Side::buy,
                   std::int64_t price = 0, std::int64_t size = 0) {
    MboPayload made{};
    made.order_id = id;
    made.price = price;
    made.size = size;
    made.action = action;
    made.side = side;
    made.last = 1;
    return made;
}

struct World {
    Book levels;
    MboBook orders{levels};

    MboChange add(std::uint64_t id, Side side, std::int64_t price, std::int64_t size,
                  std::uint16_t flags = 0) {
        return orders.apply(message(MboAction::add, id, side, price, size), flags);
    }
};

}  // namespace

TEST_CASE("levels are the sums of the orders, and a level is gone with its last order") {
    World world;
    CHECK_FALSE(world.levels.synced());
    CHECK(world.add(1, Side::buy, 100, 5).synced);
    world.add(2, Side::buy, 100, 3);
    world.add(3, Side::sell, 102, 4);
    CHECK(world.levels.best_bid() == 100);
    CHECK(world.levels.bid_size_at(100) == 8);
    world.orders.apply(message(MboAction::fill, 1, Side::buy, 100, 2), 0);
    world.orders.apply(message(MboAction::cancel, 2), 0);
    CHECK(world.levels.bid_size_at(100) == 3);
    world.orders.apply(message(MboAction::cancel, 1), 0);
    CHECK(world.levels.bid_count() == 0);
    CHECK(world.orders.order_count() == 1);
    CHECK(world.orders.counts().faults() == 0);
}

TEST_CASE("a size that no level can hold is refused") {
    World world;
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    world.add(1, Side::buy, 100, most);
    world.add(2, Side::buy, 100, 1);
    world.add(3, Side::buy, 99, 1);
    world.orders.apply(message(MboAction::modify, 3, Side::buy, 100, 1), 0);
    CHECK(world.orders.counts().refused == 2);
    CHECK(world.levels.bid_size_at(100) == most);
    CHECK(world.levels.bid_size_at(99) == 1);
}

TEST_CASE("words that are none are refused") {
    World world;
    MboPayload odd = message(static_cast<MboAction>(9), 1, Side::buy, 1, 1);
    world.orders.apply(odd, 0);
    odd = message(MboAction::add, 1, static_cast<Side>(7), 1, 1);
    world.orders.apply(odd, 0);
    odd = message(MboAction::clear, 1, static_cast<Side>(7));
    world.orders.apply(odd, 0);
    CHECK(world.orders.counts().refused == 3);
    CHECK(world.orders.order_count() == 0);
}

TEST_CASE("orders that a snapshot names again keep their rank, also a second one at once") {
    World world;
    const std::uint64_t first = world.add(1, Side::buy, 100, 5).rank;
    const std::uint64_t second = world.add(2, Side::buy, 100, 5).rank;
    CHECK(first < second);
    for (int round = 0; round < 2; ++round) {
        MboPayload clear = message(MboAction::clear, 0, Side::none);
        clear.last = 0;
        const MboChange change = world.orders.apply(clear, flag_snapshot);
        CHECK(change.forgets_bids);
        CHECK(change.forgets_asks);
        CHECK_FALSE(world.levels.synced());
        CHECK(world.add(2, Side::buy, 100, 4 - round, flag_snapshot).rank == second);
        CHECK(world.add(7 + round, Side::buy, 100, 4, flag_snapshot).came == 4);
        CHECK(world.levels.synced());
    }
    CHECK(world.add(1, Side::buy, 100, 5).rank > second);  // it had been removed
    CHECK(world.orders.counts().duplicates == 0);
}

// Memory and time of clears depend on the orders added, not on all earlier ones.
TEST_CASE("many clears of a book that was large are quick") {
    World world;
    for (std::uint64_t id = 1; id <= 100'000; ++id)
        world.add(id, id % 2 == 0 ? Side::buy : Side::sell,
                  id % 2 == 0 ? 1000 - static_cast<std::int64_t>(id % 97)
                              : 2000 + static_cast<std::int64_t>(id % 97),
                  1);
    for (int i = 0; i < 200'000; ++i) {
        world.orders.apply(message(MboAction::clear, 0, Side::buy), 0);
        world.add(2, Side::buy, 100, 1);
    }
    CHECK(world.orders.order_count() == 50'001);
    CHECK(world.levels.bid_count() == 1);
}

TEST_CASE("any messages leave the levels that plain maps hold") {
    struct Plain {
        Side side;
        std::int64_t price, size;
    };
    for (unsigned seed = 0; seed < 40; ++seed) {
        std::mt19937_64 random(seed);
        const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        World world;
        std::map<std::uint64_t, Plain> plain;
        for (int step = 0; step < 3000; ++step) {
            const auto id = below(40) + 1;
            const Side side = below(2) == 0 ? Side::buy : Side::sell;
            const std::int64_t price = (side == Side::buy ? 100 : 200) + below(12);
            const std::int64_t size = static_cast<std::int64_t>(below(9)) - 1;
            // A cancel larger than the order removes all of it, as a 0 does.
            const auto action = static_cast<MboAction>(below(60) == 0 ? 5 : below(4) + 1);
            world.orders.apply(message(action, id, side, price, size), 0);
            if (size < 0) continue;
            const auto found = plain.find(id);
            const bool is_listed = found != plain.end();
            switch (action) {
                case MboAction::add:
                    if (size == 0) break;
                    [[fallthrough]];
                case MboAction::modify:
                    if (!is_listed && size != 0) plain[id] = {side, price, size};
                    if (is_listed) {
                        found->second.price = price;
                        found->second.size = size;
                        if (size == 0) plain.erase(found);
                    }
                    break;
                case MboAction::cancel:
                    if (is_listed && (size == 0 || (found->second.size -= size) <= 0))
                        plain.erase(found);
                    break;
                case MboAction::fill:
                    if (is_listed && (found->second.size -= size) <= 0) plain.erase(found);
                    break;
                case MboAction::clear:
                    std::erase_if(plain, [&](const auto& e) { return e.second.side == side; });
                    break;
            }
            std::map<std::int64_t, std::int64_t> sums[2];
            for (const auto& [_, each] : plain)
                sums[each.side == Side::buy ? 0 : 1][each.price] += each.size;
            REQUIRE(world.orders.order_count() == plain.size());
            REQUIRE(world.levels.bid_count() == sums[0].size());
            REQUIRE(world.levels.ask_count() == sums[1].size());
            for (const auto& [at, sum] : sums[0]) REQUIRE(world.levels.bid_size_at(at) == sum);
            for (const auto& [at, sum] : sums[1]) REQUIRE(world.levels.ask_size_at(at) == sum);
        }
    }
}
