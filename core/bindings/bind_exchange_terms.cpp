// What an account and a venue apply to one instrument beyond its numbers: tables and dates.
#include <nanobind/stl/vector.h>

#include "bindings/exchange_cast.hpp"
#include "exchange/forced.hpp"
#include "exchange/margin.hpp"
#include "exchange/venue_rules.hpp"

using namespace onetape;

namespace {

std::vector<MarginBracket> brackets_from(nb::handle rows) {
    std::vector<MarginBracket> brackets;
    for (const nb::handle row : rows) {
        const nb::tuple cells = nb::cast<nb::tuple>(row);
        brackets.push_back({money_from_python(cells[0]), nb::cast<std::int64_t>(cells[1]),
                            money_from_python(cells[2]), nb::cast<std::int64_t>(cells[3])});
    }
    return brackets;
}

std::vector<FeeTier> fee_tiers_from(nb::handle rows) {
    std::vector<FeeTier> tiers;
    for (const nb::handle row : rows) {
        const nb::tuple cells = nb::cast<nb::tuple>(row);
        tiers.push_back({money_from_python(cells[0]), nb::cast<std::int64_t>(cells[1]),
                         nb::cast<std::int64_t>(cells[2])});
    }
    return tiers;
}

VenueRules rules_from_kwargs(const nb::kwargs& kwargs) {
    VenueRules rules;
    for (const auto& [key, value] : kwargs) {
        const auto name = nb::cast<std::string>(key);
        if (name == "order_limit")
            rules.order_limit = nb::cast<std::int64_t>(value);
        else if (name == "order_window")
            rules.order_window = nb::cast<std::int64_t>(value);
        else if (name == "order_rates")
            for (const nb::handle row : value) {
                const nb::tuple cells = nb::cast<nb::tuple>(row);
                rules.order_rates.push_back({nb::cast<std::uint32_t>(cells[0]),
                                             nb::cast<std::int64_t>(cells[1]),
                                             nb::cast<std::int64_t>(cells[2])});
            }
        else if (name == "trigger_delay")
            rules.trigger_delay = nb::cast<std::int64_t>(value);
        else if (name == "closed")
            for (const nb::handle row : value) {
                const nb::tuple cells = nb::cast<nb::tuple>(row);
                rules.closed.push_back(
                    {nb::cast<std::int64_t>(cells[0]), nb::cast<std::int64_t>(cells[1]),
                     nb::cast<std::uint32_t>(cells[2]), nb::cast<bool>(cells[3])});
            }
        else if (name == "borrow")
            for (const nb::handle row : value) {
                const nb::tuple cells = nb::cast<nb::tuple>(row);
                rules.borrow.push_back(
                    {nb::cast<std::uint32_t>(cells[0]), nb::cast<std::int64_t>(cells[1]),
                     cells.size() > 2 ? nb::cast<std::string>(cells[2]) : std::string{},
                     cells.size() > 3 ? nb::cast<std::string>(cells[3]) : std::string{}});
            }
        else if (name == "currencies")
            for (const nb::handle row : value)
                rules.currencies.push_back(nb::cast<std::string>(row));
        else if (name == "loans") {
            const nb::tuple cells = nb::cast<nb::tuple>(value);
            rules.loans = {nb::cast<std::int64_t>(cells[0]), nb::cast<std::int64_t>(cells[1]),
                           nb::cast<std::int64_t>(cells[2])};
        } else if (name == "deleveragings")
            for (const nb::handle row : value) {
                const nb::tuple cells = nb::cast<nb::tuple>(row);
                rules.deleveragings.push_back(
                    {nb::cast<std::int64_t>(cells[0]), nb::cast<std::uint32_t>(cells[1]),
                     nb::cast<bool>(cells[2]), nb::cast<std::int64_t>(cells[3]),
                     nb::cast<std::int64_t>(cells[4])});
            }
        else
            throw nb::type_error(("VenueRules has no field " + name).c_str());
    }
    return rules;
}

InstrumentTerms terms_from_kwargs(const nb::kwargs& kwargs) {
    InstrumentTerms terms;
    for (const auto& [key, value] : kwargs) {
        const auto name = nb::cast<std::string>(key);
        if (name == "brackets")
            terms.brackets = brackets_from(value);
        else if (name == "leverage")
            terms.leverage = nb::cast<std::int64_t>(value);
        else if (name == "liquidation_fee")
            terms.liquidation_fee = nb::cast<std::int64_t>(value);
        else if (name == "fee_tiers")
            terms.fee_tiers = fee_tiers_from(value);
        else if (name == "funding_interval")
            terms.funding_interval = nb::cast<std::int64_t>(value);
        else if (name == "expiry")
            terms.expiry = nb::cast<std::int64_t>(value);
        else if (name == "venue")
            terms.venue = nb::cast<std::uint32_t>(value);
        else if (name == "volume_group")
            terms.volume_group = nb::cast<std::uint32_t>(value);
        else if (name == "amend")
            terms.amend.rule = named<AmendRule>(value, amend_names, "amend");
        else if (name == "refuses_met_triggers")
            terms.refuses_met_triggers = nb::cast<bool>(value);
        else if (name == "amend_triggers")
            terms.amend.triggers = nb::cast<bool>(value);
        else
            throw nb::type_error(("InstrumentTerms has no field " + name).c_str());
    }
    return terms;
}

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
            new (self) InstrumentTerms(terms_from_kwargs(kwargs));
        });
    nb::class_<VenueRules>(m, "VenueRules",
                           "What venues do by the clock and by the count: closed is (from, to, "
                           "venue, cancels), order_rates (venue, limit, window), borrow (currency, "
                           "rate an hour in 1e-12[, name, account]), loans (call, liquidation in "
                           "1e-6, fee in 1e-12), deleveragings (time, instrument, is_long, price "
                           "or 0, share in 1e-6) by time.")
        .def("__init__", [](VenueRules* self, const nb::kwargs& kwargs) {
            new (self) VenueRules(rules_from_kwargs(kwargs));
        });
}
