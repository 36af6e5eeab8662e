#pragma once
// Positions of an account for its state table, valued at a price.
#include <nanobind/nanobind.h>

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/money.hpp"
#include "bindings/errors.hpp"
#include "exchange/position.hpp"
#include "state/table_writer.hpp"

namespace onetape {

namespace nb = nanobind;

// Writes a group of the fields of POSITION in onetape/accounts/table.py when one of them has
// changed.
class PositionRows final {
 public:
    explicit PositionRows(std::uint16_t kind) : kind_(kind) {}

    // entry: 1e-18; price: in units, 0: unknown, the unrealized profit is then unknown, too.
    void show(TableWriter& table, const std::string& key, const Position& held,
              const InstrumentSpec& spec, Money entry, std::int64_t price, std::int64_t ts_data,
              std::uint64_t sequence) {
        Row row;
        row.put(0, held.qty * pow10(money_decimals - spec.size_decimals));
        row.put(1, entry);
        if (price != 0) row.put(2, price * pow10(money_decimals - spec.price_decimals));
        if (price != 0 || held.flat()) row.put(3, held.unrealized(spec, 2 * price));
        row.put(4, held.realized);
        row.cells[size_decimals_at] = static_cast<std::uint64_t>(spec.size_decimals);
        row.present |= 1U << 5;
        write(table, key, row, ts_data, sequence);
    }

    // Writes a closed position; its realized profit belongs to another account.
    void clear(TableWriter& table, const std::string& key, std::int64_t ts_data,
               std::uint64_t sequence) {
        const auto found = rows_.find(key);
        if (found == rows_.end()) return;
        Row row = found->second;
        for (const std::size_t field : {0, 1, 3, 4}) row.put(field, 0);
        write(table, key, row, ts_data, sequence);
        rows_.erase(key);
    }

 private:
    static constexpr std::size_t size_decimals_at = 10;  // after five amounts of two cells

    struct Row {
        std::array<std::uint64_t, size_decimals_at + 1> cells{};
        std::uint64_t present = 0;

        void put(std::size_t field, Int128 amount) noexcept {
            cells[2 * field] = static_cast<std::uint64_t>(low_half(amount));
            cells[2 * field + 1] = static_cast<std::uint64_t>(high_half(amount));
            present |= std::uint64_t{1} << field;
        }
        [[nodiscard]] bool operator==(const Row&) const = default;
    };

    void write(TableWriter& table, const std::string& key, const Row& row, std::int64_t ts_data,
               std::uint64_t sequence) {
        const auto [kept, is_new] = rows_.try_emplace(key, row);
        if (!is_new && kept->second == row) return;
        kept->second = row;
        raise_if_failed(table.put(kind_, key, row.cells, row.present, ts_data, sequence));
    }

    std::uint16_t kind_;
    std::unordered_map<std::string, Row> rows_;  // as last written
};

}  // namespace onetape
