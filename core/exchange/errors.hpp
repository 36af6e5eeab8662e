#pragma once
// The error numbers of CONTRACT.md that an exchange returns. 0: no error.
#include <cstdint>

namespace onetape::error {

inline constexpr std::uint16_t none = 0;
inline constexpr std::uint16_t market_data_unavailable = 1005;
inline constexpr std::uint16_t order_invalid = 4101;
inline constexpr std::uint16_t order_below_min_notional = 4102;
inline constexpr std::uint16_t order_would_cross = 4103;
inline constexpr std::uint16_t order_unknown = 4104;
inline constexpr std::uint16_t reduce_only_violated = 4106;
inline constexpr std::uint16_t duplicate_client_id = 4107;
inline constexpr std::uint16_t self_trade = 4108;
inline constexpr std::uint16_t order_would_trigger = 4109;
inline constexpr std::uint16_t insufficient_funds = 4201;
inline constexpr std::uint16_t position_limit = 4301;
inline constexpr std::uint16_t price_band = 4306;
inline constexpr std::uint16_t account_mode = 4308;
inline constexpr std::uint16_t trading_stopped = 4312;
inline constexpr std::uint16_t process_down = 4606;
inline constexpr std::uint16_t venue_rejected = 4401;
inline constexpr std::uint16_t venue_unavailable = 4402;
inline constexpr std::uint16_t venue_rate_limit = 4403;
inline constexpr std::uint16_t venue_closed = 4407;

}  // namespace onetape::error
