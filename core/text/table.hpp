#pragma once
// Converts rows of values to events. Python decides the columns, from the header or from the known
// layout of a file; here rows are split, read exactly and checked.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/bar_clock.hpp"
#include "text/decimal_text.hpp"
#include "text/event_sink.hpp"
#include "text/json_rows.hpp"
#include "text/json_scan.hpp"
#include "text/line_split.hpp"
#include "text/name_counts.hpp"
#include "text/row_gate.hpp"
#include "text/row_sorter.hpp"
#include "text/table_streams.hpp"
#include "text/time_text.hpp"

namespace onetape {

enum class TableKind : std::uint8_t {
    quotes,
    trades,
    bars,
    marks,
    funding,
    liquidations,
    tickers,         // mark, index, open interest, and the next funding's rate and time in one row
    book_snapshots,  // all levels of a book in one row
    book_changes,    // one level in a row; rows of one receipt are one event
    sides,           // one side of the best bid and ask in a row
    orders,          // one message about one order of the venue's book in a row
};
inline constexpr std::size_t table_kind_count = 11;

enum class TableColumn : std::uint8_t {
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
    symbol,
    update_id,
    close_time,  // of a bar: its last moment
    turnover,
    trades,
    buyer_is_maker,  // true: the taker sold
    mark,
    index,
    rate,
    funding_time,
    interval_hours,
    is_snapshot,
    action,  // of a side: 2 removes it; of an order: a word
    flags,   // of an order: 128 the last of its message, 32 of a snapshot
    last,
    reported,
    open_interest,
};
inline constexpr std::size_t column_count = 32;

// packed: rows of 8-byte cells, times in int64 ns and numbers as doubles, of which 15 digits count.
enum class RowForm : std::uint8_t { lines, json, packed };

// Converts a double to the decimal of at most 15 digits that it represents. false: not finite, or
// too large. `scale` remembers the decimals of earlier numbers.
[[nodiscard]] bool decimal_from_double(double value, int& scale, RawDecimal& raw) noexcept;

// Indices of one level's columns in the row.
struct LevelColumns {
    int bid, bid_size, ask, ask_size;
};

struct TableConfig {
    TableKind kind = TableKind::quotes;
    RowForm form = RowForm::lines;
    std::array<int, column_count> columns;   // index in the row, -1: none
    std::array<bool, column_count> blank{};  // columns that may be empty: unknown
    std::vector<std::string> keys;           // if rows are objects: the key of each index
    std::vector<LevelColumns> levels;        // book_snapshots, best first
    int fields = 0;                          // per row; 0: as in the first row
    char separator = ',';
    int skip_lines = 0;  // the header
    Zone zone;
    std::int64_t period_ns = 0;  // of bars, of marks from bar closes, and between fundings
    BarClock clock;
    std::vector<std::int64_t> starts;  // of bars: the second and the third stamp, in time order
    std::vector<std::uint64_t>
        wanted;                  // ascending: return only the texts of these rows, as rejects
    bool time_is_close = false;  // bars
    int implied_decimals = 0;    // of prices and sizes without a point
    bool refuses_zero_time =
        false;       // the number 0 is no time, although rows of later years are valid
    int stream = 0;  // index in TableStreams, if no column says it
    std::uint32_t source = 0;
    bool measuring = false;
    bool reversed = false;  // newest first: of equal times the last row comes first
    TableConfig() { columns.fill(-1); }
};

// The facts found by a first pass over a source.
struct TableFacts {
    std::uint64_t rows = 0;
    std::uint64_t snapped = 0;                   // second pass: numbers rounded within 1e-9
    std::int64_t first_time = 0, last_time = 0;  // in file order
    bool ascending = true, descending = true;    // equal times agree with both
    std::unordered_map<std::int64_t, std::uint64_t> steps;
    BarFacts bars;
};
// Levels of one book event; a larger message becomes several events, so that a file whose rows all
// have one time takes no more memory than this.
inline constexpr std::size_t batch_levels_max = std::size_t{1} << 17;

inline constexpr std::size_t steps_max = 4096;  // different ones; others are not counted

// Passes decoded rows to the gate, directly or through the sorter.
class RowOutlet {
 public:
    // sorter: nullptr if rows are already in order.
    RowOutlet(RowGate* gate, RowSorter* sorter) : gate_(gate), sorter_(sorter) {}

    Status add(EventRow& row, std::int64_t order, std::span<const BookLevel> levels) {
        row.order = order + (static_cast<std::int64_t>(row.source) << 48);
        return sorter_ != nullptr ? sorter_->add(row, levels).status : gate_->pass(row, levels);
    }

 private:
    RowGate* gate_;
    RowSorter* sorter_;
};

template <class Payload>
void put_payload(EventRow& row, EventType type, const Payload& payload) noexcept {
    static_assert(sizeof(Payload) <= sizeof(row.payload));
    row.type = type;
    row.payload_bytes = sizeof(Payload);
    std::memcpy(row.payload.data(), &payload, sizeof payload);
}

// The interface of a source of rows for an import: chunks in, rows out, facts for the second pass.
class RowDecoder {
 public:
    virtual ~RowDecoder() = default;
    virtual Status feed(const char* data, std::size_t size) = 0;
    virtual Status finish() = 0;
    [[nodiscard]] const TableFacts& facts() const noexcept { return facts_; }

 protected:
    void measure(std::int64_t time) noexcept;

    TableFacts facts_;
};

class TableDecoder final : public RowDecoder {
 public:
    TableDecoder(TableConfig config, TableStreams& streams, RejectLog& rejects,
                 NameCounts& passed_over, RowGate* gate, RowSorter* sorter);

    Status feed(const char* data, std::size_t size) override;
    Status finish() override;

 private:
    bool on_line(std::string_view line, std::uint64_t number, LineSplitter::Ending ending);
    bool on_json(std::string_view text, std::uint64_t number, LineSplitter::Ending ending);
    bool read_row(const char* fault, std::string_view text, std::uint64_t number,
                  LineSplitter::Ending ending);
    Status feed_packed(const char* data, std::size_t size);
    bool packed_row(const char* cells);  // false: stop
    bool packed_number(TableColumn column, RawDecimal& raw);
    const char* split(std::string_view line);  // returns nullptr, or why not
    const char* split_list(std::string_view text);
    const char* split_object(std::string_view text);

    bool row(std::uint64_t number);  // false: reason_ or status_ says why
    bool quote(EventRow& out);
    bool trade(EventRow& out);
    bool bar(EventRow& out);
    bool mark(EventRow& out);
    bool funding(EventRow& out);
    bool liquidation(EventRow& out);
    bool ticker(EventRow& out);
    bool book_snapshot(EventRow& out);
    bool book_change(EventRow& out);
    bool side(EventRow& out);
    bool order(EventRow& out);  // table_orders.cpp

    bool times(std::int64_t& ts_event, std::int64_t& ts_recv);
    bool time(TableColumn column, std::int64_t& ns);
    bool check_time(TableColumn column, std::int64_t ns);
    bool bar_time(std::int64_t& ns);
    // The time one period after a stamp, or before it if it is a bar's close. false: out of range.
    [[nodiscard]] bool other_end(std::int64_t stamp, std::optional<std::int64_t> reading,
                                 std::int64_t& end) const noexcept;
    [[nodiscard]] bool is_part(std::int64_t stamp, std::int64_t end) const noexcept;
    bool show_row(std::string_view text, std::uint64_t number);
    [[nodiscard]] std::string packed_text(const char* cells) const;
    bool number(TableColumn column, RawDecimal& raw);
    bool number_at(std::string_view field, const char* name, RawDecimal& raw);
    bool units(TableColumn column, Quantity quantity, std::int64_t& value);
    bool fit(const RawDecimal& raw, Quantity quantity, const char* name, std::int64_t& value);
    bool count_in(TableColumn column, std::int64_t& value);
    bool truth(TableColumn column, bool& value);
    bool side_of(TableColumn column, Side& side);
    bool rate(TableColumn column, std::int64_t& value);
    bool hand_on(EventRow& row, std::span<const BookLevel> levels = {});
    bool flush_batch();
    void measure_step(std::int64_t time);
    void measure_bar(std::int64_t time, std::int64_t stamp);

    [[nodiscard]] bool has(TableColumn column) const noexcept {
        return config_.columns[static_cast<std::size_t>(column)] >= 0;
    }
    [[nodiscard]] std::string_view text(TableColumn column) const noexcept {
        return fields_[static_cast<std::size_t>(config_.columns[static_cast<std::size_t>(column)])];
    }
    // True if the column exists, or is required; false if it may be empty and is.
    [[nodiscard]] bool has_column(TableColumn column) const noexcept {
        return has(column) &&
               (config_.form == RowForm::packed ||
                !(config_.blank[static_cast<std::size_t>(column)] && text(column).empty()));
    }
    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }

    // Rows of book_changes that form one event.
    struct Batch {
        bool open = false;
        bool is_snapshot = false;
        std::uint64_t line = 0;
        int stream = 0;
        std::int64_t ts_event = 0, ts_recv = 0;
        std::vector<BookLevel> bids, asks;
    };

    TableConfig config_;
    TableStreams& streams_;
    RejectLog& rejects_;
    NameCounts& passed_over_;
    RowOutlet outlet_;
    LineSplitter lines_;
    JsonRowSplitter json_;
    std::unique_ptr<JsonScanner> scanner_;
    JsonMessage message_;
    std::vector<int> slots_;  // of the keys
    std::vector<std::string_view> fields_;
    const char* cells_ = nullptr;  // of the present packed row
    std::string carry_;            // of a packed row that the chunk's end cut
    std::array<int, column_count> scales_{};
    std::uint64_t number_ = 0;
    std::string unquoted_;
    std::string reason_;
    std::vector<BookLevel> levels_;
    Batch batch_;
    std::vector<bool> in_snapshot_;  // by stream: the row before was part of one
    int stream_ = 0;                 // of the present row
    std::int64_t step_from_ = 0;
    std::optional<std::int64_t> reading_;  // of the zone's clock, in the present row
    std::int64_t order_ = 0;
    Status status_ = Status::ok;
};

[[nodiscard]] const char* column_name(TableColumn column) noexcept;

}  // namespace onetape
