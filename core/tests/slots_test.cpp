#include "state/slots.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "doctest.h"
#include "state/table_reader.hpp"
#include "state/table_writer.hpp"

using namespace onetape;

namespace {

struct SlotsFolder {
    std::string path;
    SlotsFolder() {
        char name[] = "/tmp/onetape-slots-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~SlotsFolder() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
};

constexpr std::uint16_t kind = 1;
constexpr Int128 unit = static_cast<Int128>(1'000'000'000'000'000'000);

std::unique_ptr<TableWriter> slots_writer(const std::string& folder, std::uint32_t capacity = 4) {
    std::unique_ptr<TableWriter> writer;
    const Failure failure =
        TableWriter::open({folder, "gateway", 7, capacity, table_cells_max}, writer);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return writer;
}

std::unique_ptr<TableReader> slots_reader(const std::string& folder) {
    std::unique_ptr<TableReader> reader;
    const Failure failure = TableReader::open(folder, "gateway", 7, reader);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return reader;
}

// Slot i + 1 has i + step units, a third of them held.
std::vector<SlotAmounts> parts_of(std::size_t count, std::uint64_t step) {
    std::vector<SlotAmounts> parts(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto amount = static_cast<Int128>(i + step) * unit;
        parts[i] = {amount, amount / 3, static_cast<std::uint32_t>(i)};
    }
    return parts;
}

Failure put_parts(TableWriter& writer, const char* key, std::size_t count, std::uint64_t step) {
    return writer.put_slots(kind, key, parts_of(count, step), static_cast<std::int64_t>(step),
                            step);
}

bool adds_up(const SlotSnapshot& snapshot, std::size_t parts) {
    const std::vector<SlotAmounts> wanted = parts_of(parts, snapshot.head.sequence);
    Int128 total = 0;
    bool same = snapshot.head.meta.slot_count == parts + 1 &&
                snapshot.head.ts_data == static_cast<std::int64_t>(snapshot.head.sequence);
    for (std::size_t i = 0; i < parts; ++i) {
        total += snapshot.slots[i + 1].total;
        same = same && snapshot.slots[i + 1].total == wanted[i].total &&
               snapshot.slots[i + 1].held == wanted[i].held;
    }
    return same && snapshot.slots[0].total == total;
}

constexpr std::size_t parts = 7;

[[noreturn]] void hammer_slots(const std::string& directory, int ready) {
    std::unique_ptr<TableWriter> writer;
    if (!TableWriter::open({directory, "gateway", 7, 4, table_cells_max}, writer).ok()) _exit(2);
    if (!put_parts(*writer, "USD", parts, 1).ok() || !writer->publish().ok()) _exit(3);
    if (::write(ready, "x", 1) != 1) _exit(4);
    for (std::uint64_t step = 2;; ++step) {
        if (!put_parts(*writer, "USD", parts, step).ok()) _exit(5);
    }
}

pid_t start_slots_hammer(const std::string& directory) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) hammer_slots(directory, ends[1]);
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
    ::close(ends[0]);
    ::close(ends[1]);
    return child;
}

void end_slots_hammer(pid_t child) {
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("slot 0 is the sum of the others, whoever reads one slot or all") {
    const SlotsFolder folder;
    const auto writer = slots_writer(folder.path);
    REQUIRE(put_parts(*writer, "USD", 63, 5).ok());
    REQUIRE(writer->publish().ok());
    const auto reader = slots_reader(folder.path);
    SlotSnapshot all;
    REQUIRE(reader->read_slots(kind, "USD", all) == TableRead::ok);
    CHECK(adds_up(all, 63));
    SlotsReader usd(*reader, kind, "USD");
    SlotValues one;
    for (std::size_t i = 0; i < slots_max; ++i) {
        REQUIRE(usd.read(i, one) == TableRead::ok);
        CHECK(one.amounts.total == all.slots[i].total);
        CHECK(one.amounts.held == all.slots[i].held);
        CHECK(one.amounts.flags == all.slots[i].flags);
        CHECK(one.sequence == 5);
        CHECK(one.ts_data == 5);
    }
    CHECK(usd.read(slots_max, one) == TableRead::missing);
    SlotsReader eur(*reader, kind, "EUR");
    CHECK(eur.read(0, one) == TableRead::missing);
    CHECK(reader->read_slots(kind, "EUR", all) == TableRead::missing);
}

TEST_CASE("a sum beyond 128 bits and more slots than there is room for are refused") {
    const SlotsFolder folder;
    const auto writer = slots_writer(folder.path);
    const Int128 most = (static_cast<Int128>(1) << 126) - 1 + (static_cast<Int128>(1) << 126);
    const std::vector<SlotAmounts> total = {{most, 0, 0}, {1, 0, 0}};
    const std::vector<SlotAmounts> held = {{0, -most, 0}, {0, -2, 0}};
    CHECK(writer->put_slots(kind, "USD", total, 1, 1).status == Status::invalid);
    CHECK(writer->put_slots(kind, "USD", held, 1, 1).status == Status::invalid);
    CHECK(put_parts(*writer, "USD", 64, 1).status == Status::invalid);
    CHECK(put_parts(*writer, "", 2, 1).status == Status::invalid);
    CHECK(writer->size() == 0);
    const std::vector<SlotAmounts> fits = {{most, -most, 0}, {-most, most, 0}, {-5, 7, 0}};
    REQUIRE(writer->put_slots(kind, "USD", fits, 1, 1).ok());
    REQUIRE(writer->publish().ok());
    const auto reader = slots_reader(folder.path);
    SlotSnapshot all;
    REQUIRE(reader->read_slots(kind, "USD", all) == TableRead::ok);
    CHECK(all.slots[0].total == -5);
    CHECK(all.slots[0].held == 7);
    CHECK(all.slots[1].total == most);
    CHECK(all.slots[2].total == -most);
    std::unique_ptr<TableWriter> narrow;
    REQUIRE(TableWriter::open({folder.path, "narrow", 7, 4, cells_of_slots(3)}, narrow).ok());
    CHECK(put_parts(*narrow, "USD", 2, 1).ok());
    CHECK(put_parts(*narrow, "USD", 3, 1).status == Status::invalid);
}

TEST_CASE("slots come and go, and a handle does not take one for another") {
    const SlotsFolder folder;
    const auto writer = slots_writer(folder.path, 1);
    REQUIRE(put_parts(*writer, "USD", 7, 1).ok());
    REQUIRE(writer->publish().ok());
    const auto reader = slots_reader(folder.path);
    SlotsReader usd(*reader, kind, "USD");
    SlotValues one;
    REQUIRE(usd.read(7, one) == TableRead::ok);
    for (std::uint64_t step = 2; step < 6; ++step) {  // both copies
        REQUIRE(put_parts(*writer, "USD", 3, step).ok());
        CHECK(usd.read(7, one) == TableRead::missing);
        REQUIRE(usd.read(3, one) == TableRead::ok);
        CHECK(one.sequence == step);
    }
    REQUIRE(put_parts(*writer, "USD", 10, 6).ok());
    REQUIRE(usd.read(10, one) == TableRead::ok);
    CHECK(one.sequence == 6);
    CHECK(writer->remove(kind, "USD") == Status::ok);
    CHECK(usd.read(1, one) == TableRead::missing);
    REQUIRE(put_parts(*writer, "BTC", 10, 6).ok());  // in the same place, with the same numbers
    CHECK(usd.read(1, one) == TableRead::missing);
    REQUIRE(put_parts(*writer, "USD", 10, 7).ok());  // the table grows
    REQUIRE(usd.read(1, one) == TableRead::ok);
    CHECK(one.sequence == 7);
}

TEST_CASE("a handle follows a new writer, also one after a clean end") {
    const SlotsFolder folder;
    auto writer = slots_writer(folder.path);
    REQUIRE(put_parts(*writer, "USD", 3, 1).ok());
    REQUIRE(writer->publish().ok());
    const auto reader = slots_reader(folder.path);
    SlotsReader usd(*reader, kind, "USD");
    SlotValues one;
    REQUIRE(usd.read(1, one) == TableRead::ok);
    writer.reset();  // as a crash leaves it
    writer = slots_writer(folder.path);
    REQUIRE(put_parts(*writer, "USD", 3, 2).ok());
    REQUIRE(usd.read(1, one) == TableRead::ok);
    CHECK(one.sequence == 1);
    REQUIRE(writer->publish().ok());
    REQUIRE(usd.read(1, one) == TableRead::ok);
    CHECK(one.sequence == 2);

    writer->remove_files();
    CHECK(std::filesystem::is_empty(folder.path));
    CHECK(usd.read(1, one) == TableRead::unavailable);
    CHECK(put_parts(*writer, "USD", 3, 2).status == Status::not_found);
    CHECK(!writer->restore().ok());
    CHECK(std::filesystem::is_empty(folder.path));
    const auto next = slots_writer(folder.path);  // while the one before still has its files
    CHECK(usd.read(1, one) == TableRead::unavailable);
    REQUIRE(put_parts(*next, "USD", 3, 3).ok());
    REQUIRE(next->publish().ok());
    REQUIRE(usd.read(1, one) == TableRead::ok);
    CHECK(one.sequence == 3);
}

TEST_CASE("who vouches for what is read is its own writer, and not for ever") {
    constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    const SlotsFolder folder;
    auto writer = slots_writer(folder.path, 1);
    REQUIRE(put_parts(*writer, "USD", 3, 1).ok());
    REQUIRE(writer->publish().ok());
    const auto reader = slots_reader(folder.path);
    GroupValues values;
    CHECK(reader->vouched_age() == never);
    writer->vouch();
    const std::int64_t age = reader->vouched_age();
    CHECK(age >= 0);
    CHECK(age < never);
    CHECK(reader->vouched_age() >= age);
    REQUIRE(put_parts(*writer, "BTC", 3, 1).ok());  // the table grows
    REQUIRE(reader->read(kind, "BTC", values) == TableRead::ok);
    CHECK(reader->vouched_age() < never);
    writer->unvouch();
    CHECK(reader->vouched_age() == never);
    writer->vouch();

    writer.reset();
    writer = slots_writer(folder.path);
    writer->heartbeat(1);
    writer->vouch();  // for its own state, which is not published
    const std::int64_t before = reader->vouched_age();
    CHECK(before < never);  // that of the dead one, growing old
    ::usleep(1000);
    writer->vouch();
    CHECK(reader->vouched_age() > before);
    writer->unvouch();
    REQUIRE(writer->publish().ok());
    REQUIRE(reader->read(kind, "USD", values) == TableRead::missing);
    CHECK(reader->vouched_age() == never);
    writer->vouch();
    CHECK(reader->vouched_age() < never);
    writer.reset();
    CHECK(slots_reader(folder.path)->vouched_age() == never);  // nobody there when it was mapped
}

TEST_CASE("any changed byte of a group of slots is damage, not an amount") {
    const SlotsFolder folder;
    const auto writer = slots_writer(folder.path, 1);
    REQUIRE(put_parts(*writer, "USD", 3, 1).ok());
    REQUIRE(put_parts(*writer, "USD", 3, 2).ok());
    REQUIRE(writer->publish().ok());
    const std::string path = generation_path(folder.path, "gateway", writer->generation());
    const std::vector<SlotAmounts> wanted = parts_of(3, 2);
    std::size_t seen = 0;
    const std::size_t bytes =
        (place_head_words + copy_words(table_cells_max) + copy_cells_at + cells_of_slots(4)) * 8;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto reader = slots_reader(folder.path);
    reader->set_deadline(1000);
    for (std::size_t i = 0; i < bytes; ++i) {
        const auto at = static_cast<std::streamoff>(table_page_bytes + i);
        file.seekg(at);
        const char byte = static_cast<char>(file.get());
        file.seekp(at);
        file.put(static_cast<char>(byte ^ 0x20));
        file.flush();
        SlotsReader usd(*reader, kind, "USD");
        SlotValues one;
        const TableRead outcome = usd.read(2, one);
        if (outcome == TableRead::ok) {
            CHECK_MESSAGE(one.amounts.total == wanted[1].total, "byte " << i);
            CHECK(one.amounts.held == wanted[1].held);
            CHECK(one.sequence == 2);
        }
        SlotSnapshot all;
        const TableRead whole = reader->read_slots(kind, "USD", all);
        if (whole == TableRead::ok) CHECK_MESSAGE(adds_up(all, 3), "byte " << i);
        seen += whole == TableRead::ok ? 0 : 1;
        file.seekp(at);
        file.put(byte);
        file.flush();
    }
    // Version, head without the key's check and two free words, and of each slot all but its free
    // word. The key is looked at when it is searched, which here was before.
    CHECK(seen >= 8 + (6 * 8 - 4) + 4 * 7 * 8);
}

TEST_CASE("readers in another process never see slots that do not add up") {
    const SlotsFolder folder;
    const pid_t child = start_slots_hammer(folder.path);
    const auto reader = slots_reader(folder.path);
    SlotsReader usd(*reader, kind, "USD");
    const std::uint64_t wanted = std::getenv("ONETAPE_LONG") != nullptr ? 50'000'000 : 300'000;
    std::uint64_t unequal = 0, torn = 0, other = 0, changes = 0, last = 0;
    SlotSnapshot all;
    SlotValues one;
    for (std::uint64_t i = 0; i < wanted || (changes <= 100 && i < 100 * wanted); ++i) {
        // Beside a writer that never pauses a read may be stalled. That is an answer too.
        const TableRead whole = usd.read_all(all);
        if (whole == TableRead::ok) {
            unequal += adds_up(all, parts) ? 0 : 1;
        } else if (whole != TableRead::stalled) {
            ++other;
        }
        const std::size_t index = 1 + i % parts;
        const TableRead single = usd.read(index, one);
        if (single == TableRead::ok) {
            const auto amount = static_cast<Int128>(index - 1 + one.sequence) * unit;
            torn += one.amounts.total == amount && one.amounts.held == amount / 3 ? 0 : 1;
            torn += one.sequence < last ? 1 : 0;
            changes += one.sequence != last ? 1 : 0;
            last = one.sequence;
        } else if (single != TableRead::stalled) {
            ++other;
        }
    }
    end_slots_hammer(child);
    CHECK(unequal == 0);
    CHECK(torn == 0);
    CHECK(other == 0);
    CHECK(changes > 100);
}

TEST_CASE("a writer killed inside a write of slots leaves the last complete ones") {
    const SlotsFolder folder;
    const int rounds = std::getenv("ONETAPE_LONG") != nullptr ? 1000 : 40;
    std::mt19937 random(7);
    int inside = 0;
    for (int round = 0; round < rounds; ++round) {
        const pid_t child = start_slots_hammer(folder.path);
        const auto reader = slots_reader(folder.path);
        ::usleep(static_cast<useconds_t>(random() % 300));
        end_slots_hammer(child);
        std::uint64_t head[2] = {};
        std::ifstream file(generation_path(folder.path, "gateway", reader->generation()),
                           std::ios::binary);
        file.seekg(table_page_bytes);
        file.read(reinterpret_cast<char*>(head), sizeof head);
        inside += group_version(head) != head[1] ? 1 : 0;
        SlotSnapshot all;
        REQUIRE(reader->read_slots(kind, "USD", all) == TableRead::ok);
        CHECK(adds_up(all, parts));
    }
    CHECK(inside > 0);  // else the test did not test it
}

TEST_CASE("threads over one group of slots: what the thread sanitizer can see of the lock") {
    alignas(64) static std::uint64_t slot[place_words(table_cells_max)];
    std::fill(std::begin(slot), std::end(slot), 0);
    std::atomic<bool> stop{false};
    std::thread thread([&] {
        GroupValues head;
        head.use = 1;
        head.meta = {1, 1, 3, 0, parts + 1};
        for (std::uint64_t step = 1; !stop.load(std::memory_order_relaxed); ++step) {
            head.ts_data = static_cast<std::int64_t>(step);
            head.sequence = step;
            const std::vector<SlotAmounts> amounts = parts_of(parts, step);
            SlotAmounts sum;
            if (!sum_slots(amounts, sum)) break;
            write_group_of(slot, table_cells_max, "USD", head, [&](std::uint64_t* copy) {
                slots_detail::store_line(copy, 0, head, sum);
                for (std::size_t i = 0; i < parts; ++i) {
                    slots_detail::store_line(copy, i + 1, head, amounts[i]);
                }
            });
        }
    });
    std::uint64_t good = 0;
    SlotSnapshot all;
    SlotValues one;
    while (good < 20'000) {
        const GroupRead outcome = read_slots(slot, table_cells_max, all);
        if (outcome == GroupRead::busy || all.head.version == 0) continue;
        REQUIRE(outcome == GroupRead::ok);
        REQUIRE(adds_up(all, parts));
        const SlotRead single = read_slot_line(slot, table_cells_max, 1, 1 + good % parts, one);
        REQUIRE(single != SlotRead::gone);
        ++good;
    }
    stop = true;
    thread.join();
}
