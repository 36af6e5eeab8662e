#pragma once
// A Reader for Python.
#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bindings/errors.hpp"
#include "journal/reader.hpp"

namespace onetape {

struct PyReader {
    std::unique_ptr<Reader> reader;
    nanobind::object expand;  // kept alive for the reader's callback
};

[[noreturn]] inline void raise_reader(const Reader& reader, Status status) {
    raise(reader.failure().status == status ? reader.failure() : Failure{status, "read"});
}

// Frames that several loops process in turn while they are in the cache: a tape is read, and its
// checksums are checked, once for all loops.
class FrameBlock {
 public:
    // last_sequence: end of the reading, 0: the tape's end.
    FrameBlock(nanobind::object reader, std::uint64_t last_sequence)
        : kept_(std::move(reader)),
          reader_(*nanobind::cast<PyReader*>(kept_)->reader),
          last_(last_sequence == 0 ? ~std::uint64_t{0} : last_sequence),
          room_(frames_max) {}

    // Reads the next frames, all of one segment; false: end. Invalidates those before.
    bool read() {
        count_ = 0;
        const std::uint64_t first = reader_.next_sequence();
        if (first > last_) return false;
        const std::size_t most = std::min<std::uint64_t>(last_ - first, frames_max - 1) + 1;
        const Status status = reader_.next_batch({room_.data(), most}, count_);
        if (status != Status::ok && status != Status::not_found) raise_reader(reader_, status);
        return count_ != 0;
    }
    [[nodiscard]] std::span<const Frame> frames() const { return {room_.data(), count_}; }

 private:
    static constexpr std::size_t frames_max = 2048;  // a quarter of a megabyte of bars
    nanobind::object kept_;
    Reader& reader_;
    std::uint64_t last_;
    std::vector<Frame> room_;
    std::size_t count_ = 0;
};

}  // namespace onetape
