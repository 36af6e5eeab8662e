#include "accounts/booked.hpp"

#include <string>
#include <vector>

#include "doctest.h"
#include "exchange/prng.hpp"

using namespace onetape;

namespace {

bool knows(const Booked& booked, const std::string& name, std::int64_t time) {
    return booked.has(name) || booked.is_old(time);
}

}  // namespace

TEST_CASE("the oldest by their own time are let go, one for each that comes") {
    Booked booked(4);
    for (const int time : {50, 10, 40, 20}) booked.add("at " + std::to_string(time), time);
    CHECK(booked.complete() == Booked::never);
    booked.add("at 30", 30);
    CHECK(booked.size() == 4);
    CHECK_FALSE(booked.has("at 10"));
    CHECK(knows(booked, "at 10", 10));
    CHECK(knows(booked, "never seen", 9));
    CHECK_FALSE(knows(booked, "never seen", 11));
    booked.add("at 5", 5);  // it is the oldest itself
    CHECK(booked.size() == 4);
    CHECK(knows(booked, "at 5", 5));
    CHECK(booked.complete() == 11);
    const auto rows = booked.rows();
    REQUIRE(rows.size() == 4);
    CHECK(rows.front() == std::pair<std::string_view, std::int64_t>{"at 20", 20});
    CHECK(rows.back().second == 50);
}

TEST_CASE("what happened at one time is not old while nothing is newer") {
    Booked booked(3);
    for (int number = 0; number < 9; ++number) booked.add(std::to_string(number), 7);
    CHECK(booked.size() == 9);
    CHECK_FALSE(knows(booked, "another", 7));
    for (int number = 10; number < 16; ++number) booked.add(std::to_string(number), number);
    CHECK(booked.size() == 3);  // two dropped for each new one
    CHECK(knows(booked, "0", 7));
}

TEST_CASE("the same name again changes nothing") {
    Booked booked(3);
    booked.add("x", 5);
    booked.add("x", 9);
    CHECK(booked.rows().size() == 1);
    CHECK(booked.rows()[0].second == 5);
}

TEST_CASE("nothing is booked twice, and what is newer than all that was let go is let in") {
    constexpr std::size_t most = 6000;
    Booked booked(most);
    Prng random(3);
    std::vector<std::pair<std::string, std::int64_t>> all;
    std::int64_t now = 0;
    for (std::int64_t step = 0; step < 40'000; ++step) {
        now += static_cast<std::int64_t>(random.below(4));
        const auto late = static_cast<std::int64_t>(random.below(100));
        const std::int64_t time = random.below(20) == 0 ? now - late : now;
        const std::string name = "kraken:BTC/USD " + std::to_string(step);
        REQUIRE_FALSE(knows(booked, name, time));
        booked.add(name, time);
        all.emplace_back(name, time);
        REQUIRE(booked.size() <= most);
        const auto& repeated = all[random.below(static_cast<std::uint32_t>(all.size()))];
        REQUIRE(knows(booked, repeated.first, repeated.second));
    }
    CHECK(booked.size() == most);
    for (const auto& row : booked.rows()) CHECK(row.second >= booked.complete() - 1);
}
