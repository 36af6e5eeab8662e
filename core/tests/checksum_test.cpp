#include <cstring>
#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "base/sha256.hpp"
#include "doctest.h"

using namespace onetape;

namespace {

std::vector<unsigned char> noise(std::size_t bytes, std::uint64_t seed) {
    std::vector<unsigned char> data(bytes);
    for (auto& byte : data) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        byte = static_cast<unsigned char>(seed >> 56);
    }
    return data;
}

std::string hex(const Digest& digest) {
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

}  // namespace

TEST_CASE("crc32c gives the values of RFC 3720, B.4") {
    const std::vector<unsigned char> zeros(32, 0x00), ones(32, 0xff);
    std::vector<unsigned char> rising(32);
    for (std::size_t i = 0; i < 32; ++i) rising[i] = static_cast<unsigned char>(i);
    CHECK(crc32c(zeros.data(), 32) == 0x8a9136aau);
    CHECK(crc32c(ones.data(), 32) == 0x62a8ab43u);
    CHECK(crc32c(rising.data(), 32) == 0x46dd794eu);
    CHECK(crc32c("123456789", 9) == 0xe3069283u);
    CHECK(crc32c("", 0) == 0u);
}

TEST_CASE("crc32c by instruction and by table agree at every length and place") {
    const auto data = noise(600, 7);
    for (std::size_t from = 0; from < 9; ++from)
        for (std::size_t bytes = 0; bytes < 300; ++bytes)
            REQUIRE(crc32c_update(0x1234567u, data.data() + from, bytes) ==
                    crc32c_update_portable(0x1234567u, data.data() + from, bytes));
}

TEST_CASE("sha256 gives the values of FIPS 180-4, by both ways") {
    for (const bool portable : {false, true}) {
        const auto of = [&](const std::string& text) {
            Sha256 hash(portable);
            hash.update(text.data(), text.size());
            return hex(hash.finish());
        };
        CHECK(of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        CHECK(of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        CHECK(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        CHECK(of(std::string(1000000, 'a')) ==
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}

TEST_CASE("sha256 does not depend on how its input is cut") {
    const auto data = noise(1000, 3);
    const Digest whole = sha256(data.data(), data.size());
    for (std::size_t cut = 0; cut <= data.size(); cut += 7) {
        Sha256 parts(cut % 2 == 0);
        parts.update(data.data(), cut);
        parts.update(data.data() + cut, data.size() - cut);
        REQUIRE(parts.finish() == whole);
    }
}
