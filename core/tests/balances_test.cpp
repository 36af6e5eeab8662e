#include "accounts/balances.hpp"

#include <array>
#include <cstdint>

#include "doctest.h"

using namespace onetape;

namespace {

constexpr Int128 most = ~(Int128{1} << 127);
constexpr BalanceRules rules{-9, 63, -9, 3};

EntryFrame entry(std::vector<EntryLeg> legs, std::int64_t time = 1) {
    EntryFrame made;
    made.time = time;
    made.legs = std::move(legs);
    return made;
}

EntryFrame moved(Int128 amount, std::int64_t to = 1, std::int64_t time = 1) {
    return entry({{to, "USD", amount, "", {}}, {-5, "USD", -amount, "", {}}}, time);
}

Int128 of(const Balances& balances, std::int64_t holder, std::string_view wallet = "") {
    const auto* const found = balances.find(wallet, "USD");
    return found == nullptr ? 0 : balances.of(*found, holder);
}

}  // namespace

TEST_CASE("an entry is posted whole") {
    Balances balances(rules);
    CHECK(balances.post(moved(100)));
    CHECK(balances.post(entry({{1, "USD", -30, "", {}}, {-6, "USD", 30, "", {}}})));
    CHECK(balances.post(entry({{1, "USD", 30, "spot", {}}, {-6, "USD", -30, "", {}}})));
    CHECK(of(balances, 1) == 70);
    CHECK(of(balances, 0) == 70);
    CHECK(of(balances, -6) == 0);
    CHECK(of(balances, 1, "spot") == 30);
    CHECK(of(balances, 99) == 0);
    CHECK(balances.post(entry({{2, "USD", 9, "", {}}, {-9, "USD", -9, "", {}}})));
    CHECK(of(balances, 0) == 70);
    std::vector<Int128> rows(3);
    REQUIRE(balances.slots(*balances.find("", "USD"), rows));
    CHECK(rows == std::vector<Int128>{70, 61, 9});
    rows.assign(2, 0);
    CHECK_FALSE(balances.slots(*balances.find("", "USD"), rows));
}

TEST_CASE("what is none, or would go beyond 128 bits, leaves no trace") {
    Balances balances(rules);
    REQUIRE(balances.post(moved(most - 5)));
    CHECK_FALSE(balances.takes(moved(6)));
    CHECK_FALSE(balances.post(moved(6)));
    CHECK_FALSE(balances.post(entry({{1, "NEW", 1, "new", {}}, {2, "NEW", -2, "new", {}}})));
    // Each holder's balance fits, but their total does not.
    CHECK_FALSE(balances.post(moved(6, 2)));
    CHECK_FALSE(balances.post(entry({{1, "NEW", 1, "new", {}},
                                     {2, "NEW", -1, "new", {}},
                                     {1, "USD", 6, "", {}},
                                     {-5, "USD", -6, "", {}}})));
    CHECK(balances.find("new", "NEW") == nullptr);
    CHECK(balances.wallets().size() == 1);
    CHECK(of(balances, 0) == most - 5);
    CHECK(of(balances, 1) == most - 5);
    CHECK(of(balances, 2) == 0);
    CHECK(balances.find("", "USD")->recent.size() == 1);
    CHECK(balances.takes(moved(5)));
    CHECK(of(balances, 0) == most - 5);
    CHECK(balances.post(moved(5)));
    CHECK(of(balances, 0) == most);
}

TEST_CASE("the pool is shown with what else is ours, and both have room together") {
    Balances balances(rules);
    REQUIRE(balances.post(entry({{1, "USD", most, "", {}}, {-5, "USD", -most, "", {}}})));
    REQUIRE(balances.post(entry({{2, "USD", -most, "", {}}, {-5, "USD", most, "", {}}})));
    // The total fits, but the shown balance of the pool does not.
    CHECK_FALSE(balances.takes(entry({{-9, "USD", 1, "", {}}, {-5, "USD", -1, "", {}}})));
    CHECK(balances.post(entry({{-9, "USD", -1, "", {}}, {-5, "USD", 1, "", {}}})));
    // The sum of all rows fits, although that of some of them does not.
    CHECK(balances.post(entry({{3, "USD", most, "", {}}, {-6, "USD", -most, "", {}}})));
    std::vector<Int128> rows(4);
    REQUIRE(balances.slots(*balances.find("", "USD"), rows));
    CHECK(rows == std::vector<Int128>{most - 1, most - 1, -most, most});
}

TEST_CASE("a slot may use its balance, the pool its credit too, and not what netting has lost") {
    Balances balances(rules);
    CHECK(balances.free(balances.find("", "USD"), 1, 7) == 7);
    CHECK(balances.free(balances.find("", "USD"), 2, 7) == 0);
    REQUIRE(balances.post(entry({{1, "USD", 100, "", {}}, {-5, "USD", -100, "", {}}})));
    REQUIRE(balances.post(entry({{2, "USD", 30, "", {}}, {-5, "USD", -30, "", {}}})));
    const auto free = [&](std::int64_t slot, Int128 credit) {
        return balances.free(balances.find("", "USD"), slot, credit);
    };
    CHECK(free(1, 7) == 107);
    CHECK(free(2, 7) == 30);
    REQUIRE(balances.post(entry({{-9, "USD", 5, "", {}}, {-5, "USD", -5, "", {}}})));
    CHECK(free(1, 7) == 107);  // the gain from netting is not available yet
    REQUIRE(balances.post(entry({{-9, "USD", -9, "", {}}, {-5, "USD", 9, "", {}}})));
    CHECK(free(1, 7) == 103);
    CHECK(free(2, 7) == 30);
    CHECK(free(1, most) == most);
}

TEST_CASE("the total of a time is known as long as its changes are") {
    Balances balances(rules);
    for (const std::int64_t time : {10, 30, 20, 40, 50}) REQUIRE(balances.post(moved(1, 1, time)));
    const auto& row = *balances.find("", "USD");
    Int128 total = 0;
    CHECK_FALSE(Balances::as_of(row, 29, total));
    REQUIRE(Balances::as_of(row, 30, total));
    CHECK(total == 3);
    REQUIRE(Balances::as_of(row, 49, total));
    CHECK(total == 4);
}

TEST_CASE("many entries in any order of holders end in their sums") {
    Balances balances(rules);
    std::array<Int128, 73> sums{};
    std::uint64_t state = 7;
    const auto drawn = [&state](std::uint64_t below) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return static_cast<std::int64_t>((state >> 33) % below);
    };
    for (int step = 0; step < 2000; ++step) {
        std::vector<EntryLeg> legs;
        Int128 rest = 0;
        for (std::int64_t count = 1 + drawn(5); count > 0; --count) {
            const std::int64_t holder = drawn(2) != 0 ? 1 + drawn(63) : -1 - drawn(9);
            const Int128 amount = (drawn(1000) - 500) * pow10(static_cast<int>(drawn(30)));
            legs.push_back({holder, "USD", amount, "", {}});
            rest -= amount;
        }
        legs.push_back({-5, "USD", rest, "", {}});
        for (const auto& leg : legs) sums[static_cast<std::size_t>(leg.holder + 9)] += leg.amount;
        REQUIRE(balances.takes(entry(legs)));
        REQUIRE(balances.post(entry(legs)));
    }
    Int128 ours = sums[0];  // -9
    for (std::size_t at = 10; at < sums.size(); ++at) ours += sums[at];
    for (std::int64_t holder = -9; holder <= 63; ++holder)
        if (holder != 0) CHECK(of(balances, holder) == sums[static_cast<std::size_t>(holder + 9)]);
    CHECK(of(balances, 0) == ours);
}
