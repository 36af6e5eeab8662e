// Random tapes and a robot that acts at random, for a few seconds; every run is a function of its
// seed, which a failure prints. Invariants of every run:
//   - each order fills at most its size, and ends once;
//   - position, balance and fees are those of the fills that reached the robot;
//   - when all reports have arrived, the robot's account equals the exchange's, to the last digit;
//   - no ended order reserves money;
//   - the same seed gives the same decisions, also in pieces;
//   - where two venues have separate accounts, all this holds for each account.
// ONETAPE_FUZZ_SEED=n runs one seed, ONETAPE_FUZZ_SECONDS=s runs longer.
#include <algorithm>
#include <chrono>
#include <map>

#include "exchange/prng.hpp"
#include "loop_world.hpp"

using namespace onetape;
using namespace onetape::test;

namespace {

constexpr std::int64_t step_ns = 1000;
constexpr std::int64_t end_ns = 600 * step_ns;
constexpr std::int64_t drained_ns = end_ns + 1000 * step_ns;

struct Plan {  // decided by the seed before the run
    WorldOptions options;
    std::vector<InstrumentSpec> specs;
    std::vector<InstrumentTerms> terms;
    VenueRules rules;
    std::int64_t cash = deposit_units;
    bool apart =
        false;  // the second venue has its own money, currencies 3 and 4, and its own route
    LatencyOptions second;

    [[nodiscard]] std::uint32_t settle(std::size_t i) const {
        return apart && terms[i].venue == 2 ? 3 : 1;
    }
};

// Drawn separately so that the runs of other seeds stay the same.
void part(Plan& plan, std::uint64_t seed) {
    if (seed % 2 == 0) return;
    Prng random(seed * 0xD1342543DE82EF95ull);
    plan.apart = true;
    plan.second.request = static_cast<std::int64_t>(random.below(40)) * step_ns;
    plan.second.reply = static_cast<std::int64_t>(random.below(40)) * step_ns;
    if (random.below(3) == 0) plan.second.burst = random.below(2000);
    plan.second.burst_window = 5 * step_ns;
    if (random.below(3) == 0) {
        plan.second.clock = FeedClock::constant;
        plan.second.feed = static_cast<std::int64_t>(random.below(10)) * step_ns;
    }
    if (!plan.rules.borrow.empty()) {
        plan.rules.borrow.push_back({3, 1'500'000'000, "", "second"});
        plan.rules.borrow.push_back({4, 500'000'000, "", "second"});
    }
}

Plan plan_of(Prng& random) {
    Plan plan;
    if (random.below(3) != 0) {
        plan.options.latency.request = static_cast<std::int64_t>(random.below(20)) * step_ns;
        plan.options.latency.reply = static_cast<std::int64_t>(random.below(20)) * step_ns;
    }
    plan.options.account.hedge = random.below(4) == 0;
    plan.options.account.isolated = random.below(3) == 0;
    plan.options.account.leverage = 1 + random.below(random.below(2) == 0 ? 10 : 100);
    plan.options.sample_every = random.below(2) == 0 ? 0 : 50 * step_ns;
    if (random.below(2) == 0) plan.cash = 5 + random.below(60);  // short of margin before long
    const std::uint32_t count = 1 + random.below(3);
    for (std::uint32_t i = 0; i < count; ++i) {
        InstrumentSpec spec = linear_spec();
        const std::uint32_t kind = random.below(4);
        if (kind == 0) spec.kind = ContractKind::inverse;
        if (kind == 1) spec.kind = ContractKind::spot;
        if (random.below(3) == 0) spec.maker_fee = -spec.maker_fee;
        spec.tick = 1 + random.below(5);
        spec.maintenance_rate = 5'000'000'000;
        plan.specs.push_back(spec);
        InstrumentTerms terms;
        if (random.below(2) == 0) {
            const Money unit = spec.kind == ContractKind::inverse ? pow10(15) : 100 * pow10(18);
            terms.brackets = {{unit, 10'000'000'000, 0, 0}, {50 * unit, 30'000'000'000, 0, 0}};
        }
        terms.liquidation_fee = random.below(2) * 10'000'000'000LL;
        if (random.below(2) == 0) {
            terms.fee_tiers = {{20 * pow10(18), 0, 300'000'000}, {900 * pow10(18), -50'000'000, 0}};
            terms.volume_group = 1 + random.below(2);
        }
        terms.venue = 1 + random.below(2);
        if (random.below(6) == 0) terms.expiry = (200 + random.below(300)) * step_ns;
        plan.terms.push_back(terms);
    }
    if (random.below(3) == 0) {
        plan.rules.order_limit = 1 + random.below(20);
        plan.rules.order_window = (1 + random.below(100)) * step_ns;
    }
    if (random.below(3) == 0) plan.rules.trigger_delay = random.below(30) * step_ns;
    for (std::uint32_t span = random.below(3); span > 0; --span) {
        const auto from = static_cast<std::int64_t>(50 + random.below(200)) * step_ns;
        const auto length = static_cast<std::int64_t>(1 + random.below(80)) * step_ns;
        const auto venue = static_cast<std::uint32_t>(random.below(3));
        plan.rules.closed.push_back({from, from + length, venue, random.below(2) == 0});
    }
    if (random.below(3) == 0) plan.rules.borrow = {{1, 1'000'000'000, ""}, {2, 2'000'000'000, ""}};
    return plan;
}

void write_tape(Tape& tape, Prng& random, std::size_t instruments) {
    std::vector<std::int64_t> mids(instruments, 10'000);
    std::uint64_t book_id = 1;
    const bool depth = random.below(3) == 0;
    for (std::int64_t at = step_ns; at < end_ns; at += step_ns) {
        const auto i =
            static_cast<std::uint32_t>(random.below(static_cast<std::uint32_t>(instruments)));
        mids[i] += static_cast<std::int64_t>(random.below(21)) - 10;
        const std::int64_t mid = mids[i];
        const auto size = [&] { return static_cast<std::int64_t>(random.below(200)); };
        const std::uint32_t what = random.below(100);
        if (what < 60) {
            tape.quote(at, mid - 5, mid + 5, size(), size(), i);
        } else if (what < 85) {
            tape.trade(at, mid + (random.below(2) == 0 ? -5 : 5), 1 + size(),
                       random.below(2) == 0 ? Side::buy : Side::sell, i);
        } else if (what < 90) {
            tape.mark(at, mid, i);
        } else if (what < 95) {
            tape.funding(at, static_cast<std::int64_t>(random.below(2'000'000'000)) - 1'000'000'000,
                         random.below(2) == 0 ? mid : 0, i);
        } else if (depth && i == 0) {
            tape.book(at, ++book_id, {{mid - 5, 1 + size()}, {mid - 15, 1 + size()}},
                      {{mid + 5, 1 + size()}, {mid + 15, 1 + size()}}, true, i);
        } else {
            BarPayload bar{};
            bar.ts_close = at;
            bar.period_ns = 10 * step_ns;
            bar.ts_open = at - bar.period_ns;
            bar.open = bar.close = mid;
            bar.high = mid + 20;
            bar.low = mid - 20;
            bar.volume = size();
            bar.trades = -1;
            tape.bar(bar, i);
        }
    }
    for (std::uint32_t i = 0; i < instruments; ++i) {
        tape.quote(end_ns, mids[i] - 5, mids[i] + 5, 100, 100, i);
        tape.quote(drained_ns, mids[i] - 5, mids[i] + 5, 100, 100, i);
    }
}

class RandomTrader {
 public:
    RandomTrader(World& world, std::uint64_t seed, std::vector<Instrument*> instruments)
        : world_(world), random_(seed), instruments_(std::move(instruments)) {
        ScriptedRobot& robot = world.robot;
        for (auto* callback : {&robot.quote, &robot.trade, &robot.book, &robot.mark, &robot.funding,
                               &robot.position})
            *callback = [this](Instrument& instrument) { act(instrument); };
        robot.bar = [this](Instrument& instrument, const BarFeed&) { act(instrument); };
        robot.timer = [this](const std::string& name) { on_timer(name); };
        robot.order = [this](const OrderRef& order) { on_order(order); };
        robot.fill = [this](const OrderRef& order, const FillPayload& fill) {
            on_fill(order, fill);
        };
    }

    std::map<std::uint64_t, OrderRef> placed;
    std::map<std::uint64_t, std::int64_t> filled;
    std::vector<std::pair<std::uint32_t, FillPayload>> fills;
    std::map<std::uint64_t, int> ended;

 private:
    void act(Instrument& instrument) {
        // A halted robot gets no timers, so nothing would cancel its later orders.
        if (done_ || world_.loop->halted() || random_.below(4) != 0) return;
        const std::uint32_t what = random_.below(100);
        if (what < 55)
            place(instrument);
        else if (what < 75)
            with_order([&](const OrderRef& o) { world_.loop->cancel(o); });
        else if (what < 90)
            with_order([&](const OrderRef& o) {
                world_.loop->amend(o, random_.below(2) == 0 ? 0 : price(*o->instrument),
                                   random_.below(2) == 0 ? 0 : 1 + random_.below(200));
            });
        else if (what < 95) {
            world_.loop->set_timer("t" + std::to_string(random_.below(3)),
                                   random_.below(2) == 0 ? 20 * step_ns : 0,
                                   world_.loop->now() + step_ns * random_.below(30));
        } else if (what < 96) {
            (void)world_.loop->equity();
        } else if (what < 98) {
            world_.loop->subscribe_bars(instrument, (1 + random_.below(3)) * 25 * step_ns,
                                        static_cast<BarSource>(random_.below(2)), "some");
        } else if (random_.below(30) == 0) {
            world_.loop->halt(random_.below(2) == 0);
        }
    }

    [[nodiscard]] std::int64_t price(const Instrument& instrument) {
        const std::int64_t value = instrument.value_price();
        const std::int64_t around = (value == 0 ? 10'000 : value) + random_.below(61) - 30;
        return around / instrument.spec.tick * instrument.spec.tick;
    }

    void place(Instrument& instrument) {
        OrderSpec spec;
        spec.side = random_.below(2) == 0 ? Side::buy : Side::sell;
        spec.size = 1 + random_.below(200);
        if (random_.below(3) != 0) {
            spec.type = OrderType::limit;
            spec.price = price(instrument);
            if (random_.below(4) == 0) spec.flags |= order_post_only;
        }
        if (random_.below(5) == 0) spec.flags |= order_reduce_only;
        switch (random_.below(8)) {
            case 0:
                spec.tif = TimeInForce::ioc;
                break;
            case 1:
                spec.tif = TimeInForce::fok;
                break;
            case 2:
                spec.tif = TimeInForce::gtd;
                spec.expire_ns = world_.loop->now() + step_ns * (1 + random_.below(60));
                break;
            default:
                break;
        }
        if (random_.below(6) == 0) {
            spec.trigger = price(instrument);
            spec.trigger_by = static_cast<TriggerBy>(1 + random_.below(3));
            spec.flags =
                with_trigger_kind(spec.flags, static_cast<TriggerKind>(1 + random_.below(2)));
        }
        if (world_.options.account.hedge && instrument.spec.kind != ContractKind::spot)
            spec.position_side = random_.below(2) == 0 ? PositionSide::long_ : PositionSide::short_;
        const OrderRef order = world_.loop->place(instrument, spec);
        placed[order->id] = order;
        if (order->closed()) ++ended[order->id];
    }

    template <class Act>
    void with_order(Act act) {
        const auto& working = world_.loop->orders().working();
        if (working.empty()) return;
        auto at = working.begin();
        std::advance(at, random_.below(static_cast<std::uint32_t>(working.size())));
        const OrderRef order = at->second;
        act(order);
    }

    void on_timer(const std::string& name) {
        if (name != "end") return act(*instruments_[0]);
        done_ = true;
        std::vector<OrderRef> working;
        for (const auto& [id, order] : world_.loop->orders().working()) working.push_back(order);
        for (const OrderRef& order : working) world_.loop->cancel(order);
    }

    void on_order(const OrderRef& order) {
        if (order->closed() && order->id != 0) ++ended[order->id];
        if (!order->closed()) act(*const_cast<Instrument*>(order->instrument));
        // An order that fails to be amended or canceled at the end must be tried again.
        if (done_ && !order->closed()) world_.loop->cancel(order);
    }

    void on_fill(const OrderRef& order, const FillPayload& fill) {
        filled[order->id] += fill.size;
        fills.emplace_back(order->instrument->index, fill);
        if (fill.size <= 0 || order->filled != filled[order->id]) wrong_ = true;
        act(*const_cast<Instrument*>(order->instrument));
    }

 public:
    bool wrong_ = false;

 private:
    World& world_;
    Prng random_;
    std::vector<Instrument*> instruments_;
    bool done_ = false;
};

std::uint64_t forced_fills = 0, taken_over = 0, loan_trades = 0;

// Amend rules, called loans, deleveraging: drawn separately, too.
void add_rules(Plan& plan, std::uint64_t seed) {
    Prng random(seed * 0xD1B54A32D192ED03ull);
    for (InstrumentTerms& terms : plan.terms) {
        if (random.below(2) == 0) continue;
        terms.amend = {static_cast<AmendRule>(random.below(amend_rule_count)),
                       random.below(2) == 0};
    }
    if (!plan.rules.borrow.empty() && random.below(3) != 0) {
        // The coins of these worlds are worth far more than any permitted debt.
        plan.rules.loans = {500'000'000'000, 400'000'000'000,
                            static_cast<std::int64_t>(random.below(2)) * 20'000'000'000LL};
    }
    std::int64_t time = 0;
    for (std::uint32_t fact = random.below(4); fact > 0; --fact) {
        time += (20 + static_cast<std::int64_t>(random.below(150))) * step_ns;
        const auto count = static_cast<std::uint32_t>(plan.specs.size());
        plan.rules.deleveragings.push_back(
            {time, static_cast<std::uint32_t>(random.below(count)), random.below(2) == 0,
             random.below(2) == 0 ? 0 : 9'900 + static_cast<std::int64_t>(random.below(200)),
             random.below(2) == 0 ? Deleveraging::whole
                                  : 1 + static_cast<std::int64_t>(random.below(999'999))});
    }
}

// Stops and starts of the robot, drawn separately so that the runs of other seeds stay the same.
std::vector<TradingSwitch> schedule_of(std::uint64_t seed) {
    Prng random(seed * 0x9E3779B97F4A7C15ull);
    std::vector<TradingSwitch> schedule{{-1, random.below(4) != 0}};
    std::int64_t time = 0;
    for (int i = 0; i < 6; ++i) {
        time += end_ns / 8 + static_cast<std::int64_t>(random.below(60)) * step_ns;
        schedule.push_back({time, !schedule.back().open});
    }
    return schedule;
}

std::pair<Digest, Digest> run_seed(std::uint64_t seed, std::uint64_t frames) {
    Prng random(seed);
    Plan plan = plan_of(random);
    add_rules(plan, seed);
    part(plan, seed);
    Tape tape;
    write_tape(tape, random, plan.specs.size());
    World world(plan.options);
    world.cash = plan.cash;
    std::vector<Instrument*> instruments;
    if (plan.apart) world.venue->set_latency(2, plan.second);
    for (std::uint32_t i = 0; i < plan.specs.size(); ++i) {
        const std::uint32_t settle = plan.settle(i);
        instruments.push_back(
            &world.instrument(plan.specs[i], random.below(64) | want_quotes, settle, settle + 1));
    }
    for (std::uint32_t i = 0; i < plan.terms.size(); ++i) world.loop->set_terms(i, plan.terms[i]);
    world.loop->set_rules(plan.rules);
    if (seed % 3 == 0) world.loop->set_schedule(schedule_of(seed));
    world.source(tape.read());
    world.loop->deposit(2, static_cast<Money>(1000) * pow10(money_decimals));
    if (plan.apart) {
        world.loop->deposit(3, static_cast<Money>(plan.cash) * pow10(money_decimals));
        world.loop->deposit(4, static_cast<Money>(1000) * pow10(money_decimals));
        world.loop->set_report_currencies({1, 3});
    }
    RandomTrader trader(world, random.next(), instruments);
    world.start([&] { world.loop->set_timer("end", 0, end_ns); });
    TradingLoop& loop = *world.loop;
    RunOutcome outcome = RunOutcome::limit;
    while (outcome == RunOutcome::limit) outcome = loop.run(frames, TradingLoop::never - 1);
    REQUIRE(outcome == RunOutcome::ended);
    REQUIRE(loop.finish_input());
    // The report of a liquidation at the very last event is still under way.
    REQUIRE(loop.advance(drained_ns + 1000 * step_ns));

    // Orders.
    CHECK_FALSE(trader.wrong_);
    CHECK(loop.counters().impossible == 0);
    for (const auto& placed : trader.placed) {  // structured bindings cannot be captured
        const std::uint64_t id = placed.first;
        const OrderRef& order = placed.second;
        CAPTURE(id);
        const auto filled = trader.filled.find(id);
        CHECK(order->filled == (filled == trader.filled.end() ? 0 : filled->second));
        CHECK(order->filled <= order->size);
        if ((order->state == OrderState::filled) != (order->filled == order->size))
            CHECK(order->state == OrderState::filled);
    }
    // A halt places orders of its own, which the trader does not count.
    CHECK(trader.fills.size() == loop.counters().fills);
    CHECK(loop.orders().working().empty());
    for (std::uint32_t i = 0; i < instruments.size(); ++i) CHECK_FALSE(world.venue->works(i));

    // Money: a shadow account that only sees fills and funding.
    Account shadow(plan.options.account);
    Account robot = loop.account(), exchange = world.venue->account();
    for (std::uint32_t i = 0; i < instruments.size(); ++i) {
        shadow.set_instrument(i, plan.specs[i], plan.settle(i), plan.settle(i) + 1);
        shadow.set_terms(i, plan.terms[i]);
    }
    shadow.deposit(1, static_cast<Money>(plan.cash) * pow10(money_decimals));
    shadow.deposit(2, static_cast<Money>(1000) * pow10(money_decimals));
    if (plan.apart) {
        shadow.deposit(3, static_cast<Money>(plan.cash) * pow10(money_decimals));
        shadow.deposit(4, static_cast<Money>(1000) * pow10(money_decimals));
    }
    for (const BorrowRate& borrow : plan.rules.borrow) {
        shadow.set_borrow(borrow.currency, borrow.rate);
        shadow.credit_interest(borrow.currency, robot.interest(borrow.currency));
        CHECK(robot.interest(borrow.currency) == exchange.interest(borrow.currency));
    }
    for (const auto& [index, fill] : trader.fills) shadow.apply_fill(index, fill);
    for (std::uint32_t i = 0; i < instruments.size(); ++i) {
        shadow.credit_funding(i, PositionSide::both, robot.funding(i));
        shadow.credit_insurance(i, robot.insurance(i));
        CHECK(robot.insurance(i) == exchange.insurance(i));
        CHECK(robot.liquidation_fees(i) == shadow.liquidation_fees(i));
        CHECK(exchange.liquidation_fees(i) == shadow.liquidation_fees(i));
        forced_fills += world.venue->matching()->counters().liquidations;
        for (Account* account : {&shadow, &robot, &exchange}) account->set_mark(i, 10'000);
        CHECK(robot.funding(i) == exchange.funding(i));
        CHECK(robot.fees(i) == shadow.fees(i));
        CHECK(exchange.fees(i) == shadow.fees(i));
        for (const auto side : {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
            const Position& wanted = shadow.position(i, side);
            for (const Account* account : {&robot, &exchange}) {
                CHECK(account->position(i, side).qty == wanted.qty);
                CHECK(account->position(i, side).cost == wanted.cost);
                CHECK(account->position(i, side).realized == wanted.realized);
            }
        }
    }
    taken_over += world.venue->matching()->counters().deleveragings;
    loan_trades += world.venue->matching()->counters().loan_liquidations;
    // Every change of a balance has a cause.
    if (std::none_of(plan.specs.begin(), plan.specs.end(),
                     [](const InstrumentSpec& spec) { return spec.kind == ContractKind::spot; })) {
        for (const std::uint32_t settle : {1u, 3u}) {
            if (settle == 3 && !plan.apart) continue;
            Money expected =
                static_cast<Money>(plan.cash) * pow10(money_decimals) + robot.interest(settle);
            for (std::uint32_t i = 0; i < instruments.size(); ++i) {
                if (plan.settle(i) != settle) continue;
                for (const auto side :
                     {PositionSide::both, PositionSide::long_, PositionSide::short_})
                    expected += robot.position(i, side).realized;
                expected += robot.funding(i) + robot.insurance(i);
                expected -= robot.fees(i) + robot.liquidation_fees(i);
            }
            CHECK(robot.balance(settle) == expected);
        }
        CHECK(loop.equity() == loop.equity_of(1) + (plan.apart ? loop.equity_of(3) : 0));
    }
    for (std::uint32_t currency = 0; currency < 6; ++currency) {
        CHECK(robot.balance(currency) == shadow.balance(currency));
        CHECK(exchange.balance(currency) == shadow.balance(currency));
        // Equal only while no order reserves anything. The shadow does not know which side of a
        // hedge paid the funding.
        CHECK(robot.available(currency) == exchange.available(currency));
        if (!plan.options.account.isolated)
            CHECK(exchange.available(currency) == shadow.available(currency));
    }
    return {loop.action_hash(), loop.state_hash({})};
}

}  // namespace

TEST_CASE("random runs keep the books") {
    const char* only = std::getenv("ONETAPE_FUZZ_SEED");
    const char* longer = std::getenv("ONETAPE_FUZZ_SECONDS");
    const double seconds = longer ? std::atof(longer) : 3.0;
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t seed = only ? std::strtoull(only, nullptr, 10) : 1;
    std::uint64_t count = 0;
    for (; count < (longer ? ~std::uint64_t{0} : 400); ++seed, ++count) {
        CAPTURE(seed);
        INFO("again: ONETAPE_FUZZ_SEED=" << seed);
        const auto whole = run_seed(seed, ~std::uint64_t{0});
        if (seed % 4 == 0) CHECK(run_seed(seed, 1 + seed % 5) == whole);
        if (only) break;
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
        // A slow machine continues until it has seen each rare event.
        if (passed.count() > seconds && forced_fills && taken_over && loan_trades) break;
    }
    MESSAGE("seeds done: " << count << ", forced closings: " << forced_fills);
    MESSAGE("taken over: " << taken_over << ", trades for loans: " << loan_trades);
    if (only) return;
    CHECK(forced_fills > 0);
    CHECK(taken_over > 0);
    CHECK(loan_trades > 0);
}
