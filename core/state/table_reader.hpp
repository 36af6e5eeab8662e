#pragma once
// Reads a state table, from any process, mapped read-only. Not for several threads at once: each
// takes its own reader. Whether the writer still lives is another question than whether its last
// values can be read: ask writer_alive(), heartbeat() and the stamps of the group.
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
    writer_dead = 3,  // it cannot be read, and nobody is writing: take the journal instead
    damaged = 4,      // the checksum does not hold: take the journal instead
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
    // All keys. Not ok when some place could not be read: its key is not in it.
    TableRead keys(std::vector<TableKey>& keys);

    // All slots of a group of slots, as one write left them.
    TableRead read_slots(std::uint16_t kind, std::string_view key, SlotSnapshot& snapshot);

    // Looks at the files again, after they were removed and made anew. Cheap enough for each
    // heartbeat, too dear for each read.
    Failure refresh();

    [[nodiscard]] bool writer_alive() const noexcept { return table_locked(pointer_file_); }
    [[nodiscard]] std::int64_t heartbeat() const noexcept;  // ns UTC of the writer's last one
    // ns since the writer last stood by what is read here (TableWriter::vouch); max: it does not.
    [[nodiscard]] std::int64_t vouched_age() const noexcept;
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

    // How long a read tries before it says stalled.
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
    [[nodiscard]] bool follow();  // maps what `current` names
    // Finds the key's place and has it read: `attempt(place)`, `values.use` and `.meta` its.
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
    bool had_writer_ = false;     // when it was mapped: else its stamps may be of an earlier boot
    std::uint64_t mappings_ = 0;  // so far: what was found in an earlier one is not there now
    std::unordered_map<std::string, Handle, KeyHash, std::equal_to<>> handles_;
};

// One group of slots, found once: a read of one slot then looks nothing up. Its table's reader
// must outlive it.
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
    // The generation is the one that was found in, and still the current one.
    [[nodiscard]] bool is_found() const noexcept {
        return mapping_ == table_->mappings_ &&
               group_detail::load(&table_->pointer().current) == table_->generation_;
    }
    TableRead read_slowly(std::size_t index, SlotValues& values);

    TableReader* table_;
    std::uint16_t kind_;
    std::string key_;
    TableReader::Handle at_;
    std::uint64_t mapping_ = 0;  // in which `at_` was found, 0: never
};

}  // namespace onetape
