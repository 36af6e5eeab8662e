#include "accounts/entry_frame.hpp"

#include <string>

#include "doctest.h"

using namespace onetape;
using namespace std::string_literals;

namespace {

constexpr Int128 unit = 1'000'000'000'000'000'000;

std::string packed(const EntryFrame& entry) {
    std::string out;
    append_entry(out, entry);
    return out;
}

EntryFrame fill() {
    EntryFrame entry;
    entry.time = 1'700'000'000'000'000'000;
    entry.cause = "fill";
    entry.legs = {{2, "BTC", 5, "", {}},
                  {-1, "BTC", -5, "", {}},
                  {2, "USD", -31 * unit, "", {}},
                  {-1, "USD", 30 * unit, "", {}},
                  {-2, "USD", unit, "", {}}};
    entry.reference = "x 1 buy";
    entry.of = 300;
    return entry;
}

bool adds_up(std::vector<EntryLeg> legs) {
    EntryFrame entry;
    entry.legs = std::move(legs);
    return onetape::adds_up(entry, -9, 63);
}

}  // namespace

TEST_CASE("an entry's bytes stay what they are") {
    CHECK(packed(fill()) ==
          "\x86\xa4time\xcf\x17\x97\x9c\xfe\x36\x2a\x00\x00\xa5"s
          "cause\xa4"s
          "fill\xa4legs\x95"s
          "\x94\x02\xa3"s
          "BTC\x05\xa0"s
          "\x94\xff\xa3"s
          "BTC\xfb\xa0"s
          "\x94\x02\xa3USD\xb5-31000000000000000000\xa0"s
          "\x94\xff\xa3USD\xb4"s
          "30000000000000000000\xa0"s
          "\x94\xfe\xa3USD\xcf\x0d\xe0\xb6\xb3\xa7\x64\x00\x00\xa0"s
          "\xa9reference\xa7x 1 buy\xa2of\xcd\x01\x2c\xa4note\xa0"s);
}

TEST_CASE("what was written is read again, and every part of it is none") {
    const std::string bytes = packed(fill());
    EntryFrame read;
    REQUIRE(read_entry(bytes, read));
    CHECK(packed(read) == bytes);
    for (std::size_t end = 0; end < bytes.size(); ++end)
        // On the heap with exact size: reading a byte beyond it is detected.
        CHECK_FALSE(read_entry(std::string(bytes.data(), end), read));
    CHECK_FALSE(read_entry(bytes + '\0', read));
}

TEST_CASE("an entry with any byte changed is read or not, and never beyond its end") {
    const std::string bytes = packed(fill());
    EntryFrame read;
    int readable = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (int value = 0; value < 256; ++value) {
            std::string changed = bytes;
            changed[at] = static_cast<char>(value);
            readable += read_entry(changed, read) ? 1 : 0;
        }
    }
    CHECK(readable > static_cast<int>(bytes.size()));  // as it is, at least
}

TEST_CASE("amounts of any width come back as they were") {
    const Int128 most = ~(Int128{1} << 127);
    Int128 value = 1;
    for (int step = 0; step < 38; ++step, value *= 10) {
        for (const Int128 amount : {value, value - 1, -value, 1 - value, value + value / 3}) {
            EntryFrame entry;
            entry.legs = {{1, "A", amount, "spot", {}}};
            const std::string bytes = packed(entry);  // the views of the read entry point into it
            EntryFrame read;
            REQUIRE(read_entry(bytes, read));
            CHECK(read.legs[0].amount == amount);
            CHECK(read.legs[0].wallet == "spot");
        }
    }
    EntryFrame wide;
    wide.legs = {{1, "A", most, "", {}}};
    CHECK(packed(wide).find("170141183460469231731687303715884105727") != std::string::npos);
    wide.legs = {{1, "A", -most - 1, "", {}}};
    CHECK(packed(wide).find("-170141183460469231731687303715884105728") != std::string::npos);
    EntryFrame read;
    CHECK_FALSE(read_entry(packed(wide), read));  // 39 digits: not our encoding
    wide.legs = {{1, "A", 0, "", "9999999999999999999999999999999999999999999"}};
    CHECK(packed(wide).find(wide.legs[0].digits) != std::string::npos);
}

TEST_CASE("each currency adds up by itself, wherever its legs stand") {
    CHECK(adds_up({}));
    CHECK(adds_up(
        {{1, "A", 5, "", {}}, {2, "B", 3, "", {}}, {-1, "A", -5, "s", {}}, {3, "B", -3, "", {}}}));
    CHECK_FALSE(adds_up({{1, "A", 5, "", {}}, {2, "B", -5, "", {}}}));
    CHECK_FALSE(adds_up({{1, "A", 5, "", {}}, {0, "A", -5, "", {}}}));
    CHECK_FALSE(adds_up({{1, "A", 5, "", {}}, {64, "A", -5, "", {}}}));
    CHECK_FALSE(adds_up({{1, "A", 5, "", {}}, {-10, "A", -5, "", {}}}));
    const Int128 most = ~(Int128{1} << 127);
    CHECK_FALSE(adds_up({{1, "A", most, "", {}}, {2, "A", most, "", {}}, {3, "A", 2, "", {}}}));
}
