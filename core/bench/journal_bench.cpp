// Measures append and read of a journal, and in the same process the hardware's lower bound for the
// same bytes: storing the frame's words to mapped memory, with the same checksums. Prints one JSON
// object; bench/journal_core.py runs it.
//
//     journal_bench FOLDER [EVENTS] [ROUNDS]
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/crc32c.hpp"
#include "journal/reader.hpp"
#include "journal/segment.hpp"
#include "journal/writer.hpp"

using namespace onetape;

namespace {

constexpr std::size_t frame_bytes = frame_header_bytes + sizeof(QuotePayload);

// CPU time of this thread alone, without other load of the machine.
double now() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void fail(const char* what, const std::string& why) {
    std::fprintf(stderr, "%s: %s\n", what, why.c_str());
    std::exit(1);
}

QuotePayload quote_of(std::size_t number) {
    const auto at = static_cast<std::int64_t>(number);
    return {at, at, 600'000 + at % 7, 600'001 + at % 7, at % 999, at % 997, number, 0};
}

// The stores of Writer::append alone: no bounds, no control page.
double bare_store(std::byte* memory, std::size_t events) {
    const double began = now();
    std::byte* at = memory;
    std::uint32_t crc = 1;
    for (std::size_t i = 0; i < events; ++i, at += frame_bytes) {
        const QuotePayload quote = quote_of(i);
        std::uint32_t sum = 0;
        for (std::size_t word = 0; word < sizeof quote; word += 8) {
            const std::uint64_t value = load_word(reinterpret_cast<const char*>(&quote) + word);
            std::memcpy(at + frame_header_bytes + word, &value, 8);
            sum = crc32c_word(sum, value);
        }
        const std::uint64_t word0 =
            pack_word0(frame_bytes, static_cast<std::uint16_t>(EventType::quote), 0);
        const auto time = static_cast<std::int64_t>(i);
        crc = chain_crc(crc, word0, i + 1, time, 1, sum);
        const std::uint64_t sequence = i + 1, word3 = 1 | (static_cast<std::uint64_t>(crc) << 32);
        std::memcpy(at + 8, &sequence, 8);
        std::memcpy(at + 16, &time, 8);
        std::memcpy(at + 24, &word3, 8);
        std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at))
            .store(word0, std::memory_order_release);
    }
    return now() - began;
}

double append(const std::string& folder, std::size_t events) {
    std::filesystem::remove_all(folder);
    WriterOptions options;
    options.directory = folder;
    options.uuid[0] = 1;
    options.durable = false;
    std::unique_ptr<Writer> writer;
    if (const Failure failure = Writer::open(options, writer); !failure.ok())
        fail("open", failure.what);
    const double began = now();
    for (std::size_t i = 0; i < events; ++i) {
        const QuotePayload quote = quote_of(i);
        if (writer->append(EventType::quote, 0, 1, static_cast<std::int64_t>(i), &quote,
                           sizeof quote) != Status::ok)
            fail("append", writer->failure().what);
    }
    const double taken = now() - began;
    if (const Failure failure = writer->close(); !failure.ok()) fail("close", failure.what);
    return taken;
}

double read(const std::string& folder, std::size_t events) {
    std::unique_ptr<Reader> reader;
    if (const Failure failure = Reader::open({folder, {}}, reader); !failure.ok())
        fail("open", failure.what);
    Frame frame;
    std::size_t count = 0;
    std::int64_t total = 0;
    const double began = now();
    while (reader->next(frame) == Status::ok) {
        total += frame.as<QuotePayload>().bid;
        ++count;
    }
    const double taken = now() - began;
    if (count != events || total == 0) fail("read", "not all of it came back");
    return taken;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) fail("usage", "journal_bench FOLDER [EVENTS] [ROUNDS]");
    const std::string folder = std::string(argv[1]) + "/journal";
    const std::size_t events = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
    void* mapped = ::mmap(nullptr, events * frame_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) fail("mmap", "no memory");
    double store = 1e9, appended = 1e9, scanned = 1e9;
    for (int round = 0; round < rounds; ++round) {
        store = std::min(store, bare_store(static_cast<std::byte*>(mapped), events));
        appended = std::min(appended, append(folder, events));
        scanned = std::min(scanned, read(folder, events));
    }
    const auto count = static_cast<double>(events);
    std::printf(
        "{\"events\": %zu, \"bare_store_ns\": %.3f, \"append_ns\": %.3f, \"read_per_second\": "
        "%.0f}\n",
        events, store * 1e9 / count, appended * 1e9 / count, count / scanned);
    return 0;
}
