#pragma once
// The exchange as the loop sees it: requests leave, reports come back, and it is shown the market.
// A run has one of three, chosen when its loop is made; nothing in the loop asks which:
//   RecordedVenue  matches orders against the recorded market: backtest and paper;
//   ReportScript   another run's journal answers in its place: a replay of decisions;
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

// A robot's places at gateways, one at each account that it trades on. Their tapes are then the
// run's first, in this order: a gateway checks what an order needs, and may trade less than what
// the run hears of.
struct GatewaySeats {
    std::vector<std::uint8_t> robots;  // its number at each, from 1; none: the run has no gateway
    std::uint64_t order_base = 0;      // ids of its orders begin after this
};

// What a frame has changed of an instrument's market. hole: a bar where finer data have none;
// value: only what a holding is worth.
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

    // --- set-up ---
    // How long the way to a venue is. Before instruments are added.
    virtual void set_latency(std::uint32_t /*venue*/, const LatencyOptions& /*latency*/) {}
    virtual void set_rules(const VenueRules& /*rules*/) {}
    // Traded before the start: in every volume group that is not named, and in one that is.
    virtual void set_fee_volume(Money /*volume*/) {}
    virtual void set_fee_volume(std::uint32_t /*group*/, Money /*volume*/) {}
    virtual void deposit(std::uint32_t /*currency*/, Money /*amount*/) {}
    // New, or a new version of one.
    virtual void set_instrument(Instrument& instrument);
    // Whose fees hold on, by a tier that was reached; nullptr: the instrument's own do.
    virtual const InstrumentSpec* set_terms(Instrument& /*instrument*/,
                                            const InstrumentTerms& /*terms*/) {
        return nullptr;
    }
    // Both have one market: what one of them takes of it is gone for the other.
    virtual void share_market(Instrument& /*instrument*/, const Instrument& /*of*/) {}
    // It is filled on finer data from now on.
    virtual void set_view(Instrument& /*instrument*/) {}
    // Its view has the venue's own orders from now on.
    virtual void begin_orders(Instrument& /*instrument*/) {}
    virtual void begin(std::int64_t /*now*/) {}

    // --- requests ---
    [[nodiscard]] bool trades(const Instrument& instrument) const;
    [[nodiscard]] bool checks_funds() const noexcept { return !has_gateway(); }
    // Orders meet bars alone, or nothing yet: what protects an entry is then sent together with it,
    // because it would come too late for the bar that fills it. Venues have no such bars.
    [[nodiscard]] bool fills_bars(Instrument& instrument) const noexcept {
        const MarketView& view = instrument.fill_view();
        return !has_gateway() && !view.has_quote && !view.has_trade && !view.has_book();
    }
    // Before a request is written: whose it is, and whether the robot itself has denied it.
    void sign(OrderRequestPayload& request, const Instrument& instrument,
              bool is_denied) const noexcept {
        if (!has_gateway()) return;
        request.robot = seats_.robots[instrument.is_traded() ? instrument.gateway : 0];
        if (is_denied) request.flags |= order_denied;
    }
    // An order that is about to be sent is attached to another; see fills_bars.
    virtual void attach(std::uint64_t /*order_id*/, const Attachment& /*attached*/) {}
    virtual void send(const Instrument& /*instrument*/, std::int64_t /*now*/,
                      const OrderRequestPayload& /*request*/) {}

    // --- time ---
    // When it has something to do next, and that one thing. false: the loop must stop.
    [[nodiscard]] virtual std::int64_t next_due() { return never; }
    virtual bool run_due(std::int64_t /*time*/) { return true; }
    // No frame of this time or earlier follows.
    virtual void end_input(std::int64_t /*until*/) {}

    // --- reports ---
    // An order report of a gateway's tape, source `gateway`. instrument: nullptr, the run has not
    // got it.
    virtual bool take_report(std::uint32_t /*gateway*/, Instrument* /*instrument*/,
                             const Frame& /*frame*/) {
        return true;
    }
    virtual void settle_funding(Instrument& instrument, std::int64_t time,
                                const FundingPayload& payload);

    // --- the market ---
    // One tape, by the receipt clock, needs no more of it than `show`.
    [[nodiscard]] virtual bool is_plain() const noexcept { return false; }
    // A frame is next; instrument: nullptr, it is of none.
    virtual void note_received(const Instrument* /*instrument*/, const Frame& /*frame*/) {}
    // When the venue did what a frame says.
    [[nodiscard]] virtual std::int64_t venue_time(const Instrument& /*instrument*/,
                                                  const Frame& frame) const {
        return frame.header->time;
    }
    // The same, of one that the robot is shown, and of finer data.
    virtual std::int64_t take_frame(const Instrument& /*instrument*/, const Frame& frame) {
        return frame.header->time;
    }
    virtual std::int64_t take_detail(const Instrument& /*instrument*/, const Frame& frame) {
        return frame.header->time;
    }
    // Where quotes move the exchange's book between messages of depth. true: this one is depth.
    virtual bool fuse(Instrument& /*instrument*/, const QuotePayload& /*quote*/) { return false; }
    virtual void fuse(Instrument& /*instrument*/, const BookPayload& /*change*/,
                      std::uint16_t /*flags*/, const BookLevel* /*levels*/) {}
    // Called where the instrument's MarketInterest is not none; its view has the change already.
    virtual void show(Instrument& /*instrument*/, MarketChange /*change*/, std::int64_t /*time*/) {}
    virtual void show_order(Instrument& /*instrument*/, const MboChange& /*change*/,
                            std::int64_t /*time*/) {}

    // For what a run says of its fills: what has matched its orders, nullptr: nothing here.
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

// Delivers order reports and fills to this robot when they reached that of the journal. seats: as
// the run whose place this is had them.
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
