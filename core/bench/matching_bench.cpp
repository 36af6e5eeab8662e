// Mixed flow through the matching engine: limits near the touch, cancels, market orders. The
// requests are made beforehand; the engine is timed with a sink that adds up its reports. Prints
// one JSON object; bench/matching.py runs it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "exchange/matching.hpp"
#include "exchange/prng.hpp"

using namespace onetape;

namespace {

class CountingSink final : public MatchingSink {
 public:
    std::uint64_t events = 0, fills = 0, trades = 0, changes = 0, touches = 0;
    std::int64_t volume = 0;

    void on_order_event(std::uint32_t, const OrderEventPayload&) override { ++events; }
    void on_fill(std::uint32_t, const FillPayload&) override { ++fills; }
    void on_trade(const TradePayload& trade) override {
        ++trades;
        volume += trade.size;
    }
    void on_levels(std::int64_t, std::span<const BookLevel> bids,
                   std::span<const BookLevel> asks) override {
        changes += bids.size() + asks.size();
    }
    void on_touch(const QuotePayload&) override { ++touches; }
};

struct Operation {
    std::uint32_t participant;
    OrderRequestPayload request;
};

std::vector<Operation> make_operations(std::size_t count, std::int64_t depth) {
    Prng random(7);
    std::vector<Operation> operations;
    operations.reserve(count);
    std::vector<std::uint64_t> live;
    std::int64_t mid = 600'000;
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (i % 64 == 0) mid += static_cast<std::int64_t>(random.below(3)) - 1;
        Operation operation{};
        OrderRequestPayload& request = operation.request;
        const std::uint64_t kind = random.below(100);
        if (kind < 50 || live.size() < 1000) {
            request.kind = RequestKind::place;
            request.order_id = ++id;
            request.side = random.below(2) == 0 ? Side::buy : Side::sell;
            request.type = OrderType::limit;
            request.tif = TimeInForce::gtc;
            const double tail = std::min(1.0 / random.uniform() - 1.0, static_cast<double>(depth));
            const std::int64_t away = 1 + static_cast<std::int64_t>(tail * 3.0);
            request.price = request.side == Side::buy ? mid - away : mid + away;
            request.size = 1 + static_cast<std::int64_t>(random.below(50));
            live.push_back(id);
        } else if (kind < 92) {
            request.kind = RequestKind::cancel;
            const std::size_t at = random.below(static_cast<std::uint32_t>(live.size()));
            request.order_id = live[at];
            live[at] = live.back();
            live.pop_back();
        } else {
            request.kind = RequestKind::place;
            request.order_id = ++id;
            request.side = random.below(2) == 0 ? Side::buy : Side::sell;
            request.type = OrderType::market;
            request.tif = TimeInForce::ioc;
            request.size = 1 + static_cast<std::int64_t>(random.below(150));
        }
        operation.participant = static_cast<std::uint32_t>(request.order_id % 16);
        operations.push_back(operation);
    }
    return operations;
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
    const auto operations = make_operations(count, 400);
    InstrumentSpec spec;
    spec.price_decimals = 1;
    spec.size_decimals = 3;
    spec.maker_fee = 200'000'000;
    spec.taker_fee = 500'000'000;
    double best = 1e9;
    CountingSink sink;
    std::size_t resting = 0;
    std::size_t levels = 0;
    for (int run = 0; run < 3; ++run) {
        sink = {};
        MatchingEngine engine(spec, {}, sink);
        const auto begin = std::chrono::steady_clock::now();
        std::int64_t now = 0;
        for (const Operation& operation : operations) {
            engine.request(operation.participant, ++now, operation.request);
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        best = std::min(best, taken.count());
        resting = engine.order_count();
        levels = engine.level_count(Side::buy) + engine.level_count(Side::sell);
    }
    std::printf(
        "{\"operations\": %zu, \"seconds\": %.6f, \"operations_per_second\": %.0f, "
        "\"ns_per_operation\": %.1f, \"trades\": %llu, \"standing_orders\": %zu, "
        "\"levels\": %zu}\n",
        count, best, static_cast<double>(count) / best, best * 1e9 / static_cast<double>(count),
        static_cast<unsigned long long>(sink.trades), resting, levels);
    return 0;
}
