#pragma once
// Reads a state table from any process, mapped read-only. Not thread-safe: each thread takes its
// own reader. That values can be read does not mean that the writer is alive: check writer_alive(),
// heartbeat() and the stamps of the group.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/status.hpp"
#include "state/group.hpp"
#include "state/slots.hpp"
#include "state/table_file.hpp"

namespace onetape {

enum class TableRead : std::uint8_t {
    ok = 0,
    missing = 1,      // no such key
    stalled = 2,      // written faster than it can be read, for longer than the deadline
    writer_dead = 3,  // unreadable, and no process writes: read the journal instead
    damaged = 4,      // the checksum is wrong: read the journal instead
    unavailable = 5,  // nothing published, files gone, or another layout
};

class SlotsReader;

struct TableKey {
    std::uint16_t kind = 0;
    std::string key;
};

class TableReader {
 public:
    // not_found: no table, or none published yet; newer_version: another layout; foreign: no table.
    static Failure open(const std::string& directory, const std::string& process,
                        std::uint64_t layout, std::unique_ptr<TableReader>& reader);

    TableRead read(std::uint16_t kind, std::string_view key, GroupValues& values);
    // Lists all keys. Not ok if some place could not be read: its key is then missing.
    TableRead keys(std::vector<TableKey>& keys);

    // Reads all slots of a group as of one write.
    TableRead read_slots(std::uint16_t kind, std::string_view key, SlotSnapshot& snapshot);

    // Opens the files again after they were removed and created anew. Cheap enough for each
    // heartbeat, too expensive for each read.
    Failure refresh();

    [[nodiscard]] bool writer_alive() const noexcept { return table_locked(pointer_file_); }
    [[nodiscard]] std::int64_t heartbeat() const noexcept;  // ns UTC of the writer's last heartbeat
    // ns since the writer last confirmed the values (TableWriter::vouch); max: it does not confirm
    // them.
    [[nodiscard]] std::int64_t vouched_age() const noexcept;
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

    // How long a read retries before it returns stalled.
    void set_deadline(std::int64_t deadline_ns) noexcept { deadline_ns_ = deadline_ns; }

 private:
    friend class SlotsReader;
    TableReader() = default;
    struct Handle {
        std::uint32_t place = 0;
        std::uint64_t use = 0;
    };
    struct KeyHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const noexcept {
            return std::hash<std::string_view>{}(key);
        }
    };

    Failure attach();
    Failure map_generation(std::uint64_t generation);
    [[nodiscard]] bool follow();  // maps the generation in `current`
    // Finds the key's place and reads it with `attempt(place)`, which fills `values.use` and
    // `.meta`.
    template <class Attempt>
    TableRead read_found(std::uint16_t kind, std::string_view key, const GroupValues& values,
                         Handle& handle, Attempt attempt);
    TableRead read_key(std::uint32_t place, GroupKey& key);
    TableRead scan();
    template <class Attempt>
    TableRead attempt_until_deadline(Attempt attempt);
    template <class Attempt>
    TableRead retry(Attempt& attempt);
    [[nodiscard]] const std::uint64_t* place(std::uint32_t index) const noexcept;
    [[nodiscard]] const PointerPage& pointer() const noexcept {
        return *reinterpret_cast<const PointerPage*>(pointer_map_.data());
    }
    [[nodiscard]] const GenerationPage& page() const noexcept {
        return *reinterpret_cast<const GenerationPage*>(map_.data());
    }

    std::string directory_, process_;
    std::uint64_t layout_ = 0;
    std::int64_t deadline_ns_ = 2'000'000;
    FileHandle pointer_file_;
    Mapping pointer_map_, map_;
    std::uint64_t generation_ = 0, epoch_ = 0;
    std::uint32_t capacity_ = 0, cells_ = 0;
    std::uint64_t keys_seen_ = 0;  // page().keys at the last whole scan
    bool scanned_ = false;
    bool had_writer_ = false;  // at the time of mapping: else its stamps may be of an earlier boot
    std::uint64_t mappings_ =
        0;  // count of mappings so far; a place found in an earlier one is not valid now
    std::unordered_map<std::string, Handle, KeyHash, std::equal_to<>> handles_;
};

// Reads single slots of one group, which is looked up once. The table's reader must outlive it.
class SlotsReader {
 public:
    SlotsReader(TableReader& table, std::uint16_t kind, std::string key)
        : table_(&table), kind_(kind), key_(std::move(key)) {}

    // missing: no such group, or it has no such slot.
    TableRead read(std::size_t index, SlotValues& values) {
        if (index >= slots_max) return TableRead::missing;
        if (is_found() && cells_of_slots(index + 1) <= table_->cells_) {
            const auto outcome =
                read_slot_line(table_->place(at_.place), table_->cells_, at_.use, index, values);
            if (outcome == SlotRead::ok) return TableRead::ok;
        }
        return read_slowly(index, values);
    }
    TableRead read_all(SlotSnapshot& snapshot);

    [[nodiscard]] TableReader& table() const noexcept { return *table_; }

 private:
    // True if the mapped generation is the one of the lookup, and still the current one.
    [[nodiscard]] bool is_found() const noexcept {
        return mapping_ == table_->mappings_ &&
               group_detail::load(&table_->pointer().current) == table_->generation_;
    }
    TableRead read_slowly(std::size_t index, SlotValues& values);

    TableReader* table_;
    std::uint16_t kind_;
    std::string key_;
    TableReader::Handle at_;
    std::uint64_t mapping_ = 0;  // the mapping in which `at_` was found, 0: never
};

}  // namespace onetape
