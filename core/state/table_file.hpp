#pragma once
// A state table on disk: a small pointer file and one file for each generation.
//
//   <directory>/<process>.table      PointerPage. Its lock is held by the one writer; `current`
//                                    names the generation that readers should have mapped.
//   <directory>/<process>.table.<g>  GenerationPage, then `capacity` places (state/group.hpp).
//
// A generation never changes its size: a larger table is a new generation, filled completely before
// `current` names it. A reader loads `current` first in each read. A writer that ends with
// remove_files() sets `current` to 0 first: readers that have the files mapped then see that the
// table is gone, and look for a new one of that name.
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
    std::uint64_t layout;   // hash of the kinds' fields, computed where they are defined
    std::uint64_t epoch;    // number of writers so far
    std::uint64_t current;  // atomic; generation, 0: none published yet
    std::uint64_t crc;      // of the three fields before `current`
    std::int64_t alive;     // atomic; ns UTC, the writer's heartbeat
    std::int64_t pid;       // informative; the lock decides
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
    std::uint64_t places_end;  // atomic; end of the places used at least once
    std::uint64_t keys;        // atomic; number of keys added or removed so far
    // atomic; monotonic ns (monotonic_now) at which the writer last confirmed the values, 0: it
    // does not. Per generation, not per table: a new writer does not thereby confirm the values of
    // the one before it.
    std::int64_t vouched;
};
static_assert(std::is_trivially_copyable_v<GenerationPage> &&
              sizeof(GenerationPage) <= table_page_bytes);

[[nodiscard]] std::uint64_t pointer_crc(const PointerPage& page) noexcept;
[[nodiscard]] std::uint64_t generation_crc(const GenerationPage& page) noexcept;

[[nodiscard]] std::string pointer_path(const std::string& directory, const std::string& process);
[[nodiscard]] std::string generation_path(const std::string& directory, const std::string& process,
                                          std::uint64_t generation);

// CLOCK_MONOTONIC in ns: one clock for all processes of a machine, never adjusted.
[[nodiscard]] std::int64_t monotonic_now() noexcept;

[[nodiscard]] std::uint64_t generation_bytes(std::uint32_t capacity, std::uint32_t cells) noexcept;

// Takes the writer's lock, kept until the file is closed; locked: another writer has it.
Failure lock_table(const FileHandle& file, const std::string& path);
// Returns whether some writer holds the lock. Does not take it: a reader must never get in a
// writer's way.
[[nodiscard]] bool table_locked(const FileHandle& file) noexcept;

}  // namespace onetape
