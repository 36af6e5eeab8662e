#include "exchange/order_rules.hpp"

#include <array>
#include <cmath>

#include "exchange/errors.hpp"

namespace onetape {

namespace {

constexpr double tolerance = 1e-9;    // CONTRACT: relative distance that counts as "the same"
constexpr double units_max = 4.6e18;  // just under 2^62: sums of two still fit an int64

constexpr std::array<double, 19> powers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                           1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

bool multiple(std::int64_t value, std::int64_t step) {
    return step <= 1 || value % step == 0;
}

bool keeps_form(const OrderRequestPayload& request) {
    const bool market = request.type == OrderType::market;
    if (!market && request.type != OrderType::limit) return false;
    if (request.tif < TimeInForce::gtc || request.tif > TimeInForce::gtd) return false;
    const bool post_only = (request.flags & order_post_only) != 0;
    const bool rests = request.tif == TimeInForce::gtc || request.tif == TimeInForce::gtd;
    if (post_only && (market || !rests)) return false;
    if (request.tif == TimeInForce::gtd && (market || request.expire_ns <= 0)) return false;
    if ((request.trigger != 0) != (request.trigger_by != TriggerBy::none)) return false;
    const TriggerKind kind = trigger_kind_of(request.flags);
    if ((request.trigger != 0) != (kind != TriggerKind::none) || kind == TriggerKind::trailing)
        return false;
    return request.position_side <= PositionSide::short_;
}

std::uint32_t broken_by_trigger(const InstrumentSpec& spec, const OrderRequestPayload& request) {
    if (request.trigger == 0) return 0;
    std::uint32_t broken = 0;
    if (!spec.watches(request.trigger_by)) broken |= rule_trigger_watch;
    if (spec.kind != ContractKind::linear && request.trigger < 0) broken |= rule_trigger_sign;
    if (!multiple(request.trigger, spec.tick)) broken |= rule_trigger_tick;
    return broken;
}

// Money has 128 bits: a value of more than 10^18 units of its currency is a typing error, and sums
// of a hundred such values must still fit. An unknown price counts as 10^9 units.
bool too_large(const InstrumentSpec& spec, std::int64_t price, std::int64_t size) {
    constexpr double bound = 1e18;
    const auto power = [](int decimals) { return powers[static_cast<std::size_t>(decimals)]; };
    const double amount = static_cast<double>(size) * static_cast<double>(spec.multiplier);
    const double unit = power(spec.size_decimals) * power(spec.multiplier_decimals);
    const double scale = power(spec.price_decimals);
    // The numerator of the inverse's division must fit.
    if (spec.kind == ContractKind::inverse) return amount * scale > bound * unit;
    const double level = price == 0 ? 1e9 : std::abs(static_cast<double>(price));
    return amount * level > bound * unit * scale;
}

// Bands limit the aggressive side only: a far passive order is harmless.
bool outside_band(const InstrumentSpec& spec, Side side, std::int64_t price, std::int64_t reference,
                  std::int64_t times) {
    const std::int64_t band = side == Side::buy ? spec.band_up : spec.band_down;
    if (band == 0 || reference == 0) return false;
    const Int128 width = static_cast<Int128>(reference < 0 ? -reference : reference) * band * times;
    const Int128 away = (static_cast<Int128>(price) - reference) * 1'000'000;
    return side == Side::buy ? away > width : -away > width;
}

std::uint32_t broken_by_price_size(const InstrumentSpec& spec, Side side, OrderType type,
                                   std::int64_t price, std::int64_t size, bool reduce_only,
                                   std::int64_t reference, std::int64_t band_times) noexcept {
    const bool market = type == OrderType::market;
    // 0 means "no price" everywhere in a request.
    if ((side != Side::buy && side != Side::sell) || size <= 0 || market != (price == 0))
        return rule_form;
    std::uint32_t broken = 0;
    const auto or_else = [](std::int64_t own, std::int64_t common) { return own ? own : common; };
    const std::int64_t lot = market ? or_else(spec.market_lot, spec.lot) : spec.lot;
    const std::int64_t size_min =
        market ? or_else(spec.market_size_min, spec.size_min) : spec.size_min;
    const std::int64_t size_max =
        market ? or_else(spec.market_size_max, spec.size_max) : spec.size_max;
    if (!multiple(size, lot)) broken |= rule_lot;
    if (size < size_min) broken |= rule_size_min;
    if (size_max != 0 && size > size_max) broken |= rule_size_max;
    if (!market) {
        // Only linear contracts may trade below zero.
        if (price < 0 && spec.kind != ContractKind::linear) broken |= rule_price_sign;
        if (!multiple(price, spec.tick)) broken |= rule_tick;
        if (outside_band(spec, side, price, reference, band_times)) broken |= rule_band;
    }
    const std::int64_t valued = market ? reference : price;
    if (too_large(spec, valued, size)) return broken | rule_too_large;
    if (spec.notional_min > 0 && valued != 0 && !reduce_only &&
        absolute(spec.notional(valued, size)) < spec.notional_min)
        broken |= rule_notional_min;
    return broken;
}

}  // namespace

bool snap(double value, int decimals, std::int64_t step, Rounding rounding,
          std::int64_t& units) noexcept {
    if (!std::isfinite(value) || decimals < 0 || decimals > 18 || step < 1) return false;
    const double power = powers[static_cast<std::size_t>(decimals)];
    const auto size = static_cast<double>(step);
    const double scaled = value * power;
    if (!(std::abs(scaled) < units_max)) return false;
    // How far `scaled` lies from the nearest step, including its own rounding error: fused, so that
    // a number just below a tie does not become one.
    const double lost = std::fma(value, power, -scaled);
    double whole = std::nearbyint(scaled / size);
    double rest = std::fma(-whole, size, scaled) + lost;
    if (std::abs(rest) > size / 2) {
        const double turn = rest > 0 ? 1.0 : -1.0;
        whole += turn;
        rest -= turn * size;
    }
    if (std::abs(rest) > tolerance * std::abs(scaled)) {
        const bool down =
            rounding == Rounding::down || (rounding == Rounding::toward_zero && value > 0);
        if (rounding != Rounding::nearest) {
            if (down && rest < 0) whole -= 1.0;
            if (!down && rest > 0) whole += 1.0;
        }
    }
    units = static_cast<std::int64_t>(whole) * step;
    return true;
}

std::uint32_t broken_rules(const InstrumentSpec& spec, const OrderRequestPayload& request,
                           std::int64_t reference, std::int64_t band_times) noexcept {
    if (!keeps_form(request)) return rule_form;
    // A triggered order acts near its trigger, which is therefore the base for its price and value.
    const std::uint32_t broken =
        broken_by_price_size(spec, request.side, request.type, request.price, request.size,
                             (request.flags & order_reduce_only) != 0,
                             request.trigger != 0 ? request.trigger : reference, band_times);
    return broken == rule_form ? broken : broken | broken_by_trigger(spec, request);
}

std::uint16_t code_of_rules(std::uint32_t broken) noexcept {
    if (broken == 0) return error::none;
    switch (broken & (~broken + 1)) {  // the lowest bit
        case rule_band:
            return error::price_band;
        case rule_notional_min:
            return error::order_below_min_notional;
        default:
            return error::order_invalid;
    }
}

std::uint16_t check_price_size(const InstrumentSpec& spec, Side side, OrderType type,
                               std::int64_t price, std::int64_t size, bool reduce_only,
                               std::int64_t reference) noexcept {
    return code_of_rules(
        broken_by_price_size(spec, side, type, price, size, reduce_only, reference, 1));
}

}  // namespace onetape
