#include "exchange/flow.hpp"

#include <algorithm>

#include "exchange/flow_symbol.hpp"
#include "exchange/flow_walk.hpp"

namespace onetape {

Flow::Flow(const FlowOptions& options, std::span<const FlowSymbol> symbols,
           ParticipantSink* participants) noexcept
    : options_(options), participants_(participants) {
    for (std::uint32_t index = 0; index < symbols.size(); ++index) {
        if (options_.kind == FlowKind::random_walk)
            symbols_.push_back(std::make_unique<FlowWalk>(*this, index, symbols[index], options_));
        else
            symbols_.push_back(
                std::make_unique<FlowSymbolState>(*this, index, symbols[index], options_));
    }
}

Flow::~Flow() = default;

std::int64_t Flow::next_time() const noexcept {
    if (next_record_ != records_.size()) return records_[next_record_].time;
    std::int64_t time = MatchingEngine::never;
    for (const auto& symbol : symbols_) time = std::min(time, symbol->next_time());
    return time;
}

bool Flow::next(FlowEvent& event, std::int64_t until) noexcept {
    if (symbols_.empty()) return false;
    while (next_time() < until && next_record_ == records_.size()) {
        records_.clear();
        bytes_.clear();
        next_record_ = 0;
        // Equal times: the lower index first.
        const auto due = std::min_element(symbols_.begin(), symbols_.end(),
                                          [](const auto& left, const auto& right) {
                                              return left->next_time() < right->next_time();
                                          });
        (*due)->step();
    }
    if (next_time() >= until) return false;
    const Record& record = records_[next_record_++];
    event = {record.type, record.flags, record.symbol, record.time,
             std::span<const std::byte>(bytes_).subspan(record.offset, record.bytes)};
    return true;
}

void Flow::request(std::uint32_t symbol, std::uint32_t participant, std::int64_t now,
                   const OrderRequestPayload& request, bool hidden) noexcept {
    if (symbol >= symbols_.size()) return;
    symbols_[symbol]->engine().request(participant, now, request, hidden);
}

MatchingEngine& Flow::engine(std::uint32_t symbol) noexcept {
    return symbols_[symbol]->engine();
}

void Flow::push(EventType type, std::uint16_t flags, std::uint32_t symbol, std::int64_t time,
                std::span<const std::byte> head, std::span<const std::byte> bids,
                std::span<const std::byte> asks) noexcept {
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    for (const auto part : {head, bids, asks}) {
        bytes_.insert(bytes_.end(), part.begin(), part.end());
    }
    records_.push_back(
        {type, flags, symbol, time, offset, static_cast<std::uint32_t>(bytes_.size()) - offset});
}

}  // namespace onetape
