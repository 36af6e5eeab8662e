#pragma once
// Waits until one of several journals has a frame: first spinning, if chosen, then asleep on the
// process's bell, together with the other descriptors of an event loop.
#include <cstdint>
#include <span>

#include "journal/bells.hpp"
#include "journal/reader.hpp"

namespace onetape {

enum class Woken : std::uint8_t {
    frame,        // a reader has a frame
    timeout,      // no frame came
    interrupted,  // a signal: the caller runs its handlers and waits again
};

// Requests a wake-up from every reader's writer. True: a frame is there already; do not sleep.
// certain: false where the system has no membarrier; then sleep at most BellPlace::blind_ms.
[[nodiscard]] bool arm(std::span<Reader* const> readers, bool& certain) noexcept;
void disarm(std::span<Reader* const> readers) noexcept;

// Returns after at most timeout_ns (negative: no limit, but see max_slice_ns). Readers must have
// joined with this bell.
[[nodiscard]] Woken wait_for_frame(std::span<Reader* const> readers, Bell& bell,
                                   std::int64_t spin_ns, std::int64_t timeout_ns) noexcept;

void pause_cpu() noexcept;  // between two checks of a spin

// No wait is longer than this, so that signal handlers of the host language run.
inline constexpr std::int64_t max_slice_ns = 100'000'000;

}  // namespace onetape
