#pragma once
// The interface from the loop to a robot. The binding implements it for Python classes, compiled
// strategies implement it, too. Callbacks return false when the loop must stop: the strategy raised
// and its host decided so, or the user interrupted.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/instrument_state.hpp"
#include "engine/order.hpp"
#include "journal/reader.hpp"
#include "market/scan.hpp"

namespace onetape {

class RobotPort {
 public:
    virtual ~RobotPort() = default;

    virtual bool on_quote(Instrument& instrument, const QuotePayload& quote) = 0;
    virtual bool on_trade(Instrument& instrument, const TradePayload& trade) = 0;
    virtual bool on_book(Instrument& instrument) = 0;
    virtual bool on_bar(Instrument& instrument, BarFeed& feed, const BarPayload& bar) = 0;
    virtual bool on_mark(Instrument& instrument, const MarkPayload& mark) = 0;
    virtual bool on_funding(Instrument& instrument, const FundingPayload& funding) = 0;
    virtual bool on_liquidation(Instrument& instrument, const LiquidationPayload& event) = 0;
    virtual bool on_mbo(Instrument& instrument, const MboPayload& event) = 0;
    virtual bool on_instrument(Instrument& instrument) = 0;
    virtual bool on_timer(const std::string& name) = 0;
    virtual bool on_order(const OrderRef& order) = 0;
    virtual bool on_fill(const OrderRef& order, const FillPayload& fill) = 0;
    virtual bool on_position(Instrument& instrument, PositionSide side) = 0;
    virtual bool on_health(const char* kind, const std::string& subject, const char* state) = 0;

    // A symbol begins or ceases to meet the condition of one of the robot's scans. scan: its
    // number.
    virtual bool on_scan(std::size_t scan, Instrument& instrument, const ScanChange& change) = 0;

    // An order that sells coins is about to be placed: protective orders may hold them back.
    virtual void before_sale(const Instrument& /*instrument*/, std::int64_t /*size*/) {}

    // Too many orders were refused for the same reason as `order` within one second.
    virtual bool on_refusal_storm(const OrderRef& order) = 0;

    // Handles a MessagePack frame. For an instrument frame returns the instrument's index in the
    // run, or `skip`; for others `skip`.
    static constexpr std::int64_t skip = -1, failed = -2;
    virtual std::int64_t on_cold(std::uint32_t source, const Frame& frame) = 0;

    // Set by a callback that leaves changed memory, which must be written to the tape before the
    // callback's actions.
    bool unsettled = false;
    virtual bool settle() = 0;
    // Called every so many actions: writes the state hash to the tape.
    virtual bool note_state() = 0;
    // Called every few ten thousand frames: signals, progress.
    virtual bool pulse(std::uint64_t frames, std::int64_t now) = 0;
};

}  // namespace onetape
