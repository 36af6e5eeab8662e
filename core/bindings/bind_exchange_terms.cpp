// Terms of an account and a venue for one instrument beyond its numbers: tables and dates.
#include <nanobind/stl/vector.h>

#include "bindings/exchange_cast.hpp"
#include "bindings/keyword_fields.hpp"
#include "exchange/forced.hpp"
#include "exchange/margin.hpp"
#include "exchange/venue_rules.hpp"

using namespace onetape;

namespace {

std::int64_t whole(const nb::tuple& row, std::size_t at) {
    return nb::cast<std::int64_t>(row[at]);
}

std::uint32_t number(const nb::tuple& row, std::size_t at) {
    return nb::cast<std::uint32_t>(row[at]);
}

std::string text(const nb::tuple& row, std::size_t at) {
    return row.size() > at ? nb::cast<std::string>(row[at]) : std::string{};
}

MarginBracket bracket(const nb::tuple& row) {
    return {money_from_python(row[0]), whole(row, 1), money_from_python(row[2]), whole(row, 3)};
}

std::vector<MarginBracket> brackets_from(nb::handle rows) {
    std::vector<MarginBracket> brackets;
    for (const nb::handle row : rows) brackets.push_back(bracket(nb::cast<nb::tuple>(row)));
    return brackets;
}

FeeTier fee_tier(const nb::tuple& row) {
    return {money_from_python(row[0]), whole(row, 1), whole(row, 2)};
}

OrderRate order_rate(const nb::tuple& row) {
    return {number(row, 0), whole(row, 1), whole(row, 2)};
}

ClosedSpan closed_span(const nb::tuple& row) {
    return {whole(row, 0), whole(row, 1), number(row, 2), nb::cast<bool>(row[3])};
}

BorrowRate borrow_rate(const nb::tuple& row) {
    return {number(row, 0), whole(row, 1), text(row, 2), text(row, 3)};
}

Deleveraging deleveraging(const nb::tuple& row) {
    return {whole(row, 0), number(row, 1), nb::cast<bool>(row[2]), whole(row, 3), whole(row, 4)};
}

constexpr KeywordField<VenueRules> rules_fields[] = {
    {"order_limit", plain<&VenueRules::order_limit>},
    {"order_window", plain<&VenueRules::order_window>},
    {"order_rates", rows<&VenueRules::order_rates, order_rate>},
    {"trigger_delay", plain<&VenueRules::trigger_delay>},
    {"closed", rows<&VenueRules::closed, closed_span>},
    {"borrow", rows<&VenueRules::borrow, borrow_rate>},
    {"currencies", plain<&VenueRules::currencies>},
    {"loans",
     [](VenueRules& rules, nb::handle value, const char*) {
         const nb::tuple row = nb::cast<nb::tuple>(value);
         rules.loans = {whole(row, 0), whole(row, 1), whole(row, 2)};
     }},
    {"deleveragings", rows<&VenueRules::deleveragings, deleveraging>},
};

constexpr KeywordField<InstrumentTerms> terms_fields[] = {
    {"brackets", rows<&InstrumentTerms::brackets, bracket>},
    {"leverage", plain<&InstrumentTerms::leverage>},
    {"liquidation_fee", plain<&InstrumentTerms::liquidation_fee>},
    {"fee_tiers", rows<&InstrumentTerms::fee_tiers, fee_tier>},
    {"funding_interval", plain<&InstrumentTerms::funding_interval>},
    {"expiry", plain<&InstrumentTerms::expiry>},
    {"venue", plain<&InstrumentTerms::venue>},
    {"volume_group", plain<&InstrumentTerms::volume_group>},
    {"amend",
     [](InstrumentTerms& terms, nb::handle value, const char* name) {
         terms.amend.rule = named<AmendRule>(value, amend_names, name);
     }},
    {"refuses_met_triggers", plain<&InstrumentTerms::refuses_met_triggers>},
    {"amend_triggers", [](InstrumentTerms& terms, nb::handle value,
                          const char*) { terms.amend.triggers = nb::cast<bool>(value); }},
};

}  // namespace

void onetape::bind_exchange_terms(nb::module_& m) {
    nb::class_<MarginTable>(m, "MarginTable", "Maintenance margin of one instrument, by value.")
        .def(
            "__init__",
            [](MarginTable* self, nb::handle brackets, std::int64_t flat_rate) {
                new (self) MarginTable();
                self->set(brackets_from(brackets), flat_rate);
            },
            nb::arg("brackets"), nb::arg("flat_rate"),
            "brackets: rows of InstrumentTerms; flat_rate: 1e-12 of the value, where there are "
            "none.")
        .def(
            "maintenance",
            [](const MarginTable& table, const nb::int_& value) {
                return money_to_python(table.maintenance(money_from_python(value)));
            },
            nb::arg("value"), "What a position of that value has to keep. Both 1e-18, value >= 0.");

    m.def(
        "forced_tag", [](std::uint64_t order) { return words_of(forced_of(order)).tag; },
        nb::arg("order_id"), "Why the venue made this order; empty for one of the robot's own.");
    nb::class_<InstrumentTerms>(m, "InstrumentTerms",
                                "Tables and dates of one instrument version, as whole numbers: "
                                "brackets are (notional_max, rate, amount, leverage), "
                                "fee_tiers (volume, maker, taker).")
        .def("__init__", [](InstrumentTerms* self, const nb::kwargs& kwargs) {
            new (self) InstrumentTerms();
            read_keywords(*self, kwargs, terms_fields, "InstrumentTerms");
        });
    nb::class_<VenueRules>(m, "VenueRules",
                           "What venues do by the clock and by the count: closed is (from, to, "
                           "venue, cancels), order_rates (venue, limit, window), borrow (currency, "
                           "rate an hour in 1e-12[, name, account]), loans (call, liquidation in "
                           "1e-6, fee in 1e-12), deleveragings (time, instrument, is_long, price "
                           "or 0, share in 1e-6) by time.")
        .def("__init__", [](VenueRules* self, const nb::kwargs& kwargs) {
            new (self) VenueRules();
            read_keywords(*self, kwargs, rules_fields, "VenueRules");
        });
}
