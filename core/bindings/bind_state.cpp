#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "state/table_reader.hpp"
#include "state/table_writer.hpp"

using namespace onetape;

namespace {

constexpr const char* outcomes[] = {"ok",          "missing", "stalled",
                                    "writer_dead", "damaged", "unavailable"};

nb::object opened_reader(const std::string& directory, const std::string& process,
                         std::uint64_t layout) {
    std::unique_ptr<TableReader> reader;
    const Failure failure = TableReader::open(directory, process, layout, reader);
    if (failure.status == Status::not_found) return nb::none();
    raise_if_failed(failure);
    return nb::cast(std::move(reader));
}

void put_group(TableWriter& writer, std::uint16_t kind, std::string_view key, nb::bytes cells,
               std::uint64_t present, std::int64_t ts_data, std::uint64_t sequence) {
    const std::size_t count = cells.size() / sizeof(std::uint64_t);
    if (cells.size() % sizeof(std::uint64_t) != 0 || count > group_cells_max) {
        throw nb::value_error("cells are 0 to 64 words of eight bytes");
    }
    std::uint64_t words[group_cells_max];
    std::memcpy(words, cells.data(), cells.size());
    raise_if_failed(writer.put(kind, key, {words, count}, present, ts_data, sequence));
}

nb::object read_group_of(TableReader& reader, std::uint16_t kind, std::string_view key) {
    GroupValues values;
    const TableRead outcome = reader.read(kind, key, values);
    if (outcome == TableRead::missing) return nb::none();
    if (outcome != TableRead::ok) return nb::str(outcomes[static_cast<int>(outcome)]);
    return nb::make_tuple(nb::bytes(values.cells, values.meta.cell_count * sizeof(std::uint64_t)),
                          values.present, values.ts_data, values.ts_alive, values.sequence,
                          values.version);
}

}  // namespace

void bind_state(nb::module_& m) {
    m.attr("STATE_CELLS_MAX") = group_cells_max;
    m.attr("STATE_KEY_BYTES_MAX") = group_key_bytes_max;
    nb::class_<TableWriter>(m, "TableWriter", "The one writer of a state table.")
        .def_static(
            "open",
            [](const std::string& directory, const std::string& process, std::uint64_t layout,
               std::uint32_t capacity, std::uint32_t cells) {
                std::unique_ptr<TableWriter> writer;
                raise_if_failed(
                    TableWriter::open({directory, process, layout, capacity, cells}, writer));
                return writer;
            },
            nb::arg("directory"), nb::arg("process"), nb::arg("layout"), nb::arg("capacity"),
            nb::arg("cells"))
        .def("put", &put_group, nb::arg("kind"), nb::arg("key"), nb::arg("cells"),
             nb::arg("present"), nb::arg("ts_data"), nb::arg("sequence"))
        .def(
            "remove",
            [](TableWriter& writer, std::uint16_t kind, std::string_view key) {
                return writer.remove(kind, key) == Status::ok;
            },
            nb::arg("kind"), nb::arg("key"))
        .def(
            "touch",
            [](TableWriter& writer, std::uint16_t kind, std::string_view key,
               std::int64_t ts_alive) { return writer.touch(kind, key, ts_alive) == Status::ok; },
            nb::arg("kind"), nb::arg("key"), nb::arg("ts_alive"))
        .def("heartbeat", &TableWriter::heartbeat, nb::arg("now"))
        .def("publish", [](TableWriter& writer) { raise_if_failed(writer.publish()); })
        .def("restore", [](TableWriter& writer) { raise_if_failed(writer.restore()); })
        .def_prop_ro("in_place", &TableWriter::in_place)
        .def_prop_ro("capacity", &TableWriter::capacity)
        .def_prop_ro("generation", &TableWriter::generation)
        .def_prop_ro("epoch", &TableWriter::epoch)
        .def("__len__", &TableWriter::size);
    nb::class_<TableReader>(m, "TableReader", "Reads a state table of any process.")
        .def_static(
            "open", &opened_reader, nb::arg("directory"), nb::arg("process"), nb::arg("layout"),
            nb::sig("def open(directory: str, process: str, layout: int) -> TableReader | None"),
            "None: no table is published.")
        .def("read", &read_group_of, nb::arg("kind"), nb::arg("key"),
             nb::sig("def read(self, kind: int, key: str) -> "
                     "tuple[bytes, int, int, int, int, int] | str | None"),
             "None: no such key. A str: it could not be read, and why. Else (cells, present, "
             "ts_data, ts_alive, sequence, version).")
        .def(
            "keys",
            [](TableReader& reader) {
                std::vector<TableKey> keys;
                const TableRead outcome = reader.keys(keys);
                nb::list list;
                for (const TableKey& key : keys) list.append(nb::make_tuple(key.kind, key.key));
                return nb::make_tuple(outcomes[static_cast<int>(outcome)], list);
            },
            nb::sig("def keys(self) -> tuple[str, list[tuple[int, str]]]"),
            "(outcome, [(kind, key), ...]).")
        .def(
            "refresh",
            [](TableReader& reader) {
                const Failure failure = reader.refresh();
                if (failure.status == Status::not_found) return false;
                raise_if_failed(failure);
                return true;
            },
            "False: the files are gone.")
        .def("set_deadline", &TableReader::set_deadline, nb::arg("deadline_ns"))
        .def_prop_ro("writer_alive", &TableReader::writer_alive)
        .def_prop_ro("heartbeat", &TableReader::heartbeat)
        .def_prop_ro("generation", &TableReader::generation)
        .def_prop_ro("epoch", &TableReader::epoch);
}
