#pragma once
// Formats and signs request parameters as application/x-www-form-urlencoded.
#include <string>
#include <string_view>

#include "base/sha256.hpp"

namespace onetape {

// Appends letters, digits and "_.-~" unchanged, a space as "+", every other byte as %XX.
void append_escaped(std::string& text, std::string_view raw);
// Appends "name=value", after "&" unless the text is empty.
void append_parameter(std::string& text, std::string_view name, std::string_view value);
void append_hex(std::string& text, const Digest& digest);

}  // namespace onetape
