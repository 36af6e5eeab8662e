#pragma once
// Parses HTTP/1.1 requests and parameters in their plain form. Strict: any other form is reported
// as not_plain, and another parser reads it. Source: RFC 9110 and RFC 9112.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onetape {

inline constexpr std::size_t http_head_max = 16'384;
inline constexpr std::size_t http_body_max = std::size_t{1} << 20;

enum class HttpRead : std::uint8_t {
    whole,
    more,       // incomplete
    not_plain,  // another form; nothing was consumed
};

// Views into the parsed bytes; header names in lower case, in memory of its own.
struct HttpRequest {
    std::string_view method;
    std::string_view path;
    std::string_view query;
    std::vector<std::pair<std::string, std::string_view>> headers;
    std::string_view body;
    std::size_t end = 0;  // where the next request begins
};

// Parses the request that begins at `start`. `out` keeps its memory from call to call.
[[nodiscard]] HttpRead read_http_request(std::string_view data, std::size_t start,
                                         HttpRequest& out);

// The int64 at `decimals` of digits with an optional point (at most 20 on each side); false if the
// text is no such number, has more decimals than fit, or is above 2^62.
[[nodiscard]] bool plain_units(std::string_view text, int decimals, std::int64_t& out) noexcept;

// units * 10^-decimals with at least `least` decimals, without other trailing zeros.
[[nodiscard]] std::string units_text(std::int64_t units, int decimals, int least);
// The same of a whole number as text, of any size.
[[nodiscard]] std::string units_text(std::string_view units, int decimals, int least);

}  // namespace onetape
