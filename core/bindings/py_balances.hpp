#pragma once
// A ledger's balances for Python's entries and amounts.
#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "accounts/balances.hpp"
#include "accounts/booked.hpp"
#include "accounts/entry_frame.hpp"
#include "bindings/errors.hpp"
#include "bindings/int128_cast.hpp"
#include "bindings/py_reserves.hpp"
#include "bindings/python_values.hpp"
#include "state/slots.hpp"
#include "state/table_writer.hpp"

namespace onetape {

namespace nb = nanobind;

inline constexpr Py_ssize_t leg_fields = 4;

inline void check_tuple(PyObject* value, Py_ssize_t size, const char* what) {
    if (!PyTuple_Check(value) || (size >= 0 && PyTuple_GET_SIZE(value) != size))
        throw nb::type_error(what);
}

// The legs of an entry; valid while its tuple lives.
class EntryLegs final {
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

    std::vector<nb::object> wide_;  // amounts whose digits the frame refers to
};

// Whether all names are valid UTF-8 for Python; if not, the code that makes the entry reports it.
[[nodiscard]] inline bool is_text(const EntryFrame& frame) {
    const auto is_plain = [](std::string_view text) {
        return std::all_of(text.begin(), text.end(),
                           [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
    };
    return is_plain(frame.reference) &&
           std::all_of(frame.legs.begin(), frame.legs.end(), [&](const EntryLeg& leg) {
               return is_plain(leg.currency) && is_plain(leg.wallet);
           });
}

class PyBalances final {
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

    // Books a fill from its frame without an object for each of its legs: most of an account's tape
    // are fills. Returns None and changes nothing if it is no such frame, is booked already, may
    // belong to a correction, or does not fit.
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

    // None if a slot from `count` on is not empty.
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

    [[nodiscard]] nb::object free(const nb::str& currency, std::int64_t slot,
                                  const nb::object& credit) const {
        return int128_to_python(
            free_of(text_of(currency.ptr()), slot, int128_from_python(credit.ptr())));
    }
    [[nodiscard]] Int128 free_of(std::string_view currency, std::int64_t slot,
                                 Int128 credit) const {
        return balances_.free(balances_.find("", currency), slot, credit);
    }

    [[nodiscard]] Balances& core() noexcept { return balances_; }

    // Writes `count` slots of a currency with their reserves to a state table. False, and nothing
    // is written: a slot beyond is not empty, or the slots do not add up to the total.
    [[nodiscard]] bool show(const nb::str& currency, std::size_t count, PyReserves& reserves,
                            TableWriter& table, std::uint16_t kind, std::int64_t ts_data,
                            std::uint64_t sequence) {
        if (count < 2 || count > slots_max) throw nb::value_error("slots are 2 to 64");
        const auto* const found = find(currency, nb::str(""));
        slots_.assign(count, 0);
        if (found != nullptr && !balances_.slots(*found, slots_)) return false;
        const Symbol symbol = symbol_of(currency);
        SlotAmounts slots[slots_max], sum;
        for (std::size_t at = 1; at < count; ++at) {
            slots[at].total = slots_[at];
            slots[at].held = reserves.core().held(symbol, static_cast<std::int64_t>(at));
        }
        const std::span<const SlotAmounts> parts{slots + 1, count - 1};
        if (sum_slots(parts, sum) && sum.total != slots_[0]) return false;
        raise_if_failed(table.put_slots(kind, text_of(currency.ptr()), parts, ts_data, sequence));
        return true;
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
    EntryLegs legs_;
};

}  // namespace onetape
