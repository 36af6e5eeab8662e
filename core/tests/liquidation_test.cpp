// Positions are only checked outside the span of prices within which nothing can happen: however
// cautious the span, no uncovered position may be missed. Linear, whole prices and sizes.
#include <deque>

#include "doctest.h"
#include "exchange/account.hpp"
#include "exchange/recorded.hpp"

using namespace onetape;

namespace {

class Silent final : public ExchangeSink {
 public:
    void on_order_event(std::uint32_t, const OrderEventPayload&) override {}
    void on_fill(std::uint32_t, const FillPayload&) override {}
    void on_cash(std::uint32_t, const CashNews&) override {}
    void on_fees(std::uint32_t, const FeeNews&) override {}
    void on_loan(std::uint32_t, const LoanNews&) override {}
};

constexpr Money one = pow10(money_decimals);

// Instruments at a mark of 100 that settle in one currency; positions were opened at 100.
struct Positions {
    Silent sink;
    Account account{{.hedge = false, .leverage = 10}};
    RecordedExchange exchange{{}, account, sink};
    std::deque<MarketView> views;
    std::int64_t now = 0;

    explicit Positions(std::int64_t cash) { account.deposit(1, cash * one); }

    void hold(std::int64_t qty, std::int64_t maintenance_rate = 0,
              ContractKind kind = ContractKind::linear) {
        InstrumentSpec spec;
        spec.kind = kind;
        spec.price_decimals = spec.size_decimals = 0;
        spec.maintenance_rate = maintenance_rate;
        const auto index = static_cast<std::uint32_t>(views.size());
        views.emplace_back().mark = 100;
        exchange.set_instrument(index, spec, 1, 2, &views.back());
        views.back().quote = {1, 1, 100, 100, 500, 500, 0, 0};
        views.back().has_quote = true;
        OrderRequestPayload request{};
        request.order_id = index + 1;
        request.kind = RequestKind::place;
        request.type = OrderType::market;
        request.tif = TimeInForce::ioc;
        request.side = qty > 0 ? Side::buy : Side::sell;
        request.size = qty > 0 ? qty : -qty;
        exchange.request(index, ++now, request);
        REQUIRE(account.position(index).qty == qty);
        mark(index, 100);
    }
    void mark(std::uint32_t index, std::int64_t price) {
        views[index].mark = price;
        exchange.watch(index, ++now);
    }
    std::uint64_t liquidations() const { return exchange.counters().liquidations; }
};

}  // namespace

TEST_CASE("liquidation: positions that share an account share what is to spare") {
    Positions held(200);
    held.hold(10);
    held.hold(10);
    // Alone, either could lose 20 per lot.
    held.mark(0, 88);
    held.mark(1, 93);
    CHECK(held.liquidations() == 0);  // 120 and 70 of 200
    held.mark(1, 88);
    CHECK(held.liquidations() > 0);
    CHECK(held.account.balance(1) >= 0);
}

TEST_CASE("liquidation: what the others lost within their spans counts") {
    Positions held(200);
    held.hold(10);
    held.hold(10);
    held.mark(1, 92);  // 80, without a check
    CHECK(held.liquidations() == 0);
    held.mark(0, 87);  // 130
    CHECK(held.liquidations() > 0);
}

TEST_CASE("liquidation: of three, each has a third") {
    Positions held(300);
    for (int i = 0; i < 3; ++i) held.hold(10);
    for (const std::uint32_t index : {0u, 1u, 2u}) held.mark(index, 91);
    CHECK(held.liquidations() == 0);
    for (const std::uint32_t index : {0u, 1u, 2u}) held.mark(index, 89);
    CHECK(held.liquidations() > 0);
}

TEST_CASE("liquidation: a short's maintenance grows with its loss") {
    Positions held(600);
    held.hold(-10, 500'000'000'000);  // 500 of maintenance
    held.mark(0, 106);                // 540 left, 530 needed
    CHECK(held.liquidations() == 0);
    held.mark(0, 107);  // 530 left, 535 needed; by the loss alone 109 would be safe
    CHECK(held.liquidations() > 0);
}

TEST_CASE("liquidation: money that is gone makes the span narrower") {
    Positions held(200);
    held.hold(10);
    held.exchange.deposit(1, -100 * one);
    held.mark(0, 91);
    CHECK(held.liquidations() == 0);
    held.mark(0, 89);
    CHECK(held.liquidations() > 0);
}

TEST_CASE("liquidation: an inverse position loses the more the lower it is") {
    Positions held(0);
    held.account.deposit(1, 10 * one);
    held.hold(1000, 0, ContractKind::inverse);  // 10 coins at 100
    held.mark(0, 51);                           // 19.6 coins: a loss of 9.6
    CHECK(held.liquidations() == 0);
    held.mark(0, 49);
    CHECK(held.liquidations() > 0);
}
