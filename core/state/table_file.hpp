#pragma once
// A state table on disk: a small pointer file and one file a generation.
//
//   <directory>/<process>.table      PointerPage. Its lock is held by the one writer; `current`
//                                    names the generation that readers should have mapped.
//   <directory>/<process>.table.<g>  GenerationPage, then `capacity` places (state/group.hpp).
//
// A generation never changes its size: more room is a new generation, filled completely before
// `current` names it. A reader looks at `current` first in each read, which is one load. A writer
// that ends with remove_files() sets `current` to 0 first: readers that have the files mapped find
// the table gone, and look for one of that name again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "base/file.hpp"

namespace onetape {

inline constexpr std::uint64_t pointer_magic = 0x3154504554415453ull;     // "STATEPT1"
inline constexpr std::uint64_t generation_magic = 0x314e474554415453ull;  // "STATEGN1"
inline constexpr std::size_t table_page_bytes = 4096;
inline constexpr std::uint32_t table_capacity_max = 1u << 20;

struct PointerPage {
    std::uint64_t magic;
    std::uint64_t layout;   // hash of the kinds' fields, made where they are defined
    std::uint64_t epoch;    // counts writers
    std::uint64_t current;  // atomic; generation, 0: none was published yet
    std::uint64_t crc;      // of the three fields before `current`
    std::int64_t alive;     // atomic; ns UTC, the writer's heartbeat
    std::int64_t pid;       // for people; the lock tells the truth
};
static_assert(std::is_trivially_copyable_v<PointerPage> && sizeof(PointerPage) <= table_page_bytes);

struct GenerationPage {
    std::uint64_t magic;
    std::uint64_t layout;
    std::uint64_t generation;
    std::uint64_t epoch;
    std::uint64_t crc;         // of the fields before it and of capacity and cells
    std::uint32_t capacity;    // places
    std::uint32_t cells;       // of a group, at most
    std::uint64_t places_end;  // atomic; places below were given out at least once
    std::uint64_t keys;        // atomic; counts keys that came or went
    // atomic; monotonic ns (monotonic_now), when the writer last stood by what is here, 0: it does
    // not. Of the generation, not of the table: a writer that starts anew does not thereby vouch
    // for what the one before it left.
    std::int64_t vouched;
};
static_assert(std::is_trivially_copyable_v<GenerationPage> &&
              sizeof(GenerationPage) <= table_page_bytes);

[[nodiscard]] std::uint64_t pointer_crc(const PointerPage& page) noexcept;
[[nodiscard]] std::uint64_t generation_crc(const GenerationPage& page) noexcept;

[[nodiscard]] std::string pointer_path(const std::string& directory, const std::string& process);
[[nodiscard]] std::string generation_path(const std::string& directory, const std::string& process,
                                          std::uint64_t generation);

// One clock for all processes of a machine, which nobody sets: CLOCK_MONOTONIC, ns.
[[nodiscard]] std::int64_t monotonic_now() noexcept;

[[nodiscard]] std::uint64_t generation_bytes(std::uint32_t capacity, std::uint32_t cells) noexcept;

// Exclusive among writers, kept until the file is closed; locked: another writer has it.
Failure lock_table(const FileHandle& file, const std::string& path);
// Whether some writer holds the lock. Does not take it: a reader must never get in a writer's way.
[[nodiscard]] bool table_locked(const FileHandle& file) noexcept;

}  // namespace onetape
