#pragma once
// Emits rows in time order, after checks and state updates that need the rows before: one for all
// tables of an import.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "text/event_sink.hpp"
#include "text/row_sorter.hpp"
#include "text/table_streams.hpp"

namespace onetape {

class RowGate {
 public:
    RowGate(EventSink& sink, RejectLog& rejects, const TableStreams& streams);

    // levels: of a book row, bids then asks.
    Status pass(const EventRow& row, std::span<const BookLevel> levels = {});

    [[nodiscard]] std::uint64_t unsynced() const noexcept { return unsynced_; }

 private:
    struct LastBar {
        std::int64_t open, close;
    };
    struct StreamState {
        std::uint32_t stream = 0;
        std::map<std::int64_t, LastBar> last_bars;  // by period
        std::int64_t mark = 0, index = 0;           // the last ones
        bool has_rate = false;
        std::int64_t rate = 0, funding_time = 0;
        std::optional<FundingRatePayload> last_rate;
        std::int64_t open_interest = -1;     // -1: unknown
        QuotePayload top{};                  // for sides that come in separate rows
        bool synced = false;                 // a snapshot was read
        std::optional<std::int64_t> funded;  // the last settlement
    };

    Status bar(StreamState& state, const EventRow& row);
    Status funding(StreamState& state, const EventRow& row);
    Status quote(StreamState& state, const EventRow& row, const QuotePayload& quote);
    Status mark(StreamState& state, const EventRow& row, MarkPayload mark);
    Status ticker(StreamState& state, const EventRow& row);
    Status funding_rate(StreamState& state, const EventRow& row, const TickerRow& now);
    Status side(StreamState& state, const EventRow& row);
    Status book(StreamState& state, const EventRow& row, std::span<const BookLevel> levels);

    EventSink& sink_;
    RejectLog& rejects_;
    std::vector<StreamState> states_;
    std::vector<BookLevel> frame_;
    std::uint64_t unsynced_ = 0;
};

}  // namespace onetape
