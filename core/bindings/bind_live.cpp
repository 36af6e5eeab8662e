// The parts of a live run that a simulated one lacks: earlier incarnations, other tapes, its
// sub-account's ledger.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "bindings/int128_cast.hpp"
#include "bindings/py_trading_loop.hpp"

using namespace onetape;

namespace {

std::string text_of(Money amount) {
    return decimal_text(amount, money_decimals);
}

}  // namespace

void bind_live(nb::module_& m, nb::class_<PyTradingLoop>& loop) {
    nb::enum_<EntryKind>(m, "EntryKind", "Why an entry of the ledger moved a live robot's money.")
        .value("FILL", EntryKind::fill)
        .value("FUNDING", EntryKind::funding)
        .value("INTEREST", EntryKind::interest)
        .value("MOVED", EntryKind::moved);

    loop.def(
            "order_inputs",
            [](PyTradingLoop& s,
               const std::vector<
                   std::tuple<std::uint64_t, std::uint32_t, std::uint64_t, std::uint64_t>>& steps) {
                std::vector<TradingLoop::InputStep> made;
                for (const auto& [after, source, first, last] : steps) {
                    if (source == 0 || source >= s.core->source_count())
                        throw nb::value_error("a step of no source beside the first");
                    made.push_back({after, source, first, last});
                }
                s.core->order_inputs(made);
            },
            nb::arg("steps"),
            "(frame of source 0, source, its first and last frame taken behind it), in order, "
            "behind those that were said before.")
        .def(
            "inherit",
            [](PyTradingLoop& s, std::uint32_t gateway, std::uint64_t since, std::uint64_t run_from,
               std::uint64_t heard) {
                if (gateway >= s.core->source_count()) throw nb::value_error("no such source");
                s.core->inherit(gateway, {since, run_from, heard});
            },
            nb::arg("gateway"), nb::arg("since"), nb::arg("run_from"), nb::arg("heard"),
            "Its orders and fills after frame `since` are its own before it begins; the run's "
            "journal has `heard` of those after frame `run_from`. gateway: the source whose tape "
            "it is.")
        .def(
            "set_away",
            [](PyTradingLoop& s, std::uint32_t gateway, const std::string& account, bool is_away) {
                return s.core->set_away(gateway, account, is_away);
            },
            nb::arg("gateway"), nb::arg("account"), nb::arg("is_away"),
            "From now on orders for what that source's gateway trades are denied, or sent. "
            "on_health hears of it.")
        .def(
            "write_missed",
            [](PyTradingLoop& s) {
                nb::typed<nb::list, FillView> fills;
                for (const auto& [order, fill] : s.core->write_missed())
                    fills.append(
                        FillView{order, fill, s.robot->fee_currency(*order->instrument, fill)});
                return fills;
            },
            "News from between two lives, into the run's journal. Gives the fills of own orders.")
        .def(
            "hash_action",
            [](PyTradingLoop& s, const std::string& symbol, std::int64_t now, nb::bytes payload) {
                OrderRequestPayload request;
                if (payload.size() < sizeof request) throw nb::value_error("no order request");
                std::memcpy(&request, payload.c_str(), sizeof request);
                s.core->hash_action(symbol, request, now);
            },
            nb::arg("symbol"), nb::arg("now"), nb::arg("payload"),
            "An action of an earlier life, as it lies on the run's journal.")
        .def(
            "follow_ledger",
            [](PyTradingLoop& s, std::uint32_t gateway, std::uint64_t after) {
                if (gateway >= s.core->source_count()) throw nb::value_error("no such source");
                s.core->follow_ledger(gateway, after);
            },
            nb::arg("gateway"), nb::arg("after"),
            "The robot's money at that source's gateway is what the entries behind frame `after` "
            "of "
            "its ledger make of it.")
        .def(
            "post",
            [](PyTradingLoop& s, std::uint32_t gateway, EntryKind kind, std::uint64_t of,
               std::int64_t instrument,
               const std::vector<std::pair<std::uint32_t, nb::int_>>& legs) {
                std::vector<LedgerLeg> posted;
                posted.reserve(legs.size());
                for (const auto& [currency, amount] : legs)
                    posted.push_back({currency, int128_from_python(amount.ptr())});
                s.core->post(gateway, kind, of, instrument, posted);
            },
            nb::arg("gateway"), nb::arg("kind"), nb::arg("of"), nb::arg("instrument"),
            nb::arg("legs"),
            "An entry. legs: (currency, units of 1e-18) of the robot's sub-account; of: frame of "
            "the fill behind it; instrument: whose funding it is, -1: not known.")
        .def(
            "holdings",
            [](PyTradingLoop& s) {
                nb::list rows;
                for (std::uint32_t i = 0; i < s.core->instrument_count(); ++i) {
                    for (const auto side :
                         {PositionSide::both, PositionSide::long_, PositionSide::short_}) {
                        const Position& held = s.core->account().position(i, side);
                        if (held.flat()) continue;
                        rows.append(nb::make_tuple(s.core->instrument(i)->symbol,
                                                   static_cast<int>(side), held.qty,
                                                   int128_to_python(held.cost)));
                    }
                }
                return rows;
            },
            nb::sig("def holdings(self) -> list[tuple[str, int, int, int]]"),
            "(symbol, position side, size, what it was opened for in 1e-18) of what is held.")
        .def("locked_text",
             [](PyTradingLoop& s, std::uint32_t currency) {
                 return text_of(s.core->account().locked(currency));
             })
        .def_prop_ro(
            "moved_in_text", [](PyTradingLoop& s) { return text_of(s.core->moved_in()); },
            "What equity has changed by since the run began, otherwise than by own trading.")
        .def("moved_in_of_text", [](PyTradingLoop& s, std::uint32_t currency) {
            return text_of(s.core->moved_in(currency));
        });
}
