#pragma once
// Seals a segment that ends with an end frame: writes its index and its trailer with the hash, and
// cuts the file to its content.
#include "journal/segment.hpp"
#include "journal/walk.hpp"

namespace onetape {

struct OpenSegment {
    std::uint64_t number = 0;
    std::string path;
    FileHandle file;
    Mapping map;

    [[nodiscard]] SegmentHeader& header() const {
        return *reinterpret_cast<SegmentHeader*>(map.data());
    }
    [[nodiscard]] std::span<const std::byte> bytes() const { return {map.data(), map.bytes()}; }
};

Failure open_segment(const SegmentFile& listed, OpenSegment& segment);

// index: of the last sealed segment, 0 if there is none: those before it need no work.
Failure find_last_sealed(const std::vector<SegmentFile>& files, std::size_t& index);

// Reads the trailer of a sealed segment, and cuts what a kill between seal and cut has left behind
// it.
Failure cut_sealed(const OpenSegment& segment, SegmentTrailer& trailer);

// durable: the frames are synced before the trailer is written, the trailer before the cut. seal:
// in, that of the predecessor; out, that of this segment.
Failure seal_segment(OpenSegment& segment, bool durable, Digest& seal);

// Appends the end frame after `walk` in a segment without another writer.
void write_end_frame(OpenSegment& segment, Walk& walk, std::uint16_t flags) noexcept;

// Reads the trailer of a sealed file; not_found if the segment is open, damaged if the trailer is
// wrong. Does not compute the hash: verify_seal does.
Failure read_trailer(std::span<const std::byte> bytes, const SegmentHeader& header,
                     const std::string& path, SegmentTrailer& trailer);
Failure verify_seal(std::span<const std::byte> bytes, const std::string& path);

}  // namespace onetape
