#pragma once
// The parameters of a request that places an order of the usual kind, by a venue's table of words.
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
    price,          // of a limit order
    tif,            // likewise
    expire_ms,      // of an order that is good until then
    position_side,  // where there is a word for it
    type,
    client_id,
};

class PlaceTemplate {
 public:
    struct Row {
        std::string name;
        PlaceField field = PlaceField::symbol;
        std::array<std::string, 8> words;  // by the number on tape; "": it is left out
        std::string post_only;             // in place of a time in force
    };
    struct Parameter {
        std::string_view name;  // lives as long as the table does
        std::string value;
        bool is_number = false;  // where requests tell numbers from text
    };

    explicit PlaceTemplate(std::vector<Row> rows) : rows_(std::move(rows)) {}

    // Whether an order is sent by its terms as they were asked for, without a trigger and without a
    // flag that it may only take off.
    [[nodiscard]] static bool takes(const AccountOrder& order) noexcept;
    // In the order of the table. symbol: the venue's.
    [[nodiscard]] std::vector<Parameter> of(const AccountOrder& order, std::string_view symbol,
                                            int price_decimals, int size_decimals) const;

 private:
    std::vector<Row> rows_;
};

}  // namespace onetape
