#pragma once
// A log of a strategy's calls to the loop, callback by callback: enough for the loop to repeat them
// without the strategy. Calls that change nothing are left out.
//
// A call, little-endian and without padding:
//   | callback u64 | bytes of facts u32 | kind u8 | facts |
//
// callback: the number of the callback, from 1. Facts are numbers as in memory, and texts preceded
// by their length (u32).
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/trading_loop.hpp"
#include "journal/events.hpp"

namespace onetape {

enum class CallKind : std::uint8_t {  // the numbers are in files: append new ones at the end
    place = 1,
    deny = 2,
    cancel = 3,
    amend = 4,
    halt = 5,
    target = 6,
    ladder = 7,
    set_timer = 8,
    cancel_timer = 9,
    subscribe = 10,
    unsubscribe = 11,
    bars = 12,
    bars_kept = 13,
    callback = 14,
    beside = 15,
    scan = 16,
    end_targets = 17,
    place_attached = 18,
};

namespace call_facts {

template <class Number>
    requires std::is_trivially_copyable_v<Number>
void put(std::string& to, Number value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void put(std::string& to, std::string_view text) {
    put(to, static_cast<std::uint32_t>(text.size()));
    to.append(text);
}
inline void put(std::string& to, const std::string& text) {
    put(to, std::string_view(text));
}
inline void put(std::string& to, std::span<const BookLevel> levels) {
    put(to, std::string_view(reinterpret_cast<const char*>(levels.data()), levels.size_bytes()));
}
void put(std::string& to, const OrderSpec& spec);

}  // namespace call_facts

// Records calls during a run, or compares them with those of an earlier log.
class CallLog {
 public:
    void record() { is_on_ = true; }
    // Compares the following calls with those in `expected`, the log of an earlier run. `expected`
    // must outlive this.
    void compare(std::string_view expected) {
        is_on_ = is_comparing_ = true;
        expected_ = expected;
    }
    [[nodiscard]] bool is_on() const { return is_on_; }

    template <class... Facts>
    void add(std::uint64_t callback, CallKind kind, const Facts&... facts) {
        const std::size_t begin = bytes_.size();
        call_facts::put(bytes_, callback);
        call_facts::put(bytes_, std::uint32_t{0});
        call_facts::put(bytes_, kind);
        const std::size_t body = bytes_.size();
        (call_facts::put(bytes_, facts), ...);
        const auto size = static_cast<std::uint32_t>(bytes_.size() - body);
        std::memcpy(bytes_.data() + begin + sizeof callback, &size, sizeof size);
        if (is_comparing_) check();
    }
    // Returns the calls recorded since the last `take`.
    [[nodiscard]] std::string take() { return std::exchange(bytes_, {}); }
    // Returns whether the calls up to callback number `callbacks` differ from the log, in either
    // direction. Beyond the log's end nothing differs.
    [[nodiscard]] bool differs(std::uint64_t callbacks) const;

 private:
    void check();

    bool is_on_ = false, is_comparing_ = false, has_differed_ = false;
    std::string bytes_;
    std::string_view expected_;
};

// Reads the facts of one call, in the order in which they were written. Missing facts read as zero
// or empty, and make `whole_` false.
class CallFacts {
 public:
    explicit CallFacts(std::string_view bytes) : rest_(bytes) {}
    template <class Number>
    [[nodiscard]] Number number() {
        Number value{};
        if (rest_.size() < sizeof value) {
            whole_ = false;
            return value;
        }
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
        return value;
    }
    [[nodiscard]] std::string_view text();
    [[nodiscard]] std::vector<BookLevel> levels();
    [[nodiscard]] OrderSpec order();
    // True if all facts were there and none is left over.
    [[nodiscard]] bool sound() const { return whole_; }
    [[nodiscard]] bool whole() const { return whole_ && rest_.empty(); }

 private:
    std::string_view rest_;
    bool whole_ = true;
};

// Reads a log of calls from its beginning. Damaged data ends it.
class CallReader {
 public:
    explicit CallReader(std::string bytes) : bytes_(std::move(bytes)), rest_(bytes_) { load(); }
    CallReader(const CallReader&) = delete;
    CallReader& operator=(const CallReader&) = delete;

    [[nodiscard]] bool at_end() const { return at_end_; }
    [[nodiscard]] bool is_damaged() const { return at_end_ && !rest_.empty(); }
    // Number of the next call's callback.
    [[nodiscard]] std::uint64_t callback() const { return callback_; }
    [[nodiscard]] CallKind kind() const { return kind_; }
    [[nodiscard]] CallFacts facts() const { return CallFacts(facts_); }
    void next();

 private:
    void load();

    std::string bytes_;
    std::string_view rest_, facts_;
    std::uint64_t callback_ = 0;
    CallKind kind_{};
    bool at_end_ = false;
};

}  // namespace onetape
