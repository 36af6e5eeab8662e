#pragma once
// Reads numbers from a fuzzer's bytes; zeros when they run out.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/file.hpp"

namespace onetape::fuzz {

class Input {
 public:
    Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
    [[nodiscard]] bool empty() const { return at_ == end_; }
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - at_); }
    template <class T>
    T take() {
        T value{};
        const std::size_t bytes = size() < sizeof(T) ? size() : sizeof(T);
        std::memcpy(&value, at_, bytes);
        at_ += bytes;
        return value;
    }

 private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
};

// Failed checks are aborts: sanitizers report them with the input.
inline void require(bool holds) {
    if (!holds) std::abort();
}

// A directory of this run in memory, removed with its content when the run ends.
class Folder {
 public:
    Folder() {
        char name[] = "/dev/shm/onetape-fuzz-XXXXXX";
        require(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

 private:
    std::string path_;
};

// Changes a few bytes of `content` by the input: (offset u16, exclusive-or u8) each. False: nothing
// was changed.
inline bool patch(Input& input, std::string& content) {
    const std::string before = content;
    while (input.size() >= 3) {
        const auto place = input.take<std::uint16_t>();
        const auto change = input.take<std::uint8_t>();
        char& byte = content[place % content.size()];
        byte = static_cast<char>(byte ^ change);
    }
    return content != before;
}

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace onetape::fuzz
