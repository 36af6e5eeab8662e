#include "text/json_rows.hpp"

#include <string>
#include <vector>

#include "doctest.h"

using namespace onetape;

namespace {

std::vector<std::string> rows(const std::vector<std::string>& pieces) {
    JsonRowSplitter splitter;
    std::vector<std::string> out;
    const auto on_row = [&](std::string_view text, std::uint64_t number,
                            JsonRowSplitter::Ending ending) {
        CHECK(number == out.size() + 1);
        CHECK(text.data()[text.size()] == '\n');
        out.push_back(std::string(text) +
                      (ending == JsonRowSplitter::Ending::whole ? "" : " (cut)"));
        return true;
    };
    for (const std::string& piece : pieces) splitter.feed(piece.data(), piece.size(), on_row);
    splitter.finish(on_row);
    return out;
}

}  // namespace

TEST_CASE("rows of JSON are found in lists and without, whatever the chunks") {
    using Rows = std::vector<std::string>;
    const std::vector<std::pair<std::string, Rows>> table{
        {"[[1,2],[3,4]]", {"[1,2]", "[3,4]"}},
        {"\xef\xbb\xbf[\n [1,\n2] ,\n {\"a\":\"]}\\\"[\"}\n]\n", {"[1, 2]", "{\"a\":\"]}\\\"[\"}"}},
        {"[1,2]\n[3,4]\n", {"[1,2]", "[3,4]"}},
        {"{\"a\":[1,{\"b\":2}]}\n{}", {"{\"a\":[1,{\"b\":2}]}", "{}"}},
        {"[]", {}},
        {"[[1],[2", {"[1]", "[2 (cut)"}},
        {"[[1],", {"[1]", " (cut)"}},
        {"[", {" (cut)"}},
        {"nonsense", {"nonsense"}},
        {"[[1], x, [2]]", {"[1]", "x", "[2]"}},
    };
    for (const auto& [text, want] : table) {
        CHECK(rows({text}) == want);
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            CHECK(rows({text.substr(0, cut), text.substr(cut)}) == want);
        }
    }
}
