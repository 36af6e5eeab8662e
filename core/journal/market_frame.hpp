#pragma once
// The layouts of the market frames.
#include <array>
#include <cstddef>
#include <cstdint>

#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/reader.hpp"

namespace onetape {

// Bytes of a market event's layout by type id; 0 for all other types. A table, because it is looked
// up for every frame.
inline constexpr std::array<std::uint8_t, event_type_count + 1> market_layout = [] {
    std::array<std::uint8_t, event_type_count + 1> bytes{};
    const auto set = [&](EventType type, std::size_t size) {
        bytes[static_cast<std::size_t>(type)] = static_cast<std::uint8_t>(size);
    };
    set(EventType::quote, sizeof(QuotePayload));
    set(EventType::trade, sizeof(TradePayload));
    set(EventType::book, sizeof(BookPayload));
    set(EventType::bar, sizeof(BarPayload));
    set(EventType::mark, sizeof(MarkPayload));
    set(EventType::funding, sizeof(FundingPayload));
    set(EventType::liquidation, sizeof(LiquidationPayload));
    set(EventType::mbo, sizeof(MboPayload));
    set(EventType::open_interest, sizeof(OpenInterestPayload));
    set(EventType::funding_rate, sizeof(FundingRatePayload));
    return bytes;
}();

[[nodiscard]] constexpr std::uint32_t market_bytes(EventType type) {
    const auto index = static_cast<std::size_t>(type);
    return index < market_layout.size() ? market_layout[index] : 0;
}

[[nodiscard]] constexpr bool is_market(EventType type) {
    return market_bytes(type) != 0;
}

// Calls `use` with the payload if the frame is a market event, else `otherwise`.
template <class Use, class Otherwise>
auto with_payload(const Frame& frame, const Use& use, const Otherwise& otherwise) {
    switch (frame.type()) {
        case EventType::quote:
            return use(frame.as<QuotePayload>());
        case EventType::trade:
            return use(frame.as<TradePayload>());
        case EventType::book:
            return use(frame.as<BookPayload>());
        case EventType::bar:
            return use(frame.as<BarPayload>());
        case EventType::mark:
            return use(frame.as<MarkPayload>());
        case EventType::funding:
            return use(frame.as<FundingPayload>());
        case EventType::liquidation:
            return use(frame.as<LiquidationPayload>());
        case EventType::mbo:
            return use(frame.as<MboPayload>());
        case EventType::open_interest:
            return use(frame.as<OpenInterestPayload>());
        case EventType::funding_rate:
            return use(frame.as<FundingRatePayload>());
        default:
            return otherwise();
    }
}

}  // namespace onetape
