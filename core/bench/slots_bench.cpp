// Measures balances in shared memory: a read of one slot and of all, a write of eight, and reads
// beside a writer of another process at full speed, each verified. Prints one JSON object;
// bench/balances.py runs it.
//
//     slots_bench FOLDER [READS] [SECONDS_MAX]
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "state/table_reader.hpp"
#include "state/table_writer.hpp"

using namespace onetape;

namespace {

constexpr std::size_t parts = 7;  // and their total: eight slots
constexpr std::uint16_t kind = 1;
constexpr int rounds = 5;
constexpr int calls = 2'000'000;
constexpr Int128 unit = static_cast<Int128>(1'000'000'000'000'000'000);

double seconds(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "slots_bench: %s\n", why.c_str());
    std::exit(1);
}

Int128 amount(std::uint64_t step, std::size_t index) {
    return static_cast<Int128>(step + index) * unit;
}

void put(TableWriter& writer, std::uint64_t step) {
    SlotAmounts amounts[parts];
    for (std::size_t i = 0; i < parts; ++i) {
        amounts[i] = {amount(step, i + 1), static_cast<Int128>(step), 0};
    }
    const Failure failure = writer.put_slots(kind, "USD", amounts, 1, step);
    if (!failure.ok()) fail(failure.what);
}

std::unique_ptr<TableWriter> opened(const std::string& folder) {
    std::unique_ptr<TableWriter> writer;
    const Failure failure = TableWriter::open({folder, "bench", 7, 8, table_cells_max}, writer);
    if (!failure.ok()) fail(failure.what);
    put(*writer, 1);
    if (!writer->publish().ok()) fail("publish");
    return writer;
}

// ns of this thread's CPU time per call, the best of some rounds.
template <class Call>
double best(Call call) {
    double least = 1e9;
    for (int round = 0; round < rounds; ++round) {
        const double began = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < calls; ++i) call(i);
        least = std::min(least, (seconds(CLOCK_THREAD_CPUTIME_ID) - began) / calls * 1e9);
    }
    return least;
}

struct Contended {
    std::uint64_t reads = 0, unequal = 0, stalled = 0, changes = 0;
    double took_s = 0, writes_per_s = 0;
};

// Reads one slot and all of them in turn, each compared with the values that the writer must have
// written.
Contended contended(const std::string& folder, std::uint64_t wanted, double seconds_max) {
    int ends[2];
    if (::pipe(ends) != 0) fail("pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        const auto writer = opened(folder);
        if (::write(ends[1], "x", 1) != 1) ::_exit(1);
        for (std::uint64_t step = 2;; ++step) put(*writer, step);
    }
    char byte = 0;
    if (::read(ends[0], &byte, 1) != 1) fail("the writer did not start");
    std::unique_ptr<TableReader> reader;
    if (!TableReader::open(folder, "bench", 7, reader).ok()) fail("open");
    SlotsReader usd(*reader, kind, "USD");
    Contended result;
    SlotValues one;
    SlotSnapshot all;
    std::uint64_t last = 0;
    const double began = seconds(CLOCK_MONOTONIC);
    while (result.reads < wanted) {
        if (result.reads % (1 << 16) == 0 && seconds(CLOCK_MONOTONIC) - began > seconds_max) break;
        const std::size_t index = 1 + result.reads % parts;
        const TableRead single = usd.read(index, one);
        result.stalled += single == TableRead::stalled ? 1 : 0;
        if (single != TableRead::ok) {
            result.unequal += single == TableRead::stalled ? 0 : 1;
        } else {
            const bool equal = one.amounts.total == amount(one.sequence, index) &&
                               one.amounts.held == static_cast<Int128>(one.sequence);
            result.unequal += equal && one.sequence >= last ? 0 : 1;
            result.changes += one.sequence != last ? 1 : 0;
            last = one.sequence;
        }
        const TableRead whole = usd.read_all(all);
        result.stalled += whole == TableRead::stalled ? 1 : 0;
        if (whole != TableRead::ok) {
            result.unequal += whole == TableRead::stalled ? 0 : 1;
        } else {
            Int128 sum = 0;
            bool equal = all.head.meta.slot_count == parts + 1;
            for (std::size_t i = 1; i <= parts; ++i) {
                sum += all.slots[i].total;
                equal = equal && all.slots[i].total == amount(all.head.sequence, i);
            }
            result.unequal += equal && sum == all.slots[0].total ? 0 : 1;
            result.changes += all.head.sequence != last ? 1 : 0;
            last = std::max(last, all.head.sequence);
        }
        result.reads += 2;
    }
    result.took_s = seconds(CLOCK_MONOTONIC) - began;
    result.writes_per_s = static_cast<double>(last) / result.took_s;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return result;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) fail("FOLDER [READS] [SECONDS_MAX]");
    const std::string folder = arguments[1];
    const std::uint64_t reads = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 100'000'000;
    const double seconds_max = count > 3 ? std::strtod(arguments[3], nullptr) : 60;
    double one_ns = 0, checked_ns = 0, all_ns = 0, write_ns = 0;
    {
        const auto writer = opened(folder);
        writer->vouch();
        std::unique_ptr<TableReader> reader;
        if (!TableReader::open(folder, "bench", 7, reader).ok()) fail("open");
        SlotsReader usd(*reader, kind, "USD");
        SlotValues one;
        SlotSnapshot all;
        Int128 sum = 0;
        one_ns = best([&](int i) {
            if (usd.read(static_cast<std::size_t>(i) % 8, one) != TableRead::ok) fail("read");
            sum += one.amounts.total;
        });
        checked_ns = best([&](int i) {
            if (usd.read(static_cast<std::size_t>(i) % 8, one) != TableRead::ok) fail("read");
            if (reader->vouched_age() > 3'600'000'000'000) fail("age");
            sum += one.amounts.total;
        });
        all_ns = best([&](int) {
            if (usd.read_all(all) != TableRead::ok) fail("read all");
            sum += all.slots[0].total;
        });
        if (sum == 0) fail("nothing was read");
        write_ns = best([&](int i) { put(*writer, static_cast<std::uint64_t>(i) + 1); });
        writer->remove_files();
    }
    const Contended beside = contended(folder, reads, seconds_max);
    std::printf(
        "{\"read_one_ns\": %.1f, \"read_one_and_age_ns\": %.1f, \"read_all_ns\": %.1f, "
        "\"write_ns\": %.1f, \"reads\": %llu, \"unequal\": %llu, \"stalled\": %llu, "
        "\"changes\": %llu, \"seconds\": %.1f, \"writes_per_second\": %.0f}\n",
        one_ns, checked_ns, all_ns, write_ns, static_cast<unsigned long long>(beside.reads),
        static_cast<unsigned long long>(beside.unequal),
        static_cast<unsigned long long>(beside.stalled),
        static_cast<unsigned long long>(beside.changes), beside.took_s, beside.writes_per_s);
    return beside.unequal == 0 ? 0 : 1;
}
