#pragma once
// Reads a state table, from any process, mapped read-only. Not for several threads at once: each
// takes its own reader. Whether the writer still lives is another question than whether its last
// values can be read: ask writer_alive(), heartbeat() and the stamps of the group.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"
#include "base/status.hpp"
#include "state/group.hpp"
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
    // All keys. Not ok when some slot could not be read: those keys are not in it.
    TableRead keys(std::vector<TableKey>& keys);

    // Looks at the files again, after they were removed and made anew. Cheap enough for each
    // heartbeat, too dear for each read.
    Failure refresh();

    [[nodiscard]] bool writer_alive() const noexcept { return table_locked(pointer_file_); }
    [[nodiscard]] std::int64_t heartbeat() const noexcept;  // ns UTC of the writer's last one
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

    // How long a read tries before it says stalled.
    void set_deadline(std::int64_t deadline_ns) noexcept { deadline_ns_ = deadline_ns; }

 private:
    TableReader() = default;
    struct Handle {
        std::uint32_t slot = 0;
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
    TableRead read_slot(std::uint32_t slot, GroupValues& values);
    TableRead read_key(std::uint32_t slot, GroupKey& key);
    TableRead scan();
    template <class Attempt>
    TableRead attempt_until_deadline(Attempt attempt);
    [[nodiscard]] const std::uint64_t* slot(std::uint32_t index) const noexcept;
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
    std::unordered_map<std::string, Handle, KeyHash, std::equal_to<>> handles_;
};

}  // namespace onetape
