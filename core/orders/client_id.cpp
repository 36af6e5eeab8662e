#include "orders/client_id.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace onetape {
namespace {

constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::size_t tag_max = 8, epoch_digits = 6, ordinal_digits = 10;

constexpr std::array<std::uint32_t, 256> crc_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit)
            rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xedb88320u : 0);  // CRC-32 of IEEE 802.3
        table[byte] = rest;
    }
    return table;
}();

[[nodiscard]] bool is_digit(char letter) noexcept {
    return digits.find(letter) != std::string_view::npos;
}

[[nodiscard]] bool is_tag(std::string_view text) noexcept {
    return !text.empty() && text.size() <= tag_max &&
           std::all_of(text.begin(), text.end(), is_digit);
}

void append_base36(std::string& text, std::uint64_t number) {
    std::array<char, 13> made;
    std::size_t at = made.size();
    do {
        made[--at] = digits[number % digits.size()];
        number /= digits.size();
    } while (number != 0);
    text.append(made.data() + at, made.size() - at);
}

// Accepts only the canonical form, without leading zeros, which would give one order two ids.
[[nodiscard]] std::optional<std::uint64_t> read_base36(std::string_view text, std::size_t most) {
    if (text.empty() || text.size() > most || text[0] == '0') return std::nullopt;
    std::uint64_t number = 0;
    for (const char letter : text) {
        const std::size_t digit = digits.find(letter);
        if (digit == std::string_view::npos) return std::nullopt;
        number = number * digits.size() + digit;
    }
    return number;
}

}  // namespace

char check_of(std::string_view stem) noexcept {
    std::uint32_t rest = 0xffffffffu;
    for (const char letter : stem)
        rest = (rest >> 8) ^ crc_table[(rest ^ static_cast<unsigned char>(letter)) & 0xff];
    return digits[(rest ^ 0xffffffffu) % digits.size()];
}

const char* broken_rule(const ClientId& id) noexcept {
    if (!is_tag(id.tag)) return "a robot's tag is 1 to 8 of a-z and 0-9";
    if (id.epoch < 1 || id.epoch > epoch_max) return "epoch out of range";
    if (id.ordinal < 1 || id.ordinal > ordinal_max) return "ordinal out of range";
    if (id.attempt > attempt_max) return "a new order again, at most 35 times";
    return nullptr;
}

std::string client_id(const ClientId& id) {
    std::string text;
    text.reserve(36);
    text += 'T';
    text += id.tag;
    text += 'X';
    append_base36(text, id.epoch);
    text += 'X';
    append_base36(text, id.ordinal);
    if (id.attempt != 0) {
        text += 'X';
        text += digits[id.attempt];
    }
    text += check_of(text);
    return text;
}

std::optional<ClientId> parse_client_id(std::string_view text) {
    if (text.size() < 2 || text[0] != 'T' ||
        check_of(text.substr(0, text.size() - 1)) != text.back())
        return std::nullopt;
    std::array<std::string_view, 4> parts;
    std::size_t count = 0;
    std::string_view rest = text.substr(1, text.size() - 2);
    while (true) {
        if (count == parts.size()) return std::nullopt;
        const std::size_t end = rest.find('X');
        parts[count++] = rest.substr(0, end);
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    if (count < 3) return std::nullopt;
    const auto epoch = read_base36(parts[1], epoch_digits);
    const auto ordinal = read_base36(parts[2], ordinal_digits);
    const auto attempt = count == 4 ? read_base36(parts[3], 1) : 0;
    if (!epoch || !ordinal || !attempt) return std::nullopt;
    ClientId id{std::string(parts[0]), *epoch, *ordinal, static_cast<unsigned>(*attempt)};
    return broken_rule(id) == nullptr ? std::optional(std::move(id)) : std::nullopt;
}

}  // namespace onetape
