#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/journal_reader.hpp"
#include "journal/control.hpp"
#include "journal/mirror.hpp"

using namespace onetape;

namespace {

Mirror* open_mirror(const std::string& directory, bool durable, const nb::bytes& seal) {
    Digest digest{};
    if (seal.size() != digest.size()) raise({Status::invalid, "a seal has 32 bytes"});
    std::memcpy(digest.data(), seal.c_str(), digest.size());
    std::unique_ptr<Mirror> mirror;
    raise_if_failed(Mirror::open(directory, durable, digest, mirror));
    return mirror.release();  // owned by the Python object
}

// None where there is none yet; else (segment, offset, last sequence, bytes).
nb::object next_block(PyReader& self, std::size_t bytes_max) {
    Block block;
    const Status status = self.reader->next_block(bytes_max, block);
    if (status == Status::not_found) return nb::none();
    if (status != Status::ok) raise_reader(*self.reader, status);
    return nb::make_tuple(block.segment, block.offset, block.last_sequence,
                          nb::bytes(block.bytes.data(), block.bytes.size()));
}

void seek_block(PyReader& self, std::uint64_t segment, std::uint64_t offset) {
    const Status status = self.reader->seek_block(segment, offset);
    if (status != Status::ok) raise_reader(*self.reader, status);
}

// Shows the writer of a journal of this host that another host has its frames up to `sequence`.
void show_replicated(const std::string& directory, std::uint64_t sequence) {
    Mapping map;
    raise_if_failed(map_control(directory, true, map));
    std::atomic<std::uint64_t>& replicated = control_page(map).replicated;
    if (sequence > replicated.load()) replicated.store(sequence, std::memory_order_release);
}

// What became of a block: "taken", "missing" (blocks before it), "damaged", "foreign". from: where
// it begins in `bytes`.
const char* take(Mirror& self, std::uint64_t segment, std::uint64_t offset, const nb::bytes& bytes,
                 std::size_t from) {
    if (from > bytes.size()) raise({Status::invalid, "the block begins behind its bytes"});
    const auto* data = reinterpret_cast<const std::byte*>(bytes.c_str()) + from;
    const std::size_t size = bytes.size() - from;
    std::vector<std::byte> aligned;  // frames are read in place
    if (reinterpret_cast<std::uintptr_t>(data) % alignof(FrameHeader) != 0) {
        aligned.assign(data, data + size);
        data = aligned.data();
    }
    Status status = Status::ok;
    {
        const nb::gil_scoped_release release;
        status = self.take(segment, offset, {data, size});
    }
    switch (status) {
        case Status::ok:
            return "taken";
        case Status::not_found:
            return "missing";
        case Status::foreign:
            return "foreign";
        case Status::damaged:
        case Status::newer_version:
            return "damaged";
        default:
            raise(self.failure());
    }
}

}  // namespace

void bind_mirror(nb::module_& m) {
    m.def("next_block", &next_block, nb::arg("reader"), nb::arg("bytes_max"),
          nb::sig("def next_block(reader: JournalReader, bytes_max: int) -> "
                  "tuple[int, int, int, bytes] | None"),
          "(segment, offset, last sequence, bytes) or None when there is none yet.");
    m.def("seek_block", &seek_block, nb::arg("reader"), nb::arg("segment"), nb::arg("offset"));
    m.def("show_replicated", &show_replicated, nb::arg("directory"), nb::arg("sequence"));
    nb::class_<Mirror>(m, "Mirror")
        .def_static("open", &open_mirror, nb::rv_policy::take_ownership, nb::arg("directory"),
                    nb::kw_only(), nb::arg("durable"), nb::arg("seal"))
        .def("take", &take, nb::arg("segment"), nb::arg("offset"), nb::arg("bytes"),
             nb::arg("start") = 0)
        .def_prop_ro("place",
                     [](const Mirror& self) {
                         const MirrorPlace& place = self.place();
                         return std::tuple(place.segment, place.offset, place.sequence, place.crc);
                     })
        .def_prop_ro(
            "uuid",
            [](const Mirror& self) { return nb::bytes(self.uuid().data(), self.uuid().size()); })
        .def_prop_ro("ended", &Mirror::ended)
        .def_prop_ro("durable", &Mirror::durable_sequence)
        .def("request_durable", &Mirror::request_durable)
        .def("sync",
             [](Mirror& self) {
                 Failure failure;
                 {
                     const nb::gil_scoped_release release;
                     failure = self.sync();
                 }
                 raise_if_failed(failure);
             })
        .def("show_writer", &Mirror::show_writer, nb::arg("heartbeat"), nb::arg("progress"),
             nb::arg("closed"), nb::arg("alive"));
}
