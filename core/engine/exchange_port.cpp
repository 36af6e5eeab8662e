#include "engine/exchange_port.hpp"

#include "engine/trading_loop.hpp"

namespace onetape {

namespace {

constexpr MarketInterest idle{};  // for an exchange without matching

}  // namespace

void ExchangePort::set_instrument(Instrument& instrument) {
    instrument.interest = &idle;
}

bool ExchangePort::trades(const Instrument& instrument) const {
    return !has_gateway() || instrument.is_traded();
}

// No other source reports the payment.
void ExchangePort::settle_funding(Instrument& instrument, std::int64_t /*time*/,
                                  const FundingPayload& payload) {
    loop_->apply_funding(instrument, payload);
}

bool GatewayPort::take_report(std::uint32_t gateway, Instrument* instrument, const Frame& frame) {
    const bool is_fill = frame.type() == EventType::fill;
    if (frame.payload_bytes < (is_fill ? sizeof(FillPayload) : sizeof(OrderEventPayload)))
        return loop_->fits(frame);
    const std::uint8_t robot =
        is_fill ? frame.as<FillPayload>().robot : frame.as<OrderEventPayload>().robot;
    if (robot != seats().robots[gateway] || instrument == nullptr) return true;
    if (!loop_->reach(frame.header->time)) return false;
    return is_fill ? loop_->deliver(*instrument, frame.as<FillPayload>(), frame.header->sequence)
                   : loop_->deliver(*instrument, frame.as<OrderEventPayload>());
}

// --- reports of a recorded run ------------------------------------------------------------------

bool ReportScript::load() {
    while (!is_loaded_) {
        if (journal_->next(frame_) != Status::ok) return false;
        const std::uint32_t bytes = frame_.payload_bytes;
        // Orders that the recorded robot refused itself are refused here, too.
        is_loaded_ =
            (frame_.type() == EventType::order_event && bytes >= sizeof(OrderEventPayload) &&
             (frame_.header->flags & order_never_left) == 0) ||
            (frame_.type() == EventType::fill && bytes >= sizeof(FillPayload));
    }
    return true;
}

// A report waits for the frame after which it came.
std::int64_t ReportScript::next_due() {
    if (!load()) return never;
    const std::uint64_t cause = frame_.type() == EventType::fill
                                    ? frame_.as<FillPayload>().cause
                                    : frame_.as<OrderEventPayload>().cause;
    return cause <= loop_->counters().frames ? frame_.header->time : never;
}

bool ReportScript::run_due(std::int64_t /*time*/) {
    is_loaded_ = false;
    Instrument* const instrument = loop_->instrument(frame_.header->stream - 1);
    if (instrument == nullptr) return true;
    return frame_.type() == EventType::fill
               ? loop_->deliver(*instrument, frame_.as<FillPayload>())
               : loop_->deliver(*instrument, frame_.as<OrderEventPayload>());
}

// The recorded run received its reports here: they are due now.
bool ReportScript::take_report(std::uint32_t /*gateway*/, Instrument* /*instrument*/,
                               const Frame& frame) {
    return loop_->catch_up(frame.header->time);
}

std::int64_t ReportScript::take_frame(const Instrument& /*instrument*/, const Frame& frame) {
    loop_->wake(next_due());
    return frame.header->time;
}

}  // namespace onetape
