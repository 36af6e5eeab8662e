#pragma once
// The one writer of a state table: latest values per key, read by any process
// (state/table_reader.hpp).
//
// It opens with an empty generation that no reader sees. The process folds its checkpoint and
// journal into it and then publishes: readers switch from the last state of the previous writer to
// the rebuilt one, never to a half-built one.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"
#include "base/status.hpp"
#include "state/group.hpp"
#include "state/slots.hpp"
#include "state/table_file.hpp"

namespace onetape {

struct TableOptions {
    std::string directory;
    std::string process;  // file name: no '/'
    std::uint64_t layout = 0;
    std::uint32_t capacity = 256;           // groups at first; doubles as needed
    std::uint32_t cells = group_cells_max;  // room of a group: at most table_cells_max
};

class TableWriter {
 public:
    // locked: the process has a writer already.
    static Failure open(const TableOptions& options, std::unique_ptr<TableWriter>& writer);

    // Creates or replaces the values of a key. present: bit i: cells[i] holds a value. On failure
    // (invalid, disk_full, exhausted) the table is as it was.
    Failure put(std::uint16_t kind, std::string_view key, std::span<const std::uint64_t> cells,
                std::uint64_t present, std::int64_t ts_data, std::uint64_t sequence);
    // The same for a group of slots. parts[i] is slot i + 1; slot 0 is their sum and made here.
    Failure put_slots(std::uint16_t kind, std::string_view key, std::span<const SlotAmounts> parts,
                      std::int64_t ts_data, std::uint64_t sequence);
    // not_found: there was none.
    Status remove(std::uint16_t kind, std::string_view key) noexcept;
    Status touch(std::uint16_t kind, std::string_view key, std::int64_t ts_alive) noexcept;
    void heartbeat(std::int64_t now) noexcept;
    // Confirms that the values hold at this moment; each reader of slots chooses how long to trust
    // that. unvouch: withdraws it.
    void vouch() noexcept;
    void unvouch() noexcept;

    Failure publish();  // readers see this table from now on

    // False if the files were removed: new readers cannot find the table. Publish again with
    // restore().
    [[nodiscard]] bool in_place() const;
    Failure restore();

    // Ends cleanly: readers find no table. Nothing can be put after it.
    void remove_files() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

 private:
    TableWriter() = default;
    struct KeyHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const noexcept {
            return std::hash<std::string_view>{}(key);
        }
    };
    struct Place {
        std::uint32_t index = 0;
        std::uint64_t use = 0;
    };
    using Places = std::unordered_map<std::string, Place, KeyHash, std::equal_to<>>;

    template <class Write>
    Failure write_at(std::uint16_t kind, std::string_view key, Write write);
    Failure open_pointer();
    Failure make_generation(std::uint32_t capacity);
    Failure grow();
    void remove_other_generations() const;
    [[nodiscard]] std::uint64_t* place(std::uint32_t index) const noexcept;
    [[nodiscard]] PointerPage& pointer() const noexcept {
        return *reinterpret_cast<PointerPage*>(pointer_map_.data());
    }
    [[nodiscard]] GenerationPage& page() const noexcept {
        return *reinterpret_cast<GenerationPage*>(map_.data());
    }
    [[nodiscard]] Places::iterator find(std::uint16_t kind, std::string_view key) noexcept;
    void count_keys() noexcept;

    TableOptions options_;
    FileHandle pointer_file_, file_;
    Mapping pointer_map_, map_;
    std::uint32_t capacity_ = 0;
    std::uint32_t places_end_ = 0;
    std::uint64_t generation_ = 0, epoch_ = 0;
    std::uint64_t uses_ = 0;  // number of uses so far: no two uses have the same number
    bool published_ = false;
    bool removed_ = false;
    Places places_;                    // by kind and key
    std::vector<std::uint32_t> free_;  // freed places
};

// Kind and key as one text, the lookup key on both sides.
[[nodiscard]] inline std::string_view table_key(std::uint16_t kind, std::string_view key,
                                                char (&room)[2 + group_key_bytes_max]) noexcept {
    std::memcpy(room, &kind, sizeof kind);
    std::memcpy(room + sizeof kind, key.data(), key.size());
    return {room, sizeof kind + key.size()};
}

}  // namespace onetape
