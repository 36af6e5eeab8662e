// Chooses the next frame among several tapes, and records the choice of a live run.
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/trading_loop.hpp"

namespace onetape {
namespace {

constexpr bool is_value(EventType type) {
    return type == EventType::quote || type == EventType::mark;
}

}  // namespace

// Finished tapes are merged by time. So are those that a live robot follows while they grow, as far
// as their frames are available: a late frame comes after those processed before it, which is why
// the order is recorded.
TradingLoop::Source* TradingLoop::pick() {
    if (ordered_ && started_) return pick_ordered();
    Source* best = nullptr;
    for (Source& source : sources_) {
        if (!load(source)) continue;
        if (best) {
            // Events inside a bar come before the bar, also if both end at the same time.
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
    while (next_step_ < steps_.size() && gateway.last_sequence >= steps_[next_step_].after) {
        const InputStep& step = steps_[next_step_];
        Source& source = sources_[step.source];
        while (load(source) && source.frame.header->sequence < step.first) source.loaded = false;
        if (!source.loaded) return nullptr;
        if (source.frame.header->sequence <= step.last) return &source;
        ++next_step_;  // the rest of it belongs to no run
    }
    return load(gateway) ? &gateway : nullptr;
}

// Recorded before the robot sees it, so that a replay has the cause of everything that follows.
bool TradingLoop::note_taken(const Source& source, const Frame& frame) {
    const Source& gateway = sources_.front();
    if (!leads() || &source == &gateway || !started_) return true;
    const std::uint64_t sequence = frame.header->sequence;
    if (ordered_ && sequence >= steps_[next_step_].last) ++next_step_;
    if (gateway.last_sequence > noted_) {
        if (!note_input(gateway, noted_ + 1, gateway.last_sequence)) return false;
        noted_ = gateway.last_sequence;
    }
    return note_input(source, sequence, sequence);
}

// If inputs are recorded frame by frame, a robot that requests it is not shown quotes and marks
// that are already superseded. A replay processes the same frames as the run.
void TradingLoop::look_ahead(Source& source) {
    constexpr std::size_t frames_max = 512;
    if (ordered_ || !leads() || source.is_gateways || source.is_detail ||
        source.reader->next_sequence() <= source.looked_to)
        return;
    std::array<Frame, frames_max> frames;
    const std::uint32_t crc = source.reader->crc();
    const std::size_t count = source.reader->next_batch(frames);
    if (count == 0) return;
    source.newest.resize(std::max(source.newest.size(), source.streams.size()));
    for (const Frame& frame : std::span(frames).first(count)) {
        const std::uint32_t stream = frame.header->stream;
        if (is_value(frame.type()) && stream < source.newest.size())
            source.newest[stream][frame.type() == EventType::mark] = frame.header->sequence;
    }
    source.looked_to = frames[count - 1].header->sequence;
    source.reader->give_back(frames.front(), crc);
}

bool TradingLoop::is_superseded(const Source& source) {
    const FrameHeader& header = *source.frame.header;
    const EventType type = source.frame.type();
    if (ordered_ || !is_value(type) || header.stream >= source.newest.size()) return false;
    const Instrument* const instrument = instrument_of(source, header.stream);
    if (!instrument || (instrument->subscribed & want_conflated) == 0 ||
        header.sequence >= source.newest[header.stream][type == EventType::mark])
        return false;
    ++counters_.superseded;
    return true;
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
