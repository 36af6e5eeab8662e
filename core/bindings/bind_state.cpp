#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/py_slots.hpp"
#include "state/slots.hpp"
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

// The lists are by slot. False, and nothing is written: the value for slot 0 is not the sum.
bool put_slots(TableWriter& writer, std::uint16_t kind, std::string_view key, nb::list totals,
               nb::list held, std::int64_t ts_data, std::uint64_t sequence, nb::list flags) {
    const std::size_t count = totals.size();
    if (count == 0 || count > slots_max || held.size() != count ||
        (flags.size() != 0 && flags.size() != count)) {
        throw nb::value_error("totals, held and flags are of the same 1 to 64 slots");
    }
    SlotAmounts slots[slots_max], sum;
    for (std::size_t i = 0; i < count; ++i) {
        const auto at = static_cast<Py_ssize_t>(i);
        slots[i].total = int128_from_python(PyList_GET_ITEM(totals.ptr(), at));
        slots[i].held = int128_from_python(PyList_GET_ITEM(held.ptr(), at));
        if (flags.size() != 0) slots[i].flags = nb::cast<std::uint32_t>(flags[i]);
    }
    const std::span<const SlotAmounts> parts{slots + 1, count - 1};
    if (sum_slots(parts, sum) && (sum.total != slots[0].total || sum.held != slots[0].held)) {
        return false;
    }
    raise_if_failed(writer.put_slots(kind, key, parts, ts_data, sequence));
    return true;
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
    m.attr("STATE_SLOTS_MAX") = slots_max;
    m.attr("STATE_SLOT_CELLS") = slot_line_words;
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
            "put_slots", &put_slots, nb::arg("kind"), nb::arg("key"), nb::arg("totals"),
            nb::arg("held"), nb::arg("ts_data"), nb::arg("sequence"), nb::arg("flags") = nb::list(),
            nb::sig("def put_slots(self, kind: int, key: str, totals: list[int], "
                    "held: list[int], ts_data: int, sequence: int, flags: list[int] = []) -> bool"),
            "A group of slots. The lists are by slot. False, and nothing is written: slot 0 is not "
            "the sum of the others.")
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
        .def("vouch", &TableWriter::vouch, "What is in the table holds at this moment.")
        .def("unvouch", &TableWriter::unvouch, "It does not hold, from now on.")
        .def("remove_files", &TableWriter::remove_files,
             "A clean end: readers find no table. Nothing can be put after it.")
        .def("publish", [](TableWriter& writer) { raise_if_failed(writer.publish()); })
        .def("restore", [](TableWriter& writer) { raise_if_failed(writer.restore()); })
        .def_prop_ro("in_place", &TableWriter::in_place)
        .def_prop_ro("capacity", &TableWriter::capacity)
        .def_prop_ro("generation", &TableWriter::generation)
        .def_prop_ro("epoch", &TableWriter::epoch)
        .def("__len__", &TableWriter::size);
    nb::class_<SlotGroup>(m, "SlotGroup",
                          "Amounts of a group of slots, in units of 1e-18. None: there is no "
                          "answer; outcome and is_old say why.")
        .def("get", &SlotGroup::total, nb::arg("index"),
             nb::sig("def get(self, index: int) -> int | None"))
        .def("held", &SlotGroup::held, nb::arg("index"),
             nb::sig("def held(self, index: int) -> int | None"))
        .def("available", &SlotGroup::available, nb::arg("index"),
             nb::sig("def available(self, index: int) -> int | None"))
        .def("text", &SlotGroup::text, nb::arg("index"),
             nb::sig("def text(self, index: int) -> str | None"), "get, as a decimal's text.")
        .def("all", &SlotGroup::all,
             nb::sig("def all(self) -> tuple[list[int], list[int], list[int], int, int, int] | "
                     "None"),
             "(totals, held, flags, ts_data, sequence, version) of one write.")
        .def("texts", &SlotGroup::texts, nb::arg("count"),
             nb::sig("def texts(self, count: int) -> list[str] | int | None"),
             "get of slots 0 to count - 1, of one write, as decimals' texts. An int: a slot from "
             "count on that is in use.")
        .def_prop_ro("outcome",
                     [](SlotGroup& group) { return outcomes[static_cast<int>(group.outcome())]; })
        .def_prop_ro("is_old", &SlotGroup::is_old);
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
        .def(
            "slots",
            [](TableReader& reader, std::uint16_t kind, std::string key, std::int64_t max_age_ns) {
                return std::make_unique<SlotGroup>(reader, kind, std::move(key), max_age_ns);
            },
            nb::arg("kind"), nb::arg("key"), nb::arg("max_age_ns") = 0, nb::keep_alive<0, 1>(),
            "A group of slots, found once; max_age_ns: how long a vouch holds, 0: for ever.")
        .def_prop_ro("vouched_age", &TableReader::vouched_age,
                     "ns since the writer stood by what is here; 2**63 - 1: it does not.")
        .def("set_deadline", &TableReader::set_deadline, nb::arg("deadline_ns"))
        .def_prop_ro("writer_alive", &TableReader::writer_alive)
        .def_prop_ro("heartbeat", &TableReader::heartbeat)
        .def_prop_ro("generation", &TableReader::generation)
        .def_prop_ro("epoch", &TableReader::epoch);
}
