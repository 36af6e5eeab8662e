#pragma once
// HTTP/1.1 requests in their plain form, and parameters in theirs. Strict: whatever is not plain is
// said to be so, and read by somebody else. Source: RFC 9110 and RFC 9112.
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
    more,       // it is not all there yet
    not_plain,  // another form; nothing of it has been taken
};

// Views into the bytes that were read; names of headers in lower case, on their own.
struct HttpRequest {
    std::string_view method;
    std::string_view path;
    std::string_view query;
    std::vector<std::pair<std::string, std::string_view>> headers;
    std::string_view body;
    std::size_t end = 0;  // where the next one begins
};

// The request that begins at `start`. `out` keeps what it has allocated from call to call.
[[nodiscard]] HttpRead read_http_request(std::string_view data, std::size_t start,
                                         HttpRequest& out);

// The int64 at `decimals` of digits, or digits with a point between (20 and 20 at most); false
// where the text is no such number, has more decimals than fit, or is above 2^62.
[[nodiscard]] bool plain_units(std::string_view text, int decimals, std::int64_t& out) noexcept;

// units * 10^-decimals with `least` decimals at least, and no zeros behind those that are needed.
[[nodiscard]] std::string units_text(std::int64_t units, int decimals, int least);

}  // namespace onetape
