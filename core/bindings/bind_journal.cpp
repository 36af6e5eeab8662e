#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/journal_expand.hpp"
#include "bindings/journal_reader.hpp"
#include "journal/reader.hpp"
#include "journal/writer.hpp"

using namespace onetape;

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using PreambleTuple = std::tuple<int, std::uint32_t, nb::bytes>;

Uuid to_uuid(const nb::bytes& bytes) {
    if (bytes.size() != 16) raise({Status::invalid, "a uuid has 16 bytes"});
    Uuid uuid;
    std::memcpy(uuid.data(), bytes.c_str(), uuid.size());
    return uuid;
}

nb::bytes from_uuid(const Uuid& uuid) {
    return nb::bytes(uuid.data(), uuid.size());
}

// A length beyond 32 bits is cut to one above the bound, so that the core refuses it.
std::uint32_t payload_length(std::size_t bytes) {
    return static_cast<std::uint32_t>(std::min<std::size_t>(bytes, payload_bytes_max + 1));
}

void check(const Writer& writer, Status status) {
    if (status == Status::ok) [[likely]]
        return;
    raise(writer.failure().status == status ? writer.failure() : Failure{status, "append"});
}

Writer* open_writer(const std::string& directory, const std::string& process,
                    const std::string& account, const nb::bytes& uuid, std::int64_t created,
                    std::uint64_t segment_bytes_first, std::uint64_t segment_bytes_max,
                    const std::vector<PreambleTuple>& preamble, bool durable, bool heartbeat,
                    std::uint64_t epoch_min) {
    WriterOptions options{
        directory,         process, account, to_uuid(uuid), created,  segment_bytes_first,
        segment_bytes_max, {},      durable, heartbeat,     epoch_min};
    for (const auto& [type, stream, payload] : preamble) {
        const auto* data = reinterpret_cast<const std::byte*>(payload.c_str());
        options.preamble.push_back(
            {static_cast<EventType>(type), stream, {data, data + payload.size()}});
    }
    std::unique_ptr<Writer> writer;
    Failure failure;
    {
        const nb::gil_scoped_release release;
        failure = Writer::open(options, writer);
    }
    raise_if_failed(failure);
    return writer.release();  // owned by the Python object
}

std::uint64_t append_rows(
    Writer& writer, int type, std::uint16_t flags, std::uint32_t stream,
    const nb::ndarray<const std::int64_t, nb::ndim<1>, nb::device::cpu>& times, const Rows& rows) {
    if (times.shape(0) != rows.shape(0))
        raise({Status::invalid, "times and rows differ in length"});
    const auto width = static_cast<std::uint32_t>(rows.shape(1));
    const std::uint8_t* row = rows.data();
    const std::int64_t* time = times.data();
    const std::int64_t stride = times.stride(0);
    Status status = Status::ok;
    for (std::size_t i = 0; i < rows.shape(0) && status == Status::ok; ++i) {
        status = writer.append(static_cast<EventType>(type), flags, stream, *time, row, width);
        row += width;
        time += stride;
    }
    check(writer, status);
    return writer.published_sequence();
}

// The two hot calls bypass nanobind's argument handling, which costs more than the append: plain C
// functions of the interpreter, bound to the writer object, positional arguments only.
bool load_integers(PyObject* const* args, std::int64_t* values, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; ++i) {
        values[i] = PyLong_AsLongLong(args[i]);
        if (values[i] == -1 && PyErr_Occurred() != nullptr) return false;
    }
    return true;
}

bool is_ok(const Writer& writer, Status status) {
    if (status == Status::ok) [[likely]]
        return true;
    try {
        check(writer, status);
    } catch (nb::python_error& error) {
        error.restore();
    }
    return false;
}

PyObject* append_quote_fast(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != 7) {
        PyErr_SetString(PyExc_TypeError,
                        "append_quote(stream, time, ts_event, bid, ask, bid_size, ask_size)");
        return nullptr;
    }
    std::int64_t v[7];
    if (!load_integers(args, v, 7)) return nullptr;
    if (v[0] < 0 || v[0] > std::numeric_limits<std::uint32_t>::max()) {
        PyErr_SetString(PyExc_OverflowError, "a stream is an unsigned 32-bit number");
        return nullptr;
    }
    Writer& writer = *nb::inst_ptr<Writer>(self);
    const QuotePayload quote{v[2], v[1], v[3], v[4], v[5], v[6], 0, 0};
    const Status status = writer.append(EventType::quote, 0, static_cast<std::uint32_t>(v[0]), v[1],
                                        &quote, sizeof quote);
    if (!is_ok(writer, status)) return nullptr;
    Py_RETURN_NONE;
}

using Append = Status (Writer::*)(EventType, std::uint16_t, std::uint32_t, std::int64_t,
                                  const void*, std::uint32_t) noexcept;

template <Append append>
PyObject* append_fast(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count < 2 || count > 5 || !PyBytes_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "append_raw(type, payload: bytes, flags=0, stream=0, time=0)");
        return nullptr;
    }
    std::int64_t type = 0, v[3] = {};
    if (!load_integers(args, &type, 1) || !load_integers(args + 2, v, count - 2)) return nullptr;
    if (type < 1 || type >= 0xffff || v[0] < 0 || v[0] > 0xffff || v[1] < 0 ||
        v[1] > std::numeric_limits<std::uint32_t>::max()) {
        PyErr_SetString(PyExc_OverflowError,
                        "type is 1 to 65534, flags 16 bits, stream 32 bits, unsigned");
        return nullptr;
    }
    const Py_ssize_t bytes = PyBytes_GET_SIZE(args[1]);
    Writer& writer = *nb::inst_ptr<Writer>(self);
    const auto payload_bytes = payload_length(static_cast<std::size_t>(bytes));
    const Status status = (writer.*append)(
        static_cast<EventType>(type), static_cast<std::uint16_t>(v[0]),
        static_cast<std::uint32_t>(v[1]), v[2], PyBytes_AS_STRING(args[1]), payload_bytes);
    if (!is_ok(writer, status)) return nullptr;
    return PyLong_FromUnsignedLongLong(writer.published_sequence());
}

PyMethodDef append_quote_def = {
    "append_quote", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(append_quote_fast)),
    METH_FASTCALL, "append_quote(stream, time, ts_event, bid, ask, bid_size, ask_size)"};
template <Append append>
PyMethodDef append_def = {
    "append_raw", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(append_fast<append>)),
    METH_FASTCALL, "append_raw(type, payload, flags=0, stream=0, time=0) -> sequence"};

nb::object bound(PyMethodDef& definition, nb::handle self) {
    return nb::steal(PyCFunction_New(&definition, self.ptr()));
}

// A Reader with the additions for Python: the last frame, and waiting.
PyReader open_reader(const std::string& directory, nb::object expand) {
    PyReader made;
    ReaderOptions options{directory, {}};
    options.expand = expand_with(expand);
    raise_if_failed(Reader::open(options, made.reader));
    return made;
}

nb::object next_frame(PyReader& self) {
    Frame frame;
    const Status status = self.reader->next(frame);
    if (status == Status::not_found) return nb::none();
    if (status != Status::ok) raise_reader(*self.reader, status);
    const FrameHeader& h = *frame.header;
    return nb::make_tuple(h.type, h.flags, h.sequence, h.time, h.stream,
                          nb::bytes(frame.payload, frame.payload_bytes));
}

// Frames of the wanted types (empty: all) with sequence < until, as tuples of `kind`, as many as
// fit `bytes_max`; and whether there are no more now.
nb::tuple read_frames(PyReader& self, const nb::type_object& kind, std::size_t bytes_max,
                      const std::vector<int>& types, std::int64_t time_until,
                      std::uint64_t sequence_until) {
    auto* const type = reinterpret_cast<PyTypeObject*>(kind.ptr());
    if (!PyType_IsSubtype(type, &PyTuple_Type)) throw nb::type_error("frames are tuples");
    std::vector<bool> wanted(65536, types.empty());
    for (const int each : types)
        if (each >= 0 && each < 65536) wanted[static_cast<std::size_t>(each)] = true;
    std::vector<std::uint8_t> buffer;
    Status status = Status::ok;
    bool ended = false;
    {
        const nb::gil_scoped_release release;
        Reader& reader = *self.reader;
        std::size_t passed = 0;
        Frame frame;
        while (buffer.size() < bytes_max && passed < 32 * bytes_max) {
            if (reader.next_sequence() >= sequence_until && sequence_until != 0) {
                ended = true;
                break;
            }
            status = reader.next(frame);
            if (status != Status::ok) break;
            const std::size_t bytes = frame_header_bytes + padded(frame.payload_bytes);
            passed += bytes;
            if (frame.header->time >= time_until || !wanted[frame.header->type]) continue;
            const auto* from = reinterpret_cast<const std::uint8_t*>(frame.header);
            buffer.insert(buffer.end(), from, from + bytes);
        }
    }
    if (status == Status::not_found)
        ended = true;
    else if (status != Status::ok)
        raise_reader(*self.reader, status);
    nb::list frames;
    for (std::size_t at = 0; at < buffer.size();) {
        FrameHeader header;
        std::memcpy(&header, buffer.data() + at, sizeof header);
        const std::size_t payload_bytes = header.length - frame_header_bytes;
        const std::uint8_t* const payload = buffer.data() + at + frame_header_bytes;
        const nb::object made = nb::steal(type->tp_alloc(type, 6));
        if (!made.is_valid()) throw nb::python_error();
        const std::array<PyObject*, 6> fields{
            PyLong_FromLong(header.type),
            PyLong_FromLong(header.flags),
            PyLong_FromUnsignedLongLong(header.sequence),
            PyLong_FromLongLong(header.time),
            PyLong_FromUnsignedLong(header.stream),
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(payload),
                                      static_cast<Py_ssize_t>(payload_bytes))};
        bool is_whole = true;
        for (std::size_t field = 0; field < fields.size(); ++field) {
            PyTuple_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(field), fields[field]);
            is_whole = is_whole && fields[field] != nullptr;
        }
        if (!is_whole) throw nb::python_error();
        frames.append(made);
        at += frame_header_bytes + padded(payload_bytes);
    }
    return nb::make_tuple(frames, ended);
}

// Rows of one fixed type as (n, 32 + payload_bytes): the header, then the payload.
nb::tuple read_rows(PyReader& self, int type, std::uint32_t payload_bytes, std::size_t rows_max,
                    std::int64_t time_until, std::uint64_t sequence_until) {
    auto* buffer = new std::vector<std::uint8_t>();
    const nb::capsule owner(
        buffer, [](void* p) noexcept { delete static_cast<std::vector<std::uint8_t>*>(p); });
    const std::size_t width = frame_header_bytes + payload_bytes;
    buffer->reserve(width * std::min<std::size_t>(rows_max, 4096));
    std::size_t rows = 0;
    Status status = Status::ok;
    {
        const nb::gil_scoped_release release;
        Frame frame;
        while (rows < rows_max) {
            if (self.reader->next_sequence() >= sequence_until && sequence_until != 0) {
                status = Status::not_found;
                break;
            }
            status = self.reader->next(frame);
            if (status != Status::ok) break;
            if (frame.header->type != type || frame.payload_bytes < payload_bytes ||
                frame.header->time >= time_until)
                continue;
            const auto* from = reinterpret_cast<const std::uint8_t*>(frame.header);
            buffer->insert(buffer->end(), from, from + width);
            ++rows;
        }
    }
    if (status != Status::ok && status != Status::not_found) raise_reader(*self.reader, status);
    return nb::make_tuple(
        nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<2>>(buffer->data(), {rows, width}, owner),
        status == Status::not_found);
}

bool wait_replicated(const Writer& writer, std::uint64_t sequence, double within_s) {
    const nb::gil_scoped_release release;
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(within_s);
    while (writer.replicated() < sequence) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return true;
}

nb::list preamble_of(const PyReader& self) {
    nb::list list;
    for (const PreambleEntry& entry : self.reader->preamble())
        list.append(nb::make_tuple(static_cast<int>(entry.type), entry.stream,
                                   nb::bytes(entry.payload.data(), entry.payload.size())));
    return list;
}

nb::dict control_of(const PyReader& self) {
    nb::dict described;
    const ControlPage* page = self.reader->control();
    if (page == nullptr) return described;
    described["pid"] = page->pid;
    described["epoch"] = page->epoch;
    described["published"] = page->published.load();
    described["durable"] = page->durable.load();
    described["heartbeat"] = page->heartbeat.load();
    described["progress_time"] = page->progress_time.load();
    described["progress"] = page->progress.load();
    described["closed"] = page->closed.load() != 0;
    described["failed"] = page->failed.load() != 0;
    described["same_boot"] = page->boot_id == boot_id();
    return described;
}

}  // namespace

void bind_journal(nb::module_& m) {
    nb::class_<Writer>(m, "JournalWriter")
        .def_static("open", &open_writer, nb::rv_policy::take_ownership, nb::arg("directory"),
                    nb::kw_only(), nb::arg("process") = "", nb::arg("account") = "",
                    nb::arg("uuid"), nb::arg("created") = 0,
                    nb::arg("segment_bytes_first") = 4ull << 20,
                    nb::arg("segment_bytes_max") = 64ull << 20,
                    nb::arg("preamble") = std::vector<PreambleTuple>(), nb::arg("durable") = true,
                    nb::arg("heartbeat") = false, nb::arg("epoch_min") = 0)
        .def(
            "append",
            [](Writer& self, int type, const nb::bytes& payload, std::uint16_t flags,
               std::uint32_t stream, std::int64_t time) {
                check(self, self.append(static_cast<EventType>(type), flags, stream, time,
                                        payload.c_str(), payload_length(payload.size())));
                return self.published_sequence();
            },
            nb::arg("type"), nb::arg("payload"), nb::arg("flags") = 0, nb::arg("stream") = 0,
            nb::arg("time") = 0)
        .def(
            "append_urgent",
            [](Writer& self, int type, const nb::bytes& payload, std::uint16_t flags,
               std::uint32_t stream, std::int64_t time) {
                check(self, self.append_urgent(static_cast<EventType>(type), flags, stream, time,
                                               payload.c_str(), payload_length(payload.size())));
                return self.published_sequence();
            },
            nb::arg("type"), nb::arg("payload"), nb::arg("flags") = 0, nb::arg("stream") = 0,
            nb::arg("time") = 0)
        .def(
            "append_quote",
            [](Writer& self, std::uint32_t stream, std::int64_t time, std::int64_t ts_event,
               std::int64_t bid, std::int64_t ask, std::int64_t bid_size, std::int64_t ask_size) {
                const QuotePayload quote{ts_event, time, bid, ask, bid_size, ask_size, 0, 0};
                check(self, self.append(EventType::quote, 0, stream, time, &quote, sizeof quote));
            },
            nb::arg("stream"), nb::arg("time"), nb::arg("ts_event"), nb::arg("bid"), nb::arg("ask"),
            nb::arg("bid_size"), nb::arg("ask_size"),
            "One quote in the instrument's integers; time is also its ts_recv.")
        .def(
            "fast_append_quote", [](nb::handle self) { return bound(append_quote_def, self); },
            "append_quote as a plain function: positional arguments only, half the cost.")
        .def(
            "fast_append",
            [](nb::handle self, bool urgent) {
                return urgent ? bound(append_def<&Writer::append_urgent>, self)
                              : bound(append_def<&Writer::append>, self);
            },
            nb::arg("urgent") = false, "append, or append_urgent, as a plain function.")
        .def("append_rows", &append_rows, nb::arg("type"), nb::arg("flags"), nb::arg("stream"),
             nb::arg("times"), nb::arg("rows"))
        .def(
            "append_instrument",
            [](Writer& self, std::uint32_t stream, std::int64_t time, const nb::bytes& payload) {
                check(self,
                      self.append_instrument(
                          stream, time,
                          {reinterpret_cast<const std::byte*>(payload.c_str()), payload.size()}));
                return self.published_sequence();
            },
            nb::arg("stream"), nb::arg("time"), nb::arg("payload"))
        .def_prop_ro("published", &Writer::published_sequence)
        .def_prop_ro("durable", &Writer::durable_sequence)
        .def_prop_ro("replicated", &Writer::replicated)
        .def("wait_replicated", &wait_replicated, nb::arg("sequence"), nb::arg("within_s"),
             "Waits until another host has this frame; False: not within that time.")
        .def_prop_ro("crc", &Writer::crc)
        .def_prop_ro("uuid", [](const Writer& self) { return from_uuid(self.uuid()); })
        .def_prop_ro("epoch", &Writer::epoch)
        .def_prop_ro("lacks_room", &Writer::lacks_room)
        .def_prop_ro("recovered",
                     [](const Writer& self) {
                         const Recovered& r = self.recovered();
                         return nb::make_tuple(r.last_sequence, r.torn_bytes, r.torn_file);
                     })
        .def("progress", &Writer::progress, nb::arg("handled"))
        .def("request_durable", &Writer::request_durable)
        .def("sync",
             [](Writer& self) {
                 Failure failure;
                 {
                     const nb::gil_scoped_release release;
                     failure = self.sync();
                 }
                 raise_if_failed(failure);
             })
        .def("close", [](Writer& self) {
            Failure failure;
            {
                const nb::gil_scoped_release release;
                failure = self.close();
            }
            raise_if_failed(failure);
        });

    nb::class_<PyReader>(m, "JournalReader")
        .def_static("open", &open_reader, nb::arg("directory"), nb::arg("expand") = nb::none())
        .def("next", &next_frame,
             nb::sig("def next(self) -> tuple[int, int, int, int, int, bytes] | None"),
             "(type, flags, sequence, time, stream, payload) or None when there is none yet.")
        .def("read_frames", &read_frames, nb::arg("kind"), nb::arg("bytes_max"), nb::arg("types"),
             nb::arg("time_until") = std::numeric_limits<std::int64_t>::max(),
             nb::arg("sequence_until") = 0,
             nb::sig("def read_frames(self, kind: type, bytes_max: int, types: list[int], "
                     "time_until: int = ..., sequence_until: int = 0) -> "
                     "tuple[list[Any], bool]"))
        .def("read_rows", &read_rows, nb::arg("type"), nb::arg("payload_bytes"),
             nb::arg("rows_max"), nb::arg("time_until") = std::numeric_limits<std::int64_t>::max(),
             nb::arg("sequence_until") = 0)
        .def(
            "seek_sequence",
            [](PyReader& self, std::uint64_t sequence) {
                const Status status = self.reader->seek_sequence(sequence);
                if (status != Status::ok) raise_reader(*self.reader, status);
            },
            nb::arg("sequence"))
        .def(
            "seek_time",
            [](PyReader& self, std::int64_t time) {
                const Status status = self.reader->seek_time(time);
                if (status != Status::ok) raise_reader(*self.reader, status);
            },
            nb::arg("time"))
        .def_prop_ro("preamble", &preamble_of)
        .def_prop_ro("uuid", [](const PyReader& self) { return from_uuid(self.reader->uuid()); })
        .def_prop_ro("epoch", [](const PyReader& self) { return self.reader->epoch(); })
        .def_prop_ro("process",
                     [](const PyReader& self) {
                         const char* name = self.reader->segment_header().process;
                         return std::string(name, ::strnlen(name, name_bytes));
                     })
        .def_prop_ro("account",
                     [](const PyReader& self) {
                         const char* name = self.reader->segment_header().account;
                         return std::string(name, ::strnlen(name, name_bytes));
                     })
        .def_prop_ro("next_sequence",
                     [](const PyReader& self) { return self.reader->next_sequence(); })
        .def_prop_ro("crc", [](const PyReader& self) { return self.reader->crc(); })
        .def_prop_ro(
            "segment_first_sequence",
            [](const PyReader& self) { return self.reader->segment_header().first_sequence; })
        .def_prop_ro("segment", [](const PyReader& self) { return self.reader->segment_number(); })
        .def_prop_ro("last_sequence", [](PyReader& self) { return self.reader->last_sequence(); })
        .def_prop_ro("writer_alive",
                     [](const PyReader& self) { return self.reader->writer_alive(); })
        .def_prop_ro("control", &control_of);
}
