#pragma once
// What the bindings of the importers share.
#include <nanobind/nanobind.h>

#include "text/decimal_text.hpp"
#include "text/event_sink.hpp"

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

// For sources that are measured.
class NullSink final : public EventSink {
 protected:
    Status write(EventType, std::uint16_t, std::uint32_t, std::int64_t, const void*,
                 std::uint32_t) override {
        return Status::ok;
    }
};

}  // namespace onetape
