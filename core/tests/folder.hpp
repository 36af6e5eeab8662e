#pragma once
// A folder of a test, removed with it.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace onetape {

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "test-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string at(const char* name) const { return (path / name).string(); }
    [[nodiscard]] std::string journal() const { return at("j"); }
};

}  // namespace onetape
