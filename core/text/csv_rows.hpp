#pragma once
// Rows of separated values to events. Which column is what was settled in Python from the header;
// here rows are split, read exactly and checked.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/decimal_text.hpp"
#include "text/event_sink.hpp"
#include "text/line_split.hpp"
#include "text/row_sorter.hpp"
#include "text/time_text.hpp"

namespace onetape {

enum class TableKind : std::uint8_t { quotes, trades, bars };

enum class Column : std::uint8_t {
    ts_event,
    ts_recv,
    bid,
    ask,
    bid_size,
    ask_size,
    price,
    size,
    side,
    id,
    open,
    high,
    low,
    close,
    volume,
};
inline constexpr std::size_t column_count = 15;

struct TableConfig {
    TableKind kind = TableKind::quotes;
    std::array<int, column_count> columns;  // position in the row, -1: not there
    int fields = 0;                         // of a row; 0: as the first row
    char separator = ',';
    int skip_lines = 0;  // the header
    Zone zone;
    std::int64_t period_ns = 0;  // bars; may be 0 while measuring
    bool time_is_close = false;  // bars
    std::uint32_t stream = 0, source = 0;
    int price_decimals = 0, size_decimals = 0;
    bool measuring = false;
    bool reversed = false;  // newest first: equal times are taken from the end
    TableConfig() { columns.fill(-1); }
};

// What a first pass over a table finds out.
struct TableFacts {
    DecimalsSeen price, size, volume;
    std::uint64_t rows = 0;
    std::uint64_t snapped = 0;  // while writing: numbers that were rounded, within 1e-9
    std::int64_t first_time = 0, last_time = 0;  // in file order
    bool ascending = true, descending = true;    // equal times agree with both
    std::unordered_map<std::int64_t, std::uint64_t> steps;
};
inline constexpr std::size_t steps_max = 4096;  // different ones; more are not counted

// Emits rows in order, after the checks that need the row before: shared by all tables of an
// import.
class RowGate {
 public:
    RowGate(EventSink& sink, RejectLog& rejects, std::uint32_t stream)
        : sink_(sink), rejects_(rejects), stream_(stream) {}
    Status pass(const EventRow& row);

 private:
    struct LastBar {
        std::int64_t open, close;
    };
    EventSink& sink_;
    RejectLog& rejects_;
    std::uint32_t stream_;
    std::map<std::int64_t, LastBar> last_bars_;  // by period
};

class TableDecoder {
 public:
    // sorter: nullptr where rows are already in order.
    TableDecoder(TableConfig config, RejectLog& rejects, RowGate* gate, RowSorter* sorter);

    Status feed(const char* data, std::size_t size);
    Status finish();
    [[nodiscard]] const TableFacts& facts() const noexcept { return facts_; }

 private:
    struct Field {
        std::string_view text;
        bool quoted = false;
    };

    bool on_line(std::string_view line, std::uint64_t number, LineSplitter::Ending ending);
    const char* split(std::string_view line);  // nullptr, or why not
    bool row(std::uint64_t number);            // false: reason_ or status_ says why
    bool quote(EventRow& out);
    bool trade(EventRow& out);
    bool bar(EventRow& out);
    bool units(Column column, bool is_price, std::int64_t& value);
    bool time(Column column, std::int64_t& ns);
    bool hand_on(EventRow& row);
    void measure(std::int64_t time, std::int64_t step_time);
    [[nodiscard]] bool has(Column column) const noexcept {
        return config_.columns[static_cast<std::size_t>(column)] >= 0;
    }
    [[nodiscard]] std::string_view text(Column column) const noexcept {
        return fields_[static_cast<std::size_t>(config_.columns[static_cast<std::size_t>(column)])]
            .text;
    }
    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }

    TableConfig config_;
    RejectLog& rejects_;
    RowGate* gate_;
    RowSorter* sorter_;
    LineSplitter splitter_;
    std::vector<Field> fields_;
    std::string unquoted_;
    std::string reason_;
    TableFacts facts_;
    std::int64_t step_from_ = 0;
    std::int64_t order_ = 0;
    Status status_ = Status::ok;
};

}  // namespace onetape
