#pragma once
// Sums over the working orders of a venue, one for each question of the pre-trade rules: the same
// answers as a walk over all open orders, at a cost that does not grow with their number.
//
// Every open order has a share: its part of the sums of its symbol and side, and the price at which
// it would be matched. Sizes and prices at the instrument's decimals, costs are price times size.
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "base/money.hpp"
#include "orders/account_order.hpp"

namespace onetape {

// Differences between venues in how orders count.
struct OrderTraits {
    bool positions = true;     // false: the venue has balances only
    bool conditionals = true;  // orders with a trigger wait in a separate service
};

// Whether the order's trigger has not fired yet.
[[nodiscard]] bool waits(const AccountOrder& order, const OrderTraits& traits) noexcept;
// The price at which the order may be matched first: while an amendment is unanswered, the nearer
// of both prices.
[[nodiscard]] std::int64_t nearest(const AccountOrder& order) noexcept;

class OrderSums {
 public:
    void put(
        AccountOrder& order,
        const OrderTraits& traits);  // enters the order's present share in place of the last one
    void drop(AccountOrder& order);

    // without: an order to leave out, or null.
    [[nodiscard]] WorstSums worst(const OrderTerms& terms, const AccountOrder* without) const;
    // The first working order that an order with these terms would trade with; null: none.
    [[nodiscard]] AccountOrder* meets(const OrderTerms& terms) const;
    // All such orders, first match first.
    [[nodiscard]] std::vector<AccountOrder*> meeting(const OrderTerms& terms) const;
    // Orders of a symbol whose state is unknown and which may have opened a position, the oldest
    // first. A stop that can only reduce is left out: it adds nothing, whatever its state.
    [[nodiscard]] std::vector<AccountOrder*> unknown(Symbol symbol) const;
    [[nodiscard]] std::vector<AccountOrder*> all_unknown() const;

    struct SpentOf {
        Symbol symbol;
        Side side;
        SpentSums sums;
    };
    [[nodiscard]] std::vector<SpentOf> spent(const AccountOrder* without) const;

 private:
    // Sorted by match: the order that would be matched first is first; equal prices by client id.
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
