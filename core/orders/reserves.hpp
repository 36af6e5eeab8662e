#pragma once
// The money of each sub-account that orders and positions reserve, so that it cannot be spent twice
// or withdrawn. The rule is that of onetape/accounts/reserves.py; amounts are units of 1e-18.
//
// Each change costs the same, however many orders and positions there are.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/money.hpp"
#include "exchange/instrument.hpp"
#include "orders/account_order.hpp"
#include "orders/order_terms.hpp"

namespace onetape {

// The facts of an instrument that reserves are computed from. Currencies are interned like symbols;
// fees are rates in 1e-18, a rebate is negative.
struct ReserveTerms {
    InstrumentSpec spec;
    Symbol base, quote, settle;
    Int128 maker_fee = 0, taker_fee = 0;
};

// A leverage as a fraction: 1.1 is 11 / 10. Both above zero.
struct Leverage {
    std::int64_t over = 1, under = 1;
};

class Reserves {
 public:
    struct Amount {
        Symbol currency;
        Int128 units = 0;
    };
    // The currencies whose reserved amount changed: two when an order is replaced by one in another
    // currency.
    struct Changed {
        std::array<Symbol, 2> currencies;
        std::size_t count = 0;
    };

    explicit Reserves(Leverage leverage) noexcept : leverage_(leverage) {}

    // Whether an order with this quantity left reserves anything. If not, its instrument is not
    // needed, which may belong to another account.
    [[nodiscard]] static bool holds(const OrderTerms& terms, std::int64_t left) noexcept {
        return left > 0 && !terms.own_reducing && !terms.only_reduces();
    }

    // --- queries ---

    // Never negative.
    [[nodiscard]] Int128 held(Symbol currency, std::int64_t slot) const;

    // The additional amount that an order would reserve with this quantity left at `price` (the
    // market's where it has none, 0: unknown). None: nothing, or it cannot be computed. without:
    // client id of the order that it replaces, whose reserve becomes free; "": none.
    [[nodiscard]] std::optional<Amount> wanted(const ReserveTerms& of, const OrderTerms& terms,
                                               std::int64_t left, std::int64_t price,
                                               std::int64_t slot, std::string_view without) const;
    // Whether the order could make a position larger than the working orders can. If not, it
    // reserves only its fee, and closing frees more than that.
    [[nodiscard]] bool opens(const ReserveTerms& of, const OrderTerms& terms, std::int64_t left,
                             std::int64_t price, std::int64_t slot) const;
    // The amount that an order reserves, which would be free without it.
    [[nodiscard]] Int128 of(std::string_view client_id, Symbol currency) const;
    // The amount that a position of that value reserves by itself.
    [[nodiscard]] Int128 backing(Int128 value) const noexcept;

    // The quantity of an order that it reserves money for.
    [[nodiscard]] static std::int64_t left_of(const AccountOrder& order) noexcept {
        return order.is_unfunded ? 0 : order.worst_left();
    }

    // --- changes ---

    // Recomputes the reserve of an order that may have changed. price: the market's.
    Changed update(const ReserveTerms& of, const AccountOrder& order, std::int64_t slot,
                   std::int64_t price);
    // Replaces what was reserved for that order.
    Changed hold(const ReserveTerms& of, std::string_view client_id, const OrderTerms& terms,
                 std::int64_t left, std::int64_t price, std::int64_t slot);
    // Sets a sub-account's position of contracts. value: at its entry price.
    Changed position(const ReserveTerms& of, Symbol symbol, PositionSide side, std::int64_t slot,
                     std::int64_t qty, Int128 value);
    // Removes all positions: the exchange was reset.
    void flatten();

 private:
    using Key = std::uint64_t;  // slot, symbol and position side; 0: none, on spot
    // The part of one order in the reserves: on spot an amount of a currency; of contracts the
    // value that it may open, and its fee.
    struct Part {
        Key key = 0;
        Symbol currency;
        std::int64_t slot = 0;
        Int128 amount = 0, fee = 0;
        bool sells = false;
        [[nodiscard]] bool operator==(const Part&) const noexcept = default;
    };
    // The margin of one slot, symbol and position side. value: of the position, signed.
    struct Margin {
        Symbol currency;
        std::int64_t slot = 0;
        Int128 value = 0, buys = 0, sells = 0, fees = 0;
        Int128 held = 0;  // the amount reserved for all of these

        void add(const Part& part, int sign) noexcept;
        // The position's value if all working orders of one side were filled.
        [[nodiscard]] Int128 worst() const noexcept;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };

    [[nodiscard]] static Key key_of(Symbol symbol, PositionSide side, std::int64_t slot) noexcept;
    [[nodiscard]] static std::optional<Part> part_of(const ReserveTerms& of,
                                                     const OrderTerms& terms, std::int64_t left,
                                                     std::int64_t price, std::int64_t slot);
    [[nodiscard]] const Part* part(std::string_view client_id) const;
    [[nodiscard]] Margin margin(const Part& part) const;  // the present one, or an empty one
    [[nodiscard]] Margin& room(Key key, Symbol currency, std::int64_t slot);
    [[nodiscard]] Int128 needed(const Margin& margin) const noexcept;
    void apply(const Part& part, int sign, Changed& changed);
    void renew(Margin& margin, Changed& changed);
    void move(Symbol currency, std::int64_t slot, Int128 amount, Changed& changed);

    Leverage leverage_;
    std::unordered_map<std::uint64_t, Int128> held_;                      // by currency and slot
    std::unordered_map<std::string, Part, Hash, std::equal_to<>> parts_;  // by client id
    std::unordered_map<Key, Margin> margins_;
};

}  // namespace onetape
