#include "text/text_events.hpp"

#include <cstring>

namespace onetape {

void TextEvents::add_stream(int price_decimals, int size_decimals) {
    StreamNumbers& stream = streams_.emplace_back();
    stream.price_decimals = price_decimals;
    stream.size_decimals = size_decimals;
    // The source was measured: what does not fit now never will.
    stream.growable = false;
}

const char* TextEvents::quote(const Stamp& at_, const TextLevel& bid, const TextLevel& ask,
                              std::uint64_t update_id) {
    StreamNumbers* const stream = at(at_.stream);
    if (stream == nullptr) return "stream is not known";
    QuotePayload event{};
    const char* why = units(*stream, bid.price, Quantity::price, event.bid);
    if (why == nullptr) why = units(*stream, bid.size, Quantity::size, event.bid_size);
    if (why == nullptr) why = units(*stream, ask.price, Quantity::price, event.ask);
    if (why == nullptr) why = units(*stream, ask.size, Quantity::size, event.ask_size);
    if (why != nullptr) return why;
    if (event.bid_size < 0 || event.ask_size < 0) return "size is negative";
    event.ts_event = at_.ts_event;
    event.ts_recv = at_.receipt;
    event.update_id = update_id;
    // A side that is empty has neither price nor size.
    if (event.bid > event.ask && (event.ask != 0 || event.ask_size != 0) && !measuring_) {
        sink_.count_crossed();
    }
    return emit(EventType::quote, 0, at_, &event, sizeof event);
}

const char* TextEvents::trade(const Stamp& at_, const TextLevel& what, TradePayload head) {
    StreamNumbers* const stream = at(at_.stream);
    if (stream == nullptr) return "stream is not known";
    const char* why = units(*stream, what.price, Quantity::price, head.price);
    if (why == nullptr) why = units(*stream, what.size, Quantity::size, head.size);
    if (why != nullptr) return why;
    if (head.size < 0) return "size is negative";
    if (head.size == 0 && !measuring_) return "size is zero";
    head.ts_event = at_.ts_event;
    head.ts_recv = at_.receipt;
    return emit(EventType::trade, 0, at_, &head, sizeof head);
}

const char* TextEvents::book(const Stamp& at_, std::uint16_t flags, BookPayload head,
                             std::span<const TextLevel> bids, std::span<const TextLevel> asks) {
    StreamNumbers* const stream = at(at_.stream);
    if (stream == nullptr) return "stream is not known";
    // The fixed part takes the room of three levels, so the frame is one array of them.
    static_assert(sizeof(BookPayload) == 3 * sizeof(BookLevel));
    frame_.resize(3);
    const char* why = levels(*stream, bids);
    if (why == nullptr) why = levels(*stream, asks);
    if (why != nullptr) return why;
    head.ts_event = at_.ts_event;
    head.ts_recv = at_.receipt;
    head.bid_count = static_cast<std::uint32_t>(bids.size());
    head.ask_count = static_cast<std::uint32_t>(asks.size());
    std::memcpy(frame_.data(), &head, sizeof head);
    return emit(EventType::book, flags, at_, frame_.data(), frame_.size() * sizeof(BookLevel));
}

const char* TextEvents::levels(StreamNumbers& stream, std::span<const TextLevel> found) {
    for (const TextLevel& raw : found) {
        BookLevel& level = frame_.emplace_back();
        const char* why = units(stream, raw.price, Quantity::price, level.price);
        if (why == nullptr) why = units(stream, raw.size, Quantity::size, level.size);
        if (why != nullptr) return why;
        if (level.size < 0) return "size is negative";
    }
    return nullptr;
}

const char* TextEvents::units(StreamNumbers& stream, const RawDecimal& raw, Quantity quantity,
                              std::int64_t& value) {
    switch (stream.fit(raw, quantity, measuring_, value)) {
        case StreamNumbers::Fit::exact:
            return nullptr;
        case StreamNumbers::Fit::snapped:
            ++snapped_;
            return nullptr;
        case StreamNumbers::Fit::grows:
        case StreamNumbers::Fit::too_fine:
            return quantity == Quantity::price ? "price has more decimals than fit 64 bits"
                                               : "size has more decimals than fit 64 bits";
        case StreamNumbers::Fit::too_large:
            break;
    }
    return quantity == Quantity::price ? "price does not fit 64 bits" : "size does not fit 64 bits";
}

const char* TextEvents::emit(EventType type, std::uint16_t flags, const Stamp& at_,
                             const void* payload, std::size_t bytes) {
    if (measuring_) return nullptr;
    status_ = sink_.emit(type, flags, at_.stream, at_.receipt, payload,
                         static_cast<std::uint32_t>(bytes));
    return status_ == Status::ok ? nullptr : "the tape could not be written";
}

}  // namespace onetape
