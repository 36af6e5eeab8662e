#include "text/line_split.hpp"

#include <utility>
#include <vector>

#include "doctest.h"

using namespace onetape;

namespace {

using Lines = std::vector<std::pair<std::string, LineSplitter::Ending>>;

Lines split(const std::string& text, std::size_t step) {
    LineSplitter splitter;
    Lines lines;
    const auto take = [&](std::string_view line, std::uint64_t number, auto ending) {
        lines.emplace_back(line, ending);
        CHECK(number == lines.size());
        const char behind = line.data()[line.size()];
        if (ending != LineSplitter::Ending::overlong) CHECK((behind == '\n' || behind == '\r'));
        return true;
    };
    for (std::size_t at = 0; at < text.size(); at += step) {
        // A copy of exactly this piece: reading beyond it is detected by a sanitizer.
        const std::string piece = text.substr(at, step);
        splitter.feed(piece.data(), piece.size(), take);
    }
    splitter.finish(take);
    return lines;
}

}  // namespace

TEST_CASE("lines are the same whatever the chunks") {
    const std::string text = "one\ntwo\r\n\nfour\n\r\nlast";
    const Lines whole = split(text, text.size());
    REQUIRE(whole.size() == 6);
    CHECK(whole[1].first == "two");
    CHECK(whole[5].second == LineSplitter::Ending::truncated);
    for (std::size_t step = 1; step < text.size(); ++step) CHECK(split(text, step) == whole);
}

TEST_CASE("a line beyond its bound is handed on once, cut, in constant memory") {
    const std::string text = std::string(3 * line_bytes_max, 'x') + "\nshort\n";
    for (const std::size_t step : {text.size(), std::size_t{4096}, line_bytes_max}) {
        const Lines lines = split(text, step);
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].first.size() == line_bytes_max);
        CHECK(lines[0].second == LineSplitter::Ending::overlong);
        CHECK(lines[1].first == "short");
    }
}
