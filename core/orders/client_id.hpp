#pragma once
// Client order ids: the robot, the ordinal and the epoch of an order in a text that venues accept.
// onetape/model/ids.py describes the parts.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onetape {

inline constexpr int epoch_bits = 32;  // of an order id, below the epoch
inline constexpr std::uint64_t epoch_max = (1ull << 30) - 1;
inline constexpr std::uint64_t ordinal_max = 3'656'158'440'062'975;  // 36^10 - 1
inline constexpr unsigned attempt_max = 35;

// Whether the order was placed by hand or by a guardian instead of a robot's strategy. Such ids of
// older versions all have the same epoch.
[[nodiscard]] constexpr bool is_by_hand(std::uint64_t order_id) noexcept {
    constexpr std::uint64_t by_hand = 1ull << 31, counted_by_hand = 36 * 36 * 36;
    return (order_id & by_hand) != 0 || order_id >> epoch_bits == counted_by_hand;
}

struct ClientId {
    std::string tag;  // 1 to 8 of a-z and 0-9
    std::uint64_t epoch = 0, ordinal = 0;
    unsigned attempt = 0;

    [[nodiscard]] bool operator==(const ClientId&) const noexcept = default;
};

// Returns the rule that the parts break, or null.
[[nodiscard]] const char* broken_rule(const ClientId& id) noexcept;
// Formats an id; its parts must be valid.
[[nodiscard]] std::string client_id(const ClientId& id);
// Returns nothing if the text is no client id of ours.
[[nodiscard]] std::optional<ClientId> parse_client_id(std::string_view text);
// The check character (the last one) of an id that begins with `stem`.
[[nodiscard]] char check_of(std::string_view stem) noexcept;

}  // namespace onetape
