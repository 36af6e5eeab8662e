#pragma once
// Reads a group of slots for Python: one slot's amount as an int or a decimal text, without a
// search and with one new object. None if it cannot be read; the reason is a separate call, so that
// a successful read costs nothing for it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "base/money.hpp"
#include "bindings/int128_cast.hpp"
#include "state/table_reader.hpp"

namespace onetape {

// Units of 1e-18 as decimal text, without trailing zeros: "0.5", "-12", "0".
class AmountText {
 public:
    explicit AmountText(Int128 units) noexcept {
        const bool is_negative = units < 0;
        auto rest = static_cast<unsigned __int128>(units);
        if (is_negative) rest = -rest;
        constexpr std::uint64_t one = 1'000'000'000'000'000'000;
        auto fraction = static_cast<std::uint64_t>(rest % one);
        unsigned __int128 whole = rest / one;
        at_ = room_.size();
        if (fraction != 0) {
            int digits = money_decimals;
            for (; fraction % 10 == 0; --digits) fraction /= 10;
            for (; digits > 0; --digits, fraction /= 10)
                push('0' + static_cast<int>(fraction % 10));
            push('.');
        }
        do {
            push('0' + static_cast<int>(whole % 10));
            whole /= 10;
        } while (whole != 0);
        if (is_negative) push('-');
    }
    [[nodiscard]] nb::object python() const {
        return nb::steal(PyUnicode_FromStringAndSize(room_.data() + at_,
                                                     static_cast<Py_ssize_t>(room_.size() - at_)));
    }

 private:
    void push(int character) noexcept { room_[--at_] = static_cast<char>(character); }

    std::array<char, 48> room_;  // 39 digits, a point, a sign
    std::size_t at_;
};

class SlotGroup {
 public:
    SlotGroup(TableReader& table, std::uint16_t kind, std::string key, std::int64_t max_age_ns)
        : slots_(table, kind, std::move(key)), max_age_ns_(max_age_ns) {}

    nb::object total(Py_ssize_t index) {
        SlotValues values;
        return has_values(index, values) ? int128_to_python(values.amounts.total) : nb::none();
    }
    nb::object held(Py_ssize_t index) {
        SlotValues values;
        return has_values(index, values) ? int128_to_python(values.amounts.held) : nb::none();
    }
    nb::object available(Py_ssize_t index) {
        SlotValues values;
        if (!has_values(index, values)) return nb::none();
        const SlotAmounts& amounts = values.amounts;
        Int128 rest;
        if (!__builtin_sub_overflow(amounts.total, amounts.held, &rest)) {
            return int128_to_python(rest);
        }
        return int128_to_python(amounts.total) - int128_to_python(amounts.held);
    }
    nb::object text(Py_ssize_t index) {
        SlotValues values;
        return has_values(index, values) ? AmountText(values.amounts.total).python() : nb::none();
    }
    // (totals, held, flags, ts_data, sequence, version).
    nb::object all() {
        SlotSnapshot snapshot;
        if (slots_.read_all(snapshot) != TableRead::ok || is_old()) return nb::none();
        nb::list totals, held, flags;
        for (std::size_t i = 0; i < snapshot.head.meta.slot_count; ++i) {
            totals.append(int128_to_python(snapshot.slots[i].total));
            held.append(int128_to_python(snapshot.slots[i].held));
            flags.append(snapshot.slots[i].flags);
        }
        return nb::make_tuple(totals, held, flags, snapshot.head.ts_data, snapshot.head.sequence,
                              snapshot.head.version);
    }
    // The amounts of `count` slots. An int: index of the first slot from `count` on that is in use.
    nb::object texts(std::size_t count) {
        SlotSnapshot snapshot;
        if (slots_.read_all(snapshot) != TableRead::ok || is_old()) return nb::none();
        const std::size_t there = snapshot.head.meta.slot_count;
        for (std::size_t i = count; i < there; ++i) {
            if (snapshot.slots[i].total != 0 || snapshot.slots[i].held != 0) return nb::int_(i);
        }
        nb::list texts;
        for (std::size_t i = 0; i < count; ++i) {
            texts.append(AmountText(i < there ? snapshot.slots[i].total : 0).python());
        }
        return texts;
    }
    // The status of a read, as a TableRead.
    TableRead outcome() {
        SlotSnapshot snapshot;
        return slots_.read_all(snapshot);
    }
    [[nodiscard]] bool is_old() const noexcept {
        return max_age_ns_ > 0 && slots_.table().vouched_age() > max_age_ns_;
    }

 private:
    // Reads the values before the age: if the writer confirms them later, they were also valid when
    // read.
    [[nodiscard]] bool has_values(Py_ssize_t index, SlotValues& values) {
        return index >= 0 &&
               slots_.read(static_cast<std::size_t>(index), values) == TableRead::ok && !is_old();
    }

    SlotsReader slots_;
    std::int64_t max_age_ns_;
};

}  // namespace onetape
