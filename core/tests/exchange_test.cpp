#include <doctest.h>

#include <cstdlib>
#include <map>
#include <new>
#include <vector>

#include "base/id_map.hpp"
#include "exchange/account.hpp"
#include "exchange/flow.hpp"
#include "exchange/matching.hpp"
#include "exchange/order_rules.hpp"
#include "exchange/position.hpp"
#include "exchange/prng.hpp"
#include "exchange/recorded.hpp"

using namespace onetape;

namespace {

class CountingSink final : public MatchingSink, public ExchangeSink {
 public:
    std::uint64_t news = 0, fills = 0;
    Money fees = 0;
    std::int64_t net = 0;
    void on_order_event(std::uint32_t, const OrderEventPayload&) override { ++news; }
    void on_fill(std::uint32_t, const FillPayload& fill) override {
        ++fills;
        fees += join_halves(fill.fee_low, fill.fee_high);
        net += fill.side == Side::buy ? fill.size : -fill.size;
    }
    void on_cash(std::uint32_t, const CashNews&) override {}
    void on_fees(std::uint32_t, const FeeNews&) override {}
    void on_loan(std::uint32_t, const LoanNews&) override {}
    void on_trade(const TradePayload&) override {}
    void on_levels(std::int64_t, std::span<const BookLevel>, std::span<const BookLevel>) override {}
    void on_touch(const QuotePayload&) override {}
};

InstrumentSpec btc() {
    InstrumentSpec spec;
    spec.price_decimals = 1;
    spec.size_decimals = 3;
    spec.maker_fee = 200'000'000;
    spec.taker_fee = 500'000'000;
    return spec;
}

OrderRequestPayload limit(std::uint64_t id, Side side, std::int64_t price, std::int64_t size) {
    OrderRequestPayload request{};
    request.order_id = id;
    request.kind = RequestKind::place;
    request.type = OrderType::limit;
    request.tif = TimeInForce::gtc;
    request.side = side;
    request.price = price;
    request.size = size;
    return request;
}

OrderRequestPayload cancel(std::uint64_t id) {
    OrderRequestPayload request{};
    request.order_id = id;
    request.kind = RequestKind::cancel;
    return request;
}

}  // namespace

TEST_CASE("id map: equal to std::map under random insertions and removals") {
    IdMap fast(4);
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> slow;
    Prng random(3);
    for (std::uint32_t i = 0; i < 200'000; ++i) {
        const auto owner = static_cast<std::uint32_t>(random.below(3));
        const std::uint64_t id = random.below(500);
        const auto found = slow.find({owner, id});
        REQUIRE(fast.find(owner, id) == (found == slow.end() ? IdMap::absent : found->second));
        if (found != slow.end()) {
            fast.erase(owner, id);
            slow.erase(found);
        } else {
            fast.insert(owner, id, i);
            slow[{owner, id}] = i;
        }
    }
    CHECK(fast.size() == slow.size());
}

TEST_CASE("random numbers: the published sequence and exactly rounded floats") {
    // First outputs of xoshiro256** for the state that splitmix64 makes of seed 0.
    Prng random(0);
    CHECK(random.next() == 0x99EC5F36CB75F2B4ull);
    CHECK(random.next() == 0xBF6E1F784956452Aull);
    CHECK(Prng::natural_log(1.0) == 0.0);
    CHECK(Prng::natural_log(2.0) == doctest::Approx(0.6931471805599453).epsilon(1e-15));
    CHECK(Prng::natural_log(0.001) == doctest::Approx(-6.907755278982137).epsilon(1e-14));
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += random.waiting();
    CHECK(sum / 100'000 == doctest::Approx(1.0).epsilon(0.02));
}

TEST_CASE("money: product and quotient without overflow, half to even") {
    CHECK(multiply_divide_half_even(5, 1, 2) == 2);
    CHECK(multiply_divide_half_even(7, 1, 2) == 4);
    CHECK(multiply_divide_half_even(-5, 1, 2) == -2);
    CHECK(multiply_divide_half_even(-7, 1, 2) == -4);
    CHECK(multiply_divide_half_even(5, -1, 2) == -2);
    const Int128 large = pow10(34);
    CHECK(multiply_divide_half_even(large, 999'999'999'999, 1'000'000'000'000) ==
          large - pow10(22));
}

TEST_CASE("position: arithmetic is available at compile time") {
    constexpr Money profit = [] {
        InstrumentSpec spec;
        spec.kind = ContractKind::inverse;
        spec.price_decimals = 0;
        spec.size_decimals = 0;
        Position position;
        position.apply(spec, Side::buy, 10'000, 10'000);
        position.apply(spec, Side::sell, 12'500, 10'000);
        return position.realized;
    }();
    static_assert(profit == pow10(17) * 2);
    CHECK(profit == pow10(17) * 2);
}

TEST_CASE("matching: a market that breathes in steady state keeps its books") {
    CountingSink sink;
    MatchingEngine engine(btc(), {}, sink);
    Prng random(11);
    std::vector<std::uint64_t> live;
    std::uint64_t id = 0;
    for (std::int64_t now = 1; now < 300'000; ++now) {
        if (live.size() < 500 || random.below(2) == 0) {
            const Side side = random.below(2) == 0 ? Side::buy : Side::sell;
            const auto away = static_cast<std::int64_t>(random.below(200)) - 20;
            const std::int64_t price = side == Side::buy ? 600'000 - away : 600'000 + away;
            const auto owner = static_cast<std::uint32_t>(id % 7);
            const auto size = 1 + static_cast<std::int64_t>(random.below(9));
            ++id;
            engine.request(owner, now, limit(id, side, price, size));
            live.push_back(id);
        } else {
            const std::size_t at = random.below(static_cast<std::uint32_t>(live.size()));
            engine.request(static_cast<std::uint32_t>((live[at] - 1) % 7), now, cancel(live[at]));
            live[at] = live.back();
            live.pop_back();
        }
        if (engine.level_count(Side::buy) != 0 && engine.level_count(Side::sell) != 0) {
            REQUIRE(engine.level(Side::buy, 0).price < engine.level(Side::sell, 0).price);
        }
    }
    CHECK(sink.net == 0);  // every trade has two sides
    CHECK(sink.fills > 10'000);
    std::int64_t held = 0;
    for (std::uint32_t participant = 0; participant < 7; ++participant) {
        held += engine.position(participant);
        engine.cancel_all(participant, 300'000);
    }
    CHECK(held == 0);
    CHECK(engine.order_count() == 0);
    CHECK(engine.level_count(Side::buy) == 0);
    CHECK(engine.level_count(Side::sell) == 0);
}

TEST_CASE("recorded: money is conserved over a random day, and nothing stays reserved") {
    CountingSink sink;
    Account account({.hedge = false, .leverage = 10});
    account.deposit(1, pow10(18) * 1'000'000);
    RecordedExchange exchange({}, account, sink);
    MarketView view;
    InstrumentSpec spec = btc();
    exchange.set_instrument(0, spec, 1, 2, &view);
    Prng random(5);
    std::int64_t mid = 600'000;
    std::uint64_t id = 0;
    for (std::int64_t now = 1; now < 200'000; ++now) {
        ++view.version;
        switch (random.below(4)) {
            case 0:
                mid += static_cast<std::int64_t>(random.below(21)) - 10;
                view.quote = {now,
                              now,
                              mid - 1,
                              mid + 1,
                              1 + static_cast<std::int64_t>(random.below(50)),
                              1 + static_cast<std::int64_t>(random.below(50)),
                              0,
                              0};
                view.has_quote = true;
                exchange.on_quote(0, now);
                break;
            case 1:
                view.trade = {};
                view.trade.price = mid + (random.below(2) == 0 ? -1 : 1);
                view.trade.size = 1 + static_cast<std::int64_t>(random.below(50));
                view.trade.side = view.trade.price < mid ? Side::sell : Side::buy;
                view.has_trade = true;
                exchange.on_trade(0, now);
                break;
            case 2: {
                const Side side = random.below(2) == 0 ? Side::buy : Side::sell;
                const auto away = static_cast<std::int64_t>(random.below(12)) - 2;
                auto request = limit(++id, side, side == Side::buy ? mid - away : mid + away,
                                     1 + static_cast<std::int64_t>(random.below(20)));
                const std::uint64_t kind = random.below(8);
                if (kind == 0) request.flags = order_reduce_only;
                if (kind == 1) request.flags = order_post_only;
                if (kind == 2) {
                    request.trigger = mid + 5;
                    request.trigger_by = TriggerBy::last;
                    request.flags = with_trigger_kind(
                        request.flags,
                        side == Side::buy ? TriggerKind::stop : TriggerKind::take_profit);
                }
                exchange.request(0, now, request);
                break;
            }
            default: {
                auto request = cancel(id > 20 ? id - random.below(20) : id);
                if (random.below(3) == 0) {
                    request.kind = RequestKind::amend;
                    request.price = mid - 3;
                    request.size = 7;
                }
                exchange.request(0, now, request);
            }
        }
        REQUIRE(account.balance(1) + 0 ==
                pow10(18) * 1'000'000 + account.position(0).realized - account.fees(0));
    }
    exchange.finish(200'000);
    CHECK_FALSE(exchange.working(0));
    CHECK(sink.fees == account.fees(0));
    CHECK(sink.net == account.position(0).qty);
    CHECK(sink.fills > 1'000);
    // Only the position itself needs margin now.
    account.set_mark(0, 600'000);
    Money value = spec.notional(600'000, account.position(0).qty);
    if (value < 0) value = -value;
    CHECK(account.initial_margin(1) == divide_half_even(value, 10));
}

TEST_CASE(
    "flow: two runs of a seed are the same bytes, and a view outlives nothing it should not") {
    FlowSymbol symbol;
    symbol.spec = btc();
    symbol.price = 600'000;
    symbol.size_typical = 50;
    Flow one({.seed = 4}, std::span(&symbol, 1));
    Flow two({.seed = 4}, std::span(&symbol, 1));
    for (int i = 0; i < 50'000; ++i) {
        FlowEvent left{};
        FlowEvent right{};
        REQUIRE(one.next(left));
        REQUIRE(two.next(right));
        REQUIRE(left.time == right.time);
        REQUIRE(std::equal(left.payload.begin(), left.payload.end(), right.payload.begin(),
                           right.payload.end()));
    }
}
