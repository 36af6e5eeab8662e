#pragma once
// Helpers shared by the bindings of the importers.
#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

#include "text/decimal_text.hpp"
#include "text/event_sink.hpp"
#include "text/name_counts.hpp"

namespace onetape {

// ({(decimals needed, decimals possible): count}, {decimals needed at 15 digits: count})
[[nodiscard]] inline nanobind::tuple seen(const DecimalsSeen& value) {
    nanobind::dict counts, sure;
    for (int needed = 0; needed <= DecimalsSeen::most; ++needed) {
        for (int possible = 0; possible <= DecimalsSeen::most; ++possible) {
            if (const auto n = value.count(needed, possible)) {
                counts[nanobind::make_tuple(needed, possible)] = n;
            }
        }
        if (const auto n = value.sure(needed)) sure[nanobind::int_(needed)] = n;
    }
    return nanobind::make_tuple(counts, sure);
}

// Names come from the file: invalid bytes must not raise here.
[[nodiscard]] inline nanobind::object text_of(std::string_view text) {
    return nanobind::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()),
                                                "backslashreplace"));
}

[[nodiscard]] inline nanobind::dict counts_of(const NameCounts& counts) {
    nanobind::dict out;
    for (const auto& [name, count] : counts) out[text_of(name)] = count;
    return out;
}

[[nodiscard]] inline nanobind::list rejects_of(RejectLog& log) {
    nanobind::list out;
    for (const Reject& reject : log.take()) {
        out.append(nanobind::make_tuple(reject.source, reject.line,
                                        nanobind::bytes(reject.reason.data(), reject.reason.size()),
                                        nanobind::bytes(reject.text.data(), reject.text.size())));
    }
    return out;
}

template <std::size_t N>
[[nodiscard]] inline std::size_t index_of(const char* const (&names)[N], const std::string& name) {
    for (std::size_t i = 0; i < N; ++i) {
        if (name == names[i]) return i;
    }
    throw nanobind::value_error(("unknown name " + name).c_str());
}

// Takes the events of sources that are only measured, and drops them.
class NullSink final : public EventSink {
 protected:
    Status write(EventType, std::uint16_t, std::uint32_t, std::int64_t, const void*,
                 std::uint32_t) override {
        return Status::ok;
    }
};

}  // namespace onetape
