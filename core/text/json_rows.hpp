#pragma once
// Splits JSON in chunks of any size into rows, in constant memory: [[..],[..]], [{..},{..}], or
// rows one after the other without a list around them. A row is passed on as text, for another
// parser.
#include <cstdint>
#include <string>
#include <string_view>

#include "text/line_split.hpp"

namespace onetape {

class JsonRowSplitter {
 public:
    using Ending = LineSplitter::Ending;

    // Calls on_row(text, number from 1, ending) for each row. A row's text is followed by a
    // readable '
    // ' and has no line break inside. Values that are neither list nor object are passed on
    // unchanged.
    template <class OnRow>
    bool feed(const char* data, std::size_t size, OnRow&& on_row) {
        for (const char* p = data; p < data + size;) {
            if (depth_ > 0) {
                if (!inside(p, data + size, on_row)) return false;
                continue;
            }
            const char c = *p++;
            if (is_blank(c) || c == ',' || (number_ == 0 && is_bom(c))) continue;
            if (opened_) {  // after "[": a list of rows, or a row itself
                opened_ = false;
                if (c == '[' || c == '{') {
                    listed_ = true;
                } else if (c == ']') {
                    continue;
                } else {
                    if (!stray(on_row)) return false;
                    begin('[');
                    --p;
                    continue;
                }
            } else if (c == ']' && listed_) {
                listed_ = false;
                if (!stray(on_row)) return false;
                continue;
            }
            if (c == '[' || c == '{') {
                if (!stray(on_row)) return false;
                if (c == '[' && !listed_)
                    opened_ = true;
                else
                    begin(c);
            } else if (stray_.size() < stray_bytes_max) {
                stray_.push_back(c);
            }
        }
        return true;
    }

    // The end of input: a row or a list that is still open was cut.
    template <class OnRow>
    bool finish(OnRow&& on_row) {
        if (!stray(on_row)) return false;
        if (depth_ == 0 && !listed_ && !opened_) return true;
        depth_ = 0;
        return hand_on(on_row, Ending::truncated);
    }

 private:
    static constexpr std::size_t stray_bytes_max = 200;

    [[nodiscard]] static constexpr bool is_blank(char c) noexcept {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
    }

    [[nodiscard]] static constexpr bool is_bom(char c) noexcept {
        return c == '\xef' || c == '\xbb' || c == '\xbf';
    }

    void begin(char c) {
        row_.assign(1, c);
        depth_ = 1;
        in_text_ = escaped_ = overlong_ = false;
    }

    template <class OnRow>
    bool inside(const char*& p, const char* end, OnRow&& on_row) {
        const char* const from = p;
        for (; p < end; ++p) {
            const char c = *p;
            if (in_text_) {
                if (escaped_)
                    escaped_ = false;
                else if (c == '\\')
                    escaped_ = true;
                else if (c == '"')
                    in_text_ = false;
            } else if (c == '"') {
                in_text_ = true;
            } else if (c == '[' || c == '{') {
                ++depth_;
            } else if ((c == ']' || c == '}') && --depth_ == 0) {
                keep(from, static_cast<std::size_t>(++p - from));
                return hand_on(on_row, overlong_ ? Ending::overlong : Ending::whole);
            }
        }
        keep(from, static_cast<std::size_t>(p - from));
        return true;
    }

    void keep(const char* data, std::size_t size) {
        const std::size_t room = line_bytes_max - row_.size();
        if (size > room) {
            overlong_ = true;
            size = room;
        }
        row_.append(data, size);
    }

    template <class OnRow>
    bool hand_on(OnRow&& on_row, Ending ending) {
        ++number_;
        for (char& c : row_) {
            if (c == '\n' || c == '\r') c = ' ';
        }
        const std::size_t length = row_.size();
        row_.push_back('\n');
        const bool more = on_row(std::string_view(row_.data(), length), number_, ending);
        row_.clear();
        return more;
    }

    template <class OnRow>
    bool stray(OnRow&& on_row) {
        if (stray_.empty()) return true;
        row_.assign(stray_);
        stray_.clear();
        return hand_on(on_row, Ending::whole);
    }

    std::string row_, stray_;
    std::uint64_t number_ = 0;
    std::uint64_t depth_ = 0;
    bool listed_ = false, opened_ = false;
    bool in_text_ = false, escaped_ = false, overlong_ = false;
};

}  // namespace onetape
