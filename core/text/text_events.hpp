#pragma once
// Market events that a decoder outside the core took apart: their numbers are still as written.
// This makes units of them, exactly, and hands them on. A stream's numbers are only counted while
// a source is measured.
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "text/decimal_text.hpp"
#include "text/event_sink.hpp"
#include "text/stream_numbers.hpp"

namespace onetape {

struct TextLevel {
    RawDecimal price, size;
};

class TextEvents {
 public:
    TextEvents(EventSink& sink, bool measuring) : sink_(sink), measuring_(measuring) {}

    // The next stream's decimals; streams count from 1.
    void add_stream(int price_decimals, int size_decimals);

    struct Stamp {
        std::uint32_t stream;
        std::int64_t receipt, ts_event;
    };
    // nullptr: taken. Else why it cannot be, or, with a status, that the sink failed.
    [[nodiscard]] const char* quote(const Stamp& at, const TextLevel& bid, const TextLevel& ask,
                                    std::uint64_t update_id);
    // `head` carries side and id.
    [[nodiscard]] const char* trade(const Stamp& at, const TextLevel& what, TradePayload head);
    // `head` carries the ids. Bids first.
    [[nodiscard]] const char* book(const Stamp& at, std::uint16_t flags, BookPayload head,
                                   std::span<const TextLevel> bids,
                                   std::span<const TextLevel> asks);

    [[nodiscard]] Status status() const noexcept { return status_; }
    [[nodiscard]] std::uint64_t snapped() const noexcept { return snapped_; }
    [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }
    [[nodiscard]] const StreamNumbers& numbers(std::size_t index) const { return streams_[index]; }

 private:
    [[nodiscard]] const char* units(StreamNumbers& stream, const RawDecimal& raw, Quantity quantity,
                                    std::int64_t& value);
    [[nodiscard]] const char* levels(StreamNumbers& stream, std::span<const TextLevel> found);
    [[nodiscard]] const char* emit(EventType type, std::uint16_t flags, const Stamp& at,
                                   const void* payload, std::size_t bytes);
    [[nodiscard]] StreamNumbers* at(std::uint32_t stream) noexcept {
        return stream >= 1 && stream <= streams_.size() ? &streams_[stream - 1] : nullptr;
    }

    EventSink& sink_;
    std::deque<StreamNumbers> streams_;
    std::vector<BookLevel> frame_;
    std::uint64_t snapped_ = 0;
    Status status_ = Status::ok;
    bool measuring_;
};

}  // namespace onetape
