#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "doctest.h"
#include "folder.hpp"
#include "journal/reader.hpp"
#include "journal/verify.hpp"
#include "journal/writer.hpp"

using namespace onetape;
namespace fs = std::filesystem;

namespace {

WriterOptions options_for(const Folder& folder) {
    WriterOptions options;
    options.directory = folder.journal();
    options.uuid[0] = 7;
    options.segment_bytes_first = 64u << 10;
    options.segment_bytes_max = 256u << 10;
    options.durable = false;
    return options;
}

std::unique_ptr<Writer> open_writer(const WriterOptions& options) {
    std::unique_ptr<Writer> writer;
    const Failure failure = Writer::open(options, writer);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return writer;
}

std::unique_ptr<Reader> open_reader(const Folder& folder) {
    std::unique_ptr<Reader> reader;
    const Failure failure = Reader::open({folder.journal(), {}}, reader);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return reader;
}

// A payload whose every byte follows from its number.
std::vector<unsigned char> payload_of(std::uint64_t number) {
    std::vector<unsigned char> payload((number * 7919) % 301);
    for (std::size_t i = 0; i < payload.size(); ++i)
        payload[i] = static_cast<unsigned char>(number + i * 31);
    return payload;
}

Status append_number(Writer& writer, std::uint64_t number) {
    const auto payload = payload_of(number);
    return writer.append(EventType::log, static_cast<std::uint16_t>(number & 31),
                         static_cast<std::uint32_t>(number), static_cast<std::int64_t>(number * 10),
                         payload.data(), static_cast<std::uint32_t>(payload.size()));
}

void check_frame(const Frame& frame, std::uint64_t number) {
    REQUIRE(frame.header->sequence == number);
    const auto payload = payload_of(number);
    REQUIRE(frame.payload_bytes == payload.size());
    REQUIRE((payload.empty() || std::memcmp(frame.payload, payload.data(), payload.size()) == 0));
    REQUIRE(frame.header->time == static_cast<std::int64_t>(number * 10));
    REQUIRE(frame.header->stream == static_cast<std::uint32_t>(number));
}

}  // namespace

TEST_CASE("what is appended is read, over many segments, open and sealed") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    for (std::uint64_t n = 1; n <= 5000; ++n) REQUIRE(append_number(*writer, n) == Status::ok);
    for (const bool closed : {false, true}) {
        if (closed) REQUIRE(writer->close().ok());
        auto reader = open_reader(folder);
        CHECK(reader->last_sequence() == 5000);
        Frame frame;
        for (std::uint64_t n = 1; n <= 5000; ++n) {
            REQUIRE(reader->next(frame) == Status::ok);
            check_frame(frame, n);
        }
        CHECK(reader->next(frame) == Status::not_found);
        CHECK(reader->next(frame) == Status::not_found);
    }
    VerifyReport report;
    REQUIRE(verify_journal(folder.journal(), {}, report).ok());
    CHECK(report.damaged.empty());
    CHECK(report.frames == 5000);
    CHECK(report.sealed == report.segments);
    CHECK(report.segments > 3);
}

TEST_CASE("a reader sees a frame as soon as it is appended, across a roll-over") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    auto reader = open_reader(folder);
    Frame frame;
    for (std::uint64_t n = 1; n <= 3000; ++n) {
        REQUIRE(reader->next(frame) == Status::not_found);
        REQUIRE(append_number(*writer, n) == Status::ok);
        REQUIRE(reader->next(frame) == Status::ok);
        check_frame(frame, n);
    }
}

TEST_CASE("frames read as batches are those read one by one, and what is given back comes again") {
    const Folder folder;
    constexpr std::uint64_t count = 5000;  // of several segments
    const auto writer = open_writer(options_for(folder));
    for (std::uint64_t number = 1; number <= count; ++number)
        REQUIRE(append_number(*writer, number) == Status::ok);
    const auto reader = open_reader(folder);
    std::array<Frame, 7> batch;
    std::uint64_t number = 0, batches = 0;
    while (number < count) {
        const std::uint32_t crc_before = reader->crc();
        const std::size_t got = reader->next_batch(batch);
        for (std::size_t i = 0; i < got; ++i) check_frame(batch[i], number + 1 + i);
        if (got == 0) {  // a segment's end
            Frame frame;
            REQUIRE(reader->next(frame) == Status::ok);
            check_frame(frame, ++number);
            continue;
        }
        const std::size_t kept = ++batches % (got + 1);
        if (kept < got)
            reader->give_back(batch[kept], kept == 0 ? crc_before : batch[kept - 1].header->crc);
        number += kept;
        REQUIRE(reader->next_sequence() == number + 1);
        REQUIRE((kept == 0 ? crc_before : batch[kept - 1].header->crc) == reader->crc());
    }
    CHECK(batches > 500);
    CHECK(reader->next_batch(batch) == 0);
}

TEST_CASE("seeking by sequence and by time finds the first frame that is not before") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    std::vector<std::int64_t> times;
    for (std::uint64_t n = 1; n <= 4000; ++n) {
        const auto time = static_cast<std::int64_t>(n * 100 + (n * 7919) % 977);  // not ascending
        times.push_back(time);
        const std::uint64_t word = n;
        REQUIRE(writer->append(EventType::log, 0, 0, time, &word, 8) == Status::ok);
    }
    for (const bool closed : {false, true}) {
        if (closed) REQUIRE(writer->close().ok());
        auto reader = open_reader(folder);
        Frame frame;
        for (std::uint64_t n = 1; n <= 4000; n += 37) {
            REQUIRE(reader->seek_sequence(n) == Status::ok);
            REQUIRE(reader->next(frame) == Status::ok);
            REQUIRE(frame.header->sequence == n);
        }
        for (std::int64_t time = 0; time < 402000; time += 1777) {
            std::uint64_t first = 0;
            while (first < times.size() && times[first] < time) ++first;
            REQUIRE(reader->seek_time(time) == Status::ok);
            const Status status = reader->next(frame);
            if (first == times.size()) {
                REQUIRE(status == Status::not_found);
            } else {
                REQUIRE(status == Status::ok);
                REQUIRE(frame.header->sequence == first + 1);
            }
        }
        REQUIRE(reader->seek_sequence(9999) == Status::ok);
        CHECK(reader->next(frame) == Status::not_found);
    }
}

TEST_CASE("any one or two wrong bits of a frame, in header, payload or both, change its crc") {
    std::array<std::uint64_t, 8> frame{
        0x0000'0005'0000'0040, 7, 1'700'000'000'000'000'000, 0x89ab'cdef'0000'0003, 1, 2, 3,
        0xffff'ffff'0000'0000};
    const auto crc = [&] {
        const std::uint32_t sum =
            payload_crc(reinterpret_cast<const std::byte*>(frame.data() + 4), 32);
        return chain_crc(static_cast<std::uint32_t>(frame[3] >> 32), frame[0], frame[1],
                         static_cast<std::int64_t>(frame[2]), static_cast<std::uint32_t>(frame[3]),
                         sum);
    };
    const auto flip = [&](unsigned bit) { frame[bit / 64] ^= std::uint64_t{1} << (bit % 64); };
    const std::uint32_t right = crc();
    int missed = 0;
    for (unsigned one = 0; one < 512; ++one) {
        flip(one);
        missed += crc() == right;
        for (unsigned two = one + 1; two < 512; ++two) {
            flip(two);
            missed += crc() == right;
            flip(two);
        }
        flip(one);
    }
    CHECK(missed == 0);
}

TEST_CASE("a second writer is refused and told who holds the journal") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    std::unique_ptr<Writer> second;
    const Failure failure = Writer::open(options_for(folder), second);
    CHECK(failure.status == Status::locked);
    CHECK(failure.what.find(std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("a journal goes on after a close and after a crash, with a new epoch") {
    const Folder folder;
    std::uint64_t n = 0;
    for (std::uint64_t epoch = 1; epoch <= 6; ++epoch) {
        auto writer = open_writer(options_for(folder));
        REQUIRE(writer->epoch() == epoch);
        REQUIRE(writer->published_sequence() == n);
        for (int i = 0; i < 500; ++i) REQUIRE(append_number(*writer, ++n) == Status::ok);
        if (epoch % 2 == 0) REQUIRE(writer->close().ok());
    }
    auto reader = open_reader(folder);
    Frame frame;
    for (std::uint64_t k = 1; k <= n; ++k) {
        REQUIRE(reader->next(frame) == Status::ok);
        check_frame(frame, k);
    }
}

TEST_CASE("a reader that stands at the end goes on when the journal is opened again") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    REQUIRE(append_number(*writer, 1) == Status::ok);
    auto reader = open_reader(folder);
    Frame frame;
    REQUIRE(reader->next(frame) == Status::ok);
    REQUIRE(writer->close().ok());
    CHECK(reader->next(frame) == Status::not_found);
    writer = open_writer(options_for(folder));
    CHECK(reader->next(frame) == Status::not_found);
    REQUIRE(append_number(*writer, 2) == Status::ok);
    REQUIRE(reader->next(frame) == Status::ok);
    check_frame(frame, 2);
    CHECK(reader->epoch() == 2);
}

TEST_CASE("a claim that is given up leaves nothing behind") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    std::byte* payload = nullptr;
    REQUIRE(writer->claim(200, &payload) == Status::ok);
    std::memset(payload, 0xff, 200);
    REQUIRE(append_number(*writer, 1) == Status::ok);
    REQUIRE(writer->claim(8, &payload) == Status::ok);
    CHECK(payload[0] == std::byte{0});
    std::memset(payload, 1, 8);
    writer->commit(EventType::log, 0, 0, 5);
    REQUIRE(append_number(*writer, 3) == Status::ok);
    auto reader = open_reader(folder);
    Frame frame;
    REQUIRE(reader->next(frame) == Status::ok);
    check_frame(frame, 1);
    REQUIRE(reader->next(frame) == Status::ok);
    CHECK(frame.payload_bytes == 8);
    REQUIRE(reader->next(frame) == Status::ok);
    check_frame(frame, 3);
    CHECK(reader->next(frame) == Status::not_found);
}

TEST_CASE("a frame larger than any planned segment gets one that fits, up to 16 MiB") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    const std::vector<unsigned char> large(payload_bytes_max, 0x5a);
    REQUIRE(append_number(*writer, 1) == Status::ok);
    REQUIRE(writer->append(EventType::log, 0, 0, 1, large.data(), payload_bytes_max) == Status::ok);
    REQUIRE(append_number(*writer, 3) == Status::ok);
    CHECK(writer->append(EventType::log, 0, 0, 1, large.data(), payload_bytes_max + 1) ==
          Status::exhausted);
    REQUIRE(append_number(*writer, 4) == Status::ok);
    auto reader = open_reader(folder);
    Frame frame;
    REQUIRE(reader->next(frame) == Status::ok);
    REQUIRE(reader->next(frame) == Status::ok);
    CHECK(frame.payload_bytes == payload_bytes_max);
    CHECK(std::memcmp(frame.payload, large.data(), large.size()) == 0);
    REQUIRE(reader->next(frame) == Status::ok);
    check_frame(frame, 3);
}

TEST_CASE("instruments are in the preamble of all later segments") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    const std::byte facts[5]{};
    REQUIRE(writer->append_instrument(9, 1, facts) == Status::ok);
    for (std::uint64_t n = 2; n <= 3000; ++n) REQUIRE(append_number(*writer, n) == Status::ok);
    auto reader = open_reader(folder);
    CHECK(reader->preamble().empty());
    REQUIRE(reader->seek_sequence(3000) == Status::ok);
    REQUIRE(reader->segment_number() > 1);
    REQUIRE(reader->preamble().size() == 1);
    CHECK(reader->preamble()[0].stream == 9);
}

TEST_CASE("sync moves the durable watermark to what was published") {
    const Folder folder;
    WriterOptions options = options_for(folder);
    options.durable = true;
    auto writer = open_writer(options);
    for (std::uint64_t n = 1; n <= 700; ++n) REQUIRE(append_number(*writer, n) == Status::ok);
    CHECK(writer->durable_sequence() == 0);
    REQUIRE(writer->sync().ok());
    CHECK(writer->durable_sequence() == 700);
}

// Two threads here, two processes in tests/tape: only there each side has a mapping of its own.
TEST_CASE("publication litmus: no torn frame is ever seen by a reader that races the writer") {
    const Folder folder;
    auto writer = open_writer(options_for(folder));
    constexpr std::uint64_t count = 200'000;
    std::atomic<bool> good{true};
    const auto race = [&] {
        auto reader = open_reader(folder);
        Frame frame;
        std::uint64_t expected = 1;
        while (expected <= count && good) {
            const Status status = reader->next(frame);
            if (status == Status::not_found) continue;
            std::uint64_t words[3] = {};
            if (status == Status::ok) std::memcpy(words, frame.payload, sizeof words);
            if (status != Status::ok || words[0] != expected || words[1] != ~expected ||
                words[2] != expected * 3)
                good = false;
            ++expected;
        }
    };
    // More of them than cores: each falls behind at some segment's end.
    std::vector<std::thread> racers;
    for (int n = 0; n < 6; ++n) racers.emplace_back(race);
    for (std::uint64_t n = 1; n <= count; ++n) {
        const std::uint64_t words[3] = {n, ~n, n * 3};
        (void)writer->append(EventType::log, 0, 0, 0, words, sizeof words);
    }
    for (std::thread& racer : racers) racer.join();
    CHECK(good);
}
