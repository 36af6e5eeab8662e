#pragma once
// Splits chunks of any size into lines, in constant memory. Every line is followed by a readable '
// ', so scanners need no bounds check of their own.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace onetape {

inline constexpr std::size_t line_bytes_max = std::size_t{1} << 20;

class LineSplitter {
 public:
    enum class Ending : std::uint8_t { whole, overlong, truncated };

    // Calls on_line(text without line end, number from 1, ending) for each complete line. It
    // returns whether to continue; after false the rest of the chunk is ignored. An overlong line
    // is passed once, cut to its first 1 MiB.
    template <class OnLine>
    bool feed(const char* data, std::size_t size, OnLine&& on_line) {
        const char* p = data;
        const char* const end = data + size;
        while (p < end) {
            const auto* newline =
                static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
            if (newline == nullptr) {
                keep(p, static_cast<std::size_t>(end - p));
                return true;
            }
            if (carry_.empty() && !overlong_) {
                const auto length = static_cast<std::size_t>(newline - p);
                ++number_;
                const bool fits = length <= line_bytes_max;
                if (!on_line(trim({p, fits ? length : line_bytes_max}), number_,
                             fits ? Ending::whole : Ending::overlong)) {
                    return false;
                }
            } else {
                keep(p, static_cast<std::size_t>(newline - p));
                if (!flush(on_line, overlong_ ? Ending::overlong : Ending::whole)) return false;
            }
            p = newline + 1;
        }
        return true;
    }

    // The end of the source: the text after the last '
    // ' is a line without an end.
    template <class OnLine>
    bool finish(OnLine&& on_line) {
        if (carry_.empty()) return true;
        return flush(on_line, overlong_ ? Ending::overlong : Ending::truncated);
    }

    // A new source begins: its lines count from 1.
    void restart() noexcept {
        carry_.clear();
        overlong_ = false;
        number_ = 0;
    }

 private:
    void keep(const char* data, std::size_t size) {
        const std::size_t room = line_bytes_max - carry_.size();
        if (size > room) {
            overlong_ = true;
            size = room;
        }
        carry_.append(data, size);
    }

    template <class OnLine>
    bool flush(OnLine&& on_line, Ending ending) {
        ++number_;
        const std::size_t length = carry_.size();
        carry_.push_back('\n');
        const bool more = on_line(trim({carry_.data(), length}), number_, ending);
        carry_.clear();
        overlong_ = false;
        return more;
    }

    // Removes a '\r' before the line end; the byte behind stays readable and is no digit.
    static std::string_view trim(std::string_view line) noexcept {
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        return line;
    }

    std::string carry_;
    std::uint64_t number_ = 0;
    bool overlong_ = false;
};

}  // namespace onetape
