#pragma once
// A slotted group: the slots of one currency, each with a total and its held part. They stand in a
// group (state/group.hpp) in place of cells, under the group's sequence lock, and are written
// together. One slot can be read without the others, so each carries its own checksum.
//
//   word 16 + 8 i   slot i of the copy, one cache line:
//     word 0        check (low 32 bits) | flags (high 32 bits)
//     word 1        ts_data, ns UTC, of the copy
//     word 2        sequence of the copy
//     word 3..4     total, int128, low half first
//     word 5..6     held, the same
//     word 7        0
//
// The check covers version and use of the copy, the slot's index, its flags and words 1 to 6, so
// that a line of another write, slot or key fails it. A slot that the last write did not contain
// keeps a line of an earlier write, which fails it too.
//
// Slot 0 is the sum of the others and is computed here: no caller can write another value.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/crc32c.hpp"
#include "base/money.hpp"
#include "state/group.hpp"

namespace onetape {

inline constexpr std::size_t slots_max = 64;
inline constexpr std::size_t slot_line_words = 8;
static_assert(copy_cells_at % slot_line_words == 0);

// Cells that a table needs for groups of this many slots.
[[nodiscard]] constexpr std::size_t cells_of_slots(std::size_t slots) {
    return slots * slot_line_words;
}
static_assert(cells_of_slots(slots_max) == table_cells_max);

struct SlotAmounts {
    Int128 total = 0;
    Int128 held = 0;
    std::uint32_t flags = 0;
};

struct SlotValues {
    SlotAmounts amounts;
    std::int64_t ts_data = 0;
    std::uint64_t sequence = 0;
    std::uint64_t version = 0;
};

struct SlotSnapshot {
    GroupValues head;  // meta.slot_count is the number of slots; no cells
    SlotAmounts slots[slots_max];
};

namespace slots_detail {

struct Line {
    std::uint64_t word[slot_line_words];
};

[[nodiscard]] inline std::uint64_t word_of(std::int64_t half) noexcept {
    return static_cast<std::uint64_t>(half);
}

[[nodiscard]] inline std::uint32_t line_check(const Line& line, std::uint64_t version,
                                              std::uint64_t use, std::size_t index) noexcept {
    std::uint32_t crc = crc32c_word(~0u, version);
    crc = crc32c_word(crc, use);
    crc = crc32c_word(crc, line.word[0] >> 32 << 32 | index);
    for (std::size_t i = 1; i < slot_line_words - 1; ++i) crc = crc32c_word(crc, line.word[i]);
    return ~crc;
}

[[nodiscard]] inline Line load_line(const std::uint64_t* copy, std::size_t index) noexcept {
    Line line;
    const std::uint64_t* at = copy + copy_cells_at + index * slot_line_words;
    for (std::size_t i = 0; i < slot_line_words - 1; ++i) line.word[i] = group_detail::load(at + i);
    line.word[slot_line_words - 1] = 0;
    return line;
}

inline void store_line(std::uint64_t* copy, std::size_t index, const GroupValues& head,
                       const SlotAmounts& amounts) noexcept {
    Line line{{std::uint64_t{amounts.flags} << 32, word_of(head.ts_data), head.sequence,
               word_of(low_half(amounts.total)), word_of(high_half(amounts.total)),
               word_of(low_half(amounts.held)), word_of(high_half(amounts.held)), 0}};
    line.word[0] |= line_check(line, head.version, head.use, index);
    std::uint64_t* at = copy + copy_cells_at + index * slot_line_words;
    for (std::size_t i = 0; i < slot_line_words; ++i) group_detail::store(at + i, line.word[i]);
}

[[nodiscard]] inline SlotAmounts amounts_of(const Line& line) noexcept {
    const auto half = [&](std::size_t i) { return static_cast<std::int64_t>(line.word[i]); };
    return {join_halves(half(3), half(4)), join_halves(half(5), half(6)),
            static_cast<std::uint32_t>(line.word[0] >> 32)};
}

[[nodiscard]] inline bool passes(const Line& line, std::uint64_t version, std::uint64_t use,
                                 std::size_t index) noexcept {
    return static_cast<std::uint32_t>(line.word[0]) == line_check(line, version, use, index);
}

}  // namespace slots_detail

// Adds the parts. False: the sum does not fit 128 bits.
[[nodiscard]] inline bool sum_slots(std::span<const SlotAmounts> parts, SlotAmounts& sum) noexcept {
    sum = {};
    for (const SlotAmounts& part : parts) {
        if (__builtin_add_overflow(sum.total, part.total, &sum.total)) return false;
        if (__builtin_add_overflow(sum.held, part.held, &sum.held)) return false;
    }
    return true;
}

// Tries once to read one slot. `use`: of the key the reader looks for. gone: the place no longer
// belongs to that key, or the last write had no such slot, or the line is damaged: read_group tells
// which.
enum class SlotRead : std::uint8_t { ok, busy, gone };

[[nodiscard]] inline SlotRead read_slot_line(const std::uint64_t* place, std::size_t cells_max,
                                             std::uint64_t use, std::size_t index,
                                             SlotValues& values) noexcept {
    using namespace group_detail;
    const std::uint64_t word = load(place);
    values.version = word >> 16;
    if (word == 0 || word != version_word(values.version)) return SlotRead::gone;
    const std::uint64_t* copy =
        place + place_head_words + (values.version & 1) * copy_words(cells_max);
    const slots_detail::Line line = slots_detail::load_line(copy, index);
    if (load(place + 1) > values.version + 1) return SlotRead::busy;
    if (!slots_detail::passes(line, values.version, use, index)) return SlotRead::gone;
    values.ts_data = static_cast<std::int64_t>(line.word[1]);
    values.sequence = line.word[2];
    values.amounts = slots_detail::amounts_of(line);
    return SlotRead::ok;
}

// Tries once to read all slots of a group. damaged also if slot 0 is not the sum.
[[nodiscard]] inline GroupRead read_slots(const std::uint64_t* place, std::size_t cells_max,
                                          SlotSnapshot& snapshot) noexcept {
    const GroupRead outcome = read_group(place, cells_max, snapshot.head);
    if (outcome != GroupRead::ok) return outcome;
    const GroupValues& head = snapshot.head;
    const std::size_t count = head.meta.slot_count;
    if (count > slots_max || cells_of_slots(count) > cells_max) return GroupRead::damaged;
    const std::uint64_t* copy =
        place + place_head_words + (head.version & 1) * copy_words(cells_max);
    bool whole = true;
    for (std::size_t i = 0; i < count; ++i) {
        const slots_detail::Line line = slots_detail::load_line(copy, i);
        whole = whole && slots_detail::passes(line, head.version, head.use, i) &&
                static_cast<std::int64_t>(line.word[1]) == head.ts_data &&
                line.word[2] == head.sequence;
        snapshot.slots[i] = slots_detail::amounts_of(line);
    }
    if (group_detail::load(place + 1) > head.version + 1) return GroupRead::busy;
    if (!whole) return GroupRead::damaged;
    if (count == 0) return GroupRead::ok;
    SlotAmounts sum;
    const bool fits = sum_slots({snapshot.slots + 1, count - 1}, sum);
    const bool equal = sum.total == snapshot.slots[0].total && sum.held == snapshot.slots[0].held;
    return fits && equal ? GroupRead::ok : GroupRead::damaged;
}

}  // namespace onetape
