#pragma once
// The simulated venue of a backtest and a paper run: the routes to it and back, and the matching of
// orders against the recorded market.
#include <cstdint>
#include <deque>
#include <map>
#include <variant>

#include "engine/exchange_port.hpp"
#include "engine/routes.hpp"
#include "exchange/account.hpp"

namespace onetape {

struct RecordedVenueOptions {
    LatencyOptions latency;
    RecordedOptions exchange;
    AccountOptions account;
    Money fee_volume = 0;  // traded in the thirty days before the start
};

class RecordedVenue final : public ExchangePort, private ExchangeSink {
 public:
    explicit RecordedVenue(const RecordedVenueOptions& options);

    [[nodiscard]] const Account& account() const noexcept { return account_; }
    // True if own orders work at the exchange. The robot may not have been notified yet.
    [[nodiscard]] bool works(std::uint32_t index) const noexcept {
        return exchange_.working(index);
    }

    void set_latency(std::uint32_t venue, const LatencyOptions& latency) override {
        routes_.name(venue, latency);
    }
    void set_rules(const VenueRules& rules) override { exchange_.set_rules(rules); }
    void set_fee_volume(Money volume) override { fee_volume_ = volume; }
    void set_fee_volume(std::uint32_t group, Money volume) override {
        fee_volumes_[group] = volume;
        exchange_.set_volume_before(group, volume);  // a group that appears during the run
    }
    void deposit(std::uint32_t currency, Money amount) override {
        exchange_.deposit(currency, amount);
    }
    void set_instrument(Instrument& instrument) override;
    const InstrumentSpec* set_terms(Instrument& instrument, const InstrumentTerms& terms) override;
    void set_view(Instrument& instrument) override {
        exchange_.set_view(instrument.index, &instrument.fill_view());
    }
    void share_market(Instrument& instrument, const Instrument& of) override {
        exchange_.share_market(instrument.index, of.index);
    }
    void begin_orders(Instrument& instrument) override { exchange_.begin_orders(instrument.index); }
    void begin(std::int64_t now) override;

    void attach(std::uint64_t order_id, const Attachment& attached) override {
        exchange_.attach(order_id, attached);
    }
    void send(const Instrument& instrument, std::int64_t now,
              const OrderRequestPayload& request) override;
    [[nodiscard]] std::int64_t next_due() override;
    bool run_due(std::int64_t time) override;
    void end_input(std::int64_t until) override {
        routes_.know_until(until);
        reply_base_ = 0;  // each payment has its own time
        exchange_.end_data();
    }
    // The exchange computes the payment: with latency it may have fills that the robot has not
    // received. The robot's account follows when the report arrives.
    void settle_funding(Instrument& instrument, std::int64_t time,
                        const FundingPayload& payload) override {
        reply_base_ = time;
        exchange_.on_funding(instrument.index, time, payload);
    }

    [[nodiscard]] bool is_plain() const noexcept override {
        return !routes_.has_venue_clock() && !routes_.counts_events() && !fuses_;
    }
    void note_received(const Instrument* instrument, const Frame& frame) override;
    [[nodiscard]] std::int64_t venue_time(const Instrument& instrument,
                                          const Frame& frame) const override;
    std::int64_t take_frame(const Instrument& instrument, const Frame& frame) override;
    std::int64_t take_detail(const Instrument& instrument, const Frame& frame) override;
    bool fuse(Instrument& instrument, const QuotePayload& quote) override;
    void fuse(Instrument& instrument, const BookPayload& change, std::uint16_t flags,
              const BookLevel* levels) override {
        if (fuses_) instrument.fused.apply(change, flags, levels);
    }
    void show(Instrument& instrument, MarketChange change, std::int64_t time) override;
    void show_order(Instrument& instrument, const MboChange& change, std::int64_t time) override;

    [[nodiscard]] RecordedExchange* matching() noexcept override { return &exchange_; }
    [[nodiscard]] std::uint64_t fused_quotes() const noexcept override { return fused_quotes_; }

 private:
    struct Reply {
        std::int64_t time;
        std::uint32_t instrument;
        std::variant<OrderEventPayload, FillPayload, CashNews, FeeNews, LoanNews> news;
    };

    // ExchangeSink: reports leave the exchange here and reach the robot later.
    void on_order_event(std::uint32_t instrument, const OrderEventPayload& event) override;
    void on_fill(std::uint32_t instrument, const FillPayload& fill) override;
    void on_cash(std::uint32_t instrument, const CashNews& cash) override;
    void on_fees(std::uint32_t instrument, const FeeNews& fees) override;
    void on_loan(std::uint32_t instrument, const LoanNews& loan) override;

    template <typename News>
    void queue(std::uint32_t instrument, std::uint32_t route, const News& news,
               std::int64_t happened);
    [[nodiscard]] std::uint32_t route_of(std::uint32_t instrument, const CashNews& cash) const;
    [[nodiscard]] std::int64_t venue_time(std::uint32_t route, const Frame& frame) const;
    void show_bar(Instrument& instrument, std::int64_t time);
    bool reply();

    Routes routes_;
    Account account_;
    RecordedExchange exchange_;
    bool fuses_;
    Money fee_volume_;
    std::map<std::uint32_t, Money> fee_volumes_;  // by volume group, where not fee_volume_
    std::deque<Reply> replies_;                   // by time, then in order of creation
    std::uint64_t fused_quotes_ = 0;
    std::int64_t reply_base_ = 0;       // the exchange's time of the current reports
    std::int64_t reply_from_ = -never;  // events inside a bar are not known before its end
};

}  // namespace onetape
