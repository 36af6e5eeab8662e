#include "orders/plain_order.hpp"

#include <algorithm>
#include <cstring>

#include "exchange/order_rules.hpp"

namespace onetape {

namespace {

// Plain letters, zero-padded: other tags are handled in Python.
[[nodiscard]] bool is_plain_tag(const char (&tag)[32]) noexcept {
    const char* const end = std::find(std::begin(tag), std::end(tag), '\0');
    return std::all_of(std::begin(tag), end, [](char letter) { return letter > 0; }) &&
           std::all_of(end, std::end(tag), [](char letter) { return letter == '\0'; });
}

[[nodiscard]] OrderRequestPayload form_of(const OrderTerms& terms) noexcept {
    OrderRequestPayload form{};
    form.price = terms.price;
    form.size = terms.size;
    form.expire_ns = terms.expire;
    form.side = terms.side;
    form.type = terms.type;
    form.tif = terms.tif;
    form.flags = terms.post_only ? order_post_only : 0;
    form.position_side = terms.position_side;
    return form;
}

// The price that values an order, 0: unknown. A sale below the market trades at the market's price.
[[nodiscard]] std::int64_t dearest(const OrderTerms& terms, std::int64_t market) noexcept {
    if (terms.side == Side::sell) return std::max(terms.price, market);
    return terms.price != 0 ? terms.price : market;
}

[[nodiscard]] bool keeps_value(const OrderTerms& terms, const OrderSetting& setting) noexcept {
    const std::int64_t price = dearest(terms, setting.reference);
    if (price == 0) return false;
    const Int128 value = setting.spec.notional(price, terms.size);
    return (value < 0 ? -value : value) <= setting.limits.value_max;
}

[[nodiscard]] bool keeps_band(const OrderTerms& terms, const OrderSetting& setting) noexcept {
    if (terms.type != OrderType::limit) return true;
    const auto near = static_cast<Int128>(setting.reference);
    if (near == 0) return false;
    const Int128 dearer = (terms.price - near) * sign_of(terms.side);
    return dearer * pow10(money_decimals) <= (near < 0 ? -near : near) * setting.limits.price_band;
}

// The position in the order's direction if all working orders of that direction are filled,
// including this one.
[[nodiscard]] Int128 reached(const OrderTerms& terms, const OrderSetting& setting,
                             const OrderSums& sums) noexcept {
    const WorstSums works = sums.worst(terms, setting.old);
    Int128 held = static_cast<Int128>(setting.held) * sign_of(terms.side);
    if (held < 0) held += std::min<Int128>(-held, works.reducing);
    return held + works.opening + setting.left(terms);
}

}  // namespace

std::optional<OrderTerms> plain_terms(const void* payload, std::size_t bytes,
                                      Symbol symbol) noexcept {
    OrderRequestPayload requested;
    if (bytes != sizeof requested) return std::nullopt;
    std::memcpy(&requested, payload, sizeof requested);
    const bool is_usual =
        requested.kind == RequestKind::place && (requested.flags & ~order_post_only) == 0 &&
        requested.trigger == 0 && requested.trigger_by == TriggerBy::none &&
        (requested.side == Side::buy || requested.side == Side::sell) &&
        (requested.type == OrderType::limit || requested.type == OrderType::market) &&
        requested.tif >= TimeInForce::gtc && requested.tif <= TimeInForce::gtd &&
        requested.position_side <= PositionSide::short_ && is_plain_tag(requested.tag);
    if (!is_usual) return std::nullopt;
    OrderTerms terms;
    terms.symbol = symbol;
    terms.size = requested.size;
    terms.price = requested.price;
    terms.expire = requested.expire_ns;
    terms.side = requested.side;
    terms.type = requested.type;
    terms.tif = requested.tif;
    terms.position_side = requested.position_side;
    terms.post_only = (requested.flags & order_post_only) != 0;
    std::copy_n(requested.tag, sizeof requested.tag, terms.tag.begin());
    if (terms.only_reduces() || terms.is_guardians()) return std::nullopt;
    return terms;
}

bool may_cancel(const AccountOrder& order) noexcept {
    const bool works =
        order.state == OrderState::accepted || order.state == OrderState::partially_filled;
    return works && order.robot != 0 && !order.is_held && !order.is_taken_off &&
           !order.cancel_wanted && !order.terms.is_guardians() &&
           std::none_of(order.pending.begin(), order.pending.end(),
                        [](const PendingRequest& each) { return each.is_there; });
}

bool may_amend(const AccountOrder& order) noexcept {
    return may_cancel(order) && order.terms.type == OrderType::limit && !order.conditional &&
           !order.is_met && !order.terms.has_trigger() && !order.terms.only_reduces() &&
           !order.terms.own_reducing;
}

bool keeps_rules(const OrderTerms& terms, const OrderSetting& setting,
                 const OrderSums& sums) noexcept {
    const OrderLimits& limits = setting.limits;
    return broken_rules(setting.spec, form_of(terms), setting.reference) == 0 &&
           (terms.post_only || sums.meets(terms) == nullptr) &&
           (limits.order_max == 0 || terms.size <= limits.order_max) &&
           (limits.value_max == 0 || keeps_value(terms, setting)) &&
           (limits.position_max == 0 || reached(terms, setting, sums) <= limits.position_max) &&
           (limits.price_band == 0 || keeps_band(terms, setting));
}

}  // namespace onetape
