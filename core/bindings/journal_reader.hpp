#pragma once
// A Reader as Python holds it.
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

// Frames that several loops take, each in its turn while they lie in the cache: a tape is read, and
// its sums are checked, once for all of them.
class FrameBlock {
 public:
    // last_sequence: the reading ends there, 0: with the tape.
    FrameBlock(nanobind::object reader, std::uint64_t last_sequence)
        : kept_(std::move(reader)),
          reader_(*nanobind::cast<PyReader*>(kept_)->reader),
          last_(last_sequence == 0 ? ~std::uint64_t{0} : last_sequence),
          room_(frames_max) {}

    // The next frames, all of one segment; false: there are no more. Those before go.
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
    static constexpr std::size_t frames_max = 2048;  // of bars a quarter of a megabyte
    nanobind::object kept_;
    Reader& reader_;
    std::uint64_t last_;
    std::vector<Frame> room_;
    std::size_t count_ = 0;
};

}  // namespace onetape
