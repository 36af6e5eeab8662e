#pragma once
#include <string_view>

#include "journal/events.hpp"

namespace onetape {

// Integers, uuids and texts of up to 16 bytes are kept; longer ones do not fit a frame. This is the
// name under which ids that are not kept are counted.
inline constexpr std::string_view unkept_trade_id = "trade id longer than 16 letters";

// False: longer than 16 letters and no UUID; the event then has no id.
[[nodiscard]] bool read_id(std::string_view text, TradePayload& event) noexcept;

}  // namespace onetape
