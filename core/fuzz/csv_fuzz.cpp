// No bytes make the row reader read beyond its chunk, and where chunks end changes nothing.
#include <limits>
#include <vector>

#include "fuzz/input.hpp"
#include "text/table.hpp"

using namespace onetape;

namespace {

class Times final : public EventSink {
 public:
    std::vector<std::int64_t> seen;

 protected:
    Status write(EventType, std::uint16_t, std::uint32_t, std::int64_t time, const void*,
                 std::uint32_t) override {
        seen.push_back(time);
        return Status::ok;
    }
};

struct Outcome {
    std::vector<std::int64_t> times;
    std::uint64_t rejected;
    bool operator==(const Outcome&) const = default;
};

Outcome decode(TableKind kind, const std::uint8_t* data, std::size_t size, std::size_t step) {
    Times sink;
    RejectLog rejects;
    TableStreams streams({{"", 1, 2, 3}});
    RowGate gate(sink, rejects, streams);
    TableConfig config;
    config.kind = kind;
    config.columns.fill(-1);
    config.columns[static_cast<std::size_t>(Column::ts_event)] = 0;
    const std::vector<Column> columns =
        kind == TableKind::bars
            ? std::vector{Column::open, Column::high, Column::low, Column::close}
        : kind == TableKind::quotes ? std::vector{Column::bid, Column::ask}
                                    : std::vector{Column::price, Column::size, Column::id};
    int place = 1;
    for (const Column column : columns) config.columns[static_cast<std::size_t>(column)] = place++;
    config.fields = place;
    config.period_ns = 60'000'000'000;
    config.zone = Zone({{std::numeric_limits<std::int64_t>::min(), 3'600'000'000'000},
                        {1'711'850'400'000'000'000, 7'200'000'000'000}});
    TableDecoder table(std::move(config), streams, rejects, &gate, nullptr);
    for (std::size_t at = 0; at < size; at += step) {
        // On the heap and exactly as long as promised: one byte more is found.
        const std::vector<char> chunk(data + at, data + (size - at < step ? size : at + step));
        fuzz::require(table.feed(chunk.data(), chunk.size()) == Status::ok);
    }
    fuzz::require(table.finish() == Status::ok);
    return {std::move(sink.seen), rejects.count()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto kind = static_cast<TableKind>(data[0] % 3);
    const std::size_t step = 1 + data[1] % 64;
    const Outcome whole = decode(kind, data + 2, size - 2, size);
    fuzz::require(decode(kind, data + 2, size - 2, step) == whole);
    for (std::size_t i = 1; i < whole.times.size(); ++i) {
        fuzz::require(whole.times[i - 1] <= whole.times[i]);
    }
    return 0;
}
