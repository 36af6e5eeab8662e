// No bytes make the readers of rows read beyond their chunk, and chunk boundaries change nothing:
// every kind of row, as lines, as JSON, as packed cells, and event arrays.
#include <limits>
#include <memory>
#include <vector>

#include "fuzz/input.hpp"
#include "text/hft_rows.hpp"
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
    std::uint64_t rejected, unsynced;
    bool operator==(const Outcome&) const = default;
};

[[nodiscard]] std::vector<TableColumn> columns_of(TableKind kind) {
    switch (kind) {
        case TableKind::quotes:
            return {TableColumn::bid, TableColumn::ask};
        case TableKind::trades:
            return {TableColumn::price, TableColumn::size, TableColumn::id,
                    TableColumn::buyer_is_maker};
        case TableKind::bars:
            return {TableColumn::open, TableColumn::high, TableColumn::low, TableColumn::close};
        case TableKind::marks:
            return {TableColumn::mark, TableColumn::index};
        case TableKind::funding:
            return {TableColumn::rate, TableColumn::interval_hours};
        case TableKind::liquidations:
            return {TableColumn::price, TableColumn::size, TableColumn::side};
        case TableKind::tickers:
            return {TableColumn::mark, TableColumn::index, TableColumn::rate,
                    TableColumn::funding_time};
        case TableKind::book_snapshots:
            return {};
        case TableKind::book_changes:
            return {TableColumn::is_snapshot, TableColumn::side, TableColumn::price,
                    TableColumn::size, TableColumn::symbol};
        case TableKind::sides:
            return {TableColumn::side, TableColumn::action, TableColumn::price, TableColumn::size};
        case TableKind::orders:
            return {TableColumn::id,      TableColumn::action, TableColumn::side,
                    TableColumn::price,   TableColumn::size,   TableColumn::flags,
                    TableColumn::reported};
    }
    return {};
}

[[nodiscard]] TableConfig config_of(TableKind kind, int form) {
    TableConfig config;
    config.kind = kind;
    config.columns[static_cast<std::size_t>(TableColumn::ts_event)] = 0;
    int place = 1;
    for (const TableColumn column : columns_of(kind)) {
        config.columns[static_cast<std::size_t>(column)] = place++;
    }
    if (kind == TableKind::book_snapshots) {
        config.levels = {{1, 2, 3, 4}, {5, 6, 7, 8}};
        place = 9;
    }
    config.blank[static_cast<std::size_t>(TableColumn::mark)] = true;
    config.fields = place;
    config.period_ns = 60'000'000'000;
    config.zone = Zone({{std::numeric_limits<std::int64_t>::min(), 3'600'000'000'000},
                        {1'711'850'400'000'000'000, 7'200'000'000'000}});
    if (form == 1) config.form = RowForm::json;
    if (form == 2) {
        config.form = RowForm::json;
        for (int i = 0; i < place; ++i) config.keys.push_back(std::string(1, char('a' + i)));
    }
    const bool numbers = kind == TableKind::bars || kind == TableKind::marks;
    if (form == 3 && numbers) config.form = RowForm::packed;
    return config;
}

Outcome decode(int kind, int form, const std::uint8_t* data, std::size_t size, std::size_t step) {
    Times sink;
    RejectLog rejects;
    TableStreams streams({{"", 1, 2, 3}});
    NameCounts passed_over;
    RowGate gate(sink, rejects, streams);
    std::unique_ptr<RowDecoder> rows;
    if (kind == static_cast<int>(table_kind_count))
        rows = std::make_unique<HftDecoder>(0, 0, false, streams, rejects, passed_over, &gate,
                                            nullptr);
    else
        rows = std::make_unique<TableDecoder>(config_of(static_cast<TableKind>(kind), form),
                                              streams, rejects, passed_over, &gate, nullptr);
    for (std::size_t at = 0; at < size; at += step) {
        // On the heap with exact size, so that reading one byte more is detected.
        const std::vector<char> chunk(data + at, data + (size - at < step ? size : at + step));
        fuzz::require(rows->feed(chunk.data(), chunk.size()) == Status::ok);
    }
    fuzz::require(rows->finish() == Status::ok);
    return {std::move(sink.seen), rejects.count(), gate.unsynced()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    const int kind = data[0] % (static_cast<int>(table_kind_count) + 1);
    const int form = data[1] % 4;
    const std::size_t step = 1 + data[2] % 64;
    const Outcome whole = decode(kind, form, data + 3, size - 3, size);
    fuzz::require(decode(kind, form, data + 3, size - 3, step) == whole);
    for (std::size_t i = 1; i < whole.times.size(); ++i) {
        fuzz::require(whole.times[i - 1] <= whole.times[i]);
    }
    return 0;
}
