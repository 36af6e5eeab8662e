#include "bindings/robot.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "bindings/py_trading_loop.hpp"

namespace onetape {

void Callback::bind(nb::handle strategy, const char* name) {
    nb::object bound = nb::getattr(strategy, name);
    if (PyMethod_Check(bound.ptr())) {
        function_ = nb::borrow(PyMethod_GET_FUNCTION(bound.ptr()));
        self_ = nb::borrow(PyMethod_GET_SELF(bound.ptr()));
    } else {
        function_ = bound;
        self_.reset();
    }
}

void Callback::bind(nb::object function) {
    function_ = std::move(function);
    self_.reset();
}

void Callback::clear() {
    function_.reset();
    self_.reset();
}

PyRobot::PyRobot(std::shared_ptr<TradingLoop> loop, nb::object host)
    : targets(*loop), loop_(std::move(loop)), host_(std::move(host)) {}

std::array<std::pair<const char*, Callback*>, 15> PyRobot::callbacks() {
    return {{{"on_quote", &quote_},
             {"on_trade", &trade_},
             {"on_book", &book_},
             {"on_bar", &bar_},
             {"on_mark", &mark_},
             {"on_funding", &funding_},
             {"on_liquidation", &liquidation_},
             {"on_mbo", &mbo_},
             {"on_instrument", &instrument_},
             {"on_timer", &timer_},
             {"on_order", &order_},
             {"on_fill", &fill_},
             {"on_position", &position_},
             {"on_health", &health_},
             {"on_event", &event_}}};
}

void PyRobot::bind(nb::handle strategy, nb::handle base) {
    for (const auto& [name, callback] : callbacks()) {
        const nb::object own = nb::getattr(strategy.type(), name);
        const nb::object inherited = nb::getattr(base, name);
        if (!own.is(inherited)) callback->bind(strategy, name);
    }
}

void PyRobot::set_callback(std::string_view name, nb::object function) {
    for (const auto& [listed, callback] : callbacks()) {
        if (name != listed) continue;
        callback->bind(std::move(function));
        return;
    }
    throw nb::value_error("no such callback");
}

std::uint32_t PyRobot::overridden() const {
    return (quote_.set() ? want_quotes : 0) | (trade_.set() ? want_trades : 0) |
           (book_.set() ? want_book : 0) | (mark_.set() ? want_mark : 0) |
           (funding_.set() ? want_funding : 0) | (liquidation_.set() ? want_liquidations : 0) |
           (mbo_.set() ? want_mbo : 0) | (bar_.set() ? 64u : 0u);
}

void PyRobot::add_instrument(const Instrument& instrument, nb::object settle_currency) {
    nb::object symbol = nb::str(instrument.symbol.c_str());
    origins_.push_back({symbol.ptr(), instrument.price_scale, instrument.size_scale,
                        instrument.spec.price_decimals, instrument.spec.size_decimals});
    symbols_.push_back(std::move(symbol));
    currencies_.push_back(std::move(settle_currency));
    books_.emplace_back();
    if (compiled) compiled->add_facts(instrument);
}

void PyRobot::name_fee_currency(std::uint32_t gateway, std::uint32_t number, nb::object name) {
    fee_names_[{gateway, number}] = std::move(name);
}

nb::object PyRobot::fee_currency(const Instrument& instrument, const FillPayload& fill) const {
    if (fill.fee_currency == 0) return currencies_[instrument.index];
    const auto named = fee_names_.find({instrument.gateway, fill.fee_currency});
    return named != fee_names_.end() ? named->second : nb::object(nb::str(""));
}

void PyRobot::release() {
    fee_names_.clear();
    hear_sales_.clear();
    for (const auto& [name, callback] : callbacks()) callback->clear();
    books_.clear();
    compiled.reset();
    targets.clear();
    host_.reset();
}

nb::object PyRobot::book_view(std::uint32_t index) {
    if (books_.size() <= index) books_.resize(index + 1);
    if (!books_[index].is_valid()) {
        const Instrument* instrument = loop_->instrument(index);
        books_[index] = nb::cast(BookView{loop_, instrument, nullptr, instrument->price_scale,
                                          instrument->size_scale, instrument->symbol});
    }
    return books_[index];
}

bool PyRobot::failed(const char* callback_name) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace) PyException_SetTraceback(value, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    nb::object problem = nb::steal(value);
    // Everything but Ctrl-C is the strategy's failure, also sys.exit(): it must not end a run
    // silently.
    if (!PyErr_GivenExceptionMatches(problem.ptr(), PyExc_KeyboardInterrupt) && host_.is_valid()) {
        PyObject* answer =
            PyObject_CallMethod(host_.ptr(), "callback_failed", "sO", callback_name, problem.ptr());
        if (answer) {
            const bool go_on = PyObject_IsTrue(answer) == 1;
            Py_DECREF(answer);
            return go_on;
        }
        PyErr_Fetch(&type, &value, &trace);
        PyErr_NormalizeException(&type, &value, &trace);
        if (trace) PyException_SetTraceback(value, trace);
        Py_XDECREF(type);
        Py_XDECREF(trace);
        problem = nb::steal(value);
    }
    error_ = std::move(problem);
    return false;
}

void PyRobot::raise_error() {
    nb::object problem = std::move(error_);
    error_.reset();
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(problem.ptr())), problem.ptr());
    throw nb::python_error();
}

bool PyRobot::finish(PyObject* result, const char* callback_name) {
    if (!result) [[unlikely]]
        return failed(callback_name);
    Py_DECREF(result);
    return true;
}

// A compiled callback that raised has passed its error to the interpreter's unraisable hook, where
// the host finds it.
bool PyRobot::call_compiled(CompiledCallback callback, const void* payload,
                            std::uint32_t instrument, const char* callback_name) {
    if (callback == nullptr || compiled->call(callback, payload, instrument)) [[likely]]
        return true;
    if (PyErr_CheckSignals() != 0) return failed(callback_name);
    PyObject* problem = PyObject_CallMethod(host_.ptr(), "compiled_problem", nullptr);
    if (problem) {
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(problem)), problem);
        Py_DECREF(problem);
    }
    return failed(callback_name);
}

bool PyRobot::play() {
    playing->play_callback();
    return true;
}

bool PyRobot::on_quote(Instrument& instrument, const QuotePayload& quote) {
    if (compiled)
        return call_compiled(compiled->callbacks.quote, &quote, instrument.index, "on_quote");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.quote(origins_[instrument.index], quote);
    return finish(event ? quote_.call(event) : nullptr, "on_quote");
}

bool PyRobot::on_trade(Instrument& instrument, const TradePayload& trade) {
    if (compiled)
        return call_compiled(compiled->callbacks.trade, &trade, instrument.index, "on_trade");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.trade(origins_[instrument.index], trade);
    return finish(event ? trade_.call(event) : nullptr, "on_trade");
}

bool PyRobot::on_book(Instrument& instrument) {
    if (compiled)
        return call_compiled(compiled->callbacks.book, nullptr, instrument.index, "on_book");
    if (plays()) [[unlikely]]
        return true;
    return finish(book_.call(book_view(instrument.index).ptr()), "on_book");
}

bool PyRobot::on_bar(Instrument& instrument, BarFeed& feed, const BarPayload& bar) {
    if (!bar_.set()) return true;
    if (compiled)
        return call_compiled(
            feed.extra_decimals() != 0 ? compiled->callbacks.mid_bar : compiled->callbacks.bar,
            &bar, instrument.index, "on_bar");
    if (plays()) [[unlikely]]
        return true;
    nb::object period;
    for (const auto& [listed, text] : periods_)
        if (listed == &feed) period = text;
    if (!period.is_valid()) {
        period = nb::str(feed.text.c_str());
        periods_.emplace_back(&feed, period);
    }
    PyObject* event =
        events.bar(origins_[instrument.index], bar, period.ptr(), feed.extra_decimals());
    return finish(event ? bar_.call(event) : nullptr, "on_bar");
}

bool PyRobot::on_mark(Instrument& instrument, const MarkPayload& mark) {
    if (compiled)
        return call_compiled(compiled->callbacks.mark, &mark, instrument.index, "on_mark");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.mark(origins_[instrument.index], mark, instrument.rates.rate());
    return finish(event ? mark_.call(event) : nullptr, "on_mark");
}

bool PyRobot::on_funding(Instrument& instrument, const FundingPayload& funding) {
    if (compiled)
        return call_compiled(compiled->callbacks.funding, &funding, instrument.index, "on_funding");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.funding(origins_[instrument.index], funding);
    return finish(event ? funding_.call(event) : nullptr, "on_funding");
}

bool PyRobot::on_liquidation(Instrument& instrument, const LiquidationPayload& liquidation) {
    if (compiled)
        return call_compiled(compiled->callbacks.liquidation, &liquidation, instrument.index,
                             "on_liquidation");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.liquidation(origins_[instrument.index], liquidation);
    return finish(event ? liquidation_.call(event) : nullptr, "on_liquidation");
}

bool PyRobot::on_mbo(Instrument& instrument, const MboPayload& mbo) {
    if (compiled) return call_compiled(compiled->callbacks.mbo, &mbo, instrument.index, "on_mbo");
    if (plays()) [[unlikely]]
        return true;
    PyObject* event = events.mbo(origins_[instrument.index], mbo);
    return finish(event ? mbo_.call(event) : nullptr, "on_mbo");
}

bool PyRobot::on_instrument(Instrument& instrument) {
    if (!instrument_.set() || plays()) return true;
    PyObject* facts =
        PyObject_CallMethod(host_.ptr(), "instrument_of", "O", symbols_[instrument.index].ptr());
    if (!facts) return failed("on_instrument");
    PyObject* result = instrument_.call(facts);
    Py_DECREF(facts);
    return finish(result, "on_instrument");
}

bool PyRobot::on_timer(const std::string& name) {
    if (targets.timer_due(name)) return true;
    if (!timer_.set()) return true;
    if (compiled) {
        const std::int64_t word = compiled->word(name);
        return call_compiled(compiled->callbacks.timer, &word, 0, "on_timer");
    }
    if (plays()) return true;
    const nb::object text = nb::str(name.c_str(), name.size());
    return finish(timer_.call(text.ptr()), "on_timer");
}

bool PyRobot::on_order(const OrderRef& order) {
    if (playing) [[unlikely]]
        playing->keep_order(order);
    if (compiled) {
        if (order->closed()) compiled->note_closed(*order);
        if (!call_compiled(compiled->callbacks.order, &order->id, order->instrument->index,
                           "on_order"))
            return false;
    } else if (order_.set() && !plays()) {
        const nb::object view = nb::cast(order);
        if (!finish(order_.call(view.ptr()), "on_order")) return false;
    }
    // A target may wait for its own earlier orders to end.
    if (order->closed()) targets.order_closed(*order);
    return true;
}

bool PyRobot::on_fill(const OrderRef& order, const FillPayload& fill) {
    if (compiled) {
        if (order->closed()) compiled->note_closed(*order);
        return call_compiled(compiled->callbacks.fill, &fill, order->instrument->index, "on_fill");
    }
    if (playing) [[unlikely]]
        playing->keep_order(order);
    if (!fill_.set() || plays()) return true;
    const nb::object view = nb::cast(FillView{order, fill, fee_currency(*order->instrument, fill)});
    return finish(fill_.call(view.ptr()), "on_fill");
}

bool PyRobot::on_position(Instrument& instrument, PositionSide side) {
    if (compiled) {
        const auto number = static_cast<std::int64_t>(side);
        return call_compiled(compiled->callbacks.position, &number, instrument.index,
                             "on_position");
    }
    if (!position_.set() || plays()) return true;
    const nb::object view = nb::cast(PositionView{loop_, &instrument, side});
    return finish(position_.call(view.ptr()), "on_position");
}

bool PyRobot::on_health(const char* kind, const std::string& subject, const char* state) {
    if (!health_.set() || plays()) return true;
    const nb::object view = nb::cast(HealthView{kind, subject, state});
    return finish(health_.call(view.ptr()), "on_health");
}

// The host makes the event and writes it, whether or not the strategy has a callback for it.
bool PyRobot::on_scan(std::size_t scan, Instrument& instrument, const ScanChange& change) {
    if (!host_.is_valid()) return true;
    PyObject* event = PyObject_CallMethod(
        host_.ptr(), "scan_event", "nOOLN", static_cast<Py_ssize_t>(scan),
        symbols_[instrument.index].ptr(), change.meets ? Py_True : Py_False,
        static_cast<long long>(change.time), nb::cast(change.values).release().ptr());
    if (!event) return failed("on_event");
    const nb::object kept = nb::steal(event);
    if (!event_.set() || plays()) return true;
    return finish(event_.call(event), "on_event");
}

void PyRobot::before_sale(const Instrument& instrument, std::int64_t size) {
    for (const nb::object& hears : hear_sales_) {
        PyObject* done = PyObject_CallFunction(hears.ptr(), "OL", symbols_[instrument.index].ptr(),
                                               static_cast<long long>(size));
        if (done == nullptr) failed("on_order");
        Py_XDECREF(done);
    }
}

// The host is notified instead of the strategy, and halts the robot.
bool PyRobot::on_refusal_storm(const OrderRef& order) {
    if (!host_.is_valid() || (!compiled && plays())) return true;
    const nb::object view = nb::cast(order);
    return finish(PyObject_CallMethod(host_.ptr(), "refusal_storm", "O", view.ptr()), "on_order");
}

// A process's health report on its tape about its feed.
bool PyRobot::call_health(std::uint32_t source, const Frame& frame) {
    PyObject* parts = PyObject_CallMethod(
        host_.ptr(), "health_frame", "kN", static_cast<unsigned long>(source),
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                  static_cast<Py_ssize_t>(frame.payload_bytes)));
    if (!parts) return failed("health frame");
    const nb::object words = nb::steal(parts);
    if (words.is_none()) return true;
    const nb::object view =
        nb::cast(HealthView{nb::cast<std::string>(words[0]), nb::cast<std::string>(words[1]),
                            nb::cast<std::string>(words[2])});
    return finish(health_.call(view.ptr()), "on_health");
}

std::int64_t PyRobot::on_cold(std::uint32_t source, const Frame& frame) {
    if (!host_.is_valid()) return skip;
    const bool hears = loop_->has_started() && !loop_->halted();
    if (frame.type() == EventType::health) {
        if (!hears || !health_.set() || plays()) return skip;
        return call_health(source, frame) ? skip : RobotPort::failed;
    }
    if (frame.type() == EventType::external) {
        if (!hears || !event_.set() || plays()) return skip;
        PyObject* event = PyObject_CallMethod(
            host_.ptr(), "external_event", "LN", static_cast<long long>(frame.header->time),
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                      static_cast<Py_ssize_t>(frame.payload_bytes)));
        PyObject* result = event ? event_.call(event) : nullptr;
        Py_XDECREF(event);
        return finish(result, "on_event") ? skip : RobotPort::failed;
    }
    if (frame.type() == EventType::params && loop_->is_gateways(source)) {
        PyObject* result = PyObject_CallMethod(
            host_.ptr(), "params_frame", "kN", static_cast<unsigned long>(source),
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                      static_cast<Py_ssize_t>(frame.payload_bytes)));
        return finish(result, "params frame") ? skip : RobotPort::failed;
    }
    if (frame.type() == EventType::reply && loop_->is_gateways(source)) {
        PyObject* result = PyObject_CallMethod(
            host_.ptr(), "reply_frame", "kN", static_cast<unsigned long>(source),
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                      static_cast<Py_ssize_t>(frame.payload_bytes)));
        return finish(result, "reply frame") ? skip : RobotPort::failed;
    }
    if (frame.type() == EventType::entry) {
        if (!loop_->is_gateways(source) || !loop_->follows_entry(source, frame.header->sequence))
            return skip;
        PyObject* result = PyObject_CallMethod(
            host_.ptr(), "entry_frame", "kN", static_cast<unsigned long>(source),
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                      static_cast<Py_ssize_t>(frame.payload_bytes)));
        return finish(result, "entry frame") ? skip : RobotPort::failed;
    }
    if (frame.type() != EventType::instrument) return skip;
    PyObject* answer = PyObject_CallMethod(
        host_.ptr(), "instrument_frame", "kkN", static_cast<unsigned long>(source),
        static_cast<unsigned long>(frame.header->stream),
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame.payload),
                                  static_cast<Py_ssize_t>(frame.payload_bytes)));
    if (!answer) {
        failed("instrument frame");
        return RobotPort::failed;
    }
    const long index = PyLong_AsLong(answer);
    Py_DECREF(answer);
    return index;
}

bool PyRobot::settle() {
    if (playing) return true;  // its memory does not change
    PyObject* result = PyObject_CallMethod(host_.ptr(), "settle_memory", nullptr);
    return finish(result, "memory");
}

bool PyRobot::note_state() {
    if (!host_.is_valid() || playing) return true;
    return finish(PyObject_CallMethod(host_.ptr(), "note_state", nullptr), "state");
}

bool PyRobot::pulse(std::uint64_t frames, std::int64_t now) {
    if (PyErr_CheckSignals() != 0) return failed("signal");
    if (!wants_pulse || !host_.is_valid()) return true;
    PyObject* result =
        PyObject_CallMethod(host_.ptr(), "pulse", "KL", static_cast<unsigned long long>(frames),
                            static_cast<long long>(now));
    return finish(result, "progress");
}

}  // namespace onetape
