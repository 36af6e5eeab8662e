#pragma once
#include <string_view>

#include "journal/events.hpp"

namespace onetape {

// Integers, uuids and texts of up to 16 bytes are kept; longer ones have no room in a frame.
// What is counted where an id is not kept.
inline constexpr std::string_view unkept_trade_id = "trade id longer than 16 letters";

// False: it is longer than 16 letters and no UUID; the event then has none.
[[nodiscard]] bool read_id(std::string_view text, TradePayload& event) noexcept;

}  // namespace onetape
