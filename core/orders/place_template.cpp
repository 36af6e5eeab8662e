#include "orders/place_template.hpp"

#include <optional>

#include "text/http_request.hpp"

namespace onetape {

bool PlaceTemplate::takes(const AccountOrder& order) noexcept {
    return order.sent_at == 0 && !order.terms.has_trigger() && !order.terms.reduce_only;
}

std::vector<PlaceTemplate::Parameter> PlaceTemplate::of(const AccountOrder& order,
                                                        std::string_view symbol, int price_decimals,
                                                        int size_decimals) const {
    const OrderTerms& terms = order.terms;
    const bool is_limit = terms.type == OrderType::limit;
    const auto word = [](const Row& row, auto value) -> std::optional<std::string> {
        const std::string& found = row.words[static_cast<std::size_t>(value) % row.words.size()];
        if (found.empty()) return std::nullopt;
        return found;
    };
    const auto value_of = [&](const Row& row) -> std::optional<std::string> {
        switch (row.field) {
            case PlaceField::symbol:
                return std::string(symbol);
            case PlaceField::side:
                return word(row, terms.side);
            case PlaceField::size:
                return units_text(terms.size, size_decimals, size_decimals);
            case PlaceField::price:
                if (!is_limit) return std::nullopt;
                return units_text(terms.price, price_decimals, price_decimals);
            case PlaceField::tif:
                if (!is_limit) return std::nullopt;
                return terms.post_only ? row.other : word(row, terms.tif);
            case PlaceField::expire_ms:
                if (!is_limit || terms.tif != TimeInForce::gtd) return std::nullopt;
                return std::to_string(terms.expire / 1'000'000);
            case PlaceField::position_side:
            case PlaceField::position_index:
                return word(row, terms.position_side);
            case PlaceField::type:
                return word(row, terms.type);
            case PlaceField::client_id:
                return order.name();
            case PlaceField::constant:
                return row.other;
        }
        return std::nullopt;
    };
    std::vector<Parameter> found;
    found.reserve(rows_.size());
    for (const Row& row : rows_)
        if (std::optional<std::string> value = value_of(row))
            found.push_back(
                {row.name, std::move(*value),
                 row.field == PlaceField::expire_ms || row.field == PlaceField::position_index});
    return found;
}

}  // namespace onetape
