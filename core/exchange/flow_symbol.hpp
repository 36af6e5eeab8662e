#pragma once
// One symbol of a generated market: its book, its fair value, its crowd. See flow.hpp.
#include <cstdint>
#include <vector>

#include "exchange/flow.hpp"

namespace onetape {

class FlowSymbolState final : public MatchingSink {
 public:
    static constexpr std::uint32_t crowd = 0;  // the participant that the flow trades as

    FlowSymbolState(Flow& flow, std::uint32_t index, const FlowSymbol& symbol,
                    const FlowOptions& options) noexcept;

    [[nodiscard]] std::int64_t next_time() const noexcept;
    void step() noexcept;  // does what is due at next_time()
    [[nodiscard]] MatchingEngine& engine() noexcept { return engine_; }

    void on_order_event(std::uint32_t participant, const OrderEventPayload& event) override;
    void on_fill(std::uint32_t participant, const FillPayload& fill) override;
    void on_trade(const TradePayload& trade) override;
    void on_levels(std::int64_t now, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks) override;
    void on_touch(const QuotePayload& quote) override;

 private:
    void open_book() noexcept;
    void send_snapshot(std::uint32_t levels) noexcept;
    void move_fair(std::int64_t now) noexcept;
    void clear_stale(std::int64_t now, Side side) noexcept;
    void tighten(std::int64_t now, Side side) noexcept;
    void act(std::int64_t now) noexcept;
    void schedule_act(std::int64_t now) noexcept;
    void place_limit(std::int64_t now) noexcept;
    void send_limit(std::int64_t now, Side side, double distance) noexcept;
    void cancel_one(std::int64_t now) noexcept;
    void take(std::int64_t now) noexcept;
    void send_mark(std::int64_t now) noexcept;
    void close_bar(std::int64_t now) noexcept;
    void send(std::int64_t now, Side side, OrderType type, TimeInForce tif, std::int64_t price,
              std::int64_t size) noexcept;
    void send_cancel(std::int64_t now, std::uint64_t order_id) noexcept;
    [[nodiscard]] std::int64_t draw_size(double tail) noexcept;
    [[nodiscard]] std::int64_t to_price(double ticks, bool up) const noexcept;

    Flow* flow_;
    std::uint32_t index_;
    FlowSymbol symbol_;
    double rate_;
    MatchingEngine engine_;
    Prng own_, common_;
    double fair_ticks_;        // the fair value, in ticks
    double step_ticks_;        // its standard deviation a step in the calm regime
    double spread_ticks_;      // half of what makers keep between themselves and fair
    double depth_ticks_;       // scale of their distances
    double excitement_ = 0.0;  // what past arrivals add to the rate
    std::uint32_t regime_ = 1;
    Side run_side_ = Side::buy;
    std::vector<std::uint64_t> placed_;  // ids of orders, some of them gone already
    std::uint64_t next_order_id_ = 1;
    std::uint64_t book_id_ = 0;
    std::int64_t next_fair_, next_act_, next_mark_, next_bar_;
    std::int64_t act_time_;
    BarPayload bar_{};
    Int128 turnover_ = 0;
    std::int64_t previous_close_ = 0;
    bool quiet_ = true;  // while the book is being opened
};

}  // namespace onetape
