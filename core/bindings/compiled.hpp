#pragma once
// A strategy compiled to machine code (numba): the callbacks as plain functions, and what they may
// ask of the run, as plain functions, too. docs/adr/0013 says how it is put together.
//
// A callback gets (state, payload, facts): the strategy's attributes as a record, the frame's
// payload where it lies, and the numbers that turn its integers into prices and sizes. It marks
// the record as done before it returns; one that did not get there has raised.
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/order.hpp"

namespace onetape {

class PySimulation;

struct CompiledFacts {  // of one instrument; for bars of mids prices have one decimal more
    double price_scale, size_scale, mid_price_scale;
    std::int64_t instrument;
};

struct CompiledState {  // the head of the record; the attributes follow
    std::int64_t is_done;
};

// Services act for one run at a time: that whose callback runs.
extern PySimulation* current_simulation;

using CompiledCallback = void (*)(CompiledState* state, const void* payload,
                                  const CompiledFacts* facts);

struct CompiledCallbacks {
    CompiledCallback quote = nullptr, trade = nullptr, book = nullptr, bar = nullptr,
                     mid_bar = nullptr, mark = nullptr, funding = nullptr, liquidation = nullptr,
                     mbo = nullptr, timer = nullptr, order = nullptr, fill = nullptr,
                     position = nullptr;
};

// What a compiled strategy can still read of an order that is closed.
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
    CompiledStrategy(PySimulation* simulation, CompiledState* state,
                     const CompiledCallbacks& callbacks)
        : callbacks(callbacks), simulation_(simulation), state_(state) {}

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
        current_simulation = simulation_;
        state_->is_done = 0;
        callback(state_, payload, &facts_[instrument]);
        return state_->is_done != 0;
    }
    void note_closed(const Order& order);
    [[nodiscard]] const ClosedOrder* closed(std::uint64_t id) const {
        return id < closed_.size() && closed_[id].instrument != none ? &closed_[id] : nullptr;
    }

    CompiledCallbacks callbacks;

 private:
    static constexpr std::uint32_t none = 0xffffffff;
    PySimulation* simulation_;
    CompiledState* state_;
    std::vector<CompiledFacts> facts_;
    std::unordered_map<std::string, std::int64_t> words_;  // of timers
    std::vector<ClosedOrder> closed_;                      // by id
};

// Name and address of every service, for the compiler's linker.
[[nodiscard]] std::vector<std::pair<std::string, std::uintptr_t>> compiled_services();

}  // namespace onetape
