#include "accounts/entry_frame.hpp"

#include <iterator>
#include <limits>

namespace onetape {
namespace {

enum Mark : unsigned char {
    mark_map = 0x80,
    mark_array = 0x90,
    mark_text = 0xa0,
    mark_text8 = 0xd9,
    mark_text16 = 0xda,
    mark_text32 = 0xdb,
    mark_uint8 = 0xcc,
    mark_uint16 = 0xcd,
    mark_uint32 = 0xce,
    mark_uint64 = 0xcf,
    mark_int8 = 0xd0,
    mark_int16 = 0xd1,
    mark_int32 = 0xd2,
    mark_int64 = 0xd3,
    mark_array16 = 0xdc,
    mark_array32 = 0xdd,
};

constexpr std::string_view keys[] = {"time", "cause", "legs", "reference", "of", "note"};
constexpr std::size_t digits_max = 40;  // of an int128 with its sign

void put_byte(std::string& out, unsigned value) {
    out += static_cast<char>(value);
}

// Appends the lower `bytes` of a number, big-endian.
void put_bytes(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        put_byte(out, static_cast<unsigned>(value >> shift) & 0xffu);
}

void put_int(std::string& out, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= 0) {
        if (value < 0x80) return put_byte(out, static_cast<unsigned>(value));
        if (value <= 0xff) return put_byte(out, mark_uint8), put_bytes(out, bits, 1);
        if (value <= 0xffff) return put_byte(out, mark_uint16), put_bytes(out, bits, 2);
        if (value <= 0xffffffff) return put_byte(out, mark_uint32), put_bytes(out, bits, 4);
        return put_byte(out, mark_uint64), put_bytes(out, bits, 8);
    }
    if (value >= -32) return put_byte(out, static_cast<unsigned>(bits) & 0xffu);
    if (value >= -0x80) return put_byte(out, mark_int8), put_bytes(out, bits, 1);
    if (value >= -0x8000) return put_byte(out, mark_int16), put_bytes(out, bits, 2);
    if (value >= -0x80000000ll) return put_byte(out, mark_int32), put_bytes(out, bits, 4);
    put_byte(out, mark_int64);
    put_bytes(out, bits, 8);
}

void put_text(std::string& out, std::string_view text) {
    const std::size_t size = text.size();
    if (size < 32) {
        put_byte(out, mark_text | static_cast<unsigned>(size));
    } else if (size <= 0xff) {
        put_byte(out, mark_text8);
        put_bytes(out, size, 1);
    } else if (size <= 0xffff) {
        put_byte(out, mark_text16);
        put_bytes(out, size, 2);
    } else {
        put_byte(out, mark_text32);
        put_bytes(out, size, 4);
    }
    out += text;
}

void put_amount(std::string& out, const EntryLeg& leg) {
    if (!leg.digits.empty()) return put_text(out, leg.digits);
    const Int128 amount = leg.amount;
    if (amount >= std::numeric_limits<std::int64_t>::min() &&
        amount <= std::numeric_limits<std::int64_t>::max())
        return put_int(out, static_cast<std::int64_t>(amount));
    // In halves of eighteen digits: a 128-bit division costs more than all the rest.
    using Unsigned = unsigned __int128;
    Unsigned rest = amount < 0 ? -static_cast<Unsigned>(amount) : static_cast<Unsigned>(amount);
    char text[digits_max];
    char* at = text + digits_max;
    constexpr std::uint64_t half = 1'000'000'000'000'000'000;
    while (rest >= half) {
        auto low = static_cast<std::uint64_t>(rest % half);
        rest /= half;
        for (int digit = 0; digit < 18; ++digit, low /= 10)
            *--at = static_cast<char>('0' + low % 10);
    }
    for (auto low = static_cast<std::uint64_t>(rest); low != 0; low /= 10)
        *--at = static_cast<char>('0' + low % 10);
    if (amount < 0) *--at = '-';
    put_text(out, {at, static_cast<std::size_t>(text + digits_max - at)});
}

void put_length(std::string& out, std::size_t count) {
    if (count < 16) return put_byte(out, mark_array | static_cast<unsigned>(count));
    const bool is_short = count <= 0xffff;
    put_byte(out, is_short ? mark_array16 : mark_array32);
    put_bytes(out, count, is_short ? 2 : 4);
}

// The unread rest of a payload. Each function returns false if the next value is of another kind,
// or missing.
class Rest {
 public:
    explicit Rest(std::string_view payload) noexcept
        : at_(payload.data()), end_(at_ + payload.size()) {}

    [[nodiscard]] bool is_empty() const noexcept { return at_ == end_; }

    [[nodiscard]] bool key(std::string_view name) noexcept {
        std::string_view found;
        return text(found) && found == name;
    }

    [[nodiscard]] bool byte(unsigned wanted) noexcept {
        unsigned found = 0;
        return byte_of(found) && found == wanted;
    }

    [[nodiscard]] bool integer(std::int64_t& value) noexcept {
        unsigned mark = 0;
        return byte_of(mark) && integer_of(mark, value);
    }

    [[nodiscard]] bool text(std::string_view& value) noexcept {
        unsigned mark = 0;
        return byte_of(mark) && text_of(mark, value);
    }

    // A number, or the digits of one that fits 128 bits.
    [[nodiscard]] bool amount(Int128& value) noexcept {
        unsigned mark = 0;
        if (!byte_of(mark)) return false;
        std::string_view digits;
        if (is_text(mark)) return text_of(mark, digits) && amount_of(digits, value);
        std::int64_t small = 0;
        if (!integer_of(mark, small)) return false;
        value = small;
        return true;
    }

    [[nodiscard]] bool length(std::size_t& count) noexcept {
        unsigned mark = 0;
        if (!byte_of(mark)) return false;
        if ((mark & 0xf0u) == mark_array) return count = mark & 0x0fu, true;
        std::uint64_t wide = 0;
        if (mark == mark_array16 ? !bytes(wide, 2) : mark != mark_array32 || !bytes(wide, 4))
            return false;
        count = wide;
        return true;
    }

 private:
    [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

    [[nodiscard]] bool byte_of(unsigned& value) noexcept {
        if (at_ == end_) return false;
        value = static_cast<unsigned char>(*at_++);
        return true;
    }

    [[nodiscard]] bool bytes(std::uint64_t& value, std::size_t count) noexcept {
        if (left() < count) return false;
        value = 0;
        for (std::size_t i = 0; i < count; ++i)
            value = value << 8 | static_cast<unsigned char>(*at_++);
        return true;
    }

    [[nodiscard]] static bool is_text(unsigned mark) noexcept {
        return (mark & 0xe0u) == mark_text || (mark >= mark_text8 && mark <= mark_text32);
    }

    [[nodiscard]] bool integer_of(unsigned mark, std::int64_t& value) noexcept {
        std::uint64_t wide = 0;
        if (mark < 0x80) return value = mark, true;
        if (mark >= 0xe0) return value = static_cast<std::int8_t>(mark), true;
        switch (mark) {
            case mark_uint8:
            case mark_uint16:
            case mark_uint32:
            case mark_uint64:
                if (!bytes(wide, std::size_t{1} << (mark - mark_uint8)) || wide >> 63) return false;
                value = static_cast<std::int64_t>(wide);
                return true;
            case mark_int8:
                if (!bytes(wide, 1)) return false;
                value = static_cast<std::int8_t>(wide);
                return true;
            case mark_int16:
                if (!bytes(wide, 2)) return false;
                value = static_cast<std::int16_t>(wide);
                return true;
            case mark_int32:
                if (!bytes(wide, 4)) return false;
                value = static_cast<std::int32_t>(wide);
                return true;
            case mark_int64:
                if (!bytes(wide, 8)) return false;
                value = static_cast<std::int64_t>(wide);
                return true;
            default:
                return false;
        }
    }

    [[nodiscard]] bool text_of(unsigned mark, std::string_view& value) noexcept {
        std::uint64_t size = 0;
        if ((mark & 0xe0u) == mark_text)
            size = mark & 0x1fu;
        else if (!is_text(mark) || !bytes(size, std::size_t{1} << (mark - mark_text8)))
            return false;
        if (left() < size) return false;
        value = {at_, size};
        at_ += size;
        return true;
    }

    [[nodiscard]] static bool amount_of(std::string_view digits, Int128& value) noexcept {
        const bool is_negative = !digits.empty() && digits.front() == '-';
        if (is_negative) digits.remove_prefix(1);
        // 10^38 - 1 fits. No amount is written with a leading zero.
        if (digits.empty() || digits.size() > 38 || digits.front() == '0') return false;
        Int128 sum = 0;
        for (std::size_t at = 0; at < digits.size();) {
            // Takes as many digits at a time as 64 bits hold.
            std::uint64_t part = 0;
            const std::size_t end = at + 18 < digits.size() ? at + 18 : digits.size();
            const auto count = static_cast<int>(end - at);
            for (; at < end; ++at) {
                const auto digit = static_cast<unsigned>(digits[at] - '0');
                if (digit > 9) return false;
                part = part * 10 + digit;
            }
            sum = sum * pow10(count) + part;
        }
        value = is_negative ? -sum : sum;
        return true;
    }

    const char* at_;
    const char* end_;
};

[[nodiscard]] bool read_leg(Rest& rest, EntryLeg& leg) noexcept {
    return rest.byte(mark_array | 4u) && rest.integer(leg.holder) && rest.text(leg.currency) &&
           rest.amount(leg.amount) && rest.text(leg.wallet);
}

}  // namespace

void append_entry(std::string& out, const EntryFrame& entry) {
    put_byte(out, mark_map | static_cast<unsigned>(std::size(keys)));
    put_text(out, keys[0]);
    put_int(out, entry.time);
    put_text(out, keys[1]);
    put_text(out, entry.cause);
    put_text(out, keys[2]);
    put_length(out, entry.legs.size());
    for (const EntryLeg& leg : entry.legs) {
        put_length(out, 4);
        put_int(out, leg.holder);
        put_text(out, leg.currency);
        put_amount(out, leg);
        put_text(out, leg.wallet);
    }
    put_text(out, keys[3]);
    put_text(out, entry.reference);
    put_text(out, keys[4]);
    put_int(out, entry.of);
    put_text(out, keys[5]);
    put_text(out, entry.note);
}

bool adds_up(const EntryFrame& entry, std::int64_t least, std::int64_t most) noexcept {
    // A fill has two currencies and five legs: a search backwards is cheaper than a table.
    const std::vector<EntryLeg>& legs = entry.legs;
    const EntryLeg* last = nullptr;
    for (std::size_t at = 0; at < legs.size(); ++at) {
        const EntryLeg& leg = legs[at];
        if (leg.holder < least || leg.holder > most || leg.holder == 0 || !leg.digits.empty())
            return false;
        const bool is_listed = last != nullptr && last->currency == leg.currency;
        last = &leg;
        if (is_listed) continue;
        bool is_summed = false;
        for (std::size_t before = 0; before < at && !is_summed; ++before)
            is_summed = legs[before].currency == leg.currency;
        if (is_summed) continue;
        Int128 sum = 0;
        for (std::size_t next = at; next < legs.size(); ++next)
            if (legs[next].currency == leg.currency &&
                __builtin_add_overflow(sum, legs[next].amount, &sum))
                return false;
        if (sum != 0) return false;
    }
    return true;
}

bool read_entry(std::string_view payload, EntryFrame& entry) {
    Rest rest(payload);
    std::size_t count = 0;
    if (!rest.byte(mark_map | static_cast<unsigned>(std::size(keys))) || !rest.key(keys[0]) ||
        !rest.integer(entry.time) || !rest.key(keys[1]) || !rest.text(entry.cause) ||
        !rest.key(keys[2]) || !rest.length(count) || count > payload.size())
        return false;
    entry.legs.clear();
    for (; count > 0; --count)
        if (!read_leg(rest, entry.legs.emplace_back())) return false;
    return rest.key(keys[3]) && rest.text(entry.reference) && rest.key(keys[4]) &&
           rest.integer(entry.of) && rest.key(keys[5]) && rest.text(entry.note) && rest.is_empty();
}

}  // namespace onetape
