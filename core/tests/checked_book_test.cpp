#include "text/checked_book.hpp"

#include "doctest.h"
#include "journal/frame.hpp"

using namespace onetape;

namespace {

// The worked example of docs.kraken.com, "Book checksum v2", read 2026-11, in units of 0.1 and
// 1e-8.
const std::vector<BookLevel> example_bids{
    {452835, 10000000},  {452834, 154582015}, {452821, 10000000}, {452810, 10000000},
    {452803, 154592586}, {452790, 7990000},   {452776, 3310103},  {452775, 30000000},
    {452773, 154602737}, {452766, 15445238}};
const std::vector<BookLevel> example_asks{
    {452852, 100000},   {452864, 154571953}, {452866, 154571109}, {452896, 154560911},
    {452902, 15890660}, {452918, 154553491}, {452947, 4454749},   {452961, 35380000},
    {452975, 9945542},  {452995, 18772827}};
constexpr std::uint32_t example_sum = 3310070434;

void scale(std::vector<BookLevel>& levels, std::int64_t price, std::int64_t size) {
    for (BookLevel& level : levels) level = {level.price * price, level.size * size};
}

}  // namespace

TEST_CASE("a checksum is over the digits as the venue writes them, whatever the units") {
    for (const int more : {0, 2}) {
        CheckedBook book;
        std::vector<BookLevel> bids = example_bids, asks = example_asks;
        if (more != 0) {
            scale(bids, 100, 100);
            scale(asks, 100, 100);
        }
        book.written(1, 8);
        book.apply(true, bids, asks);
        CHECK(book.checksum(1 + more, 8 + more) == example_sum);
    }
    CheckedBook book;  // units that lack a decimal which is zero everywhere
    std::vector<BookLevel> bids{{45, 1}}, asks{{46, 2}}, same_bids{{4500, 10}},
        same_asks{{4600, 20}};
    book.written(2, 1);
    book.apply(true, bids, asks);
    CheckedBook same;
    same.written(2, 1);
    same.apply(true, same_bids, same_asks);
    CHECK(book.checksum(0, 0) == same.checksum(2, 1));
}

TEST_CASE("what falls out of the depth is a level that is gone, the farthest first") {
    CheckedBook book;
    book.set_depth(2);
    std::vector<BookLevel> bids{{10, 1}, {9, 1}}, asks{{11, 1}, {12, 1}};
    book.apply(true, bids, asks);
    std::vector<BookLevel> better{{11, 5}, {10, 5}, {12, 5}}, none;
    book.apply(false, better, none);
    REQUIRE(better.size() == 5);
    CHECK((better[3].price == 9 && better[3].size == 0 && better[4].price == 10));
    CHECK(none.empty());
}

TEST_CASE("nobody said how deep: the least that could have been subscribed to") {
    CheckedBook book;
    std::vector<BookLevel> bids, asks;
    for (std::int64_t price = 1; price <= 11; ++price) bids.push_back({price, 1});
    book.apply(true, bids, asks);
    std::vector<BookLevel> more;
    for (std::int64_t price = 12; price <= 26; ++price) more.push_back({price, 1});
    book.apply(false, more, asks);
    CHECK(more.size() == 16);  // of 26 one is beyond 25
}

TEST_CASE("a book is known from a snapshot to a checksum that does not agree") {
    CheckedBook book;
    CHECK(book.flags(false, true) == flag_unsynced);
    CHECK(book.flags(true, true) == flag_snapshot);
    CHECK(book.flags(false, true) == 0);
    CHECK(book.flags(false, false) == (flag_gap | flag_unsynced));
    CHECK(book.flags(false, true) == flag_unsynced);
    CHECK(book.flags(true, false) == (flag_snapshot | flag_gap | flag_unsynced));
    CHECK(book.flags(true, true) == flag_snapshot);
    book.lose();
    CHECK(book.flags(false, true) == (flag_gap | flag_unsynced));
    CHECK(book.flags(true, true) == flag_snapshot);
    book.connected();
    CHECK(book.flags(false, true) == flag_unsynced);
}
