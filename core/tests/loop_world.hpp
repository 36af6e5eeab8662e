#pragma once
// A small world for tests of the loop: a tape written by the test, and a robot whose callbacks are
// written in the test.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "doctest.h"
#include "engine/recorded_venue.hpp"
#include "engine/trading_loop.hpp"

namespace onetape::test {

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "loop-test-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

// Linear, one price decimal, three size decimals, 2 and 5 basis points.
inline InstrumentSpec linear_spec() {
    InstrumentSpec spec;
    spec.price_decimals = 1;
    spec.size_decimals = 3;
    spec.maker_fee = 200'000'000;
    spec.taker_fee = 500'000'000;
    return spec;
}

inline constexpr std::int64_t deposit_units = 10'000'000;

// A tape of frames in the order they are added; instrument i is stream i + 1.
class Tape {
 public:
    explicit Tape(std::uint8_t identity = 1) {
        WriterOptions options;
        options.directory = (folder_.path / "tape").string();
        options.uuid[0] = identity;
        options.segment_bytes_first = 64u << 10;
        options.segment_bytes_max = 1u << 20;
        options.durable = false;
        const Failure failure = Writer::open(options, writer_);
        REQUIRE_MESSAGE(failure.ok(), failure.what);
    }

    void quote(std::int64_t time, std::int64_t bid, std::int64_t ask, std::int64_t bid_size = 5000,
               std::int64_t ask_size = 5000, std::uint32_t instrument = 0) {
        QuotePayload quote{};
        quote.ts_event = quote.ts_recv = time;
        quote.bid = bid;
        quote.ask = ask;
        quote.bid_size = bid_size;
        quote.ask_size = ask_size;
        put(EventType::quote, time, instrument, quote);
    }
    void trade(std::int64_t time, std::int64_t price, std::int64_t size, Side side,
               std::uint32_t instrument = 0) {
        TradePayload trade{};
        trade.ts_event = trade.ts_recv = time;
        trade.price = price;
        trade.size = size;
        trade.side = side;
        put(EventType::trade, time, instrument, trade);
    }
    void mark(std::int64_t time, std::int64_t price, std::uint32_t instrument = 0) {
        put(EventType::mark, time, instrument, MarkPayload{time, time, price, 0});
    }
    void funding(std::int64_t time, std::int64_t rate, std::int64_t mark = 0,
                 std::uint32_t instrument = 0) {
        put(EventType::funding, time, instrument, FundingPayload{time, time, rate, mark, 0});
    }
    void bar(const BarPayload& bar, std::uint32_t instrument = 0) {
        put(EventType::bar, bar.ts_close, instrument, bar);
    }
    // A snapshot of one level per side, or of many.
    void book(std::int64_t time, std::uint64_t id, const std::vector<BookLevel>& bids,
              const std::vector<BookLevel>& asks, bool snapshot, std::uint32_t instrument = 0) {
        BookPayload head{};
        head.ts_event = head.ts_recv = time;
        head.first_id = head.last_id = id;
        head.previous_id = id - 1;
        head.bid_count = static_cast<std::uint32_t>(bids.size());
        head.ask_count = static_cast<std::uint32_t>(asks.size());
        std::vector<std::byte> bytes(sizeof head + (bids.size() + asks.size()) * sizeof(BookLevel));
        std::memcpy(bytes.data(), &head, sizeof head);
        std::memcpy(bytes.data() + sizeof head, bids.data(), bids.size() * sizeof(BookLevel));
        std::memcpy(bytes.data() + sizeof head + bids.size() * sizeof(BookLevel), asks.data(),
                    asks.size() * sizeof(BookLevel));
        REQUIRE(writer_->append(EventType::book, snapshot ? flag_snapshot : std::uint16_t{0},
                                instrument + 1, time, bytes.data(),
                                static_cast<std::uint32_t>(bytes.size())) == Status::ok);
    }

    std::unique_ptr<Reader> read() {
        if (!sealed_) REQUIRE(writer_->close().ok());
        sealed_ = true;
        return open();
    }
    std::unique_ptr<Reader> follow() { return open(); }  // while it is still being written

 private:
    template <class Payload>
    void put(EventType type, std::int64_t time, std::uint32_t instrument, const Payload& payload) {
        REQUIRE(writer_->append(type, 0, instrument + 1, time, &payload, sizeof payload) ==
                Status::ok);
    }
    std::unique_ptr<Reader> open() {
        std::unique_ptr<Reader> reader;
        const Failure failure = Reader::open({(folder_.path / "tape").string(), {}}, reader);
        REQUIRE_MESSAGE(failure.ok(), failure.what);
        return reader;
    }

    Folder folder_;
    std::unique_ptr<Writer> writer_;
    bool sealed_ = false;
};

// Notes every callback as a line of text, then runs the test's action.
class ScriptedRobot final : public RobotPort {
 public:
    std::vector<std::string> log;
    std::function<void(Instrument&)> quote, trade, book, mark, funding;
    std::function<void(Instrument&, const BarFeed&)> bar;
    std::function<void(const std::string&)> timer;
    std::function<void(const OrderRef&)> order;
    std::function<void(const OrderRef&, const FillPayload&)> fill;
    std::function<void(Instrument&)> position;
    const TradingLoop* loop = nullptr;

    bool on_quote(Instrument& i, const QuotePayload&) override { return tell("quote", i, quote); }
    bool on_trade(Instrument& i, const TradePayload&) override { return tell("trade", i, trade); }
    bool on_book(Instrument& i) override { return tell("book", i, book); }
    bool on_mark(Instrument& i, const MarkPayload&) override { return tell("mark", i, mark); }
    bool on_funding(Instrument& i, const FundingPayload&) override {
        return tell("funding", i, funding);
    }
    bool on_liquidation(Instrument&, const LiquidationPayload&) override { return true; }
    bool on_mbo(Instrument&, const MboPayload&) override { return true; }
    bool on_instrument(Instrument&) override { return true; }
    bool on_bar(Instrument& i, BarFeed& feed, const BarPayload&) override {
        note("bar " + feed.text, &i);
        if (bar) bar(i, feed);
        return true;
    }
    bool on_timer(const std::string& name) override {
        note("timer " + name, nullptr);
        if (timer) timer(name);
        return true;
    }
    bool on_order(const OrderRef& which) override {
        note("order " + std::to_string(which->id) + " state " +
                 std::to_string(static_cast<int>(which->state)),
             nullptr);
        if (order) order(which);
        return true;
    }
    bool on_fill(const OrderRef& which, const FillPayload& news) override {
        note("fill " + std::to_string(which->id) + " " + std::to_string(news.size) + " at " +
                 std::to_string(news.price),
             nullptr);
        if (fill) fill(which, news);
        return true;
    }
    bool on_position(Instrument& i, PositionSide) override {
        note("position", nullptr);
        if (position) position(i);
        return true;
    }
    bool on_health(const char*, const std::string&, const char*) override { return true; }
    bool on_scan(std::size_t, Instrument&, const ScanChange&) override { return true; }
    bool on_refusal_storm(const OrderRef& which) override {
        note("storm " + std::to_string(which->code), nullptr);
        return true;
    }
    std::int64_t on_cold(std::uint32_t, const Frame&) override { return skip; }
    bool settle() override { return true; }
    bool note_state() override { return true; }
    bool pulse(std::uint64_t, std::int64_t) override { return true; }

 private:
    void note(std::string text, const Instrument* instrument) {
        if (instrument && instrument->index != 0) text += " #" + std::to_string(instrument->index);
        log.push_back(std::to_string(loop->now()) + " " + text);
    }
    bool tell(const char* what, Instrument& instrument,
              const std::function<void(Instrument&)>& act) {
        note(what, &instrument);
        if (act) act(instrument);
        return true;
    }
};

struct WorldOptions : LoopOptions {
    LatencyOptions latency;
    RecordedOptions exchange;
    Money fee_volume = 0;
};

// A loop over tapes, with `deposit_units` of currency 1 (0 is unused). script: a run's journal that
// answers in place of the recorded venue.
struct World {
    WorldOptions options;
    std::int64_t cash = deposit_units;
    std::vector<std::unique_ptr<Reader>> readers;
    ScriptedRobot robot;
    std::shared_ptr<RecordedVenue> venue;
    std::unique_ptr<TradingLoop> loop;

    explicit World(const WorldOptions& chosen = {}, Reader* script = nullptr)
        : options(chosen),
          venue(std::make_shared<RecordedVenue>(RecordedVenueOptions{
              options.latency, options.exchange, options.account, options.fee_volume})) {
        options.report_currency = 1;
        std::shared_ptr<ExchangePort> exchange = venue;
        if (script != nullptr) exchange = std::make_shared<ReportScript>(*script);
        loop = std::make_unique<TradingLoop>(options, std::move(exchange));
        loop->set_robot(&robot);
        robot.loop = loop.get();
    }

    Instrument& instrument(const InstrumentSpec& spec = linear_spec(), std::uint32_t wants = 1,
                           std::uint32_t settle = 1, std::uint32_t base = 2) {
        const auto number = std::to_string(loop->instrument_count());
        Instrument& added = loop->add_instrument("test:I" + number, spec, settle, base);
        added.wants = wants;
        return added;
    }

    void source(std::unique_ptr<Reader> reader) {
        const std::uint32_t number = loop->add_source(reader.get());
        readers.push_back(std::move(reader));
        for (std::uint32_t i = 0; i < loop->instrument_count(); ++i)
            loop->map_stream(number, i + 1, i);
    }

    void start(const std::function<void()>& on_start = {}) {
        loop->deposit(1, static_cast<Money>(cash) * pow10(money_decimals));
        REQUIRE(loop->warm_up(-TradingLoop::never) == RunOutcome::reached);
        loop->begin(loop->next_time());
        loop->enter_callback();
        if (on_start) on_start();
        REQUIRE(loop->leave_callback());
    }

    RunOutcome run(std::int64_t until = TradingLoop::never - 1) {
        return loop->run(~std::uint64_t{0}, until);
    }
    void finish() {
        REQUIRE(run() == RunOutcome::ended);
        REQUIRE(loop->finish_input());
    }

    OrderRef market(Instrument& on, Side side, std::int64_t size, std::uint8_t flags = 0) {
        OrderSpec spec;
        spec.side = side;
        spec.size = size;
        spec.flags = flags;
        return loop->place(on, spec);
    }
    OrderRef limit(Instrument& on, Side side, std::int64_t size, std::int64_t price,
                   std::uint8_t flags = 0) {
        OrderSpec spec;
        spec.side = side;
        spec.type = OrderType::limit;
        spec.size = size;
        spec.price = price;
        spec.flags = flags;
        return loop->place(on, spec);
    }
};

using Lines = std::vector<std::string>;

}  // namespace onetape::test
