#pragma once
// The payload of an `entry` frame: MessagePack, a map of six keys in one order.
//
//   { "time": int, "cause": text, "legs": [[holder, currency, amount, wallet], ...],
//     "reference": text, "of": int, "note": text }
//
// An amount beyond 64 bits is the text of its digits. Each number uses the fewest bytes. Other
// encodings of the same content are valid MessagePack but are not read here.
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
    std::string_view digits;  // an amount beyond 128 bits as text, written unchanged; never read
};

// Texts are views: of the caller's data when writing, of the payload when reading.
struct EntryFrame {
    std::int64_t time = 0;
    std::string_view cause;
    std::vector<EntryLeg> legs;
    std::string_view reference;
    std::int64_t of = 0;
    std::string_view note;
};

// Appends the entry to `out`.
void append_entry(std::string& out, const EntryFrame& entry);

// Returns whether each currency's legs add up to zero within 128 bits, and all holders are in
// [least, most] and not 0.
[[nodiscard]] bool adds_up(const EntryFrame& entry, std::int64_t least, std::int64_t most) noexcept;

// False: another encoding, or incomplete; `entry` is then invalid. Reuses the memory of its legs.
[[nodiscard]] bool read_entry(std::string_view payload, EntryFrame& entry);

}  // namespace onetape
