// Handles new orders of the usual kind at a gateway, from a robot's frame to the intent on the tape
// in one call, and the venue's reports on them.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "bindings/bind.hpp"
#include "bindings/collected.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/order_spec.hpp"
#include "bindings/py_balances.hpp"
#include "bindings/py_order_index.hpp"
#include "bindings/py_reserves.hpp"
#include "orders/client_id.hpp"
#include "orders/order_rates.hpp"
#include "orders/plain_order.hpp"
#include "orders/plain_report.hpp"
#include "orders/spot_funds.hpp"

using namespace onetape;

namespace {

[[nodiscard]] Int128 amount_in(const nb::object& dict, const nb::object& key) {
    PyObject* const found = found_in(dict, key);
    return found == nullptr ? 0 : int128_from_python(found);
}

[[nodiscard]] std::int64_t number_in(const nb::object& dict, const nb::object& key) {
    PyObject* const found = found_in(dict, key);
    return found == nullptr ? 0 : integer_of(found);
}

// The limits that all symbols of an account share.
struct AccountLimits {
    std::int64_t orders_a_second = 0, messages_a_second = 0, open_orders_max = 0;
    bool are_plain = false;  // no rule of them needs all working orders
};

class PyPlainOrders final {
 public:
    PyPlainOrders(nb::object state, nb::object index, nb::object reserves, nb::object subaccounts,
                  nb::object statements, nb::object changed, nb::object append, nb::object streams)
        : state_(std::move(state)),
          index_object_(std::move(index)),
          reserves_object_(std::move(reserves)),
          subaccounts_(std::move(subaccounts)),
          statements_(std::move(statements)),
          changed_(std::move(changed)),
          append_(std::move(append)),
          streams_(std::move(streams)),
          index_(*nb::cast<PyOrderIndex*>(index_object_)),
          reserves_(*nb::cast<PyReserves*>(reserves_object_)),
          rates_(*nb::cast<OrderRates*>(Fields(state_).field<"rates">())) {}

    // The objects that it refers to: gate and manager refer to it in turn.
    [[nodiscard]] std::array<nb::object*, 9> objects() noexcept {
        return {&state_,   &index_object_, &reserves_object_, &subaccounts_, &statements_,
                &changed_, &append_,       &streams_,         &limits_};
    }

    void follow(std::int64_t robot, std::int64_t slot, std::int64_t rate, std::string tag) {
        robots_[robot] = {slot, rate, std::move(tag)};
    }

    // Returns whether the report was handled.
    [[nodiscard]] bool report(const nb::object& report, std::int64_t now, std::int64_t query_at,
                              std::int64_t wall, bool is_accepted) {
        const Fields of(report);
        const nb::object client_id = of.field<"client_id">(), venue_id = of.field<"venue_id">();
        const AccountOrderRef order = index_.named(text_of(client_id.ptr()));
        const nb::object word = of.field<"news">();
        if (!order || of.flag<"reduce_only">() || of.flag<"conditional">() ||
            of.number<"code">() != 0 || holds(of.field<"reason">()))
            return false;
        const auto whose = robots_.find(order->robot);
        const nb::object symbol = reserves_.word(order->terms.symbol);
        if (whose == robots_.end() || !is_traded(symbol)) return false;
        OrderNews news{};
        const OrderReport heard{text_of(venue_id.ptr()), of.word<OrderState, "state">(),
                                is_accepted      ? OrderNews::accepted
                                : word.is_none() ? OrderNews{}
                                                 : word_from<OrderNews>(word),
                                of.number<"time">(), of.number<"filled">()};
        const Heard found = hear_plainly(index_, *order, heard, query_at, news);
        if (found != Heard::news) return found != Heard::no;
        hold(reserves_.facts_of(order->terms.symbol), *order, whose->second.slot,
             reference_of(symbol));
        const OrderEventPayload frame = order->news_frame(news, order->state, now, 0);
        append(EventType::order_event, bytes_of(frame), order->terms.symbol, wall, false);
        return true;
    }

    [[nodiscard]] nb::object place(const nb::bytes& payload, const nb::str& symbol,
                                   std::int64_t robot, std::int64_t now, std::int64_t wall) {
        const auto whose = robots_.find(robot);
        if (whose == robots_.end()) return nb::none();
        const Robot& of = whose->second;
        const auto terms = plain_terms(payload.c_str(), payload.size(), symbol_of(symbol));
        if (!terms) return nb::none();
        AccountOrderRef order = made(*terms, payload, robot, of, now);
        if (!order || !is_traded(symbol) || !passes(*terms, nullptr, of, robot, now))
            return nb::none();
        count(of, robot, now);
        index_.place(order, false);
        return intended(*order, RequestKind::place, order->price, order->size, of, wall);
    }

    [[nodiscard]] nb::object amend(const nb::bytes& payload, std::int64_t robot, std::int64_t now,
                                   std::int64_t wall) {
        OrderRequestPayload requested;
        const auto whose = robots_.find(robot);
        if (payload.size() != sizeof requested || whose == robots_.end()) return nb::none();
        std::memcpy(&requested, payload.c_str(), sizeof requested);
        const AccountOrderRef order = index_.of_robot(robot, requested.order_id);
        if (requested.kind != RequestKind::amend || requested.flags != 0 || !order ||
            !may_amend(*order) || !can_change(order->terms.symbol))
            return nb::none();
        OrderTerms terms = order->terms;
        terms.price = requested.price != 0 ? requested.price : order->price;
        terms.size = requested.size != 0 ? requested.size : order->size;
        if (terms.size <= order->filled) return nb::none();
        // An amendment that only makes an order smaller always passes, and is not counted.
        if (terms.size >= order->size || terms.price != order->price) {
            if (!passes(terms, order.get(), whose->second, robot, now)) return nb::none();
            count(whose->second, robot, now);
        }
        index_.request(*order, RequestKind::amend, terms.price, terms.size, now, false);
        return intended(*order, RequestKind::amend, terms.price, terms.size, whose->second, wall);
    }

    [[nodiscard]] nb::object cancel(const nb::bytes& payload, std::int64_t robot, std::int64_t now,
                                    std::int64_t wall) {
        OrderRequestPayload requested;
        if (payload.size() != sizeof requested || robots_.count(robot) == 0) return nb::none();
        std::memcpy(&requested, payload.c_str(), sizeof requested);
        if (requested.kind != RequestKind::cancel || requested.flags != 0) return nb::none();
        const AccountOrderRef order = index_.of_robot(robot, requested.order_id);
        if (!order || !may_cancel(*order) || !is_traded(reserves_.word(order->terms.symbol)))
            return nb::none();
        order->cancel_retries = 0;
        index_.request(*order, RequestKind::cancel, order->price, order->size, now, false);
        const OrderRequestPayload intent =
            order->request_frame(RequestKind::cancel, order->price, order->size, false);
        append(EventType::order_request, bytes_of(intent), order->terms.symbol, wall, false);
        return nb::cast(order);
    }

 private:
    struct Robot {
        std::int64_t slot = 0, rate = 0;
        std::string tag;
    };

    void append(EventType type, const nb::bytes& frame, Symbol symbol, std::int64_t wall,
                bool is_risk) const {
        append_(static_cast<int>(type), frame, streams_[reserves_.word(symbol)], wall, is_risk);
    }

    // An order that is placed or amended reserves its possible cost, and its intent takes on risk.
    [[nodiscard]] nb::object intended(AccountOrder& order, RequestKind kind, std::int64_t price,
                                      std::int64_t size, const Robot& of, std::int64_t wall) {
        const Symbol symbol = order.terms.symbol;
        hold(reserves_.facts_of(symbol), order, of.slot, reference_of(reserves_.word(symbol)));
        const OrderRequestPayload intent = order.request_frame(kind, price, size, false);
        append(EventType::order_request, bytes_of(intent), symbol, wall, true);
        return nb::cast(order.shared_from_this());
    }

    // Whether the venue takes any amendment of orders of a traded instrument.
    [[nodiscard]] bool can_change(Symbol symbol) const {
        PyObject* const found = traded(reserves_.word(symbol));
        if (found == nullptr) return false;
        const nb::object rule = Fields(found).field<"amend">();
        return text_of(rule.ptr()) != "none" && text_of(rule.ptr()) != "decrease_only";
    }

    // Whether an order keeps every rule. old: the order that it replaces, or null.
    [[nodiscard]] bool passes(const OrderTerms& terms, const AccountOrder* old, const Robot& of,
                              std::int64_t robot, std::int64_t now) {
        const nb::object symbol = reserves_.word(terms.symbol);
        if (is_stopped(terms, symbol, now)) return false;
        const ReserveTerms& facts = reserves_.facts_of(terms.symbol);
        const nb::object manager = Fields(state_).field<"manager">();
        const OrderLimits limits = limits_of(symbol, facts);
        const OrderSetting setting{facts.spec, limits, reference_of(symbol),
                                   held(manager, terms, symbol), old};
        return are_kept(of, robot, now, old == nullptr) &&
               keeps_rules(terms, setting, index_.sums()) &&
               is_funded(facts, terms, setting, manager) && is_paid(facts, terms, of.slot, setting);
    }

    void count(const Robot& of, std::int64_t robot, std::int64_t now) {
        if (!is_counted(of)) return;
        rates_.message(now);
        rates_.count(robot, of.rate, now);
    }

    // The instrument; null if it is not traded.
    [[nodiscard]] PyObject* traded(const nb::object& symbol) const {
        return found_in(Fields(state_).field<"instruments">(), symbol);
    }

    [[nodiscard]] bool is_traded(const nb::object& symbol) const {
        return traded(symbol) != nullptr;
    }

    [[nodiscard]] std::int64_t reference_of(const nb::object& symbol) const {
        const nb::object manager = Fields(state_).field<"manager">();
        return number_in(Fields(manager).field<"references">(), symbol);
    }

    // Makes the order; none if its number exists, or its id is too long for the venue.
    [[nodiscard]] AccountOrderRef made(const OrderTerms& terms, const nb::bytes& payload,
                                       std::int64_t robot, const Robot& of, std::int64_t now) {
        OrderRequestPayload requested;
        std::memcpy(&requested, payload.c_str(), sizeof requested);
        const ClientId id{of.tag, requested.order_id >> epoch_bits,
                          requested.order_id & ((std::uint64_t{1} << epoch_bits) - 1)};
        if (requested.order_id == 0 || is_by_hand(requested.order_id) ||
            broken_rule(id) != nullptr || index_.of_robot(robot, requested.order_id))
            return nullptr;
        auto order = std::make_shared<AccountOrder>();
        order->robot = robot;
        order->order_id = requested.order_id;
        order->terms = terms;
        order->size = terms.size;
        order->price = terms.price;
        order->created = now;
        order->client_id = client_id(id);
        const nb::object venue = Fields(index_object_).field<"venue">();
        const std::int64_t chars = Fields(venue).number<"client_id_chars">();
        return static_cast<std::int64_t>(order->client_id.size()) <= chars ? order : nullptr;
    }

    // Whether a halt or limit forbids new risk now.
    [[nodiscard]] bool is_stopped(const OrderTerms& terms, const nb::object& symbol,
                                  std::int64_t now) {
        const Fields state(state_);
        if (!state.flag<"ready">() || state.flag<"disk_full">() || state.flag<"is_deaf">())
            return true;
        const nb::object halts = state.field<"halts">(), around = state.field<"around">();
        if (holds(Fields(halts).field<"killed">()) || holds(Fields(halts).field<"by_id">()) ||
            holds(Fields(halts).field<"unprotected">()))
            return true;
        if (Fields(around).flag<"is_guarded">() && now >= Fields(halts).number<"lease_until">())
            return true;
        if (now >= Fields(halts).number<"open_until">()) return true;
        if (!index_.sums().unknown(terms.symbol).empty()) return true;
        const nb::object mode = Fields(state.field<"manager">()).field<"mode">();
        if (!mode.is_none()) {
            const nb::object is_hedge = Fields(mode).field<"hedge">();
            if (!is_hedge.is(state.field<"hedge">()) || !Fields(mode).flag<"can_trade">() ||
                has_sides(is_hedge, terms) == (terms.position_side == PositionSide::both))
                return true;
        }
        return integer_of(nb::object(Fields(around).field<"silent_ns">()(symbol)).ptr()) != 0;
    }

    // Whether an order names a position side: in hedge mode, but not on spot.
    [[nodiscard]] bool has_sides(const nb::object& is_hedge, const OrderTerms& terms) const {
        return holds(is_hedge) && reserves_.facts_of(terms.symbol).spec.kind != ContractKind::spot;
    }

    [[nodiscard]] std::int64_t held(const nb::object& manager, const OrderTerms& terms,
                                    const nb::object& symbol) const {
        const nb::tuple key = nb::make_tuple(symbol, word_of(terms.position_side));
        return number_in(Fields(manager).field<"positions">(), key);
    }

    // --- limits ---

    [[nodiscard]] OrderLimits limits_of(const nb::object& symbol, const ReserveTerms& facts) {
        const nb::object limits = Fields(state_).field<"limits">();
        if (!limits.is(limits_)) take_limits(limits);
        if (!account_.are_plain) return {};
        const Fields of(limits);
        return {number_in(of.field<"position_max">(), symbol),
                number_in(of.field<"order_max">(), symbol),
                amount_in(of.field<"order_value_max">(), reserves_.word(facts.settle)), band_};
    }

    void take_limits(const nb::object& limits) {
        const Fields of(limits);
        account_ = {of.number<"orders_a_second">(), of.number<"messages_a_second">(),
                    of.number<"open_orders_max">(),
                    !holds(of.field<"open_value_max">()) && !holds(of.field<"symbols">())};
        // Beyond ten times the price the core's numbers may overflow.
        const nb::object units = limits.attr("price_band_units");
        band_ = int128_from_python(units.ptr());
        if (band_ > 10 * pow10(money_decimals)) account_.are_plain = false;
        limits_ = limits;
    }

    [[nodiscard]] bool is_counted(const Robot& of) const noexcept {
        return of.rate != 0 || account_.orders_a_second != 0 || account_.messages_a_second != 0;
    }

    [[nodiscard]] bool are_kept(const Robot& of, std::int64_t robot, std::int64_t now,
                                bool is_new) const {
        const auto is_below = [](std::int64_t count, std::int64_t most) {
            return most == 0 || count < most;
        };
        return account_.are_plain && rates_.may_send(robot, of.rate, now) &&
               (!is_new || is_below(static_cast<std::int64_t>(index_.open_count()),
                                    account_.open_orders_max)) &&
               is_below(rates_.messages_this_second(now), account_.messages_a_second) &&
               is_below(rates_.sent_this_second(now), account_.orders_a_second);
    }

    // --- money ---

    // Whether the venue's balance pays for a spot order with all working ones; margin is left to
    // the venue.
    [[nodiscard]] bool is_funded(const ReserveTerms& facts, const OrderTerms& terms,
                                 const OrderSetting& setting, const nb::object& manager) {
        if (facts.spec.kind != ContractKind::spot) return true;
        const auto wanted = spot_funds(facts, terms, setting.left(terms), setting.reference);
        if (!wanted) return false;
        Int128 free = holding(manager, reserves_.word(wanted->currency));
        for (const auto& [symbol, side, sums] : index_.sums().spent(setting.old)) {
            const nb::object word = reserves_.word(symbol);
            if (!is_traded(word)) continue;
            const ReserveTerms& of = reserves_.facts_of(symbol);
            if (of.spec.kind != ContractKind::spot) continue;
            const auto spent = spot_funds(of, side, sums, reference_of(word));
            if (!spent) return false;
            if (spent->currency == wanted->currency) free -= spent->units;
        }
        return wanted->units <= free;
    }

    // The newest balance and the fills since: see `Books.holding`.
    [[nodiscard]] static Int128 holding(const nb::object& manager, const nb::object& currency) {
        const nb::object books = Fields(manager).field<"books">();
        const Fields of(books);
        PyObject* const newest = found_in(of.field<"balances">(), currency);
        const Int128 sum = amount_in(of.field<"unreported">(), currency);
        if (newest == nullptr) return sum;
        return int128_from_python(Fields(newest).field<"total">().ptr()) + sum;
    }

    [[nodiscard]] bool is_shared() const { return !subaccounts_.is_none(); }

    [[nodiscard]] bool is_paid(const ReserveTerms& facts, const OrderTerms& terms,
                               std::int64_t slot, const OrderSetting& setting) {
        if (!is_shared()) return true;
        const std::int64_t price = terms.price != 0 ? terms.price : setting.reference;
        const std::string_view old =
            setting.old == nullptr ? "" : std::string_view(setting.old->client_id);
        const auto wanted =
            reserves_.core().wanted(facts, terms, setting.left(terms), price, slot, old);
        if (!wanted) return true;
        const nb::object currency = reserves_.word(wanted->currency);
        if (found_in(Fields(statements_).field<"stopped">(), currency) != nullptr) return false;
        return wanted->units <=
               free(currency, slot) - reserves_.core().held(wanted->currency, slot);
    }

    [[nodiscard]] Int128 free(const nb::object& currency, std::int64_t slot) const {
        const Fields of(subaccounts_);
        const nb::object balances = Fields(of.field<"ledger">()).field<"balances">();
        return nb::cast<const PyBalances&>(balances).free_of(
            text_of(currency.ptr()), slot, amount_in(of.field<"credit">(), currency));
    }

    void hold(const ReserveTerms& facts, const AccountOrder& order, std::int64_t slot,
              std::int64_t reference) {
        const std::int64_t market = order.terms.type == OrderType::market ? reference : 0;
        const Reserves::Changed changed = reserves_.core().update(facts, order, slot, market);
        for (std::size_t at = 0; at < changed.count; ++at)
            add_to(changed_, reserves_.word(changed.currencies[at]));
    }

    nb::object state_, index_object_, reserves_object_, subaccounts_, statements_;
    nb::object changed_, append_, streams_;
    PyOrderIndex& index_;
    PyReserves& reserves_;
    OrderRates& rates_;
    std::unordered_map<std::int64_t, Robot> robots_;
    nb::object limits_ = nb::none();  // the source of these
    AccountLimits account_;
    Int128 band_ = 0;
};

}  // namespace

void bind_plain_orders(nb::module_& m) {
    nb::class_<PyPlainOrders>(
        m, "PlainOrders", nb::type_slots(Collected<PyPlainOrders>::slots),
        "New orders that pass the pre-trade list without a question, and their cancels. See "
        "core/orders/plain_order.hpp.")
        .def(nb::init<nb::object, nb::object, nb::object, nb::object, nb::object, nb::object,
                      nb::object, nb::object>(),
             nb::arg("state"), nb::arg("index"), nb::arg("reserves"), nb::arg("subaccounts").none(),
             nb::arg("statements"), nb::arg("changed"), nb::arg("append"), nb::arg("streams"),
             nb::sig("def __init__(self, state: onetape.orders.trading_state.TradingState, index: "
                     "OrderIndex, reserves: Reserves, subaccounts: "
                     "onetape.accounts.slots.SubAccounts | None, statements: "
                     "onetape.accounts.statement.Statements, changed: set[str], append: "
                     "typing.Callable[..., int], streams: typing.Mapping[str, int]) -> None"),
             "subaccounts: whose money orders want; None: the account has none. changed: takes "
             "the currencies of which another amount is held. append: writes a frame of the "
             "gateway's tape: type, payload, stream, time, and whether it takes on risk.")
        .def("follow", &PyPlainOrders::follow, nb::arg("robot"), nb::arg("slot"), nb::arg("rate"),
             nb::arg("tag"),
             "Takes orders of a robot from here on. rate: orders a second, 0: any; tag: in its "
             "client ids.")
        .def("report", &PyPlainOrders::report, nb::arg("report"), nb::arg("now"),
             nb::arg("query_at"), nb::arg("wall"), nb::arg("is_accepted") = false,
             nb::sig("def report(self, report: onetape.orders.reports.OrderStatusReport, now: int, "
                     "query_at: int, wall: int, is_accepted: bool = False) -> bool"),
             "Takes in what the venue says of an order and writes the news; False: the manager "
             "decides, and nothing has changed. query_at: when the venue is asked for fills "
             "that it counts and has not told. is_accepted: it answers the order's placing.")
        .def("place", &PyPlainOrders::place, nb::arg("payload"), nb::arg("symbol"),
             nb::arg("robot"), nb::arg("now"), nb::arg("wall"),
             nb::sig("def place(self, payload: bytes, symbol: str, robot: int, now: int, wall: "
                     "int) -> AccountOrder | None"),
             "Takes in a new order of a robot's frame and writes its intent; None: the list of "
             "rules decides, and nothing has changed.")
        .def("amend", &PyPlainOrders::amend, nb::arg("payload"), nb::arg("robot"), nb::arg("now"),
             nb::arg("wall"),
             nb::sig("def amend(self, payload: bytes, robot: int, now: int, wall: int) -> "
                     "AccountOrder | None"),
             "Takes in that a robot's frame asks for another price or size of an order that works "
             "and writes the intent; None: the list of rules decides, and nothing has changed.")
        .def("cancel", &PyPlainOrders::cancel, nb::arg("payload"), nb::arg("robot"), nb::arg("now"),
             nb::arg("wall"),
             nb::sig("def cancel(self, payload: bytes, robot: int, now: int, wall: int) -> "
                     "AccountOrder | None"),
             "Takes in that a robot's frame asks for the end of an order that works and writes the "
             "intent; None: the manager decides, and nothing has changed.");
}
