#pragma once
// What works at a venue, summed up by what the rules ask: the same answers as a walk over all open
// orders would give, at a cost that does not grow with their number.
//
// Every open order has a share: what it adds to the sums of its symbol and side, and the price that
// it would be met at. Sizes and prices at the instrument's decimals, costs are price times size.
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "base/money.hpp"
#include "orders/account_order.hpp"

namespace onetape {

// What differs between venues in how orders count.
struct OrderTraits {
    bool positions = true;     // else it has balances only
    bool conditionals = true;  // orders with a trigger wait in a service of their own
};

// Whether the order's trigger has not fired yet.
[[nodiscard]] bool waits(const AccountOrder& order, const OrderTraits& traits) noexcept;
// The price at which it may be met first: of an amendment that nobody has answered both may be
// true.
[[nodiscard]] std::int64_t nearest(const AccountOrder& order) noexcept;

class OrderSums {
 public:
    void put(AccountOrder& order, const OrderTraits& traits);  // as it is now, in place of before
    void drop(AccountOrder& order);

    // without: an order whose share is left out, or null.
    [[nodiscard]] WorstSums worst(const OrderTerms& terms, const AccountOrder* without) const;
    // The first order that these terms would trade with, were they in the book; null: none.
    [[nodiscard]] AccountOrder* meets(const OrderTerms& terms) const;
    // All of them, the first to be met first.
    [[nodiscard]] std::vector<AccountOrder*> meeting(const OrderTerms& terms) const;
    // Orders of a symbol whose state is unknown and which may have opened, the oldest first; a stop
    // that can only take off adds nothing, whatever has become of it.
    [[nodiscard]] std::vector<AccountOrder*> unknown(Symbol symbol) const;
    [[nodiscard]] std::vector<AccountOrder*> all_unknown() const;

    struct SpentOf {
        Symbol symbol;
        Side side;
        SpentSums sums;
    };
    [[nodiscard]] std::vector<SpentOf> spent(const AccountOrder* without) const;

 private:
    // The first to be met is the first; of one price by the client id.
    struct Met {
        std::int64_t near;
        AccountOrder* order;
        [[nodiscard]] bool operator<(const Met& other) const noexcept {
            return near != other.near ? near < other.near
                                      : order->client_id < other.order->client_id;
        }
    };
    struct ByListing {
        [[nodiscard]] bool operator()(const AccountOrder* a, const AccountOrder* b) const noexcept {
            return a->listed_as < b->listed_as;
        }
    };
    struct OfSide {
        SpentSums spent;
        std::set<Met> resting;
    };
    struct OfSymbol {
        Symbol symbol;
        std::array<std::array<WorstSums, 3>, 2> worst;  // by side, and by position side
        std::array<OfSide, 2> sides;
        std::set<AccountOrder*, ByListing> unknown;
    };
    void change(AccountOrder& order, int sign);
    [[nodiscard]] const OfSymbol* find(Symbol symbol) const;

    std::vector<OfSymbol> symbols_;  // by a symbol's number
};

}  // namespace onetape
