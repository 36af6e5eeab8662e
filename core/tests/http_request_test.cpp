// Requests of clients: HTTP in its plain form, numbers as text, and HMAC codes.
#include "text/http_request.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/hmac_sha256.hpp"
#include "doctest.h"

using namespace onetape;

namespace {

std::string hex(const Digest& digest) {
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

}  // namespace

TEST_CASE("a plain request is read where it stands, and says where the next one begins") {
    const std::string_view data =
        "xxPOST /a?b=%2F HTTP/1.1\r\nHost: h\r\nContent-LENGTH: 2\r\nX: \t v \r\n\r\nhiGET";
    HttpRequest request;
    REQUIRE(read_http_request(data, 2, request) == HttpRead::whole);
    CHECK(request.method == "POST");
    CHECK(request.path == "/a");
    CHECK(request.query == "b=%2F");
    REQUIRE(request.headers.size() == 3);
    CHECK(request.headers[1].first == "content-length");
    CHECK(request.headers[2].second == "v");
    CHECK(request.body == "hi");
    CHECK(data.substr(request.end) == "GET");
    CHECK(read_http_request(data, request.end, request) == HttpRead::more);
}

TEST_CASE("no cut of a request is taken for one, and none reads beyond it") {
    const std::string whole = "PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string cut(whole.data(), size);  // a copy, so that a sanitizer detects its end
        HttpRequest request;
        CHECK(read_http_request(cut, 0, request) == HttpRead::more);
        CHECK(read_http_request(cut, size + 5, request) == HttpRead::more);
    }
}

TEST_CASE("numbers are taken exactly or not at all") {
    std::int64_t units = -1;
    CHECK((plain_units("12.30", 1, units) && units == 123));
    CHECK((plain_units("007", 3, units) && units == 7000));
    CHECK((plain_units("4611686018427387899", 0, units) && units == 4611686018427387899));
    for (const char* text :
         {"", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "1 ", "1.25", "1,0", "99999999999999999999",
          "4611686018427387905", "000000000000000000001", "1.000000000000000000000"}) {
        CHECK_FALSE(plain_units(text, 1, units));
    }
}

TEST_CASE("units are written with the decimals that are asked for, and more where they need them") {
    CHECK(units_text(300000, 1, 2) == "30000.00");
    CHECK(units_text(1050, 3, 2) == "1.05");
    CHECK(units_text(1051, 3, 2) == "1.051");
    CHECK(units_text(-5, 2, 0) == "-0.05");
    CHECK(units_text(std::numeric_limits<std::int64_t>::min(), 8, 0) == "-92233720368.54775808");
    CHECK(units_text("-700000000000000000000", 8, 0) == "-7000000000000");
    CHECK(units_text(500, 2, 0) == "5");
    CHECK(units_text(0, 0, 0) == "0");
    CHECK(units_text(0, 0, 2) == "0.00");
    CHECK(units_text(INT64_MIN, 0, 0) == "-9223372036854775808");
}

TEST_CASE("hmac gives the values of RFC 4231") {
    const HmacSha256 jefe("Jefe");
    const std::string_view code =
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const std::string_view message = "what do ya want for nothing?";
    CHECK(hex(jefe.of(message)) == code);
    CHECK(jefe.is_code(message, code));
    CHECK(
        jefe.is_code(message, "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843"));
    CHECK_FALSE(jefe.is_code(message, code.substr(1)));
    CHECK_FALSE(jefe.is_code(message, ""));
    CHECK_FALSE(
        jefe.is_code(message, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3844"));
    CHECK_FALSE(jefe.is_code("what do ya want for nothing!", code));
    const HmacSha256 longer(std::string(131, '\xaa'));
    CHECK(hex(longer.of("Test Using Larger Than Block-Size Key - Hash Key First")) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
