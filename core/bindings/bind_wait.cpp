#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <vector>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "bindings/journal_reader.hpp"
#include "journal/wait.hpp"

using namespace onetape;

namespace {

// One process's bell and the readers that it wakes.
class Waiter {
 public:
    explicit Waiter(const std::string& directory) { raise_if_failed(Bell::make(directory, bell_)); }

    void add(nb::object reader) {
        Reader* core = nb::cast<PyReader&>(reader).reader.get();
        raise_if_failed(core->join(bell_.get()));
        kept_.push_back(std::move(reader));
        readers_.push_back(core);
    }

    // Removes a reader: an unread one would always have a frame.
    void remove(const nb::object& reader) {
        Reader* core = nb::cast<PyReader&>(reader).reader.get();
        for (std::size_t i = 0; i < readers_.size(); ++i) {
            if (readers_[i] != core) continue;
            core->leave();
            readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(i));
            kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
            return;
        }
    }

    [[nodiscard]] int fd() const { return bell_->fd(); }

    // From any thread: ends the present wait, or the next one at once. The byte stays in the FIFO
    // until a wait consumes it.
    void nudge() {
        nudged_.store(true, std::memory_order_release);
        const char byte = 1;
        // A full FIFO wakes as well.
        [[maybe_unused]] const auto written = ::write(bell_->fd(), &byte, 1);
    }

    // true: a frame is available; false: timeout, or nudged.
    bool wait(double timeout, double spin) {
        const std::int64_t spin_ns = ns(spin);
        const std::int64_t end = timeout < 0 ? -1 : now() + ns(timeout);
        for (;;) {
            Woken woken{};
            {
                const nb::gil_scoped_release release;
                const std::int64_t left = end < 0 ? -1 : std::max<std::int64_t>(end - now(), 0);
                woken = wait_for_frame(readers_, *bell_, spin_ns, left);
            }
            if (woken == Woken::frame) return true;
            if (PyErr_CheckSignals() != 0) throw nb::python_error();
            if (nudged_.exchange(false, std::memory_order_acquire)) return false;
            if (end >= 0 && now() >= end) return false;
        }
    }

    // Calls callback(index, type, flags, sequence, time, stream, payload) for each frame in turn
    // until it returns a true value, or no frame came for `timeout`. Returns the number of frames
    // handled.
    std::uint64_t follow(const nb::object& callback, double timeout, double spin) {
        std::uint64_t handled = 0;
        for (;;) {
            bool any = false;
            for (std::size_t i = 0; i < readers_.size(); ++i) {
                // Bounded, so that no journal starves the others.
                for (int turn = 0; turn < 64; ++turn) {
                    Frame frame;
                    const Status status = readers_[i]->next(frame);
                    if (status == Status::not_found) break;
                    if (status != Status::ok) raise(readers_[i]->failure());
                    any = true;
                    ++handled;
                    const FrameHeader& h = *frame.header;
                    const nb::object stop =
                        callback(i, h.type, h.flags, h.sequence, h.time, h.stream,
                                 nb::bytes(frame.payload, frame.payload_bytes));
                    if (!stop.is_none() && nb::cast<bool>(stop)) return handled;
                }
            }
            if (any) {
                if (PyErr_CheckSignals() != 0) throw nb::python_error();
                continue;
            }
            // Spins a few microseconds with the interpreter lock held: releasing and retaking it,
            // and the clock reads of a bounded wait, would cost more than the wait.
            if (spin > 0 && look(lock_held_looks)) continue;
            if (!wait(timeout, spin)) return handled;
        }
    }

    // For event loops: requests a wake-up. true: a frame is available, handle it first.
    std::pair<bool, bool> arm_all() {
        bool certain = true;
        const bool there = arm(readers_, certain);
        if (there) disarm(readers_);
        return {there, certain};
    }
    void drain() {
        disarm(readers_);
        bell_->drain();
    }

 private:
    static constexpr int lock_held_looks = 200;

    bool look(int times) {
        for (int i = 0; i < times; ++i) {
            for (Reader* reader : readers_)
                if (reader->ready()) return true;
            pause_cpu();
        }
        return false;
    }
    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }
    static std::int64_t ns(double seconds) {
        return seconds >= 9e9 ? std::numeric_limits<std::int64_t>::max() / 4
                              : static_cast<std::int64_t>(seconds * 1e9);
    }

    std::unique_ptr<Bell> bell_;
    std::atomic<bool> nudged_{false};
    std::vector<nb::object> kept_;
    std::vector<Reader*> readers_;
};

}  // namespace

void bind_wait(nb::module_& m) {
    m.attr("BLIND_MS") = BellPlace::blind_ms;
    nb::class_<Waiter>(m, "Waiter")
        .def(nb::init<const std::string&>(), nb::arg("directory"))
        .def("add", &Waiter::add, nb::arg("reader"))
        .def("remove", &Waiter::remove, nb::arg("reader"))
        .def_prop_ro("fd", &Waiter::fd)
        .def("wait", &Waiter::wait, nb::arg("timeout") = -1.0, nb::arg("spin") = 0.0)
        .def("follow", &Waiter::follow, nb::arg("callback"), nb::arg("timeout") = -1.0,
             nb::arg("spin") = 0.0)
        .def(
            "arm",
            [](Waiter& self) {
                const auto [there, certain] = self.arm_all();
                return nb::make_tuple(there, certain);
            },
            nb::sig("def arm(self) -> tuple[bool, bool]"))
        .def("drain", &Waiter::drain)
        .def("nudge", &Waiter::nudge);
}
