#include "text/message_reader.hpp"

#include <cstring>
#include <random>

#include "doctest.h"

using namespace onetape;

namespace {

struct Emitted {
    EventType type;
    std::uint16_t flags;
    std::int64_t time;
    std::vector<std::byte> payload;
    bool operator==(const Emitted&) const = default;
};

class MemorySink final : public EventSink {
 public:
    std::vector<Emitted> events;

 protected:
    Status write(EventType type, std::uint16_t flags, std::uint32_t, std::int64_t time,
                 const void* payload, std::uint32_t bytes) override {
        const auto* p = static_cast<const std::byte*>(payload);
        events.push_back({type, flags, time, {p, p + bytes}});
        return Status::ok;
    }
};

ReaderConfig config() {
    ReaderConfig made;
    const auto slot = [&](const char* path) {
        int found = -1;
        REQUIRE(made.paths.add(path, found).ok());
        return found;
    };
    made.event_slot = slot("e");
    made.channel_slot = slot("stream");
    REQUIRE(made.paths.add_wrapper("data").ok());
    const auto rule = [&](MessageKind kind, const char* event,
                          std::vector<std::pair<Role, const char*>> roles) {
        MessageRule& added = made.rules.emplace_back();
        added.kind = kind;
        added.name = added.event = event;
        for (const auto& [role, path] : roles) {
            const int at = slot(path);
            added.slots[static_cast<std::size_t>(role)] = at;
            added.required |= std::uint64_t{1} << static_cast<unsigned>(at);
        }
    };
    rule(MessageKind::trade, "trade",
         {{Role::symbol, "s"}, {Role::price, "p"}, {Role::size, "q"}, {Role::sell, "m"}});
    rule(MessageKind::book, "depth",
         {{Role::symbol, "s"},
          {Role::first_id, "U"},
          {Role::last_id, "u"},
          {Role::bids, "b"},
          {Role::asks, "a"}});
    rule(MessageKind::snapshot, "",
         {{Role::last_id, "last"}, {Role::bids, "bids"}, {Role::asks, "asks"}});
    made.streams.push_back({"", 1, 2, 3, false});
    return made;
}

const std::string lines =
    "1700000000000000001 {\"e\":\"trade\",\"s\":\"X\",\"p\":\"1.25\",\"q\":\"2\",\"m\":true}\n"
    "1700000000000000002 {\"last\":5,\"bids\":[[\"1.2\",\"3\"]],\"asks\":[[\"1.3\",\"1\"]]}\r\n"
    "\n"
    "nonsense\n"
    "1700000000000000003 {\"e\":\"depth\",\"s\":\"X\",\"U\":6,\"u\":7,\"b\":[],"
    "\"a\":[[\"1.3\",\"0\"],[\"1.31\",\"4.5\"]]}\n"
    "1700000000000000004 {\"stream\":\"x@trade\",\"data\":{\"m\":false,\"q\":\"0.001\",\"p\":1e2,"
    "\"s\":\"X\",\"e\":\"trade\"}}\n"
    "1700000000000000005 {\"e\":\"depth\",\"s\":\"X\",\"U\":9,\"u\":9,\"b\":[],\"a\":[]}\n"
    "1700000000000000006 {\"e\":\"tra";

struct Outcome {
    std::vector<Emitted> events;
    std::vector<std::string> reasons;
    std::uint64_t gaps = 0;
    bool operator==(const Outcome&) const = default;
};

Outcome decode(const std::vector<std::string>& pieces) {
    MemorySink sink;
    MessageReader decoder(config(), sink);
    decoder.begin_source(0);
    for (const std::string& piece : pieces) {
        // Exactly this piece on the heap: reading beyond it is detected by a sanitizer.
        std::vector<char> copy(piece.begin(), piece.end());
        decoder.feed(copy.data(), copy.size());
    }
    decoder.end_source();
    decoder.finish();
    Outcome out{std::move(sink.events), {}, decoder.gaps()};
    for (const Reject& reject : decoder.rejects().take()) {
        out.reasons.push_back(std::to_string(reject.line) + " " + reject.reason);
    }
    return out;
}

}  // namespace

TEST_CASE("lines become the events that the table says") {
    const Outcome out = decode({lines});
    REQUIRE(out.events.size() == 5);
    CHECK(out.events[0].type == EventType::trade);
    TradePayload trade;
    std::memcpy(&trade, out.events[0].payload.data(), sizeof trade);
    CHECK(trade.price == 125);
    CHECK(trade.size == 2000);
    CHECK(trade.side == Side::sell);
    CHECK(out.events[1].flags == flag_snapshot);
    CHECK(out.events[2].flags == 0);
    CHECK(out.events[2].payload.size() == sizeof(BookPayload) + 2 * sizeof(BookLevel));
    CHECK(out.events[4].flags == (flag_gap | flag_unsynced));
    CHECK(out.gaps == 1);
    REQUIRE(out.reasons.size() == 2);
    CHECK(out.reasons[0] == "4 does not begin with a receipt time in ns and a blank");
    CHECK(out.reasons[1] == "8 last line is truncated: message ends in the middle");
}

TEST_CASE("where the chunks end does not matter") {
    const Outcome whole = decode({lines});
    for (std::size_t cut = 0; cut <= lines.size(); ++cut) {
        CHECK(decode({lines.substr(0, cut), lines.substr(cut)}) == whole);
    }
    std::vector<std::string> bytes;
    for (const char c : lines) bytes.emplace_back(1, c);
    CHECK(decode(bytes) == whole);
}

TEST_CASE("damaged lines are rejected, and those around them are read") {
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        std::string damaged = lines;
        for (int n = 0; n < 3; ++n) {
            damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
        }
        if (round % 2 == 0) damaged.resize(random() % damaged.size());
        CHECK(decode({damaged}).events.size() <= 8);
    }
}

TEST_CASE("symbols are discovered while a source is measured") {
    MemorySink sink;
    ReaderConfig made = config();
    made.streams.clear();
    made.measuring = made.discovers = true;
    MessageReader decoder(std::move(made), sink);
    const auto take = [&](std::string line) {
        line.push_back('\n');
        return decoder.message_of(0, 1, 1'700'000'000'000'000'000,
                                  std::string_view(line).substr(0, line.size() - 1));
    };
    for (const char* line : {R"({"e":"trade","s":"A","p":"1.25","q":"3","m":true})",
                             R"({"e":"trade","s":"B","p":"7","q":"0.5","m":true})",
                             R"({"e":"trade","s":"A","p":"1.3","q":"4","m":false})"}) {
        CHECK(take(line) == MessageReader::Stop::none);
    }
    CHECK(take(R"({"e":"trade","s":)") == MessageReader::Stop::none);
    REQUIRE(decoder.stream_count() == 2);
    CHECK(decoder.facts(0).raw == "A");
    CHECK(decoder.facts(0).price.count(2, 18) == 1);
    CHECK(decoder.facts(0).price.count(1, 18) == 1);
    CHECK(decoder.facts(1).size.count(1, 18) == 1);
    CHECK(decoder.rejects().count() == 1);
    CHECK(decoder.lines() == 4);
    CHECK(sink.events.empty());
}
