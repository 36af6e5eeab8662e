#include "journal/seal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace onetape {
namespace {

Failure sync_data(const OpenSegment& segment) {
#if defined(__APPLE__)
    const int result = ::fsync(segment.file.fd());
#else
    const int result = ::fdatasync(segment.file.fd());
#endif
    return result == 0 ? Failure{} : system_failure("fdatasync", segment.path, errno);
}

}  // namespace

Failure open_segment(const SegmentFile& listed, OpenSegment& segment) {
    OpenSegment opened;
    opened.number = listed.number;
    opened.path = listed.path;
    if (Failure failure = open_file(listed.path, O_RDWR, opened.file); !failure.ok())
        return failure;
    std::uint64_t bytes = 0;
    if (Failure failure = file_bytes(opened.file, listed.path, bytes); !failure.ok())
        return failure;
    if (bytes < sizeof(SegmentHeader))
        return {Status::damaged, listed.path + ": shorter than a header"};
    if (Failure failure = Mapping::map(opened.file, bytes, true, listed.path, opened.map);
        !failure.ok())
        return failure;
    segment = std::move(opened);
    return {};
}

Failure find_last_sealed(const std::vector<SegmentFile>& files, std::size_t& index) {
    index = files.size();
    while (index > 0) {
        --index;
        if (files[index].compressed)
            return {Status::not_available,
                    files[index].path + ": the last sealed segment must not be compressed"};
        OpenSegment segment;
        if (Failure failure = open_segment(files[index], segment); !failure.ok()) return failure;
        if (segment.header().magic == segment_magic && segment.header().sealed != 0) break;
    }
    return {};
}

Failure cut_sealed(const OpenSegment& segment, SegmentTrailer& trailer) {
    const SegmentHeader& header = segment.header();
    if (Failure failure = read_trailer(segment.bytes(), header, segment.path, trailer);
        !failure.ok())
        return failure;
    const std::uint64_t size = header.sealed & ~sealed_mask;
    if (segment.map.bytes() > size && ::ftruncate(segment.file.fd(), static_cast<off_t>(size)) != 0)
        return system_failure("ftruncate", segment.path, errno);
    return {};
}

void write_end_frame(OpenSegment& segment, Walk& walk, std::uint16_t flags) noexcept {
    FrameHeader frame{frame_header_bytes,
                      static_cast<std::uint16_t>(EventType::end),
                      flags,
                      walk.last_sequence + 1,
                      0,
                      0,
                      0};
    const std::uint64_t word0 = pack_word0(frame.length, frame.type, frame.flags);
    frame.crc = chain_crc(walk.crc, word0, frame.sequence, frame.time, frame.stream, 0);
    std::byte* at = segment.map.data() + walk.offset;
    std::memcpy(at + 8, reinterpret_cast<const std::byte*>(&frame) + 8, sizeof frame - 8);
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at))
        .store(word0, std::memory_order_release);
    walk.crc = frame.crc;
    walk.offset += frame_header_bytes;
    walk.end_flags = flags;
    walk.stop = WalkStop::end_frame;
}

Failure seal_segment(OpenSegment& segment, bool durable, Digest& seal) {
    const SegmentHeader& header = segment.header();
    const Walk walk = walk_frames(segment.bytes(), header);
    if (walk.stop != WalkStop::end_frame)
        return {Status::damaged,
                segment.path + ": frames do not end at offset " + std::to_string(walk.offset)};
    if (durable)
        if (Failure failure = sync_data(segment); !failure.ok()) return failure;

    SegmentTrailer trailer{};
    trailer.magic = trailer_magic;
    trailer.index_offset = walk.offset;
    trailer.index_count = walk.index.size();
    trailer.frame_count = walk.frame_count;
    trailer.last_sequence = walk.last_sequence;
    trailer.first_time = walk.first_time;
    trailer.latest_time = walk.latest_time;
    trailer.last_crc = walk.crc;
    trailer.predecessor = seal;
    const std::size_t index_bytes = walk.index.size() * sizeof(IndexEntry);
    const std::uint64_t size = walk.offset + index_bytes + sizeof trailer;
    if (size >= header.capacity || size > segment.map.bytes())
        return {Status::damaged, segment.path + ": no room for the seal"};

    std::byte* at = segment.map.data() + walk.offset;
    if (index_bytes > 0) std::memcpy(at, walk.index.data(), index_bytes);
    at += index_bytes;
    std::memcpy(at, &trailer, sizeof trailer);

    // The hash covers the final file, with `sealed` set. The store itself comes after the trailer
    // is on disk, so that a mark without a trailer can only be damage.
    SegmentHeader sealed_header = header;
    sealed_header.sealed = sealed_mark | size;
    Sha256 hash;
    hash.update(&sealed_header, sizeof sealed_header);
    hash.update(segment.map.data() + sizeof sealed_header,
                size - sizeof(Digest) - sizeof sealed_header);
    seal = hash.finish();
    std::memcpy(at + offsetof(SegmentTrailer, seal), seal.data(), seal.size());
    if (durable)
        if (Failure failure = sync_data(segment); !failure.ok()) return failure;
    std::atomic_ref<std::uint64_t>(segment.header().sealed)
        .store(sealed_header.sealed, std::memory_order_release);
    if (::ftruncate(segment.file.fd(), static_cast<off_t>(size)) != 0)
        return system_failure("ftruncate", segment.path, errno);
    if (durable && ::fsync(segment.file.fd()) != 0)
        return system_failure("fsync", segment.path, errno);
    return {};
}

Failure read_trailer(std::span<const std::byte> bytes, const SegmentHeader& header,
                     const std::string& path, SegmentTrailer& trailer) {
    const std::uint64_t sealed =
        std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(header.sealed))
            .load(std::memory_order_acquire);
    if (sealed == 0) return {Status::not_found, path + ": not sealed"};
    if ((sealed & sealed_mask) != sealed_mark)
        return {Status::damaged, path + ": the seal mark in the header is damaged"};
    const std::uint64_t size = sealed & ~sealed_mask;
    // Longer by exactly the rest of its capacity: the process was killed between the seal and the
    // cut.
    if (bytes.size() != size && bytes.size() != header.capacity)
        return {Status::damaged, path + ": sealed at " + std::to_string(size) + " bytes, has " +
                                     std::to_string(bytes.size())};
    if (size > bytes.size() || size < header.data_offset + sizeof trailer)
        return {Status::damaged, path + ": the sealed size does not fit"};
    std::memcpy(&trailer, bytes.data() + size - sizeof trailer, sizeof trailer);
    const bool fits =
        trailer.magic == trailer_magic && trailer.index_offset >= header.data_offset &&
        trailer.index_offset <= size && trailer.index_count <= size / sizeof(IndexEntry) &&
        trailer.index_offset + trailer.index_count * sizeof(IndexEntry) + sizeof trailer == size;
    if (!fits) return {Status::damaged, path + ": the trailer is damaged"};
    return {};
}

Failure verify_seal(std::span<const std::byte> bytes, const std::string& path) {
    SegmentHeader header;
    if (bytes.size() < sizeof header) return {Status::damaged, path + ": shorter than a header"};
    std::memcpy(&header, bytes.data(), sizeof header);
    SegmentTrailer trailer;
    if (Failure failure = read_trailer(bytes, header, path, trailer); !failure.ok()) return failure;
    const std::uint64_t size = header.sealed & ~sealed_mask;
    for (std::uint64_t at = size; at < bytes.size(); ++at)
        if (bytes[at] != std::byte{0}) return {Status::damaged, path + ": bytes after the seal"};
    const Digest digest = sha256(bytes.data(), size - sizeof(Digest));
    if (digest != trailer.seal)
        return {Status::damaged, path + ": the content does not match its SHA-256 seal"};
    return {};
}

}  // namespace onetape
