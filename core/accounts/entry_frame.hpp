#pragma once
// The payload of an `entry` frame: MessagePack, a map of six keys in one order.
//
//   { "time": int, "cause": text, "legs": [[holder, currency, amount, wallet], ...],
//     "reference": text, "of": int, "note": text }
//
// An amount that 64 bits do not hold is the text of its digits. Each number is in the fewest bytes
// that hold it. What says the same in another form is no error, and not read here.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct EntryLeg {
    std::int64_t holder = 0;
    std::string_view currency;
    Int128 amount = 0;  // units of 1e-18
    std::string_view wallet;
    std::string_view digits;  // of an amount beyond 128 bits, written as they are; never read
};

// Texts are views: of what is written, or of the payload that was read.
struct EntryFrame {
    std::int64_t time = 0;
    std::string_view cause;
    std::vector<EntryLeg> legs;
    std::string_view reference;
    std::int64_t of = 0;
    std::string_view note;
};

// Behind what `out` has.
void append_entry(std::string& out, const EntryFrame& entry);

// Each currency's legs add up to zero within 128 bits, and all holders are in [least, most], none
// of them 0.
[[nodiscard]] bool adds_up(const EntryFrame& entry, std::int64_t least, std::int64_t most) noexcept;

// False: not in this form, or not whole; `entry` is of no use then. Reuses the room of its legs.
[[nodiscard]] bool read_entry(std::string_view payload, EntryFrame& entry);

}  // namespace onetape
