#pragma once
// A strategy compiled to machine code (numba): the callbacks as plain functions, and the services
// that they may call, as plain functions, too. docs/adr/0013 describes the design.
//
// A callback gets (state, payload, facts): the strategy's attributes as a record, the frame's
// payload in place, and the numbers that convert its integers to prices and sizes. It marks the
// record as done before it returns; without the mark it has raised.
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/id_map.hpp"
#include "engine/order.hpp"

namespace onetape {

class PyTradingLoop;

struct CompiledFacts {  // of one instrument; for bars of mids prices have one decimal more
    double price_scale, size_scale, mid_price_scale;
    std::int64_t instrument;
};

struct CompiledState {  // the head of the record; the attributes follow
    std::int64_t is_done;
};

// The run whose callback is being called; services act on it.
extern PyTradingLoop* current_loop;

using CompiledCallback = void (*)(CompiledState* state, const void* payload,
                                  const CompiledFacts* facts);

struct CompiledCallbacks {
    CompiledCallback quote = nullptr, trade = nullptr, book = nullptr, bar = nullptr,
                     mid_bar = nullptr, mark = nullptr, funding = nullptr, liquidation = nullptr,
                     mbo = nullptr, timer = nullptr, order = nullptr, fill = nullptr,
                     position = nullptr;
};

// The fields of a closed order that a compiled strategy can still read.
struct ClosedOrder {
    std::int64_t price = 0, trigger = 0, size = 0, filled = 0, created = 0;
    double cost = 0;  // sum of price * size over its fills, in units
    std::uint32_t instrument = 0;
    std::uint16_t code = 0;
    OrderState state = OrderState::initialized;
    Side side = Side::none;

    [[nodiscard]] static ClosedOrder of(const Order& order) noexcept;
};

class CompiledStrategy {
 public:
    // order_cells: offsets in bytes of the record's attributes that hold order ids.
    CompiledStrategy(PyTradingLoop* loop, CompiledState* state, const CompiledCallbacks& callbacks,
                     std::vector<std::uint32_t> order_cells)
        : callbacks(callbacks), loop_(loop), state_(state), order_cells_(std::move(order_cells)) {}

    void add_facts(const Instrument& instrument);
    void add_word(const std::string& word, std::int64_t number) { words_[word] = number; }
    [[nodiscard]] std::int64_t word(const std::string& text) const {
        const auto found = words_.find(text);
        return found == words_.end() ? -1 : found->second;
    }
    [[nodiscard]] const CompiledFacts& facts(std::uint32_t instrument) const {
        return facts_[instrument];
    }
    // False: the callback raised.
    bool call(CompiledCallback callback, const void* payload, std::uint32_t instrument) {
        current_loop = loop_;
        state_->is_done = 0;
        ++depth_;
        callback(state_, payload, &facts_[instrument]);
        --depth_;
        const bool is_done = state_->is_done != 0;
        if (crowded_ && depth_ == 0) [[unlikely]]
            forget_closed();
        return is_done;
    }
    void note_closed(const Order& order);
    [[nodiscard]] const ClosedOrder* closed(std::uint64_t id) const {
        const std::uint32_t slot = closed_slots_.find(0, id);
        return slot == IdMap::absent ? nullptr : &closed_[slot].facts;
    }
    [[nodiscard]] std::size_t closed_count() const { return closed_.size(); }

    CompiledCallbacks callbacks;

 private:
    struct Closed {
        std::uint64_t id = 0;
        ClosedOrder facts;
    };

    // Drops closed orders that no attribute refers to. Called while no callback runs: a callback's
    // locals are gone then, and an attribute holds at most one order. Memory therefore does not
    // grow with the orders of a run.
    void forget_closed();

    // Number of closed orders before unreachable ones are dropped: small, so that they stay in the
    // cache, and large compared with the number of attributes, which each cleaning must scan.
    static constexpr std::size_t closed_least = 64;

    PyTradingLoop* loop_;
    CompiledState* state_;
    std::vector<std::uint32_t> order_cells_;
    std::vector<CompiledFacts> facts_;
    std::unordered_map<std::string, std::int64_t> words_;  // of timers
    std::vector<Closed> closed_;
    IdMap closed_slots_;  // id -> place in closed_
    std::size_t closed_max_ = closed_least;
    bool crowded_ = false;  // as many as that
    int depth_ = 0;         // nesting of callbacks
};

// Name and address of every service, for the compiler's linker.
[[nodiscard]] std::vector<std::pair<std::string, std::uintptr_t>> compiled_services();

}  // namespace onetape
