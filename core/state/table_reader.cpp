#include "state/table_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "state/table_writer.hpp"

namespace onetape {
namespace {

// A read fails only if two writes to the group fall inside it: this many attempts outlast a burst.
constexpr int spins_max = 2000;
constexpr int spins_after_nap = 500;
// A generation may be superseded between the load of `current` and the opening of its file.
constexpr int follow_attempts = 16;

[[nodiscard]] std::uint64_t load(const std::uint64_t& word) noexcept {
    return group_detail::load(&word);
}

void pause_once() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

Failure TableReader::open(const std::string& directory, const std::string& process,
                          std::uint64_t layout, std::unique_ptr<TableReader>& reader) {
    std::unique_ptr<TableReader> made(new TableReader);
    made->directory_ = directory;
    made->process_ = process;
    made->layout_ = layout;
    if (Failure failure = made->attach(); !failure.ok()) return failure;
    reader = std::move(made);
    return {};
}

Failure TableReader::attach() {
    const std::string path = pointer_path(directory_, process_);
    FileHandle file;
    std::uint64_t bytes = 0;
    if (Failure failure = open_file(path, O_RDONLY, file); !failure.ok()) return failure;
    if (Failure failure = file_bytes(file, path, bytes); !failure.ok()) return failure;
    if (bytes < table_page_bytes) return {Status::not_found, path + ": nothing published yet"};
    Mapping map;
    if (Failure failure = Mapping::map(file, table_page_bytes, false, path, map); !failure.ok()) {
        return failure;
    }
    const auto& page = *reinterpret_cast<const PointerPage*>(map.data());
    if (load(page.current) == 0) return {Status::not_found, path + ": nothing published yet"};
    if (page.magic != pointer_magic) return {Status::foreign, path + ": not a state table"};
    pointer_file_ = std::move(file);
    pointer_map_ = std::move(map);
    generation_ = 0;  // the mapped one may be of another table of that name
    Failure failure;
    for (int attempt = 0; attempt < follow_attempts; ++attempt) {
        failure = map_generation(load(pointer().current));
        if (failure.status != Status::not_found) break;
    }
    return failure;
}

Failure TableReader::map_generation(std::uint64_t generation) {
    const std::string path = generation_path(directory_, process_, generation);
    FileHandle file;
    Mapping map;
    std::uint64_t bytes = 0;
    if (Failure failure = open_file(path, O_RDONLY, file); !failure.ok()) return failure;
    if (Failure failure = file_bytes(file, path, bytes); !failure.ok()) return failure;
    if (bytes < table_page_bytes) return {Status::foreign, path + ": shorter than its head"};
    if (Failure failure = Mapping::map(file, bytes, false, path, map); !failure.ok()) {
        return failure;
    }
    const auto& page = *reinterpret_cast<const GenerationPage*>(map.data());
    if (page.magic != generation_magic || page.crc != generation_crc(page)) {
        return {Status::foreign, path + ": not a generation of a state table"};
    }
    if (page.layout != layout_) {
        return {Status::newer_version, path + ": its fields are those of another version"};
    }
    if (page.cells == 0 || page.cells > table_cells_max || page.capacity > table_capacity_max ||
        bytes < generation_bytes(page.capacity, page.cells)) {
        return {Status::damaged, path + ": shorter than its places"};
    }
    map_ = std::move(map);
    generation_ = generation;
    epoch_ = page.epoch;
    capacity_ = page.capacity;
    cells_ = page.cells;
    had_writer_ = writer_alive();
    ++mappings_;
    handles_.clear();
    scanned_ = false;
    return {};
}

bool TableReader::follow() {
    for (int attempt = 0; attempt < follow_attempts; ++attempt) {
        const std::uint64_t current = load(pointer().current);
        if (current == 0) return attach().ok();  // its writer has removed it
        if (current == generation_) return true;
        const Failure failure = map_generation(current);
        if (!failure.ok() && failure.status != Status::not_found) return false;
    }
    return false;
}

Failure TableReader::refresh() {
    struct stat open_status{}, path_status{};
    const std::string path = pointer_path(directory_, process_);
    if (::stat(path.c_str(), &path_status) != 0) {
        return {Status::not_found, path + ": the table's files are gone"};
    }
    if (::fstat(pointer_file_.fd(), &open_status) == 0 &&
        open_status.st_ino == path_status.st_ino && open_status.st_dev == path_status.st_dev) {
        if (follow()) return {};
    }
    return attach();
}

std::int64_t TableReader::heartbeat() const noexcept {
    return std::atomic_ref<std::int64_t>(const_cast<std::int64_t&>(pointer().alive))
        .load(std::memory_order_acquire);
}

std::int64_t TableReader::vouched_age() const noexcept {
    constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    if (!had_writer_ || load(pointer().current) != generation_) return never;
    // Load the stamp before the clock: otherwise the stamp could be later than now.
    const std::int64_t vouched =
        std::atomic_ref<std::int64_t>(const_cast<std::int64_t&>(page().vouched))
            .load(std::memory_order_acquire);
    const std::int64_t age = monotonic_now() - vouched;
    return vouched == 0 || age < 0 ? never : age;
}

const std::uint64_t* TableReader::place(std::uint32_t index) const noexcept {
    return reinterpret_cast<const std::uint64_t*>(map_.data() + table_page_bytes) +
           std::size_t{index} * place_words(cells_);
}

// Retries at once, then with sleeps until the deadline. A group that is still unreadable is written
// without pause, or its words contradict each other; the writer's lock tells which.
template <class Attempt>
TableRead TableReader::attempt_until_deadline(Attempt attempt) {
    const GroupRead outcome =
        attempt();  // a separate statement: inside the loops it would not be inlined
    if (outcome == GroupRead::busy) return retry(attempt);
    return outcome == GroupRead::ok ? TableRead::ok : TableRead::damaged;
}

template <class Attempt>
[[gnu::noinline]] TableRead TableReader::retry(Attempt& attempt) {
    const std::int64_t until = monotonic_now() + deadline_ns_;
    int spins = spins_max;
    do {
        for (; spins > 0; --spins) {
            pause_once();
            const GroupRead outcome = attempt();
            if (outcome == GroupRead::ok) return TableRead::ok;
            if (outcome == GroupRead::damaged) return TableRead::damaged;
        }
        const timespec nap{0, 50'000};
        ::nanosleep(&nap, nullptr);
        // One attempt per sleep is not enough: beside a writer without pauses one in hundreds
        // succeeds.
        spins = spins_after_nap;
    } while (monotonic_now() < until);
    return writer_alive() ? TableRead::stalled : TableRead::writer_dead;
}

TableRead TableReader::read_key(std::uint32_t index, GroupKey& key) {
    return attempt_until_deadline([&] { return read_group_key(place(index), cells_, key); });
}

// Reads all keys. A place that cannot be read makes the scan incomplete: its key then counts as
// unknown, not as `missing`.
TableRead TableReader::scan() {
    handles_.clear();
    scanned_ = false;
    keys_seen_ = load(page().keys);
    TableRead worst = TableRead::ok;
    const std::uint64_t used_end = load(page().places_end);
    for (std::uint32_t index = 0; index < capacity_; ++index) {
        GroupKey key;
        const TableRead outcome = read_key(index, key);
        if (outcome != TableRead::ok) {
            worst = outcome;
            continue;
        }
        if (key.use == 0) {  // blank, as only unused places are
            if (index < used_end) worst = TableRead::damaged;
            continue;
        }
        if (key.meta.used == 0) continue;
        char room[2 + group_key_bytes_max];
        handles_.insert_or_assign(std::string(table_key(key.meta.kind, key.view(), room)),
                                  Handle{index, key.use});
    }
    scanned_ = worst == TableRead::ok;
    return worst;
}

template <class Attempt>
TableRead TableReader::read_found(std::uint16_t kind, std::string_view key,
                                  const GroupValues& values, Handle& handle, Attempt attempt) {
    if (key.empty() || key.size() > group_key_bytes_max) return TableRead::missing;
    char room[2 + group_key_bytes_max];
    const std::string_view name = table_key(kind, key, room);
    // Worst case: a handle of an earlier use, a scan, and a place reused meanwhile.
    for (int round = 0; round < follow_attempts; ++round) {
        if (!follow()) return TableRead::unavailable;
        const auto cached = handles_.find(name);
        if (cached != handles_.end()) {
            handle = cached->second;
            const TableRead outcome =
                attempt_until_deadline([&] { return attempt(place(handle.place)); });
            if (outcome != TableRead::ok) {
                if (load(pointer().current) != generation_)
                    continue;  // a new writer with a rebuilt table
                return outcome;
            }
            if (values.use == handle.use && values.meta.used != 0) return outcome;
        } else if (scanned_ && load(page().keys) == keys_seen_) {
            return TableRead::missing;
        }
        const TableRead outcome = scan();
        if (outcome != TableRead::ok && !handles_.contains(name)) {
            if (load(pointer().current) != generation_) continue;
            return outcome;
        }
        if (!handles_.contains(name)) return TableRead::missing;
    }
    return TableRead::stalled;  // keys are added and removed faster than they can be read
}

TableRead TableReader::read(std::uint16_t kind, std::string_view key, GroupValues& values) {
    Handle at;
    return read_found(kind, key, values, at, [&](const std::uint64_t* found) {
        return read_group(found, cells_, values);
    });
}

TableRead TableReader::read_slots(std::uint16_t kind, std::string_view key,
                                  SlotSnapshot& snapshot) {
    Handle at;
    return read_found(kind, key, snapshot.head, at, [&](const std::uint64_t* found) {
        return onetape::read_slots(found, cells_, snapshot);
    });
}

TableRead SlotsReader::read_all(SlotSnapshot& snapshot) {
    TableReader& table = *table_;
    const TableRead outcome = table.read_found(
        kind_, key_, snapshot.head, at_,
        [&](const std::uint64_t* found) { return read_slots(found, table.cells_, snapshot); });
    mapping_ = outcome == TableRead::ok ? table.mappings_ : 0;
    return outcome;
}

// Distinguishes the cases that one read of one line cannot: another place, a new key, a missing
// slot, damage.
TableRead SlotsReader::read_slowly(std::size_t index, SlotValues& values) {
    SlotSnapshot snapshot;
    const TableRead outcome = read_all(snapshot);
    if (outcome != TableRead::ok) return outcome;
    if (index >= snapshot.head.meta.slot_count) return TableRead::missing;
    values = {snapshot.slots[index], snapshot.head.ts_data, snapshot.head.sequence,
              snapshot.head.version};
    return TableRead::ok;
}

TableRead TableReader::keys(std::vector<TableKey>& keys) {
    keys.clear();
    TableRead outcome = TableRead::unavailable;
    for (int round = 0; round < follow_attempts; ++round) {
        if (!follow()) return TableRead::unavailable;
        outcome = scan();
        if (outcome == TableRead::ok || load(pointer().current) == generation_) break;
    }
    for (const auto& [name, handle] : handles_) {
        TableKey key;
        std::memcpy(&key.kind, name.data(), sizeof key.kind);
        key.key = name.substr(sizeof key.kind);
        keys.push_back(std::move(key));
    }
    std::sort(keys.begin(), keys.end(), [](const TableKey& a, const TableKey& b) {
        return a.kind != b.kind ? a.kind < b.kind : a.key < b.key;
    });
    return outcome;
}

}  // namespace onetape
