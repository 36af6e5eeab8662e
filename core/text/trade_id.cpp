#include "text/trade_id.hpp"

#include <array>
#include <cstring>

namespace onetape {
namespace {

[[nodiscard]] int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

bool read_id(std::string_view text, TradePayload& event) noexcept {
    if (text.empty()) return true;
    std::uint64_t number = 0;
    bool integer = text.size() <= 19 && (text[0] != '0' || text.size() == 1);
    for (const char c : text) {
        if (c < '0' || c > '9') {
            integer = false;
            break;
        }
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (integer) {
        event.id_low = number;
        event.id_kind = IdKind::integer;
        return true;
    }
    std::array<unsigned char, 16> bytes{};
    if (text.size() == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' &&
        text[23] == '-') {
        std::size_t count = 0;
        for (std::size_t i = 0; i < 36 && count < 16;) {
            if (text[i] == '-') {
                ++i;
                continue;
            }
            if (i == 35) break;  // dashes where digits should be
            const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
            if (high < 0 || low < 0) break;
            bytes[count++] = static_cast<unsigned char>(high << 4 | low);
            i += 2;
        }
        if (count == 16) event.id_kind = IdKind::uuid;
    } else if (text.size() <= bytes.size()) {
        std::memcpy(bytes.data(), text.data(), text.size());
        event.id_kind = IdKind::text;
    }
    if (event.id_kind == IdKind::none) return false;
    std::memcpy(&event.id_low, bytes.data(), 8);
    std::memcpy(&event.id_high, bytes.data() + 8, 8);
    return true;
}

}  // namespace onetape
