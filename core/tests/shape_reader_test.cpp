#include "text/shape_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "doctest.h"

using namespace onetape;

namespace {

std::vector<Shape> shapes() {
    Shape quote;
    quote.constants = {{"e", "\"q\""}};
    quote.roles = {
        {"s", ShapeRole::symbol, ShapeForm::text},   {"b", ShapeRole::bid, ShapeForm::text},
        {"B", ShapeRole::bid_size, ShapeForm::text}, {"a", ShapeRole::ask, ShapeForm::text},
        {"A", ShapeRole::ask_size, ShapeForm::text}, {"T", ShapeRole::time, ShapeForm::bare}};
    for (const ShapeSlot& slot : quote.roles) {
        quote.required |= 1u << static_cast<unsigned>(slot.role);
    }
    Shape trade;
    trade.event = ShapeEvent::trade;
    trade.time = ShapeTime::iso;
    trade.rows = "data";
    trade.constants = {{"c", "\"trade\""}};
    trade.roles = {{"data.s", ShapeRole::symbol, ShapeForm::text},
                   {"data.p", ShapeRole::price, ShapeForm::bare},
                   {"data.q", ShapeRole::size, ShapeForm::bare},
                   {"data.side", ShapeRole::side, ShapeForm::text},
                   {"data.id", ShapeRole::id, ShapeForm::bare},
                   {"data.t", ShapeRole::time, ShapeForm::text}};
    trade.required = 1u << static_cast<unsigned>(ShapeRole::symbol);
    trade.buy = "buy";
    trade.sell = "sell";
    Shape book;
    book.event = ShapeEvent::book;
    book.constants = {{"e", "\"d\""}};
    book.roles = {{"s", ShapeRole::symbol, ShapeForm::text},
                  {"U", ShapeRole::first_id, ShapeForm::bare},
                  {"u", ShapeRole::id, ShapeForm::bare},
                  {"b", ShapeRole::bids, ShapeForm::levels},
                  {"a", ShapeRole::asks, ShapeForm::levels}};
    return {quote, trade, book};
}

ShapeReader make_reader() {
    return ShapeReader(shapes(), {{"X", 1, 2, 3}, {"Y/Z", 2, 1, 8}});
}

const std::string quote = R"({"e":"q","s":"X","b":"10.25","B":"1.5","a":"10.30","A":"2","T":17})";
const std::string trades =
    R"({"c":"trade","data":[{"s":"Y/Z","side":"buy","p":5.1,"q":1e-8,"id":7,)"
    R"("t":"1970-01-01T00:00:01.5Z"},{"s":"Y/Z","side":"sell","p":5.2,"q":0.00000002,"id":8,)"
    R"("t":"1970-01-01T00:00:02Z"}],"n":1})";

const std::string book =
    R"({"e":"d","b":[["10.25","1.5"],["10.2","0"]],"a":[],"U":7,"u":9,"s":"X"})";

}  // namespace

TEST_CASE("a book is its levels, whatever stands before them") {
    ShapeReader reader = make_reader();
    std::vector<ShapeFrame> frames;
    REQUIRE(reader.learn(book));
    for (const std::string& bids : {std::string(R"([["10.25","1.5"],["10.2","0"]])"),
                                    std::string("[]"), std::string(R"([["1","2"]])")}) {
        CAPTURE(bids);
        std::string message = book;
        message.replace(message.find("[["), message.find("]]") + 2 - message.find("[["), bids);
        REQUIRE(reader.read(message, 9, frames));
        REQUIRE(frames.size() == 1);
        BookPayload head;
        std::memcpy(&head, reader.payload(frames[0]), sizeof head);
        const auto count =
            static_cast<std::uint32_t>(std::count(bids.begin(), bids.end(), '[') - 1);
        CHECK(head.bid_count == count);
        CHECK(head.ask_count == 0);
        CHECK(head.first_id == 7);
        CHECK(head.last_id == 9);
        CHECK(frames[0].bytes == sizeof head + count * sizeof(BookLevel));
    }
    REQUIRE(reader.read(book, 9, frames));
    BookLevel level;
    std::memcpy(&level, static_cast<const std::byte*>(reader.payload(frames[0])) + 64, 16);
    CHECK(level.price == 1020);
    CHECK(level.size == 0);
    for (const char* bids :
         {R"([["10.255","1"]])", R"([["10.25",1]])", R"([["10.25","1","2"]])", R"([["10.25"]])",
          R"([["10.25","1"],])", R"([["-1","1"]])", R"([["1","1"] ])", R"([["1e1","1"]])",
          R"([["",""]])", "null", "[[]]"}) {
        CAPTURE(bids);
        std::string message = book;
        message.replace(message.find("[["), message.find("]]") + 2 - message.find("[["), bids);
        CHECK_FALSE(reader.read(message, 9, frames));
    }
}

TEST_CASE("a shape's messages are read once one of them was learned") {
    ShapeReader reader = make_reader();
    std::vector<ShapeFrame> frames;
    for (const std::string& message : {quote, trades}) {
        CHECK_FALSE(reader.read(message, 9, frames));
        REQUIRE(reader.learn(message));
    }
    REQUIRE(reader.read(quote, 9, frames));
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].type == EventType::quote);
    CHECK(frames[0].quote.bid == 1025);
    CHECK(frames[0].quote.bid_size == 1500);
    CHECK(frames[0].quote.ask == 1030);
    CHECK(frames[0].quote.ts_event == 17'000'000);
    CHECK(frames[0].quote.ts_recv == 9);
    REQUIRE(reader.read(trades, 9, frames));
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].trade.size == 1);
    CHECK(frames[0].trade.ts_event == 1'500'000'000);
    CHECK(frames[1].stream == 2);
    CHECK(frames[1].trade.side == Side::sell);
    CHECK(frames[1].trade.id_low == 8);
}

TEST_CASE("a row that does not fit leaves nothing of its message") {
    ShapeReader reader = make_reader();
    std::vector<ShapeFrame> frames;
    REQUIRE(reader.learn(trades));
    std::string other = trades;
    other.replace(other.find("5.2"), 3, "5.25");
    CHECK_FALSE(reader.read(other, 9, frames));
    CHECK(frames.empty());
}

TEST_CASE("what stands behind the rows is no value of theirs") {
    ShapeReader reader = make_reader();
    CHECK_FALSE(
        reader.learn(R"({"c":"trade","data":[{"side":"buy","p":5,"q":1,"id":7}],"data":1})"));
    CHECK_FALSE(reader.learn(R"({"data":[],"c":"trade"})"));
}

TEST_CASE("a message cut anywhere is not taken") {
    ShapeReader reader = make_reader();
    std::vector<ShapeFrame> frames;
    for (const std::string& message : {quote, trades, book}) {
        REQUIRE(reader.learn(message));
        for (std::size_t cut = 0; cut < message.size(); ++cut) {
            CAPTURE(cut);
            const std::string part = message.substr(0, cut);
            CHECK_FALSE(reader.read(part, 9, frames));
            CHECK_FALSE(reader.learn(part));
        }
    }
}
