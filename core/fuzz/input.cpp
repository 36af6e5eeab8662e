#include "fuzz/input.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace onetape::fuzz {

Folder::~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

}  // namespace onetape::fuzz
