#pragma once
// The exchange as seen by the loop: requests go out, reports come back, and it is shown the market.
// The loop is made with one of three and does not distinguish them:
//   RecordedVenue  matches orders against the recorded market: backtest and paper;
//   ReportScript   reads reports from another run's journal: a replay of decisions;
//   GatewayPort    requests leave with the run's journal, reports come with the gateway's tape.
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/instrument_state.hpp"
#include "engine/latency.hpp"
#include "exchange/recorded.hpp"
#include "journal/reader.hpp"

namespace onetape {

class TradingLoop;

// A robot's registrations at gateways, one for each account that it trades on. The gateways' tapes
// are the run's first sources, in this order. A gateway may trade fewer instruments than the run
// receives.
struct GatewaySeats {
    std::vector<std::uint8_t> robots;  // its number at each, from 1; empty: the run has no gateway
    std::uint64_t order_base = 0;      // ids of its orders begin after this
};

// The kind of a change of an instrument's market. hole: a bar where detail data is missing; value:
// changes only the valuation of holdings.
enum class MarketChange : std::uint8_t { quote, trade, book, bar, hole, mark, value };

class ExchangePort {
 public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    explicit ExchangePort(GatewaySeats seats = {}) : seats_(std::move(seats)) {}
    virtual ~ExchangePort() = default;
    ExchangePort(const ExchangePort&) = delete;
    ExchangePort& operator=(const ExchangePort&) = delete;

    void bind(TradingLoop& loop) noexcept { loop_ = &loop; }
    [[nodiscard]] const GatewaySeats& seats() const noexcept { return seats_; }
    [[nodiscard]] bool has_gateway() const noexcept { return !seats_.robots.empty(); }

    // --- set-up --- Sets the latency to a venue. Call before instruments are added.
    virtual void set_latency(std::uint32_t /*venue*/, const LatencyOptions& /*latency*/) {}
    virtual void set_rules(const VenueRules& /*rules*/) {}
    // Sets the volume traded before the start: for all volume groups, or for a named one.
    virtual void set_fee_volume(Money /*volume*/) {}
    virtual void set_fee_volume(std::uint32_t /*group*/, Money /*volume*/) {}
    virtual void deposit(std::uint32_t /*currency*/, Money /*amount*/) {}
    // Adds an instrument, or a new version of one.
    virtual void set_instrument(Instrument& instrument);
    // Returns the instrument whose fees apply, after a fee tier was reached; nullptr: the
    // instrument's own.
    virtual const InstrumentSpec* set_terms(Instrument& /*instrument*/,
                                            const InstrumentTerms& /*terms*/) {
        return nullptr;
    }
    // Makes both instruments share one market: an order of one of them takes liquidity from the
    // other, too.
    virtual void share_market(Instrument& /*instrument*/, const Instrument& /*of*/) {}
    // Notifies that the instrument is filled on detail data from now on.
    virtual void set_view(Instrument& /*instrument*/) {}
    // Notifies that the instrument's view has the venue's own orders from now on.
    virtual void begin_orders(Instrument& /*instrument*/) {}
    virtual void begin(std::int64_t /*now*/) {}

    // --- requests ---
    [[nodiscard]] bool trades(const Instrument& instrument) const;
    [[nodiscard]] bool checks_funds() const noexcept { return !has_gateway(); }
    // True if orders are filled by bars alone, or nothing came yet. Protective orders are then sent
    // together with their entry, because afterwards they would be too late for the bar that fills
    // it. Real venues have no such bars.
    [[nodiscard]] bool fills_bars(Instrument& instrument) const noexcept {
        const MarketView& view = instrument.fill_view();
        return !has_gateway() && !view.has_quote && !view.has_trade && !view.has_book();
    }
    // Called before a request is written: enters the robot, and whether the robot itself denied the
    // order.
    void sign(OrderRequestPayload& request, const Instrument& instrument,
              bool is_denied) const noexcept {
        if (!has_gateway()) return;
        request.robot = seats_.robots[instrument.is_traded() ? instrument.gateway : 0];
        if (is_denied) request.flags |= order_denied;
    }
    // Attaches an order that is about to be sent to another; see fills_bars.
    virtual void attach(std::uint64_t /*order_id*/, const Attachment& /*attached*/) {}
    virtual void send(const Instrument& /*instrument*/, std::int64_t /*now*/,
                      const OrderRequestPayload& /*request*/) {}

    // --- time --- The time of its next action, and the action itself. false: the loop must stop.
    [[nodiscard]] virtual std::int64_t next_due() { return never; }
    virtual bool run_due(std::int64_t /*time*/) { return true; }
    // No frame of this time or earlier follows.
    virtual void end_input(std::int64_t /*until*/) {}

    // --- reports --- Handles an order report of a gateway's tape, source `gateway`. instrument:
    // nullptr if the run does not have it.
    virtual bool take_report(std::uint32_t /*gateway*/, Instrument* /*instrument*/,
                             const Frame& /*frame*/) {
        return true;
    }
    virtual void settle_funding(Instrument& instrument, std::int64_t time,
                                const FundingPayload& payload);

    // --- the market --- True if, with one tape and the receipt clock, it needs only `show`.
    [[nodiscard]] virtual bool is_plain() const noexcept { return false; }
    // Called before each frame; instrument: nullptr if the frame is of none.
    virtual void note_received(const Instrument* /*instrument*/, const Frame& /*frame*/) {}
    // When the event of a frame happened at the venue.
    [[nodiscard]] virtual std::int64_t venue_time(const Instrument& /*instrument*/,
                                                  const Frame& frame) const {
        return frame.header->time;
    }
    // The same for a frame that the robot is shown, and for detail data.
    virtual std::int64_t take_frame(const Instrument& /*instrument*/, const Frame& frame) {
        return frame.header->time;
    }
    virtual std::int64_t take_detail(const Instrument& /*instrument*/, const Frame& frame) {
        return frame.header->time;
    }
    // Used where quotes move the exchange's book between depth messages. true: the frame is depth.
    virtual bool fuse(Instrument& /*instrument*/, const QuotePayload& /*quote*/) { return false; }
    virtual void fuse(Instrument& /*instrument*/, const BookPayload& /*change*/,
                      std::uint16_t /*flags*/, const BookLevel* /*levels*/) {}
    // Called where the instrument's MarketInterest is not none; its view has the change already.
    virtual void show(Instrument& /*instrument*/, MarketChange /*change*/, std::int64_t /*time*/) {}
    virtual void show_order(Instrument& /*instrument*/, const MboChange& /*change*/,
                            std::int64_t /*time*/) {}

    // The exchange that matches orders, for the fill statistics of a run; nullptr if there is none.
    [[nodiscard]] virtual RecordedExchange* matching() noexcept { return nullptr; }
    [[nodiscard]] virtual std::uint64_t fused_quotes() const noexcept { return 0; }

 protected:
    TradingLoop* loop_ = nullptr;

 private:
    GatewaySeats seats_;
};

class GatewayPort final : public ExchangePort {
 public:
    using ExchangePort::ExchangePort;
    bool take_report(std::uint32_t gateway, Instrument* instrument, const Frame& frame) override;
};

// Delivers order reports and fills at the points where a recorded run received them. seats: the
// registrations of that run.
class ReportScript final : public ExchangePort {
 public:
    explicit ReportScript(Reader& journal, GatewaySeats seats = {})
        : ExchangePort(std::move(seats)), journal_(&journal) {}

    [[nodiscard]] std::int64_t next_due() override;
    bool run_due(std::int64_t time) override;
    bool take_report(std::uint32_t gateway, Instrument* instrument, const Frame& frame) override;
    std::int64_t take_frame(const Instrument& instrument, const Frame& frame) override;

 private:
    [[nodiscard]] bool load();

    Reader* journal_;
    Frame frame_;
    bool is_loaded_ = false;
};

}  // namespace onetape
