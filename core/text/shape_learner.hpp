#pragma once
// How a message of a known shape is laid out: the bytes between its values.
#include <set>
#include <string>
#include <string_view>

#include "text/shape_reader.hpp"

namespace onetape {

// A strict reader of one JSON message. It refuses what need not be learned: escapes in keys, keys
// that stand twice, deep nesting, many values.
class ShapeLearner {
 public:
    ShapeLearner(const Shape& shape, std::string_view message)
        : shape_(shape),
          p_(message.data()),
          end_(message.data() + message.size()),
          pending_(message.data()) {}

    [[nodiscard]] bool learn(ShapeReader::Layout& layout);

 private:
    static constexpr int depth_max = 8;
    static constexpr std::size_t pieces_max = 96;

    [[nodiscard]] bool value(const std::string& path, int depth);
    [[nodiscard]] bool object(const std::string& path, int depth);
    [[nodiscard]] bool list(const std::string& path, int depth);
    [[nodiscard]] bool levels(ShapeRole role);
    [[nodiscard]] bool rows(int depth);
    [[nodiscard]] bool scalar(const std::string& path);
    [[nodiscard]] bool text();  // stands behind the closing quote after it
    void blanks() noexcept;
    [[nodiscard]] bool is(char c) const noexcept { return p_ < end_ && *p_ == c; }
    [[nodiscard]] bool place(const char* begin, const char* behind, ShapeRole role, ShapeForm form);
    void close(ShapeReader::Sequence& next);  // what is pending ends the sequence so far

    const Shape& shape_;
    const char* p_;
    const char* end_;
    const char* pending_;  // from here on nothing is in a sequence yet
    ShapeReader::Layout* layout_ = nullptr;
    ShapeReader::Sequence* into_ = nullptr;
    std::uint32_t found_ = 0;    // roles
    std::size_t constants_ = 0;  // that were met
    std::size_t pieces_ = 0;
    bool is_later_row_ = false;  // checked, not learned
};

}  // namespace onetape
