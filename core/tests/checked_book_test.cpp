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

// Levels as text, with these decimals.
std::vector<RawLevel> written(const std::vector<BookLevel>& levels, std::int16_t price,
                              std::int16_t size) {
    std::vector<RawLevel> raw;
    for (const BookLevel& level : levels) {
        raw.push_back({{level.price, price, false}, {level.size, size, false}});
    }
    return raw;
}

void apply(CheckedBook& book, BookChecksum form, bool is_snapshot, std::vector<BookLevel>& bids,
           std::vector<BookLevel>& asks, std::int16_t price = 0, std::int16_t size = 0) {
    const auto raw_bids = written(bids, price, size), raw_asks = written(asks, price, size);
    book.apply(form, is_snapshot, bids, raw_bids, asks, raw_asks);
}

}  // namespace

TEST_CASE("a checksum of digits is over what the venue writes, whether or not it sends zeros") {
    CheckedBook book;
    std::vector<BookLevel> bids = example_bids, asks = example_asks;
    apply(book, BookChecksum::digits, true, bids, asks, 1, 8);
    CHECK(book.checksum(BookChecksum::digits) == example_sum);
    CheckedBook bare;
    std::vector<RawLevel> raw_bids = written(example_bids, 1, 8);
    const std::vector<RawLevel> raw_asks = written(example_asks, 1, 8);
    for (RawLevel& level : raw_bids) {
        while (level.size.mantissa % 10 == 0) {
            level.size.mantissa /= 10;
            --level.size.decimals;
        }
    }
    bare.apply(BookChecksum::digits, true, bids, raw_bids, asks, raw_asks);
    CHECK(bare.checksum(BookChecksum::digits) == example_sum);
}

TEST_CASE("a checksum of turns is over a bid and an ask in turn, as they are written") {
    // The sums are zlib's, of "3366.1:7:3366.8:9:3368.0:8:3372.0:8" and
    // "3366.1:0.007:3366.8:0.012:0.5:0.006".
    std::vector<BookLevel> bids{{33661, 7}}, asks{{33668, 9}, {33680, 8}, {33720, 8}};
    CheckedBook book;
    apply(book, BookChecksum::turns, true, bids, asks, 1, 0);
    CHECK(book.checksum(BookChecksum::turns) == 3452136874u);
    std::vector<BookLevel> more_bids{{33661, 7}, {5, 6}}, one_ask{{33668, 12}};
    apply(book, BookChecksum::turns, true, more_bids, one_ask, 1, 3);
    CHECK(book.checksum(BookChecksum::turns) == 1974911491u);
    CHECK((more_bids.size() == 2 && one_ask.size() == 1));  // nothing is cut off
}

TEST_CASE("what falls out of the depth is a level that is gone, the farthest first") {
    CheckedBook book;
    book.set_depth(2);
    std::vector<BookLevel> bids{{10, 1}, {9, 1}}, asks{{11, 1}, {12, 1}};
    apply(book, BookChecksum::digits, true, bids, asks);
    std::vector<BookLevel> better{{11, 5}, {10, 5}, {12, 5}}, none;
    apply(book, BookChecksum::digits, false, better, none);
    REQUIRE(better.size() == 5);
    CHECK((better[3].price == 9 && better[3].size == 0 && better[4].price == 10));
    CHECK(none.empty());
}

TEST_CASE("nobody said how deep: the least that could have been subscribed to") {
    CheckedBook book;
    std::vector<BookLevel> bids, asks;
    for (std::int64_t price = 1; price <= 11; ++price) bids.push_back({price, 1});
    apply(book, BookChecksum::digits, true, bids, asks);
    std::vector<BookLevel> more;
    for (std::int64_t price = 12; price <= 26; ++price) more.push_back({price, 1});
    apply(book, BookChecksum::digits, false, more, asks);
    CHECK(more.size() == 16);  // one of 26 is beyond 25
}

TEST_CASE("levels by id have the price that was said first, and an id that is not known shows") {
    CheckedBook book;
    std::vector<BookLevel> bids, asks;
    const auto change = [&](Side side, std::uint64_t id, LevelChange what, bool is_priced,
                            BookLevel level) {
        bids.clear();
        asks.clear();
        auto &own = side == Side::buy ? bids : asks, &other = side == Side::buy ? asks : bids;
        return book.change(side, id, what, is_priced, level, own, other);
    };
    CHECK(change(Side::buy, 1, LevelChange::insert, true, {100, 3}));
    CHECK(change(Side::buy, 1, LevelChange::update, false, {0, 5}));
    CHECK((bids.size() == 1 && bids[0].price == 100 && bids[0].size == 5));
    CHECK(change(Side::sell, 1, LevelChange::update, false, {0, 2}));  // it changed sides
    CHECK((bids.size() == 1 && bids[0].price == 100 && bids[0].size == 0));
    CHECK((asks.size() == 1 && asks[0].price == 100 && asks[0].size == 2));
    CHECK_FALSE(change(Side::buy, 1, LevelChange::remove, false, {0, 0}));
    CHECK((bids.empty() && asks.empty()));
    CHECK(change(Side::sell, 1, LevelChange::remove, false, {0, 9}));
    CHECK((asks.size() == 1 && asks[0].price == 100 && asks[0].size == 0));
    CHECK_FALSE(change(Side::sell, 1, LevelChange::update, false, {0, 9}));
    // With a price it is a valid level all the same.
    CHECK_FALSE(change(Side::sell, 2, LevelChange::update, true, {101, 4}));
    CHECK((asks.size() == 1 && asks[0].price == 101 && asks[0].size == 4));
    CHECK(change(Side::sell, 2, LevelChange::update, true, {101, 5}));
    book.clear_ids();
    CHECK_FALSE(change(Side::sell, 2, LevelChange::remove, true, {101, 0}));
    CHECK((asks.size() == 1 && asks[0].size == 0));
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
