#include "base/crc32c.hpp"

#include <array>

namespace onetape {
namespace {

using Table = std::array<std::array<std::uint32_t, 256>, 8>;

// table[k][b]: the register after byte b and k zero bytes (slicing by eight).
constexpr Table make_table() {
    Table table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
        table[0][byte] = value;
    }
    for (std::size_t slice = 1; slice < 8; ++slice)
        for (std::size_t byte = 0; byte < 256; ++byte)
            table[slice][byte] =
                (table[slice - 1][byte] >> 8) ^ table[0][table[slice - 1][byte] & 0xff];
    return table;
}

constexpr Table table = make_table();

}  // namespace

std::uint32_t crc32c_update_portable(std::uint32_t state, const void* data,
                                     std::size_t bytes) noexcept {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; bytes >= 8; bytes -= 8, at += 8) {
        const std::uint64_t word = load_word(at) ^ state;
        std::uint32_t next = 0;
        for (std::size_t i = 0; i < 8; ++i) next ^= table[7 - i][(word >> (8 * i)) & 0xff];
        state = next;
    }
    for (; bytes > 0; --bytes, ++at) state = (state >> 8) ^ table[0][(state ^ *at) & 0xff];
    return state;
}

}  // namespace onetape
