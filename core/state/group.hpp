#pragma once
// One group: values that must be read together. A place holds two copies, so that a write never
// touches what readers are reading: the writer fills the copy that is not current and then makes it
// current. If a writer dies inside a write, the last complete values remain readable, and readers
// need not notice its death.
//
//   word  0       version: complete writes so far (48 bits; copy version % 2 is current) and a hash
//                 of it (16 bits): else a flipped bit would show the write before. 0: never written
//   word  1       begun: writes begun so far (version, or version + 1 inside a write)
//   word  2       ts_alive, ns UTC: when the source was last seen alive; outside the copies
//   word  3..7    0
//   word  8..     copy 0, then copy 1, each:
//     word 0        checksum of the values (low 32 bits) and of the key (high 32 bits)
//     word 1        ts_data, ns UTC: when the values were true
//     word 2        sequence of the journal frame they are the projection of
//     word 3        kind u16 | used u8 | key_bytes u8 | cell count u16 | slot count u16
//     word 4        use: number of this use of the place; invalidates handles to earlier uses
//     word 5        present: bit i: cell i holds a value
//     word 6..7     0
//     word 8..15    key, UTF-8, zero-padded
//     word 16..     cells; in a group of slots (state/slots.hpp) the slots
//
// Memory order. Each store is a release and each load an acquire, so stores are seen in the order
// they were made. Write n (of copy n % 2) begins with begun = n, which comes after version = n - 1.
// A reader takes version v, reads copy v % 2, and then begun. The next write to that copy is v + 2;
// had the reader seen any word of it, it would see begun >= v + 2. So begun <= v + 1 proves the
// copy, and a reader has to try again only when a whole write and the beginning of another fall
// inside its read. Orders on the words instead of fences, because thread sanitizers understand
// them; on x86 both are plain moves. write_group, read_group and the two reads of slots are the
// only places with the memory orders of the lock.
//
// The checksum covers the version, so it detects a copy that a crash of the machine mixed from two
// writes. It is no protection against intent: a process that may write the file can write a valid
// one.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/crc32c.hpp"

namespace onetape {

inline constexpr std::size_t group_cells_max = 64;   // of one group of cells
inline constexpr std::size_t table_cells_max = 512;  // room of a group: 64 slots of 8
inline constexpr std::size_t group_key_bytes_max = 64;
inline constexpr std::size_t group_key_words = group_key_bytes_max / 8;
inline constexpr std::size_t place_head_words = 8;
inline constexpr std::size_t copy_key_at = 8;
inline constexpr std::size_t copy_cells_at = copy_key_at + group_key_words;

// Words of a copy of at most `cells` cells, and of a place: whole cache lines.
[[nodiscard]] constexpr std::size_t copy_words(std::size_t cells) {
    return (copy_cells_at + cells + 7) / 8 * 8;
}
[[nodiscard]] constexpr std::size_t place_words(std::size_t cells) {
    return place_head_words + 2 * copy_words(cells);
}

struct GroupMeta {
    std::uint16_t kind = 0;
    std::uint8_t used = 0;
    std::uint8_t key_bytes = 0;
    std::uint16_t cell_count = 0;
    std::uint16_t slot_count = 0;  // of a group of slots, which has no cells
};
static_assert(sizeof(GroupMeta) == 8);

// The values of a group in a reader's own memory.
struct GroupValues {
    std::uint64_t version = 0;  // 0: the place was never used
    std::int64_t ts_data = 0, ts_alive = 0;
    std::uint64_t sequence = 0;
    std::uint64_t use = 0;
    std::uint64_t present = 0;
    GroupMeta meta;
    std::uint64_t cells[group_cells_max];  // the first meta.cell_count are set
};

// busy: the group was written faster than it could be copied.
enum class GroupRead : std::uint8_t { ok, busy, damaged };

namespace group_detail {

inline std::uint64_t load(const std::uint64_t* word) noexcept {
    // A lock-free load stores nothing, so a read-only mapping is enough.
    static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(*word))
        .load(std::memory_order_acquire);
}
inline void store(std::uint64_t* word, std::uint64_t value) noexcept {
    std::atomic_ref<std::uint64_t>(*word).store(value, std::memory_order_release);
}
inline std::uint64_t meta_word(const GroupMeta& meta) noexcept {
    return std::bit_cast<std::uint64_t>(meta);
}

[[nodiscard]] inline std::uint32_t values_crc(const GroupValues& values) noexcept {
    std::uint32_t crc = crc32c_word(~0u, values.version);
    crc = crc32c_word(crc, static_cast<std::uint64_t>(values.ts_data));
    crc = crc32c_word(crc, values.sequence);
    crc = crc32c_word(crc, meta_word(values.meta));
    crc = crc32c_word(crc, values.use);
    crc = crc32c_word(crc, values.present);
    for (std::size_t i = 0; i < values.meta.cell_count; ++i) {
        crc = crc32c_word(crc, values.cells[i]);
    }
    return ~crc;
}

[[nodiscard]] inline std::uint64_t key_word(std::string_view key, std::size_t index) noexcept {
    std::uint64_t word = 0;
    if (index * 8 < key.size()) {
        std::memcpy(&word, key.data() + index * 8,
                    std::min<std::size_t>(8, key.size() - index * 8));
    }
    return word;
}

// Word 0 for a version. 48 bits last for 89 years of one write each 10 us.
[[nodiscard]] constexpr std::uint64_t version_word(std::uint64_t version) noexcept {
    return version << 16 | (version * 0x9e3779b97f4a7c15ull) >> 48;
}

}  // namespace group_detail

// Number of writes so far, from word 0.
[[nodiscard]] inline std::uint64_t group_version(const std::uint64_t* place) noexcept {
    return group_detail::load(place) >> 16;
}

// Writes the group as one version, which is put into values.version. `cells_max`: of the table.
// `content(copy)` stores the words after the key.
template <class Content>
inline void write_group_of(std::uint64_t* place, std::size_t cells_max, std::string_view key,
                           GroupValues& values, Content content) noexcept {
    using namespace group_detail;
    values.version = group_version(place) + 1;
    std::uint64_t* copy = place + place_head_words + (values.version & 1) * copy_words(cells_max);
    const std::uint64_t use_before = load(copy + 4);
    std::uint64_t key_check = load(copy) >> 32;
    store(place + 1, values.version);
    if (use_before != values.use) {  // the key of a place changes only with its use
        std::uint32_t crc = ~0u;
        for (std::size_t i = 0; i < group_key_words; ++i) {
            const std::uint64_t word = key_word(key, i);
            crc = crc32c_word(crc, word);
            store(copy + copy_key_at + i, word);
        }
        key_check = std::uint32_t{~crc};
    }
    store(copy, (key_check << 32) | values_crc(values));
    store(copy + 1, static_cast<std::uint64_t>(values.ts_data));
    store(copy + 2, values.sequence);
    store(copy + 3, meta_word(values.meta));
    store(copy + 4, values.use);
    store(copy + 5, values.present);
    content(copy);
    store(place, version_word(values.version));
}

inline void write_group(std::uint64_t* place, std::size_t cells_max, std::string_view key,
                        GroupValues& values) noexcept {
    write_group_of(place, cells_max, key, values, [&](std::uint64_t* copy) {
        for (std::size_t i = 0; i < values.meta.cell_count; ++i) {
            group_detail::store(copy + copy_cells_at + i, values.cells[i]);
        }
    });
}

// Tries once to read a group.
[[nodiscard]] inline GroupRead read_group(const std::uint64_t* place, std::size_t cells_max,
                                          GroupValues& values) noexcept {
    using namespace group_detail;
    const std::uint64_t word = load(place);
    values.version = word >> 16;
    values.ts_alive = static_cast<std::int64_t>(load(place + 2));
    if (word == 0) {
        values.meta = {};
        values.use = 0;
        return GroupRead::ok;
    }
    if (word != version_word(values.version)) return GroupRead::damaged;
    const std::uint64_t* copy =
        place + place_head_words + (values.version & 1) * copy_words(cells_max);
    const auto check = static_cast<std::uint32_t>(load(copy));
    values.ts_data = static_cast<std::int64_t>(load(copy + 1));
    values.sequence = load(copy + 2);
    values.meta = std::bit_cast<GroupMeta>(load(copy + 3));
    values.use = load(copy + 4);
    values.present = load(copy + 5);
    const bool fits = values.meta.cell_count <= std::min(cells_max, group_cells_max);
    const std::size_t count = fits ? values.meta.cell_count : 0;
    for (std::size_t i = 0; i < count; ++i) values.cells[i] = load(copy + copy_cells_at + i);
    if (load(place + 1) > values.version + 1) return GroupRead::busy;
    return fits && check == values_crc(values) ? GroupRead::ok : GroupRead::damaged;
}

struct GroupKey {
    std::uint64_t use = 0;
    GroupMeta meta;
    char text[group_key_bytes_max];

    [[nodiscard]] std::string_view view() const noexcept { return {text, meta.key_bytes}; }
};

// Tries once to read whose place it is. Reads the values too: their checksum proves kind and use.
[[nodiscard]] inline GroupRead read_group_key(const std::uint64_t* place, std::size_t cells_max,
                                              GroupKey& key) noexcept {
    using namespace group_detail;
    GroupValues values;
    const std::uint64_t version = group_version(place);
    const std::uint64_t* copy = place + place_head_words + (version & 1) * copy_words(cells_max);
    std::uint64_t words[group_key_words];
    std::uint32_t crc = ~0u;
    for (std::size_t i = 0; i < group_key_words; ++i) {
        words[i] = load(copy + copy_key_at + i);
        crc = crc32c_word(crc, words[i]);
    }
    const auto check = static_cast<std::uint32_t>(load(copy) >> 32);
    const GroupRead outcome = read_group(place, cells_max, values);
    if (outcome != GroupRead::ok) return outcome;
    if (values.version != version) return GroupRead::busy;  // the key may be of an earlier use
    key.use = values.use;
    key.meta = values.meta;
    if (values.version == 0) return GroupRead::ok;
    if (check != ~crc || key.meta.key_bytes > group_key_bytes_max) return GroupRead::damaged;
    std::memcpy(key.text, words, sizeof words);
    return GroupRead::ok;
}

// Stamps that the source is alive, without new data. A word of its own, so that readers of the
// values pay nothing for it.
inline void touch_group(std::uint64_t* place, std::int64_t ts_alive) noexcept {
    group_detail::store(place + 2, static_cast<std::uint64_t>(ts_alive));
}

}  // namespace onetape
