#include "journal/repair.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "journal/lock.hpp"
#include "journal/preparer.hpp"
#include "journal/recover.hpp"

namespace onetape {
namespace {

Failure set_file_aside(const std::string& directory, const SegmentFile& file,
                       RepairReport& report) {
    const std::string aside = directory + "/damaged-" + std::to_string(file.number) +
                              (file.compressed ? ".zst.bin" : ".bin");
    if (::rename(file.path.c_str(), aside.c_str()) != 0)
        return system_failure("rename", file.path, errno);
    report.set_aside.push_back(aside);
    report.changed = true;
    return {};
}

// Writes the good part of a damaged segment anew and seals it.
Failure rebuild(const std::string& directory, std::span<const std::byte> bytes,
                const SegmentCheck& check, Digest& seal, OpenSegment& made) {
    if (Failure failure =
            prepare_segment(directory, check.header.number, check.header.capacity, false, made);
        !failure.ok())
        return failure;
    std::memcpy(made.map.data() + 8, bytes.data() + 8, check.good_offset - 8);
    SegmentHeader& header = made.header();
    header.sealed = 0;
    header.magic = segment_magic;
    Walk walk = walk_frames(made.bytes(), header);
    write_end_frame(made, walk, check.frames_whole ? check.end_flags : end_recovered);
    return seal_segment(made, true, seal);
}

}  // namespace

Failure repair_journal(const std::string& directory, const Expand& expand, RepairReport& report) {
    report = {};
    FileHandle lock;
    if (Failure failure = take_lock(directory, lock); !failure.ok()) return failure;
    VerifyReport found;
    if (Failure failure = verify_journal(directory, expand, found); !failure.ok()) return failure;
    report.last_sequence = found.last_sequence;
    report.damage = found.damaged;
    if (found.damaged.empty() && found.torn_bytes == 0) return {};

    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(directory, files); !failure.ok()) return failure;
    ChainEnd end;
    bool lost = false;
    for (const SegmentFile& listed : files) {
        if (lost) {
            if (Failure failure = set_file_aside(directory, listed, report); !failure.ok())
                return failure;
            continue;
        }
        FileHandle file;
        Mapping map;
        std::uint64_t size = 0;
        Failure failure;
        if (listed.compressed) {
            if (expand) file = FileHandle(expand(listed.path));
            if (!file.is_open()) failure = {Status::damaged, listed.path};
        } else {
            failure = open_file(listed.path, O_RDONLY, file);
        }
        if (failure.ok()) failure = file_bytes(file, listed.path, size);
        if (failure.ok() && (size < sizeof(SegmentHeader) || size > segment_bytes_limit))
            failure = {Status::damaged, listed.path};
        if (failure.ok()) failure = Mapping::map(file, size, false, listed.path, map);
        SegmentCheck check;
        const std::span<const std::byte> bytes{map.data(), map.bytes()};
        if (failure.ok())
            check = check_segment(bytes, listed.number, listed.path, end, LastWriter{}, false);
        if (map.is_cut())
            return {Status::damaged, listed.path + ": was cut short while it was repaired"};
        const bool usable = failure.ok() && check.good_offset >= check.header.data_offset &&
                            check.header.data_offset > 0;
        if (failure.ok() && !check.entered) {
            if (::unlink(listed.path.c_str()) != 0)
                return system_failure("unlink", listed.path, errno);
            continue;
        }
        if (failure.ok() && !check.damaged && (check.sealed || check.frames_whole)) {
            end = chain_end(check);
            continue;
        }
        // The first damage, or a torn tail. The readable part of the segment stays, later segments
        // are removed; unless only the seal was damaged: it is made again, and the next segment can
        // follow it.
        if (failure = set_file_aside(directory, listed, report); !failure.ok()) return failure;
        lost = true;
        if (!usable) continue;
        Digest seal = end.seal;
        OpenSegment made;
        if (failure = rebuild(directory, bytes, check, seal, made); !failure.ok()) return failure;
        const Walk walk = walk_frames(made.bytes(), made.header());
        end = {true,
               check.header.uuid,
               check.header.number,
               check.header.epoch,
               walk.last_sequence,
               walk.crc,
               seal,
               true};
        if (check.frames_whole && walk.crc == check.crc) lost = false;
    }
    report.last_sequence = end.last_sequence;
    report.frames_lost =
        found.claimed_sequence > end.last_sequence ? found.claimed_sequence - end.last_sequence : 0;
    Mapping control_map;
    if (map_control(directory, true, control_map).ok()) {
        // From here on the shorter tape counts as complete.
        ControlPage& control = control_page(control_map);
        control.durable.store(end.last_sequence);
        control.published.store(end.last_sequence);
        control.closed.store(1);
    }
    return sync_directory(directory);
}

}  // namespace onetape
