#include "state/table_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>

namespace onetape {
namespace {

void store(std::uint64_t& word, std::uint64_t value) noexcept {
    std::atomic_ref<std::uint64_t>(word).store(value, std::memory_order_release);
}

// The numbers of a process's generation files, of any writer.
[[nodiscard]] std::vector<std::uint64_t> generations_of(const std::string& directory,
                                                        const std::string& process) {
    std::vector<std::uint64_t> found;
    const std::string prefix = process + ".table.";
    std::error_code error;
    std::filesystem::directory_iterator at(directory, error), end;
    for (; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (!name.starts_with(prefix)) continue;
        std::uint64_t number = 0;
        const char* last = name.data() + name.size();
        const auto [stop, bad] = std::from_chars(name.data() + prefix.size(), last, number);
        if (bad == std::errc{} && stop == last) found.push_back(number);
    }
    return found;
}

constexpr int open_attempts = 100;  // each outlasts a writer that ended in between

[[nodiscard]] bool same_file(const FileHandle& file, const std::string& path) {
    struct stat open_status{}, path_status{};
    return ::fstat(file.fd(), &open_status) == 0 && ::stat(path.c_str(), &path_status) == 0 &&
           open_status.st_ino == path_status.st_ino && open_status.st_dev == path_status.st_dev;
}

}  // namespace

Failure TableWriter::open(const TableOptions& options, std::unique_ptr<TableWriter>& writer) {
    if (options.process.empty() || options.process.find('/') != std::string::npos) {
        return {Status::invalid, "a process name is not empty and has no '/': " + options.process};
    }
    if (options.capacity == 0 || options.capacity > table_capacity_max) {
        return {Status::invalid, "capacity is 1 to " + std::to_string(table_capacity_max)};
    }
    if (options.cells == 0 || options.cells > table_cells_max) {
        return {Status::invalid, "cells of a group are 1 to " + std::to_string(table_cells_max)};
    }
    std::unique_ptr<TableWriter> made(new TableWriter);
    made->options_ = options;
    if (Failure failure = make_directory(options.directory); !failure.ok()) return failure;
    if (Failure failure = made->open_pointer(); !failure.ok()) return failure;
    if (Failure failure = made->make_generation(options.capacity); !failure.ok()) return failure;
    writer = std::move(made);
    return {};
}

Failure TableWriter::open_pointer() {
    const std::string path = pointer_path(options_.directory, options_.process);
    FileHandle file;
    // A writer that ends cleanly removes its file, possibly between our open and our lock.
    for (int attempt = 0; attempt == 0 || !same_file(file, path); ++attempt) {
        if (attempt == open_attempts) return {Status::locked, path + " comes and goes"};
        if (Failure failure = open_file(path, O_RDWR | O_CREAT, file); !failure.ok()) {
            return failure;
        }
        if (Failure failure = lock_table(file, path); !failure.ok()) return failure;
    }
    if (Failure failure = allocate(file, path, table_page_bytes); !failure.ok()) return failure;
    Mapping map;
    if (Failure failure = Mapping::map(file, table_page_bytes, true, path, map); !failure.ok()) {
        return failure;
    }
    pointer_file_ = std::move(file);
    pointer_map_ = std::move(map);
    // The file may have another layout, or be no table at all: only the counters are taken over,
    // and only from a valid page.
    const PointerPage& page = pointer();
    if (page.magic == pointer_magic && page.crc == pointer_crc(page)) {
        epoch_ = page.epoch;
        generation_ = page.current;
    }
    ++epoch_;
    const std::uint64_t current = generation_;
    for (const std::uint64_t number : generations_of(options_.directory, options_.process)) {
        generation_ = std::max(generation_, number);
        if (number == current) continue;  // readers still use it
        ::unlink(generation_path(options_.directory, options_.process, number).c_str());
    }
    return {};
}

Failure TableWriter::make_generation(std::uint32_t capacity) {
    const std::uint64_t generation = generation_ + 1;
    const std::string path = generation_path(options_.directory, options_.process, generation);
    FileHandle file;
    Mapping map;
    const std::uint64_t bytes = generation_bytes(capacity, options_.cells);
    Failure failure = open_file(path, O_RDWR | O_CREAT | O_EXCL, file);
    if (failure.ok()) failure = allocate(file, path, bytes);
    if (failure.ok()) failure = Mapping::map(file, bytes, true, path, map);
    if (!failure.ok()) {
        if (file.is_open()) ::unlink(path.c_str());
        return failure;
    }
    file_ = std::move(file);
    map_ = std::move(map);
    generation_ = generation;
    capacity_ = capacity;
    page() = {generation_magic, options_.layout, generation,  epoch_, 0,
              capacity,         options_.cells,  places_end_, 0,      0};
    page().crc = generation_crc(page());
    return {};
}

Failure TableWriter::publish() {
    PointerPage& page = pointer();
    page.magic = pointer_magic;
    page.layout = options_.layout;
    page.epoch = epoch_;
    page.pid = ::getpid();
    page.crc = pointer_crc(page);
    store(page.current, generation_);
    published_ = true;
    remove_other_generations();
    return {};
}

void TableWriter::remove_other_generations() const {
    for (const std::uint64_t number : generations_of(options_.directory, options_.process)) {
        if (number == generation_) continue;
        ::unlink(generation_path(options_.directory, options_.process, number).c_str());
    }
}

bool TableWriter::in_place() const {
    return same_file(pointer_file_, pointer_path(options_.directory, options_.process)) &&
           same_file(file_, generation_path(options_.directory, options_.process, generation_));
}

// A removed pointer file loses its lock's name, a removed generation its readers: both are created
// anew from the mapped data.
Failure TableWriter::restore() {
    if (removed_) return {Status::not_found, "the table's files were removed by its writer"};
    const std::uint64_t generation = generation_;
    if (Failure failure = make_directory(options_.directory); !failure.ok()) return failure;
    if (!same_file(pointer_file_, pointer_path(options_.directory, options_.process))) {
        const std::uint64_t epoch = epoch_;
        if (Failure failure = open_pointer(); !failure.ok()) return failure;
        epoch_ = std::max(epoch + 1, epoch_);
        generation_ = std::max(generation, generation_);
    }
    return grow();
}

Failure TableWriter::grow() {
    const bool full = places_end_ == capacity_;
    if (full && capacity_ == table_capacity_max) {
        return {Status::exhausted,
                "a state table holds " + std::to_string(table_capacity_max) + " groups"};
    }
    const std::uint32_t capacity = full ? std::min(capacity_ * 2, table_capacity_max) : capacity_;
    Mapping source = std::move(map_);
    FileHandle source_file = std::move(file_);
    const Failure failure = make_generation(capacity);
    if (!failure.ok()) {
        map_ = std::move(source);
        file_ = std::move(source_file);
        return failure;
    }
    std::memcpy(map_.data() + table_page_bytes, source.data() + table_page_bytes,
                std::size_t{places_end_} * place_words(options_.cells) * sizeof(std::uint64_t));
    page().vouched = reinterpret_cast<const GenerationPage*>(source.data())->vouched;
    return published_ ? publish() : Failure{};
}

std::uint64_t* TableWriter::place(std::uint32_t index) const noexcept {
    return reinterpret_cast<std::uint64_t*>(map_.data() + table_page_bytes) +
           std::size_t{index} * place_words(options_.cells);
}

TableWriter::Places::iterator TableWriter::find(std::uint16_t kind, std::string_view key) noexcept {
    char room[2 + group_key_bytes_max];
    if (key.size() > group_key_bytes_max) return places_.end();
    return places_.find(table_key(kind, key, room));
}

void TableWriter::count_keys() noexcept {
    store(page().keys, page().keys + 1);
}

Failure TableWriter::put(std::uint16_t kind, std::string_view key,
                         std::span<const std::uint64_t> cells, std::uint64_t present,
                         std::int64_t ts_data, std::uint64_t sequence) {
    const std::size_t cells_max = std::min<std::size_t>(options_.cells, group_cells_max);
    if (cells.size() > cells_max) {
        return {Status::invalid,
                "a group of this table has at most " + std::to_string(cells_max) + " cells"};
    }
    GroupValues values;
    values.ts_data = ts_data;
    values.sequence = sequence;
    values.present = present;
    values.meta = {kind, 1, static_cast<std::uint8_t>(key.size()),
                   static_cast<std::uint16_t>(cells.size()), 0};
    std::copy(cells.begin(), cells.end(), values.cells);
    return write_at(kind, key, [&](std::uint64_t* at, std::uint64_t use) noexcept {
        values.use = use;
        write_group(at, options_.cells, key, values);
    });
}

Failure TableWriter::put_slots(std::uint16_t kind, std::string_view key,
                               std::span<const SlotAmounts> parts, std::int64_t ts_data,
                               std::uint64_t sequence) {
    const std::size_t count = parts.size() + 1;
    if (count > slots_max || cells_of_slots(count) > options_.cells) {
        return {Status::invalid, "a group of this table has at most " +
                                     std::to_string(options_.cells / slot_line_words) + " slots"};
    }
    SlotAmounts sum;
    if (!sum_slots(parts, sum)) return {Status::invalid, "the sum of the slots passes 128 bits"};
    GroupValues head;
    head.ts_data = ts_data;
    head.sequence = sequence;
    head.meta = {kind, 1, static_cast<std::uint8_t>(key.size()), 0,
                 static_cast<std::uint16_t>(count)};
    return write_at(kind, key, [&](std::uint64_t* at, std::uint64_t use) noexcept {
        head.use = use;
        write_group_of(at, options_.cells, key, head, [&](std::uint64_t* copy) {
            slots_detail::store_line(copy, 0, head, sum);
            for (std::size_t i = 1; i < count; ++i) {
                slots_detail::store_line(copy, i, head, parts[i - 1]);
            }
        });
    });
}

// Finds or assigns the key's place, and calls `write` on it.
template <class Write>
Failure TableWriter::write_at(std::uint16_t kind, std::string_view key, Write write) {
    if (key.empty() || key.size() > group_key_bytes_max) {
        return {Status::invalid, "a key has 1 to 64 bytes: " + std::string(key)};
    }
    if (removed_) return {Status::not_found, "the table's files were removed by its writer"};
    const auto listed = find(kind, key);
    if (listed != places_.end()) {
        write(place(listed->second.index), listed->second.use);
        return {};
    }
    if (free_.empty() && places_end_ == capacity_) {
        if (Failure failure = grow(); !failure.ok()) return failure;
    }
    std::uint32_t index = places_end_;
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    }
    std::uint64_t* at = place(index);
    const std::uint64_t use = ++uses_;
    touch_group(at, 0);
    write(at, use);
    if (index == places_end_) store(page().places_end, ++places_end_);
    char room[2 + group_key_bytes_max];
    places_.emplace(table_key(kind, key, room), Place{index, use});
    count_keys();
    return {};
}

Status TableWriter::remove(std::uint16_t kind, std::string_view key) noexcept {
    const auto listed = find(kind, key);
    if (listed == places_.end()) return Status::not_found;
    GroupValues values;
    values.use = listed->second.use;
    values.meta = {kind, 0, static_cast<std::uint8_t>(key.size()), 0, 0};
    write_group(place(listed->second.index), options_.cells, key, values);
    free_.push_back(listed->second.index);
    places_.erase(listed);
    count_keys();
    return Status::ok;
}

Status TableWriter::touch(std::uint16_t kind, std::string_view key,
                          std::int64_t ts_alive) noexcept {
    const auto listed = find(kind, key);
    if (listed == places_.end()) return Status::not_found;
    touch_group(place(listed->second.index), ts_alive);
    return Status::ok;
}

void TableWriter::vouch() noexcept {
    if (removed_) return;
    std::atomic_ref<std::int64_t>(page().vouched).store(monotonic_now(), std::memory_order_release);
}

void TableWriter::unvouch() noexcept {
    std::atomic_ref<std::int64_t>(page().vouched).store(0, std::memory_order_release);
}

void TableWriter::remove_files() noexcept {
    unvouch();
    removed_ = true;
    if (published_) store(pointer().current, 0);
    if (same_file(file_, generation_path(options_.directory, options_.process, generation_))) {
        ::unlink(generation_path(options_.directory, options_.process, generation_).c_str());
    }
    const std::string path = pointer_path(options_.directory, options_.process);
    if (same_file(pointer_file_, path)) ::unlink(path.c_str());
}

void TableWriter::heartbeat(std::int64_t now) noexcept {
    std::atomic_ref<std::int64_t>(pointer().alive).store(now, std::memory_order_release);
}

}  // namespace onetape
