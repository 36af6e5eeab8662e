#pragma once
// Reserves of sub-accounts' money, with the mappings of Python.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "bindings/int128_cast.hpp"
#include "bindings/order_spec.hpp"
#include "orders/reserves.hpp"

namespace onetape {

namespace nb = nanobind;

[[nodiscard]] inline nb::object item_of(const nb::object& mapping, const nb::object& key) {
    nb::object found = nb::steal(PyObject_GetItem(mapping.ptr(), key.ptr()));
    if (!found.is_valid()) throw nb::python_error();
    return found;
}

// Reserves with Python's mappings: the source of an instrument's facts is checked each time, since
// a venue may change them.
class PyReserves final {
 public:
    PyReserves(nb::object instruments, nb::object references, std::int64_t over, std::int64_t under)
        : instruments_(std::move(instruments)),
          references_(std::move(references)),
          core_({over, under}) {}

    [[nodiscard]] nb::object held(nb::handle currency, std::int64_t slot) const {
        return int128_to_python(core_.held(symbol_of(currency), slot));
    }

    // Reserved amounts of the slots from 0 on; slot 0 has the sum of the others.
    [[nodiscard]] nb::list held_in(nb::handle currency, std::int64_t count) const {
        const Symbol of = symbol_of(currency);
        Int128 sum = 0;
        nb::list rows;
        for (std::int64_t slot = 1; slot < count; ++slot) {
            const Int128 held = core_.held(of, slot);
            sum += held;
            rows.append(int128_to_python(held));
        }
        rows.insert(0, int128_to_python(sum));
        return rows;
    }

    [[nodiscard]] nb::object wanted(nb::handle spec, std::int64_t left, std::int64_t price,
                                    std::int64_t slot, nb::handle without) {
        const Query query(*this, spec, left, price);
        const std::string_view former =
            without.is_none() ? std::string_view()
                              : std::string_view(nb::cast<AccountOrder*>(without)->client_id);
        const auto found = core_.wanted(query.of, query.terms, left, query.price, slot, former);
        if (!found) return nb::none();
        return nb::make_tuple(word(found->currency), int128_to_python(found->units));
    }

    [[nodiscard]] bool opens(nb::handle spec, std::int64_t left, std::int64_t price,
                             std::int64_t slot) {
        const Query query(*this, spec, left, price);
        return core_.opens(query.of, query.terms, left, query.price, slot);
    }

    [[nodiscard]] nb::object of(const AccountOrder& order, nb::handle currency) const {
        return int128_to_python(core_.of(order.client_id, symbol_of(currency)));
    }

    [[nodiscard]] nb::object backing(nb::handle value) const {
        return int128_to_python(core_.backing(int128_from_python(value.ptr())));
    }

    [[nodiscard]] nb::tuple update(const AccountOrder& order, std::int64_t slot) {
        return listed(take(order, slot));
    }

    [[nodiscard]] nb::tuple hold(std::string_view client_id, nb::handle spec, std::int64_t left,
                                 std::int64_t price, std::int64_t slot) {
        const Query query(*this, spec, left, price);
        return listed(core_.hold(query.of, client_id, query.terms, left, query.price, slot));
    }

    [[nodiscard]] nb::tuple position(std::int64_t slot, nb::handle symbol, nb::handle side,
                                     std::int64_t qty, nb::handle value) {
        const Symbol of = symbol_of(symbol);
        return listed(core_.position(facts_of(of), of, word_from<PositionSide>(side), slot, qty,
                                     int128_from_python(value.ptr())));
    }

    void flatten() { core_.flatten(); }

    // --- for the core's other rooms ---

    [[nodiscard]] Reserves& core() noexcept { return core_; }

    // Updates the reserve of an order that may have changed.
    Reserves::Changed take(const AccountOrder& order, std::int64_t slot) {
        return core_.update(facts_of(order.terms, Reserves::left_of(order)), order, slot,
                            market_of(order.terms));
    }

    // Whether this is the newest version of the symbol's instrument.
    [[nodiscard]] bool lists(Symbol symbol, nb::handle instrument) {
        PyObject* const found = found_in(instruments_, word(symbol));
        return found != nullptr && instrument.is(found);
    }

    // The instrument must be listed.
    [[nodiscard]] const ReserveTerms& facts_of(Symbol symbol) {
        const nb::object instrument = item_of(instruments_, word(symbol));
        Facts& facts = facts_[symbol.number()];
        if (!facts.instrument.is(instrument)) {
            const auto text = [&](const char* field) { return symbol_of(instrument.attr(field)); };
            const nb::tuple fees = instrument.attr("fee_units");
            facts.terms = {nb::cast<InstrumentSpec>(instrument.attr("core")),
                           text("base"),
                           text("quote"),
                           text("settle"),
                           int128_from_python(nb::object(fees[0]).ptr()),
                           int128_from_python(nb::object(fees[1]).ptr())};
            facts.instrument = instrument;
        }
        return facts.terms;
    }

    // The text of a symbol or a currency, made once.
    [[nodiscard]] nb::object word(Symbol symbol) {
        nb::object& made = words_[symbol.number()];
        if (!made.is_valid()) made = nb::str(symbol.text().data(), symbol.text().size());
        return made;
    }

 private:
    struct Facts {
        nb::object instrument;
        ReserveTerms terms;
    };

    // An order's terms with its instrument's, and the price for its reserve.
    struct Query {
        OrderTerms terms;
        const ReserveTerms& of;
        std::int64_t price;

        Query(PyReserves& all, nb::handle spec, std::int64_t left, std::int64_t own_price)
            : terms(money_terms_of(spec)),
              of(all.facts_of(terms, left)),
              price(own_price != 0 ? own_price : all.market_of(terms)) {}
    };

    // For an order that reserves nothing no instrument is looked up.
    [[nodiscard]] const ReserveTerms& facts_of(const OrderTerms& terms, std::int64_t left) {
        return Reserves::holds(terms, left) ? facts_of(terms.symbol) : nothing_;
    }

    // The price for the reserve of an order without a price of its own; 0: it has one, or none is
    // known.
    [[nodiscard]] std::int64_t market_of(const OrderTerms& terms) {
        if (terms.type != OrderType::market) return 0;
        const nb::object symbol = word(terms.symbol);
        if (PyMapping_HasKey(references_.ptr(), symbol.ptr()) == 0) return 0;
        return integer_of(item_of(references_, symbol).ptr());
    }

    [[nodiscard]] nb::tuple listed(const Reserves::Changed& changed) {
        if (changed.count == 0) return nb::make_tuple();
        if (changed.count == 1) return nb::make_tuple(word(changed.currencies[0]));
        return nb::make_tuple(word(changed.currencies[0]), word(changed.currencies[1]));
    }

    nb::object instruments_, references_;
    Reserves core_;
    const ReserveTerms nothing_;                           // for orders that reserve nothing
    std::unordered_map<std::uint32_t, Facts> facts_;       // by a symbol's number
    std::unordered_map<std::uint32_t, nb::object> words_;  // texts of symbols and currencies
};

}  // namespace onetape
