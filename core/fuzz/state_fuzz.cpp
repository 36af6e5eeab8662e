// A state table with changed bytes gives the values that were written, or reports that it cannot.
#include "fuzz/input.hpp"
#include "state/table_reader.hpp"
#include "state/table_writer.hpp"

using namespace onetape;

namespace {

struct Table {
    fuzz::Folder folder;
    std::string path, content;

    Table() {
        std::unique_ptr<TableWriter> writer;
        fuzz::require(
            TableWriter::open({folder.path(), "t", 7, 6, cells_of_slots(4)}, writer).ok());
        for (std::uint64_t i = 0; i < 3; ++i) {
            const std::uint64_t cells[3] = {i, i * 10, i * 100};
            fuzz::require(writer->put(1, "key" + std::to_string(i), cells, 7, 5, i).ok());
        }
        fuzz::require(writer->remove(1, "key0") == Status::ok);
        const SlotAmounts parts[3] = {{70, 7, 0}, {-20, 2, 1}, {500, 0, 2}};
        for (std::uint64_t i = 1; i < 3; ++i) {
            fuzz::require(writer->put_slots(2, "USD", parts, 5, i).ok());
        }
        fuzz::require(writer->publish().ok());
        path = generation_path(folder.path(), "t", writer->generation());
        content = fuzz::read_file(path);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Table table;
    fuzz::Input input(data, size);
    std::string content = table.content;
    if ((input.take<std::uint8_t>() & 1u) != 0) {
        content.resize(input.take<std::uint16_t>() % (content.size() + 1));
    }
    if (!content.empty()) fuzz::patch(input, content);
    fuzz::write_file(table.path, content);
    std::unique_ptr<TableReader> reader;
    if (!TableReader::open(table.folder.path(), "t", 7, reader).ok()) return 0;
    reader->set_deadline(0);
    GroupValues values;
    for (std::uint64_t i = 0; i < 3; ++i) {
        if (reader->read(1, "key" + std::to_string(i), values) != TableRead::ok) continue;
        fuzz::require(values.meta.cell_count == 3 && values.cells[0] == i);
        fuzz::require(values.cells[1] == i * 10 && values.cells[2] == i * 100);
        fuzz::require(values.sequence == i && i != 0);
    }
    constexpr int wanted[4] = {550, 70, -20, 500};
    SlotsReader usd(*reader, 2, "USD");
    for (std::size_t i = 0; i < 5; ++i) {
        SlotValues one;
        if (usd.read(i, one) != TableRead::ok) continue;
        fuzz::require(i < 4 && one.amounts.total == wanted[i] && one.sequence == 2);
    }
    SlotSnapshot all;
    if (reader->read_slots(2, "USD", all) == TableRead::ok) {
        fuzz::require(all.head.meta.slot_count == 4 && all.head.sequence == 2);
        for (std::size_t i = 0; i < 4; ++i) fuzz::require(all.slots[i].total == wanted[i]);
    }
    std::vector<TableKey> keys;
    static_cast<void>(reader->keys(keys));
    return 0;
}
