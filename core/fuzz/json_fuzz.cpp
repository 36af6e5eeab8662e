// No line makes the scanner read beyond it, and the same line is read the same way twice.
#include <string>

#include "fuzz/input.hpp"
#include "text/json_scan.hpp"

using namespace onetape;

namespace {

JsonScanner make_scanner() {
    JsonPaths paths;
    int slot = 0;
    fuzz::require(paths.add_wrapper("data").ok());
    for (const char* path : {"e", "E", "s", "b", "a", "bids", "asks", "k.t", "k.o", "price", "u"}) {
        fuzz::require(paths.add(path, slot).ok());
    }
    for (const char* path : {"rows.p", "rows.bids", "rows.0", "b.2", "name"}) {
        fuzz::require(paths.add(path, slot).ok());
    }
    for (const char* path : {"rows", "rows.new"}) fuzz::require(paths.add_rows(path).ok());
    paths.set_texts({"name", "s"});
    paths.set_level_keys("price", "qty");
    return JsonScanner(std::move(paths));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static JsonScanner scanner = make_scanner();
    static JsonMessage first, second;
    // On the heap with exact size, so that reading one byte more is detected.
    const std::string line = std::string(reinterpret_cast<const char*>(data), size) + "\n";
    const std::string_view view(line.data(), size);
    const char* failed = scanner.scan(view, first);
    const std::uint64_t present = first.present;
    const std::size_t levels = first.levels.size();
    const char* repeated = scanner.scan(view, second);
    fuzz::require((failed == nullptr) == (repeated == nullptr));
    if (failed == nullptr) {
        fuzz::require(second.present == present && second.levels.size() == levels);
        std::size_t rows = 0;
        for (const char* fault = nullptr; scanner.next_row(second, fault); ++rows) {
        }
        fuzz::require(rows == second.rows.size());
    }
    return 0;
}
