#include "bindings/compiled.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bindings/py_trading_loop.hpp"

namespace onetape {

std::int64_t PyTradingLoop::compiled_target(std::uint32_t index, double qty, bool is_close) {
    OrderRef placed;
    if (is_close) {
        try {
            const nb::object order = host_.attr("close")(robot->symbol(index));
            if (!order.is_none()) placed = nb::cast<OrderRef>(order);
        } catch (nb::python_error& problem) {
            compiled_error = nb::borrow(problem.value());
            return -1;
        }
    } else {
        Instrument& instrument = *core->instrument(index);
        if (targets_.size() <= index) targets_.resize(index + 1);
        RequestedTarget& target =
            targets_[index];  // cache: strategies mostly repeat the same target
        if (target.qty != qty || target.lot != instrument.spec.lot) {
            std::int64_t units = 0;
            if (!snap(qty, instrument.spec.size_decimals, instrument.spec.lot,
                      Rounding::toward_zero, units))
                return -1;
            target = {qty, instrument.spec.lot, units};
        }
        if (target.units == 0 && qty != 0.0)
            note_below_lot(below_lot.targets, "set_target", instrument);
        placed = robot->targets.set(instrument, PositionSide::both, target.units, false);
    }
    if (!placed) return 0;
    if (placed->closed()) robot->compiled->note_closed(*placed);
    return static_cast<std::int64_t>(placed->id);
}

ClosedOrder ClosedOrder::of(const Order& order) noexcept {
    ClosedOrder facts;
    facts.price = order.price;
    facts.trigger = order.trigger;
    facts.size = order.size;
    facts.filled = order.filled;
    facts.created = order.created;
    facts.cost = static_cast<double>(order.cost);
    facts.instrument = order.instrument->index;
    facts.code = order.code;
    facts.state = order.state;
    facts.side = order.side;
    return facts;
}

void CompiledStrategy::add_facts(const Instrument& instrument) {
    if (facts_.size() <= instrument.index) facts_.resize(instrument.index + 1);
    facts_[instrument.index] = {instrument.price_scale, instrument.size_scale,
                                instrument.price_scale * 10.0,
                                static_cast<std::int64_t>(instrument.index)};
}

void CompiledStrategy::note_closed(const Order& order) {
    const std::uint32_t slot = closed_slots_.find(0, order.id);
    if (slot != IdMap::absent) {
        closed_[slot].facts = ClosedOrder::of(order);
        return;
    }
    closed_slots_.insert(0, order.id, static_cast<std::uint32_t>(closed_.size()));
    closed_.push_back({order.id, ClosedOrder::of(order)});
    crowded_ = closed_.size() >= closed_max_;
}

void CompiledStrategy::forget_closed() {
    std::vector<Closed> kept;
    for (const std::uint32_t cell : order_cells_) {
        std::uint64_t id = 0;
        std::memcpy(&id, reinterpret_cast<const std::byte*>(state_) + cell, sizeof id);
        const std::uint32_t slot = closed_slots_.find(0, id);
        if (slot == IdMap::absent) continue;
        kept.push_back(closed_[slot]);
        closed_slots_.erase(0, id);  // once, though two attributes may name it
    }
    for (const Closed& each : closed_) closed_slots_.erase(0, each.id);
    closed_.swap(kept);
    for (std::uint32_t slot = 0; slot < closed_.size(); ++slot)
        closed_slots_.insert(0, closed_[slot].id, slot);
    closed_max_ = std::max(closed_least, 2 * closed_.size());
    crowded_ = false;
}

// --- services -----------------------------------------------------------------------------------
//
// Numbers only: texts of a strategy are numbers by the time it is compiled. All run on the loop's
// thread, which holds the interpreter lock.

PyTradingLoop* current_loop = nullptr;

namespace {

using Sim = PyTradingLoop;

enum : std::int64_t {
    bit_post_only = 1,
    bit_reduce_only = 2,
    bit_price = 4,
    bit_trigger = 8,
    bit_qty = 16,
    shift_tif = 8,
    shift_trigger_by = 12,
    shift_position_side = 16,
    shift_trigger_kind = 20,
};

Instrument& instrument_at(std::int64_t number) {
    return *current_loop->core->instrument(static_cast<std::uint32_t>(number));
}

std::int64_t now() {
    return current_loop->core->now();
}

double equity() {
    return static_cast<double>(current_loop->core->equity()) / 1e18;
}

std::int64_t place(std::int64_t instrument, std::int64_t side, double qty, double price,
                   double trigger, std::int64_t bits, std::int64_t expire, const char* tag) {
    Instrument& state = instrument_at(instrument);
    const InstrumentSpec& facts = state.spec;
    Sim::WantedOrder wanted;
    OrderSpec& order = wanted.spec;
    order.side = static_cast<Side>(side);
    order.tag = tag;
    order.tif = static_cast<TimeInForce>(1 + (bits >> shift_tif & 15));
    if (expire != 0) {
        order.expire_ns = expire;
        order.tif = TimeInForce::gtd;
    }
    if (bits & bit_post_only) order.flags |= order_post_only;
    if (bits & bit_reduce_only) order.flags |= order_reduce_only;
    order.position_side = static_cast<PositionSide>(bits >> shift_position_side & 3);
    order.flags =
        with_trigger_kind(order.flags, static_cast<TriggerKind>(bits >> shift_trigger_kind & 3));
    if (bits & bit_price) {
        order.type = OrderType::limit;
        wanted.has_price = snap_price(facts, price, order.side, order.price);
    }
    wanted.wants_trigger = (bits & bit_trigger) != 0;
    if (wanted.wants_trigger) {
        order.trigger_by = static_cast<TriggerBy>(1 + (bits >> shift_trigger_by & 3));
        wanted.has_trigger =
            snap(trigger, facts.price_decimals, facts.tick, Rounding::nearest, order.trigger);
    }
    wanted.has_qty =
        snap(qty, facts.size_decimals, Sim::lot_of(facts, order.type), Rounding::down, order.size);
    const OrderRef placed = current_loop->send(state, wanted, [&] {
        char text[32];
        std::snprintf(text, sizeof text, "%.15g", qty);
        return std::string(text);
    });
    if (placed->closed()) current_loop->robot->compiled->note_closed(*placed);
    return static_cast<std::int64_t>(placed->id);
}

std::int64_t cancel(std::int64_t id) {
    const OrderRef order = current_loop->core->orders().find(static_cast<std::uint64_t>(id));
    return order && current_loop->core->cancel(order) ? 1 : 0;
}

std::int64_t cancel_all(std::int64_t instrument) {
    const Instrument* only = instrument < 0 ? nullptr : &instrument_at(instrument);
    return current_loop->cancel_working(only);
}

std::int64_t amend(std::int64_t id, double price, double qty, std::int64_t bits) {
    const OrderRef order = current_loop->core->orders().find(static_cast<std::uint64_t>(id));
    if (!order) return 0;
    const InstrumentSpec& facts = order->instrument->spec;
    std::int64_t new_price = 0, new_size = 0;
    if ((bits & bit_price) && !snap_price(facts, price, order->side, new_price)) return 0;
    if ((bits & bit_qty) && (!snap_size(facts, qty, new_size) || new_size <= 0)) return 0;
    return current_loop->core->amend(order, new_price, new_size) ? 1 : 0;
}

// 0: ids that this run never assigned.
std::int64_t order_facts(std::int64_t id, ClosedOrder* facts) {
    const auto number = static_cast<std::uint64_t>(id);
    if (const OrderRef order = current_loop->core->orders().find(number)) {
        *facts = ClosedOrder::of(*order);
        return 1;
    }
    const ClosedOrder* closed = current_loop->robot->compiled->closed(number);
    if (closed == nullptr) return 0;
    *facts = *closed;
    return 1;
}

double order_number(std::int64_t id, std::int64_t what) {
    ClosedOrder order;
    if (order_facts(id, &order) == 0) return 0;
    const CompiledFacts& scale = current_loop->robot->compiled->facts(order.instrument);
    switch (what) {
        case 0:
            return static_cast<double>(order.price) / scale.price_scale;
        case 1:
            return static_cast<double>(order.trigger) / scale.price_scale;
        case 2:
            return static_cast<double>(order.size) / scale.size_scale;
        case 3:
            return static_cast<double>(order.filled) / scale.size_scale;
        case 4:
            return static_cast<double>(order.size - order.filled) / scale.size_scale;
        default:
            return order.filled == 0
                       ? 0.0
                       : order.cost / static_cast<double>(order.filled) / scale.price_scale;
    }
}

std::int64_t order_word(std::int64_t id, std::int64_t what) {
    ClosedOrder order;
    if (order_facts(id, &order) == 0) return 0;
    switch (what) {
        case 0:
            return static_cast<std::int64_t>(order.state);
        case 1:
            return static_cast<std::int64_t>(order.side);
        case 2:
            return order.code;
        case 3:
            return order.instrument;
        case 4:
            return order.created;
        case 5:
            return order.filled != 0 ? 1 : 0;
        case 6:
            return order.price;
        case 7:
            return order.size;
        case 8:
            return order.filled;
        case 9:
            return order.trigger;
        default:
            return is_closed(order.state) ? 1 : 0;
    }
}

double position(std::int64_t instrument, std::int64_t side, std::int64_t what) {
    const Instrument& state = instrument_at(instrument);
    const Position held =
        current_loop->core->account().held(state.index, static_cast<PositionSide>(side));
    switch (what) {
        case 0:
            return static_cast<double>(held.qty) / state.size_scale;
        case 1:
            return held.entry_price(state.spec);
        case 2:
            return static_cast<double>(held.realized) / 1e18;
        case 3: {
            const std::int64_t mark = state.value_doubled();
            return mark == 0 ? 0.0 : static_cast<double>(held.unrealized(state.spec, mark)) / 1e18;
        }
        default:
            return static_cast<double>(held.qty);
    }
}

const void* quote(std::int64_t instrument) {
    const Instrument& state = instrument_at(instrument);
    return state.view.has_quote ? &state.view.quote : nullptr;
}

const CompiledFacts* facts_of(std::int64_t instrument) {
    return &current_loop->robot->compiled->facts(static_cast<std::uint32_t>(instrument));
}

std::int64_t book_synced(std::int64_t instrument) {
    return instrument_at(instrument).book.synced() ? 1 : 0;
}

// The best level: whether there is one, its price, its size.
const BookLevel* best_of(std::int64_t instrument, std::int64_t side, BookLevel& level) {
    const Book& book = instrument_at(instrument).book;
    if (!book.synced() || book.side(static_cast<Side>(side)).count() == 0) return nullptr;
    level = book.side(static_cast<Side>(side)).best();
    return &level;
}

std::int64_t book_has(std::int64_t instrument, std::int64_t side) {
    BookLevel level{};
    return best_of(instrument, side, level) ? 1 : 0;
}

double book_price(std::int64_t instrument, std::int64_t side) {
    BookLevel level{};
    (void)best_of(instrument, side, level);
    return static_cast<double>(level.price) / facts_of(instrument)->price_scale;
}

double book_size(std::int64_t instrument, std::int64_t side) {
    BookLevel level{};
    (void)best_of(instrument, side, level);
    return static_cast<double>(level.size) / facts_of(instrument)->size_scale;
}

// Up to `wanted` levels as (price, size) pairs; returns how many.
std::int64_t book_levels(std::int64_t instrument, std::int64_t side, std::int64_t wanted,
                         double* levels) {
    const Instrument& state = instrument_at(instrument);
    if (!state.book.synced() || wanted <= 0) return 0;
    std::int64_t count = 0;
    state.book.side(static_cast<Side>(side)).walk([&](const BookLevel& level) {
        levels[2 * count] = static_cast<double>(level.price) / state.price_scale;
        levels[2 * count + 1] = static_cast<double>(level.size) / state.size_scale;
        return ++count < wanted;
    });
    return count;
}

const BarWindow* window_of(std::int64_t instrument, std::int64_t period, std::int64_t source,
                           std::size_t wanted) {
    return Sim::bar_window(instrument_at(instrument), period, static_cast<int>(source), wanted);
}

std::int64_t bars_count(std::int64_t instrument, std::int64_t period, std::int64_t source,
                        std::int64_t wanted) {
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0));
    const BarWindow* window = window_of(instrument, period, source, most);
    return window ? static_cast<std::int64_t>(std::min(most, window->size())) : 0;
}

const double* bars_column(std::int64_t instrument, std::int64_t period, std::int64_t source,
                          std::int64_t count, std::int64_t column) {
    const auto most = static_cast<std::size_t>(count);
    const BarWindow* window = window_of(instrument, period, source, most);
    return window ? window->last(most, static_cast<BarColumn>(column)) : nullptr;
}

void set_timer(const char* name, std::int64_t every, std::int64_t at) {
    current_loop->core->set_timer(name, every, at);
}

std::int64_t cancel_timer(const char* name) {
    return current_loop->core->cancel_timer(name) ? 1 : 0;
}

// A ladder is passed level by level. False: a level that is invalid for the instrument.
void begin_ladder() {
    current_loop->levels[0].clear();
    current_loop->levels[1].clear();
}

std::int64_t add_level(std::int64_t instrument, std::int64_t side, double price, double size) {
    const Instrument& state = instrument_at(instrument);
    BookLevel level{};
    const auto which = static_cast<Side>(side);
    if (!snap_price(state.spec, price, which, level.price) ||
        !snap_size(state.spec, size, level.size) || level.size < 0)
        return 0;
    if (level.size == 0 && size != 0.0)
        current_loop->note_below_lot(current_loop->below_lot.levels, "set_quotes", state);
    current_loop->levels[which == Side::buy ? 0 : 1].push_back(level);
    return 1;
}

void set_ladder(std::int64_t instrument, std::int64_t keep_within) {
    Instrument& state = instrument_at(instrument);
    current_loop->ladder(state, PositionSide::both)
        .set(current_loop->levels[0], current_loop->levels[1], keep_within);
}

// Closing goes through the interpreter, a target does not. -1: it raised and its error is kept, or
// the quantity is no number of lots.
std::int64_t target(std::int64_t instrument, double qty, std::int64_t is_close) {
    return current_loop->compiled_target(static_cast<std::uint32_t>(instrument), qty,
                                         is_close != 0);
}

double money(std::int64_t low, std::int64_t high) {
    return static_cast<double>(join_halves(low, high)) / 1e18;
}

double random_number(std::int64_t what, double a, double b) {
    return current_loop->compiled_random(what, a, b);
}

}  // namespace

std::vector<std::pair<std::string, std::uintptr_t>> compiled_services() {
    const auto address = [](auto* function) { return reinterpret_cast<std::uintptr_t>(function); };
    return {
        {"onetape_now", address(&now)},
        {"onetape_equity", address(&equity)},
        {"onetape_place", address(&place)},
        {"onetape_cancel", address(&cancel)},
        {"onetape_cancel_all", address(&cancel_all)},
        {"onetape_amend", address(&amend)},
        {"onetape_order_number", address(&order_number)},
        {"onetape_order_word", address(&order_word)},
        {"onetape_position", address(&position)},
        {"onetape_quote", address(&quote)},
        {"onetape_facts", address(&facts_of)},
        {"onetape_book_synced", address(&book_synced)},
        {"onetape_book_has", address(&book_has)},
        {"onetape_book_price", address(&book_price)},
        {"onetape_book_size", address(&book_size)},
        {"onetape_bars_count", address(&bars_count)},
        {"onetape_book_levels", address(&book_levels)},
        {"onetape_bars_column", address(&bars_column)},
        {"onetape_set_timer", address(&set_timer)},
        {"onetape_cancel_timer", address(&cancel_timer)},
        {"onetape_begin_ladder", address(&begin_ladder)},
        {"onetape_add_level", address(&add_level)},
        {"onetape_set_ladder", address(&set_ladder)},
        {"onetape_target", address(&target)},
        {"onetape_random", address(&random_number)},
        {"onetape_money", address(&money)},
    };
}

}  // namespace onetape
