#include "text/row_gate.hpp"

#include <cstring>

#include "journal/frame.hpp"

namespace onetape {
namespace {

template <class Payload>
[[nodiscard]] Payload taken(const EventRow& row) noexcept {
    Payload payload;
    std::memcpy(&payload, row.payload.data(), sizeof payload);
    return payload;
}

}  // namespace

RowGate::RowGate(EventSink& sink, RejectLog& rejects, const TableStreams& streams)
    : sink_(sink), rejects_(rejects), states_(streams.count()) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
        states_[i].stream = streams.at(static_cast<int>(i)).stream;
    }
}

Status RowGate::pass(const EventRow& row, std::span<const BookLevel> levels) {
    StreamState& state = states_[row.stream];
    switch (row.note) {
        case RowNote::ticker:
            return ticker(state, row);
        case RowNote::bid:
        case RowNote::ask:
            return side(state, row);
        case RowNote::whole:
            break;
    }
    switch (row.type) {
        case EventType::bar:
            return bar(state, row);
        case EventType::funding:
            return funding(state, row);
        case EventType::quote:
            return quote(state, row, taken<QuotePayload>(row));
        case EventType::mark:
            return mark(state, row, taken<MarkPayload>(row));
        case EventType::book:
            return book(state, row, levels);
        default:
            return sink_.emit(row.type, row.flags, state.stream, row.time, row.payload.data(),
                              row.payload_bytes);
    }
}

Status RowGate::bar(StreamState& state, const EventRow& row) {
    const auto bar = taken<BarPayload>(row);
    const auto [found, is_new] = state.last_bars.try_emplace(bar.period_ns);
    LastBar& last = found->second;
    if (!is_new && bar.ts_open == last.open) {
        rejects_.add(row.source, row.line, "a bar with this time was already read", {});
        return Status::ok;
    }
    if (!is_new && bar.ts_open < last.close) {
        rejects_.add(row.source, row.line, "overlaps the bar before it", {});
        return Status::ok;
    }
    last = {bar.ts_open, bar.ts_close};
    return sink_.emit(EventType::bar, 0, state.stream, row.time, &bar, sizeof bar);
}

// Each settlement is paid once.
Status RowGate::funding(StreamState& state, const EventRow& row) {
    const auto funding = taken<FundingPayload>(row);
    if (funding.ts_event == state.funded) {
        rejects_.add(row.source, row.line, "funding of this time was already read", {});
        return Status::ok;
    }
    state.funded = funding.ts_event;
    return sink_.emit(EventType::funding, row.flags, state.stream, row.time, &funding,
                      sizeof funding);
}

Status RowGate::quote(StreamState& state, const EventRow& row, const QuotePayload& quote) {
    state.top = quote;
    if (quote.bid > quote.ask && (quote.ask != 0 || quote.ask_size != 0)) sink_.count_crossed();
    return sink_.emit(EventType::quote, 0, state.stream, row.time, &quote, sizeof quote);
}

// If marks and indices come in separate files, a frame has the last of the other.
Status RowGate::mark(StreamState& state, const EventRow& row, MarkPayload mark) {
    if (mark.mark == 0) mark.mark = state.mark;
    if (mark.index == 0) mark.index = state.index;
    state.mark = mark.mark;
    state.index = mark.index;
    return sink_.emit(EventType::mark, 0, state.stream, row.time, &mark, sizeof mark);
}

// The settlement itself is no row: the next funding time moves on. The rate paid is the last one
// before that.
Status RowGate::ticker(StreamState& state, const EventRow& row) {
    const auto now = taken<TickerRow>(row);
    if (now.funding_time != 0) {
        if (state.has_rate && state.funding_time != 0 && now.funding_time > state.funding_time) {
            FundingPayload funding{};
            funding.ts_event = state.funding_time;
            funding.ts_recv = now.ts_recv;
            funding.rate = state.rate;
            funding.mark = now.mark;
            funding.interval_ns = now.funding_time - state.funding_time;
            const Status status =
                sink_.emit(EventType::funding, 0, state.stream, row.time, &funding, sizeof funding);
            if (status != Status::ok) return status;
            state.has_rate = false;
        }
        state.funding_time = now.funding_time;
    }
    if (now.has_rate) {
        state.has_rate = true;
        state.rate = now.rate;
        if (const Status status = funding_rate(state, row, now); status != Status::ok)
            return status;
    }
    if (now.has_open_interest && now.open_interest != state.open_interest) {
        state.open_interest = now.open_interest;
        const OpenInterestPayload open{now.ts_event, now.ts_recv, now.open_interest};
        const Status status =
            sink_.emit(EventType::open_interest, 0, state.stream, row.time, &open, sizeof open);
        if (status != Status::ok) return status;
    }
    if (now.mark == 0 && now.index == 0) return Status::ok;
    return mark(state, row, {now.ts_event, now.ts_recv, now.mark, now.index});
}

// Emits a row's funding values if they have changed.
Status RowGate::funding_rate(StreamState& state, const EventRow& row, const TickerRow& now) {
    FundingRatePayload rate{};
    rate.ts_event = now.ts_event;
    rate.ts_recv = now.ts_recv;
    rate.rate = now.rate;
    rate.next_ns = state.funding_time;
    if (state.last_rate && state.last_rate->rate == rate.rate &&
        state.last_rate->next_ns == rate.next_ns)
        return Status::ok;
    state.last_rate = rate;
    return sink_.emit(EventType::funding_rate, 0, state.stream, row.time, &rate, sizeof rate);
}

Status RowGate::side(StreamState& state, const EventRow& row) {
    const auto side = taken<SideRow>(row);
    QuotePayload& top = state.top;
    top.ts_event = side.ts_event;
    top.ts_recv = side.ts_recv;
    (row.note == RowNote::bid ? top.bid : top.ask) = side.price;
    (row.note == RowNote::bid ? top.bid_size : top.ask_size) = side.size;
    return quote(state, row, top);
}

Status RowGate::book(StreamState& state, const EventRow& row, std::span<const BookLevel> levels) {
    std::uint16_t flags = row.flags;
    if ((flags & flag_snapshot) != 0) state.synced = true;
    if (!state.synced) {
        flags |= flag_unsynced;
        ++unsynced_;
    }
    // The fixed part takes the room of three levels, so the frame is one array of them.
    static_assert(sizeof(BookPayload) == 3 * sizeof(BookLevel));
    frame_.resize(3);
    std::memcpy(frame_.data(), row.payload.data(), sizeof(BookPayload));
    frame_.insert(frame_.end(), levels.begin(), levels.end());
    return sink_.emit(EventType::book, flags, state.stream, row.time, frame_.data(),
                      static_cast<std::uint32_t>(frame_.size() * sizeof(BookLevel)));
}

}  // namespace onetape
