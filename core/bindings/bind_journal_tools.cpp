#include <fcntl.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/crc32c.hpp"
#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/journal_expand.hpp"
#include "journal/bells.hpp"
#include "journal/repair.hpp"
#include "journal/seal.hpp"
#include "journal/verify.hpp"

using namespace onetape;

namespace {

nb::bytes from_digest(const Digest& digest) {
    return nb::bytes(digest.data(), digest.size());
}

nb::dict verify(const std::string& directory, const nb::object& expand) {
    VerifyReport report;
    Failure failure;
    const Expand call = expand_with(expand);
    {
        const nb::gil_scoped_release release;
        failure = verify_journal(directory, call, report);
    }
    raise_if_failed(failure);
    nb::dict described;
    described["uuid"] = nb::bytes(report.uuid.data(), report.uuid.size());
    described["frames"] = report.frames;
    described["segments"] = report.segments;
    described["sealed"] = report.sealed;
    described["first_number"] = report.first_number;
    described["first_seq"] = report.first_sequence;
    described["last_seq"] = report.last_sequence;
    described["torn_bytes"] = report.torn_bytes;
    described["damaged"] = report.damaged;
    described["seal"] = from_digest(report.seal);
    return described;
}

nb::bytes hash_content(const std::string& directory, const nb::object& expand) {
    Digest digest{};
    Failure failure;
    const Expand call = expand_with(expand);
    {
        const nb::gil_scoped_release release;
        failure = content_hash(directory, call, digest);
    }
    raise_if_failed(failure);
    return from_digest(digest);
}

nb::dict repair(const std::string& directory, const nb::object& expand) {
    RepairReport report;
    Failure failure;
    const Expand call = expand_with(expand);
    {
        const nb::gil_scoped_release release;
        failure = repair_journal(directory, call, report);
    }
    raise_if_failed(failure);
    nb::dict described;
    described["changed"] = report.changed;
    described["last_seq"] = report.last_sequence;
    described["frames_lost"] = report.frames_lost;
    described["damage"] = report.damage;
    described["set_aside"] = report.set_aside;
    return described;
}

// Facts of a segment without reading its frames; None: prepared, not entered.
nb::object segment_info(const std::string& path, std::uint64_t number, int fd) {
    FileHandle file(fd < 0 ? -1 : fd);
    if (fd < 0) raise_if_failed(open_file(path, O_RDONLY, file));
    std::uint64_t bytes = 0;
    raise_if_failed(file_bytes(file, path, bytes));
    if (bytes < sizeof(SegmentHeader))
        raise({Status::damaged, path + ": shorter than a segment header"});
    Mapping map;
    raise_if_failed(Mapping::map(file, bytes, false, path, map));
    SegmentHeader header;
    std::memcpy(&header, map.data(), sizeof header);
    Failure checked = check_header(header, bytes, number, path);
    if (map.is_cut()) checked = {Status::damaged, path + ": was cut short while it was read"};
    if (checked.status == Status::not_found || checked.status == Status::torn) return nb::none();
    raise_if_failed(checked);
    nb::dict described;
    described["uuid"] = nb::bytes(header.uuid.data(), header.uuid.size());
    described["epoch"] = header.epoch;
    described["created"] = header.created;
    described["first_seq"] = header.first_sequence;
    described["process"] = std::string(header.process, ::strnlen(header.process, name_bytes));
    described["account"] = std::string(header.account, ::strnlen(header.account, name_bytes));
    described["sealed"] = header.sealed != 0;
    if (header.sealed != 0) {
        SegmentTrailer trailer;
        raise_if_failed(read_trailer({map.data(), bytes}, header, path, trailer));
        described["last_seq"] = trailer.last_sequence;
        described["frames"] = trailer.frame_count;
        described["first_time"] = trailer.first_time;
        described["latest_time"] = trailer.latest_time;
        described["seal"] = from_digest(trailer.seal);
    }
    return described;
}

std::uint64_t lowest_needed(const std::string& directory) {
    Mapping map;
    // Without a board no reader ever joined.
    if (!map_bells(directory, false, map).ok()) return UINT64_MAX;
    return lowest_lease(bell_board(map));
}

}  // namespace

void bind_journal_tools(nb::module_& m) {
    m.def("journal_verify", &verify, nb::arg("directory"), nb::arg("expand") = nb::none());
    m.def("journal_content_hash", &hash_content, nb::arg("directory"),
          nb::arg("expand") = nb::none());
    m.def("journal_repair", &repair, nb::arg("directory"), nb::arg("expand") = nb::none());
    m.def("segment_info", &segment_info, nb::arg("path"), nb::arg("number"), nb::arg("fd") = -1,
          nb::sig("def segment_info(path: str, number: int, fd: int = -1) -> dict | None"));
    m.def("lowest_lease", &lowest_needed, nb::arg("directory"),
          "Lowest segment number that a living reader still needs.");
    m.def("crc32c", [](const nb::bytes& data) { return crc32c(data.c_str(), data.size()); });
    m.def(
        "sha256",
        [](const nb::bytes& data, bool portable) {
            Sha256 hash(portable);
            hash.update(data.c_str(), data.size());
            return from_digest(hash.finish());
        },
        nb::arg("data"), nb::arg("portable") = false);
}
