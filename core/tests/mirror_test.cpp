#include "journal/mirror.hpp"

#include <cstring>
#include <random>
#include <vector>

#include "doctest.h"
#include "folder.hpp"
#include "journal/reader.hpp"
#include "journal/verify.hpp"
#include "journal/writer.hpp"

using namespace onetape;

namespace {

struct Kept {
    std::uint64_t segment = 0, offset = 0;
    std::vector<std::byte> bytes;
};

std::vector<Kept> blocks_of(const std::string& directory, std::size_t bytes_max) {
    std::unique_ptr<Reader> reader;
    REQUIRE(Reader::open({directory, {}}, reader).ok());
    std::vector<Kept> kept;
    Block block;
    while (reader->next_block(bytes_max, block) == Status::ok)
        kept.push_back({block.segment, block.offset, {block.bytes.begin(), block.bytes.end()}});
    return kept;
}

void write(const std::string& directory, int frames, std::mt19937& random) {
    WriterOptions options;
    options.directory = directory;
    options.uuid[0] = 7;
    options.segment_bytes_first = 64u << 10;
    options.segment_bytes_max = 64u << 10;
    options.durable = false;
    std::unique_ptr<Writer> writer;
    REQUIRE(Writer::open(options, writer).ok());
    for (int i = 0; i < frames; ++i) {
        std::vector<unsigned char> payload(random() % 300, static_cast<unsigned char>(i));
        REQUIRE(writer->append(EventType::log, 0, 0, i, payload.data(),
                               static_cast<std::uint32_t>(payload.size())) == Status::ok);
    }
    REQUIRE(writer->close().ok());
}

std::unique_ptr<Mirror> open_mirror(const std::string& directory) {
    std::unique_ptr<Mirror> mirror;
    const Failure failure = Mirror::open(directory, false, Digest{}, mirror);
    REQUIRE_MESSAGE(failure.ok(), failure.what);
    return mirror;
}

}  // namespace

TEST_CASE("a mirror takes the next block only, in whatever order they come") {
    const Folder folder;
    std::mt19937 random(5);
    write(folder.at("a"), 2000, random);
    const std::vector<Kept> blocks = blocks_of(folder.at("a"), 3000);
    REQUIRE(blocks.size() > 100);
    std::unique_ptr<Mirror> mirror = open_mirror(folder.at("b"));
    std::size_t next = 0;
    while (next < blocks.size()) {
        const std::size_t chosen =
            std::min<std::size_t>(blocks.size() - 1, next + random() % 3 - (next > 0 ? 1 : 0));
        const Kept& block = blocks[chosen];
        const Status status = mirror->take(block.segment, block.offset, block.bytes);
        if (next == 0 && chosen != 0) {
            CHECK(status == Status::not_found);
        } else {
            CHECK(status == (chosen <= next ? Status::ok : Status::not_found));
            if (chosen == next) ++next;
        }
        if (random() % 50 == 0) {
            mirror.reset();
            mirror = open_mirror(folder.at("b"));
        }
    }
    mirror.reset();  // waits for its seals
    VerifyReport ours, theirs;
    CHECK(verify_journal(folder.at("a"), {}, theirs).ok());
    CHECK(verify_journal(folder.at("b"), {}, ours).ok());
    CHECK(ours.last_sequence == 2000);
    CHECK(ours.sealed == theirs.sealed);
    CHECK(ours.uuid == theirs.uuid);
}

TEST_CASE("no changed byte of a block enters a mirror, and none beyond a block is read") {
    const Folder folder;
    std::mt19937 random(6);
    write(folder.at("a"), 200, random);
    const std::vector<Kept> blocks = blocks_of(folder.at("a"), 2000);
    std::unique_ptr<Mirror> mirror = open_mirror(folder.at("b"));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const Kept& block = blocks[i];
        for (int tries = 0; tries < 40; ++tries) {
            std::vector<std::byte> changed = block.bytes;
            if (random() % 4 == 0)
                changed.resize(random() % changed.size());
            else
                changed[random() % changed.size()] ^= std::byte{1};
            const std::uint64_t sequence = mirror->place().sequence;
            const Status status = mirror->take(block.segment, block.offset, changed);
            // A whole prefix of frames is taken: the rest comes again.
            if (status == Status::ok && i == 0) break;  // a byte that no checksum covers
            CHECK(mirror->place().sequence >= sequence);
        }
        REQUIRE(mirror->take(block.segment, block.offset, block.bytes) == Status::ok);
    }
    CHECK(mirror->place().sequence == 200);
}
