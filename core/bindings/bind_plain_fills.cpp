// Books fills of usual orders of contracts at a gateway, from the venue's report to the ledger's
// entry in one call.
#include <nanobind/stl/shared_ptr.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "accounts/booked.hpp"
#include "accounts/entry_frame.hpp"
#include "accounts/fill_entry.hpp"
#include "bindings/bind.hpp"
#include "bindings/collected.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/order_spec.hpp"
#include "bindings/py_balances.hpp"
#include "bindings/py_order_index.hpp"
#include "bindings/py_reserves.hpp"
#include "exchange/position.hpp"
#include "orders/plain_report.hpp"

using namespace onetape;

namespace {

// Trade ids from here on are hashes of a venue's ids: they have no order
// (onetape/orders/reports.py).
constexpr std::uint64_t hashed_trades = std::uint64_t{1} << 62;

// A fill as the venue reports it.
struct Report {
    nb::object symbol, venue_id, position_side, fee_currency;
    OrderFill fill;
    std::int64_t time = 0, change = 0;
    Int128 fee = 0;
    Side side{};
    Liquidity liquidity{};

    Report(const Fields& of, std::int64_t trade_id)
        : symbol(of.field<"symbol">()),
          venue_id(of.field<"venue_id">()),
          position_side(of.field<"position_side">()),
          fee_currency(of.field<"fee_currency">()),
          fill{text_of(venue_id.ptr()), static_cast<std::uint64_t>(trade_id), of.number<"price">(),
               of.number<"size">()},
          time(of.number<"time">()),
          fee(int128_from_python(of.field<"fee">().ptr())),
          side(of.word<Side, "side">()),
          liquidity(of.word<Liquidity, "liquidity">()) {
        change = side == Side::sell ? -fill.size : fill.size;
    }

    [[nodiscard]] bool is_hashed() const noexcept { return fill.trade_id >= hashed_trades; }
    // The key by which it is booked once among the fills of its symbol.
    [[nodiscard]] std::string name(std::uint64_t trade_id) const {
        return (side == Side::sell ? "-" : "") + std::to_string(trade_id);
    }
    // Whether it is booked already; a tape of version 0.1.0 has one of two ids for a hash.
    [[nodiscard]] bool is_among(const Booked& trades) const {
        if (trades.is_old(time) || trades.has(name(fill.trade_id))) return true;
        const std::uint64_t former = 2 * (fill.trade_id - hashed_trades);
        return is_hashed() && (trades.has(name(former)) || trades.has(name(former + 1)));
    }
    // If ids are unordered, the sort key is the price: negative for an order that takes from the
    // book and meets the highest price first.
    [[nodiscard]] std::int64_t sweep() const noexcept {
        if (!is_hashed()) return 0;
        const bool is_rising = (side == Side::sell) == (liquidity == Liquidity::maker);
        return is_rising ? fill.price : -fill.price;
    }
    // The key by which its entry is booked once.
    [[nodiscard]] std::string reference() const {
        std::string text(text_of(symbol.ptr()));
        text += ' ' + std::to_string(fill.trade_id);
        return text += side == Side::sell ? " sell" : " buy";
    }
};

class PyPlainFills final {
 public:
    PyPlainFills(nb::object index, nb::object kept, nb::object money, nb::object tape)
        : index_object_(std::move(index)),
          kept_(std::move(kept)),
          money_(std::move(money)),
          tape_(std::move(tape)),
          reserves_object_(Fields(kept_).field<"reserves">()),
          index_(*nb::cast<PyOrderIndex*>(index_object_)),
          reserves_(*nb::cast<PyReserves*>(reserves_object_)) {}

    // The objects that it refers to, which refer to it in turn.
    [[nodiscard]] std::array<nb::object*, 5> objects() noexcept {
        return {&index_object_, &kept_, &money_, &tape_, &reserves_object_};
    }

    // Returns whether the fill was booked.
    [[nodiscard]] bool take(const nb::object& fill, std::int64_t wall) {
        const Fields of(fill);
        int overflow = 0;
        const std::int64_t trade_id =
            PyLong_AsLongLongAndOverflow(of.field<"trade_id">().ptr(), &overflow);
        if (overflow != 0 || trade_id < 0) return false;  // no venue has such an id
        const Report report(of, trade_id);
        const AccountOrderRef order = order_of(of, report);
        if (!order || !may_fill(*order, report.fill)) return false;
        const nb::object robots = Fields(parts()).field<"robots">();
        PyObject* const life = found_in(robots, nb::int_(order->robot));
        if (life == nullptr) return false;
        const nb::object robot = nb::borrow(life);
        Booking at{report, *order, Fields(robot).number<"slot">(), robot, {}, {}, {}, {}};
        return is_next(at) && book(at, fill, wall);
    }

 private:
    // A fill being booked. own: the sub-account's position, with the account's in `account`;
    // reference: the key by which its entry is booked once.
    struct Booking {
        const Report& report;
        AccountOrder& order;
        std::int64_t slot;
        const nb::object& life;
        nb::object own, account, recent;
        std::string reference;
    };

    [[nodiscard]] AccountOrderRef order_of(const Fields& of, const Report& report) const {
        const nb::object client_id = of.field<"client_id">();
        const Symbol symbol = symbol_of(report.symbol);
        AccountOrderRef found = index_.named(text_of(client_id.ptr()));
        if (!found) found = index_.of_venue(symbol, report.fill.venue_id);
        return found && found->terms.symbol == symbol ? found : nullptr;
    }

    [[nodiscard]] nb::object parts() const { return Fields(tape_).field<"parts">(); }
    [[nodiscard]] nb::object books() const { return Fields(index_object_).field<"books">(); }
    [[nodiscard]] nb::object ledger() const { return Fields(kept_).field<"ledger">(); }
    [[nodiscard]] nb::object booking() const {
        const nb::object fills = Fields(kept_).field<"fills">();
        return Fields(fills).field<"booking">();
    }

    // Whether it is not booked yet, comes after all fills that it could affect, and its position
    // and its sub-account are known.
    [[nodiscard]] bool is_next(Booking& at) {
        const Report& report = at.report;
        PyObject* const trades = found_in(Fields(books()).field<"trades">(), report.symbol);
        if (trades == nullptr || !holds(Fields(kept_).field<"opened">()) ||
            at.slot >= Fields(money_).number<"slots_used">())
            return false;
        if (report.is_among(*nb::cast<Booked*>(nb::handle(trades)))) return false;
        const nb::object statements = Fields(kept_).field<"statements">();
        const nb::object unexplained = Fields(statements).field<"unexplained">();
        if (report.time <= Fields(unexplained).number<"compared_last">()) return false;
        at.reference = report.reference();
        const nb::object entries = Fields(ledger()).field<"fills">();
        const Booked& booked = nb::cast<const Booked&>(entries);
        return !booked.has(at.reference) && !booked.is_old(report.time) && find_position(at);
    }

    [[nodiscard]] bool find_position(Booking& at) {
        const nb::object key = nb::make_tuple(at.slot, at.report.symbol, at.report.position_side);
        PyObject* const own = found_in(Fields(booking()).field<"positions">(), key);
        if (own == nullptr) return false;
        at.own = nb::borrow(own);
        const Fields of(at.own);
        const nb::object terms = of.field<"terms">();
        const Symbol symbol = at.order.terms.symbol;
        if (!reserves_.lists(symbol, Fields(terms).field<"instrument">()) ||
            reserves_.facts_of(symbol).spec.kind == ContractKind::spot)
            return false;
        at.account = of.field<"account">();
        at.recent = of.field<"recent">();
        const Py_ssize_t count = PyObject_Size(at.recent.ptr());
        if (count < 0) throw nb::python_error();
        if (count == 0) return true;
        const nb::object last = nb::steal(PySequence_GetItem(at.recent.ptr(), count - 1));
        if (!last.is_valid()) throw nb::python_error();
        return !is_before(at.report, last.ptr());
    }

    // Whether a fill comes before another one stored by the ledger's booking: by the venue's time,
    // then by trade id if ids are ordered, else by `sweep`.
    [[nodiscard]] static bool is_before(const Report& report, PyObject* kept) {
        const auto kept_field = [&](Py_ssize_t at) { return PyTuple_GET_ITEM(kept, at); };
        const std::int64_t time = integer_of(kept_field(0));
        if (report.time != time) return report.time < time;
        if (!report.is_hashed()) {
            const unsigned long long trade_id = PyLong_AsUnsignedLongLong(kept_field(1));
            if (PyErr_Occurred() != nullptr) throw nb::python_error();
            return report.fill.trade_id < trade_id;
        }
        const std::int64_t sweep = integer_of(kept_field(2)), own = report.sweep();
        return own < sweep && (own < 0) == (sweep < 0) && own != 0 && sweep != 0;
    }

    [[nodiscard]] bool book(Booking& at, const nb::object& fill, std::int64_t wall) {
        const Report& report = at.report;
        const ReserveTerms& facts = reserves_.facts_of(at.order.terms.symbol);
        const std::int64_t fee_number = fee_currency_number(report, facts);
        Position& own = nb::cast<Position&>(at.own);
        Position& account = nb::cast<Position&>(at.account);
        const Position own_before = own, account_before = account;
        Position own_after = own, account_after = account;
        std::int64_t sum = 0;
        if (fee_number < 0 || __builtin_add_overflow(own.qty, report.change, &sum) ||
            __builtin_add_overflow(account.qty, report.change, &sum))
            return false;
        const Money value = facts.spec.notional(report.fill.price, report.change);
        FillMoney money{at.slot, facts.settle.text(), facts.settle.text(), 0, 0, report.fee};
        if (fee_number > 0) money.fee_currency = text_of(report.fee_currency.ptr());
        money.profit = own_after.apply(facts.spec, report.change, value);
        money.total = account_after.apply(facts.spec, report.change, value);
        fill_legs(money, entry_.legs);
        Balances& balances = nb::cast<PyBalances&>(Fields(ledger()).field<"balances">()).core();
        if (!balances.takes(entry_)) return false;

        note_trade(at);
        fill_plainly(index_, at.order, report.fill);
        Fields(parts()).field<"note_fill">()(at.life, fill, tag_of(at.order));
        entry_.of = append_fill(at, static_cast<std::uint32_t>(fee_number), wall);
        own = own_after;
        account = account_after;
        note_recent(at, value, own_before, account_before);
        add_to(Fields(money_).field<"filled">(),
               nb::make_tuple(report.symbol, report.position_side));
        lock(at, facts, own);
        append_entry(at, balances);
        return true;
    }

    // The tape's number of the fee's currency: 0: the settle currency; -1: none yet.
    [[nodiscard]] std::int64_t fee_currency_number(const Report& report,
                                                   const ReserveTerms& facts) const {
        const std::string_view name = text_of(report.fee_currency.ptr());
        if (name.empty() || name == facts.settle.text()) return 0;
        for (const auto& [number, each] : nb::cast<nb::dict>(Fields(tape_).field<"currencies">()))
            if (text_of(each.ptr()) == name) return integer_of(number.ptr());
        return -1;
    }

    void note_trade(const Booking& at) const {
        const Report& report = at.report;
        const nb::object all = books();
        const Fields of(all);
        const nb::object trades = of.field<"trades">(), held = of.field<"positions">();
        nb::cast<Booked&>(nb::handle(found_in(trades, report.symbol)))
            .add(report.name(report.fill.trade_id), report.time);
        all.attr("booked") = of.number<"booked">() + 1;
        const nb::tuple key = nb::make_tuple(report.symbol, report.position_side);
        PyObject* const before = found_in(held, key);
        const std::int64_t qty = (before == nullptr ? 0 : integer_of(before)) + report.change;
        if (PyDict_SetItem(held.ptr(), key.ptr(), nb::int_(qty).ptr()) != 0)
            throw nb::python_error();
    }

    [[nodiscard]] static nb::object tag_of(const AccountOrder& order) {
        return nb::str(order.terms.tag.data());
    }

    [[nodiscard]] std::int64_t append_fill(const Booking& at, std::uint32_t fee_number,
                                           std::int64_t wall) const {
        const Report& report = at.report;
        const Fields tape(tape_);
        FillPayload frame{};
        frame.order_id = at.order.order_id;
        frame.venue_id = venue_number(report.fill.venue_id);
        frame.trade_id = report.fill.trade_id;
        frame.ts_event = report.time;
        frame.price = report.fill.price;
        frame.size = report.fill.size;
        frame.fee_low = low_half(report.fee);
        frame.fee_high = high_half(report.fee);
        frame.side = report.side;
        frame.liquidity = report.liquidity;
        frame.position_side = word_from<PositionSide>(report.position_side);
        frame.robot = static_cast<std::uint8_t>(at.order.robot);
        frame.fee_currency = fee_number;
        const nb::object sequence = tape.field<"append_plain">()(
            static_cast<int>(EventType::fill), bytes_of(frame),
            nb::handle(found_in(tape.field<"streams">(), report.symbol)), wall, false);
        return integer_of(sequence.ptr());
    }

    void note_recent(const Booking& at, Money value, const Position& own,
                     const Position& account) const {
        const nb::object type = Fields(booking()).field<"fill_type">();
        const nb::object made = new_tuple(reinterpret_cast<PyTypeObject*>(type.ptr()), 8);
        put(made, 0, nb::steal(PyLong_FromLongLong(at.report.time)));
        put(made, 1, nb::steal(PyLong_FromUnsignedLongLong(at.report.fill.trade_id)));
        put(made, 2, nb::steal(PyLong_FromLongLong(at.report.sweep())));
        put(made, 3, nb::steal(PyLong_FromLongLong(at.slot)));
        put(made, 4, nb::steal(PyLong_FromLongLong(at.report.change)));
        put(made, 5, int128_to_python(value));
        put(made, 6, state_of(own));
        put(made, 7, state_of(account));
        Fields(at.recent).field<"append">()(made);
    }

    [[nodiscard]] static nb::object state_of(const Position& position) {
        return nb::make_tuple(position.qty, int128_to_python(position.cost),
                              int128_to_python(position.realized));
    }

    void lock(const Booking& at, const ReserveTerms& facts, const Position& own) {
        const Report& report = at.report;
        const auto side = word_from<PositionSide>(report.position_side);
        note_changed(reserves_.core().position(facts, at.order.terms.symbol, side, at.slot, own.qty,
                                               own.cost));
        const nb::object reductions = Fields(money_).field<"reductions">();
        Fields(reductions)
            .field<"position">()(at.slot, report.symbol, report.position_side,
                                 word_of(report.side));
    }

    void append_entry(const Booking& at, Balances& balances) {
        entry_.time = at.report.time;
        entry_.cause = "fill";
        entry_.reference = at.reference;
        entry_.note = "";
        frame_.clear();
        onetape::append_entry(frame_, entry_);
        Fields(money_).field<"append_entry">()(nb::bytes(frame_.data(), frame_.size()));
        if (!balances.post(entry_)) throw nb::value_error("a balance that was to fit does not");
        const nb::object all = ledger();
        const Fields of(all);
        nb::cast<Booked&>(of.field<"fills">()).add(at.reference, at.report.time);
        all.attr("posted") = of.number<"posted">() + 1;
        for (const EntryLeg& leg : entry_.legs)
            add_to(changed(), nb::str(leg.currency.data(), leg.currency.size()));
        note_changed(reserves_.take(at.order, at.slot));
        if (at.order.terms.only_reduces() || at.order.terms.own_reducing) {
            const nb::object reductions = Fields(money_).field<"reductions">();
            Fields(reductions).field<"order">()(nb::cast(at.order.shared_from_this()));
        }
    }

    [[nodiscard]] nb::object changed() const { return Fields(money_).field<"changed">(); }

    void note_changed(const Reserves::Changed& found) {
        for (std::size_t at = 0; at < found.count; ++at)
            add_to(changed(), reserves_.word(found.currencies[at]));
    }

    nb::object index_object_, kept_, money_, tape_, reserves_object_;
    PyOrderIndex& index_;
    PyReserves& reserves_;
    EntryFrame entry_;
    std::string frame_;
};

}  // namespace

void bind_plain_fills(nb::module_& m) {
    nb::class_<PyPlainFills>(
        m, "PlainFills", nb::type_slots(Collected<PyPlainFills>::slots),
        "Fills of usual orders of contracts, from the venue's word to the ledger. See "
        "core/orders/plain_report.hpp and core/accounts/fill_entry.hpp.")
        .def(nb::init<nb::object, nb::object, nb::object, nb::object>(), nb::arg("index"),
             nb::arg("kept"), nb::arg("money"), nb::arg("tape"),
             nb::sig("def __init__(self, index: OrderIndex, kept: "
                     "onetape.accounts.kept_money.KeptMoney, money: "
                     "onetape.gateway.account_money.AccountMoney, tape: "
                     "onetape.gateway.gateway_tape.GatewayTape) -> None"))
        .def("take", &PyPlainFills::take, nb::arg("fill"), nb::arg("wall"),
             nb::sig("def take(self, fill: onetape.orders.reports.FillReport, wall: int) -> bool"),
             "Books a fill and writes it and its entry; False: the manager decides, and nothing "
             "has changed.");
}
