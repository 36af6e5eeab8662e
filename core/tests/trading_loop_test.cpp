// The loop's rules, one test each. Times are nanoseconds of the tape; prices have one decimal,
// sizes three.
#include "engine/trading_loop.hpp"

#include "loop_world.hpp"

using namespace onetape;
using namespace onetape::test;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t minute = 60 * second;

void check_lines(const Lines& have, const Lines& want) {
    for (std::size_t i = 0; i < std::max(have.size(), want.size()); ++i) {
        CAPTURE(i);
        CHECK((i < have.size() ? have[i] : "(nothing)") ==
              (i < want.size() ? want[i] : "(nothing)"));
    }
}

void check_equal_accounts(const World& world) {
    const Account& robot = world.loop->account();
    const Account& exchange = world.venue->account();
    for (std::uint32_t currency = 0; currency < 4; ++currency)
        CHECK(robot.balance(currency) == exchange.balance(currency));
    for (std::uint32_t i = 0; i < world.loop->instrument_count(); ++i) {
        CHECK(robot.net_qty(i) == exchange.net_qty(i));
        CHECK(robot.fees(i) == exchange.fees(i));
        CHECK(robot.funding(i) == exchange.funding(i));
    }
}

}  // namespace

TEST_CASE("an order reaches the exchange after the latency in, its news after the latency out") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.quote(105, 600'020, 600'030);
    tape.quote(110, 600'040, 600'050);  // at the moment of arrival: the order was first
    tape.quote(129, 600'040, 600'050);
    tape.quote(130, 600'040, 600'050);
    WorldOptions options;
    options.latency.request = 10;
    options.latency.reply = 20;
    World world(options);
    Instrument& instrument = world.instrument();
    world.source(tape.read());
    world.start([&] { world.market(instrument, Side::buy, 10); });
    world.finish();
    check_lines(world.robot.log,
                {"100 quote", "105 quote", "110 quote", "129 quote", "130 order 1 state 3",
                 "130 fill 1 10 at 600030", "130 order 1 state 5", "130 position", "130 quote"});
    check_equal_accounts(world);
}

TEST_CASE("at one moment: bars, expiries, arrivals, replies, timers, and only then the frame") {
    Tape tape;
    tape.quote(1 * second, 600'000, 600'010);
    tape.quote(minute, 600'000, 600'010);
    WorldOptions options;
    options.latency.request = minute - second;
    World world(options);
    Instrument& instrument = world.instrument();
    world.source(tape.read());
    world.start([&] {
        world.loop->subscribe_bars(instrument, minute, BarSource::mid, "1m");
        world.loop->set_timer("tick", minute, 0);
        world.limit(instrument, Side::buy, 10, 599'000);  // arrives at the minute
    });
    world.finish();
    check_lines(world.robot.log,
                {"1000000000 quote", "60000000000 bar 1m", "60000000000 order 1 state 3",
                 "60000000000 timer tick", "60000000000 quote"});
}

TEST_CASE("an order that is good until the moment of a frame does not trade with that frame") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.quote(200, 590'000, 590'010);  // would fill it
    World world;
    Instrument& instrument = world.instrument();
    world.source(tape.read());
    world.start([&] {
        OrderSpec spec;
        spec.side = Side::buy;
        spec.type = OrderType::limit;
        spec.tif = TimeInForce::gtd;
        spec.price = 595'000;
        spec.size = 10;
        spec.expire_ns = 200;
        world.loop->place(instrument, spec);
    });
    world.finish();
    check_lines(world.robot.log,
                {"100 order 1 state 3", "100 quote", "200 order 1 state 11", "200 quote"});
}

TEST_CASE("a frame that comes late does not turn the clock back") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.quote(300, 600'000, 600'010);
    tape.quote(200, 600'000, 600'010);
    World world;
    world.instrument();
    world.source(tape.read());
    world.start();
    world.finish();
    check_lines(world.robot.log, {"100 quote", "300 quote", "300 quote"});
}

TEST_CASE("several sources are read in the order of time, equal times in the order of sources") {
    Tape left(1), right(2);
    left.quote(100, 1, 2);
    left.quote(300, 1, 2);
    right.quote(100, 1, 2, 1, 1, 1);
    right.quote(200, 1, 2, 1, 1, 1);
    World world;
    world.instrument();
    world.instrument();
    world.source(left.read());
    world.source(right.read());
    world.start();
    world.finish();
    check_lines(world.robot.log, {"100 quote", "100 quote #1", "200 quote #1", "300 quote"});
}

TEST_CASE(
    "bars of one moment are all in their windows before the first is shown, short ones first") {
    Tape tape;
    tape.quote(1, 600'000, 600'010);
    tape.quote(2, 700'000, 700'010, 1, 1, 1);
    tape.quote(2 * minute, 600'000, 600'010);
    World world;
    Instrument& first = world.instrument(linear_spec(), 0);
    Instrument& second_one = world.instrument(linear_spec(), 0);
    std::vector<std::size_t> sizes;
    world.robot.bar = [&](Instrument&, const BarFeed&) {
        sizes.push_back(first.bars[0]->window.size() + first.bars[1]->window.size() +
                        second_one.bars[0]->window.size());
    };
    world.source(tape.read());
    world.start([&] {
        world.loop->subscribe_bars(first, 2 * minute, BarSource::mid, "2m");
        world.loop->subscribe_bars(first, minute, BarSource::mid, "1m");
        world.loop->subscribe_bars(second_one, minute, BarSource::mid, "1m");
    });
    world.finish();
    check_lines(world.robot.log,
                {"60000000000 bar 1m", "60000000000 bar 1m #1", "120000000000 bar 1m",
                 "120000000000 bar 1m #1", "120000000000 bar 2m"});
    CHECK(sizes == std::vector<std::size_t>{2, 2, 5, 5, 5});
}

TEST_CASE("missed ticks of a timer come as one, one-shot timers once") {
    Tape tape;
    tape.quote(1, 1, 2);
    tape.quote(35 * second, 1, 2);
    World world;
    world.instrument(linear_spec(), 0);
    world.source(tape.read());
    world.start([&] {
        world.loop->set_timer("every", 10 * second, 0);
        world.loop->set_timer("once", 0, 15 * second);
        world.loop->set_timer("gone", 0, 16 * second);
        CHECK(world.loop->cancel_timer("gone"));
        CHECK_FALSE(world.loop->cancel_timer("gone"));
    });
    world.finish();
    check_lines(world.robot.log, {"10000000000 timer every", "15000000000 timer once",
                                  "20000000000 timer every", "30000000000 timer every"});
}

TEST_CASE("a refused order is denied at once and nothing leaves") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.quote(200, 600'000, 600'010);
    World world;
    Instrument& instrument = world.instrument();
    world.source(tape.read());
    OrderRef order;
    world.start();
    world.robot.quote = [&](Instrument&) {
        if (!order) order = world.market(instrument, Side::buy, 1'000'000'000);
    };
    world.finish();
    CHECK(order->state == OrderState::denied);
    CHECK(order->code == 4201);
    CHECK(order->closed());
    CHECK(world.loop->orders().working().empty());
    check_lines(world.robot.log, {"100 quote", "200 quote"});
    CHECK(world.loop->counters().actions == 1);  // the decision counts
    CHECK(world.venue->matching()->counters().orders == 0);
}

TEST_CASE("a halt cancels what works, keeps the position and ends the callbacks of the market") {
    for (const bool flatten : {false, true}) {
        CAPTURE(flatten);
        Tape tape;
        for (int i = 0; i < 5; ++i) tape.quote(100 + i * 100, 600'000, 600'010);
        World world;
        Instrument& instrument = world.instrument();
        world.source(tape.read());
        world.robot.quote = [&](Instrument&) {
            if (world.loop->now() == 200) world.loop->halt(flatten);
        };
        world.start([&] {
            world.market(instrument, Side::buy, 10);
            world.limit(instrument, Side::buy, 10, 599'000);
        });
        world.finish();
        const Lines& log = world.robot.log;
        CHECK(std::count(log.begin(), log.end(), "200 quote") == 1);
        CHECK(std::count(log.begin(), log.end(), "300 quote") == 0);
        CHECK(world.loop->orders().working().empty());
        CHECK_FALSE(world.venue->works(0));
        CHECK(world.loop->account().net_qty(0) == (flatten ? 0 : 10));
        const OrderRef late = world.market(instrument, Side::buy, 1);
        CHECK(late->code == 4303);
        check_equal_accounts(world);
    }
}

TEST_CASE("a scheduled stop leaves nothing at the exchange until the next start") {
    for (const std::int64_t request : {0, 3, 40}) {
        CAPTURE(request);
        Tape tape;
        for (int i = 0; i < 100; ++i) tape.quote(100 + i * 10, 600'000, 600'010);
        WorldOptions options;
        options.latency.request = request;
        options.latency.reply = 14;
        World world(options);
        Instrument& instrument = world.instrument();
        world.source(tape.read());
        world.loop->set_schedule({{50, true}, {500, false}, {800, true}});
        int denied = 0;
        int worked_before = 0;
        int worked_after = 0;
        world.robot.quote = [&](Instrument&) {
            const std::int64_t now = world.loop->now();
            const bool works = world.venue->works(0);
            if (now < 500) worked_before += works;
            if (now > 500 + request && now < 800) CHECK_FALSE(works);
            if (now > 800 + request) worked_after += works;
            const OrderRef order = world.limit(instrument, Side::buy, 1, 599'000);
            const bool stopped = now >= 500 && now < 800;
            CHECK(world.loop->trading() != stopped);
            CHECK(order->code == (stopped ? 4312 : 0));
            denied += order->state == OrderState::denied;
            CHECK_FALSE((stopped && world.loop->amend(order, 599'010, 0)));
        };
        world.start();
        world.finish();
        CHECK(denied == 30);
        CHECK(worked_before > 20);
        CHECK(worked_after > 10);
        check_equal_accounts(world);
    }
}

TEST_CASE("a run in pieces takes the same decisions as a run in one") {
    const auto hash = [](std::uint64_t frames) {
        Tape tape;
        for (int i = 0; i < 200; ++i) tape.quote(100 + i * 10, 600'000 + i % 7, 600'010 + i % 7);
        WorldOptions options;
        options.latency.request = 3;
        options.latency.reply = 14;
        World world(options);
        Instrument& instrument = world.instrument();
        world.source(tape.read());
        int seen = 0;
        world.robot.quote = [&](Instrument&) {
            if (++seen % 3 == 0)
                world.market(instrument, seen % 2 != 0 ? Side::buy : Side::sell, seen);
        };
        world.start();
        RunOutcome outcome = RunOutcome::limit;
        while (outcome == RunOutcome::limit)
            outcome = world.loop->run(frames, TradingLoop::never - 1);
        CHECK(outcome == RunOutcome::ended);
        CHECK(world.loop->finish_input());
        return std::pair(world.loop->action_hash(), world.loop->state_hash({}));
    };
    const auto whole = hash(~std::uint64_t{0});
    CHECK(hash(1) == whole);
    CHECK(hash(7) == whole);
}

TEST_CASE("a tape that grows while it is read gives what the finished one gives") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    World world;
    Instrument& instrument = world.instrument();
    world.source(tape.follow());
    world.start([&] { world.market(instrument, Side::buy, 10); });
    CHECK(world.run() == RunOutcome::ended);
    tape.quote(200, 600'020, 600'030);
    CHECK(world.run() == RunOutcome::ended);
    tape.quote(300, 600'020, 600'030);
    world.finish();
    check_lines(world.robot.log,
                {"100 order 1 state 3", "100 fill 1 10 at 600010", "100 order 1 state 5",
                 "100 position", "100 quote", "200 quote", "300 quote"});
}

TEST_CASE("`until` stops before the first frame beyond it, and the run goes on from there") {
    Tape tape;
    for (int i = 1; i <= 4; ++i) tape.quote(i * 100, 1, 2);
    World world;
    world.instrument();
    world.source(tape.read());
    world.start();
    CHECK(world.run(250) == RunOutcome::reached);
    check_lines(world.robot.log, {"100 quote", "200 quote"});
    world.finish();
    CHECK(world.robot.log.size() == 4);
}

TEST_CASE("another run's answers reach the robot when they reached that one") {
    Tape tape;
    for (int i = 0; i < 50; ++i) tape.quote(100 + i * 10, 600'000 + i, 600'010 + i);
    Folder folder;
    WorldOptions options;
    options.latency.request = 25;
    options.latency.reply = 31;
    const auto act = [](World& world, Instrument& instrument) {
        world.robot.quote = [&world, &instrument, seen = 0](Instrument&) mutable {
            if (++seen % 9 == 1) world.market(instrument, Side::buy, seen);
        };
        // The robot's view decides: a fill under way must be included at the same time.
        world.robot.position = [&world, &instrument](Instrument&) {
            if (world.loop->account().net_qty(0) > 20) world.market(instrument, Side::sell, 20);
        };
    };
    World first(options);
    Instrument& instrument = first.instrument();
    WriterOptions journal;
    journal.directory = (folder.path / "run").string();
    journal.uuid[0] = 9;
    journal.durable = false;
    std::unique_ptr<Writer> writer;
    REQUIRE(Writer::open(journal, writer).ok());
    first.loop->set_writer(writer.get());
    first.source(tape.read());
    act(first, instrument);
    first.start();
    first.finish();
    REQUIRE(writer->close().ok());
    CHECK(first.loop->counters().fills > 5);

    std::unique_ptr<Reader> script;
    REQUIRE(Reader::open({journal.directory, {}}, script).ok());
    World second_run({}, script.get());
    Instrument& same = second_run.instrument();
    second_run.source(tape.read());
    act(second_run, same);
    second_run.start();
    second_run.finish();
    check_lines(second_run.robot.log, first.robot.log);
    CHECK(second_run.loop->action_hash() == first.loop->action_hash());
    CHECK(second_run.loop->state_hash({}) == first.loop->state_hash({}));
}

TEST_CASE("funding is paid on what the exchange holds, and the robot's books follow") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.funding(110, 100'000'000);  // the fill is done, and its report under way
    tape.quote(500, 600'000, 600'010);
    WorldOptions options;
    options.latency.reply = 50;
    World world(options);
    Instrument& instrument = world.instrument(linear_spec(), want_quotes | want_funding);
    world.source(tape.read());
    world.start([&] { world.market(instrument, Side::buy, 1000); });
    world.finish();
    CHECK(world.venue->account().funding(0) != 0);
    check_equal_accounts(world);
}

TEST_CASE("funding without a price of its own is settled at the same price on both sides") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    tape.quote(110, 660'000, 660'010);  // the equity was not read since
    tape.funding(120, 100'000'000);
    tape.quote(500, 600'000, 600'010);
    World world;
    Instrument& instrument = world.instrument();
    world.source(tape.read());
    world.start([&] { world.market(instrument, Side::buy, 1000); });
    world.finish();
    CHECK(world.venue->account().funding(0) != 0);
    check_equal_accounts(world);
}

TEST_CASE("a reduce-only order that was cut is filled when the cut size is") {
    for (const bool triggered : {false, true}) {
        CAPTURE(triggered);
        Tape tape;
        tape.quote(100, 600'000, 600'010);
        tape.quote(200, 600'000, 600'010);
        tape.quote(300, 590'000, 590'010);
        tape.quote(400, 590'000, 590'010);
        World world;
        Instrument& instrument = world.instrument();
        world.source(tape.read());
        OrderRef order;
        world.robot.quote = [&](Instrument&) {
            if (world.loop->now() != 200) return;
            OrderSpec spec;
            spec.side = Side::sell;
            spec.size = 25;
            spec.flags = order_reduce_only;
            if (triggered) {
                spec.trigger = 595'000;
                spec.trigger_by = TriggerBy::last;
                spec.flags = with_trigger_kind(spec.flags, TriggerKind::stop);
            }
            order = world.loop->place(instrument, spec);
        };
        world.start([&] { world.market(instrument, Side::buy, 10); });
        world.finish();
        CHECK(world.loop->account().net_qty(0) == 0);
        CHECK(order->state == OrderState::filled);
        CHECK(order->size == 10);
        CHECK(world.loop->orders().working().empty());
        CHECK_FALSE(world.venue->works(0));
    }
}

TEST_CASE("an order of another run is not acted on") {
    Tape tape;
    tape.quote(100, 600'000, 600'010);
    World left, right;
    left.instrument();
    Instrument& far = left.instrument();  // an index that the other run does not have
    right.instrument();
    left.source(tape.read());
    right.source(tape.read());
    OrderRef order;
    left.start([&] { order = left.limit(far, Side::buy, 10, 599'000); });
    right.start();
    CHECK_FALSE(right.loop->cancel(order));
    CHECK_FALSE(right.loop->amend(order, 598'000, 0));
    CHECK(right.loop->counters().actions == 0);
    CHECK(left.loop->cancel(order));
}

TEST_CASE("an order can be read after its run is gone") {
    OrderRef order;
    {
        Tape tape;
        tape.quote(100, 600'000, 600'010);
        World world;
        Instrument& instrument = world.instrument();
        world.source(tape.read());
        world.start([&] { order = world.limit(instrument, Side::buy, 10, 599'000); });
    }
    CHECK(order->instrument->symbol == "test:I0");
    CHECK(order->remaining() == 10);
}

TEST_CASE(
    "an instrument on two accounts has one market: both are shown it, and share what it has") {
    Tape tape;
    tape.quote(1, 600'000, 600'010, 10, 10);
    tape.trade(2, 599'000, 15, Side::sell);
    tape.quote(3, 600'000, 600'010, 10, 10);
    World world;
    Instrument& one = world.instrument();
    const std::unique_ptr<Reader> reader = tape.read();
    const std::uint32_t number = world.loop->add_source(reader.get());
    world.loop->map_stream(number, 1, 0);
    Instrument& other = world.instrument();
    world.loop->share_stream(number, 1, 0, 1);
    world.loop->share_stream(number, 1, 0, 1);  // like the next version of its facts
    world.robot.quote = [&](Instrument& shown) {
        if (world.loop->now() != 1 || shown.index != 0) return;
        CHECK(other.view.quote.ask == 600'010);  // before any action
        world.market(one, Side::buy, 8);
        world.market(other, Side::buy, 8);
        world.limit(one, Side::buy, 10, 599'500);
        world.limit(other, Side::buy, 10, 599'500);
    };
    world.start();
    world.finish();
    Lines fills;
    for (const std::string& line : world.robot.log)
        if (line.find("fill") != std::string::npos) fills.push_back(line);
    check_lines(fills, {"1 fill 1 8 at 600010", "1 fill 2 2 at 600010", "1 fill 2 6 at 600011",
                        "2 fill 3 10 at 599500", "2 fill 4 5 at 599500"});
    check_equal_accounts(world);
}
