// Tables of the margin that orders require, the effects of fills on a position, and its
// liquidation.
#include <doctest.h>

#include <tuple>
#include <vector>

#include "exchange/account.hpp"
#include "exchange/errors.hpp"
#include "exchange/order_rules.hpp"
#include "exchange/position.hpp"

using namespace onetape;

namespace {

constexpr Money one = pow10(money_decimals);

// Prices of one decimal on a tick of 0.5, sizes of three on a lot of 0.002.
InstrumentSpec ruled(ContractKind kind = ContractKind::linear) {
    InstrumentSpec spec;
    spec.kind = kind;
    spec.price_decimals = 1;
    spec.size_decimals = 3;
    spec.tick = 5;
    spec.lot = 2;
    spec.size_min = 4;
    spec.size_max = 100'000;
    spec.market_size_max = 10'000;
    spec.notional_min = 100 * one;
    spec.band_up = 50'000;
    spec.band_down = 100'000;
    return spec;
}

OrderRequestPayload order(std::int64_t price, std::int64_t size, Side side = Side::buy) {
    OrderRequestPayload request{};
    request.side = side;
    request.type = price == 0 ? OrderType::market : OrderType::limit;
    request.tif = TimeInForce::gtc;
    request.price = price;
    request.size = size;
    return request;
}

OrderRequestPayload stop(std::int64_t trigger, std::int64_t price, std::int64_t size) {
    OrderRequestPayload request = order(price, size);
    request.trigger = trigger;
    request.trigger_by = TriggerBy::last;
    request.flags = with_trigger_kind(0, TriggerKind::stop);
    return request;
}

constexpr std::int64_t mark = 600'000;  // 60,000.0

}  // namespace

TEST_CASE("order rules: each limit may be reached, and one step beyond breaks its own rule") {
    struct Row {
        OrderRequestPayload request;
        std::uint32_t broken;
    };
    OrderRequestPayload reducing = order(150'000, 6);
    reducing.flags = order_reduce_only;
    OrderRequestPayload mark_stop = stop(600'005, 600'000, 10);
    mark_stop.trigger_by = TriggerBy::mark;
    const std::vector<Row> rows = {
        {order(600'000, 10), 0},
        {order(600'003, 10), rule_tick},
        {order(600'000, 11), rule_lot},
        {order(600'000, 2), rule_size_min},
        {order(600'000, 4), 0},
        {order(600'000, 100'000), 0},
        {order(600'000, 100'002), rule_size_max},
        {order(0, 10'000), 0},
        {order(0, 10'002), rule_size_max},
        {order(630'000, 10), 0},
        {order(630'005, 10), rule_band},
        {order(540'000, 10, Side::sell), 0},
        {order(539'995, 10, Side::sell), rule_band},
        {order(700'000, 10, Side::sell), 0},
        {order(250'000, 4), 0},
        {order(150'000, 6), rule_notional_min},
        {reducing, 0},
        {order(0, 0), rule_form},
        {stop(600'005, 600'000, 10), 0},
        {stop(600'003, 600'000, 10), rule_trigger_tick},
        {stop(690'000, 700'000, 10), 0},
        {mark_stop, rule_trigger_watch},
        {order(600'003, 11), rule_lot | rule_tick},
    };
    InstrumentSpec spec = ruled();
    spec.trigger_by = 0b1010;  // last and index
    for (const Row& row : rows) {
        CAPTURE(row.request.price);
        CAPTURE(row.request.size);
        CHECK(broken_rules(spec, row.request, mark) == row.broken);
    }
}

TEST_CASE("order rules: what is measured by a price is not asked where none is known") {
    CHECK(broken_rules(ruled(), order(6'000'000, 10), 0) == 0);
    CHECK(broken_rules(ruled(), order(0, 4), 0) == 0);
    CHECK(broken_rules(ruled(), order(0, 4), 100) == rule_notional_min);
}

TEST_CASE("order rules: a band counts so many times") {
    CHECK(broken_rules(ruled(), order(660'000, 10), mark, 1) == rule_band);
    CHECK(broken_rules(ruled(), order(660'000, 10), mark, 2) == 0);
    CHECK(broken_rules(ruled(), order(660'005, 10), mark, 2) == rule_band);
}

TEST_CASE("order rules: prices below zero are for linear contracts") {
    InstrumentSpec spot = ruled(ContractKind::spot);
    spot.notional_min = spot.band_up = 0;
    CHECK(broken_rules(spot, order(-600'000, 10), 0) == rule_price_sign);
    CHECK(broken_rules(spot, stop(-600'000, 600'000, 10), 0) == rule_trigger_sign);
    CHECK(broken_rules(ruled(), order(-600'000, 10), 0) == 0);
}

TEST_CASE("order rules: what no money is worth is refused before it is valued") {
    InstrumentSpec free = ruled();
    free.size_max = 0;
    const std::int64_t size = 2'000'000'000'000;
    CHECK(broken_rules(free, order(9'000'000'000'000, size), 0) == rule_too_large);
}

TEST_CASE("order rules: the error is that of the first rule") {
    CHECK(code_of_rules(0) == error::none);
    CHECK(code_of_rules(rule_band | rule_tick) == error::order_invalid);
    CHECK(code_of_rules(rule_band | rule_notional_min) == error::price_band);
    CHECK(code_of_rules(rule_notional_min) == error::order_below_min_notional);
}

TEST_CASE("position: a fill beyond zero splits its value, and nothing is left over") {
    InstrumentSpec inverse;
    inverse.kind = ContractKind::inverse;
    inverse.price_decimals = 0;
    inverse.size_decimals = 0;
    Position held;
    Money flow = 0;
    for (const auto& [side, price, size] :
         std::vector<std::tuple<Side, std::int64_t, std::int64_t>>{{Side::buy, 7, 3},
                                                                   {Side::sell, 11, 8},
                                                                   {Side::buy, 13, 2},
                                                                   {Side::buy, 17, 9},
                                                                   {Side::sell, 3, 6}}) {
        held.apply(inverse, side, price, size);
        flow += inverse.notional(price, side == Side::buy ? size : -size);
    }
    CHECK(held.qty == 0);
    CHECK(held.cost == 0);
    CHECK(held.realized == flow);  // an inverse contract gains as its value falls
}

TEST_CASE("position: what closes a part takes its share of the cost") {
    InstrumentSpec linear;
    linear.price_decimals = 0;
    linear.size_decimals = 0;
    Position held;
    held.apply(linear, Side::buy, 100, 4);
    CHECK(held.apply(linear, Side::sell, 110, 1) == 10 * one);
    CHECK(held.cost == 300 * one);
    CHECK(held.apply(linear, Side::sell, 120, 5) == 60 * one);
    CHECK(held.qty == -2);
    CHECK(held.cost == -240 * one);
    CHECK(held.realized == 70 * one);
}

TEST_CASE("maintenance: a bracket's rate, less its amount; the last goes on beyond its end") {
    MarginTable table;
    // A table that jumps at its edges, so that both sides of one differ.
    table.set({{50 * one, rate_one / 100, 0, 50},
               {600 * one, rate_one / 40, 2 * one, 20},
               {9000 * one, rate_one / 10, 40 * one, 5}},
              0);
    for (const auto& [value, needs] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0},
                                                            {50, 500},
                                                            {60, 0},
                                                            {100, 500},
                                                            {600, 13'000},
                                                            {601, 20'100},
                                                            {20'000, 1'960'000}})
        CHECK(table.maintenance(value * one) == needs * one / 1000);
    MarginTable flat;
    flat.set({}, rate_one / 50);
    CHECK(flat.maintenance(100 * one) == 2 * one);
}

namespace {

// A balance of 100, and a position of 10 opened at 100; 1 % maintenance.
Account holding(Side side, bool hedge = false) {
    InstrumentSpec spec;
    spec.price_decimals = 0;
    spec.size_decimals = 0;
    spec.maintenance_rate = rate_one / 100;
    Account account({.hedge = hedge, .leverage = 10});
    account.set_instrument(0, spec, 1, 2);
    account.deposit(1, 100 * one);
    FillPayload fill{};
    fill.side = side;
    fill.price = 100;
    fill.size = 10;
    fill.position_side = !hedge               ? PositionSide::both
                         : side == Side::sell ? PositionSide::short_
                                              : PositionSide::long_;
    account.apply_fill(0, fill);
    account.set_mark(0, 100);
    return account;
}

Money spare_of(const Account& account) {
    return account.covered(1) - account.maintenance_margin(1);
}

}  // namespace

TEST_CASE("liquidation price: where margin and profit are the maintenance") {
    const Account bought = holding(Side::buy), sold = holding(Side::sell);
    const auto down = bought.liquidation_price(0, PositionSide::both, spare_of(bought), false);
    const auto up = sold.liquidation_price(0, PositionSide::both, spare_of(sold), false);
    REQUIRE(down.has_value());
    REQUIRE(up.has_value());
    CHECK(*down == doctest::Approx(900 / 9.9));
    CHECK(*up == doctest::Approx(1100 / 10.1));
}

TEST_CASE("liquidation price: none where no price does it") {
    Account account = holding(Side::buy);
    account.deposit(1, 1000 * one);
    CHECK(!account.liquidation_price(0, PositionSide::both, spare_of(account), false));
    CHECK(!account.liquidation_price(0, PositionSide::long_, spare_of(account), false));
    account.set_mark(0, 0);
    CHECK(!account.liquidation_price(0, PositionSide::both, 0, false));
}

TEST_CASE("liquidation price: it is due now where nothing is to spare") {
    const Account account = holding(Side::buy);
    CHECK(account.liquidation_price(0, PositionSide::both, -1, false) == 100.0);
}

TEST_CASE("liquidation price: the other side of a hedge goes with it, unless it stands alone") {
    Account account = holding(Side::buy, true);
    FillPayload fill{};
    fill.side = Side::sell;
    fill.position_side = PositionSide::short_;
    fill.price = 100;
    fill.size = 10;
    account.apply_fill(0, fill);
    const auto both = account.liquidation_price(0, PositionSide::long_, spare_of(account), false);
    const auto alone = account.liquidation_price(0, PositionSide::long_, 90 * one, true);
    REQUIRE(both.has_value());
    REQUIRE(alone.has_value());
    CHECK(*both == doctest::Approx(500));
    CHECK(*alone == doctest::Approx(9000.0 / 99));
}

TEST_CASE("account: of a position on spot the coins are not held that paid fees") {
    InstrumentSpec spec = ruled(ContractKind::spot);
    spec.taker_fee = rate_one / 1000;
    Account account{AccountOptions{}};
    account.set_instrument(0, spec, 0, 1);
    account.deposit(0, 1'000'000 * one);
    const auto fill = [&](std::uint32_t index, Side side, std::int64_t size, Money fee) {
        FillPayload filled{};
        filled.side = side;
        filled.price = mark;
        filled.size = size;
        filled.fee_low = static_cast<std::uint64_t>(fee);
        filled.fee_currency = 2;  // the coin
        account.apply_fill(index, filled);
    };
    fill(0, Side::buy, 10'000, one / 100);  // 10 coins
    CHECK(account.position(0).qty == 10'000);
    CHECK(account.held(0).qty == 9'990);
    CHECK(account.held(0).cost == 9'990 * (account.position(0).cost / 10'000));
    CHECK(account.is_at(0, PositionSide::both, 10'000));
    CHECK(account.is_at(0, PositionSide::both, 9'990));
    CHECK_FALSE(account.is_at(0, PositionSide::both, 10'002));  // more than the fee is missing
    CHECK_FALSE(account.is_at(0, PositionSide::both, 9'980));
    fill(0, Side::sell, 9'990, 0);
    CHECK(account.held(0).qty == 0);
    CHECK(account.held(0).cost == 0);
    CHECK(account.is_at(0, PositionSide::both, 0));
    CHECK_FALSE(account.is_at(0, PositionSide::both, 10));
    account.deposit(1, one);  // other coins of the account, as far as the fills go
    CHECK(account.held(0).qty == 10);
    CHECK(account.held(1).qty == 0);
    account.set_instrument(1, spec, 0, 1);
    fill(1, Side::sell, 500, 0);  // coins that another instrument has sold are there
    CHECK(account.held(0).qty == 10);
    CHECK(account.held(1).qty == -500);
}
