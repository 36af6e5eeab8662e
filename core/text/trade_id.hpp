#pragma once
#include <string_view>

#include "journal/events.hpp"

namespace onetape {

// Integers, uuids and texts of up to 16 bytes are kept; longer ones have no room in a frame.
void read_id(std::string_view text, TradePayload& event) noexcept;

}  // namespace onetape
