#pragma once
// Sorts rows by time in constant memory: sorted runs go to temporary files and are merged. Equal
// times keep their order.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"

namespace onetape {

// The kind of a row before the rows around it are known.
enum class RowNote : std::uint8_t {
    whole,   // the payload of its type
    ticker,  // TickerRow: a mark, and the next funding if known
    bid,     // SideRow: one side of the top of the book
    ask,
};

struct TickerRow {
    std::int64_t ts_event, ts_recv, mark, index;  // as in MarkPayload
    std::int64_t rate, funding_time, open_interest;
    bool has_rate, has_open_interest;
};

struct SideRow {
    std::int64_t ts_event, ts_recv, price, size;
};

struct EventRow {
    std::int64_t time;   // of the frame
    std::int64_t order;  // breaks ties
    std::uint64_t line;
    std::uint32_t source;
    std::uint32_t stream;  // index of the stream in TableStreams
    EventType type;
    std::uint16_t flags;
    std::uint16_t payload_bytes;
    RowNote note;
    // A book row holds its BookPayload, and the location of its levels if they are stored
    // separately.
    std::array<std::byte, sizeof(BarPayload)> payload;

    [[nodiscard]] bool before(const EventRow& other) const noexcept {
        return time != other.time ? time < other.time : order < other.order;
    }
};
static_assert(sizeof(EventRow) == 136);
static_assert(sizeof(TickerRow) <= sizeof(BarPayload) && sizeof(SideRow) <= sizeof(BarPayload));
static_assert(sizeof(BookPayload) + sizeof(std::uint64_t) <= sizeof(BarPayload));

class RowSorter {
 public:
    // directory: for temporary files; they are unlinked while open, so nothing remains.
    RowSorter(std::string directory, std::size_t rows_in_memory);
    ~RowSorter();
    RowSorter(const RowSorter&) = delete;
    RowSorter& operator=(const RowSorter&) = delete;

    // levels: of a book row, bids then asks.
    Failure add(const EventRow& row, std::span<const BookLevel> levels = {});
    Failure finish();  // no more rows; next() may be called
    // not_found after the last.
    Status next(EventRow& row, std::vector<BookLevel>& levels);
    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
    struct Run;
    struct LevelFile;
    Failure spill();
    Status take(EventRow& row);
    Status levels_of(const EventRow& row, std::vector<BookLevel>& levels);

    std::string directory_;
    std::size_t rows_in_memory_;
    std::vector<EventRow> rows_;
    std::vector<std::unique_ptr<Run>> runs_;
    std::vector<Run*> heap_;
    std::unique_ptr<LevelFile> levels_;
    std::size_t cursor_ = 0;
    Failure failure_;
};

}  // namespace onetape
