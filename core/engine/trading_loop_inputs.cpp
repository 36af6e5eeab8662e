// Which frame is next where there are several tapes, and the word of it that a live run leaves.
#include <cstring>

#include "engine/trading_loop.hpp"

namespace onetape {

// Finished tapes are merged by time. So are those that a live robot follows while they grow, as far
// as their frames are there already: what comes late has its place behind what was taken before it,
// which is why that is written down.
TradingLoop::Source* TradingLoop::pick() {
    if (ordered_ && started_) return pick_ordered();
    Source* best = nullptr;
    for (Source& source : sources_) {
        if (!load(source)) continue;
        if (best) {
            // What happened inside a bar comes before the bar, also where both end together.
            const std::int64_t time = source.frame.header->time;
            const std::int64_t least = best->frame.header->time;
            if (time > least) continue;
            if (time == least && !(source.is_detail && !best->is_detail)) continue;
        }
        best = &source;
    }
    return best;
}

TradingLoop::Source* TradingLoop::pick_ordered() {
    Source& gateway = sources_.front();
    if (next_step_ < steps_.size() && gateway.last_sequence >= steps_[next_step_].after) {
        Source& source = sources_[steps_[next_step_].source];
        return load(source) ? &source : nullptr;
    }
    return load(gateway) ? &gateway : nullptr;
}

// Before the robot sees it: whatever it does then, a replay knows why.
bool TradingLoop::note_taken(const Source& source, const Frame& frame) {
    const Source& gateway = sources_.front();
    if (!gateway.is_gateways || source.is_gateways || !started_) return true;
    if (ordered_) ++next_step_;
    if (gateway.last_sequence > noted_) {
        if (!note_input(gateway, noted_ + 1, gateway.last_sequence)) return false;
        noted_ = gateway.last_sequence;
    }
    return note_input(source, frame.header->sequence, frame.header->sequence);
}

bool TradingLoop::note_input(const Source& source, std::uint64_t first, std::uint64_t last) {
    if (!writer_) return true;
    InputPayload payload{};
    const Uuid& uuid = source.reader->uuid();
    static_assert(sizeof uuid == sizeof payload.source);
    std::memcpy(payload.source, &uuid, sizeof payload.source);
    payload.epoch = source.reader->epoch();
    payload.first_sequence = first;
    payload.count = last - first + 1;
    payload.crc = source.last_crc;
    const Status status =
        writer_->append(EventType::input, input_in_order, 0, now_, &payload, sizeof payload);
    if (status != Status::ok && failure_.ok()) failure_ = {status, "the run's journal"};
    return status == Status::ok;
}

}  // namespace onetape
