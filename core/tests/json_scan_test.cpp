#include "text/json_scan.hpp"

#include <initializer_list>
#include <string>
#include <utility>

#include "doctest.h"

using namespace onetape;

namespace {

struct Fixture {
    int e, s, p, bids, kt;
    JsonScanner scanner;
    JsonMessage message;
    std::string line;

    static JsonPaths paths(Fixture& f) {
        JsonPaths table;
        REQUIRE(table.add("e", f.e).ok());
        REQUIRE(table.add("s", f.s).ok());
        REQUIRE(table.add("price", f.p).ok());
        REQUIRE(table.add("b", f.bids).ok());
        REQUIRE(table.add("k.t", f.kt).ok());
        REQUIRE(table.add_wrapper("data").ok());
        return table;
    }
    Fixture() : scanner(paths(*this)) {}

    const char* scan(const std::string& text) {
        line = text + "\n";
        return scanner.scan({line.data(), text.size()}, message);
    }
};

}  // namespace

TEST_CASE("keys are found in any order, among others, with blanks, wrapped or not") {
    for (const char* text :
         {R"({"e":"trade","s":"X","price":"1.5"})", R"({"price":"1.5","s":"X","e":"trade"})",
          R"({ "z" : [1,{"e":2}] , "price":"1.5", "q":null, "s" : "X" ,"e":"trade" })",
          R"({"stream":"x@trade","data":{"e":"trade","s":"X","price":"1.5"}})",
          R"({"\u0065":"tr\u0061de","s":"X","price":"1.5","n":"\"}{"})"}) {
        CAPTURE(text);
        Fixture f;
        REQUIRE(f.scan(text) == nullptr);
        CHECK(f.message.at(f.e).text == "trade");
        CHECK(f.message.at(f.s).text == "X");
        CHECK(f.message.at(f.p).text == "1.5");
        CHECK_FALSE(f.message.has(f.bids));
    }
}

TEST_CASE("nested values, bare numbers and literals keep their kind") {
    Fixture f;
    REQUIRE(f.scan(R"({"e":true,"s":null,"price":-1.5e3,"k":{"z":1,"t":17}})") == nullptr);
    CHECK(f.message.at(f.e).kind == JsonKind::true_);
    CHECK(f.message.at(f.s).kind == JsonKind::null);
    CHECK(f.message.at(f.p).text == "-1.5e3");
    CHECK(f.message.at(f.kt).text == "17");
}

TEST_CASE("levels are decoded as they pass") {
    Fixture f;
    REQUIRE(f.scan(R"({"b":[["61800.20","2.909"],[1, 0.5 ],["3","0",[]]],"s":"X"})") == nullptr);
    const JsonValue& value = f.message.at(f.bids);
    REQUIRE(value.kind == JsonKind::levels);
    REQUIRE(value.count == 3);
    CHECK(f.message.levels[0].price.mantissa == 6180020);
    CHECK(f.message.levels[0].size.decimals == 3);
    CHECK(f.message.levels[1].size.mantissa == 5);
    REQUIRE(f.scan(R"({"b":[]})") == nullptr);
    CHECK(f.message.at(f.bids).count == 0);
    REQUIRE(f.scan(R"({"b":"0.5"})") == nullptr);
    CHECK(f.message.at(f.bids).kind == JsonKind::string);
}

TEST_CASE("levels are the same whether they are read at once or one by one") {
    // The bytes behind a level decide how it is read: near the end of the line digit by digit.
    const std::string rows[] = {R"(["61800.20","2.909"])", R"(["0.00000010","0"])",
                                R"(["-1","0.5"])",         R"([1.5,"2"])",
                                R"(["1","2",7])",          R"( ["1" , "2"])",
                                R"(["1e2","2"])",          R"(["12345678901234567.8","2"])"};
    const std::string padding(80, ' ');
    for (const std::string& one : rows) {
        for (const std::string& other : rows) {
            const std::string list = "[" + one + "," + other + "," + one + "]";
            CAPTURE(list);
            Fixture near, far;
            REQUIRE(near.scan(R"({"b":)" + list + "}") == nullptr);
            REQUIRE(far.scan(R"({"b":)" + list + R"(,"z":")" + padding + "\"}") == nullptr);
            REQUIRE(near.message.levels.size() == 3);
            REQUIRE(far.message.levels.size() == 3);
            for (std::size_t i = 0; i < 3; ++i) {
                const RawLevel& a = near.message.levels[i];
                const RawLevel& b = far.message.levels[i];
                CHECK(a.price.mantissa == b.price.mantissa);
                CHECK(a.price.decimals == b.price.decimals);
                CHECK(a.size.mantissa == b.size.mantissa);
                CHECK(a.size.decimals == b.size.decimals);
            }
        }
    }
    for (const char* list : {R"([["1","2"],])", R"([["1","2"])", R"([["1","2"]["3","4"]])",
                             R"([["1",""]])", R"([["1","2]])", R"([["1""2"]])"}) {
        CAPTURE(list);
        Fixture f;
        CHECK(f.scan(std::string(R"({"b":)") + list + R"(,"z":")" + padding + "\"}") != nullptr);
    }
}

TEST_CASE("what is no message is refused") {
    for (const char* text : {"",
                             "[]",
                             "{",
                             R"({"e")",
                             R"({"e":)",
                             R"({"e":"tr)",
                             R"({"e":1)",
                             R"({"e":1,)",
                             R"({"e":1}})",
                             R"({"e":1} x)",
                             R"({"e":1,"e":2})",
                             R"({"e":tru})",
                             R"({e:1})",
                             R"({"e":"\x"})",
                             R"({"e":"\ud800"})",
                             R"({"b":[["1"]]})",
                             R"({"b":[["x","1"]]})",
                             R"({"b":[["1","2"],]})",
                             R"({"z":[1,]})",
                             R"({"z":01x})",
                             R"({"z":1 2})",
                             "{\"z\":\"a\tb\"}"}) {
        CAPTURE(text);
        Fixture f;
        CHECK(f.scan(text) != nullptr);
    }
}

TEST_CASE("a message cut anywhere is refused, never read wrongly") {
    const std::string whole =
        R"({"stream":"x@d","data":{"e":"d","s":"X","b":[["1.5","2"],["3","4"]],"k":{"t":1}}})";
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        CAPTURE(cut);
        Fixture f;
        CHECK(f.scan(whole.substr(0, cut)) != nullptr);
    }
}

TEST_CASE("depth is bounded") {
    const auto nested = [](int depth) {
        std::string text = R"({"z":)";
        for (int i = 0; i < depth; ++i) text += '[';
        for (int i = 0; i < depth; ++i) text += ']';
        return text + "}";
    };
    Fixture f;
    CHECK(f.scan(nested(63)) == nullptr);
    CHECK(f.scan(nested(64)) != nullptr);
    CHECK(f.scan(nested(100'000)) != nullptr);
    std::string wrapped;
    for (int i = 0; i < 1000; ++i) wrapped += R"({"data":)";
    CHECK(f.scan(wrapped + "1") != nullptr);
}

TEST_CASE("each object of the list of rows is a message with what stands around it") {
    JsonPaths paths;
    int kind = -1, price = -1, bids = -1;
    REQUIRE(paths.add("kind", kind).ok());
    REQUIRE(paths.add("data.p", price).ok());
    REQUIRE(paths.add("data.bids", bids).ok());
    CHECK_FALSE(paths.add_rows("other").ok());
    REQUIRE(paths.add_rows("data").ok());
    paths.set_level_keys("price", "qty");
    JsonScanner scanner(std::move(paths));
    JsonMessage message;
    const char* fault = nullptr;
    std::string line;
    const auto scan = [&](const std::string& text) {
        line = text + "\n";
        return scanner.scan({line.data(), text.size()}, message);
    };
    REQUIRE(
        scan(
            R"({"data":[{"p":1,"bids":[{"price":1.50,"x":[],"qty":"2"}]}, {"p":2}],"kind":"k"})") ==
        nullptr);
    CHECK((message.is_list && message.has_row));
    CHECK((message.at(kind).text == "k" && message.at(price).integer == 1));
    REQUIRE(message.at(bids).count == 1);
    CHECK((message.levels[0].price.mantissa == 150 && message.levels[0].price.decimals == 2));
    REQUIRE(scanner.next_row(message, fault));
    CHECK((fault == nullptr && message.at(kind).text == "k" && message.at(price).integer == 2));
    CHECK_FALSE(message.has(bids));
    CHECK_FALSE(scanner.next_row(message, fault));

    REQUIRE(scan(R"({"kind":"k","data":[]})") == nullptr);
    CHECK((message.is_list && !message.has_row));
    REQUIRE(scan(R"({"kind":"k","data":[1,2]})") == nullptr);  // a list of other values
    CHECK_FALSE(message.is_list);
    for (const char* bad :
         {R"({"data":[{"p":1},]})", R"({"data":[{"p":1},2]})", R"({"data":[{"p":1})",
          R"({"data":[{"p":1}],"data":[{"p":1}]})", R"({"data":[{"bids":[{"price":1}]}]})",
          R"({"data":[{"bids":[{"price":1,"price":1,"qty":1}]}]})",
          R"({"data":[{"bids":[{"price":"x","qty":1}]}]})", R"({"data":[{"bids":[{}]}]})"}) {
        CAPTURE(bad);
        CHECK(scan(bad) != nullptr);
    }
    // A later row is only skipped at first.
    REQUIRE(scan(R"({"data":[{"p":1},{"p":2,"p":3}]})") == nullptr);
    REQUIRE(scanner.next_row(message, fault));
    CHECK(fault != nullptr);
}

TEST_CASE("rows stand in several lists, and a list has values at its places") {
    JsonPaths paths;
    int type = -1, price = -1, third = -1, bids = -1, name = -1, pair = -1, ask = -1;
    for (auto& [path, slot] :
         std::initializer_list<std::pair<const char*, int*>>{{"type", &type},
                                                             {"data.p", &price},
                                                             {"data.2", &third},
                                                             {"b", &bids},
                                                             {"name", &name},
                                                             {"pair", &pair},
                                                             {"a.1", &ask}}) {
        REQUIRE(paths.add(path, *slot).ok());
    }
    CHECK_FALSE(paths.add_rows("data.new").ok());  // the first is a key
    for (const char* path : {"data", "data.gone", "data.new"}) REQUIRE(paths.add_rows(path).ok());
    paths.set_texts({"name", "pair"});
    JsonScanner scanner(std::move(paths));
    JsonMessage message;
    const char* fault = nullptr;
    std::string line;
    const auto scan = [&](const std::string& text) {
        line = text + "\n";
        return scanner.scan({line.data(), text.size()}, message);
    };
    // The lists of an object: every row has the key of its list.
    REQUIRE(scan(R"({"data":{"gone":[],"new":[{"p":1},{"p":2}],"x":[{"p":9}]},"type":"t"})") ==
            nullptr);
    CHECK((message.is_list && message.has_row && message.list == "new"));
    CHECK(message.at(price).integer == 1);
    REQUIRE(scanner.next_row(message, fault));
    CHECK((message.at(price).integer == 2 && message.at(type).text == "t"));
    CHECK_FALSE(scanner.next_row(message, fault));
    REQUIRE(scan(R"({"data":{"gone":[{"p":1}],"new":[{"p":2}]}})") == nullptr);
    CHECK(message.list == "gone");
    REQUIRE(scanner.next_row(message, fault));
    CHECK((message.list == "new" && message.at(price).integer == 2));
    REQUIRE(scan(R"({"data":{"gone":[],"new":[]}})") == nullptr);
    CHECK((message.is_list && !message.has_row));

    // A message that is a list: its object, its list and its texts.
    REQUIRE(
        scan(R"([7, {"b":[["1.5","2","16.1"],["1","3","16.20"],["9","1","2"]]},"book-10","X"])") ==
        nullptr);
    CHECK((message.at(name).text == "book-10" && message.at(pair).text == "X"));
    CHECK((message.at(bids).count == 3 && message.newest_level == "2"));
    REQUIRE(scan(R"([7,{"a":["1",5,"2"],"b":[["1","2"]]},"ticker","X"])") == nullptr);
    CHECK((message.at(ask).text == "5" && message.at(bids).count == 1));
    CHECK(message.newest_level.empty());
    REQUIRE(scan(R"([8,[["1","2","16.5","b"],["3","4","16.6","s"]],"trade","X"])") == nullptr);
    CHECK((message.at(third).text == "16.5" && message.at(name).text == "trade"));
    REQUIRE(scanner.next_row(message, fault));
    CHECK((fault == nullptr && message.at(third).text == "16.6"));
    REQUIRE(scan(R"([8,["1","2","16.5"],"spread","X"])") == nullptr);
    CHECK((message.at(third).text == "16.5" && !message.is_list));
    for (const char* bad :
         {"[", "[]", "[1,]", "[1,2", R"([{"b":[["1","2","3]]}])", R"([8,[[1,2],3]])",
          R"({"data":[{"p":1}],"data":[]})", R"([1,[1,2],"n","p"]x)"}) {
        CAPTURE(bad);
        CHECK(scan(bad) != nullptr);
    }
}

TEST_CASE("a key that stands twice with one value has it, and with two it has none") {
    for (const char* text : {R"({"e":"trade","s":"X","price":"1.5","s":"X"})",
                             R"({"e":"t","e":"t","s":"X","price":"1.5"})",
                             R"({"s":"\u0058","s":"X","price":"1.5","price":"1.5"})",
                             R"({"data":{"s":"X","price":"1.5","k":{"t":7,"t":7}}})"}) {
        CAPTURE(text);
        Fixture f;
        REQUIRE(f.scan(text) == nullptr);
        CHECK(f.message.at(f.s).text == "X");
        CHECK(f.message.at(f.p).text == "1.5");
    }
    for (const char* text :
         {R"({"s":"X","s":"Y"})", R"({"price":1,"price":"1"})", R"({"s":"X","s":null})",
          R"({"price":"1","price":"1.0"})", R"({"b":[["1","2"]],"b":[["1","2"]]})",
          R"({"s":"X","s":[["1","2"]]})", R"({"data":{"s":"X"},"data":{"price":"1"}})",
          R"({"data":{"k":{"t":7},"k":{"t":7}}})"}) {
        CAPTURE(text);
        Fixture f;
        CHECK(f.scan(text) != nullptr);
    }
}
