// One walk over a journal into columns of several event types, and into rows of orders.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <limits>
#include <new>

#include "bindings/bind.hpp"
#include "bindings/journal_reader.hpp"
#include "journal/columns.hpp"

using namespace onetape;

namespace {

using Place = std::tuple<std::uint32_t, std::uint32_t>;                 // offset, bytes
using Match = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;  // and the value
using Table = std::tuple<int, std::uint32_t, std::vector<Place>, std::vector<Match>>;

FieldPlace place_of(std::uint32_t offset, std::uint32_t bytes, std::uint32_t payload_bytes) {
    if (bytes == 0 || std::uint64_t{offset} + bytes > frame_header_bytes + payload_bytes)
        raise({Status::invalid, "a field lies outside its frame"});
    return {offset, bytes};
}

FrameColumnsSpec spec_of(const Table& table) {
    const auto& [type, payload_bytes, fields, where] = table;
    FrameColumnsSpec spec;
    spec.type = static_cast<std::uint16_t>(type);
    spec.payload_bytes = payload_bytes;
    for (const auto& [offset, bytes] : fields)
        spec.fields.push_back(place_of(offset, bytes, payload_bytes));
    for (const auto& [offset, bytes, value] : where) {
        if (bytes > sizeof value) raise({Status::invalid, "a field too wide to compare"});
        spec.where.emplace_back(place_of(offset, bytes, payload_bytes), value);
    }
    return spec;
}

// The column's own bytes, (rows * width,); freed with the array.
nb::object bytes_of(Column& column, std::size_t rows) {
    std::byte* const data = column.release();
    const nb::capsule owner(
        data != nullptr ? data : static_cast<void*>(&column),
        data != nullptr ? [](void* p) noexcept { std::free(p); } : [](void*) noexcept {});
    return nb::cast(
        nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>>(data, {rows * column.width()}, owner));
}

nb::list taken(Columns& columns) {
    nb::list list;
    for (std::size_t i = 0; i < columns.count(); ++i)
        list.append(bytes_of(columns[i], columns.rows()));
    return list;
}

constexpr std::array<const char*, OrderRows::field_count> order_names = {
    "id",        "stream", "side", "type",   "price", "size", "trigger",
    "requested", "answer", "done", "placed", "end",   "tag"};

}  // namespace

void bind_journal_columns(nb::module_& m) {
    nb::class_<ColumnPass>(m, "ColumnPass")
        .def(
            "__init__",
            [](ColumnPass* self, const std::vector<Table>& tables, bool orders) {
                new (self) ColumnPass();
                for (const Table& table : tables) self->tables.emplace_back(spec_of(table));
                if (orders) self->orders.emplace_back();
            },
            nb::arg("tables"), nb::arg("orders") = false,
            "tables: (type, payload bytes, [(offset, bytes) of each column from the header's first "
            "byte], [(offset, bytes, value) that must be so]). orders: also a row for each order.")
        .def(
            "read",
            [](ColumnPass& self, PyReader& reader, std::size_t frames_max,
               std::int64_t time_until) {
                Status status = Status::ok;
                {
                    const nb::gil_scoped_release release;
                    status = self.read(*reader.reader, frames_max, time_until);
                }
                if (status == Status::exhausted && reader.reader->failure().status != status)
                    throw std::bad_alloc();
                if (status != Status::ok && status != Status::not_found)
                    raise_reader(*reader.reader, status);
                return status == Status::not_found;
            },
            nb::arg("reader"), nb::arg("frames_max"),
            nb::arg("time_until") = std::numeric_limits<std::int64_t>::max(),
            "Takes that many frames more; True when there are none now.")
        .def(
            "take_columns",
            [](ColumnPass& self) {
                nb::list list;
                for (FrameColumns& table : self.tables) list.append(taken(table.columns()));
                self.tables.clear();
                return list;
            },
            nb::sig("def take_columns(self) -> list[list[Annotated[NDArray[numpy.uint8], "
                    "dict(shape=(None,))]]]"),
            "Of each table its columns as bytes; they are the caller's then.")
        .def(
            "take_orders",
            [](ColumnPass& self) {
                nb::dict columns;
                if (self.orders.empty()) return nb::make_tuple(columns, nb::list());
                OrderRows& rows = self.orders.front();
                for (std::size_t i = 0; i < order_names.size(); ++i)
                    columns[order_names[i]] = bytes_of(rows.columns()[i], rows.columns().rows());
                nb::list words;
                for (const std::string& word : rows.words())
                    words.append(nb::bytes(word.data(), word.size()));
                self.orders.clear();
                return nb::make_tuple(columns, words);
            },
            nb::sig("def take_orders(self) -> tuple[dict[str, Annotated[NDArray[numpy.uint8], "
                    "dict(shape=(None,))]], list[bytes]]"),
            "The orders' columns by name as bytes, and the tags that their numbers stand for.");
}
