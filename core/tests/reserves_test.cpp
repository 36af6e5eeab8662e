// Reserves of sub-accounts' money by orders and positions.
#include "orders/reserves.hpp"

#include <string>

#include "doctest.h"

using namespace onetape;

namespace {

constexpr Int128 unit = pow10(money_decimals);
const Symbol btc = Symbol::of("BTC"), usdt = Symbol::of("USDT");
const Symbol symbol = Symbol::of("x:BTC/USDT:USDT");

ReserveTerms facts_of(ContractKind kind) {
    ReserveTerms of;
    of.spec.kind = kind;  // prices in cents, sizes in thousandths
    of.base = btc;
    of.quote = usdt;
    of.settle = kind == ContractKind::inverse ? btc : usdt;
    of.maker_fee = unit / 1000;
    of.taker_fee = unit / 500;
    return of;
}

OrderTerms terms_of(Side side, std::int64_t size, std::int64_t price) {
    OrderTerms terms;
    terms.symbol = symbol;
    terms.side = side;
    terms.size = size;
    terms.price = price;
    return terms;
}

// An order of 1 to 100 at a hundred is worth its size.
struct World {
    ReserveTerms of = facts_of(ContractKind::linear);
    Reserves reserves{{5, 2}};  // leverage 2.5

    Reserves::Changed hold(const std::string& name, Side side, std::int64_t size,
                           std::int64_t slot = 2) {
        return reserves.hold(of, name, terms_of(side, size * 1000, 100'00), size * 1000, 100'00,
                             slot);
    }
    Int128 wanted(const OrderTerms& terms, std::string_view without = "") {
        const auto found = reserves.wanted(of, terms, terms.size, terms.price, 2, without);
        return found ? found->units : 0;
    }
    void position(std::int64_t size) {
        reserves.position(of, symbol, PositionSide::both, 2, size, size * 100 * unit);
    }
    [[nodiscard]] Int128 held() const { return reserves.held(usdt, 2); }
};

TEST_CASE("reserves: a purchase holds its cost with the fee, a sale its coins") {
    World w;
    w.of = facts_of(ContractKind::spot);
    CHECK(w.hold("a", Side::buy, 1).currencies[0] == usdt);
    CHECK(w.held() == 100 * unit + unit / 5);
    CHECK(w.hold("b", Side::sell, 3).currencies[0] == btc);
    CHECK(w.reserves.held(btc, 2) == 3 * unit);
    CHECK(w.hold("b", Side::sell, 3).count == 0);
    CHECK(w.hold("a", Side::sell, 1).count == 2);  // in another currency
    CHECK(w.held() == 0);
    CHECK(w.reserves.held(btc, 2) == 4 * unit);
    CHECK(w.reserves.held(btc, 3) == 0);
}

TEST_CASE("reserves: contracts hold margin of the worse direction, and fees") {
    World w;
    const Int128 fee = unit / 5;
    w.hold("a", Side::buy, 1);
    CHECK(w.held() == 40 * unit + fee);
    w.hold("b", Side::sell, 3);
    CHECK(w.held() == 120 * unit + 4 * fee);
    w.position(-1);
    CHECK(w.held() == 160 * unit + 4 * fee);
    w.position(2);
    CHECK(w.held() == 120 * unit + 4 * fee);
    CHECK(w.reserves.of("b", usdt) == 3 * fee);
    CHECK(w.reserves.of("a", usdt) == 40 * unit + fee);
    CHECK(w.reserves.of("a", btc) == 0);
    w.reserves.flatten();
    CHECK(w.held() == 120 * unit + 4 * fee);
    CHECK(w.reserves.backing(-unit) == 2 * unit / 5);
    CHECK(w.reserves.backing(1) == 1);  // rounded up
}

TEST_CASE("reserves: a rebate sets nothing free, and a resting order is charged as one") {
    World w;
    OrderTerms terms = terms_of(Side::buy, 1000, 100'00);
    CHECK(w.wanted(terms) == 40 * unit + unit / 5);
    terms.post_only = true;
    CHECK(w.wanted(terms) == 40 * unit + unit / 10);
    w.of.maker_fee = -unit / 10;
    CHECK(w.wanted(terms) == 40 * unit);
    w.of.maker_fee = 1;
    CHECK(w.wanted(terms) == 40 * unit + 100);
    terms.size = 1, terms.price = 1;
    w.of.maker_fee = unit / 3;
    CHECK(w.wanted(terms) == unit / 250'000 + 3'333'333'333'334);  // a third of 1e-5, rounded up
}

TEST_CASE("reserves: what only reduces holds nothing") {
    World w;
    for (const int kind : {0, 1, 2}) {
        OrderTerms terms = terms_of(Side::sell, 1000, 100'00);
        terms.reduce_only = kind == 0;
        terms.own_reducing = kind == 1;
        if (kind == 2) terms.position_side = PositionSide::long_;
        CHECK(w.wanted(terms) == 0);
        CHECK(w.reserves.hold(w.of, "a", terms, 1000, 100'00, 2).count == 0);
    }
    CHECK(w.wanted(terms_of(Side::sell, 0, 100'00)) == 0);
    CHECK(w.wanted(terms_of(Side::sell, 1000, 0)) == 0);  // no price: unknown
}

TEST_CASE("reserves: what is replaced is free then, and what closes opens nothing") {
    World w;
    w.position(2);
    const OrderTerms closes = terms_of(Side::sell, 2000, 100'00);
    CHECK(w.wanted(closes) == 2 * unit / 5);
    CHECK(!w.reserves.opens(w.of, closes, 2000, 100'00, 2));
    CHECK(w.reserves.opens(w.of, closes, 4001, 100'00, 2));
    CHECK(w.reserves.opens(w.of, closes, 2000, 100'00, 3));  // of another sub-account's position
    w.hold("a", Side::buy, 1);
    const OrderTerms more = terms_of(Side::buy, 3000, 100'00);
    CHECK(w.wanted(more) == 120 * unit + 3 * unit / 5);
    CHECK(w.wanted(more, "a") == 80 * unit + 2 * unit / 5);
    CHECK(w.wanted(more, "b") == w.wanted(more));
}

TEST_CASE("reserves: an order holds what may still be filled of it, at its dearer price") {
    World w;
    AccountOrder order;
    order.client_id = "a";
    order.terms = terms_of(Side::buy, 1000, 100'00);
    order.size = 1000;
    order.price = 100'00;
    order.state = OrderState::accepted;
    const auto held = [&] {
        w.reserves.update(w.of, order, 2, 0);
        return w.held();
    };
    CHECK(held() == 40 * unit + unit / 5);
    order.update_open = true;
    order.amend_price = 200'00;
    CHECK(held() == 80 * unit + 2 * unit / 5);
    order.filled = 500;
    CHECK(held() == 40 * unit + unit / 5);
    order.is_unfunded = true;
    CHECK(held() == 0);
    order.is_unfunded = false;
    order.update_open = false;
    order.terms.type = OrderType::market;
    order.price = 0;
    w.reserves.update(w.of, order, 2, 300'00);
    CHECK(w.held() == 60 * unit + 3 * unit / 10);
    order.terms.trigger = 400'00;
    w.reserves.update(w.of, order, 2, 300'00);
    CHECK(w.held() == 80 * unit + 4 * unit / 10);
    order.state = OrderState::canceled;
    CHECK(held() == 0);
}

TEST_CASE("reserves: an order beyond all amounts stays within the core's integers") {
    for (const ContractKind kind :
         {ContractKind::spot, ContractKind::linear, ContractKind::inverse}) {
        World w;
        w.of = facts_of(kind);
        constexpr std::int64_t most = 0x7fffffffffffffff;
        const OrderTerms terms =
            terms_of(Side::buy, most, kind == ContractKind::inverse ? 1 : most);
        for (const char* const name : {"a", "b", "c"})
            w.reserves.hold(w.of, name, terms, most, terms.price, 2);
        CHECK(w.reserves.held(kind == ContractKind::inverse ? btc : usdt, 2) > pow10(30));
    }
}

}  // namespace
