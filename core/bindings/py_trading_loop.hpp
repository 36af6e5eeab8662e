#pragma once
// A run for Python: the loop, its exchange, and the Python objects that both use.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings/bars_view.hpp"
#include "bindings/journal_reader.hpp"
#include "bindings/robot.hpp"
#include "engine/calls.hpp"
#include "engine/quoting.hpp"
#include "engine/reasons.hpp"
#include "engine/trading_loop.hpp"
#include "exchange/errors.hpp"
#include "exchange/order_rules.hpp"

namespace onetape {

class PyTradingLoop {
 public:
    PyTradingLoop(nb::object host, std::shared_ptr<ExchangePort> exchange,
                  const AccountOptions& account, std::int64_t sample_every, std::string robot_tag) {
        LoopOptions options;
        options.account = account;
        options.sample_every = sample_every;
        options.robot_tag = std::move(robot_tag);
        core = std::make_shared<TradingLoop>(options, std::move(exchange));
        robot = std::make_unique<PyRobot>(core, host);
        core->set_robot(robot.get());
        host_ = std::move(host);
    }

    std::uint32_t add_instrument(const std::string& symbol, const InstrumentSpec& spec,
                                 std::uint32_t settle, std::uint32_t base, nb::object currency) {
        Instrument& added = core->add_instrument(symbol, spec, settle, base);
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
        return running([&] { return core->run(frames, until); });
    }
    RunOutcome run_checked(const FrameBlock& block, std::int64_t until) {
        return running([&] { return core->run_checked(block.frames(), until); });
    }
    RunOutcome warm_up(std::int64_t start) {
        return running([&] { return core->warm_up(start); });
    }
    bool finish_input() {
        return running([&] { return core->finish_input(); });
    }
    bool advance(std::int64_t until) {
        return running([&] { return core->advance(until); });
    }
    bool allow_trading(bool allowed) {
        return running([&] { return core->allow_trading(allowed); });
    }

    bool enter_callback() {
        core->enter_callback();
        return !robot->plays();
    }

    bool leave_callback() {
        const bool done = core->leave_callback();
        if (robot->has_error()) robot->raise_error();
        return done;
    }

    // --- numbers ---

    // `value` in units on a multiple of step. Converts floats and ints here, others (Decimal, str,
    // numpy scalars) by the model's exact rounding. False: not a valid number for an order.
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

    // An order as the strategy requests it: `spec` in units, as far as the instrument can represent
    // it.
    struct WantedOrder {
        OrderSpec spec;
        bool has_price = true, wants_trigger = false, has_trigger = true, has_qty = true;
        std::uint16_t refusal = 0;  // by the robot's own checks, and the reason
        std::string reason;
    };

    [[nodiscard]] static std::int64_t lot_of(const InstrumentSpec& facts, OrderType type) {
        return type == OrderType::market && facts.market_lot > 0 ? facts.market_lot : facts.lot;
    }

    // Chooses the trigger kind if the strategy left it open, at the call and by the price known
    // then, so that later price moves do not turn a stop into a take-profit. At the price itself it
    // is a stop. False: no price is known.
    [[nodiscard]] static bool settle_trigger_kind(const Instrument& instrument, OrderSpec& order) {
        if (trigger_kind_of(order.flags) != TriggerKind::none) return true;
        std::int64_t doubled = 0;
        if (!instrument.view.trigger_doubled(order.trigger_by, instrument.view.bar.close, doubled))
            return false;
        const std::int64_t above = 2 * order.trigger - doubled;
        const bool stops = order.side == Side::buy ? above >= 0 : above <= 0;
        order.flags =
            with_trigger_kind(order.flags, stops ? TriggerKind::stop : TriggerKind::take_profit);
        return true;
    }

    // Places the order, or denies it with a reason. qty_text: the quantity as the strategy wrote
    // it.
    template <class Text>
    OrderRef send(Instrument& instrument, WantedOrder& wanted, Text&& qty_text) {
        OrderSpec& order = wanted.spec;
        if (std::string text = core->side_refusal(instrument, order.position_side, "position_side");
            !text.empty())
            return deny(instrument, order, error::account_mode, std::move(text));
        if (!wanted.has_qty) order.size = 0;
        if (wanted.refusal != 0)
            return deny(instrument, order, wanted.refusal, std::move(wanted.reason));
        const char* refusal = nullptr;
        if (order.tag.size() > 32)
            refusal = "the tag is longer than 32 bytes";
        else if (order.tif == TimeInForce::gtd && order.expire_ns <= core->now())
            refusal = "it would expire before it is sent";
        if (!wanted.has_price)
            refusal = "the price is not a number that the instrument can carry";
        else if (order.type == OrderType::limit && order.price == 0)
            refusal = "the price is zero";
        if (wanted.wants_trigger && (!wanted.has_trigger || order.trigger == 0))
            refusal = "the trigger is not a price that the instrument can carry";
        if (!refusal && !wanted.has_qty)
            refusal = "the quantity is not a number that the instrument can carry";
        if (!refusal && wanted.wants_trigger && !settle_trigger_kind(instrument, order))
            refusal = "no price is known yet that its trigger could be compared with: give kind";
        if (refusal) return deny(instrument, order, error::order_invalid, refusal);
        if (order.size <= 0)
            return deny(instrument, order, error::order_invalid,
                        "the quantity " + qty_text() + " is less than one lot (" +
                            decimal_text(lot_of(instrument.spec, order.type),
                                         instrument.spec.size_decimals) +
                            ")");
        if (order.attached.entry != 0)
            note_call(CallKind::place_attached, instrument.index, order, order.attached.entry,
                      order.attached.share, order.attached.distance);
        else
            note_call(CallKind::place, instrument.index, order);
        return core->place(instrument, order);
    }

    OrderRef deny(Instrument& instrument, const OrderSpec& order, std::uint16_t code,
                  std::string reason) {
        note_call(CallKind::deny, instrument.index, order, code, reason);
        return core->deny(instrument, order, code, std::move(reason));
    }

    OrderRef place(nb::handle symbol, int side_number, nb::handle qty, nb::handle price,
                   bool post_only, bool reduce_only, const std::string& tif, nb::handle trigger,
                   const std::string& trigger_by, nb::handle trigger_kind, nb::handle position_side,
                   nb::handle expire, const std::string& tag) {
        WantedOrder wanted;
        return place_wanted(wanted, symbol, side_number, qty, price, post_only, reduce_only, tif,
                            trigger, trigger_by, trigger_kind, position_side, expire, tag);
    }

    // Places an order with further fields for the tape. refusal: the order is denied with this code
    // and never sent. attached: the id of its entry, a share and a distance
    // (exchange/attachment.hpp).
    OrderRef place_with(const nb::bytes& more, std::uint16_t refusal, std::string reason,
                        nb::handle symbol, int side_number, nb::handle qty, nb::handle price,
                        bool post_only, bool reduce_only, const std::string& tif,
                        nb::handle trigger, const std::string& trigger_by, nb::handle trigger_kind,
                        nb::handle position_side, nb::handle expire, const std::string& tag,
                        const std::tuple<std::uint64_t, std::int64_t, std::int64_t>& attached) {
        WantedOrder wanted;
        wanted.spec.attached = {std::get<0>(attached), std::get<1>(attached),
                                std::get<2>(attached)};
        wanted.spec.more.assign(more.c_str(), more.size());
        wanted.refusal = refusal;
        wanted.reason = std::move(reason);
        return place_wanted(wanted, symbol, side_number, qty, price, post_only, reduce_only, tif,
                            trigger, trigger_by, trigger_kind, position_side, expire, tag);
    }

    OrderRef place_wanted(WantedOrder& wanted, nb::handle symbol, int side_number, nb::handle qty,
                          nb::handle price, bool post_only, bool reduce_only,
                          const std::string& tif, nb::handle trigger, const std::string& trigger_by,
                          nb::handle trigger_kind, nb::handle position_side, nb::handle expire,
                          const std::string& tag);

    // Sets a target position: a signed quantity, rounded to whole lots toward zero, of this
    // strategy's own position. side: long or short in hedge mode, where a short's quantity may be
    // given without its sign.
    OrderRef set_target(nb::handle symbol, nb::handle qty, bool reduce_only,
                        const std::optional<nb::bytes>& more, nb::handle side) {
        require_open();
        Instrument& instrument = find(symbol);
        std::int64_t units = 0;
        if (!units_of(qty, instrument.spec.size_decimals, instrument.spec.lot,
                      Rounding::toward_zero, units))
            throw nb::value_error("not a quantity that the instrument can carry");
        const PositionSide of = position_side(side);
        if (of == PositionSide::short_) units = units > 0 ? -units : units;
        if (of == PositionSide::long_ && units < 0)
            throw nb::value_error("a long position is of 0 or more");
        if (units == 0 && is_nonzero(qty))
            note_below_lot(below_lot.targets, "set_target", instrument);
        const std::string facts = more ? std::string(more->c_str(), more->size()) : std::string();
        const std::uint64_t before = core->order_changes();
        const bool had_waited = robot->targets.waits(instrument, of);
        OrderRef sent = robot->targets.set(instrument, of, units, reduce_only, facts);
        if (had_waited || robot->targets.waits(instrument, of) || core->order_changes() != before)
            note_call(CallKind::target, instrument.index, of, units, reduce_only, facts);
        return sent;
    }

    // Sets a target on the only account of its exchange. Throws value_error if there are several.
    OrderRef plain_target(nb::handle symbol, nb::handle qty) {
        static PyObject* const name = PyUnicode_InternFromString("shares_exchange");
        if (nb::steal(PyObject_GetAttr(host_.ptr(), name)).ptr() != Py_False)
            throw nb::value_error("not a plain target");
        return set_target(symbol, qty, false, std::nullopt, nb::none());
    }

    void note_target_below_lot(nb::handle symbol) {
        note_below_lot(below_lot.targets, "set_target", find(symbol));
    }

    // Sets a ladder of (price, size): prices rounded passively, sizes down.
    void set_quotes(nb::handle symbol, nb::handle bids, nb::handle asks, std::int64_t keep_within,
                    nb::handle side) {
        const PositionSide of = position_side(side);
        Instrument& instrument = find(symbol);
        if (keep_within < 0) throw nb::value_error("keep_within is a whole number of 0 or more");
        read_levels(instrument, bids, Side::buy, levels[0]);
        read_levels(instrument, asks, Side::sell, levels[1]);
        const std::uint64_t before = core->order_changes();
        ladder(instrument, of).set(levels[0], levels[1], keep_within);
        if (core->order_changes() != before)
            note_call(CallKind::ladder, instrument.index, of, std::span<const BookLevel>(levels[0]),
                      std::span<const BookLevel>(levels[1]), keep_within);
    }

    Ladder& ladder(Instrument& instrument, PositionSide side) {
        return ladders_.try_emplace({instrument.index, side}, *core, instrument, side)
            .first->second;
    }

    bool cancel(const OrderRef& order) {
        require_open();
        const bool is_requested = core->cancel(order);
        if (is_requested) note_call(CallKind::cancel, order->id);
        return is_requested;
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
        if (core->orders().find(order->id) == order)  // a refusal leaves its code on it
            note_call(CallKind::amend, order->id, new_price, new_size);
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
        return cancel_working(symbol.is_none() ? nullptr : &find(symbol));
    }

    // Ends targets first: otherwise a cancel would let them continue.
    std::int64_t cancel_working(const Instrument* only) {
        if (robot->targets.end(only))
            note_call(CallKind::end_targets,
                      only ? static_cast<std::int64_t>(only->index) : std::int64_t{-1});
        std::vector<OrderRef> found;
        for (const auto& [id, order] : core->orders().working())
            if (!only || order->instrument == only) found.push_back(order);
        std::int64_t count = 0;
        for (const OrderRef& order : found) count += cancel(order) ? 1 : 0;
        return count;
    }

    nb::object quote(nb::handle symbol) {
        Instrument& instrument = find(symbol);
        if (!instrument.view.has_quote) return nb::none();
        EventFactory once;  // an object of its own, which the strategy may keep
        PyObject* event = once.quote(robot->origin(instrument.index), instrument.view.quote);
        if (!event) throw nb::python_error();
        return nb::borrow(event);
    }

    static PositionSide position_side(nb::handle side, const char* name = "side") {
        if (side.is_none()) return PositionSide::both;
        const std::string text = nb::isinstance<nb::str>(side) ? nb::cast<std::string>(side) : "";
        if (text == "long") return PositionSide::long_;
        if (text == "short") return PositionSide::short_;
        if (text == "both") return PositionSide::both;
        throw nb::value_error((std::string(name) + " must be long, short or both").c_str());
    }

    nb::object position(nb::handle symbol, nb::handle side) {
        Instrument& instrument = find(symbol);
        const PositionSide which = position_side(side);
        const std::size_t key = instrument.index * 3 + static_cast<std::size_t>(which);
        if (positions_.size() <= key) positions_.resize(key + 1);
        if (!positions_[key].is_valid())
            positions_[key] = nb::cast(PositionView{core, &instrument, which});
        return positions_[key];
    }

    bool is_at(nb::handle symbol, nb::handle side, std::int64_t wanted) {
        return core->account().is_at(find(symbol).index, position_side(side), wanted);
    }

    nb::list open_positions() {
        nb::list found;
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i)
            for (const auto side : {PositionSide::both, PositionSide::long_, PositionSide::short_})
                if (core->account().held(i, side).qty != 0)
                    found.append(nb::cast(PositionView{core, core->instrument(i), side}));
        return found;
    }

    void set_callback(const std::string& name, nb::object function) {
        note_call(CallKind::callback, name);
        robot->set_callback(name, std::move(function));
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i)
            core->instrument(i)->wants = core->instrument(i)->subscribed & robot->overridden();
    }

    std::uint32_t subscribe(nb::handle symbol, std::uint32_t wants) {
        Instrument& instrument = find(symbol);
        if ((instrument.subscribed | wants) != instrument.subscribed)
            note_call(CallKind::subscribe, instrument.index, wants);
        instrument.subscribed |= wants;
        if ((wants & want_conflated) != 0) core->conflate();
        instrument.wants = instrument.subscribed & robot->overridden();
        return instrument.index;
    }

    // --- calls of the strategy, recorded or played back (bind_engine_calls.cpp) ---

    template <class... Facts>
    void note_call(CallKind kind, const Facts&... facts) {
        if (calls.is_on() && core->in_robot()) [[unlikely]]
            calls.add(robot->callback_count, kind, facts...);
    }
    void play_calls(std::string log, const std::vector<std::uint64_t>& orders);
    bool stop_playing();
    void play_callback();
    void keep_order(const OrderRef& order);
    [[nodiscard]] OrderRef order_by_id(std::uint64_t id) const;
    [[nodiscard]] std::string settled_ladders() const;
    void settle_ladders(std::string_view bytes);
    CallLog calls;

    // made_of: for bars made of the venue's shorter ones, their period.
    void subscribe_bars(Instrument& instrument, std::int64_t period, int source,
                        const std::string& text, std::size_t history, std::int64_t made_of) {
        BarFeed& feed =
            core->subscribe_bars(instrument, period, static_cast<BarSource>(source), text, made_of);
        if (history > feed.window.capacity()) feed.window.reserve(history);
        named_.clear();
    }

    // The last n bars of a feed; without a block if there is no such feed. The window of a
    // subscribed feed, with room for n bars; null without one.
    static BarWindow* bar_window(Instrument& instrument, std::int64_t period, int source,
                                 std::size_t n) {
        for (auto& feed : instrument.bars) {
            if (feed->period != period || static_cast<int>(feed->source) != source) continue;
            if (n > feed->window.capacity()) feed->window.reserve(n);
            return &feed->window;
        }
        return nullptr;
    }

    BarsView bars(nb::handle symbol, std::int64_t period, int source, std::size_t n) {
        Instrument& instrument = find(symbol);
        const BarWindow* window = bar_window(instrument, period, source, 0);
        if (window != nullptr && n > window->capacity()) {
            note_call(CallKind::bars_kept, instrument.index, period, source,
                      static_cast<std::uint64_t>(n));
            window = bar_window(instrument, period, source, n);
        }
        if (window == nullptr)
            return {std::make_shared<BarArrays>(std::make_shared<const BarBlock>(0)), 0, 0};
        return view_of(*window, arrays_[{instrument.index, period, source}], n);
    }

    static BarsView view_of(const BarWindow& window, std::shared_ptr<BarArrays>& arrays,
                            std::size_t n) {
        const BarRange range = window.last(n);
        if (!arrays || arrays->block() != range.block.get())
            arrays = std::make_shared<BarArrays>(range.block);
        return {arrays, range.begin, range.end};
    }

    // keys: (period in ns, source) by the (symbol, text) that a strategy subscribed with. pending:
    // not empty while bars from before the start are still to be read. Both belong to the host.
    struct NamedBars {
        nb::object symbol, text;  // kept alive: their addresses are the key
        const BarWindow* window;
        std::shared_ptr<BarArrays>* arrays;
    };
    static constexpr std::size_t named_bars_max =
        4096;  // bound: a strategy may make new texts each time

    // Null where there is no such feed.
    const NamedBars* named_window(nb::handle symbol, nb::handle text) {
        const auto found = named_.find({symbol.ptr(), text.ptr()});
        if (found != named_.end()) return &found->second;
        const nb::object name = nb::steal(PyTuple_Pack(2, symbol.ptr(), text.ptr()));
        PyObject* key =
            name.is_valid() ? PyDict_GetItemWithError(bar_keys_.ptr(), name.ptr()) : nullptr;
        PyObject* index =
            key != nullptr ? PyDict_GetItemWithError(index_.ptr(), symbol.ptr()) : nullptr;
        if (index == nullptr) return nullptr;
        Instrument& instrument =
            *core->instrument(static_cast<std::uint32_t>(PyLong_AsUnsignedLong(index)));
        const std::int64_t period = PyLong_AsLongLong(PyTuple_GET_ITEM(key, 0));
        const int source = static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(key, 1)));
        const BarWindow* window = bar_window(instrument, period, source, 0);
        if (window == nullptr) return nullptr;
        if (named_.size() >= named_bars_max) named_.clear();
        auto& arrays = arrays_[{instrument.index, period, source}];
        return &named_
                    .try_emplace({symbol.ptr(), text.ptr()},
                                 NamedBars{nb::borrow(symbol), nb::borrow(text), window, &arrays})
                    .first->second;
    }

    void name_bars(nb::dict keys, nb::dict pending) {
        bar_keys_ = std::move(keys);
        pending_bars_ = std::move(pending);
    }

    // The last n bars by their subscription text; none if the host must look them up.
    std::optional<BarsView> named_bars(nb::handle symbol, nb::handle text, nb::handle n) {
        if (!PyLong_CheckExact(n.ptr()) || pending_bars_.size() != 0) return std::nullopt;
        const Py_ssize_t count = PyLong_AsSsize_t(n.ptr());
        const NamedBars* named = named_window(symbol, text);
        if (named == nullptr || count < 0 ||
            static_cast<std::size_t>(count) > named->window->capacity()) {
            PyErr_Clear();
            return std::nullopt;
        }
        return view_of(*named->window, *named->arrays, static_cast<std::size_t>(count));
    }

    // --- compiled strategies ---

    void set_compiled(std::unique_ptr<CompiledStrategy> compiled) {
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i)
            compiled->add_facts(*core->instrument(i));
        robot->compiled = std::move(compiled);
    }

    std::int64_t compiled_target(std::uint32_t index, double qty, bool is_close);

    double compiled_random(std::int64_t what, double a, double b) {
        return nb::cast<double>(host_.attr("compiled_random")(what, a, b));
    }

    // Counts requested quantities above zero and below one lot, which have no effect: the first of
    // each service is reported to the user, all are counted.
    struct BelowLot {
        std::uint64_t targets = 0, levels = 0;
    };
    BelowLot below_lot;
    void note_below_lot(std::uint64_t& count, const char* service, const Instrument& instrument) {
        if (count++ == 0) host_.attr("below_lot")(service, instrument.symbol);
    }
    // Whether a number or numeric text is not zero.
    static bool is_nonzero(nb::handle value) {
        const nb::object number = nb::steal(PyNumber_Float(value.ptr()));
        if (!number.is_valid()) throw nb::python_error();
        return PyFloat_AS_DOUBLE(number.ptr()) != 0.0;
    }
    nb::object compiled_error;  // from a service called through the interpreter

    // Releases the run: objects that a strategy kept can be read, but not used to act.
    void release() {
        calls = {};
        player_.reset();
        if (running_) throw std::runtime_error("a session cannot be closed from within a callback");
        for (std::uint32_t i = 0; i < core->instrument_count(); ++i) core->instrument(i)->wants = 0;
        robot->release();
        host_.reset();
        positions_.clear();
        compiled_error.reset();
        ladders_.clear();
        index_ = nb::dict();
        named_.clear();
    }

    std::shared_ptr<TradingLoop> core;
    std::unique_ptr<PyRobot> robot;
    std::array<std::vector<BookLevel>, 2> levels;  // of the ladder being set

 private:
    struct RequestedTarget {
        double qty = 0.0;
        std::int64_t lot = 0, units = 0;  // lot 0: no instrument
    };

    // The loop calls the strategy, never the other way round. Exceptions of callbacks are raised
    // here.
    template <class Work>
    std::invoke_result_t<const Work&> running(const Work& work) {
        if (running_) throw std::runtime_error("the loop is already running");
        require_open();
        running_ = true;
        struct Ended {
            bool& flag;
            ~Ended() { flag = false; }
        } const ended{running_};
        const auto outcome = work();
        if (robot->has_error()) robot->raise_error();
        return outcome;
    }

    void read_levels(const Instrument& instrument, nb::handle wanted, Side side,
                     std::vector<BookLevel>& levels) {
        const InstrumentSpec& facts = instrument.spec;
        const Rounding passive = side == Side::sell ? Rounding::up : Rounding::down;
        levels.clear();
        for (nb::handle level : wanted) {
            BookLevel units{};
            nb::object price, size;
            if (PyTuple_CheckExact(level.ptr()) && PyTuple_GET_SIZE(level.ptr()) == 2) {
                price = nb::borrow(PyTuple_GET_ITEM(level.ptr(), 0));
                size = nb::borrow(PyTuple_GET_ITEM(level.ptr(), 1));
            } else {
                if (nb::len(level) != 2) throw nb::value_error("a level is (price, size)");
                price = level[0];
                size = level[1];
            }
            const auto refuse = [&](const char* words, nb::handle value) {
                throw nb::value_error(((side == Side::sell ? "asks: " : "bids: ") +
                                       std::string(words) + ", not " + nb::repr(value).c_str())
                                          .c_str());
            };
            if (!units_of(price, facts.price_decimals, facts.tick, passive, units.price))
                refuse("a price is a number that the instrument can carry", price);
            if (!units_of(size, facts.size_decimals, facts.lot, Rounding::down, units.size) ||
                units.size < 0)
                refuse("a size is 0 (no level) or a number that the instrument can carry", size);
            if (units.size == 0 && is_nonzero(size))
                note_below_lot(below_lot.levels, "set_quotes", instrument);
            levels.push_back(units);
        }
    }

    void require_open() const {
        if (!host_.is_valid()) throw std::runtime_error("the run is over");
    }

    // Plays a log's calls instead of the strategy's, and keeps the orders that later calls refer
    // to.
    struct Player {
        explicit Player(std::string log) : reader(std::move(log)) {}
        CallReader reader;
        std::map<std::uint64_t, OrderRef> orders;  // by id; nullptr: not reached yet
        bool is_wrong = false;                     // the log does not fit the run
    };
    bool perform(CallKind kind, CallFacts facts);
    OrderRef played(OrderRef order);

    std::unique_ptr<Player> player_;
    nb::object host_;
    nb::dict index_;  // symbol -> index
    nb::dict bar_keys_, pending_bars_;
    struct PairHash {
        std::size_t operator()(const std::pair<PyObject*, PyObject*>& of) const noexcept {
            const auto first = reinterpret_cast<std::uintptr_t>(of.first) >> 4;
            return first ^ (reinterpret_cast<std::uintptr_t>(of.second) * 0x9e3779b97f4a7c15ull);
        }
    };
    std::unordered_map<std::pair<PyObject*, PyObject*>, NamedBars, PairHash> named_;
    std::vector<nb::object> kept_, positions_;
    // The arrays of each feed's present block, by instrument, period and source.
    std::map<std::tuple<std::uint32_t, std::int64_t, int>, std::shared_ptr<BarArrays>> arrays_;
    std::map<std::pair<std::uint32_t, PositionSide>, Ladder> ladders_;
    bool running_ = false;
    std::vector<RequestedTarget> targets_;  // by instrument
};

// Binds the exchange ports and a run's inheritance from earlier incarnations.
void bind_exchange_ports(nb::module_& m);
void bind_notes(nb::class_<PyTradingLoop>& loop);
void bind_calls(nb::class_<PyTradingLoop>& loop);
void bind_kept_objects(nb::module_& m);

}  // namespace onetape

// The part of TradingLoop's binding that only a live run needs.
void bind_live(nb::module_& m, nb::class_<onetape::PyTradingLoop>& loop);
