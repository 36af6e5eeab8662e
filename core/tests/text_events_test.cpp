#include "text/text_events.hpp"

#include <cstring>

#include "doctest.h"

using namespace onetape;

namespace {

class MemorySink final : public EventSink {
 public:
    std::vector<std::vector<std::byte>> payloads;
    std::vector<std::uint16_t> flags;
    Status answer = Status::ok;

 protected:
    Status write(EventType, std::uint16_t flag, std::uint32_t, std::int64_t, const void* payload,
                 std::uint32_t bytes) override {
        const auto* p = static_cast<const std::byte*>(payload);
        payloads.emplace_back(p, p + bytes);
        flags.push_back(flag);
        return answer;
    }
};

RawDecimal number(const char* text) {
    RawDecimal value;
    REQUIRE(parse_decimal(text, value) == NumberFault::none);
    return value;
}

TextLevel level(const char* price, const char* size) {
    return {number(price), number(size)};
}

constexpr TextEvents::Stamp at{1, 1'700'000'000'000'000'000, 5};

}  // namespace

TEST_CASE("numbers as written become units of their stream") {
    MemorySink sink;
    TextEvents events(sink, false);
    events.add_stream(2, 3);
    REQUIRE(events.quote(at, level("1.25", "7"), level("1.3", "0.5"), 9) == nullptr);
    QuotePayload quote;
    std::memcpy(&quote, sink.payloads.at(0).data(), sizeof quote);
    CHECK(quote.bid == 125);
    CHECK(quote.ask == 130);
    CHECK(quote.bid_size == 7000);
    CHECK(quote.ask_size == 500);
    CHECK(quote.update_id == 9);
    CHECK(quote.ts_recv == at.receipt);
    CHECK(sink.counts().crossed == 0);
    CHECK(events.quote(at, level("2", "1"), level("1", "1"), 0) == nullptr);
    CHECK(sink.counts().crossed == 1);
}

TEST_CASE("levels stand behind their book, bids first") {
    MemorySink sink;
    TextEvents events(sink, false);
    events.add_stream(1, 0);
    const TextLevel bids[] = {level("1.1", "5"), level("1", "0")};
    const TextLevel asks[] = {level("1.2", "6")};
    BookPayload head{};
    head.last_id = 77;
    REQUIRE(events.book(at, flag_snapshot, head, bids, asks) == nullptr);
    const auto& payload = sink.payloads.at(0);
    REQUIRE(payload.size() == sizeof(BookPayload) + 3 * sizeof(BookLevel));
    BookLevel found[3];
    std::memcpy(&head, payload.data(), sizeof head);
    std::memcpy(found, payload.data() + sizeof head, sizeof found);
    CHECK(head.bid_count == 2);
    CHECK(head.ask_count == 1);
    CHECK(head.last_id == 77);
    CHECK(found[0].price == 11);
    CHECK(found[1].size == 0);
    CHECK(found[2].price == 12);
    CHECK(sink.flags.at(0) == flag_snapshot);
}

TEST_CASE("what cannot be taken is answered and not written") {
    MemorySink sink;
    TextEvents events(sink, false);
    events.add_stream(2, 0);
    const auto trade = [&](const char* price, const char* size) {
        return events.trade(at, level(price, size), TradePayload{});
    };
    CHECK(std::strcmp(trade("1", "-1"), "size is negative") == 0);
    CHECK(std::strcmp(trade("1", "0"), "size is zero") == 0);
    CHECK(trade("1.123", "1") != nullptr);
    CHECK(trade("999999999999999999", "1") != nullptr);
    CHECK(events.trade({2, at.receipt, 0}, level("1", "1"), TradePayload{}) != nullptr);
    CHECK(events.trade({0, at.receipt, 0}, level("1", "1"), TradePayload{}) != nullptr);
    const TextLevel bad[] = {level("1", "1"), level("1", "-2")};
    CHECK(events.book(at, 0, BookPayload{}, bad, {}) != nullptr);
    CHECK(sink.payloads.empty());
    CHECK(trade("1.12", "1") == nullptr);
    // The last digits of a printed float.
    CHECK(trade("1234567.1200000001", "1") == nullptr);
    CHECK(events.snapped() == 1);
    sink.answer = Status::disk_full;
    CHECK(trade("1", "1") != nullptr);
    CHECK(events.status() == Status::disk_full);
}

TEST_CASE("a source that is measured writes nothing") {
    MemorySink sink;
    TextEvents events(sink, true);
    events.add_stream(0, 0);
    CHECK(events.trade(at, level("1.123", "0.5"), TradePayload{}) == nullptr);
    CHECK(events.numbers(0).seen[0].count(3, 18) == 1);
    CHECK(events.numbers(0).seen[1].count(1, 18) == 1);
    CHECK(sink.payloads.empty());
}
