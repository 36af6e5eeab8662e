#include "text/table.hpp"

#include <random>

#include "doctest.h"

using namespace onetape;

namespace {

class CountingSink final : public EventSink {
 public:
    std::vector<std::int64_t> times;

 protected:
    Status write(EventType, std::uint16_t, std::uint32_t, std::int64_t time, const void*,
                 std::uint32_t) override {
        times.push_back(time);
        return Status::ok;
    }
};

struct Outcome {
    std::vector<std::int64_t> times;
    std::vector<std::string> reasons;
    bool operator==(const Outcome&) const = default;
};

Outcome decode(const std::vector<std::string>& pieces, char separator = ',') {
    CountingSink sink;
    RejectLog rejects;
    TableStreams streams({{"", 1, 2, 3}});
    RowGate gate(sink, rejects, streams);
    TableConfig config;
    config.kind = TableKind::trades;
    config.columns[static_cast<std::size_t>(TableColumn::ts_event)] = 0;
    config.columns[static_cast<std::size_t>(TableColumn::price)] = 1;
    config.columns[static_cast<std::size_t>(TableColumn::size)] = 2;
    config.columns[static_cast<std::size_t>(TableColumn::id)] = 3;
    config.fields = 4;
    config.separator = separator;
    config.skip_lines = 1;
    NameCounts passed_over;
    TableDecoder table(std::move(config), streams, rejects, passed_over, &gate, nullptr);
    for (const std::string& piece : pieces) {
        std::vector<char> copy(piece.begin(), piece.end());
        CHECK(table.feed(copy.data(), copy.size()) == Status::ok);
    }
    CHECK(table.finish() == Status::ok);
    Outcome out{sink.times, {}};
    for (const Reject& reject : rejects.take()) {
        out.reasons.push_back(std::to_string(reject.line) + " " + reject.reason);
    }
    return out;
}

const std::string text =
    "\xef\xbb\xbfts,price,size,id\r\n"
    "1700000000,1.25,2,7\r\n"
    "\"1700000001\",\"1.5\",\"0.001\",\"a\"\"b\"\n"
    "\n"
    "1700000002,nan,1,\n"
    "1700000003,1,1\n"
    "1700000004,1,1,x,\n"
    "2023-11-14 22:13:25,1,1,ccc3c1fa-212c-e8b0-1706-9b9c4f3d5ecf\n"
    "1700000006,1,\"1";

}  // namespace

TEST_CASE("rows are read whatever the chunks, and the others say why not") {
    const Outcome whole = decode({text});
    CHECK(whole.times == std::vector<std::int64_t>{1700000000000000000, 1700000001000000000,
                                                   1700000004000000000, 1700000005000000000});
    CHECK(whole.reasons == std::vector<std::string>{
                               "5 price is not finite", "6 row has fewer fields than the header",
                               "9 last line is truncated: a quoted field is not closed"});
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        CHECK(decode({text.substr(0, cut), text.substr(cut)}) == whole);
    }
}

TEST_CASE("no bytes lead out of a row") {
    std::mt19937 random(11);
    for (int round = 0; round < 3000; ++round) {
        std::string damaged = text;
        for (int n = 0; n < 4; ++n) {
            damaged[random() % damaged.size()] = "\",\n\r-+.eE0T: \x80"[random() % 15];
        }
        if (round % 2 == 0) damaged.resize(random() % damaged.size());
        CHECK(decode({damaged}, round % 3 == 0 ? ';' : ',').times.size() <= 10);
    }
}
