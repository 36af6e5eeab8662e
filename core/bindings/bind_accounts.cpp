// Entries of a ledger as Python tuples, to and from the payload of a frame. Most of the cost of
// writing and reading a fill.
#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "accounts/balances.hpp"
#include "accounts/booked.hpp"
#include "accounts/entry_frame.hpp"
#include "bindings/bind.hpp"
#include "bindings/exchange_cast.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/position_rows.hpp"
#include "bindings/py_balances.hpp"
#include "bindings/python_values.hpp"

using namespace onetape;

namespace {

constexpr Py_ssize_t entry_fields = 6;

// One str for each of the few currencies, shared by all entries.
class Words {
 public:
    [[nodiscard]] nb::object of(std::string_view text) {
        nb::object& cached = kept_[std::hash<std::string_view>{}(text) % kept_.size()];
        if (cached.is_valid() && text_of(cached.ptr()) == text) return cached;
        nb::object made = nb::steal(
            PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
        if (made.is_valid()) cached = made;
        return made;
    }

 private:
    std::array<nb::object, 64> kept_;
};

class EntryFrames {
 public:
    EntryFrames(nb::type_object entry, nb::type_object leg, const nb::dict& causes)
        : entry_(std::move(entry)), leg_(std::move(leg)), causes_(causes) {
        if (!PyType_IsSubtype(type_of(entry_), &PyTuple_Type) ||
            !PyType_IsSubtype(type_of(leg_), &PyTuple_Type))
            throw nb::type_error("entries and legs are tuples");
    }

    [[nodiscard]] nb::bytes pack(const nb::object& entry) {
        check_tuple(entry.ptr(), entry_fields, "an entry is a tuple of six");
        PyObject* const* const fields = &PyTuple_GET_ITEM(entry.ptr(), 0);
        frame_.time = integer_of(fields[0]);
        frame_.cause = text_of(fields[1]);
        legs_.take(fields[2], frame_);
        frame_.reference = text_of(fields[3]);
        frame_.of = integer_of(fields[4]);
        frame_.note = text_of(fields[5]);
        out_.clear();
        append_entry(out_, frame_);
        return nb::bytes(out_.data(), out_.size());
    }

    [[nodiscard]] nb::object unpack(const nb::bytes& payload) {
        if (!read_entry({payload.c_str(), payload.size()}, frame_)) return nb::none();
        try {
            return entry_of(frame_);
        } catch (nb::python_error& error) {
            // Not UTF-8: the reader of unusual entries reports it.
            if (!error.matches(PyExc_UnicodeDecodeError)) throw;
            return nb::none();
        }
    }

 private:
    [[nodiscard]] static PyTypeObject* type_of(const nb::type_object& type) {
        return reinterpret_cast<PyTypeObject*>(type.ptr());
    }

    [[nodiscard]] nb::object entry_of(const EntryFrame& frame) {
        const nb::object cause = words_.of(frame.cause);
        if (!cause.is_valid()) throw nb::python_error();
        PyObject* const cached = PyDict_GetItemWithError(causes_.ptr(), cause.ptr());
        if (cached == nullptr) {
            if (PyErr_Occurred() != nullptr) throw nb::python_error();
            return nb::none();
        }
        const auto count = static_cast<Py_ssize_t>(frame.legs.size());
        const nb::object legs = nb::steal(PyTuple_New(count));
        if (!legs.is_valid()) throw nb::python_error();
        for (Py_ssize_t at = 0; at < count; ++at) {
            const EntryLeg& leg = frame.legs[static_cast<std::size_t>(at)];
            nb::object made = new_tuple(type_of(leg_), leg_fields);
            put(made, 0, nb::steal(PyLong_FromLongLong(leg.holder)));
            put(made, 1, words_.of(leg.currency));
            put(made, 2, int128_to_python(leg.amount));
            put(made, 3, words_.of(leg.wallet));
            put(legs, at, std::move(made));
        }
        nb::object made = new_tuple(type_of(entry_), entry_fields);
        put(made, 0, nb::steal(PyLong_FromLongLong(frame.time)));
        put(made, 1, nb::borrow(cached));
        put(made, 2, legs);
        put(made, 3, text(frame.reference));
        put(made, 4, nb::steal(PyLong_FromLongLong(frame.of)));
        put(made, 5, words_.of(frame.note));
        return made;
    }

    [[nodiscard]] static nb::object text(std::string_view view) {
        return nb::steal(
            PyUnicode_DecodeUTF8(view.data(), static_cast<Py_ssize_t>(view.size()), nullptr));
    }

    nb::type_object entry_, leg_;
    nb::dict causes_;
    Words words_;
    EntryFrame frame_;
    std::string out_;
    EntryLegs legs_;
};

[[nodiscard]] bool has_booked(const Booked& booked, const nb::str& name, const nb::object& time) {
    if (!time.is_none() && booked.is_old(integer_of(time.ptr()))) return true;
    return booked.has(text_of(name.ptr()));
}

}  // namespace

void bind_accounts(nb::module_& m) {
    nb::class_<EntryFrames>(m, "EntryFrames",
                            "Entries of a ledger to and from frames; see accounts/entry_frame.hpp.")
        .def(nb::init<nb::type_object, nb::type_object, const nb::dict&>(), nb::arg("entry"),
             nb::arg("leg"), nb::arg("causes"))
        .def("pack", &EntryFrames::pack, nb::arg("entry"), "The payload of its frame.")
        .def("unpack", &EntryFrames::unpack, nb::arg("payload"),
             "The entry; None where the payload is not in the form that `pack` gives it.",
             nb::sig("def unpack(self, payload: bytes) -> Any"));
    nb::class_<Booked>(
        m, "Booked",
        "What was booked, by name: the newest by their own time, and of what was let "
        "go a time; see accounts/booked.hpp.")
        .def(nb::init<std::size_t>(), nb::arg("names_max"))
        .def("has", &has_booked, nb::arg("name"), nb::arg("time") = nb::none(),
             "It was. With its time: or it is as old as what was let go.",
             nb::sig("def has(self, name: str, time: int | None = None) -> bool"))
        .def(
            "add",
            [](Booked& booked, const nb::str& name, std::int64_t time) {
                booked.add(text_of(name.ptr()), time);
            },
            nb::arg("name"), nb::arg("time"), "One that is not known by name.")
        .def(
            "rows",
            [](const Booked& booked) {
                nb::list found;
                for (const auto& [name, time] : booked.rows())
                    found.append(nb::make_tuple(nb::str(name.data(), name.size()), time));
                return found;
            },
            "(name, time) of all that are known, by time and name.",
            nb::sig("def rows(self) -> list[tuple[str, int]]"))
        .def_prop_ro("complete", &Booked::complete, "What is older counts as booked.")
        .def("restore", &Booked::restore, nb::arg("complete"))
        .def("__len__", &Booked::size)
        .attr("NEVER") = Booked::never;
    nb::class_<PositionRows>(m, "PositionRows",
                             "Positions as an account's state table shows them. See "
                             "core/bindings/position_rows.hpp.")
        .def(nb::init<std::uint16_t>(), nb::arg("kind"))
        .def(
            "show",
            [](PositionRows& rows, TableWriter& table, const std::string& key, const Position& held,
               const InstrumentSpec& spec, const nb::int_& entry, std::int64_t price,
               std::int64_t ts_data, std::uint64_t sequence) {
                rows.show(table, key, held, spec, money_from_python(entry), price, ts_data,
                          sequence);
            },
            nb::arg("table"), nb::arg("key"), nb::arg("held"), nb::arg("spec"), nb::arg("entry"),
            nb::arg("price"), nb::arg("ts_data"), nb::arg("sequence"),
            "Writes a position, unless it is shown so already. entry: 1e-18; price: in units, 0: "
            "none is known.")
        .def("clear", &PositionRows::clear, nb::arg("table"), nb::arg("key"), nb::arg("ts_data"),
             nb::arg("sequence"), "Shows that there is none any more.");
    const auto at_wallet = nb::arg("wallet") = "";
    nb::class_<PyBalances>(m, "Balances",
                           "What each holder has, 128 bits each; see accounts/balances.hpp.")
        .def(
            "__init__",
            [](PyBalances* self, std::int64_t least, std::int64_t most, std::int64_t also_ours,
               std::size_t recent_max) {
                new (self) PyBalances(BalanceRules{least, most, also_ours, recent_max});
            },
            nb::kw_only(), nb::arg("least"), nb::arg("most"), nb::arg("also_ours"),
            nb::arg("recent_max"))
        .def("takes", &PyBalances::takes, nb::arg("legs"),
             "They are an entry's, and no balance leaves 128 bits by them.",
             nb::sig("def takes(self, legs: tuple[tuple[int, str, int, str], ...]) -> bool"))
        .def("post", &PyBalances::post, nb::arg("time"), nb::arg("legs"),
             "All legs, or False and nothing has changed.",
             nb::sig(
                 "def post(self, time: int, legs: tuple[tuple[int, str, int, str], ...]) -> bool"))
        .def("replay_fill", &PyBalances::replay_fill, nb::arg("payload"), nb::arg("later_than"),
             nb::arg("booked"),
             "A fill's frame, booked as it lies on the tape: the frame that it is of. None, and "
             "nothing has changed: it has to be looked at as an entry.",
             nb::sig("def replay_fill(self, payload: bytes, later_than: int, booked: Booked) -> "
                     "int | None"))
        .def("balance", &PyBalances::balance, nb::arg("currency"), nb::arg("holder"), at_wallet,
             "0: the total. 0 where nothing was ever posted.",
             nb::sig("def balance(self, currency: str, holder: int, wallet: str = \"\") -> int"))
        .def(
            "free", &PyBalances::free, nb::arg("currency"), nb::arg("slot"), nb::arg("credit"),
            "What a slot may use if nothing is held: its balance; of the first, the pool, with its "
            "credit and less what netting has lost.",
            nb::sig("def free(self, currency: str, slot: int, credit: int) -> int"))
        .def("show", &PyBalances::show, nb::arg("currency"), nb::arg("count"), nb::arg("reserves"),
             nb::arg("table"), nb::arg("kind"), nb::arg("ts_data"), nb::arg("sequence"),
             "Writes so many slots of a currency, with what is held of each, to a state table. "
             "False, and nothing is written: one beyond them has something, or they are not the "
             "total.")
        .def("slots", &PyBalances::slots, nb::arg("currency"), nb::arg("count"), at_wallet,
             "Holders from 0 on: the total, the first with what else is ours, the others; None "
             "where one beyond them has anything.",
             nb::sig("def slots(self, currency: str, count: int, wallet: str = \"\") -> "
                     "list[int] | None"))
        .def("holders", &PyBalances::holders, nb::arg("currency"), at_wallet,
             "(holder, balance) of all that have anything.",
             nb::sig("def holders(self, currency: str, wallet: str = \"\") -> "
                     "list[tuple[int, int]]"))
        .def("as_of", &PyBalances::as_of, nb::arg("currency"), nb::arg("time"), at_wallet,
             "The total without later changes; None where they are no longer known one by one.",
             nb::sig("def as_of(self, currency: str, time: int, wallet: str = \"\") -> int | None"))
        .def("changes", &PyBalances::changes, nb::arg("currency"), nb::arg("since"), at_wallet,
             "How many changes of the total later than `since` are known.")
        .def("wallets", &PyBalances::wallets, "In order.",
             nb::sig("def wallets(self) -> list[str]"))
        .def("currencies", &PyBalances::currencies, at_wallet, "In order.",
             nb::sig("def currencies(self, wallet: str = \"\") -> list[str]"))
        .def("history", &PyBalances::history, nb::arg("currency"), at_wallet,
             "Changes of the total (time, amount), and the newest time that was let go.",
             nb::sig("def history(self, currency: str, wallet: str = \"\") -> "
                     "tuple[list[tuple[int, int]], int]"))
        .def(
            "restore", &PyBalances::restore, nb::arg("currency"), nb::arg("wallet"),
            nb::arg("holders"), nb::arg("recent"), nb::arg("forgotten"),
            nb::sig("def restore(self, currency: str, wallet: str, holders: list[tuple[int, int]], "
                    "recent: list[tuple[int, int]], forgotten: int) -> None"));
}
