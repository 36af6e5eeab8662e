// The simulation as Python drives it: set-up by onetape/engine, the loop, the robot's services.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <map>
#include <stdexcept>

#include "bindings/bars_view.hpp"
#include "bindings/bind.hpp"
#include "bindings/journal_reader.hpp"
#include "bindings/robot.hpp"
#include "engine/reasons.hpp"
#include "engine/simulation.hpp"
#include "exchange/errors.hpp"
#include "exchange/order_rules.hpp"

using namespace onetape;

namespace {

Money money_from(nb::handle text) {
    // Exact decimal text, as onetape.model.money writes it.
    const std::string digits = nb::cast<std::string>(nb::str(text));
    Int128 value = 0;
    int decimals = -1;
    bool negative = false;
    for (const char c : digits) {
        if (c == '-') negative = true;
        else if (c == '.') decimals = 0;
        else if (c >= '0' && c <= '9') {
            if (decimals >= money_decimals) continue;
            value = value * 10 + (c - '0');
            if (decimals >= 0) ++decimals;
        } else throw nb::value_error("not a plain decimal");
    }
    value *= pow10(money_decimals - (decimals < 0 ? 0 : decimals));
    return negative ? -value : value;
}

Int128 integer_from(const nb::str& digits) {  // an int beyond 64 bits comes as text
    Int128 value = 0;
    for (const char* c = digits.c_str(); *c; ++c)
        if (*c >= '0' && *c <= '9') value = value * 10 + (*c - '0');
    return digits.c_str()[0] == '-' ? -value : value;
}

// The record that onetape.model.instrument.Instrument.spec() gives.
InstrumentSpec spec_from(const nb::dict& facts) {
    const auto number = [&](const char* name) { return nb::cast<std::int64_t>(facts[name]); };
    InstrumentSpec spec;
    spec.kind = static_cast<ContractKind>(number("kind"));
    spec.price_decimals = static_cast<std::int8_t>(number("price_decimals"));
    spec.size_decimals = static_cast<std::int8_t>(number("size_decimals"));
    spec.tick = number("tick");
    spec.lot = number("lot");
    spec.size_min = number("size_min");
    spec.size_max = number("size_max");
    spec.market_lot = number("market_lot");
    spec.market_size_min = number("market_size_min");
    spec.market_size_max = number("market_size_max");
    spec.notional_min = integer_from(nb::str(nb::handle(facts["notional_min"])));
    spec.multiplier = number("multiplier");
    spec.multiplier_decimals = static_cast<std::int8_t>(number("multiplier_decimals"));
    spec.maker_fee = number("maker_fee");
    spec.taker_fee = number("taker_fee");
    spec.band_up = number("band_up");
    spec.band_down = number("band_down");
    spec.maintenance_rate = number("maintenance_rate");
    return spec;
}

std::string money_text(Money amount) { return decimal_text(amount, money_decimals); }

nb::bytes digest_bytes(const Digest& digest) {
    return nb::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
}

// Kept together: the loop, what answers it, and the Python objects that both stand on.
class PySimulation {
public:
    PySimulation(nb::object host, std::int64_t latency_in, std::int64_t latency_out,
                 std::int64_t bar_volume_share, bool hedge, std::int64_t leverage,
                 std::uint32_t report_currency, std::int64_t sample_every,
                 std::string robot_tag) {
        SimulationOptions options;
        options.latency_in = latency_in;
        options.latency_out = latency_out;
        options.exchange.bar_volume_share = bar_volume_share;
        options.account.hedge = hedge;
        options.account.leverage = leverage;
        options.report_currency = report_currency;
        options.sample_every = sample_every;
        options.robot_tag = std::move(robot_tag);
        core = std::make_shared<Simulation>(options);
        robot = std::make_unique<PyRobot>(core, host);
        core->set_robot(robot.get());
        host_ = std::move(host);
        hedge_ = hedge;
    }

    std::uint32_t add_instrument(const std::string& symbol, const nb::dict& facts,
                                 std::uint32_t settle, std::uint32_t base, nb::object currency) {
        Instrument& added = core->add_instrument(symbol, spec_from(facts), settle, base);
        robot->add_instrument(added, std::move(currency));
        index_[robot->symbol(added.index)] = added.index;
        return added.index;
    }

    std::uint32_t add_source(nb::object reader) {
        kept_.push_back(reader);
        return core->add_source(nb::cast<PyReader*>(reader)->reader.get());
    }

    void keep(nb::object object) { kept_.push_back(std::move(object)); }

    void set_writer(nb::object writer) {
        kept_.push_back(writer);
        core->set_writer(nb::cast<Writer*>(writer));
    }

    Instrument& find(nb::handle symbol) {
        PyObject* index = PyDict_GetItemWithError(index_.ptr(), symbol.ptr());
        if (!index) {
            if (PyErr_Occurred()) throw nb::python_error();
            require_open();
            host_.attr("unknown_symbol")(symbol);  // raises
            throw nb::value_error("unknown symbol");
        }
        return *core->instrument(static_cast<std::uint32_t>(PyLong_AsUnsignedLong(index)));
    }

    RunOutcome run(std::uint64_t frames, std::int64_t until) {
        const Running running(*this);
        const RunOutcome outcome = core->run(frames, until);
        if (robot->has_error()) robot->raise_error();
        return outcome;
    }

    RunOutcome warm_up(std::int64_t start) {
        const Running running(*this);
        const RunOutcome outcome = core->warm_up(start);
        if (robot->has_error()) robot->raise_error();
        return outcome;
    }

    bool finish_input() {
        const Running running(*this);
        const bool done = core->finish_input();
        if (robot->has_error()) robot->raise_error();
        return done;
    }

    bool advance(std::int64_t until) {
        const Running running(*this);
        const bool done = core->advance(until);
        if (robot->has_error()) robot->raise_error();
        return done;
    }

    bool leave_callback() {
        const bool done = core->leave_callback();
        if (robot->has_error()) robot->raise_error();
        return done;
    }

    // --- numbers ---

    // `value` in units on a multiple of step. Floats and ints here, the rest (Decimal, str, numpy
    // scalars) by the model's exact rounding. False: not a number an order can carry.
    bool units_of(nb::handle value, int decimals, std::int64_t step, Rounding rounding,
                  std::int64_t& units) {
        if (PyFloat_Check(value.ptr()))
            return snap(PyFloat_AS_DOUBLE(value.ptr()), decimals, step, rounding, units);
        if (PyBool_Check(value.ptr())) throw nb::type_error("a number, not a bool");
        if (PyLong_Check(value.ptr())) {
            int overflow = 0;
            const long long whole = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
            if (overflow != 0) return false;
            const Int128 exact = static_cast<Int128>(whole) * pow10(decimals);
            Int128 down = exact / step * step;
            if (down > exact) down -= step;
            const bool lower = rounding == Rounding::down ||
                               (rounding == Rounding::toward_zero && exact > 0) ||
                               (rounding == Rounding::nearest && (exact - down) * 2 <= step);
            const Int128 result = down == exact || lower ? down : down + step;
            constexpr Int128 bound = static_cast<Int128>(1) << 62;
            if (result > bound || result < -bound) return false;
            units = static_cast<std::int64_t>(result);
            return true;
        }
        require_open();
        const nb::object answer =
            host_.attr("to_units")(value, decimals, step, static_cast<int>(rounding));
        if (answer.is_none()) return false;
        units = nb::cast<std::int64_t>(answer);
        return true;
    }

    OrderRef place(nb::handle symbol, int side_number, nb::handle qty, nb::handle price,
                   bool post_only, bool reduce_only, const std::string& tif, nb::handle trigger,
                   const std::string& trigger_by, nb::handle position_side, nb::handle expire,
                   const std::string& tag) {
        Instrument& instrument = find(symbol);
        const InstrumentSpec& facts = instrument.spec;
        OrderSpec order;
        order.side = static_cast<Side>(side_number);
        order.tag = tag;
        std::string refusal;
        if (tag.size() > 32) refusal = "the tag is longer than 32 bytes";
        if (tif == "GTC") order.tif = TimeInForce::gtc;
        else if (tif == "IOC") order.tif = TimeInForce::ioc;
        else if (tif == "FOK") order.tif = TimeInForce::fok;
        else if (tif == "GTD") order.tif = TimeInForce::gtd;
        else throw nb::value_error("tif must be GTC, IOC, FOK or GTD");
        if (!expire.is_none()) {
            order.expire_ns = nb::cast<std::int64_t>(expire);
            order.tif = TimeInForce::gtd;
        }
        if (order.tif == TimeInForce::gtd && order.expire_ns <= core->now())
            refusal = "it would expire before it is sent";
        if (post_only) order.flags |= order_post_only;
        if (reduce_only) order.flags |= order_reduce_only;
        if (!price.is_none()) {
            order.type = OrderType::limit;
            if (!units_of(price, facts.price_decimals, facts.tick,
                          order.side == Side::sell ? Rounding::up : Rounding::down, order.price))
                refusal = "the price is not a number that the instrument can carry";
            else if (order.price == 0)
                refusal = "the price is zero";
        }
        if (!trigger.is_none()) {
            if (!units_of(trigger, facts.price_decimals, facts.tick, Rounding::nearest,
                          order.trigger) ||
                order.trigger == 0)
                refusal = "the trigger is not a price that the instrument can carry";
            if (trigger_by == "last") order.trigger_by = TriggerBy::last;
            else if (trigger_by == "mark") order.trigger_by = TriggerBy::mark;
            else if (trigger_by == "index") order.trigger_by = TriggerBy::index;
            else throw nb::value_error("trigger_by must be last, mark or index");
        }
        if (!position_side.is_none()) {
            const std::string text = nb::cast<std::string>(position_side);
            if (text == "long") order.position_side = PositionSide::long_;
            else if (text == "short") order.position_side = PositionSide::short_;
            else if (text != "both") throw nb::value_error("position_side must be long, short or both");
        }
        if (hedge_ == (order.position_side == PositionSide::both))
            return core->deny(instrument, order, error::account_mode,
                              hedge_ ? "the account is in hedge mode: give position_side long or short"
                                     : "the account is in one-way mode: leave position_side out");
        const std::int64_t lot = order.type == OrderType::market && facts.market_lot > 0
                                     ? facts.market_lot : facts.lot;
        if (!units_of(qty, facts.size_decimals, lot, Rounding::down, order.size)) {
            order.size = 0;
            if (refusal.empty()) refusal = "the quantity is not a number that the instrument can carry";
        } else if (order.size <= 0 && refusal.empty()) {
            refusal = "the quantity " + nb::cast<std::string>(nb::str(qty)) +
                      " is less than one lot (" + decimal_text(lot, facts.size_decimals) + ")";
        }
        OrderRef placed = refusal.empty()
                              ? core->place(instrument, order)
                              : core->deny(instrument, order, error::order_invalid, refusal);
        return placed;
    }

    // A signed quantity in units, whole lots toward zero. Raises for what is no number.
    std::int64_t signed_units(nb::handle symbol, nb::handle qty) {
        const InstrumentSpec& facts = find(symbol).spec;
        std::int64_t units = 0;
        if (!units_of(qty, facts.size_decimals, facts.lot, Rounding::toward_zero, units))
            throw nb::value_error("not a quantity that the instrument can carry");
        return units;
    }

    // One level of a ladder, (price, size) in units: the price passive for its side, the size down.
    nb::tuple level_units(nb::handle symbol, int side, nb::handle price, nb::handle size) {
        const InstrumentSpec& facts = find(symbol).spec;
        std::int64_t price_units = 0, size_units = 0;
        if (!units_of(price, facts.price_decimals, facts.tick,
                      static_cast<Side>(side) == Side::sell ? Rounding::up : Rounding::down,
                      price_units) ||
            !units_of(size, facts.size_decimals, facts.lot, Rounding::down, size_units))
            throw nb::value_error("not a level that the instrument can carry");
        return nb::make_tuple(price_units, size_units);
    }

    // A resting post-only limit in units.
    OrderRef place_quote(nb::handle symbol, int side, std::int64_t price, std::int64_t size,
                         const std::string& tag) {
        OrderSpec order;
        order.side = static_cast<Side>(side);
        order.type = OrderType::limit;
        order.flags = order_post_only;
        order.price = price;
        order.size = size;
        order.tag = tag;
        return core->place(find(symbol), order);
    }

    // A market order over signed units, for targets.
    OrderRef place_units(nb::handle symbol, std::int64_t units, bool reduce_only,
                         const std::string& tag) {
        OrderSpec order;
        if (reduce_only) order.flags = order_reduce_only;
        order.side = units > 0 ? Side::buy : Side::sell;
        order.size = units > 0 ? units : -units;
        order.tag = tag;
        return core->place(find(symbol), order);
    }

    bool cancel(const OrderRef& order) {
        require_open();
        return core->cancel(order);
    }

    bool amend(const OrderRef& order, nb::handle price, nb::handle qty) {
        require_open();
        const InstrumentSpec& facts = order->instrument->spec;
        std::int64_t new_price = 0, new_size = 0;
        if (!price.is_none() &&
            !units_of(price, facts.price_decimals, facts.tick,
                      order->side == Side::sell ? Rounding::up : Rounding::down, new_price))
            return false;
        if (!qty.is_none() &&
            (!units_of(qty, facts.size_decimals, facts.lot, Rounding::down, new_size) ||
             new_size <= 0))
            return false;
        return core->amend(order, new_price, new_size);
    }

    nb::list working(nb::handle symbol) {
        nb::list found;
        const Instrument* only = symbol.is_none() ? nullptr : &find(symbol);
        for (const auto& [id, order] : core->orders().working())
            if (!only || order->instrument == only) found.append(nb::cast(order));
        return found;
    }

    std::int64_t cancel_all(nb::handle symbol) {
        require_open();
        const Instrument* only = symbol.is_none() ? nullptr : &find(symbol);
        std::vector<OrderRef> found;
        for (const auto& [id, order] : core->orders().working())
            if (!only || order->instrument == only) found.push_back(order);
        std::int64_t count = 0;
        for (const OrderRef& order : found) count += core->cancel(order) ? 1 : 0;
        return count;
    }

    nb::object quote(nb::handle symbol) {
        Instrument& instrument = find(symbol);
        if (!instrument.view.has_quote) return nb::none();
        EventFactory once;  // an object of its own: the strategy asked to have it
        PyObject* event = once.quote(robot->origin(instrument.index), instrument.view.quote);
        if (!event) throw nb::python_error();
        return nb::borrow(event);
    }

    nb::object position(nb::handle symbol, nb::handle side) {
        Instrument& instrument = find(symbol);
        PositionSide which = PositionSide::both;
        if (!side.is_none()) {
            const std::string text = nb::cast<std::string>(side);
            if (text == "long") which = PositionSide::long_;
            else if (text == "short") which = PositionSide::short_;
            else if (text != "both") throw nb::value_error("side must be long, short or both");
        }
        const std::size_t key = instrument.index * 3 + static_cast<std::size_t>(which);
        if (positions_.size() <= key) positions_.resize(key + 1);
        if (!positions_[key].is_valid())
            positions_[key] = nb::cast(PositionView{core, &instrument, which});
        return positions_[key];
    }

    nb::list open_positions() {
        nb::list found;
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i)
            for (const auto side : {PositionSide::both, PositionSide::long_, PositionSide::short_})
                if (core->account().position(i, side).qty != 0)
                    found.append(nb::cast(PositionView{core, core->instrument(i), side}));
        return found;
    }

    std::uint32_t subscribe(nb::handle symbol, std::uint32_t wants) {
        Instrument& instrument = find(symbol);
        instrument.wants |= wants & robot->overridden();
        return instrument.index;
    }

    BarsView bars(nb::handle symbol, std::int64_t period, int source, std::size_t n) {
        Instrument& instrument = find(symbol);
        for (auto& feed : instrument.bars) {
            if (feed->period != period || static_cast<int>(feed->source) != source) continue;
            if (n > feed->window.capacity()) feed->window.reserve(n);
            const BarRange range = feed->window.last(n);
            auto& arrays = arrays_[feed.get()];
            if (!arrays || arrays->block() != range.block.get())
                arrays = std::make_shared<BarArrays>(range.block);
            return {arrays, range.begin, range.end};
        }
        return {std::make_shared<BarArrays>(std::make_shared<const BarBlock>(0)), 0, 0};
    }

    // What a strategy kept can still be read; nothing acts any more.
    void release() {
        if (running_) throw std::runtime_error("a session cannot be closed from within a callback");
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i) core->instrument(i)->wants = 0;
        robot->release();
        host_.reset();
        positions_.clear();
        index_ = nb::dict();
    }

    std::shared_ptr<Simulation> core;
    std::unique_ptr<PyRobot> robot;

private:
    // The loop calls the strategy, never the other way round.
    class Running {
    public:
        explicit Running(PySimulation& simulation) : simulation_(simulation) {
            if (simulation.running_) throw std::runtime_error("the loop is already running");
            simulation.require_open();
            simulation.running_ = true;
        }
        ~Running() { simulation_.running_ = false; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

    private:
        PySimulation& simulation_;
    };

    void require_open() const {
        if (!host_.is_valid()) throw std::runtime_error("the run is over");
    }

    nb::object host_;
    nb::dict index_;  // symbol -> index
    std::vector<nb::object> kept_, positions_;
    std::map<const BarFeed*, std::shared_ptr<BarArrays>> arrays_;  // of each feed's present block
    bool hedge_ = false;
    bool running_ = false;
};

nb::object column(const std::vector<double>& values) {
    auto* copy = new std::vector<double>(values);
    nb::capsule owner(copy, [](void* p) noexcept { delete static_cast<std::vector<double>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, double, nb::ndim<1>>(copy->data(), {copy->size()}, owner));
}

}  // namespace

void bind_engine(nb::module_& m) {
    if (!EventFactory::ready(m.ptr())) throw nb::python_error();
    m.def("set_event_reuse", &EventFactory::set_reuse);
    m.def("event_reuse", &EventFactory::reuse);
    // For the self-test at import: shows one quote after another to `callback`.
    m.def("show_quotes", [](nb::callable callback, const std::vector<std::pair<std::int64_t, std::int64_t>>& quotes) {
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
    bind_strategy_objects(m);

    // What a journal holds, in one pass: {stream: {type: count}} and {stream: [bar periods]}.
    m.def("inventory", [](PyReader& reader) {
        std::map<std::uint32_t, std::map<int, std::uint64_t>> counts;
        std::map<std::uint32_t, std::map<std::int64_t, bool>> periods;
        std::int64_t first = 0, last = 0;
        {
            const nb::gil_scoped_release release;
            Frame frame;
            // A run of equal (stream, type) costs no look-up.
            std::uint64_t* counter = nullptr;
            std::uint32_t stream = 0, type = 0;
            while (reader.reader->next(frame) == Status::ok) {
                const FrameHeader& header = *frame.header;
                if (!counter || header.stream != stream || header.type != type) {
                    stream = header.stream;
                    type = header.type;
                    counter = &counts[stream][header.type];
                }
                ++*counter;
                if (frame.type() == EventType::bar && frame.payload_bytes >= sizeof(BarPayload))
                    periods[stream][frame.as<BarPayload>().period_ns] = true;
                if (first == 0) first = header.time;
                last = header.time;
            }
        }
        nb::dict by_stream, bars;
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
        return nb::make_tuple(by_stream, bars, first, last);
    });

    m.def("install_order_machine", [](nb::bytes matrix) {
        if (!OrderMachine::install({reinterpret_cast<const std::uint8_t*>(matrix.c_str()), matrix.size()}))
            throw nb::value_error("the order machine's table has the wrong size");
    });
    m.def("order_machine_installed", &OrderMachine::installed);

    nb::enum_<RunOutcome>(m, "RunOutcome")
        .value("ENDED", RunOutcome::ended)
        .value("REACHED", RunOutcome::reached)
        .value("LIMIT", RunOutcome::limit)
        .value("STOPPED", RunOutcome::stopped)
        .value("FAILED", RunOutcome::failed);

    nb::class_<PySimulation>(m, "Simulation",
                             "Tapes in, actions out, in virtual time. See core/engine/simulation.hpp.")
        .def(nb::init<nb::object, std::int64_t, std::int64_t, std::int64_t, bool, std::int64_t,
                      std::uint32_t, std::int64_t, std::string>(),
             nb::arg("host"), nb::kw_only(), nb::arg("latency_in"), nb::arg("latency_out"),
             nb::arg("bar_volume_share"), nb::arg("hedge"), nb::arg("leverage"),
             nb::arg("report_currency"), nb::arg("sample_every"), nb::arg("robot_tag"))
        .def("add_instrument", &PySimulation::add_instrument)
        .def("update_instrument", [](PySimulation& s, std::uint32_t index, const nb::dict& facts) {
            return s.core->update_instrument(index, spec_from(facts));
        })
        .def("add_source", &PySimulation::add_source)
        .def("limit_source", [](PySimulation& s, std::uint32_t source, std::uint64_t last) {
            s.core->limit_source(source, last);
        })
        .def("set_script", [](PySimulation& s, nb::object reader) {
            s.keep(reader);
            s.core->set_script(nb::cast<PyReader*>(reader)->reader.get());
        })
        .def("map_stream", [](PySimulation& s, std::uint32_t source, std::uint32_t stream, std::int64_t index) {
            s.core->map_stream(source, stream, index);
        })
        .def("deposit", [](PySimulation& s, std::uint32_t currency, nb::handle amount) {
            s.core->deposit(currency, money_from(amount));
        })
        .def("set_report_currency", [](PySimulation& s, std::uint32_t currency) { s.core->set_report_currency(currency); })
        .def("set_writer", &PySimulation::set_writer)
        .def("bind_robot", [](PySimulation& s, nb::handle strategy, nb::handle base) {
            s.robot->bind(strategy, base);
        })
        .def("release", &PySimulation::release)
        .def_prop_rw("wants_pulse", [](const PySimulation& s) { return s.robot->wants_pulse; },
                     [](PySimulation& s, bool on) { s.robot->wants_pulse = on; })
        // the loop
        .def("warm_up", &PySimulation::warm_up)
        .def("preload", [](PySimulation& s, const nb::list& readers, std::int64_t from, std::int64_t until) {
            std::vector<Reader*> all;
            for (const nb::handle reader : readers)
                all.push_back(nb::cast<PyReader*>(reader)->reader.get());
            return s.core->preload(all, from, until);
        })
        .def("next_time", [](PySimulation& s) { return s.core->next_time(); })
        .def("begin", [](PySimulation& s, std::int64_t now) { s.core->begin(now); })
        .def("enter_callback", [](PySimulation& s) { s.core->enter_callback(); })
        .def("leave_callback", &PySimulation::leave_callback)
        .def("run", &PySimulation::run, nb::arg("frames_max"), nb::arg("until"))
        .def("finish_input", &PySimulation::finish_input)
        .def("advance", &PySimulation::advance, nb::arg("until"))
        .def("begin_stop", [](PySimulation& s) { s.core->begin_stop(); })
        .def("failure", [](const PySimulation& s) {
            return nb::make_tuple(static_cast<int>(s.core->failure().status), s.core->failure().what);
        })
        // services
        .def_prop_ro("now", [](const PySimulation& s) { return s.core->now(); })
        .def("touch_memory", [](PySimulation& s) { s.robot->memory_touched = true; })
        .def("place", &PySimulation::place, nb::arg("symbol"), nb::arg("side"), nb::arg("qty"),
             nb::arg("price").none(), nb::arg("post_only"), nb::arg("reduce_only"), nb::arg("tif"),
             nb::arg("trigger").none(), nb::arg("trigger_by"), nb::arg("position_side").none(),
             nb::arg("expire").none(), nb::arg("tag"))
        .def("signed_units", &PySimulation::signed_units)
        .def("place_units", &PySimulation::place_units)
        .def("level_units", &PySimulation::level_units,
             nb::sig("def level_units(self, symbol: str, side: int, price: object, size: object) -> tuple[int, int]"))
        .def("place_quote", &PySimulation::place_quote)
        .def("cancel", [](PySimulation& s, const OrderRef& order) { return s.cancel(order); })
        .def("cancel_all", &PySimulation::cancel_all, nb::arg("symbol").none())
        .def("amend", &PySimulation::amend, nb::arg("order"), nb::arg("price").none(),
             nb::arg("qty").none())
        .def("halt", [](PySimulation& s, bool flatten) { s.core->halt(flatten); })
        .def_prop_ro("halted", [](const PySimulation& s) { return s.core->halted(); })
        .def("working", &PySimulation::working, nb::arg("symbol").none(),
             nb::sig("def working(self, symbol: str | None) -> list[Order]"))
        .def("quote", &PySimulation::quote, nb::sig("def quote(self, symbol: str) -> Quote | None"))
        .def("book", [](PySimulation& s, nb::handle symbol) {
            return s.robot->book_view(s.find(symbol).index);
        }, nb::sig("def book(self, symbol: str) -> LiveBook"))
        .def("position", &PySimulation::position, nb::arg("symbol"), nb::arg("side").none(),
             nb::sig("def position(self, symbol: str, side: str | None) -> Position"))
        .def("positions", &PySimulation::open_positions, nb::sig("def positions(self) -> list[Position]"))
        .def("subscribe", &PySimulation::subscribe)
        .def("unsubscribe", [](PySimulation& s, nb::handle symbol) {
            Instrument& instrument = s.find(symbol);
            instrument.wants = 0;
            s.core->unsubscribe_bars(instrument, 0);
        })
        .def("subscribe_bars", [](PySimulation& s, nb::handle symbol, std::int64_t period, int source,
                                  const std::string& text, std::size_t history) {
            BarFeed& feed = s.core->subscribe_bars(s.find(symbol), period,
                                                   static_cast<BarSource>(source), text);
            if (history > feed.window.capacity()) feed.window.reserve(history);
        })
        .def("bars", &PySimulation::bars)
        .def("set_timer", [](PySimulation& s, const std::string& name, std::int64_t every, std::int64_t at) {
            s.core->set_timer(name, every, at);
        })
        .def("cancel_timer", [](PySimulation& s, const std::string& name) { return s.core->cancel_timer(name); })
        .def("append_cold", [](PySimulation& s, int type, nb::bytes payload) {
            return static_cast<int>(s.core->append_cold(static_cast<EventType>(type), 0,
                {reinterpret_cast<const std::byte*>(payload.c_str()), payload.size()}));
        })
        .def_prop_ro("equity", [](PySimulation& s) { return static_cast<double>(s.core->equity()) / 1e18; })
        .def_prop_ro("equity_text", [](PySimulation& s) { return money_text(s.core->equity()); })
        .def("balance_text", [](PySimulation& s, std::uint32_t currency) {
            return money_text(s.core->account().balance(currency));
        })
        .def("available_text", [](PySimulation& s, std::uint32_t currency) {
            return money_text(s.core->account().available(currency));
        })
        .def("fees_text", [](PySimulation& s, std::uint32_t index) { return money_text(s.core->account().fees(index)); })
        .def("funding_text", [](PySimulation& s, std::uint32_t index) { return money_text(s.core->account().funding(index)); })
        .def("realized_text", [](PySimulation& s, std::uint32_t index) {
            Money sum = 0;
            for (const auto side : {PositionSide::both, PositionSide::long_, PositionSide::short_})
                sum += s.core->account().position(index, side).realized;
            return money_text(sum);
        })
        // results
        .def("sample", [](PySimulation& s) { s.core->sample(); })
        .def("samples", [](const PySimulation& s) {
            std::vector<double> equity, balance;
            std::vector<std::int64_t> times;
            for (const EquitySample& sample : s.core->samples()) {
                times.push_back(sample.time);
                equity.push_back(static_cast<double>(sample.equity) / 1e18);
                balance.push_back(static_cast<double>(sample.balance) / 1e18);
            }
            return nb::make_tuple(times, column(equity), column(balance),
                                  column(s.core->sampled_prices()), column(s.core->sampled_positions()));
        })
        .def("fill_profits", [](const PySimulation& s) { return column(s.core->fill_profits()); })
        .def("equity_samples_text", [](const PySimulation& s) {
            nb::list rows;
            for (const EquitySample& sample : s.core->samples())
                rows.append(nb::make_tuple(sample.time, money_text(sample.equity), money_text(sample.balance)));
            return rows;
        })
        .def_prop_ro("drawdown_text", [](const PySimulation& s) { return money_text(s.core->drawdown_max()); })
        .def_prop_ro("drawdown_ratio", [](const PySimulation& s) { return s.core->drawdown_max_ratio(); })
        .def_prop_ro("order_changes", [](const PySimulation& s) { return s.core->order_changes(); })
        .def_prop_ro("last_refused", [](const PySimulation& s) { return s.core->last_refused(); })
        .def("counters", [](const PySimulation& s) {
            const RunCounters& c = s.core->counters();
            const RecordedCounters& x = s.core->exchange_counters();
            nb::dict d;
            d["frames"] = c.frames; d["events"] = c.events; d["warmed"] = c.warmed; d["actions"] = c.actions;
            d["orders"] = c.orders; d["fills"] = c.fills; d["denied"] = c.denied;
            d["rejected"] = c.rejected; d["impossible"] = c.impossible; d["late"] = c.late;
            d["fills_without_volume"] = x.fills_without_volume;
            d["fills_without_size"] = x.fills_without_size;
            d["fills_beyond_touch"] = x.fills_beyond_touch;
            return d;
        })
        .def("action_hash", [](const PySimulation& s) { return digest_bytes(s.core->action_hash()); })
        .def("state_hash", [](const PySimulation& s, nb::bytes memory) {
            return digest_bytes(s.core->state_hash(
                {reinterpret_cast<const std::byte*>(memory.c_str()), memory.size()}));
        })
        .def("source_position", [](const PySimulation& s, std::uint32_t source) {
            return nb::make_tuple(s.core->source_sequence(source), s.core->source_crc(source));
        });
}
