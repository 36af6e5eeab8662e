#pragma once
// One symbol of a generated market as a venue: a matching engine, and its publications. Derived
// classes decide who trades: a crowd (flow_symbol.hpp) or a random walk (flow_walk.hpp).
#include <cstdint>

#include "exchange/flow.hpp"

namespace onetape {

class FlowVenue : public MatchingSink {
 public:
    static constexpr std::uint32_t crowd = 0;  // the participant that the flow trades as

    FlowVenue(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
              const FlowOptions& options) noexcept;

    [[nodiscard]] virtual std::int64_t next_time() const noexcept = 0;
    virtual void step() noexcept = 0;  // performs the step due at next_time()
    [[nodiscard]] MatchingEngine& engine() noexcept { return engine_; }

    void on_order_event(std::uint32_t participant, const OrderEventPayload& event) override;
    void on_fill(std::uint32_t participant, const FillPayload& fill) override;
    void on_trade(const TradePayload& trade) override;
    void on_levels(std::int64_t now, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks) override;
    void on_orders(std::int64_t now, std::span<const MboPayload> orders) override;
    void on_touch(const QuotePayload& quote) override;

 protected:
    // The opening book is complete: from here on everything is published.
    void open(std::int64_t now, std::int64_t price, std::uint32_t levels) noexcept;
    void send_mark(std::int64_t now, std::int64_t price) noexcept;
    void close_bar(std::int64_t now) noexcept;
    std::uint64_t send(std::int64_t now, Side side, OrderType type, TimeInForce tif,
                       std::int64_t price, std::int64_t size) noexcept;  // returns the order's id
    void send_cancel(std::int64_t now, std::uint64_t order_id) noexcept;

    Flow* flow_;
    std::uint32_t index_;
    FlowSymbol symbol_;
    MatchingEngine engine_;
    std::uint64_t next_order_id_ = 1;
    std::int64_t next_mark_, next_bar_;

 private:
    void send_snapshot(std::int64_t now, std::uint32_t levels) noexcept;
    void send_orders(std::int64_t now) noexcept;

    std::uint64_t book_id_ = 0;
    BarPayload bar_{};
    Int128 turnover_ = 0;
    std::int64_t previous_close_ = 0;
    bool by_order_;
    bool quiet_ = true;  // while the book is being opened
};

}  // namespace onetape
