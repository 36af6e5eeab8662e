#include "engine/reasons.hpp"

#include <algorithm>

#include "exchange/errors.hpp"

namespace onetape {
namespace {

const char* trigger_price_of(TriggerBy by) {
    if (by == TriggerBy::last) return "last";
    return by == TriggerBy::mark ? "mark" : "index";
}

std::string order_rule_text(const Order& order) {
    const InstrumentSpec& spec = order.instrument->spec;
    const bool market = order.type == OrderType::market;
    const std::int64_t lot = market && spec.market_lot > 0 ? spec.market_lot : spec.lot;
    const std::int64_t least =
        std::max(market && spec.market_size_min > 0 ? spec.market_size_min : spec.size_min, lot);
    const std::int64_t most =
        market && spec.market_size_max > 0 ? spec.market_size_max : spec.size_max;
    const auto size = [&](std::int64_t units) { return decimal_text(units, spec.size_decimals); };
    const auto price = [&](std::int64_t units) { return decimal_text(units, spec.price_decimals); };
    if (order.size < least)
        return "size " + size(order.size) + " is below the least size " + size(least);
    if (most > 0 && order.size > most)
        return "size " + size(order.size) + " is above the largest size " + size(most);
    if (order.size % lot != 0)
        return "size " + size(order.size) + " is not a multiple of the lot " + size(lot);
    if (!market && order.price % spec.tick != 0)
        return "price " + price(order.price) + " is not a multiple of the tick " + price(spec.tick);
    if (order.trigger != 0 && !spec.watches(order.trigger_by))
        return std::string("the venue has no trigger by ") + trigger_price_of(order.trigger_by);
    if (order.trigger % spec.tick != 0)
        return "trigger " + price(order.trigger) + " is not a multiple of the tick " +
               price(spec.tick);
    return "the combination of type, price, time in force and flags is not allowed";
}

constexpr const char* shortage = "the account cannot carry it";

bool is_refused(const Order& order) {
    return order.state == OrderState::rejected || order.state == OrderState::denied;
}

}  // namespace

std::string decimal_text(Int128 units, int decimals) {
    const bool negative = units < 0;
    if (negative) units = -units;
    std::string digits;
    do {
        digits.push_back(static_cast<char>('0' + static_cast<int>(units % 10)));
        units /= 10;
    } while (units != 0);
    while (static_cast<int>(digits.size()) <= decimals) digits.push_back('0');
    std::reverse(digits.begin(), digits.end());
    if (decimals > 0) {
        const std::size_t point = digits.size() - static_cast<std::size_t>(decimals);
        std::string fraction = digits.substr(point);
        while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
        digits.resize(point);
        if (!fraction.empty()) digits += "." + fraction;
    }
    return negative && digits != "0" ? "-" + digits : digits;
}

std::string shortage_text(Money needed, Money available, const std::string& currency) {
    constexpr int shown_decimals = 8;
    const auto unit = static_cast<Money>(pow10(money_decimals - shown_decimals));
    const auto down = [&](Money amount) {
        return amount / unit - (amount < 0 && amount % unit != 0 ? 1 : 0);
    };
    std::string text{shortage};
    text += ": it needs ";
    text += decimal_text(-down(-needed), shown_decimals);
    text += " " + currency + ", and ";
    text += decimal_text(down(available), shown_decimals);
    return text + " are available";
}

std::string refusal_text(const Order& order, std::uint16_t code) {
    if (!order.reason.empty() || code == 0) return order.reason;
    const InstrumentSpec& spec = order.instrument->spec;
    switch (code) {
        case error::market_data_unavailable:
            return "no market data to fill it from";
        case error::order_invalid:
            return order_rule_text(order);
        case error::order_below_min_notional:
            return "its value is below the least notional " +
                   decimal_text(spec.notional_min, money_decimals);
        case error::order_would_cross:
            return "post-only, and it would have taken liquidity";
        case error::order_unknown:
            return "the venue does not know this order any more";
        case error::reduce_only_violated:
            return "reduce-only, and it would not reduce a position";
        case error::duplicate_client_id:
            return "its client id was used before";
        case error::self_trade:
            return "it would trade against an own order";
        case error::order_would_trigger:
            return is_refused(order)
                       ? "the price had reached its trigger when it arrived: the venue refuses that"
                       : "the price had reached its trigger when it arrived: it fired at once";
        case error::insufficient_funds:
            return shortage;
        case error::position_limit:
            return "no margin bracket lets so much be opened at this leverage";
        case error::price_band:
            return "its price is outside the instrument's price band";
        case error::account_mode:
            return "its position side does not fit the account's mode";
        case error::trading_stopped:
            return "trading is stopped at this hour";
        case error::venue_unavailable:
            return "the venue is closed at this hour";
        case error::venue_rate_limit:
            return "the venue takes no more orders in this time";
        case error::venue_closed:
            return "the contract has expired";
        default:
            return "refused";
    }
}

}  // namespace onetape
