#pragma once
// Puts rows in time order in constant memory: sorted runs go to temporary files and are merged.
// Equal times keep the order in which they came.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"

namespace onetape {

struct EventRow {
    std::int64_t time;   // of the frame
    std::int64_t order;  // breaks ties
    std::uint64_t line;
    std::uint32_t source;
    EventType type;
    std::uint16_t payload_bytes;
    std::array<std::byte, sizeof(BarPayload)> payload;

    [[nodiscard]] bool before(const EventRow& other) const noexcept {
        return time != other.time ? time < other.time : order < other.order;
    }
};
static_assert(sizeof(EventRow) == 128);

class RowSorter {
 public:
    // directory: where runs are kept; they are unlinked while open, so nothing stays behind.
    RowSorter(std::string directory, std::size_t rows_in_memory);
    ~RowSorter();
    RowSorter(const RowSorter&) = delete;
    RowSorter& operator=(const RowSorter&) = delete;

    Failure add(const EventRow& row);
    Failure finish();            // no more rows; next() may be called
    Status next(EventRow& row);  // not_found after the last
    [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
    struct Run;
    Failure spill();

    std::string directory_;
    std::size_t rows_in_memory_;
    std::vector<EventRow> rows_;
    std::vector<std::unique_ptr<Run>> runs_;
    std::vector<Run*> heap_;
    std::size_t cursor_ = 0;
    Failure failure_;
};

}  // namespace onetape
