#include "text/query_text.hpp"

#include <string>

#include "base/hmac_sha256.hpp"
#include "doctest.h"

using namespace onetape;

namespace {

std::string signature(std::string_view key, std::string_view message) {
    std::string text;
    append_hex(text, HmacSha256(key).of(message));
    return text;
}

}  // namespace

TEST_CASE("hmac-sha-256 gives the values of RFC 4231") {
    CHECK(signature(std::string(20, '\x0b'), "Hi There") ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(signature("Jefe", "what do ya want for nothing?") ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(signature(std::string(131, '\xaa'),
                    "Test Using Larger Than Block-Size Key - Hash Key First") ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("a key signs many messages") {
    const HmacSha256 key("Jefe");
    std::string first, repeated;
    append_hex(first, key.of("what do ya want for nothing?"));
    append_hex(repeated, key.of("what do ya want for nothing?"));
    CHECK(first == repeated);
    CHECK(first == signature("Jefe", "what do ya want for nothing?"));
}

TEST_CASE("parameters are joined and escaped") {
    std::string text;
    append_parameter(text, "symbol", "BTCUSDT");
    append_parameter(text, "price", "60000.10");
    CHECK(text == "symbol=BTCUSDT&price=60000.10");
    append_parameter(text, "a b", "\xc3\xa4&=~+");
    CHECK(text == "symbol=BTCUSDT&price=60000.10&a+b=%C3%A4%26%3D~%2B");
}
