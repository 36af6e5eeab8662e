#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "doctest.h"
#include "state/table_reader.hpp"
#include "state/table_writer.hpp"

using namespace onetape;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/onetape-state-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
};

bool is_long() {
    return std::getenv("ONETAPE_LONG") != nullptr;
}

std::unique_ptr<TableWriter> writer_in(const Folder& folder, std::uint32_t capacity = 16,
                                       std::uint64_t layout = 7) {
    std::unique_ptr<TableWriter> writer;
    const Failure failure =
        TableWriter::open({folder.path, "gateway", layout, capacity, group_cells_max}, writer);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return writer;
}

std::unique_ptr<TableReader> reader_in(const Folder& folder, std::uint64_t layout = 7) {
    std::unique_ptr<TableReader> reader;
    const Failure failure = TableReader::open(folder.path, "gateway", layout, reader);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return reader;
}

void put(TableWriter& writer, std::string_view key, std::vector<std::uint64_t> cells,
         std::uint64_t sequence = 1) {
    const Failure failure = writer.put(1, key, cells, ~0ull, 5, sequence);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
}

// An account: cell 0 is the total, the others its parts.
constexpr std::size_t parts = 40;

void fill_account(std::vector<std::uint64_t>& cells, std::uint64_t step) {
    std::uint64_t total = 0;
    for (std::size_t i = 1; i <= parts; ++i) {
        cells[i] = step * i + i;
        total += cells[i];
    }
    cells[0] = total;
}

bool adds_up(const GroupValues& values) {
    std::uint64_t total = 0;
    for (std::size_t i = 1; i <= parts; ++i) total += values.cells[i];
    return values.meta.cell_count == parts + 1 && values.cells[0] == total;
}

[[noreturn]] void hammer(const std::string& directory, int ready) {
    std::unique_ptr<TableWriter> writer;
    if (!TableWriter::open({directory, "gateway", 7, 4, group_cells_max}, writer).ok()) _exit(2);
    std::vector<std::uint64_t> cells(parts + 1);
    fill_account(cells, 0);
    if (!writer->put(1, "main", cells, ~0ull, 0, 1).ok() || !writer->publish().ok()) _exit(3);
    if (::write(ready, "x", 1) != 1) _exit(4);
    for (std::uint64_t step = 1;; ++step) {
        fill_account(cells, step);
        if (!writer->put(1, "main", cells, ~0ull, static_cast<std::int64_t>(step), step).ok())
            _exit(5);
    }
}

pid_t start_hammer(const std::string& directory) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) hammer(directory, ends[1]);
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
    ::close(ends[0]);
    ::close(ends[1]);
    return child;
}

void end_hammer(pid_t child) {
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));  // it was killed, it did not fail
}

}  // namespace

TEST_CASE("a reader sees what was put, and nothing before it is published") {
    const Folder folder;
    const auto writer = writer_in(folder);
    put(*writer, "main", {1, 2, 3}, 42);
    std::unique_ptr<TableReader> reader;
    CHECK(TableReader::open(folder.path, "gateway", 7, reader).status == Status::not_found);
    REQUIRE(writer->publish().ok());
    reader = reader_in(folder);
    GroupValues values;
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.meta.cell_count == 3);
    CHECK(values.cells[2] == 3);
    CHECK(values.sequence == 42);
    CHECK(values.ts_data == 5);
    CHECK(reader->read(2, "main", values) == TableRead::missing);
    CHECK(reader->read(1, "other", values) == TableRead::missing);
    writer->heartbeat(99);
    CHECK(reader->heartbeat() == 99);
    CHECK(writer->touch(1, "main", 77) == Status::ok);
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.ts_alive == 77);
}

TEST_CASE("files are the owner's alone and readers cannot write") {
    const Folder folder;
    const auto writer = writer_in(folder);
    REQUIRE(writer->publish().ok());
    for (const auto& entry : std::filesystem::directory_iterator(folder.path)) {
        struct stat status{};
        REQUIRE(::stat(entry.path().c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    }
}

TEST_CASE("a second writer is refused") {
    const Folder folder;
    auto first = writer_in(folder);
    std::unique_ptr<TableWriter> second;
    CHECK(TableWriter::open({folder.path, "gateway", 7, 4, 8}, second).status == Status::locked);
    REQUIRE(first->publish().ok());
    const auto reader = reader_in(folder);
    CHECK(reader->writer_alive());
    CHECK(TableWriter::open({folder.path, "gateway", 7, 4, 8}, second).status == Status::locked);
    first.reset();
    CHECK(!reader->writer_alive());
    CHECK(TableWriter::open({folder.path, "gateway", 7, 4, 8}, second).ok());
}

TEST_CASE("keys leave, and their slot serves another without being mistaken") {
    const Folder folder;
    const auto writer = writer_in(folder, 2);
    REQUIRE(writer->publish().ok());
    const auto reader = reader_in(folder);
    GroupValues values;
    put(*writer, "order-1", {1});
    REQUIRE(reader->read(1, "order-1", values) == TableRead::ok);
    CHECK(writer->remove(1, "order-1") == Status::ok);
    CHECK(writer->remove(1, "order-1") == Status::not_found);
    CHECK(reader->read(1, "order-1", values) == TableRead::missing);
    put(*writer, "order-2", {2});
    CHECK(reader->read(1, "order-1", values) == TableRead::missing);
    REQUIRE(reader->read(1, "order-2", values) == TableRead::ok);
    CHECK(values.cells[0] == 2);
    CHECK(writer->remove(1, "order-2") == Status::ok);
    put(*writer, "order-1", {3});
    REQUIRE(reader->read(1, "order-1", values) == TableRead::ok);
    CHECK(values.cells[0] == 3);
    CHECK(writer->capacity() == 2);
}

TEST_CASE("growth is a new generation that readers follow") {
    const Folder folder;
    const auto writer = writer_in(folder, 2);
    REQUIRE(writer->publish().ok());
    const auto reader = reader_in(folder);
    const std::uint64_t before = reader->generation();
    GroupValues values;
    for (std::uint64_t i = 0; i < 100; ++i) {
        put(*writer, "key" + std::to_string(i), {i});
        REQUIRE(reader->read(1, "key" + std::to_string(i / 2), values) == TableRead::ok);
        CHECK(values.cells[0] == i / 2);
    }
    CHECK(writer->capacity() == 128);
    CHECK(reader->generation() > before);
    std::vector<TableKey> keys;
    CHECK(reader->keys(keys) == TableRead::ok);
    CHECK(keys.size() == 100);
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path)) {
        files += entry.is_regular_file() ? 1 : 0;
    }
    CHECK(files == 2);  // the pointer and the current generation
}

TEST_CASE("a new writer starts empty, and readers keep the old state until it publishes") {
    const Folder folder;
    auto writer = writer_in(folder);
    put(*writer, "main", {1});
    REQUIRE(writer->publish().ok());
    const auto reader = reader_in(folder);
    GroupValues values;
    writer.reset();
    writer = writer_in(folder);
    CHECK(writer->epoch() == 2);
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    put(*writer, "main", {2});
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.cells[0] == 1);
    REQUIRE(writer->publish().ok());
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.cells[0] == 2);
    CHECK(reader->epoch() == 2);
}

TEST_CASE("another layout is refused by name, and a new writer replaces it") {
    const Folder folder;
    auto writer = writer_in(folder, 4, 7);
    REQUIRE(writer->publish().ok());
    std::unique_ptr<TableReader> reader;
    CHECK(TableReader::open(folder.path, "gateway", 8, reader).status == Status::newer_version);
    writer.reset();
    writer = writer_in(folder, 4, 8);
    REQUIRE(writer->publish().ok());
    CHECK(TableReader::open(folder.path, "gateway", 8, reader).ok());
}

TEST_CASE("removed files are made anew and found again") {
    const Folder folder;
    const auto writer = writer_in(folder);
    put(*writer, "main", {9});
    REQUIRE(writer->publish().ok());
    const auto reader = reader_in(folder);
    CHECK(writer->in_place());
    for (const auto& entry : std::filesystem::directory_iterator(folder.path)) {
        std::filesystem::remove(entry.path());
    }
    CHECK(!writer->in_place());
    CHECK(reader->refresh().status == Status::not_found);
    REQUIRE(writer->restore().ok());
    CHECK(writer->in_place());
    REQUIRE(reader->refresh().ok());
    GroupValues values;
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.cells[0] == 9);
    put(*writer, "main", {10});
    REQUIRE(reader->read(1, "main", values) == TableRead::ok);
    CHECK(values.cells[0] == 10);
}

TEST_CASE("any changed byte of a group is damage, not a value") {
    const Folder folder;
    const auto writer = writer_in(folder, 1);
    put(*writer, "main", {11, 12, 13});
    REQUIRE(writer->publish().ok());
    const std::string path = generation_path(folder.path, "gateway", writer->generation());
    const auto byte_at = [&](std::size_t offset) {
        const bool in_version = offset < 8;
        const std::size_t copy = (place_head_words + copy_words(group_cells_max)) * 8;  // copy 1
        const bool in_copy = offset >= copy && offset < copy + (copy_cells_at + 3) * 8;
        const bool in_padding = offset >= copy + 6 * 8 && offset < copy + 8 * 8;
        return in_version || (in_copy && !in_padding);
    };
    std::size_t flipped = 0;
    for (std::size_t i = 0; i < place_words(group_cells_max) * 8; ++i) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        const auto at = static_cast<std::streamoff>(table_page_bytes + i);
        file.seekg(at);
        const char byte = static_cast<char>(file.get());
        file.seekp(at);
        file.put(static_cast<char>(byte ^ 0x40));
        file.flush();
        const auto reader = reader_in(folder);
        reader->set_deadline(1000);
        GroupValues values;
        const TableRead outcome = reader->read(1, "main", values);
        if (byte_at(i)) CHECK_MESSAGE(outcome != TableRead::ok, "byte " << i);
        if (outcome == TableRead::ok) CHECK(values.cells[2] == 13);
        flipped += byte_at(i) ? 1 : 0;
        file.seekp(at);
        file.put(byte);
    }
    CHECK(flipped == 8 + (copy_cells_at + 3 - 2) * 8);
}

TEST_CASE("damaged files are refused or not found, never mapped short") {
    const Folder folder;
    const auto writer = writer_in(folder, 4);
    put(*writer, "main", {1});
    REQUIRE(writer->publish().ok());
    const std::string path = generation_path(folder.path, "gateway", writer->generation());
    std::unique_ptr<TableReader> reader;
    std::filesystem::resize_file(path, table_page_bytes + 64);
    CHECK(TableReader::open(folder.path, "gateway", 7, reader).status == Status::damaged);
    std::filesystem::resize_file(path, 100);
    CHECK(TableReader::open(folder.path, "gateway", 7, reader).status == Status::foreign);
    std::ofstream(pointer_path(folder.path, "gateway")) << std::string(5000, 'x');
    CHECK(TableReader::open(folder.path, "gateway", 7, reader).status == Status::foreign);
    std::ofstream(pointer_path(folder.path, "gateway")) << "short";
    CHECK(TableReader::open(folder.path, "gateway", 7, reader).status == Status::not_found);
}

TEST_CASE("wrong arguments are refused and change nothing") {
    const Folder folder;
    std::unique_ptr<TableWriter> writer;
    CHECK(TableWriter::open({folder.path, "a/b", 0, 4, 8}, writer).status == Status::invalid);
    CHECK(TableWriter::open({folder.path, "", 0, 4, 8}, writer).status == Status::invalid);
    CHECK(TableWriter::open({folder.path, "a", 0, 0, 8}, writer).status == Status::invalid);
    CHECK(TableWriter::open({folder.path, "a", 0, 4, table_cells_max + 1}, writer).status ==
          Status::invalid);
    REQUIRE(TableWriter::open({folder.path, "a", 0, 4, 2}, writer).ok());
    const std::vector<std::uint64_t> three(3);
    CHECK(writer->put(1, "k", three, 0, 0, 0).status == Status::invalid);
    CHECK(writer->put(1, "", {}, 0, 0, 0).status == Status::invalid);
    CHECK(writer->put(1, std::string(65, 'k'), {}, 0, 0, 0).status == Status::invalid);
    CHECK(writer->put(1, std::string(64, 'k'), {}, 0, 0, 0).ok());
    CHECK(writer->size() == 1);
}

TEST_CASE("readers in another process never see a total that is not the sum") {
    const Folder folder;
    const pid_t child = start_hammer(folder.path);
    const auto reader = reader_in(folder);
    const std::uint64_t wanted = is_long() ? 100'000'000 : 1'000'000;
    std::uint64_t torn = 0, changes = 0, backwards = 0, last = 0, other = 0;
    GroupValues values;
    // On a busy machine the writer may hardly have run by then: continue until it has.
    for (std::uint64_t i = 0; i < wanted || (changes <= 100 && i < 100 * wanted); ++i) {
        const TableRead outcome = reader->read(1, "main", values);
        if (outcome != TableRead::ok) {
            ++other;
            continue;
        }
        torn += adds_up(values) ? 0 : 1;
        changes += values.sequence != last ? 1 : 0;
        backwards += values.sequence < last ? 1 : 0;
        last = values.sequence;
    }
    CHECK(torn == 0);
    CHECK(backwards == 0);
    CHECK(changes > 100);
    CHECK(other == 0);
    end_hammer(child);
}

TEST_CASE("a writer killed inside a write leaves the last complete values") {
    const Folder folder;
    const int rounds = is_long() ? 2000 : 60;
    int inside = 0;
    std::mt19937 random(3);
    for (int round = 0; round < rounds; ++round) {
        const pid_t child = start_hammer(folder.path);
        const auto reader = reader_in(folder);
        ::usleep(static_cast<useconds_t>(random() % 300));
        end_hammer(child);
        std::uint64_t head[2] = {};
        std::ifstream file(generation_path(folder.path, "gateway", reader->generation()),
                           std::ios::binary);
        file.seekg(table_page_bytes);
        file.read(reinterpret_cast<char*>(head), sizeof head);
        const std::uint64_t version = group_version(head);
        inside += version != head[1] ? 1 : 0;
        GroupValues values;
        REQUIRE(reader->read(1, "main", values) == TableRead::ok);
        CHECK(adds_up(values));
        CHECK(values.version == version);
        CHECK(!reader->writer_alive());
        const auto writer = writer_in(folder);
        put(*writer, "main", {1, 2, 3});
        REQUIRE(writer->publish().ok());
        REQUIRE(reader->read(1, "main", values) == TableRead::ok);
        CHECK(values.cells[2] == 3);
    }
    CHECK(inside > rounds / 10);  // else the test would prove nothing
}

TEST_CASE("threads over one slot: what the thread sanitizer can see of the lock") {
    alignas(64) static std::uint64_t slot[place_words(group_cells_max)];
    std::fill(std::begin(slot), std::end(slot), 0);
    std::atomic<bool> stop{false};
    std::thread thread([&] {
        GroupValues values{};
        values.meta = {1, 1, 4, parts + 1, 0};
        std::vector<std::uint64_t> cells(parts + 1);
        for (std::uint64_t step = 0; !stop.load(std::memory_order_relaxed); ++step) {
            fill_account(cells, step);
            std::copy(cells.begin(), cells.end(), values.cells);
            write_group(slot, group_cells_max, "main", values);
        }
    });
    std::uint64_t good = 0;
    GroupValues values;
    while (good < 20'000) {
        const GroupRead outcome = read_group(slot, group_cells_max, values);
        if (outcome == GroupRead::busy || values.version == 0) continue;
        REQUIRE(outcome == GroupRead::ok);
        REQUIRE(adds_up(values));
        ++good;
    }
    stop = true;
    thread.join();
}

TEST_CASE("keys that come and go beside a reader are neither damage nor each other's values") {
    const Folder folder;
    const auto writer = writer_in(folder, 64);
    put(*writer, "0", {0});
    REQUIRE(writer->publish().ok());
    std::atomic<bool> is_done{false};
    std::thread thread([&] {
        const std::uint64_t rounds = is_long() ? 4'000'000 : 200'000;
        for (std::uint64_t key = 1; key <= rounds; ++key) {
            const std::uint64_t cells[] = {key};
            static_cast<void>(writer->put(1, std::to_string(key), cells, ~0ull, 5, key));
            if (key > 40) static_cast<void>(writer->remove(1, std::to_string(key - 40)));
        }
        is_done.store(true);
    });
    const auto reader = reader_in(folder);
    std::vector<TableKey> keys;
    GroupValues values;
    std::uint64_t scans = 0, wrong = 0;
    for (; !is_done.load() || scans < 3; ++scans) {
        wrong += reader->keys(keys) != TableRead::ok;
        for (const TableKey& each : keys) {
            const TableRead outcome = reader->read(each.kind, each.key, values);
            if (outcome == TableRead::ok)
                wrong += std::to_string(values.cells[0]) != each.key;
            else
                wrong += outcome != TableRead::missing;
        }
    }
    thread.join();
    CHECK(wrong == 0);
    CHECK(scans > 3);
}

TEST_CASE("any sequence of calls leaves what a map would hold") {
    const Folder folder;
    std::mt19937 random(5);
    auto writer = writer_in(folder, 1);
    REQUIRE(writer->publish().ok());
    auto reader = reader_in(folder);
    std::map<std::string, std::uint64_t> model;
    for (int step = 0; step < 3000; ++step) {
        const std::string key = "k" + std::to_string(random() % 40);
        switch (random() % 8) {
            case 0:
            case 1:
            case 2:
            case 3:
                put(*writer, key, {random(), static_cast<std::uint64_t>(step)});
                model[key] = static_cast<std::uint64_t>(step);
                break;
            case 4:
            case 5:
                CHECK((writer->remove(1, key) == Status::ok) == (model.erase(key) == 1));
                break;
            case 6:
                reader = reader_in(folder);
                break;
            default: {
                GroupValues values;
                const TableRead outcome = reader->read(1, key, values);
                CHECK(outcome == (model.contains(key) ? TableRead::ok : TableRead::missing));
                if (outcome == TableRead::ok) CHECK(values.cells[1] == model[key]);
            }
        }
    }
    CHECK(writer->size() == model.size());
}
