// Entries of a ledger as Python has them: tuples, to and from the payload of a frame. What a fill
// takes to be written and read again is mostly this.
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
#include "bindings/int128_cast.hpp"
#include "bindings/python_values.hpp"

using namespace onetape;

namespace {

constexpr Py_ssize_t entry_fields = 6, leg_fields = 4;

void check_tuple(PyObject* value, Py_ssize_t size, const char* what) {
    if (!PyTuple_Check(value) || (size >= 0 && PyTuple_GET_SIZE(value) != size))
        throw nb::type_error(what);
}

[[nodiscard]] nb::object new_tuple(PyTypeObject* type, Py_ssize_t size) {
    PyObject* const made = type->tp_alloc(type, size);
    if (made == nullptr) throw nb::python_error();
    return nb::steal(made);
}

void put(const nb::object& tuple, Py_ssize_t at, nb::object value) {
    if (!value.is_valid()) throw nb::python_error();
    PyTuple_SET_ITEM(tuple.ptr(), at, value.release().ptr());
}

// The same few currencies in every entry: one str of each.
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

// The legs of an entry, as long as its tuple lives.
class Legs {
 public:
    void take(PyObject* legs, EntryFrame& frame) {
        check_tuple(legs, -1, "legs are a tuple");
        const Py_ssize_t count = PyTuple_GET_SIZE(legs);
        wide_.clear();
        frame.legs.resize(static_cast<std::size_t>(count));
        for (Py_ssize_t at = 0; at < count; ++at) {
            PyObject* const row = PyTuple_GET_ITEM(legs, at);
            check_tuple(row, leg_fields, "a leg is a tuple of four");
            PyObject* const* const fields = &PyTuple_GET_ITEM(row, 0);
            EntryLeg& leg = frame.legs[static_cast<std::size_t>(at)];
            leg.holder = integer_of(fields[0]);
            leg.currency = text_of(fields[1]);
            take_amount(fields[2], leg);
            leg.wallet = text_of(fields[3]);
        }
    }

 private:
    void take_amount(PyObject* amount, EntryLeg& leg) {
        leg.digits = {};
        try {
            leg.amount = int128_from_python(amount);
        } catch (nb::python_error& error) {
            if (!error.matches(PyExc_OverflowError)) throw;
            nb::object text = nb::steal(PyObject_Str(amount));
            if (!text.is_valid()) throw nb::python_error();
            leg.digits = text_of(text.ptr());
            wide_.push_back(std::move(text));
        }
    }

    std::vector<nb::object> wide_;  // whose digits the frame shows
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
            // No UTF-8: whoever reads what is no plain entry says so.
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
    Legs legs_;
};

// Names that Python can have: what is none is named by whoever makes an entry of it.
[[nodiscard]] bool is_text(const EntryFrame& frame) {
    const auto is_plain = [](std::string_view text) {
        return std::all_of(text.begin(), text.end(),
                           [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
    };
    return is_plain(frame.reference) &&
           std::all_of(frame.legs.begin(), frame.legs.end(), [&](const EntryLeg& leg) {
               return is_plain(leg.currency) && is_plain(leg.wallet);
           });
}

[[nodiscard]] bool has_booked(const Booked& booked, const nb::str& name, const nb::object& time) {
    if (!time.is_none() && booked.is_old(integer_of(time.ptr()))) return true;
    return booked.has(text_of(name.ptr()));
}

class PyBalances {
 public:
    explicit PyBalances(const BalanceRules& rules) : balances_(rules) {}

    [[nodiscard]] bool takes(const nb::object& legs) {
        legs_.take(legs.ptr(), frame_);
        return balances_.takes(frame_);
    }

    [[nodiscard]] bool post(std::int64_t time, const nb::object& legs) {
        legs_.take(legs.ptr(), frame_);
        frame_.time = time;
        return balances_.post(frame_);
    }

    // A fill's frame as it lies on the tape, without an object for each of its legs: an account's
    // tape is mostly this. None, and nothing has changed: it is no such frame, or has been booked,
    // or may be one that a correction had taken up, or does not fit.
    [[nodiscard]] nb::object replay_fill(const nb::bytes& payload, std::int64_t later_than,
                                         Booked& booked) {
        if (!read_entry({payload.c_str(), payload.size()}, frame_) || frame_.cause != "fill" ||
            !frame_.note.empty() || frame_.reference.empty() || frame_.time <= later_than ||
            booked.is_old(frame_.time) || booked.has(frame_.reference) || !is_text(frame_) ||
            !balances_.post(frame_))
            return nb::none();
        booked.add(frame_.reference, frame_.time);
        return nb::int_(frame_.of);
    }

    [[nodiscard]] nb::object balance(const nb::str& currency, std::int64_t holder,
                                     const nb::str& wallet) const {
        const auto* const found = find(currency, wallet);
        return int128_to_python(found == nullptr ? 0 : balances_.of(*found, holder));
    }

    // None where a slot from `count` on is not empty.
    [[nodiscard]] nb::object slots(const nb::str& currency, std::size_t count,
                                   const nb::str& wallet) {
        const auto* const found = find(currency, wallet);
        slots_.assign(count, 0);
        if (found != nullptr && !balances_.slots(*found, slots_)) return nb::none();
        nb::object rows = nb::steal(PyList_New(static_cast<Py_ssize_t>(count)));
        if (!rows.is_valid()) throw nb::python_error();
        for (std::size_t at = 0; at < count; ++at)
            PyList_SET_ITEM(rows.ptr(), static_cast<Py_ssize_t>(at),
                            int128_to_python(slots_[at]).release().ptr());
        return rows;
    }

    [[nodiscard]] nb::list holders(const nb::str& currency, const nb::str& wallet) const {
        const auto* const found = find(currency, wallet);
        nb::list held;
        if (found == nullptr) return held;
        for (std::int64_t holder = balances_.rules().least; holder <= balances_.rules().most;
             ++holder) {
            const Int128 amount = balances_.of(*found, holder);
            if (holder != 0 && amount != 0)
                held.append(nb::make_tuple(holder, int128_to_python(amount)));
        }
        return held;
    }

    [[nodiscard]] nb::object as_of(const nb::str& currency, std::int64_t time,
                                   const nb::str& wallet) const {
        const auto* const found = find(currency, wallet);
        Int128 total = 0;
        if (found != nullptr && !Balances::as_of(*found, time, total)) return nb::none();
        return int128_to_python(total);
    }

    [[nodiscard]] std::size_t changes(const nb::str& currency, std::int64_t since,
                                      const nb::str& wallet) const {
        const auto* const found = find(currency, wallet);
        std::size_t count = 0;
        if (found != nullptr)
            for (const auto& change : found->recent) count += change.time > since ? 1 : 0;
        return count;
    }

    [[nodiscard]] nb::list wallets() const {
        nb::list names;
        for (const auto& [name, _] : balances_.wallets())
            names.append(nb::str(name.c_str(), name.size()));
        return names;
    }

    [[nodiscard]] nb::list currencies(const nb::str& wallet) const {
        nb::list names;
        const auto found = balances_.wallets().find(text_of(wallet.ptr()));
        if (found != balances_.wallets().end())
            for (const auto& [name, _] : found->second)
                names.append(nb::str(name.c_str(), name.size()));
        return names;
    }

    [[nodiscard]] nb::tuple history(const nb::str& currency, const nb::str& wallet) const {
        const auto* const found = find(currency, wallet);
        if (found == nullptr) throw nb::key_error("no such currency");
        nb::list recent;
        for (const auto& change : found->recent)
            recent.append(nb::make_tuple(change.time, int128_to_python(change.amount)));
        return nb::make_tuple(recent, found->forgotten);
    }

    void restore(const nb::str& currency, const nb::str& wallet, const nb::list& holders,
                 const nb::list& recent, std::int64_t forgotten) {
        const BalanceRules& rules = balances_.rules();
        Balances::Currency row;
        row.holders.resize(static_cast<std::size_t>(rules.most - rules.least + 1));
        for (const nb::handle pair : holders) {
            const auto holder = nb::cast<std::int64_t>(pair[0]);
            if (holder < rules.least || holder > rules.most)
                throw nb::value_error("no such holder");
            row.holders[static_cast<std::size_t>(holder - rules.least)] =
                int128_from_python(nb::object(pair[1]).ptr());
        }
        for (const nb::handle pair : recent)
            row.recent.push_back(
                {nb::cast<std::int64_t>(pair[0]), int128_from_python(nb::object(pair[1]).ptr())});
        row.forgotten = forgotten;
        balances_.restore(text_of(wallet.ptr()), text_of(currency.ptr()), std::move(row));
    }

 private:
    [[nodiscard]] const Balances::Currency* find(const nb::str& currency,
                                                 const nb::str& wallet) const {
        return balances_.find(text_of(wallet.ptr()), text_of(currency.ptr()));
    }

    Balances balances_;
    std::vector<Int128> slots_;
    EntryFrame frame_;
    Legs legs_;
};

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
