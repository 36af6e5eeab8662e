#include "text/http_request.hpp"

#include <algorithm>
#include <array>

namespace onetape {
namespace {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

constexpr std::string_view head_end = "\r\n\r\n";
constexpr std::array<std::string_view, 4> methods{"GET", "POST", "PUT", "DELETE"};
// Headers that a plain request does not have.
constexpr std::array<std::string_view, 5> others{"upgrade", "transfer-encoding", "expect", "te",
                                                 "trailer"};
constexpr std::int64_t units_max = std::int64_t{1} << 62;

// The parts that a byte may occur in.
enum : std::uint8_t { in_token = 1, in_target = 2, in_value = 4 };

constexpr std::array<std::uint8_t, 256> classes = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t c = '!'; c <= '~'; ++c) table[c] = in_target | in_value;
    table[' '] = table['\t'] = in_value;
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
        table[static_cast<unsigned char>(c)] |= in_token;
    }
    for (std::size_t c = '0'; c <= '9'; ++c) table[c] |= in_token;
    for (std::size_t c = 'A'; c <= 'Z'; ++c) table[c] |= in_token;
    for (std::size_t c = 'a'; c <= 'z'; ++c) table[c] |= in_token;
    return table;
}();

[[nodiscard]] bool all_of(std::string_view text, std::uint8_t what) noexcept {
    std::uint8_t common = 0xff;
    for (const char c : text) common &= classes[static_cast<unsigned char>(c)];
    return (common & what) != 0;
}

[[nodiscard]] char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

[[nodiscard]] bool is_keep_alive(std::string_view text) noexcept {
    constexpr std::string_view word = "keep-alive";
    return std::ranges::equal(text, word, {}, lower);
}

[[nodiscard]] std::string_view stripped(std::string_view text) noexcept {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

[[nodiscard]] bool read_length(std::string_view text, std::size_t& out) noexcept {
    if (text.empty() || text.size() > 7 || !std::ranges::all_of(text, is_digit)) return false;
    out = 0;
    for (const char c : text) out = 10 * out + static_cast<std::size_t>(c - '0');
    return out <= http_body_max;
}

[[nodiscard]] bool read_first_line(std::string_view line, HttpRequest& out) noexcept {
    const std::size_t after_method = line.find(' ');
    if (after_method == std::string_view::npos) return false;
    out.method = line.substr(0, after_method);
    if (std::ranges::find(methods, out.method) == methods.end()) return false;
    line.remove_prefix(after_method + 1);
    const std::size_t after_target = line.find(' ');
    if (after_target == std::string_view::npos) return false;
    const std::string_view target = line.substr(0, after_target);
    if (line.substr(after_target + 1) != "HTTP/1.1") return false;
    if (target.empty() || target.front() != '/' || !all_of(target, in_target)) return false;
    const std::size_t mark = target.find('?');
    out.path = target.substr(0, mark);
    out.query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
    return true;
}

}  // namespace

HttpRead read_http_request(std::string_view data, std::size_t start, HttpRequest& out) {
    const std::string_view window = data.substr(std::min(start, data.size()), http_head_max);
    const std::size_t size = window.find(head_end);
    if (size == std::string_view::npos) {
        return window.size() >= http_head_max ? HttpRead::not_plain : HttpRead::more;
    }
    std::string_view rest = window.substr(0, size + 2);  // each line with its end
    std::size_t line_end = rest.find("\r\n");
    if (!read_first_line(rest.substr(0, line_end), out)) return HttpRead::not_plain;
    rest.remove_prefix(line_end + 2);
    out.headers.clear();
    std::size_t length = 0;
    while (!rest.empty()) {
        line_end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, line_end);
        rest.remove_prefix(line_end + 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return HttpRead::not_plain;
        // A lone CR or LF is in neither class.
        if (!all_of(line.substr(0, colon), in_token)) return HttpRead::not_plain;
        if (!all_of(line.substr(colon), in_value)) return HttpRead::not_plain;
        std::string name(line.substr(0, colon));
        std::ranges::transform(name, name.begin(), lower);
        const std::string_view value = stripped(line.substr(colon + 1));
        const auto same = [&name](const auto& header) { return header.first == name; };
        if (std::ranges::any_of(out.headers, same)) return HttpRead::not_plain;
        if (std::ranges::find(others, name) != others.end()) return HttpRead::not_plain;
        if (name == "connection" && !is_keep_alive(value)) return HttpRead::not_plain;
        if (name == "content-length" && !read_length(value, length)) return HttpRead::not_plain;
        out.headers.emplace_back(std::move(name), value);
    }
    const std::size_t body_at = start + size + head_end.size();
    if (data.size() - body_at < length) return HttpRead::more;
    out.body = data.substr(body_at, length);
    out.end = body_at + length;
    return HttpRead::whole;
}

bool plain_units(std::string_view text, int decimals, std::int64_t& out) noexcept {
    const std::size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    const bool has_point = point != std::string_view::npos;
    const std::string_view part = has_point ? text.substr(point + 1) : std::string_view{};
    if (whole.empty() || whole.size() > 20 || part.size() > 20 || (has_point && part.empty())) {
        return false;
    }
    std::int64_t units = 0;
    const auto take = [&units](char c) {
        if (!is_digit(c) || units > (units_max - 9) / 10) return false;
        units = 10 * units + (c - '0');
        return true;
    };
    for (const char c : whole) {
        if (!take(c)) return false;
    }
    for (int at = 0; at < decimals; ++at) {
        if (!take(static_cast<std::size_t>(at) < part.size() ? part[static_cast<std::size_t>(at)]
                                                             : '0')) {
            return false;
        }
    }
    const std::string_view beyond =
        part.substr(std::min(part.size(), static_cast<std::size_t>(std::max(decimals, 0))));
    if (!std::ranges::all_of(beyond, [](char c) { return c == '0'; })) return false;
    out = units;
    return true;
}

std::string units_text(std::int64_t units, int decimals, int least) {
    return units_text(std::to_string(units), decimals, least);
}

std::string units_text(std::string_view units, int decimals, int least) {
    const bool is_negative = units.starts_with('-');
    std::string digits{units.substr(is_negative ? 1 : 0)};
    const auto places = static_cast<std::size_t>(std::max(decimals, 0));
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    std::string text = is_negative ? "-" : "";
    const std::size_t whole = digits.size() - places;
    std::size_t kept = places;
    const auto wanted = static_cast<std::size_t>(std::max(least, 0));
    while (kept > wanted && digits[whole + kept - 1] == '0') --kept;
    text.append(digits, 0, whole);
    if (std::max(kept, wanted) == 0) return text;
    text += '.';
    text.append(digits, whole, kept);
    if (kept < wanted) text.append(wanted - kept, '0');
    return text;
}

}  // namespace onetape
