#pragma once
// The parameters of a request as text, and signed, as application/x-www-form-urlencoded has them.
#include <string>
#include <string_view>

#include "base/sha256.hpp"

namespace onetape {

// Letters, digits and "_.-~" as they are, a space as "+", every other byte as %XX.
void append_escaped(std::string& text, std::string_view raw);
// "name=value", after "&" where something is there already.
void append_parameter(std::string& text, std::string_view name, std::string_view value);
void append_hex(std::string& text, const Digest& digest);

}  // namespace onetape
