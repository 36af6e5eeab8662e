#pragma once
// Client order ids: who placed an order and when, in a text that venues carry. What the parts mean
// is told in onetape/model/ids.py.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onetape {

inline constexpr int epoch_bits = 32;  // of an order id, below the epoch
inline constexpr std::uint64_t epoch_max = (1ull << 30) - 1;
inline constexpr std::uint64_t ordinal_max = 3'656'158'440'062'975;  // 36^10 - 1
inline constexpr unsigned attempt_max = 35;

// Whether an order is one that its robot has not asked for: of a person's, or a guardian's. Those
// of old have one epoch.
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

// What is wrong with its parts, or null.
[[nodiscard]] const char* broken_rule(const ClientId& id) noexcept;
// Of parts that break no rule.
[[nodiscard]] std::string client_id(const ClientId& id);
// Nothing for a text that is none of ours.
[[nodiscard]] std::optional<ClientId> parse_client_id(std::string_view text);
// The last character of an id that begins so.
[[nodiscard]] char check_of(std::string_view stem) noexcept;

}  // namespace onetape
