#include "orders/order_sums.hpp"

#include <algorithm>

namespace onetape {
namespace {

constexpr std::size_t at_side(Side side) noexcept {
    return side == Side::sell ? 1 : 0;
}
constexpr std::size_t at(PositionSide side) noexcept {
    return static_cast<std::size_t>(side);
}

[[nodiscard]] OrderShare share_of(const AccountOrder& order, const OrderTraits& traits) noexcept {
    const OrderTerms& terms = order.terms;
    const std::int64_t left = order.worst_left();
    const bool reduces = terms.only_reduces(), is_waiting = waits(order, traits);
    OrderShare share;
    share.worst.opening = reduces ? 0 : left;
    // On spot no venue cuts a sale to what is held, so one that waits for its trigger counts, too.
    share.worst.reducing = (reduces && !is_waiting) || !traits.positions ? left : 0;
    share.is_met = terms.type != OrderType::market && !is_waiting;
    share.is_unknown = order.is_unknown();
    // Prices of buys are negated, so that the highest comes first.
    share.near = -sign_of(terms.side) * nearest(order);
    if (order.is_unfunded) return share;
    share.spent.size = left;
    std::int64_t price = order.price;
    if (order.update_open) price = std::max(price, order.amend_price);
    if (terms.type == OrderType::market) price = terms.trigger;
    if (terms.type == OrderType::market && terms.trigger == 0)
        share.spent.unpriced = left;
    else
        (terms.post_only ? share.spent.maker : share.spent.taker) =
            static_cast<Int128>(left) * price;
    return share;
}

}  // namespace

bool waits(const AccountOrder& order, const OrderTraits& traits) noexcept {
    if (!order.terms.has_trigger()) return false;
    return traits.conditionals ? order.conditional : !order.triggered;
}

std::int64_t nearest(const AccountOrder& order) noexcept {
    if (!order.update_open || order.amend_price == 0) return order.price;
    return order.terms.side == Side::sell ? std::min(order.price, order.amend_price)
                                          : std::max(order.price, order.amend_price);
}

void OrderSums::put(AccountOrder& order, const OrderTraits& traits) {
    drop(order);
    order.share = share_of(order, traits);
    change(order, 1);
}

void OrderSums::drop(AccountOrder& order) {
    if (!order.share) return;
    change(order, -1);
    order.share.reset();
}

void OrderSums::change(AccountOrder& order, int sign) {
    const OrderTerms& terms = order.terms;
    const OrderShare& share = *order.share;
    const std::size_t number = terms.symbol.number();
    if (number >= symbols_.size()) symbols_.resize(number + 1);
    OfSymbol& of = symbols_[number];
    of.symbol = terms.symbol;
    of.worst[at_side(terms.side)][at(terms.position_side)].add(share.worst, sign);
    OfSide& side = of.sides[at_side(terms.side)];
    side.spent.add(share.spent, sign);
    if (share.is_met) {
        if (sign > 0)
            side.resting.insert({share.near, &order});
        else
            side.resting.erase({share.near, &order});
    }
    if (share.is_unknown) {
        if (sign > 0)
            of.unknown.insert(&order);
        else
            of.unknown.erase(&order);
    }
}

const OrderSums::OfSymbol* OrderSums::find(Symbol symbol) const {
    return symbol.number() < symbols_.size() ? &symbols_[symbol.number()] : nullptr;
}

WorstSums OrderSums::worst(const OrderTerms& terms, const AccountOrder* without) const {
    const OfSymbol* const of = find(terms.symbol);
    if (of == nullptr) return {};
    WorstSums sums = of->worst[at_side(terms.side)][at(terms.position_side)];
    if (without == nullptr || !without->share) return sums;
    const OrderTerms& own = without->terms;
    if (own.symbol != terms.symbol || own.side != terms.side ||
        own.position_side != terms.position_side)
        return sums;
    sums.add(without->share->worst, -1);
    return sums;
}

AccountOrder* OrderSums::meets(const OrderTerms& terms) const {
    const OfSymbol* const of = find(terms.symbol);
    if (of == nullptr) return nullptr;
    const std::set<Met>& resting = of->sides[at_side(other_side(terms.side))].resting;
    if (resting.empty()) return nullptr;
    const Met& first = *resting.begin();
    if (terms.type != OrderType::market && first.near > terms.price * sign_of(terms.side))
        return nullptr;
    return first.order;
}

std::vector<AccountOrder*> OrderSums::meeting(const OrderTerms& terms) const {
    std::vector<AccountOrder*> found;
    const OfSymbol* const of = find(terms.symbol);
    if (of == nullptr) return found;
    for (const Met& each : of->sides[at_side(other_side(terms.side))].resting) {
        if (terms.type != OrderType::market && each.near > terms.price * sign_of(terms.side)) break;
        found.push_back(each.order);
    }
    return found;
}

std::vector<AccountOrder*> OrderSums::unknown(Symbol symbol) const {
    std::vector<AccountOrder*> found;
    const OfSymbol* const of = find(symbol);
    if (of == nullptr) return found;
    for (AccountOrder* const each : of->unknown)
        if (!each->is_protective() && !each->terms.is_stop()) found.push_back(each);
    return found;
}

std::vector<AccountOrder*> OrderSums::all_unknown() const {
    std::vector<AccountOrder*> found;
    for (const OfSymbol& of : symbols_)
        found.insert(found.end(), of.unknown.begin(), of.unknown.end());
    std::sort(found.begin(), found.end(), ByListing{});
    return found;
}

std::vector<OrderSums::SpentOf> OrderSums::spent(const AccountOrder* without) const {
    std::vector<SpentOf> found;
    const OrderShare* const own = without != nullptr && without->share ? &*without->share : nullptr;
    for (const OfSymbol& of : symbols_) {
        for (const Side side : {Side::buy, Side::sell}) {
            SpentSums sums = of.sides[at_side(side)].spent;
            if (own != nullptr && without->terms.symbol == of.symbol && without->terms.side == side)
                sums.add(own->spent, -1);
            if (sums.size != 0) found.push_back({of.symbol, side, sums});
        }
    }
    return found;
}

}  // namespace onetape
