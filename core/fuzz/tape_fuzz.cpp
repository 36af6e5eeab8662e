// A tape with changed bytes gives the written frames up to some point, and then reports the damage:
// never another frame, never a crash.
#include <filesystem>
#include <vector>

#include "fuzz/input.hpp"
#include "journal/reader.hpp"
#include "journal/writer.hpp"

using namespace onetape;

namespace {

struct Kept {
    FrameHeader header;
    std::string payload;
};

struct Tape {
    fuzz::Folder folder;
    std::string directory = folder.path() + "/journal";
    std::string segment;  // path of the changed one
    std::string content;
    std::vector<Kept> frames;

    explicit Tape(bool sealed) {
        WriterOptions options;
        options.directory = directory;
        options.process = "fuzz";
        options.uuid.fill(7);
        options.durable = false;
        std::unique_ptr<Writer> writer;
        fuzz::require(Writer::open(options, writer).ok());
        for (std::uint8_t i = 0; i < 40; ++i) {
            const std::string payload(i * 7u % 90u, static_cast<char>(i));
            const auto type = i % 3 == 0 ? EventType::log : EventType::memory;
            fuzz::require(writer->append(type, i, i % 4u, 1000 + i, payload.data(),
                                         static_cast<std::uint32_t>(payload.size())) == Status::ok);
        }
        if (sealed) fuzz::require(writer->close().ok());
        writer.reset();
        for (const auto& entry : std::filesystem::directory_iterator(directory)) {
            if (entry.path().extension() == ".tape") segment = entry.path().string();
        }
        content = fuzz::read_file(segment);
        if (!sealed) content.resize(32 << 10);  // prepared bytes beyond are zeros
        frames = read(nullptr);
        fuzz::require(frames.size() == 40);
    }

    // The frames that were read; all must equal the beginning of `expected`.
    std::vector<Kept> read(const std::vector<Kept>* expected) const {
        std::vector<Kept> kept;
        std::unique_ptr<Reader> reader;
        if (!Reader::open({directory, {}}, reader).ok()) return kept;
        Frame frame;
        while (reader->next(frame) == Status::ok) {
            kept.push_back({*frame.header, std::string(reinterpret_cast<const char*>(frame.payload),
                                                       frame.payload_bytes)});
            if (expected == nullptr) continue;
            fuzz::require(kept.size() <= expected->size());
            const Kept& want = (*expected)[kept.size() - 1];
            fuzz::require(std::memcmp(&want.header, frame.header, sizeof want.header) == 0);
            fuzz::require(want.payload == kept.back().payload);
        }
        reader->seek_time(1020) == Status::ok ? static_cast<void>(reader->next(frame)) : void();
        return kept;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Tape sealed(true), open(false);
    fuzz::Input input(data, size);
    const auto how = input.take<std::uint8_t>();
    const Tape& tape = (how & 1u) != 0 ? sealed : open;
    std::string content = tape.content;
    if ((how & 2u) != 0) content.resize(input.take<std::uint16_t>() % (content.size() + 1));
    if (!content.empty()) fuzz::patch(input, content);
    fuzz::write_file(tape.segment, content);
    static_cast<void>(tape.read(&tape.frames));
    return 0;
}
