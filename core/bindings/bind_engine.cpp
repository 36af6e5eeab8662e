// The loop for Python: set-up by onetape/engine, the loop, the robot's services.
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <map>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/exchange_cast.hpp"
#include "bindings/py_trading_loop.hpp"
#include "engine/reasons.hpp"
#include "engine/trading_loop.hpp"
#include "exchange/round_trips.hpp"
#include "market/conflation.hpp"

using namespace onetape;

namespace {

Money money_from(nb::handle text) {
    // Exact decimal text, as onetape.model.money writes it.
    const std::string digits = nb::cast<std::string>(nb::str(text));
    Int128 value = 0;
    int decimals = -1;
    bool negative = false;
    for (const char c : digits) {
        if (c == '-')
            negative = true;
        else if (c == '.')
            decimals = 0;
        else if (c >= '0' && c <= '9') {
            if (decimals >= money_decimals) continue;
            value = value * 10 + (c - '0');
            if (decimals >= 0) ++decimals;
        } else
            throw nb::value_error("not a plain decimal");
    }
    value *= pow10(money_decimals - (decimals < 0 ? 0 : decimals));
    return negative ? -value : value;
}

std::string money_text(Money amount) {
    return decimal_text(amount, money_decimals);
}

nb::bytes digest_bytes(const Digest& digest) {
    return nb::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
}

template <class Number>
nb::object column(std::vector<Number> values) {
    auto* kept = new std::vector<Number>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<Number>*>(p); });
    return nb::cast(
        nb::ndarray<nb::numpy, Number, nb::ndim<1>>(kept->data(), {kept->size()}, owner));
}

template <class Number>
using Column = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::tuple round_trips(const Column<std::int64_t>& time, const Column<std::int64_t>& book,
                      const Column<double>& qty, const Column<double>& realized,
                      const Column<double>& fee) {
    const std::size_t count = time.shape(0);
    if (book.shape(0) != count || qty.shape(0) != count || realized.shape(0) != count ||
        fee.shape(0) != count)
        throw nb::value_error("columns of fills are of one length");
    RoundTrips trips;
    for (std::size_t i = 0; i < count; ++i)
        trips.add({time(i), book(i), qty(i), realized(i), fee(i)});
    return nb::make_tuple(column(std::move(trips.opened)), column(std::move(trips.closed)),
                          column(std::move(trips.net)), column(std::move(trips.book)));
}

nb::object mbo_counts_of(const PyTradingLoop& s, std::uint32_t index) {
    const MboCounts* counts = s.core->mbo_counts(index);
    return counts ? nb::object(counts_to_dict(*counts)) : nb::none();
}

}  // namespace

void bind_engine(nb::module_& m) {
    if (!EventFactory::ready(m.ptr())) throw nb::python_error();
    m.attr("REFUSALS_MAX") = refusals_max;
    m.def("set_event_reuse", &EventFactory::set_reuse);
    m.def("event_reuse", &EventFactory::reuse);
    m.def("round_trips", &round_trips, nb::arg("time"), nb::arg("book"), nb::arg("qty"),
          nb::arg("realized"), nb::arg("fee"),
          "Columns of round trips (opened, closed, net of fees, book) from fills in order.");
    nb::class_<FrameBlock>(m, "FrameBlock", "Checked frames of a tape that several loops take.")
        .def(nb::init<nb::object, std::uint64_t>(), nb::arg("reader"), nb::arg("last_sequence"))
        .def("read", &FrameBlock::read, "The next frames; False: there are no more.");
    // For the self-test at import: shows one quote after another to `callback`.
    m.def("show_quotes", [](nb::callable callback,
                            const std::vector<std::pair<std::int64_t, std::int64_t>>& quotes) {
        EventFactory events;
        const nb::object symbol = nb::str("self:TEST");
        const EventOrigin origin{symbol.ptr(), 10.0, 1.0, 1, 0};
        for (const auto& [bid, ask] : quotes) {
            QuotePayload payload{};
            payload.bid = bid;
            payload.ask = ask;
            payload.ts_recv = bid;
            PyObject* event = events.quote(origin, payload);
            if (!event) throw nb::python_error();
            PyObject* arguments[2] = {nullptr, event};
            PyObject* result = PyObject_Vectorcall(callback.ptr(), arguments + 1,
                                                   1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
            if (!result) throw nb::python_error();
            Py_DECREF(result);
        }
    });
    bind_exchange_ports(m);
    bind_strategy_objects(m);
    bind_kept_objects(m);

    // The content of a journal, in one pass: {stream: {type: count}}, {stream: [bar periods]}, the
    // first and the last time, and {stream: payload} of the last instrument frame of each.
    m.def("inventory", [](PyReader& reader) {
        std::map<std::uint32_t, std::map<int, std::uint64_t>> counts;
        std::map<std::uint32_t, std::map<std::int64_t, bool>> periods;
        std::map<std::uint32_t, std::string> instruments;
        std::int64_t first = 0, last = 0;
        Status status = Status::ok;
        {
            const nb::gil_scoped_release release;
            Frame frame;
            // A run of equal (stream, type) costs no look-up.
            std::uint64_t* counter = nullptr;
            std::uint32_t stream = 0, type = 0;
            while ((status = reader.reader->next(frame)) == Status::ok) {
                const FrameHeader& header = *frame.header;
                if (!counter || header.stream != stream || header.type != type) {
                    stream = header.stream;
                    type = header.type;
                    counter = &counts[stream][header.type];
                }
                ++*counter;
                if (frame.type() == EventType::bar && frame.payload_bytes >= sizeof(BarPayload))
                    periods[stream][frame.as<BarPayload>().period_ns] = true;
                if (frame.type() == EventType::instrument)
                    instruments[stream].assign(reinterpret_cast<const char*>(frame.payload),
                                               frame.payload_bytes);
                if (first == 0) first = header.time;
                last = header.time;
            }
        }
        if (status != Status::not_found) raise_reader(*reader.reader, status);
        nb::dict by_stream, bars, facts;
        for (const auto& [stream, types] : counts) {
            nb::dict inner;
            for (const auto& [type, count] : types) inner[nb::int_(type)] = count;
            by_stream[nb::int_(stream)] = inner;
        }
        for (const auto& [stream, set] : periods) {
            nb::list all;
            for (const auto& [period, seen] : set) all.append(period);
            bars[nb::int_(stream)] = all;
        }
        for (const auto& [stream, payload] : instruments)
            facts[nb::int_(stream)] = nb::bytes(payload.data(), payload.size());
        return nb::make_tuple(by_stream, bars, first, last, facts);
    });

    // How conflated depth is, by stream: over the first `frames_max` of depth and trades.
    m.def(
        "depth_conflation",
        [](PyReader& reader, std::uint64_t frames_max) {
            std::map<std::uint32_t, Conflation> streams;
            {
                const nb::gil_scoped_release release;
                Frame frame;
                for (std::uint64_t frames = 0;
                     frames < frames_max && reader.reader->next(frame) == Status::ok;) {
                    if (frame.type() == EventType::book &&
                        book_fits(frame.payload, frame.payload_bytes)) {
                        const auto* levels =
                            reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload));
                        streams[frame.header->stream].on_book(frame.as<BookPayload>(),
                                                              frame.header->flags, levels,
                                                              frame.header->time);
                    } else if (frame.type() == EventType::trade &&
                               frame.payload_bytes >= sizeof(TradePayload)) {
                        streams[frame.header->stream].on_trade(frame.as<TradePayload>());
                    } else {
                        continue;
                    }
                    ++frames;
                }
            }
            nb::dict found;
            for (const auto& [stream, measured] : streams) {
                const ConflationFacts facts = measured.facts();
                if (facts.messages == 0) continue;
                nb::dict row;
                row["messages"] = facts.messages;
                row["prints"] = facts.prints;
                row["explaining"] = facts.explaining;
                row["late"] = facts.late;
                row["stamped"] = facts.stamped;
                row["interval_median_ns"] = facts.interval_median;
                found[nb::int_(stream)] = row;
            }
            return found;
        },
        nb::arg("reader"), nb::arg("frames_max"),
        nb::sig("def depth_conflation(reader: JournalReader, frames_max: int) -> "
                "dict[int, dict[str, int]]"));

    m.def("compiled_services", &compiled_services,
          "Name and address of each service that a compiled strategy may call.");
    nb::enum_<RunOutcome>(m, "RunOutcome")
        .value("ENDED", RunOutcome::ended)
        .value("REACHED", RunOutcome::reached)
        .value("LIMIT", RunOutcome::limit)
        .value("STOPPED", RunOutcome::stopped)
        .value("FAILED", RunOutcome::failed);

    nb::class_<PyTradingLoop> loop(
        m, "TradingLoop",
        "Tapes in, actions out, in virtual time. See core/engine/trading_loop.hpp.");
    loop.def(nb::init<nb::object, std::shared_ptr<ExchangePort>, const AccountOptions&,
                      std::int64_t, std::string>(),
             nb::arg("host"), nb::arg("exchange"), nb::kw_only(), nb::arg("account"),
             nb::arg("sample_every"), nb::arg("robot_tag"),
             "exchange: what it trades with, for this loop alone. sample_every: ns between equity "
             "samples, 0: none.")
        .def("add_instrument", &PyTradingLoop::add_instrument)
        .def("update_instrument",
             [](PyTradingLoop& s, std::uint32_t index, const InstrumentSpec& spec) {
                 return s.core->update_instrument(index, spec);
             })
        .def("set_terms", [](PyTradingLoop& s, std::uint32_t index,
                             const InstrumentTerms& terms) { s.core->set_terms(index, terms); })
        .def("set_rules",
             [](PyTradingLoop& s, const VenueRules& rules) { s.core->set_rules(rules); })
        .def("set_fee_volume",
             [](PyTradingLoop& s, nb::handle amount) {
                 s.core->exchange().set_fee_volume(money_from(amount));
             })
        .def(
            "set_group_volume",
            [](PyTradingLoop& s, std::uint32_t group, nb::handle amount) {
                s.core->exchange().set_fee_volume(group, money_from(amount));
            },
            "Traded before the start, in one volume group.")
        .def(
            "set_latency",
            [](PyTradingLoop& s, std::uint32_t venue, const LatencyOptions& latency) {
                s.core->exchange().set_latency(venue, latency);
            },
            nb::arg("venue"), nb::arg("latency"), "Before instruments are added.")
        .def("add_source", &PyTradingLoop::add_source)
        .def("limit_source", [](PyTradingLoop& s, std::uint32_t source,
                                std::uint64_t last) { s.core->limit_source(source, last); })
        .def(
            "set_fee_currency",
            [](PyTradingLoop& s, std::uint32_t gateway, std::uint32_t number, std::int64_t currency,
               nb::object name) {
                if (gateway >= s.core->source_count()) throw nb::value_error("no such source");
                s.core->set_fee_currency(gateway, number, currency);
                s.robot->name_fee_currency(gateway, number, std::move(name));
            },
            nb::arg("gateway"), nb::arg("number"), nb::arg("currency"), nb::arg("name"),
            "What a gateway's number of a fee's currency means; -1: none of the account's money.")
        .def(
            "use_filter", [](PyTradingLoop& s) { s.core->use_filter({}); },
            "From now on bad ticks are kept back from exchange and robot.")
        .def_prop_ro(
            "bad_ticks",
            [](const PyTradingLoop& s) {
                nb::dict counts;
                const TickFilter* filter = s.core->filter();
                for (std::size_t i = 1; filter != nullptr && i < tick_rule_names.size(); ++i)
                    if (const auto count = filter->count(static_cast<TickRule>(i)); count != 0)
                        counts[nb::str(tick_rule_names[i].data(), tick_rule_names[i].size())] =
                            count;
                return counts;
            },
            nb::sig("def bad_ticks(self) -> dict[str, int]"), "How many, by rule.")
        .def("use_as_detail",
             [](PyTradingLoop& s, std::uint32_t source) { s.core->use_as_detail(source); })
        .def("use_detail", [](PyTradingLoop& s, std::uint32_t index) { s.core->use_detail(index); })
        .def("map_stream", [](PyTradingLoop& s, std::uint32_t source, std::uint32_t stream,
                              std::int64_t index) { s.core->map_stream(source, stream, index); })
        .def(
            "share_stream",
            [](PyTradingLoop& s, std::uint32_t source, std::uint32_t stream, std::uint32_t of,
               std::uint32_t index) { s.core->share_stream(source, stream, of, index); },
            nb::sig(
                "def share_stream(self, source: int, stream: int, of: int, index: int) -> None"),
            "The market of a stream is that of another account's instrument, too.")
        .def("deposit", [](PyTradingLoop& s, std::uint32_t currency,
                           nb::handle amount) { s.core->deposit(currency, money_from(amount)); })
        .def("carry_brought",
             [](PyTradingLoop& s, nb::handle worth) { s.core->carry_brought(money_from(worth)); })
        .def("carry_earned",
             [](PyTradingLoop& s, std::uint32_t currency, nb::handle amount) {
                 s.core->carry_earned(currency, money_from(amount));
             })
        .def("set_report_currencies",
             [](PyTradingLoop& s, std::vector<std::uint32_t> currencies) {
                 s.core->set_report_currencies(std::move(currencies));
             })
        .def(
            "set_account_money",
            [](PyTradingLoop& s,
               const std::vector<std::tuple<std::uint32_t, std::string, std::string>>& rows) {
                std::vector<AccountMoney> money;
                for (const auto& [currency, account, name] : rows)
                    money.push_back({currency, account, name});
                s.core->set_account_money(std::move(money));
            },
            nb::arg("rows"), "(currency, account, its name): a balance of each goes on the tape.")
        .def("set_writer", &PyTradingLoop::set_writer)
        .def("bind_robot", [](PyTradingLoop& s, nb::handle strategy,
                              nb::handle base) { s.robot->bind(strategy, base); })
        .def("release", &PyTradingLoop::release)
        .def_prop_rw(
            "wants_pulse", [](const PyTradingLoop& s) { return s.robot->wants_pulse; },
            [](PyTradingLoop& s, bool on) { s.robot->wants_pulse = on; })
        // the loop
        .def("warm_up", &PyTradingLoop::warm_up)
        .def("preload",
             [](PyTradingLoop& s, const nb::list& readers, std::int64_t from, std::int64_t until,
                std::int64_t scans_from) {
                 std::vector<Reader*> all;
                 for (const nb::handle reader : readers)
                     all.push_back(nb::cast<PyReader*>(reader)->reader.get());
                 return s.core->preload(all, from, until, scans_from);
             })
        .def("take_history",
             [](PyTradingLoop& s, std::uint32_t source, PyReader& reader, std::uint64_t first,
                std::uint64_t last) {
                 return s.core->take_history(source, *reader.reader, first, last);
             })
        .def("next_time", [](PyTradingLoop& s) { return s.core->next_time(); })
        .def("begin", [](PyTradingLoop& s, std::int64_t now) { s.core->begin(now); })
        .def("leave_callback", &PyTradingLoop::leave_callback)
        .def("run", &PyTradingLoop::run, nb::arg("frames_max"), nb::arg("until"))
        .def("run_checked", &PyTradingLoop::run_checked, nb::arg("block"), nb::arg("until"))
        .def_prop_ro("shares", [](const PyTradingLoop& s) { return s.core->shares(); })
        .def("finish_input", &PyTradingLoop::finish_input)
        .def("advance", &PyTradingLoop::advance, nb::arg("until"))
        .def("begin_stop", [](PyTradingLoop& s) { s.core->begin_stop(); })
        .def(
            "raise_failure", [](const PyTradingLoop& s) { raise(s.core->failure()); },
            "What stopped the loop, as the error that it is.")
        // services
        .def_prop_ro("now", [](const PyTradingLoop& s) { return s.core->now(); })
        .def("touch_memory", [](PyTradingLoop& s) { s.robot->unsettled = true; })
        .def("place", &PyTradingLoop::place, nb::arg("symbol"), nb::arg("side"), nb::arg("qty"),
             nb::arg("price").none(), nb::arg("post_only"), nb::arg("reduce_only"), nb::arg("tif"),
             nb::arg("trigger").none(), nb::arg("trigger_by"), nb::arg("trigger_kind").none(),
             nb::arg("position_side").none(), nb::arg("expire").none(), nb::arg("tag"))
        .def("set_target", &PyTradingLoop::set_target, nb::arg("symbol"), nb::arg("qty"),
             nb::arg("reduce_only") = false, nb::arg("more") = nb::none(),
             nb::arg("side") = nb::none(),
             nb::sig("def set_target(self, symbol: str, qty: object, reduce_only: bool = False, "
                     "more: bytes | None = None, side: str | None = None) -> Order | None"))
        .def("plain_target", &PyTradingLoop::plain_target, nb::arg("symbol"), nb::arg("qty"))
        .def("note_target_below_lot", &PyTradingLoop::note_target_below_lot, nb::arg("symbol"),
             "A target that an algorithm is to work is less than one lot.")
        .def_prop_ro("targets_below_lot",
                     [](const PyTradingLoop& s) { return s.below_lot.targets; })
        .def_prop_ro("levels_below_lot", [](const PyTradingLoop& s) { return s.below_lot.levels; })
        .def(
            "set_compiled",
            [](PyTradingLoop& s, std::uintptr_t state,
               const std::map<std::string, std::uintptr_t>& callbacks,
               const std::map<std::string, std::int64_t>& words,
               const std::vector<std::uint32_t>& order_cells, const std::vector<OrderRef>& held) {
                CompiledCallbacks found;
                const auto at = [&](const char* name) {
                    const auto entry = callbacks.find(name);
                    return entry == callbacks.end()
                               ? nullptr
                               : reinterpret_cast<CompiledCallback>(entry->second);
                };
                found.quote = at("on_quote");
                found.trade = at("on_trade");
                found.book = at("on_book");
                found.bar = at("on_bar");
                found.mid_bar = at("on_mid_bar");
                found.mark = at("on_mark");
                found.funding = at("on_funding");
                found.liquidation = at("on_liquidation");
                found.mbo = at("on_mbo");
                found.timer = at("on_timer");
                found.order = at("on_order");
                found.fill = at("on_fill");
                found.position = at("on_position");
                auto* head = reinterpret_cast<CompiledState*>(state);
                auto compiled = std::make_unique<CompiledStrategy>(&s, head, found, order_cells);
                for (const auto& [word, number] : words) compiled->add_word(word, number);
                for (const OrderRef& order : held)
                    if (order->closed()) compiled->note_closed(*order);
                s.set_compiled(std::move(compiled));
            },
            nb::arg("state"), nb::arg("callbacks"), nb::arg("words"), nb::arg("order_cells"),
            nb::arg("held"),
            "The strategy's callbacks as machine code; the memory at `state` stays the caller's. "
            "order_cells: offsets in it of the attributes that hold an order's id; held: the "
            "orders in them now.")
        .def_prop_ro(
            "closed_orders_kept",
            [](const PyTradingLoop& s) {
                return s.robot->compiled ? s.robot->compiled->closed_count() : std::size_t{0};
            },
            "How many closed orders a compiled strategy may still ask about.")
        .def_prop_ro("compiled_error",
                     [](PyTradingLoop& s) -> nb::object {
                         return s.compiled_error.is_valid() ? s.compiled_error : nb::none();
                     })
        .def("set_quotes", &PyTradingLoop::set_quotes, nb::arg("symbol"), nb::arg("bids"),
             nb::arg("asks"), nb::arg("keep_within"), nb::arg("side").none(),
             nb::sig("def set_quotes(self, symbol: str, bids: object, asks: object, "
                     "keep_within: int, side: str | None) -> None"))
        .def("cancel", [](PyTradingLoop& s, const OrderRef& order) { return s.cancel(order); })
        .def("cancel_all", &PyTradingLoop::cancel_all, nb::arg("symbol").none())
        .def("amend", &PyTradingLoop::amend, nb::arg("order"), nb::arg("price").none(),
             nb::arg("qty").none())
        .def_prop_ro("trading", [](const PyTradingLoop& s) { return s.core->trading(); })
        .def("allow_trading", &PyTradingLoop::allow_trading, nb::arg("allowed"))
        .def(
            "set_schedule",
            [](PyTradingLoop& s, const std::vector<std::pair<std::int64_t, bool>>& switches) {
                std::vector<TradingSwitch> schedule;
                for (const auto& [time, open] : switches) schedule.push_back({time, open});
                s.core->set_schedule(std::move(schedule));
            },
            nb::arg("switches"), "(time, whether the robot trades from then on), by time.")
        .def_prop_ro("halted", [](const PyTradingLoop& s) { return s.core->halted(); })
        .def("working", &PyTradingLoop::working, nb::arg("symbol").none(),
             nb::sig("def working(self, symbol: str | None) -> list[Order]"))
        .def("quote", &PyTradingLoop::quote,
             nb::sig("def quote(self, symbol: str) -> Quote | None"))
        .def(
            "funding",
            [](PyTradingLoop& s, nb::handle symbol) {
                const FundingRates& of = s.find(symbol).rates;
                const auto or_none = [](std::int64_t ns) {
                    return ns != 0 ? std::optional(ns) : std::nullopt;
                };
                const auto rate_of = [](const std::optional<std::int64_t>& units) {
                    return units ? std::optional(static_cast<double>(*units) / 1e12) : std::nullopt;
                };
                return nb::make_tuple(rate_of(of.rate()), rate_of(of.predicted()),
                                      or_none(of.interval()), or_none(of.due()));
            },
            nb::arg("symbol"),
            nb::sig("def funding(self, symbol: str) -> tuple[float | None, float | None, "
                    "int | None, int | None]"),
            "(rate, predicted, interval, next_ts), as FundingRates of the model.")
        .def(
            "value_doubled",
            [](PyTradingLoop& s, nb::handle symbol) { return s.find(symbol).value_doubled(); },
            nb::arg("symbol"), nb::sig("def value_doubled(self, symbol: str) -> int"),
            "Twice the price that positions are valued at, in price units; 0: none is known.")
        .def(
            "book",
            [](PyTradingLoop& s, nb::handle symbol) {
                return s.robot->book_view(s.find(symbol).index);
            },
            nb::sig("def book(self, symbol: str) -> LiveBook"))
        .def("position", &PyTradingLoop::position, nb::arg("symbol"), nb::arg("side").none(),
             nb::sig("def position(self, symbol: str, side: str | None) -> Position"))
        .def(
            "hear_sales",
            [](PyTradingLoop& s, nb::object function) { s.robot->hear_sales(std::move(function)); },
            nb::sig("def hear_sales(self, function: object) -> None"),
            "Calls `function` with symbol and size units before each order that sells on spot.")
        .def("is_at", &PyTradingLoop::is_at, nb::arg("symbol"), nb::arg("side").none(),
             nb::arg("wanted"),
             nb::sig("def is_at(self, symbol: str, side: str | None, wanted: int) -> bool"),
             "Whether a position has this quantity, but for the fee paid in the coins of its "
             "purchase.")
        .def("positions", &PyTradingLoop::open_positions,
             nb::sig("def positions(self) -> list[Position]"))
        .def("subscribe", &PyTradingLoop::subscribe)
        .def("bars", &PyTradingLoop::bars)
        .def("name_bars", &PyTradingLoop::name_bars)
        .def("append_cold",
             [](PyTradingLoop& s, int type, nb::bytes payload) {
                 return static_cast<int>(s.core->append_cold(
                     static_cast<EventType>(type), 0,
                     {reinterpret_cast<const std::byte*>(payload.c_str()), payload.size()}));
             })
        .def_prop_ro("equity",
                     [](PyTradingLoop& s) { return static_cast<double>(s.core->equity()) / 1e18; })
        .def_prop_ro(
            "equity_text", [](PyTradingLoop& s) { return money_text(s.core->worth()); },
            "As the records have it: see set_opening_price.")
        .def("set_opening_price",
             [](PyTradingLoop& s, std::uint32_t index, std::int64_t doubled) {
                 s.core->set_opening_price(index, doubled);
             })
        .def("equity_of_text",
             [](PyTradingLoop& s, std::uint32_t currency) {
                 return money_text(s.core->equity_of(currency));
             })
        .def("balance_text",
             [](PyTradingLoop& s, std::uint32_t currency) {
                 return money_text(s.core->account().balance(currency));
             })
        .def("available_text",
             [](PyTradingLoop& s, std::uint32_t currency) {
                 return money_text(s.core->account().available(currency));
             })
        .def("traded_text",
             [](const PyTradingLoop& s, std::uint32_t index) {
                 return money_text(s.core->account().volume(index));
             })
        .def(
            "gained_text",
            [](PyTradingLoop& s, std::uint32_t index) { return money_text(s.core->gained(index)); },
            "Realized and open profit of an instrument, less all fees, with funding and insurance.")
        .def("fees_text",
             [](PyTradingLoop& s, std::uint32_t index) {
                 return money_text(s.core->account().fees(index));
             })
        .def("funding_text",
             [](PyTradingLoop& s, std::uint32_t index) {
                 return money_text(s.core->account().funding(index));
             })
        .def("liquidation_fees_text",
             [](PyTradingLoop& s, std::uint32_t index) {
                 return money_text(s.core->account().liquidation_fees(index));
             })
        .def("insurance_text",
             [](PyTradingLoop& s, std::uint32_t index) {
                 return money_text(s.core->account().insurance(index));
             })
        .def("interest_text",
             [](const PyTradingLoop& s, std::uint32_t currency) {
                 return money_text(s.core->account().interest(currency));
             })
        .def("fee_tier",
             [](const PyTradingLoop& s, std::uint32_t index) {
                 const RecordedExchange* venue = s.core->exchange().matching();
                 return venue ? venue->fee_tier(index) : std::size_t{0};
             })
        .def("volume_text",
             [](PyTradingLoop& s, std::uint32_t index) {
                 RecordedExchange* venue = s.core->exchange().matching();
                 return money_text(venue ? venue->volume(index, s.core->now()) : 0);
             })
        // results
        .def("sample", [](PyTradingLoop& s) { s.core->sample(true); })
        .def("samples",
             [](const PyTradingLoop& s) {
                 std::vector<double> equity, balance, moved;
                 std::vector<std::int64_t> times;
                 for (const EquitySample& sample : s.core->samples()) {
                     times.push_back(sample.time);
                     equity.push_back(static_cast<double>(sample.equity) / 1e18);
                     balance.push_back(static_cast<double>(sample.balance) / 1e18);
                     moved.push_back(static_cast<double>(sample.moved) / 1e18);
                 }
                 return nb::make_tuple(times, column(equity), column(balance),
                                       column(s.core->sampled_prices()),
                                       column(s.core->sampled_positions()), column(moved));
             })
        .def("fill_profits", [](const PyTradingLoop& s) { return column(s.core->fill_profits()); })
        .def_prop_ro("drawdown_text",
                     [](const PyTradingLoop& s) { return money_text(s.core->drawdown_max()); })
        .def_prop_ro("drawdown_ratio",
                     [](const PyTradingLoop& s) { return s.core->drawdown_max_ratio(); })
        .def_prop_ro("order_changes",
                     [](const PyTradingLoop& s) { return s.core->order_changes(); })
        .def_prop_ro("last_refused", [](const PyTradingLoop& s) { return s.core->last_refused(); })
        .def("counters",
             [](const PyTradingLoop& s) {
                 const RunCounters& c = s.core->counters();
                 const RecordedExchange* venue = s.core->exchange().matching();
                 const RecordedCounters x = venue ? venue->counters() : RecordedCounters{};
                 nb::dict d;
                 d["frames"] = c.frames;
                 d["events"] = c.events;
                 d["warmed"] = c.warmed;
                 d["superseded"] = c.superseded;
                 d["actions"] = c.actions;
                 d["orders"] = c.orders;
                 d["fills"] = c.fills;
                 d["denied"] = c.denied;
                 d["rejected"] = c.rejected;
                 d["impossible"] = c.impossible;
                 d["late"] = c.late;
                 d["detail_events"] = c.detail_events;
                 d["detail_holes"] = c.detail_holes;
                 d["detail_incomplete"] = c.detail_incomplete;
                 d["fills_without_volume"] = x.fills_without_volume;
                 d["fills_without_size"] = x.fills_without_size;
                 d["fills_beyond_touch"] = x.fills_beyond_touch;
                 d["fused_quotes"] = s.core->exchange().fused_quotes();
                 d["trades_beyond_display"] = x.trades_beyond_display;
                 d["ambiguous_bars"] = x.ambiguous_bars;
                 d["ambiguous_fills"] = x.ambiguous_fills;
                 d["gapped_limits"] = x.gapped_limits;
                 d["late_stops"] = x.late_stops;
                 d["impact_fills"] = x.impact_fills;
                 d["impact_unmeasured"] = x.impact_unmeasured;
                 d["settlements"] = x.settlements;
                 d["settlements_without_mark"] = x.settlements_without_mark;
                 d["rate_limited"] = x.rate_limited;
                 d["fundings"] = c.funding.settled;
                 d["fundings_repeated"] = c.funding.repeated;
                 d["fundings_early"] = c.funding.early;
                 d["fundings_missing"] = c.funding.missing;
                 d["fee_tier_changes"] = x.fee_tier_changes;
                 d["liquidations"] = x.liquidations;
                 d["liquidations_without_mark"] = x.liquidations_without_mark;
                 d["insurance_payments"] = x.insurance_payments;
                 d["queue_unknown"] = x.queue_unknown;
                 d["deleveragings"] = x.deleveragings;
                 d["deleveragings_missed"] = x.deleveragings_missed;
                 d["loan_calls"] = x.loan_calls;
                 d["loan_liquidations"] = x.loan_liquidations;
                 return d;
             })
        .def(
            "refusals",
            [](const PyTradingLoop& s) {
                const RunCounters& c = s.core->counters();
                nb::dict d;
                d["denied"] = c.denied_by;
                d["rejected"] = c.rejected_by;
                d["canceled"] = c.canceled_by;
                return d;
            },
            nb::sig("def refusals(self) -> dict[str, dict[int, int]]"),
            "Orders that were denied, rejected, or canceled by the venue, by error number.")
        .def("mbo_counts", &mbo_counts_of, nb::arg("index"),
             nb::sig("def mbo_counts(self, index: int) -> dict[str, int] | None"),
             "What was wrong with the market-by-order data that fill here, by kind; None without.")
        .def(
            "by_order",
            [](const PyTradingLoop& s, std::uint32_t index) {
                const RecordedExchange* venue = s.core->exchange().matching();
                return venue != nullptr && venue->by_order(index);
            },
            nb::arg("index"), "Own orders have had their exact place in the queue here.")
        .def(
            "ambiguous_bars",
            [](const PyTradingLoop& s) {
                nb::list found;
                if (const RecordedExchange* venue = s.core->exchange().matching())
                    for (const AmbiguousBar& each : venue->ambiguous_bars())
                        found.append(nb::make_tuple(each.ts_open, each.instrument));
                return found;
            },
            nb::sig("def ambiguous_bars(self) -> list[tuple[int, int]]"),
            "(ts_open, instrument) of the first hundred of them.")
        .def(
            "pushed_fills",
            [](const PyTradingLoop& s) {
                nb::list found;
                if (const RecordedExchange* venue = s.core->exchange().matching())
                    for (const PushedFill& each : venue->pushed_fills())
                        found.append(nb::make_tuple(each.instrument, each.trade_id, each.recorded));
                return found;
            },
            nb::sig("def pushed_fills(self) -> list[tuple[int, int, int]]"),
            "(instrument, trade, price without it) of fills that own impact has made dearer.")
        .def(
            "impact_cost",
            [](const PyTradingLoop& s, std::uint32_t index) {
                const RecordedExchange* venue = s.core->exchange().matching();
                return decimal_text(venue ? venue->impact_cost(index) : 0, money_decimals);
            },
            nb::arg("index"), "What own impact has cost takers, in the settle currency.")
        .def(
            "gapped_gain",
            [](const PyTradingLoop& s, std::uint32_t index) {
                const RecordedExchange* venue = s.core->exchange().matching();
                return decimal_text(venue ? venue->gapped_gain(index) : 0, money_decimals);
            },
            nb::arg("index"),
            "What resting limits got beyond their own price at opens, in the settle currency.")
        .def(
            "fee_changes",
            [](const PyTradingLoop& s) {
                nb::list found;
                for (const auto& [instrument, news] : s.core->fee_changes())
                    found.append(nb::make_tuple(news.time, instrument, news.tier, news.maker,
                                                news.taker,
                                                decimal_text(news.volume, money_decimals)));
                return found;
            },
            nb::sig("def fee_changes(self) -> list[tuple[int, int, int, int, int, str]]"),
            "(time, instrument, tier, maker, taker, volume) of the first hundred of them.")
        .def("action_hash",
             [](const PyTradingLoop& s) { return digest_bytes(s.core->action_hash()); })
        .def("state_hash",
             [](const PyTradingLoop& s, nb::bytes memory) {
                 return digest_bytes(s.core->state_hash(
                     {reinterpret_cast<const std::byte*>(memory.c_str()), memory.size()}));
             })
        .def("source_position", [](const PyTradingLoop& s, std::uint32_t source) {
            return nb::make_tuple(s.core->source_sequence(source), s.core->source_crc(source));
        });
    bind_live(m, loop);
    bind_notes(loop);
    bind_calls(loop);
}
