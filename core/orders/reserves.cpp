#include "orders/reserves.hpp"

#include <algorithm>

namespace onetape {
namespace {

// The bound of an order's reserve: no account has that much, and sums stay within 128 bits.
constexpr Int128 amount_max = pow10(36);

// numerator / denominator, rounded up. Neither below zero, denominator not 0.
[[nodiscard]] constexpr Int128 divide_up(Int128 numerator, Int128 denominator) noexcept {
    return numerator / denominator + (numerator % denominator != 0 ? 1 : 0);
}

// value * over / under, rounded up, without the product overflowing. value at most 2^124,
// over and under below 2^62.
[[nodiscard]] constexpr Int128 scaled_up(Int128 value, Int128 over, Int128 under) noexcept {
    return value / under * over + divide_up(value % under * over, under);
}

[[nodiscard]] std::uint64_t slot_key(Symbol currency, std::int64_t slot) noexcept {
    return (static_cast<std::uint64_t>(currency.number()) << 32) | static_cast<std::uint32_t>(slot);
}

// The value of a size at a price; `amount_max` if it exceeds the core's integers.
[[nodiscard]] Int128 value_of(const InstrumentSpec& spec, std::int64_t price, std::int64_t size) {
    const bool is_inverse = spec.kind == ContractKind::inverse;
    const int exponent = money_decimals - spec.size_decimals - spec.multiplier_decimals +
                         (is_inverse ? spec.price_decimals : -spec.price_decimals);
    const auto most = static_cast<long double>(amount_max) /
                      static_cast<long double>(pow10(std::max(exponent, 0)));
    const long double product = static_cast<long double>(size) * spec.multiplier *
                                (is_inverse ? 1.0L : static_cast<long double>(price));
    if (product > most || product < -most) return amount_max;
    return std::min(absolute(spec.notional(price, size)), amount_max);
}

}  // namespace

void Reserves::Margin::add(const Part& part, int sign) noexcept {
    (part.sells ? sells : buys) += sign * part.amount;
    fees += sign * part.fee;
}

Int128 Reserves::Margin::worst() const noexcept {
    return std::max(absolute(value + buys), absolute(value - sells));
}

Reserves::Key Reserves::key_of(Symbol symbol, PositionSide side, std::int64_t slot) noexcept {
    return (static_cast<std::uint64_t>(slot) << 40) |
           (static_cast<std::uint64_t>(symbol.number()) << 8) | static_cast<std::uint8_t>(side);
}

std::optional<Reserves::Part> Reserves::part_of(const ReserveTerms& of, const OrderTerms& terms,
                                                std::int64_t left, std::int64_t price,
                                                std::int64_t slot) {
    if (!holds(terms, left)) return std::nullopt;
    Part part;
    part.slot = slot;
    part.sells = terms.side == Side::sell;
    if (of.spec.kind == ContractKind::spot && part.sells) {
        part.currency = of.base;
        part.amount = left * pow10(money_decimals - of.spec.size_decimals);
        return part;
    }
    if (terms.type == OrderType::market && terms.trigger != 0) price = terms.trigger;
    if (price == 0) return std::nullopt;
    const Int128 value = value_of(of.spec, price, left);
    const Int128 rate = std::max<Int128>(terms.post_only ? of.maker_fee : of.taker_fee, 0);
    constexpr Int128 one = pow10(money_decimals);
    if (of.spec.kind == ContractKind::spot) {
        part.currency = of.quote;
        part.amount = value + value / one * rate + value % one * rate / one;
        return part;
    }
    part.currency = of.settle;
    part.amount = value;
    part.fee = scaled_up(value, rate, one);
    part.key = key_of(terms.symbol, terms.position_side, slot);
    return part;
}

const Reserves::Part* Reserves::part(std::string_view client_id) const {
    const auto found = parts_.find(client_id);
    return found == parts_.end() ? nullptr : &found->second;
}

Reserves::Margin Reserves::margin(const Part& part) const {
    const auto found = margins_.find(part.key);
    return found == margins_.end() ? Margin{part.currency, part.slot} : found->second;
}

Reserves::Margin& Reserves::room(Key key, Symbol currency, std::int64_t slot) {
    return margins_.try_emplace(key, Margin{currency, slot}).first->second;
}

Int128 Reserves::held(Symbol currency, std::int64_t slot) const {
    const auto found = held_.find(slot_key(currency, slot));
    return found == held_.end() ? 0 : found->second;
}

std::optional<Reserves::Amount> Reserves::wanted(const ReserveTerms& of, const OrderTerms& terms,
                                                 std::int64_t left, std::int64_t price,
                                                 std::int64_t slot,
                                                 std::string_view without) const {
    const std::optional<Part> wants = part_of(of, terms, left, price, slot);
    if (!wants) return std::nullopt;
    const Part* const former = without.empty() ? nullptr : part(without);
    const bool is_replaced = former != nullptr && former->key == wants->key;
    Int128 units = wants->amount;
    if (wants->key == 0) {
        if (is_replaced && former->currency == wants->currency) units -= former->amount;
    } else {
        Margin then = margin(*wants);
        const Int128 now = then.held;
        if (is_replaced) then.add(*former, -1);
        then.add(*wants, 1);
        units = needed(then) - now;
    }
    return units > 0 ? std::optional<Amount>({wants->currency, units}) : std::nullopt;
}

bool Reserves::opens(const ReserveTerms& of, const OrderTerms& terms, std::int64_t left,
                     std::int64_t price, std::int64_t slot) const {
    const std::optional<Part> wants = part_of(of, terms, left, price, slot);
    if (!wants || wants->key == 0) return true;
    Margin then = margin(*wants);
    const Int128 worst = then.worst();
    then.add(*wants, 1);
    return then.worst() > worst;
}

Int128 Reserves::of(std::string_view client_id, Symbol currency) const {
    const Part* const holds = part(client_id);
    if (holds == nullptr || holds->currency != currency) return 0;
    if (holds->key == 0) return holds->amount;
    Margin then = margin(*holds);
    const Int128 now = then.held;
    then.add(*holds, -1);
    return now - needed(then);
}

Int128 Reserves::backing(Int128 value) const noexcept {
    return scaled_up(absolute(value), leverage_.under, leverage_.over);
}

Int128 Reserves::needed(const Margin& margin) const noexcept {
    return backing(margin.worst()) + margin.fees;
}

Reserves::Changed Reserves::update(const ReserveTerms& of, const AccountOrder& order,
                                   std::int64_t slot, std::int64_t price) {
    // While an amendment is unanswered, the more expensive of both prices counts.
    const std::int64_t own =
        order.update_open ? std::max(order.price, order.amend_price) : order.price;
    if (own != 0) price = own;
    return hold(of, order.client_id, order.terms, left_of(order), price, slot);
}

Reserves::Changed Reserves::hold(const ReserveTerms& of, std::string_view client_id,
                                 const OrderTerms& terms, std::int64_t left, std::int64_t price,
                                 std::int64_t slot) {
    Changed changed;
    const std::optional<Part> wants = part_of(of, terms, left, price, slot);
    const auto found = parts_.find(client_id);
    if (found == parts_.end()) {
        if (!wants) return changed;
        parts_.emplace(client_id, *wants);
    } else {
        if (wants && *wants == found->second) return changed;
        const Part former = found->second;
        if (wants)
            found->second = *wants;
        else
            parts_.erase(found);
        apply(former, -1, changed);
    }
    if (wants) apply(*wants, 1, changed);
    return changed;
}

Reserves::Changed Reserves::position(const ReserveTerms& of, Symbol symbol, PositionSide side,
                                     std::int64_t slot, std::int64_t qty, Int128 value) {
    Changed changed;
    if (of.spec.kind == ContractKind::spot) return changed;
    Margin& margin = room(key_of(symbol, side, slot), of.settle, slot);
    margin.value = qty == 0 ? 0 : qty > 0 ? absolute(value) : -absolute(value);
    renew(margin, changed);
    return changed;
}

void Reserves::flatten() {
    Changed changed;
    for (auto& [key, margin] : margins_) {
        margin.value = 0;
        renew(margin, changed);
    }
}

void Reserves::apply(const Part& part, int sign, Changed& changed) {
    if (part.key == 0) {
        move(part.currency, part.slot, sign * part.amount, changed);
        return;
    }
    Margin& margin = room(part.key, part.currency, part.slot);
    margin.add(part, sign);
    renew(margin, changed);
}

void Reserves::renew(Margin& margin, Changed& changed) {
    const Int128 now = needed(margin);
    move(margin.currency, margin.slot, now - margin.held, changed);
    margin.held = now;
}

void Reserves::move(Symbol currency, std::int64_t slot, Int128 amount, Changed& changed) {
    if (amount == 0) return;
    held_[slot_key(currency, slot)] += amount;
    for (std::size_t at = 0; at < changed.count; ++at)
        if (changed.currencies[at] == currency) return;
    if (changed.count < changed.currencies.size()) changed.currencies[changed.count++] = currency;
}

}  // namespace onetape
