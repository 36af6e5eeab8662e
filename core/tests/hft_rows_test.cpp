#include "text/hft_rows.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "doctest.h"

using namespace onetape;

namespace {

class FrameSink final : public EventSink {
 public:
    std::vector<std::string> frames;

 protected:
    Status write(EventType type, std::uint16_t flags, std::uint32_t, std::int64_t time,
                 const void* payload, std::uint32_t bytes) override {
        frames.push_back(std::to_string(static_cast<int>(type)) + " " + std::to_string(flags) +
                         " " + std::to_string(time) + " " +
                         std::string(static_cast<const char*>(payload), bytes));
        return Status::ok;
    }
};

std::vector<std::string> decode(const std::string& bytes, std::size_t step) {
    FrameSink sink;
    RejectLog rejects;
    TableStreams streams({{"", 1, 1, 3}});
    NameCounts passed_over;
    RowGate gate(sink, rejects, streams);
    HftDecoder decoder(0, 0, false, streams, rejects, passed_over, &gate, nullptr);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        CHECK(decoder.feed(bytes.data() + at, std::min(step, bytes.size() - at)) == Status::ok);
    }
    CHECK(decoder.finish() == Status::ok);
    for (const Reject& reject : rejects.take()) {
        sink.frames.push_back(std::to_string(reject.line) + reject.reason);
    }
    return sink.frames;
}

}  // namespace

TEST_CASE("a double is the decimal of 15 digits that it stands for") {
    int scale = 0;
    RawDecimal raw;
    std::mt19937_64 random(7);
    for (int i = 0; i < 200'000; ++i) {
        const int decimals = static_cast<int>(random() % 13);
        const auto whole = static_cast<std::int64_t>(random() % 1'000'000'000'000'000);
        std::string text = std::to_string(whole) + "e-" + std::to_string(decimals);
        REQUIRE(decimal_from_double(std::stod(text), scale, raw));
        // Equal at a common number of decimals.
        std::int64_t got = 0, want = 0;
        RawDecimal written;
        REQUIRE(parse_decimal(text, written) == NumberFault::none);
        REQUIRE(scale_snapped(raw, decimals, got) == Scaled::exact);
        REQUIRE(scale_snapped(written, decimals, want) == Scaled::exact);
        REQUIRE(got == want);
    }
    CHECK(decimal_from_double(0.1 + 0.2, scale, raw));
    CHECK(decimals_needed(raw) == 1);
    CHECK(decimal_from_double(-0.0, scale, raw));
    CHECK(raw.mantissa == 0);
    CHECK(decimal_from_double(5e-324, scale, raw));
    CHECK(!decimal_from_double(std::nan(""), scale, raw));
    CHECK(!decimal_from_double(-std::numeric_limits<double>::infinity(), scale, raw));
    CHECK(!decimal_from_double(1e300, scale, raw));
}

TEST_CASE("event rows give the same frames whatever the chunks") {
    std::string bytes;
    std::mt19937_64 random(3);
    for (int i = 0; i < 400; ++i) {
        HftRow row{};
        const std::uint64_t kinds[] = {1, 1, 1, 2, 3, 4, 4, 5, 10, 77};
        row.ev = (1ull << 30) | (1ull << (28 + random() % 2)) | kinds[random() % std::size(kinds)];
        row.exch_ts = 1'704'067'200'000'000'000 + i / 5;
        row.local_ts = row.exch_ts + 9;
        row.px = 100 + static_cast<double>(random() % 50) / 10;
        row.qty = static_cast<double>(random() % 4) / 1000;
        if (i % 37 == 0) row.px = std::nan("");
        bytes.append(reinterpret_cast<const char*>(&row), sizeof row);
    }
    bytes.resize(bytes.size() - 7);
    const auto whole = decode(bytes, bytes.size());
    CHECK(whole.size() > 100);
    for (const std::size_t step : {1u, 7u, 63u, 64u, 65u, 1000u})
        CHECK(decode(bytes, step) == whole);
}
