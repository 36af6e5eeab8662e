#include "journal/segment.hpp"

#include <dirent.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace onetape {

static_assert(std::endian::native == std::endian::little, "tapes are little-endian");

std::string segment_path(const std::string& directory, std::uint64_t number) {
    char name[32];
    std::snprintf(name, sizeof name, "/%010llu.tape", static_cast<unsigned long long>(number));
    return directory + name;
}

Failure list_segments(const std::string& directory, std::vector<SegmentFile>& files) {
    files.clear();
    DIR* open = ::opendir(directory.c_str());
    if (open == nullptr) return system_failure("opendir", directory, errno);
    while (const dirent* entry = ::readdir(open)) {
        const std::string name = entry->d_name;
        if (name.size() < 15 || name.compare(10, 5, ".tape") != 0) continue;
        const std::string rest = name.substr(15);
        if (!rest.empty() && rest != ".zst") continue;
        std::uint64_t number = 0;
        bool digits = true;
        for (std::size_t i = 0; i < 10; ++i) {
            digits = digits && name[i] >= '0' && name[i] <= '9';
            number = number * 10 + static_cast<std::uint64_t>(name[i] - '0');
        }
        if (digits) files.push_back({number, directory + "/" + name, !rest.empty()});
    }
    ::closedir(open);
    std::sort(files.begin(), files.end(), [](const SegmentFile& a, const SegmentFile& b) {
        return a.number != b.number ? a.number < b.number : a.compressed < b.compressed;
    });
    const auto same = [](const SegmentFile& a, const SegmentFile& b) {
        return a.number == b.number;
    };
    files.erase(std::unique(files.begin(), files.end(), same), files.end());
    return {};
}

std::uint32_t header_crc(const SegmentHeader& header) noexcept {
    SegmentHeader plain = header;
    plain.crc = 0;
    plain.sealed = 0;
    return crc32c(&plain, sizeof plain);
}

std::uint32_t first_seed(const Uuid& uuid) noexcept {
    return crc32c(uuid.data(), uuid.size());
}

std::string uuid_text(const Uuid& uuid) {
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned>(uuid[i]));
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += pair;
    }
    return text;
}

Failure check_header(const SegmentHeader& header, std::uint64_t file_bytes, std::uint64_t number,
                     const std::string& path) {
    if (header.magic == 0) {
        const SegmentHeader zeros{};
        if (std::memcmp(&header, &zeros, sizeof zeros) == 0)
            return {Status::not_found, path + ": prepared, not entered yet"};
        return {Status::torn, path + ": header without its magic"};
    }
    if (header.magic != segment_magic) return {Status::foreign, path + ": not a tape segment"};
    if (header.version > format_version)
        return {Status::newer_version, path + ": format version " + std::to_string(header.version) +
                                           ", this build reads up to " +
                                           std::to_string(format_version)};
    if (header.crc != header_crc(header))
        return {Status::damaged, path + ": the segment header does not match its checksum"};
    if (header.number != number)
        return {Status::damaged, path + ": holds segment " + std::to_string(header.number)};
    const bool numbers_fit = header.data_offset % 64 == 0 &&
                             header.data_offset >= sizeof(SegmentHeader) + header.preamble_bytes &&
                             header.data_offset < header.capacity &&
                             header.preamble_bytes < header.capacity &&
                             header.capacity <= segment_bytes_limit;
    if (!numbers_fit) return {Status::damaged, path + ": header numbers do not fit together"};
    if (header.data_offset > file_bytes)
        return {Status::damaged, path + ": cut short inside its preamble"};
    return {};
}

void pack_preamble_entry(const PreambleEntry& entry, std::vector<std::byte>& packed) {
    const auto bytes = static_cast<std::uint32_t>(entry.payload.size());
    PreambleHeader header{bytes, 0, static_cast<std::uint16_t>(entry.type), 0, entry.stream};
    const std::size_t start = packed.size();
    packed.resize(start + sizeof header + padded(bytes));
    std::memcpy(packed.data() + start, &header, sizeof header);
    if (bytes > 0) std::memcpy(packed.data() + start + sizeof header, entry.payload.data(), bytes);
    header.crc = crc32c(packed.data() + start, packed.size() - start);
    std::memcpy(packed.data() + start, &header, sizeof header);
}

std::vector<std::byte> pack_preamble(std::span<const PreambleEntry> entries) {
    std::vector<std::byte> packed;
    for (const PreambleEntry& entry : entries) pack_preamble_entry(entry, packed);
    return packed;
}

Failure unpack_preamble(std::span<const std::byte> segment, const SegmentHeader& header,
                        const std::string& path, std::vector<PreambleEntry>& entries) {
    entries.clear();
    const Failure damaged{Status::damaged, path + ": a preamble entry does not match its checksum"};
    std::uint64_t at = sizeof(SegmentHeader);
    const std::uint64_t end = at + header.preamble_bytes;
    if (end > segment.size()) return damaged;
    for (std::uint32_t i = 0; i < header.preamble_count; ++i) {
        PreambleHeader head;
        if (end - at < sizeof head) return damaged;
        std::memcpy(&head, segment.data() + at, sizeof head);
        if (head.bytes > payload_bytes_max || end - at - sizeof head < padded(head.bytes))
            return damaged;
        const std::uint32_t stored = head.crc;
        head.crc = 0;
        std::uint32_t crc = crc32c_update(~0u, &head, sizeof head);
        const std::byte* payload = segment.data() + at + sizeof head;
        crc = ~crc32c_update(crc, payload, padded(head.bytes));
        if (crc != stored) return damaged;
        entries.push_back(
            {static_cast<EventType>(head.type), head.stream, {payload, payload + head.bytes}});
        at += sizeof head + padded(head.bytes);
    }
    return at == end ? Failure{} : damaged;
}

}  // namespace onetape
