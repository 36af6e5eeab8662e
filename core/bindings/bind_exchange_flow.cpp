// The generated market for Python: event by event, or straight into a journal.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/exchange_cast.hpp"
#include "exchange/flow.hpp"
#include "journal/writer.hpp"

using namespace onetape;

namespace {

// Own orders in the generated books: their reports wait here.
class InboxSink final : public ParticipantSink {
 public:
    nb::list events;

    void on_order_event(std::uint32_t symbol, std::uint32_t participant,
                        const OrderEventPayload& event) override {
        const nb::gil_scoped_acquire hold;
        nb::dict said = order_event_to_dict(participant, event);
        said["symbol"] = symbol;
        events.append(said);
    }
    void on_fill(std::uint32_t symbol, std::uint32_t participant,
                 const FillPayload& fill) override {
        const nb::gil_scoped_acquire hold;
        nb::dict said = fill_to_dict(participant, fill);
        said["symbol"] = symbol;
        events.append(said);
    }
};

class PyFlow {
 public:
    PyFlow(const PyFlow&) = delete;  // the flow refers to the inbox
    PyFlow& operator=(const PyFlow&) = delete;
    PyFlow(const nb::list& symbols, std::uint64_t seed, std::int64_t start, double rate,
           const std::optional<RandomWalk>& walk, bool by_order) {
        if (!(rate > 0.0 && rate <= 1e6)) throw nb::value_error("rate must be in (0, 1e6]");
        std::vector<FlowSymbol> wanted;
        for (const nb::handle item : symbols) {
            FlowSymbol symbol;
            symbol.spec = nb::cast<InstrumentSpec>(item["spec"]);
            symbol.price = nb::cast<std::int64_t>(item["price"]);
            symbol.size_typical = nb::cast<std::int64_t>(item["size_typical"]);
            symbol.volatility = nb::cast<double>(item["volatility"]);
            symbol.correlation = nb::cast<double>(item["correlation"]);
            if (symbol.price < 100 * symbol.spec.tick) {
                throw nb::value_error("a symbol begins at 100 ticks or more");
            }
            if (!(symbol.volatility > 0.0 && symbol.volatility <= 10.0)) {
                throw nb::value_error("volatility must be in (0, 10]");
            }
            if (!(symbol.correlation >= 0.0 && symbol.correlation <= 1.0)) {
                throw nb::value_error("correlation must be in [0, 1]");
            }
            wanted.push_back(symbol);
        }
        if (wanted.empty()) throw nb::value_error("a flow needs a symbol");
        count_ = wanted.size();
        quotes_.resize(count_);
        books_.resize(count_);
        const FlowOptions options{
            .kind = walk ? FlowKind::random_walk : FlowKind::crowd,
            .walk = walk.value_or(RandomWalk{}),
            .seed = seed,
            .start = start,
            .rate = rate,
            .by_order = by_order,
        };
        flow_ = std::make_unique<Flow>(options, wanted, &inbox_);
    }

    nb::object next(std::optional<std::int64_t> until, bool is_heard) {
        FlowEvent event{};
        while (flow_->next(event, until.value_or(MatchingEngine::never))) {
            const bool is_top = event.type == EventType::quote || event.type == EventType::book;
            if (is_heard || !is_top) return as_tuple(event);
            pass_over(event);
        }
        return nb::none();
    }

    // The history of each symbol up to `until`: (minutes, marks). A minute is the time of its end,
    // 0 for the last, which has none yet, and its trades. Quotes and depth are skipped.
    nb::list history(std::int64_t until) {
        std::vector<nb::list> minutes(count_), marks(count_), trades(count_);
        FlowEvent event{};
        while (flow_->next(event, until)) {
            const std::uint32_t at = event.symbol;
            switch (event.type) {
                case EventType::trade: {
                    const auto trade = payload_of<TradePayload>(event);
                    trades[at].append(nb::make_tuple(event.time, trade.price, trade.size,
                                                     trade.id_low, static_cast<int>(trade.side)));
                    break;
                }
                case EventType::mark: {
                    const auto mark = payload_of<MarkPayload>(event);
                    engine(at).set_mark(event.time, mark.mark, mark.index);
                    marks[at].append(nb::make_tuple(event.time, mark.mark, mark.index));
                    break;
                }
                case EventType::bar:
                    minutes[at].append(nb::make_tuple(event.time, trades[at]));
                    trades[at] = nb::list();
                    break;
                case EventType::quote:
                case EventType::book:
                    pass_over(event);
                    break;
                default:
                    break;  // single orders of a book are not kept here
            }
        }
        nb::list found;
        for (std::size_t at = 0; at < count_; ++at) {
            minutes[at].append(nb::make_tuple(0, trades[at]));
            found.append(nb::make_tuple(minutes[at], marks[at]));
        }
        return found;
    }

    nb::list take_unheard() {
        nb::list found;
        for (std::vector<Unheard>* each : {&quotes_, &books_}) {
            for (Unheard& last : *each) {
                if (last.payload.empty()) continue;
                last.event.payload = last.payload;
                found.append(as_tuple(last.event));
                last.payload.clear();
            }
        }
        return found;
    }

    // Appends up to `count` events, none at or after `until`; returns the appended counts by symbol
    // and event type.
    nb::dict write(Writer& writer, std::uint64_t count, const std::vector<std::uint32_t>& streams,
                   std::optional<std::int64_t> until) {
        if (streams.size() != count_) throw nb::value_error("one stream for each symbol");
        std::vector<std::array<std::uint64_t, event_type_count + 1>> written(count_);
        std::int64_t first = 0;
        std::int64_t last = 0;
        Status status = Status::ok;
        {
            const nb::gil_scoped_release release;
            for (std::uint64_t done = 0; done < count; ++done) {
                FlowEvent event{};
                if (!flow_->next(event, until.value_or(MatchingEngine::never))) break;
                status = writer.append(event.type, event.flags, streams[event.symbol], event.time,
                                       event.payload.data(),
                                       static_cast<std::uint32_t>(event.payload.size()));
                if (status != Status::ok) break;
                if (first == 0) first = event.time;
                last = event.time;
                ++written[event.symbol][static_cast<std::size_t>(event.type)];
            }
        }
        if (status != Status::ok) raise_if_failed({status, "append of generated events"});
        nb::list by_symbol;
        for (const auto& counts : written) {
            nb::dict by_type;
            for (const EventSpec& spec : event_specs()) {
                const auto at = static_cast<std::size_t>(spec.type);
                if (at < counts.size() && counts[at] != 0) by_type[spec.name] = counts[at];
            }
            by_symbol.append(by_type);
        }
        nb::dict result;
        result["by_symbol"] = by_symbol;
        result["first_ts"] = first;
        result["last_ts"] = last;
        return result;
    }

    std::int64_t next_time() const { return flow_->next_time(); }

    nb::list request(std::uint32_t symbol, std::uint32_t participant, std::int64_t now,
                     const nb::kwargs& kwargs) {
        if (symbol >= count_) throw nb::index_error("no such symbol");
        if (participant == 0) throw nb::value_error("participant 0 is the flow itself");
        flow_->request(symbol, participant, now, request_from_kwargs(kwargs), is_hidden(kwargs));
        return news();
    }

    // Sets the prices for a symbol's triggers besides its trades. 0: unchanged.
    nb::list set_prices(std::uint32_t symbol, std::int64_t now, std::int64_t mark,
                        std::int64_t index) {
        engine(symbol).set_mark(now, mark, index);
        return news();
    }

    nb::list expire(std::int64_t now) {
        for (std::uint32_t symbol = 0; symbol < count_; ++symbol) engine(symbol).expire(now);
        return news();
    }

    std::int64_t next_expiry() {
        std::int64_t next = MatchingEngine::never;
        for (std::uint32_t symbol = 0; symbol < count_; ++symbol) {
            next = std::min(next, engine(symbol).next_expiry());
        }
        return next;
    }

    std::vector<std::tuple<std::int64_t, std::int64_t>> levels(std::uint32_t symbol, Side side,
                                                               std::size_t count) {
        const MatchingEngine& book = engine(symbol);
        std::vector<std::tuple<std::int64_t, std::int64_t>> result;
        for (std::size_t depth = 0; depth < std::min(count, book.level_count(side)); ++depth) {
            const BookLevel level = book.level(side, depth);
            result.emplace_back(level.price, level.size);
        }
        return result;
    }

    MatchingEngine& engine(std::uint32_t symbol) {
        if (symbol >= count_) throw nb::index_error("no such symbol");
        return flow_->engine(symbol);
    }

    nb::list news() {
        nb::list events = inbox_.events;
        inbox_.events = nb::list();
        return events;
    }

 private:
    struct Unheard {
        FlowEvent event{};
        std::vector<std::byte> payload;  // empty: none
    };

    void pass_over(const FlowEvent& event) {
        Unheard& last = (event.type == EventType::quote ? quotes_ : books_)[event.symbol];
        last.event = event;
        last.payload.assign(event.payload.begin(), event.payload.end());
    }

    template <class Payload>
    static Payload payload_of(const FlowEvent& event) {
        Payload payload;
        std::memcpy(&payload, event.payload.data(), sizeof payload);
        return payload;
    }

    static nb::object as_tuple(const FlowEvent& event) {
        return nb::make_tuple(
            static_cast<int>(event.type), event.flags, event.symbol, event.time,
            nb::bytes(reinterpret_cast<const char*>(event.payload.data()), event.payload.size()));
    }

    InboxSink inbox_;
    std::unique_ptr<Flow> flow_;
    std::size_t count_ = 0;
    std::vector<Unheard> quotes_, books_;  // the last of each symbol not yet returned
};

}  // namespace

void onetape::bind_exchange_flow(nb::module_& m) {
    nb::class_<RandomWalk>(m, "RandomWalk",
                           "See onetape.exchange.flow.RandomWalk, which checks it.")
        .def(
            "__init__",
            [](RandomWalk* self, double drift, double deviation, double trade_probability,
               double offset_deviation, std::int64_t size, std::int64_t depth_size,
               std::int32_t levels, std::int64_t step_ns) {
                const bool fits = std::abs(drift) <= 1e6 && deviation >= 0 && deviation <= 1e6 &&
                                  trade_probability >= 0 && trade_probability <= 1 &&
                                  offset_deviation >= 0 && offset_deviation <= 1e6 && size >= 1 &&
                                  size <= 1'000'000 && depth_size >= 1 && depth_size <= 1'000'000 &&
                                  levels >= 1 && levels <= 50 && step_ns >= 1;
                if (!fits) throw nb::value_error("a parameter of the walk is out of its range");
                new (self) RandomWalk{
                    drift,  deviation, trade_probability, offset_deviation, size, depth_size,
                    levels, step_ns};
            },
            nb::kw_only(), nb::arg("drift"), nb::arg("deviation"), nb::arg("trade_probability"),
            nb::arg("offset_deviation"), nb::arg("size"), nb::arg("depth_size"), nb::arg("levels"),
            nb::arg("step_ns"));
    nb::class_<PyFlow>(m, "OrderFlow", "A generated market; see onetape.exchange.flow.")
        .def(nb::init<const nb::list&, std::uint64_t, std::int64_t, double,
                      const std::optional<RandomWalk>&, bool>(),
             nb::arg("symbols"), nb::arg("seed"), nb::arg("start"), nb::arg("rate") = 1.0,
             nb::arg("walk") = nb::none(), nb::arg("by_order") = false)
        .def("next", &PyFlow::next, nb::arg("until") = nb::none(), nb::arg("is_heard") = true,
             "(type id, flags, symbol index, time, payload), or None: nothing before `until`. "
             "is_heard False: quotes and depth are passed over.")
        .def("history", &PyFlow::history, nb::arg("until"),
             nb::sig("def history(self, until: int) -> list[tuple[list[tuple[int, list[tuple[int, "
                     "int, int, int, int]]]], list[tuple[int, int, int]]]]"),
             "The market before `until` in which nobody else takes part. Of each symbol (minutes, "
             "marks): (end, trades), of the running minute end 0; a trade is (time, price, size, "
             "id, side), a mark (time, mark, index). Quotes and depth are passed over.")
        .def("take_unheard", &PyFlow::take_unheard,
             "The last quote and depth of each symbol that were passed over.")
        .def_prop_ro("next_time", &PyFlow::next_time, "No event is earlier than this.")
        .def("write", &PyFlow::write, nb::arg("writer"), nb::arg("count"), nb::arg("streams"),
             nb::arg("until") = nb::none(),
             "Appends to a journal; gives counts by symbol and type, first and last time.")
        .def("request", &PyFlow::request, nb::arg("symbol"), nb::arg("participant"), nb::arg("now"),
             nb::arg("request"),
             "An outside participant acts; gives what was said since the last call.")
        .def("set_prices", &PyFlow::set_prices, nb::arg("symbol"), nb::arg("now"),
             nb::arg("mark") = 0, nb::arg("index") = 0,
             "Mark and index that triggers may go by; gives what was said.")
        .def("expire", &PyFlow::expire, nb::arg("now"), "Ends what was good until now.")
        .def_prop_ro("next_expiry", &PyFlow::next_expiry)
        .def(
            "set_position",
            [](PyFlow& self, std::uint32_t symbol, std::uint32_t participant, std::int64_t qty,
               const std::string& side) {
                self.engine(symbol).set_position(participant, qty, position_side_from(side));
            },
            nb::arg("symbol"), nb::arg("participant"), nb::arg("qty"), nb::arg("side") = "both",
            "The holding that reduce-only orders are measured by.")
        .def(
            "bids",
            [](PyFlow& self, std::uint32_t symbol, std::size_t count) {
                return self.levels(symbol, Side::buy, count);
            },
            nb::arg("symbol"), nb::arg("count") = 1u << 30, "(price, size), best first.")
        .def(
            "asks",
            [](PyFlow& self, std::uint32_t symbol, std::size_t count) {
                return self.levels(symbol, Side::sell, count);
            },
            nb::arg("symbol"), nb::arg("count") = 1u << 30, "(price, size), best first.")
        .def(
            "last_price",
            [](PyFlow& self, std::uint32_t symbol) { return self.engine(symbol).last_price(); },
            nb::arg("symbol"), "0: no trade yet.")
        .def("news", &PyFlow::news, "What was said to outside participants since the last call.");
}
