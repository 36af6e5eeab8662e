// The log of a strategy's calls: it reads what was written, damage ends it, and two runs differ at
// the first different call.
#include "engine/calls.hpp"

#include <string>
#include <vector>

#include "doctest.h"

using namespace onetape;

namespace {

OrderSpec order() {
    OrderSpec spec;
    spec.side = Side::sell;
    spec.type = OrderType::limit;
    spec.price = 6'000'150;
    spec.size = -1;
    spec.tag = "a tag";
    spec.more = std::string("\x81\x00", 2);
    return spec;
}

std::string three() {
    CallLog log;
    log.record();
    const std::vector<BookLevel> levels{{1, 2}, {3, 4}};
    log.add(7, CallKind::place, std::uint32_t{2}, order());
    log.add(7, CallKind::ladder, std::uint32_t{0}, std::span<const BookLevel>(levels),
            std::span<const BookLevel>(), std::int64_t{5});
    log.add(900, CallKind::set_timer, std::string("look"), std::int64_t{10}, std::int64_t{0});
    return log.take();
}

}  // namespace

TEST_CASE("calls are read as they were asked for") {
    CallReader reader(three());
    CHECK(reader.callback() == 7);
    CHECK(reader.kind() == CallKind::place);
    CallFacts facts = reader.facts();
    CHECK(facts.number<std::uint32_t>() == 2);
    const OrderSpec read = facts.order();
    CHECK(facts.whole());
    CHECK(read.side == Side::sell);
    CHECK(read.price == 6'000'150);
    CHECK(read.size == -1);
    CHECK(read.tag == "a tag");
    CHECK(read.more == order().more);
    reader.next();
    CallFacts ladder = reader.facts();
    CHECK(ladder.number<std::uint32_t>() == 0);
    const auto bids = ladder.levels(), asks = ladder.levels();
    REQUIRE(bids.size() == 2);
    CHECK(bids[1].price == 3);
    CHECK(asks.empty());
    CHECK(!ladder.whole());
    CHECK(ladder.number<std::int64_t>() == 5);
    CHECK(ladder.whole());
    reader.next();
    CHECK(reader.callback() == 900);
    CHECK(reader.facts().text() == "look");
    reader.next();
    CHECK(reader.at_end());
    CHECK(!reader.is_damaged());
}

TEST_CASE("a log that is cut anywhere ends at a whole call") {
    const std::string whole = three();
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        CallReader reader(whole.substr(0, bytes));
        std::size_t calls = 0;
        for (; !reader.at_end(); reader.next()) ++calls;
        CHECK(calls < 3);
        CHECK((reader.is_damaged() || bytes == 0 || calls > 0));
    }
}

TEST_CASE("facts that are not there read as none, and it is known") {
    CallFacts facts(std::string_view("\x05\x00\x00\x00ab", 6));
    CHECK(facts.text().empty());
    CHECK(!facts.sound());
    CHECK(facts.number<std::int64_t>() == 0);
    CHECK(!facts.whole());
}

TEST_CASE("another call differs, and so does none where there was one") {
    const std::string whole = three();
    const auto begun = [&whole] {
        CallLog log;
        log.compare(whole);
        CHECK(!log.differs(6));
        log.add(7, CallKind::place, std::uint32_t{2}, order());
        return log;
    };
    CallLog same = begun();
    CHECK(same.differs(7));  // the ladder follows in this callback
    CallLog other = begun();
    other.add(7, CallKind::cancel, std::uint64_t{1});
    CHECK(other.differs(7));
    CallLog silent;
    silent.compare(whole);
    CHECK(!silent.differs(6));
    CHECK(silent.differs(7));
    CallLog beyond;
    beyond.compare({});
    beyond.add(7, CallKind::cancel, std::uint64_t{1});
    CHECK(!beyond.differs(10'000));
}
