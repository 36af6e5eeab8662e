#include "orders/spot_funds.hpp"

#include <algorithm>

namespace onetape {

namespace {

// Adds the cost for a sum of prices times sizes; a rebate frees nothing. False: it does not fit.
[[nodiscard]] bool add_cost(const InstrumentSpec& spec, Int128 product, Int128 rate, Int128& sum) {
    const int exponent =
        money_decimals - spec.price_decimals - spec.size_decimals - spec.multiplier_decimals;
    Int128 value = 0, fee = 0;
    if (__builtin_mul_overflow(product, static_cast<Int128>(spec.multiplier), &value)) return false;
    if (exponent < 0)
        value = divide_half_even(value, pow10(-exponent));
    else if (__builtin_mul_overflow(value, pow10(exponent), &value))
        return false;
    constexpr Int128 one = pow10(money_decimals);
    value = absolute(value);
    rate = std::max<Int128>(rate, 0);
    if (__builtin_mul_overflow(value / one, rate, &fee)) return false;
    fee += value % one * rate / one;
    return !__builtin_add_overflow(sum, value, &sum) && !__builtin_add_overflow(sum, fee, &sum);
}

}  // namespace

std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of, Side side, const SpentSums& sums,
                                           std::int64_t price) {
    if (side == Side::sell)
        return Reserves::Amount{of.base, sums.size * pow10(money_decimals - of.spec.size_decimals)};
    Reserves::Amount wanted{of.quote, 0};
    const Int128 taker = sums.taker + static_cast<Int128>(sums.unpriced) * price;
    if (!add_cost(of.spec, sums.maker, of.maker_fee, wanted.units) ||
        !add_cost(of.spec, taker, of.taker_fee, wanted.units))
        return std::nullopt;
    return wanted;
}

std::optional<Reserves::Amount> spot_funds(const ReserveTerms& of, const OrderTerms& terms,
                                           std::int64_t left, std::int64_t price) {
    const std::int64_t near = terms.price != 0 ? terms.price : price;
    if (terms.side == Side::buy && near == 0) return std::nullopt;
    SpentSums sums;
    sums.size = left;
    (terms.post_only ? sums.maker : sums.taker) = static_cast<Int128>(near) * left;
    return spot_funds(of, terms.side, sums, 0);
}

}  // namespace onetape
