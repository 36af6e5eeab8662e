// Splits bytes into the fields of a row: separated values, lists and objects of JSON, packed cells.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "text/table.hpp"

namespace onetape {
namespace {

constexpr std::array<double, 16> exact_powers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

}  // namespace

bool decimal_from_double(double value, int& scale, RawDecimal& raw) noexcept {
    if (!std::isfinite(value)) return false;
    // An integer of 15 digits over a power of ten is divided with only the last rounding error: if
    // the quotient equals the value, it is its decimal, and the only one of 15 digits.
    const auto fits = [&](int decimals) {
        const double power = exact_powers[static_cast<std::size_t>(decimals)];
        const double whole = std::nearbyint(value * power);
        if (std::fabs(whole) >= 1e15 || whole / power != value) return false;
        raw = {static_cast<std::int64_t>(whole), static_cast<std::int16_t>(decimals), false};
        return true;
    };
    if (fits(scale)) return true;
    for (int decimals = 0; decimals < 16; ++decimals) {
        if (decimals != scale && fits(decimals)) {
            scale = std::max(scale, decimals < 9 ? decimals : 0);
            return true;
        }
    }
    std::array<char, 40> text{};
    const auto done = std::to_chars(text.data(), text.data() + text.size() - 1, value);
    const char* p = text.data();
    if (done.ec != std::errc{} || consume_decimal(p, raw) != NumberFault::none) return false;
    raw = at_sure_digits(raw);
    return true;
}

TableDecoder::TableDecoder(TableConfig config, TableStreams& streams, RejectLog& rejects,
                           NameCounts& passed_over, RowGate* gate, RowSorter* sorter)
    : config_(std::move(config)),
      streams_(streams),
      rejects_(rejects),
      passed_over_(passed_over),
      outlet_(gate, sorter),
      in_snapshot_(streams.count()) {
    fields_.resize(static_cast<std::size_t>(config_.fields));
    config_.zone.set_distinct(config_.kind == TableKind::bars && !has(TableColumn::symbol));
    if (config_.keys.empty()) return;
    JsonPaths paths;
    for (const std::string& key : config_.keys) {
        int slot = -1;
        if (const Failure failure = paths.add(key, slot); !failure.ok()) {
            status_ = Status::invalid;
            return;
        }
        slots_.push_back(slot);
    }
    scanner_ = std::make_unique<JsonScanner>(std::move(paths));
    fields_.resize(slots_.size());
}

Status TableDecoder::feed(const char* data, std::size_t size) {
    if (status_ != Status::ok) return status_;
    if (config_.form == RowForm::packed) return feed_packed(data, size);
    if (config_.form == RowForm::json) {
        json_.feed(data, size, [this](std::string_view text, std::uint64_t number, auto ending) {
            return on_json(text, number, ending);
        });
    } else {
        lines_.feed(data, size, [this](std::string_view line, std::uint64_t number, auto ending) {
            return on_line(line, number, ending);
        });
    }
    return status_;
}

Status TableDecoder::finish() {
    if (status_ != Status::ok) return status_;
    if (config_.form == RowForm::packed) {
        if (!carry_.empty()) rejects_.add(config_.source, number_ + 1, "last row is truncated", {});
        carry_.clear();
    } else if (config_.form == RowForm::json) {
        json_.finish([this](std::string_view text, std::uint64_t number, auto ending) {
            return on_json(text, number, ending);
        });
    } else {
        lines_.finish([this](std::string_view line, std::uint64_t number, auto ending) {
            return on_line(line, number, ending);
        });
    }
    if (status_ == Status::ok) flush_batch();
    return status_;
}

Status TableDecoder::feed_packed(const char* data, std::size_t size) {
    const std::size_t bytes = static_cast<std::size_t>(config_.fields) * 8;
    if (!carry_.empty()) {
        const std::size_t room = std::min(bytes - carry_.size(), size);
        carry_.append(data, room);
        data += room;
        size -= room;
        if (carry_.size() < bytes) return status_;
        if (!packed_row(carry_.data())) return status_;
        carry_.clear();
    }
    for (; size >= bytes; data += bytes, size -= bytes) {
        if (!packed_row(data)) return status_;
    }
    carry_.assign(data, size);
    return status_;
}

bool TableDecoder::packed_row(const char* cells) {
    cells_ = cells;
    ++number_;
    if (!config_.wanted.empty()) return show_row(packed_text(cells), number_);
    if (row(number_)) return true;
    if (status_ != Status::ok) return false;
    rejects_.add(config_.source, number_, std::move(reason_), packed_text(cells));
    reason_.clear();
    return true;
}

std::string TableDecoder::packed_text(const char* cells) const {
    std::string shown;
    for (int place = 0; place < config_.fields; ++place) {
        std::array<char, 32> cell{};
        if (place == config_.columns[static_cast<std::size_t>(TableColumn::ts_event)]) {
            std::int64_t value = 0;
            std::memcpy(&value, cells + std::size_t{8} * static_cast<std::size_t>(place), 8);
            std::snprintf(cell.data(), cell.size(), "%lld", static_cast<long long>(value));
        } else {
            double value = 0;
            std::memcpy(&value, cells + std::size_t{8} * static_cast<std::size_t>(place), 8);
            std::snprintf(cell.data(), cell.size(), "%.17g", value);
        }
        if (place != 0) shown.push_back(',');
        shown.append(cell.data());
    }
    return shown;
}

// Reads rows that were refused after sorting again, for their text.
bool TableDecoder::show_row(std::string_view text, std::uint64_t number) {
    if (std::binary_search(config_.wanted.begin(), config_.wanted.end(), number))
        rejects_.add(config_.source, number, {}, text);
    return true;
}

bool TableDecoder::packed_number(TableColumn column, RawDecimal& raw) {
    const auto at = static_cast<std::size_t>(column);
    double value = 0;
    std::memcpy(&value, cells_ + 8 * static_cast<std::size_t>(config_.columns[at]), 8);
    if (decimal_from_double(value, scales_[at], raw)) return true;
    return refuse(std::string(column_name(column)) +
                  (std::isfinite(value) ? " is too large" : " is not finite"));
}

bool TableDecoder::on_line(std::string_view line, std::uint64_t number,
                           LineSplitter::Ending ending) {
    if (ending == LineSplitter::Ending::overlong) {
        rejects_.add(config_.source, number, "line is longer than 1 MiB", line);
        return true;
    }
    if (number == 1 && line.substr(0, 3) == "\xef\xbb\xbf") line.remove_prefix(3);
    if (number <= static_cast<std::uint64_t>(config_.skip_lines)) return true;
    if (line.empty()) return true;
    return read_row(split(line), line, number, ending);
}

bool TableDecoder::on_json(std::string_view text, std::uint64_t number,
                           LineSplitter::Ending ending) {
    if (ending == LineSplitter::Ending::overlong) {
        rejects_.add(config_.source, number, "row is longer than 1 MiB", text);
        return true;
    }
    if (ending == LineSplitter::Ending::truncated) {
        rejects_.add(config_.source, number,
                     text.empty() ? "the list is not closed: the file ends in the middle"
                                  : "last row is truncated",
                     text);
        return true;
    }
    const char* fault = "is no row: neither a list nor an object";
    if (text.front() == '[')
        fault = scanner_ == nullptr ? split_list(text) : "row is a list, and not an object";
    else if (text.front() == '{')
        fault = scanner_ != nullptr ? split_object(text) : "row is an object, and not a list";
    return read_row(fault, text, number, ending);
}

// Returns whether to continue.
bool TableDecoder::read_row(const char* fault, std::string_view text, std::uint64_t number,
                            LineSplitter::Ending ending) {
    if (!config_.wanted.empty()) return show_row(text, number);
    if (fault != nullptr) {
        reason_ = fault;
    } else if (row(number)) {
        return true;
    }
    if (status_ != Status::ok) return false;
    if (ending == LineSplitter::Ending::truncated) reason_ = "last line is truncated: " + reason_;
    rejects_.add(config_.source, number, std::move(reason_), text);
    reason_.clear();
    return true;
}

const char* TableDecoder::split(std::string_view line) {
    const char* p = line.data();
    const char* const end = p + line.size();
    const char separator = config_.separator;
    const bool counting = config_.fields == 0;
    std::size_t count = 0;
    unquoted_.clear();
    unquoted_.reserve(line.size());  // so that views into it stay valid
    const auto add = [&](std::string_view text) {
        if (count == fields_.size() && counting) fields_.emplace_back();
        if (count < fields_.size()) fields_[count] = text;
        ++count;
    };
    for (;;) {
        if (p < end && *p == '"') {
            const std::size_t begin = unquoted_.size();
            ++p;
            for (;; ++p) {
                if (p == end) return "a quoted field is not closed";
                if (*p != '"') {
                    unquoted_.push_back(*p);
                } else if (p + 1 < end && p[1] == '"') {
                    unquoted_.push_back(*p++);
                } else {
                    break;
                }
            }
            ++p;
            if (p < end && *p != separator) return "text after a quoted field";
            // The byte behind must be no digit for the number reader.
            const std::size_t length = unquoted_.size() - begin;
            unquoted_.push_back('\n');
            add({unquoted_.data() + begin, length});
        } else {
            const char* c = p;
            while (c < end && *c != separator) ++c;
            add({p, static_cast<std::size_t>(c - p)});
            p = c;
        }
        if (p >= end) break;
        ++p;  // the separator; behind the last one is an empty field
    }
    if (counting) {
        config_.fields = static_cast<int>(count);
        for (const int column : config_.columns) {
            if (column >= config_.fields) {
                config_.fields = 0;
                fields_.clear();
                return "row has fewer fields than columns are named";
            }
        }
        return nullptr;
    }
    if (count < fields_.size()) return "row has fewer fields than the header";
    if (count > fields_.size() + 1 || (count == fields_.size() + 1 && end[-1] != separator)) {
        return "row has more fields than the header";
    }
    return nullptr;
}

// [1509836520000,0.00162,"12",null,true]: scalars as written, null as an empty field. Nested values
// are skipped. The splitter has checked that brackets and quotes are closed.
const char* TableDecoder::split_list(std::string_view text) {
    const char* p = text.data() + 1;
    const char* const end = text.data() + text.size() - 1;
    std::size_t count = 0;
    const auto skip_blanks = [&] {
        while (p < end && (*p == ' ' || *p == '\t')) ++p;
    };
    skip_blanks();
    while (p < end) {
        std::string_view field;
        if (*p == '"') {
            const char* const begin = ++p;
            while (p < end && *p != '"') {
                if (*p == '\\') return "text of a row has an escape";
                ++p;
            }
            field = {begin, static_cast<std::size_t>(p - begin)};
            ++p;
        } else if (*p == '[' || *p == '{') {
            int depth = 0;
            bool in_text = false;
            for (; p < end; ++p) {
                if (in_text && *p == '\\') {
                    ++p;
                } else if (*p == '"') {
                    in_text = !in_text;
                } else if (!in_text && (*p == '[' || *p == '{')) {
                    ++depth;
                } else if (!in_text && (*p == ']' || *p == '}') && --depth == 0) {
                    ++p;
                    break;
                }
            }
        } else {
            const char* const begin = p;
            while (p < end && *p != ',' && *p != ' ' && *p != '\t') ++p;
            field = {begin, static_cast<std::size_t>(p - begin)};
            if (field.empty()) return "row has an empty place";
            if (field == "null") field = {};
        }
        if (count < fields_.size()) fields_[count] = field;
        ++count;
        skip_blanks();
        if (p >= end) break;
        if (*p != ',') return "row is no JSON";
        ++p;
        skip_blanks();
        if (p >= end) return "row has an empty place";
    }
    return count < fields_.size() ? "row has fewer values than it needs" : nullptr;
}

const char* TableDecoder::split_object(std::string_view text) {
    if (const char* fault = scanner_->scan(text, message_)) return fault;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        fields_[i] = {};
        if (!message_.has(slots_[i])) continue;
        const JsonValue& value = message_.at(slots_[i]);
        if (value.kind != JsonKind::null) fields_[i] = value.text;
    }
    return nullptr;
}

}  // namespace onetape
