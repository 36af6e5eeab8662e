#pragma once
// Rows of values to events. Which column is what was settled in Python, from the header or from
// what a kind of file is known to hold; here rows are split, read exactly and checked.
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
    sides,           // one side of the top of the book in a row
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
    action,  // of a side: 2 takes it away; of an order: a word
    flags,   // of an order: 128 the last of its message, 32 of a snapshot
    last,
    reported,
    open_interest,
};
inline constexpr std::size_t column_count = 32;

// packed: rows of 8-byte cells, times in int64 ns and numbers as doubles, which count with the 15
// digits that a double is sure of.
enum class RowForm : std::uint8_t { lines, json, packed };

// A double as the decimal of at most 15 digits that it stands for. false: it is not finite, or too
// large. `scale` remembers how many decimals the numbers before had.
[[nodiscard]] bool decimal_from_double(double value, int& scale, RawDecimal& raw) noexcept;

// Places of one level's columns in the row.
struct LevelColumns {
    int bid, bid_size, ask, ask_size;
};

struct TableConfig {
    TableKind kind = TableKind::quotes;
    RowForm form = RowForm::lines;
    std::array<int, column_count> columns;   // position in the row, -1: not there
    std::array<bool, column_count> blank{};  // columns that may be empty: not known
    std::vector<std::string> keys;           // of rows that are objects: the name of each position
    std::vector<LevelColumns> levels;        // book_snapshots, best first
    int fields = 0;                          // of a row; 0: as the first row
    char separator = ',';
    int skip_lines = 0;  // the header
    Zone zone;
    std::int64_t period_ns = 0;  // of bars, of marks that are bars' closes, and between fundings
    BarClock clock;
    std::vector<std::int64_t> starts;   // of bars: the second and the third stamp, in order of time
    std::vector<std::uint64_t> wanted;  // ascending: only the texts of these rows, as rejects
    bool time_is_close = false;         // bars
    int implied_decimals = 0;           // of prices and sizes, which then have no point
    bool refuses_zero_time = false;     // the number 0 is no time: other rows are of later years
    int stream = 0;                     // place in TableStreams, where no column says it
    std::uint32_t source = 0;
    bool measuring = false;
    bool reversed = false;  // newest first: equal times are taken from the end
    TableConfig() { columns.fill(-1); }
};

// The facts that a first pass over a source finds out.
struct TableFacts {
    std::uint64_t rows = 0;
    std::uint64_t snapped = 0;  // while writing: numbers that were rounded, within 1e-9
    std::int64_t first_time = 0, last_time = 0;  // in file order
    bool ascending = true, descending = true;    // equal times agree with both
    std::unordered_map<std::int64_t, std::uint64_t> steps;
    BarFacts bars;
};
// Levels of one book event; a message with more becomes several, so that a file whose rows all have
// one time takes no more memory than this.
inline constexpr std::size_t batch_levels_max = std::size_t{1} << 17;

inline constexpr std::size_t steps_max = 4096;  // different ones; more are not counted

// Passes decoded rows on: to the gate at once, or to the sorter first.
class RowOutlet {
 public:
    // sorter: nullptr where rows are already in order.
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

// What a source of rows looks like to an import: chunks in, rows out, facts for the second pass.
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
    const char* split(std::string_view line);  // nullptr, or why not
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
    // One period after a stamp, or before it where it is a bar's close. false: out of range.
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
    // There, or needed: false where the column may be empty and is.
    [[nodiscard]] bool has_column(TableColumn column) const noexcept {
        return has(column) &&
               (config_.form == RowForm::packed ||
                !(config_.blank[static_cast<std::size_t>(column)] && text(column).empty()));
    }
    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }

    // Rows of book_changes that are one event.
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
    const char* cells_ = nullptr;  // of the packed row at hand
    std::string carry_;            // of a packed row that the chunk's end cut
    std::array<int, column_count> scales_{};
    std::uint64_t number_ = 0;
    std::string unquoted_;
    std::string reason_;
    std::vector<BookLevel> levels_;
    Batch batch_;
    std::vector<bool> in_snapshot_;  // by stream: the row before belonged to one
    int stream_ = 0;                 // of the row at hand
    std::int64_t step_from_ = 0;
    std::optional<std::int64_t> reading_;  // of the clock, in the row at hand
    std::int64_t order_ = 0;
    Status status_ = Status::ok;
};

[[nodiscard]] const char* column_name(TableColumn column) noexcept;

}  // namespace onetape
