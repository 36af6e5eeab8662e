#pragma once
// Frames of fixed layouts as columns: one walk over a journal fills columns for several event types
// and one row for each order. events.hpp describes the types.
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "journal/frame.hpp"
#include "journal/reader.hpp"

namespace onetape {

// A column: contiguous values of equal width. Grown in place where the C library can (it moves
// pages, not bytes), because a column may be as large as the whole output of a run.
class Column {
 public:
    explicit Column(std::size_t width) : width_(width) {}
    Column(Column&& other) noexcept { swap(other); }
    Column& operator=(Column&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Column() { std::free(data_); }

    // False: out of memory.
    [[nodiscard]] bool reserve(std::size_t rows) noexcept;
    [[nodiscard]] std::byte* at(std::size_t row) noexcept { return data_ + row * width_; }
    [[nodiscard]] const std::byte* at(std::size_t row) const noexcept {
        return data_ + row * width_;
    }
    [[nodiscard]] std::size_t width() const noexcept { return width_; }
    // Passes the bytes to the caller, who frees them with std::free; nullptr if none were written.
    [[nodiscard]] std::byte* release() noexcept { return std::exchange(data_, nullptr); }

 private:
    void swap(Column& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(width_, other.width_);
    }
    std::byte* data_ = nullptr;
    std::size_t width_ = 0;
};

// Columns of one length.
class Columns {
 public:
    explicit Columns(std::initializer_list<std::size_t> widths = {}) {
        for (const std::size_t width : widths) add(width);
    }
    void add(std::size_t width) { columns_.emplace_back(width); }
    // Adds a row, whose values the caller writes. False: out of memory.
    [[nodiscard]] bool grow() noexcept {
        if (rows_ == capacity_ && !make_room()) return false;
        ++rows_;
        return true;
    }
    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::size_t count() const noexcept { return columns_.size(); }
    [[nodiscard]] Column& operator[](std::size_t column) noexcept { return columns_[column]; }
    template <typename T>
    [[nodiscard]] T& cell(std::size_t column, std::size_t row) noexcept {
        return *reinterpret_cast<T*>(columns_[column].at(row));
    }

 private:
    [[nodiscard]] bool make_room() noexcept;
    std::vector<Column> columns_;
    std::size_t rows_ = 0, capacity_ = 0;
};

// The offset and width of a field in a frame, counted from the header's first byte.
struct FieldPlace {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
};

// Selects frames of one type by the values of some fields, and the fields to collect.
struct FrameColumnsSpec {
    std::uint16_t type = 0;
    std::uint32_t payload_bytes = 0;  // shorter frames are skipped
    std::vector<FieldPlace> fields;
    std::vector<std::pair<FieldPlace, std::uint64_t>> where;  // of 1, 2, 4 or 8 bytes
};

class FrameColumns {
 public:
    explicit FrameColumns(FrameColumnsSpec spec);
    [[nodiscard]] std::uint16_t type() const noexcept { return spec_.type; }
    [[nodiscard]] bool take(const Frame& frame) noexcept;  // false: out of memory
    [[nodiscard]] Columns& columns() noexcept { return columns_; }

 private:
    FrameColumnsSpec spec_;
    Columns columns_;
};

// How an order ended according to its order events; of several ends the greatest value counts.
enum class OrderEnd : std::uint8_t { none = 0, canceled, expired, rejected, denied };

// Makes a row for each placed order, in the order of the requests, from its order events. Does not
// read fills. Skips order events of orders that were not placed here (the venue's own).
class OrderRows {
 public:
    // One column each, in this order; times are ns, `never` where there is none.
    enum Field : std::size_t {
        id,         // u64, ascending
        stream,     // u32
        side,       // u8
        type,       // u8
        price,      // i64
        size,       // i64, as last amended
        trigger,    // i64
        requested,  // i64, the request's time
        answer,     // i64, time of the first order event
        done,       // i64, time of the first event that ended or triggered the order
        placed,     // i64, the exchange's time stamp of when it last entered the queue
        end,        // u8, OrderEnd
        tag,        // u32, index into words()
        field_count,
    };
    static constexpr std::int64_t never = -1;

    OrderRows();
    [[nodiscard]] bool take(const Frame& frame) noexcept;  // false: out of memory
    [[nodiscard]] Columns& columns() noexcept { return columns_; }
    // The tags in order of first appearance, without their padding.
    [[nodiscard]] const std::vector<std::string>& words() const noexcept { return words_; }

 private:
    static constexpr std::size_t absent = ~std::size_t{0};
    [[nodiscard]] bool request(const Frame& frame) noexcept;
    void news(const Frame& frame) noexcept;
    [[nodiscard]] std::size_t find(std::uint64_t order_id) noexcept;
    [[nodiscard]] std::uint32_t word(const char* tag);

    Columns columns_;
    std::vector<std::string> words_;
    std::unordered_map<std::string, std::uint32_t> numbers_;  // by padded tag
    std::string last_tag_;  // cache: most tags equal the one before
    std::uint32_t last_word_ = 0;
};

// The columns that one walk over the frames fills.
struct ColumnPass {
    ColumnPass() = default;
    ColumnPass(const ColumnPass&) = delete;
    ColumnPass& operator=(const ColumnPass&) = delete;

    std::vector<FrameColumns> tables;
    std::vector<OrderRows> orders;  // at most one

    // Reads up to `frames_max` more frames. not_found: the journal has no more now; exhausted: out
    // of memory. Frames from `time_until` on are skipped.
    [[nodiscard]] Status read(Reader& reader, std::size_t frames_max,
                              std::int64_t time_until) noexcept;
};

}  // namespace onetape
