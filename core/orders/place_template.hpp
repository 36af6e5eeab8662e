#pragma once
// The parameters of a request that places an order of the usual kind, built from a venue's table of
// words.
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "orders/account_order.hpp"

namespace onetape {

enum class PlaceField : std::uint8_t {
    symbol,
    side,
    size,
    price,           // of a limit order
    tif,             // of a limit order
    expire_ms,       // of a GTD order
    position_side,   // where the venue has a word for it
    position_index,  // the same as a number
    type,
    client_id,
    constant,  // the same for all orders
};

class PlaceTemplate {
 public:
    struct Row {
        std::string name;
        PlaceField field = PlaceField::symbol;
        std::array<std::string, 8> words;  // by the number on the tape; "": left out
        std::string other;                 // a constant; of a post-only order, its time in force
    };
    struct Parameter {
        std::string_view name;  // must live as long as the table
        std::string value;
        bool is_number = false;  // for venues whose requests distinguish numbers from text
    };

    explicit PlaceTemplate(std::vector<Row> rows) : rows_(std::move(rows)) {}

    // Whether the order is sent with exactly the requested terms, without a trigger and not
    // reduce-only.
    [[nodiscard]] static bool takes(const AccountOrder& order) noexcept;
    // Returns the parameters in the order of the table. symbol: the venue's raw symbol.
    [[nodiscard]] std::vector<Parameter> of(const AccountOrder& order, std::string_view symbol,
                                            int price_decimals, int size_decimals) const;

 private:
    std::vector<Row> rows_;
};

}  // namespace onetape
