#include "journal/recover.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace onetape {
namespace {

std::string aside_path(const std::string& directory, std::uint64_t number, std::uint64_t offset) {
    return directory + "/torn-" + std::to_string(number) + "-" + std::to_string(offset) + ".bin";
}

Failure set_aside(const std::string& path, const std::byte* data, std::size_t bytes) {
    FileHandle file;
    if (Failure failure = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, file); !failure.ok())
        return failure;
    if (Failure failure = write_all(file, path, data, bytes); !failure.ok()) return failure;
    if (::fsync(file.fd()) != 0) return system_failure("fsync", path, errno);
    return {};
}

// Drops a whole file that was being entered when the machine went down, or was never entered.
Failure drop_segment(const std::string& directory, const OpenSegment& segment, JournalEnd& end) {
    const auto bytes = segment.bytes();
    std::size_t last = bytes.size();
    while (last > 0 && bytes[last - 1] == std::byte{0}) --last;
    if (last == 0) {
        if (::unlink(segment.path.c_str()) != 0)
            return system_failure("unlink", segment.path, errno);
        return {};
    }
    const std::string aside = aside_path(directory, segment.number, 0);
    if (::rename(segment.path.c_str(), aside.c_str()) != 0)
        return system_failure("rename", segment.path, errno);
    end.torn_bytes += last;
    if (end.torn_file.empty()) end.torn_file = aside;
    return {};
}

// Ends an open segment after its last good frame.
Failure end_segment(const std::string& directory, OpenSegment& segment, Walk& walk,
                    const Tail& tail, JournalEnd& end) {
    const std::uint64_t capacity = segment.header().capacity;
    if (segment.map.bytes() < capacity) {  // cut short by a copy; the end frame needs its room
        if (Failure failure = allocate(segment.file, segment.path, capacity); !failure.ok())
            return failure;
        Mapping whole;
        if (Failure failure = Mapping::map(segment.file, capacity, true, segment.path, whole);
            !failure.ok())
            return failure;
        segment.map = std::move(whole);
    }
    if (tail.torn_bytes > 0) {
        const std::string aside = aside_path(directory, segment.number, walk.offset);
        std::byte* from = segment.map.data() + walk.offset;
        if (Failure failure = set_aside(aside, from, tail.torn_bytes); !failure.ok())
            return failure;
        std::memset(from, 0, tail.torn_bytes);
        end.torn_bytes += tail.torn_bytes;
        if (end.torn_file.empty()) end.torn_file = aside;
    }
    write_end_frame(segment, walk, end_recovered);
    return {};
}

Failure take_sealed(const OpenSegment& segment, const SegmentTrailer& trailer, JournalEnd& end) {
    const SegmentHeader& header = segment.header();
    end.exists = true;
    end.uuid = header.uuid;
    end.epoch = header.epoch;
    end.number = header.number;
    end.last_sequence = trailer.last_sequence;
    end.crc = trailer.last_crc;
    end.seal = trailer.seal;
    end.bytes = header.capacity;
    return {};
}

Failure check_successor(const SegmentHeader& header, const JournalEnd& end,
                        const std::string& path) {
    if (!end.exists) return {};
    if (header.uuid != end.uuid)
        return {Status::foreign, path + ": belongs to journal " + uuid_text(header.uuid)};
    if (header.number != end.number + 1)
        return {Status::damaged,
                path + ": segment " + std::to_string(end.number + 1) + " is missing before it"};
    if (header.first_sequence != end.last_sequence + 1 || header.chain_seed != end.crc ||
        header.epoch < end.epoch)
        return {Status::damaged, path + ": does not continue the segment before it"};
    return {};
}

}  // namespace

LastWriter last_writer(const ControlPage* control, const Uuid& uuid) noexcept {
    if (control == nullptr || control->magic != control_magic || control->uuid != uuid) return {};
    return {control->durable.load(), control->boot_id == boot_id()};
}

Tail judge_tail(std::span<const std::byte> bytes, const Walk& walk, const LastWriter& writer,
                const std::string& path) {
    Tail tail;
    std::size_t last = bytes.size();
    while (last > walk.offset && bytes[last - 1] == std::byte{0}) --last;
    if (last > walk.offset) tail.torn_bytes = last - walk.offset;
    const std::string place = path + ": offset " + std::to_string(walk.offset);
    if (walk.last_sequence < writer.durable) {
        tail.state = TailState::damaged;
        tail.what = place + ": frames end at sequence " + std::to_string(walk.last_sequence) +
                    ", but up to " + std::to_string(writer.durable) + " was on disk";
        return tail;
    }
    if (walk.stop == WalkStop::end_frame) {
        tail.torn_bytes = 0;  // the beginning of a seal, which will be made anew
        return tail;
    }
    if (tail.torn_bytes == 0) return tail;
    tail.state = TailState::torn;
    if (!writer.same_boot) return tail;
    if (const std::uint64_t next = find_continuation(bytes, walk); next != 0) {
        tail.state = TailState::damaged;
        tail.what = place + ": a bad frame after sequence " + std::to_string(walk.last_sequence) +
                    ", and good ones from offset " + std::to_string(next);
    }
    return tail;
}

Failure recover_journal(const std::string& directory, const ControlPage* control, bool durable,
                        JournalEnd& end) {
    end = {};
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(directory, files); !failure.ok()) return failure;

    std::size_t first = 0;
    if (Failure failure = find_last_sealed(files, first); !failure.ok()) return failure;

    bool torn = false;  // after a torn segment later ones are void
    for (std::size_t i = first; i < files.size(); ++i) {
        OpenSegment segment;
        if (Failure failure = open_segment(files[i], segment); !failure.ok()) return failure;
        const SegmentHeader& header = segment.header();
        Failure checked = check_header(header, segment.map.bytes(), files[i].number, files[i].path);
        if (checked.ok() && header.sealed == 0) {
            // Readers need the preamble: a segment with a damaged one cannot be continued from.
            std::vector<PreambleEntry> entries;
            checked = unpack_preamble(segment.bytes(), header, files[i].path, entries);
        }
        const bool unentered =
            checked.status == Status::not_found || checked.status == Status::torn;
        const LastWriter writer = last_writer(control, end.exists ? end.uuid : header.uuid);
        // Entering a segment stores its header, which may be half written after a power loss.
        const bool lost = checked.status == Status::damaged && !writer.same_boot && end.exists &&
                          end.last_sequence >= writer.durable && i + 1 == files.size();
        // The end frame is stored before the next segment is entered.
        if (torn && !unentered && writer.same_boot)
            return {Status::damaged, files[i].path + ": the segment before it breaks off"};
        if (torn || unentered || lost) {
            if (Failure failure = drop_segment(directory, segment, end); !failure.ok())
                return failure;
            torn = true;
            continue;
        }
        if (!checked.ok()) return checked;
        if (Failure failure = check_successor(header, end, files[i].path); !failure.ok())
            return failure;

        SegmentTrailer trailer;
        if (header.sealed != 0) {
            if (Failure failure = cut_sealed(segment, trailer); !failure.ok()) return failure;
            if (Failure failure = take_sealed(segment, trailer, end); !failure.ok()) return failure;
            continue;
        }

        Walk walk = walk_frames(segment.bytes(), header);
        LastWriter judged = writer;
        // Only the last segment with frames is checked against the durable sequence.
        if (walk.stop == WalkStop::end_frame) judged.durable = 0;
        const Tail tail = judge_tail(segment.bytes(), walk, judged, files[i].path);
        if (tail.state == TailState::damaged) return {Status::damaged, tail.what};
        if (walk.stop != WalkStop::end_frame) {
            if (Failure failure = end_segment(directory, segment, walk, tail, end); !failure.ok())
                return failure;
            torn = true;
        }
        Digest seal = end.seal;
        if (Failure failure = seal_segment(segment, durable, seal); !failure.ok()) return failure;
        // The segment's own header is read anew: ending a segment may have mapped it again.
        if (Failure failure =
                read_trailer(segment.bytes(), segment.header(), files[i].path, trailer);
            !failure.ok())
            return failure;
        if (Failure failure = take_sealed(segment, trailer, end); !failure.ok()) return failure;
    }
    if (end.exists) {
        const LastWriter writer = last_writer(control, end.uuid);
        if (end.last_sequence < writer.durable)
            return {Status::damaged, directory + ": frames end at sequence " +
                                         std::to_string(end.last_sequence) + ", but up to " +
                                         std::to_string(writer.durable) + " was on disk"};
        if (durable) return sync_directory(directory);
    }
    return {};
}

}  // namespace onetape
