// The recorded exchange for Python: market events and orders one by one; every call returns the
// list of its effects. The engine loop uses the C++ class directly.
#include "exchange/recorded.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <utility>
#include <vector>

#include "bindings/exchange_cast.hpp"
#include "journal/frame.hpp"
#include "tests/bindings/bind.hpp"

using namespace onetape;

namespace {

constexpr std::string_view cash_names = "funding,insurance,interest";

using Levels = std::vector<std::pair<std::int64_t, std::int64_t>>;

class PyRecorded final : public ExchangeSink {
 public:
    PyRecorded(const PyRecorded&) = delete;  // the exchange refers to account and sink
    PyRecorded& operator=(const PyRecorded&) = delete;
    PyRecorded(bool hedge, std::int64_t leverage, std::int64_t bar_volume_share, bool check_funds,
               bool isolated, int queue_model, double queue_exponent, bool queue_by_order,
               const std::tuple<double, double, std::int64_t, std::int64_t>& impact,
               bool limits_at_limit)
        : account_({.hedge = hedge, .isolated = isolated, .leverage = leverage}),
          exchange_(
              {.queue = {static_cast<QueueModel>(queue_model), queue_exponent, queue_by_order},
               .bar_volume_share = bar_volume_share,
               .check_funds = check_funds,
               .limits_at_limit = limits_at_limit,
               .impact = {std::get<0>(impact), std::get<1>(impact), std::get<2>(impact),
                          std::get<3>(impact)}},
              account_, *this) {}

    void on_order_event(std::uint32_t instrument, const OrderEventPayload& event) override {
        events_.append(order_event_to_dict(instrument, event));
    }
    void on_fill(std::uint32_t instrument, const FillPayload& fill) override {
        events_.append(fill_to_dict(instrument, fill));
    }

    void on_cash(std::uint32_t instrument, const CashNews& cash) override {
        nb::dict event;
        event["event"] = "cash";
        event["owner"] = instrument;
        event["kind"] = name_of(static_cast<int>(cash.kind), cash_names);
        event["side"] = name_of(static_cast<int>(cash.side), position_side_names);
        event["ts_event"] = cash.time;
        event["currency"] = cash.currency;
        event["amount"] = money_to_python(cash.amount);
        events_.append(event);
    }

    void on_fees(std::uint32_t instrument, const FeeNews& fees) override {
        nb::dict event;
        event["event"] = "fees";
        event["owner"] = instrument;
        event["tier"] = fees.tier;
        event["maker"] = fees.maker;
        event["taker"] = fees.taker;
        event["ts_event"] = fees.time;
        event["volume"] = money_to_python(fees.volume);
        events_.append(event);
    }

    void on_loan(std::uint32_t instrument, const LoanNews& loan) override {
        nb::dict event;
        event["event"] = "loan";
        event["owner"] = instrument;
        event["ts_event"] = loan.time;
        event["currency"] = loan.currency;
        event["called"] = loan.called;
        event["assets"] = money_to_python(loan.assets);
        event["debts"] = money_to_python(loan.debts);
        events_.append(event);
    }

    nb::list deleverage(std::int64_t now, std::int64_t size, std::int64_t price,
                        const std::string& side, std::uint32_t index) {
        exchange_.deleverage(
            index, named<PositionSide>(nb::str(side.c_str()), position_side_names, "side"), size,
            price, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    void add_instrument(std::uint32_t index, const InstrumentSpec& spec, std::uint32_t settle,
                        std::uint32_t base) {
        while (markets_.size() <= index) markets_.push_back(std::make_unique<Market>());
        exchange_.set_instrument(index, spec, settle, base, &markets_[index]->view);
    }

    // stamp: the venue's time of an event; without it the source has none.
    nb::list quote(std::int64_t now, std::int64_t bid, std::int64_t ask, std::int64_t bid_size,
                   std::int64_t ask_size, std::uint32_t index, std::int64_t stamp) {
        MarketView& view = seen(index);
        view.set_quote({stamp != 0 ? stamp : now, now, bid, ask, bid_size, ask_size, 0, 0});
        measure(index, now);
        if (exchange_.active(index)) exchange_.on_quote(index, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list trade(std::int64_t now, std::int64_t price, std::int64_t size, const std::string& side,
                   std::uint32_t index, std::int64_t stamp) {
        MarketView& view = seen(index);
        view.trade = {};
        view.trade.ts_event = stamp != 0 ? stamp : now;
        view.trade.ts_recv = now;
        view.trade.price = price;
        view.trade.size = size;
        view.trade.side = named<Side>(nb::str(side.c_str()), side_names, "side");
        view.has_trade = true;
        measure(index, now, true);
        if (exchange_.active(index)) exchange_.on_trade(index, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list book(std::int64_t now, const Levels& bids, const Levels& asks, bool snapshot,
                  std::uint32_t index, std::int64_t stamp) {
        MarketView& view = seen(index);
        Market& market = *markets_[index];
        BookPayload payload{};
        payload.ts_event = stamp != 0 ? stamp : now;
        payload.ts_recv = now;
        payload.bid_count = static_cast<std::uint32_t>(bids.size());
        payload.ask_count = static_cast<std::uint32_t>(asks.size());
        std::vector<BookLevel> levels;
        for (const auto* side : {&bids, &asks}) {
            for (const auto& [price, size] : *side) levels.push_back({price, size});
        }
        view.keep_mid();
        (void)market.book.apply(payload, snapshot ? flag_snapshot : std::uint16_t{0},
                                levels.data());
        view.book = &market.book;
        measure(index, now);
        if (exchange_.active(index)) exchange_.on_book(index, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list mbo(std::int64_t now, const nb::object& action, std::uint64_t order_id,
                 const nb::object& side, std::int64_t price, std::int64_t size, bool last,
                 bool reported, std::uint16_t flags, std::uint32_t index) {
        MarketView& view = seen(index);
        Market& market = *markets_[index];
        view.keep_mid();
        if (!market.orders) {
            market.orders = std::make_unique<MboBook>(market.book);
            view.book = &market.book;
            view.orders = market.orders.get();
            exchange_.begin_orders(index);
        }
        const MboPayload event = mbo_from(now, action, order_id, side, price, size, last, reported);
        exchange_.on_mbo(index, now, market.orders->apply(event, flags));
        if (last) measure(index, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list bar(std::int64_t ts_open, std::int64_t ts_close, std::int64_t open, std::int64_t high,
                 std::int64_t low, std::int64_t close, std::int64_t volume, std::uint32_t index) {
        MarketView& view = seen(index);
        view.bar = {};
        view.bar.ts_open = ts_open;
        view.bar.ts_close = ts_close;
        view.bar.period_ns = ts_close - ts_open;
        view.bar.open = open;
        view.bar.high = high;
        view.bar.low = low;
        view.bar.close = close;
        view.bar.volume = volume;
        view.has_bar = true;
        view.has_volume = view.has_volume || volume > 0;
        if (exchange_.active(index) || exchange_.held(index)) exchange_.on_bar(index, ts_close);
        if (exchange_.interest(index)->pushed) exchange_.measure_bar(index);
        if (exchange_.held(index)) exchange_.watch(index, ts_close);
        return drain();
    }

    nb::list mark(std::int64_t now, std::int64_t mark, std::int64_t index_price,
                  std::uint32_t index) {
        MarketView& view = seen(index);
        view.mark = mark;
        if (index_price != 0) view.index = index_price;
        measure(index, now);
        if (exchange_.active(index)) exchange_.on_mark(index, now);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list request(std::int64_t now, std::uint32_t index, const nb::kwargs& kwargs) {
        exchange_.request(index, now, request_from_kwargs(kwargs));
        return drain();
    }

    nb::list funding(std::int64_t now, std::int64_t rate, std::int64_t mark, std::uint32_t index) {
        FundingPayload payload{};
        payload.ts_event = payload.ts_recv = now;
        payload.rate = rate;
        payload.mark = mark;
        exchange_.on_funding(index, now, payload);
        if (exchange_.held(index)) exchange_.watch(index, now);
        return drain();
    }

    nb::list expire(std::int64_t now) {
        exchange_.expire(now);
        return drain();
    }
    nb::list finish(std::int64_t now) {
        exchange_.finish(now);
        return drain();
    }

    nb::dict counters() const {
        const RecordedCounters& c = exchange_.counters();
        nb::dict result;
        result["orders"] = c.orders;
        result["rejected"] = c.rejected;
        result["fills"] = c.fills;
        result["fills_without_volume"] = c.fills_without_volume;
        result["fills_without_size"] = c.fills_without_size;
        result["fills_beyond_touch"] = c.fills_beyond_touch;
        result["trades_beyond_display"] = c.trades_beyond_display;
        result["ambiguous_bars"] = c.ambiguous_bars;
        result["ambiguous_fills"] = c.ambiguous_fills;
        result["gapped_limits"] = c.gapped_limits;
        result["late_stops"] = c.late_stops;
        result["settlements"] = c.settlements;
        result["rate_limited"] = c.rate_limited;
        result["fee_tier_changes"] = c.fee_tier_changes;
        result["liquidations"] = c.liquidations;
        result["liquidations_without_mark"] = c.liquidations_without_mark;
        result["queue_unknown"] = c.queue_unknown;
        result["insurance_payments"] = c.insurance_payments;
        result["deleveragings"] = c.deleveragings;
        result["deleveragings_missed"] = c.deleveragings_missed;
        result["loan_calls"] = c.loan_calls;
        result["loan_liquidations"] = c.loan_liquidations;
        result["impact_fills"] = c.impact_fills;
        result["impact_unmeasured"] = c.impact_unmeasured;
        return result;
    }

    Account account_;
    RecordedExchange exchange_;

 private:
    struct Market {
        MarketView view;
        Book book;
        std::unique_ptr<MboBook> orders;
    };

 public:
    nb::list drain() {
        nb::list events = events_;
        events_ = nb::list();
        return events;
    }

 private:
    void measure(std::uint32_t index, std::int64_t now, bool is_trade = false) {
        if (exchange_.interest(index)->pushed) exchange_.measure(index, now, is_trade);
    }
    MarketView& seen(std::uint32_t index) {
        if (index >= markets_.size()) throw nb::index_error("no such instrument");
        MarketView& view = markets_[index]->view;
        ++view.version;
        return view;
    }
    nb::list events_;
    std::vector<std::unique_ptr<Market>> markets_;
};

}  // namespace

void bind_recorded(nb::module_& m) {
    nb::class_<PyRecorded>(m, "RecordedExchange",
                           "Own orders against a recorded market. Every call gives the list of "
                           "what it caused, in order.")
        .def(nb::init<bool, std::int64_t, std::int64_t, bool, bool, int, double, bool,
                      const std::tuple<double, double, std::int64_t, std::int64_t>&, bool>(),
             nb::arg("hedge") = false, nb::arg("leverage") = 1,
             nb::arg("bar_volume_share") = 500'000, nb::arg("check_funds") = true,
             nb::arg("isolated") = false, nb::arg("queue_model") = 0,
             nb::arg("queue_exponent") = 1.0, nb::arg("queue_by_order") = false,
             nb::arg("impact") = std::tuple(0.0, 0.0, 1, 1), nb::arg("limits_at_limit") = false)
        .def("add_instrument", &PyRecorded::add_instrument, nb::arg("index"), nb::arg("spec"),
             nb::arg("settle"), nb::arg("base"))
        .def(
            "set_terms",
            [](PyRecorded& self, std::uint32_t index, const InstrumentTerms& terms) {
                self.exchange_.set_terms(index, terms);
            },
            nb::arg("index"), nb::arg("terms"))
        .def(
            "set_rules",
            [](PyRecorded& self, const VenueRules& rules) { self.exchange_.set_rules(rules); },
            nb::arg("rules"))
        .def("deleverage", &PyRecorded::deleverage, nb::arg("now"), nb::arg("size"),
             nb::arg("price"), nb::arg("side") = "both", nb::arg("index") = 0)
        .def(
            "begin", [](PyRecorded& self, std::int64_t now) { self.exchange_.begin(now); },
            nb::arg("now"))
        .def(
            "deposit",
            [](PyRecorded& self, std::uint32_t currency, const nb::object& amount) {
                self.exchange_.deposit(currency, money_from_python(amount));
            },
            nb::arg("currency"), nb::arg("amount"))
        .def(
            "run_events",
            [](PyRecorded& self, std::int64_t now) {
                while (self.exchange_.next_event() <= now)
                    self.exchange_.run_events(self.exchange_.next_event());
                return self.drain();
            },
            nb::arg("now"), "All that is due by then.")
        .def(
            "add_volume",
            [](PyRecorded& self, std::int64_t now, const nb::object& amount) {
                self.exchange_.add_volume(now, money_from_python(amount));
            },
            nb::arg("now"), nb::arg("amount"))
        .def("quote", &PyRecorded::quote, nb::arg("now"), nb::arg("bid"), nb::arg("ask"),
             nb::arg("bid_size") = 0, nb::arg("ask_size") = 0, nb::arg("index") = 0,
             nb::arg("stamp") = 0)
        .def("trade", &PyRecorded::trade, nb::arg("now"), nb::arg("price"), nb::arg("size"),
             nb::arg("side") = "none", nb::arg("index") = 0, nb::arg("stamp") = 0)
        .def("book", &PyRecorded::book, nb::arg("now"), nb::arg("bids"), nb::arg("asks"),
             nb::arg("snapshot") = true, nb::arg("index") = 0, nb::arg("stamp") = 0)
        .def("mbo", &PyRecorded::mbo, nb::arg("now"), nb::arg("action"), nb::arg("order_id") = 0,
             nb::arg("side") = "none", nb::arg("price") = 0, nb::arg("size") = 0,
             nb::arg("last") = true, nb::arg("reported") = false, nb::arg("flags") = 0,
             nb::arg("index") = 0)
        .def("bar", &PyRecorded::bar, nb::arg("ts_open"), nb::arg("ts_close"), nb::arg("open"),
             nb::arg("high"), nb::arg("low"), nb::arg("close"), nb::arg("volume") = 0,
             nb::arg("index") = 0)
        .def("mark", &PyRecorded::mark, nb::arg("now"), nb::arg("mark"), nb::arg("index_price") = 0,
             nb::arg("index") = 0)
        .def(
            "attach",
            [](PyRecorded& self, std::uint64_t order_id, std::uint64_t entry, std::int64_t share,
               std::int64_t distance) {
                self.exchange_.attach(order_id, {entry, share, distance});
            },
            nb::arg("order_id"), nb::arg("entry"), nb::arg("share") = 0, nb::arg("distance") = 0)
        .def(
            "gapped_gain",
            [](const PyRecorded& self, std::uint32_t index) {
                return money_to_python(self.exchange_.gapped_gain(index));
            },
            nb::arg("index") = 0)
        .def("request", &PyRecorded::request, nb::arg("now"), nb::arg("index") = 0,
             nb::arg("request"))
        .def("funding", &PyRecorded::funding, nb::arg("now"), nb::arg("rate"), nb::arg("mark") = 0,
             nb::arg("index") = 0)
        .def("expire", &PyRecorded::expire, nb::arg("now"))
        .def("finish", &PyRecorded::finish, nb::arg("now"))
        .def(
            "working",
            [](const PyRecorded& self, std::uint32_t index) {
                return self.exchange_.working(index);
            },
            nb::arg("index") = 0)
        .def(
            "units_ahead",
            [](const PyRecorded& self, std::uint64_t order_id) -> nb::object {
                const std::int64_t ahead = self.exchange_.units_ahead(0, order_id);
                return ahead == QueuePlace::unknown ? nb::none() : nb::object(nb::int_(ahead));
            },
            nb::arg("order_id"), nb::sig("def units_ahead(self, order_id: int) -> int | None"),
            "What stands before a resting order; None where that is not known.")
        .def_prop_ro("next_event",
                     [](const PyRecorded& self) { return self.exchange_.next_event(); })
        .def_prop_ro("next_expiry",
                     [](const PyRecorded& self) { return self.exchange_.next_expiry(); })
        .def_prop_ro(
            "account", [](PyRecorded& self) -> Account& { return self.account_; },
            nb::rv_policy::reference_internal)
        .def(
            "impact_cost",
            [](const PyRecorded& self, std::uint32_t index) {
                return money_to_python(self.exchange_.impact_cost(index));
            },
            nb::arg("index") = 0)
        .def("pushed_fills",
             [](const PyRecorded& self) {
                 nb::list found;
                 for (const PushedFill& each : self.exchange_.pushed_fills())
                     found.append(nb::make_tuple(each.instrument, each.trade_id, each.recorded));
                 return found;
             })
        .def("counters", &PyRecorded::counters);
}
