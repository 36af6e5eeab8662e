#include "journal/verify.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "journal/reader.hpp"
#include "journal/recover.hpp"
#include "journal/walk.hpp"

namespace onetape {
namespace {

bool all_zero(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes)
        if (byte != std::byte{0}) return false;
    return true;
}

std::string check_chain(const SegmentHeader& header, const ChainEnd& before,
                        const std::string& path) {
    if (!before.exists) {
        if (header.number == 1 && header.chain_seed != first_seed(header.uuid))
            return path + ": the chain does not begin with the journal's uuid";
        return {};
    }
    if (header.uuid != before.uuid)
        return path + ": belongs to journal " + uuid_text(header.uuid) + ", not " +
               uuid_text(before.uuid);
    if (header.number != before.number + 1)
        return path + ": segment " + std::to_string(before.number + 1) + " is missing before it";
    if (header.first_sequence != before.last_sequence + 1 || header.chain_seed != before.crc ||
        header.epoch < before.epoch)
        return path + ": does not continue the segment before it";
    return {};
}

}  // namespace

SegmentCheck check_segment(std::span<const std::byte> bytes, std::uint64_t number,
                           const std::string& path, const ChainEnd& before,
                           const LastWriter& writer, bool alive) {
    SegmentCheck check;
    const auto damaged = [&](std::string what) {
        check.damaged = true;
        check.what = std::move(what);
        return check;
    };
    if (bytes.size() < sizeof(SegmentHeader)) return damaged(path + ": shorter than a header");
    std::memcpy(&check.header, bytes.data(), sizeof check.header);
    const SegmentHeader& header = check.header;
    const Failure checked = check_header(header, bytes.size(), number, path);
    if (checked.status == Status::not_found || checked.status == Status::torn) {
        check.entered = false;
        std::size_t last = bytes.size();
        while (last > 0 && bytes[last - 1] == std::byte{0}) --last;
        if (!alive) check.torn_bytes = last;
        return check;
    }
    if (!checked.ok()) return damaged(checked.what);
    if (std::string what = check_chain(header, before, path); !what.empty())
        return damaged(std::move(what));
    std::vector<PreambleEntry> preamble;
    if (Failure failure = unpack_preamble(bytes, header, path, preamble); !failure.ok())
        return damaged(failure.what);
    const std::uint64_t preamble_end = sizeof header + header.preamble_bytes;
    if (!all_zero(bytes.subspan(preamble_end, header.data_offset - preamble_end)))
        return damaged(path + ": bytes between preamble and frames");

    check.sealed = header.sealed != 0;
    SegmentTrailer trailer{};
    Failure seal;
    if (check.sealed) seal = read_trailer(bytes, header, path, trailer);
    // The frames are walked even if the seal is broken: repair needs to know how far they go.
    const bool limited = check.sealed && seal.ok();
    const Walk walk = walk_frames(limited ? bytes.first(trailer.index_offset) : bytes, header);
    check.frames_whole = walk.stop == WalkStop::end_frame;
    check.good_offset = walk.offset - (check.frames_whole ? sizeof(FrameHeader) : 0);
    check.frame_count = walk.frame_count;
    check.last_sequence = walk.last_sequence;
    check.claimed_sequence = limited ? trailer.last_sequence : walk.last_sequence;
    check.crc = walk.crc;
    check.end_flags = walk.end_flags;

    if (!check.sealed) {
        LastWriter judged = writer;
        if (check.frames_whole || alive) judged.durable = 0;
        if (alive && walk.stop == WalkStop::bad_frame)  // a live writer never shows one
            return damaged(path + ": offset " + std::to_string(walk.offset) +
                           ": a bad frame after sequence " + std::to_string(walk.last_sequence));
        if (alive) return check;
        const Tail tail = judge_tail(bytes, walk, judged, path);
        check.torn_bytes = tail.torn_bytes;
        if (tail.state == TailState::damaged) return damaged(tail.what);
        return check;
    }
    if (!check.frames_whole)
        return damaged(path + ": offset " + std::to_string(walk.offset) +
                       ": a bad frame after sequence " + std::to_string(walk.last_sequence));
    if (!seal.ok()) return damaged(seal.what);
    if (Failure failure = verify_seal(bytes, path); !failure.ok()) return damaged(failure.what);
    const bool agrees =
        trailer.index_offset == walk.offset && trailer.frame_count == walk.frame_count &&
        trailer.last_sequence == walk.last_sequence && trailer.first_time == walk.first_time &&
        trailer.latest_time == walk.latest_time && trailer.last_crc == walk.crc &&
        trailer.index_count == walk.index.size() &&
        std::memcmp(bytes.data() + trailer.index_offset, walk.index.data(),
                    walk.index.size() * sizeof(IndexEntry)) == 0;
    if (!agrees) return damaged(path + ": index or trailer do not agree with the frames");
    if (before.exists && before.sealed && trailer.predecessor != before.seal)
        return damaged(path + ": sealed after another segment than the one before it");
    check.seal = trailer.seal;
    return check;
}

Failure verify_journal(const std::string& directory, const Expand& expand, VerifyReport& report) {
    report = {};
    std::vector<SegmentFile> files;
    if (Failure failure = list_segments(directory, files); !failure.ok()) return failure;
    if (files.empty()) return {Status::not_found, directory + ": holds no tape segment"};
    report.first_number = files.front().number;

    Mapping control_map;
    (void)map_control(directory, false, control_map);
    const ControlPage* control =
        control_map.data() == nullptr ? nullptr : &control_page(control_map);
    if (control != nullptr && control->magic != control_magic) control = nullptr;
    const bool alive = control != nullptr && control->closed.load() == 0 &&
                       control->boot_id == boot_id() &&
                       process_alive(control->pid, control->pid_start);
    // Read before the frames: frames that the writer adds meanwhile are not reported as missing.
    const std::uint64_t published = control == nullptr ? 0 : control->published.load();

    ChainEnd end;
    LastWriter writer;
    bool broken_off = false;
    std::uint16_t end_flags = end_closed;
    for (const SegmentFile& listed : files) {
        FileHandle file;
        Failure failure;
        if (listed.compressed) {
            if (expand) file = FileHandle(expand(listed.path));
            if (!file.is_open()) failure = {Status::damaged, listed.path + ": cannot be expanded"};
        } else {
            failure = open_file(listed.path, O_RDONLY, file);
        }
        std::uint64_t size = 0;
        Mapping map;
        if (failure.ok()) failure = file_bytes(file, listed.path, size);
        if (failure.ok() && size > segment_bytes_limit)
            failure = {Status::damaged, listed.path + ": larger than any segment"};
        if (failure.ok() && size > 0) failure = Mapping::map(file, size, false, listed.path, map);
        if (!failure.ok()) {
            report.damaged.push_back(failure.what);
            ++report.segments;
            continue;
        }
        if (!end.exists && size >= sizeof(SegmentHeader)) {
            Uuid uuid;
            std::memcpy(uuid.data(), map.data() + offsetof(SegmentHeader, uuid), uuid.size());
            writer = last_writer(control, uuid);
        }
        SegmentCheck check = check_segment({map.data(), map.bytes()}, listed.number, listed.path,
                                           end, writer, alive);
        if (map.is_cut()) {
            report.damaged.push_back(listed.path + ": was cut short while it was read");
            ++report.segments;
            continue;
        }
        report.torn_bytes += check.torn_bytes;
        if (!check.entered) {
            // Only the last segment may be prepared and not entered; the only one, if the control
            // page shows that nothing was ever published or closed.
            const bool begun = control == nullptr || published > 0 || control->closed.load() != 0;
            if (&listed != &files.back() || (files.size() == 1 && begun)) {
                report.damaged.push_back(listed.path + ": a segment of nothing in a tape");
                ++report.segments;
            }
            continue;
        }
        ++report.segments;
        if (!check.damaged && broken_off) {
            check.damaged = true;
            check.what = listed.path + ": the segment before it breaks off";
        }
        if (check.damaged) report.damaged.push_back(check.what);
        if (check.sealed && !check.damaged) {
            ++report.sealed;
            report.seal = check.seal;
        }
        report.frames += check.frame_count;
        report.claimed_sequence = std::max(report.claimed_sequence, check.claimed_sequence);
        if (check.frame_count > 0) {
            if (report.first_sequence == 0) report.first_sequence = check.header.first_sequence;
            report.last_sequence = check.last_sequence;
        }
        // After damage the chain is resumed from the start value in the next segment.
        const bool readable = check.frames_whole || !check.damaged;
        end = readable ? chain_end(check) : ChainEnd{};
        broken_off = !check.sealed && !check.frames_whole && writer.same_boot && !alive;
        end_flags = check.frames_whole ? check.end_flags : end_closed;
        report.uuid = check.header.uuid;
    }
    if (report.damaged.empty() && !alive) {
        if (end_flags == end_rolled && end.exists && files.back().number == end.number &&
            !died_moving_on(control, report.uuid, report.last_sequence))
            report.damaged.push_back(segment_path(directory, end.number + 1) +
                                     ": missing, the tape says that it goes on there");
        else if (control != nullptr && control->closed.load() != 0 &&
                 control->uuid == report.uuid && published > report.last_sequence)
            report.damaged.push_back(directory + ": frames end at sequence " +
                                     std::to_string(report.last_sequence) + ", published up to " +
                                     std::to_string(published));
    }
    return {};
}

Failure content_hash(const std::string& directory, const Expand& expand, Digest& digest) {
    std::unique_ptr<Reader> reader;
    if (Failure failure = Reader::open({directory, expand}, reader); !failure.ok()) return failure;
    Sha256 hash;
    Frame frame;
    for (;;) {
        const Status status = reader->next(frame);
        if (status == Status::not_found) break;
        if (status != Status::ok) return reader->failure();
        const FrameHeader& header = *frame.header;
        struct {
            std::uint32_t length;
            std::uint16_t type, flags;
            std::int64_t time;
            std::uint32_t stream, zero;
        } const facts{header.length, header.type, header.flags, header.time, header.stream, 0};
        static_assert(sizeof facts == 24);
        hash.update(&facts, sizeof facts);
        hash.update(frame.payload, frame.payload_bytes);
    }
    digest = hash.finish();
    return {};
}

}  // namespace onetape
