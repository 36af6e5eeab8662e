#pragma once
// The requested terms of an order, and the symbol that they name.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "journal/events.hpp"

namespace onetape {

// The name of an instrument or a currency, interned in the process: equal names have equal numbers.
class Symbol {
 public:
    Symbol() noexcept : entry_(&none) {}
    [[nodiscard]] static Symbol of(std::string_view text);

    [[nodiscard]] const std::string& text() const noexcept { return entry_->text; }
    [[nodiscard]] std::uint32_t number() const noexcept { return entry_->number; }  // 0: no name
    [[nodiscard]] bool operator==(const Symbol& other) const noexcept = default;

 private:
    struct Entry {
        std::string text;
        std::uint32_t number = 0;
    };
    static const Entry none;

    explicit Symbol(const Entry* entry) noexcept : entry_(entry) {}

    const Entry* entry_;
};

// Prices and sizes at the instrument's decimals, times ns UTC.
struct OrderTerms {
    Symbol symbol;
    std::int64_t size = 0, price = 0, trigger = 0, expire = 0;
    Side side = Side::none;
    OrderType type = OrderType::limit;
    TimeInForce tif = TimeInForce::gtc;
    TriggerBy trigger_by = TriggerBy::none;
    TriggerKind trigger_kind = TriggerKind::none;
    PositionSide position_side = PositionSide::both;
    bool post_only = false, reduce_only = false;
    bool own_reducing = false;   // reduce-only for its sub-account, sent as a plain order
    std::array<char, 33> tag{};  // zero-terminated; longer tags are cut off

    void name_tag(std::string_view text) noexcept {
        tag = {};
        text.substr(0, tag.size() - 1).copy(tag.data(), tag.size() - 1);
    }
    // The guardian's order: no other process may use its tag.
    [[nodiscard]] bool is_guardians() const noexcept {
        return std::string_view(tag.data()) == "guardian";
    }

    // True if the order can only reduce a position, by its flag or, in hedge mode, by its position
    // side: the venue enforces it.
    [[nodiscard]] bool only_reduces() const noexcept {
        if (reduce_only || position_side == PositionSide::both) return reduce_only;
        return position_side == (side == Side::sell ? PositionSide::long_ : PositionSide::short_);
    }
    [[nodiscard]] bool has_trigger() const noexcept { return trigger_by != TriggerBy::none; }
    // True if the order ends as soon as it reaches the venue or its trigger has fired.
    [[nodiscard]] bool takes_at_once() const noexcept {
        return type == OrderType::market || tif == TimeInForce::ioc || tif == TimeInForce::fok;
    }
    [[nodiscard]] bool is_stop() const noexcept { return has_trigger() && only_reduces(); }
};

[[nodiscard]] constexpr std::int64_t sign_of(Side side) noexcept {
    return side == Side::buy ? 1 : side == Side::sell ? -1 : 0;
}

}  // namespace onetape
