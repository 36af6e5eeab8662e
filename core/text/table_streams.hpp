#pragma once
// Assigns rows to instruments and counts the decimals that each needs. One for all sources of an
// import of tables.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/decimal_text.hpp"
#include "text/name_counts.hpp"
#include "text/quantity.hpp"

namespace onetape {

struct TableStream {
    std::string raw;  // the file's name of it; "": the only one, whatever its name
    std::uint32_t stream = 1;
    int price_decimals = 0, size_decimals = 0;
};

class TableStreams {
 public:
    static constexpr int none = -1;

    explicit TableStreams(std::vector<TableStream> streams) {
        for (TableStream& spec : streams) states_.push_back({std::move(spec), {}, {}});
    }

    // The stream of a raw name. none: no stream, counted in unmapped(). A stream without a name
    // takes the first name.
    [[nodiscard]] int find(std::string_view raw) {
        if (last_ != none && raw == states_[static_cast<std::size_t>(last_)].seen) return last_;
        for (std::size_t i = 0; i < states_.size(); ++i) {
            State& state = states_[i];
            if (state.seen.empty() && (state.spec.raw.empty() || state.spec.raw == raw)) {
                state.seen = raw;
            }
            if (state.seen == raw && !raw.empty()) return last_ = static_cast<int>(i);
        }
        count_name(unmapped_, raw);
        return none;
    }

    [[nodiscard]] const TableStream& at(int index) const {
        return states_[static_cast<std::size_t>(index)].spec;
    }
    [[nodiscard]] const std::string& seen(std::size_t index) const { return states_[index].seen; }
    [[nodiscard]] std::size_t count() const noexcept { return states_.size(); }
    [[nodiscard]] const NameCounts& unmapped() const noexcept { return unmapped_; }

    // First pass: counts the decimals of the number.
    void measure(int index, Quantity quantity, const RawDecimal& raw) noexcept {
        states_[static_cast<std::size_t>(index)].numbers[static_cast<std::size_t>(quantity)].add(
            raw);
    }
    [[nodiscard]] const DecimalsSeen& numbers(std::size_t index, Quantity quantity) const {
        return states_[index].numbers[static_cast<std::size_t>(quantity)];
    }

    // Second pass: units at the stream's decimals.
    [[nodiscard]] Scaled units(int index, Quantity quantity, const RawDecimal& raw,
                               std::int64_t& value) const noexcept {
        const TableStream& spec = states_[static_cast<std::size_t>(index)].spec;
        return scale_snapped(raw, is_price(quantity) ? spec.price_decimals : spec.size_decimals,
                             value);
    }

 private:
    struct State {
        TableStream spec;
        std::string seen;
        std::array<DecimalsSeen, 4> numbers;  // by Quantity
    };

    std::vector<State> states_;
    NameCounts unmapped_;
    int last_ = none;
};

}  // namespace onetape
