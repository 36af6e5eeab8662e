#pragma once
// A Python strategy behind RobotPort: its callbacks, their objects, and the handling of exceptions.
#include <nanobind/nanobind.h>

#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/compiled.hpp"
#include "bindings/event_objects.hpp"
#include "engine/targets.hpp"
#include "engine/trading_loop.hpp"

namespace nb = nanobind;

namespace onetape {

// One callback for vectorcall: the plain function and `self`, without a bound method for each call.
class Callback {
 public:
    void bind(nb::handle strategy, const char* name);
    void bind(nb::object function);
    void clear();
    [[nodiscard]] bool set() const { return function_.is_valid(); }
    // New reference or nullptr with a Python error set.
    PyObject* call(PyObject* argument) const {
        PyObject* arguments[3] = {nullptr, self_.ptr(), argument};
        if (self_.is_valid())
            return PyObject_Vectorcall(function_.ptr(), arguments + 1,
                                       2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
        return PyObject_Vectorcall(function_.ptr(), arguments + 2,
                                   1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    }

 private:
    nb::object function_, self_;
};

struct PositionView {
    std::shared_ptr<TradingLoop> loop;
    Instrument* instrument;
    PositionSide side;
};
struct BookView {
    std::shared_ptr<TradingLoop> loop;  // empty in a copy
    const Instrument* instrument;
    std::shared_ptr<const Book> copied;
    double price_scale, size_scale;
    std::string symbol;
    [[nodiscard]] const Book& book() const { return copied ? *copied : instrument->book; }
};
struct FillView {
    OrderRef order;
    FillPayload fill;
    nb::object fee_currency;
};
struct HealthView {
    std::string kind, subject, state;
};

class PyTradingLoop;

class PyRobot final : public RobotPort {
 public:
    PyRobot(std::shared_ptr<TradingLoop> loop, nb::object host);

    // Finds the callbacks of `base` that `strategy` overrides.
    void bind(nb::handle strategy, nb::handle base);
    // Replaces a callback. Throws if there is no such callback.
    void set_callback(std::string_view name, nb::object function);
    void add_instrument(const Instrument& instrument, nb::object settle_currency);
    void name_fee_currency(std::uint32_t gateway, std::uint32_t number, nb::object name);
    // function: called with symbol and size units before each order that sells on spot.
    void hear_sales(nb::object function) { hear_sales_.push_back(std::move(function)); }
    void release();  // drops the strategy and the host: ends the reference cycle

    bool on_quote(Instrument& instrument, const QuotePayload& quote) override;
    bool on_trade(Instrument& instrument, const TradePayload& trade) override;
    bool on_book(Instrument& instrument) override;
    bool on_bar(Instrument& instrument, BarFeed& feed, const BarPayload& bar) override;
    bool on_mark(Instrument& instrument, const MarkPayload& mark) override;
    bool on_funding(Instrument& instrument, const FundingPayload& funding) override;
    bool on_liquidation(Instrument& instrument, const LiquidationPayload& event) override;
    bool on_mbo(Instrument& instrument, const MboPayload& event) override;
    bool on_instrument(Instrument& instrument) override;
    bool on_timer(const std::string& name) override;
    bool on_order(const OrderRef& order) override;
    bool on_fill(const OrderRef& order, const FillPayload& fill) override;
    bool on_position(Instrument& instrument, PositionSide side) override;
    void before_sale(const Instrument& instrument, std::int64_t size) override;
    bool on_health(const char* kind, const std::string& subject, const char* state) override;
    bool on_scan(std::size_t scan, Instrument& instrument, const ScanChange& change) override;
    bool on_refusal_storm(const OrderRef& order) override;
    std::int64_t on_cold(std::uint32_t source, const Frame& frame) override;
    bool settle() override;
    bool note_state() override;
    bool pulse(std::uint64_t frames, std::int64_t now) override;

    EventFactory events;
    Targets targets;
    std::unique_ptr<CompiledStrategy> compiled;  // instead of the callbacks in Python
    bool wants_pulse = false;
    std::uint64_t callback_count = 0;  // of all kinds, with on_start
    PyTradingLoop* playing =
        nullptr;  // plays the strategy's recorded calls; the strategy is not called
    // Called at the beginning of each callback. True: it was played back, the strategy is not to be
    // called.
    bool plays() {
        ++callback_count;
        return playing != nullptr && play();
    }
    [[nodiscard]] bool has_error() const { return error_.is_valid(); }
    void raise_error();  // throws the exception that stopped the loop
    [[nodiscard]] const EventOrigin& origin(std::uint32_t index) const { return origins_[index]; }
    [[nodiscard]] nb::object symbol(std::uint32_t index) const {
        return nb::borrow(origins_[index].symbol);
    }
    [[nodiscard]] nb::object currency(std::uint32_t index) const { return currencies_[index]; }
    [[nodiscard]] nb::object fee_currency(const Instrument& instrument,
                                          const FillPayload& fill) const;
    [[nodiscard]] nb::object book_view(std::uint32_t index);
    // The overridden market callbacks as want_* bits; 64: on_bar.
    [[nodiscard]] std::uint32_t overridden() const;

 private:
    [[nodiscard]] std::array<std::pair<const char*, Callback*>, 15> callbacks();
    bool play();  // always true
    bool call_health(std::uint32_t source, const Frame& frame);
    bool finish(PyObject* result, const char* callback_name);
    bool call_compiled(CompiledCallback callback, const void* payload, std::uint32_t instrument,
                       const char* callback_name);
    bool failed(const char* callback_name);

    std::shared_ptr<TradingLoop> loop_;
    nb::object host_;
    std::vector<nb::object> hear_sales_;
    Callback quote_, trade_, book_, bar_, mark_, funding_, liquidation_, mbo_, instrument_, timer_,
        order_, fill_, position_, health_, event_;
    std::vector<EventOrigin> origins_;
    std::vector<nb::object> symbols_, currencies_, books_;
    // By gateway and its number.
    std::map<std::pair<std::uint32_t, std::uint32_t>, nb::object> fee_names_;
    std::vector<std::pair<const BarFeed*, nb::object>> periods_;
    nb::object error_;
};

void bind_strategy_objects(nb::module_& m);

}  // namespace onetape
