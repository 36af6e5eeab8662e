#include "text/depth_chain.hpp"

#include "doctest.h"

using namespace onetape;
using Verdict = DepthChain::Verdict;
using Seed = DepthChain::Seed;

namespace {

Verdict change(DepthChain& chain, DepthIds ids, std::int64_t price = 0, std::int64_t size = 0) {
    std::vector<BookLevel> bids;
    if (price != 0) bids.push_back({price, size});
    return chain.change(ids, static_cast<std::int64_t>(ids.last), bids, {});
}

DepthIds linked(std::uint64_t first, std::uint64_t last, std::uint64_t previous) {
    return {first, last, previous, true};
}
DepthIds counted(std::uint64_t first, std::uint64_t last) {
    return {first, last, 0, false};
}

Seed seed(DepthChain& chain, std::uint64_t& id, std::vector<BookLevel>& bids) {
    std::int64_t time = 0;
    std::vector<BookLevel> asks{{200, 1}};
    return chain.snapshot(id, time, bids, asks);
}

}  // namespace

TEST_CASE("changes wait for a snapshot, and what it missed is in it") {
    DepthChain chain;
    CHECK(change(chain, linked(90, 95, 89), 100, 1) == Verdict::waits);
    CHECK(change(chain, linked(96, 105, 95), 101, 2) == Verdict::waits);
    CHECK(change(chain, linked(106, 110, 105), 99, 0) == Verdict::waits);
    std::uint64_t id = 100;
    std::vector<BookLevel> bids{{100, 5}, {99, 7}};
    REQUIRE(seed(chain, id, bids) == Seed::taken);
    CHECK(id == 110);
    REQUIRE(bids.size() == 2);  // 101 was added, 99 removed; 100 was older than the snapshot
    CHECK(bids[0].price == 101);
    CHECK(bids[1].size == 5);
    CHECK(change(chain, linked(106, 110, 105)) == Verdict::stale);
    CHECK(change(chain, linked(111, 120, 110)) == Verdict::applies);
}

TEST_CASE("the first change joins its snapshot by span, or by the id before it") {
    for (const DepthIds ids : {linked(95, 105, 94), linked(95, 100, 94), linked(103, 105, 100)}) {
        DepthChain chain;
        std::uint64_t id = 100;
        std::vector<BookLevel> bids{{1, 1}};
        REQUIRE(seed(chain, id, bids) == Seed::taken);
        CHECK(change(chain, linked(90, 99, 89)) == Verdict::stale);
        CHECK(change(chain, ids) == Verdict::applies);
    }
    DepthChain chain;
    std::uint64_t id = 100;
    std::vector<BookLevel> bids{{1, 1}};
    REQUIRE(seed(chain, id, bids) == Seed::taken);
    CHECK(change(chain, counted(90, 100)) == Verdict::stale);
    CHECK(change(chain, counted(99, 104)) == Verdict::applies);
    CHECK(change(chain, counted(105, 106)) == Verdict::applies);
    CHECK(change(chain, counted(108, 109)) == Verdict::gap);
}

TEST_CASE("a break ends what is known until the next snapshot joins") {
    DepthChain chain;
    std::uint64_t id = 100;
    std::vector<BookLevel> bids{{1, 1}};
    REQUIRE(seed(chain, id, bids) == Seed::taken);
    CHECK(change(chain, linked(101, 105, 100)) == Verdict::applies);
    CHECK(change(chain, linked(111, 115, 110)) == Verdict::gap);
    CHECK_FALSE(chain.synced());
    CHECK(change(chain, linked(116, 120, 115)) == Verdict::waits);
    std::uint64_t old = 103;  // answered with a book from before the break
    CHECK(seed(chain, old, bids) == Seed::too_old);
    CHECK_FALSE(chain.synced());
    std::uint64_t healing = 112;
    CHECK(seed(chain, healing, bids) == Seed::taken);
    CHECK(healing == 120);
    CHECK(change(chain, linked(121, 125, 120)) == Verdict::applies);
    std::uint64_t behind = 110;  // a synced book does not go back
    CHECK(seed(chain, behind, bids) == Seed::too_old);
    CHECK(chain.synced());
}

TEST_CASE("what waits is bounded") {
    DepthChain chain;
    std::vector<BookLevel> many(1000, BookLevel{5, 5});
    for (std::uint64_t i = 1; i < 2000; ++i) {
        CHECK(chain.change(counted(i, i), 0, many, {}) == Verdict::waits);
    }
    std::uint64_t id = 500;  // its continuation was dropped long ago
    std::vector<BookLevel> bids{{1, 1}};
    CHECK(seed(chain, id, bids) == Seed::too_old);
}
