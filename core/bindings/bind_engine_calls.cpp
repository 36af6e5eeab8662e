// A log of a strategy's calls to the loop: recorded, played back, compared.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "base/sha256.hpp"
#include "bindings/py_trading_loop.hpp"
#include "bindings/scan_steps.hpp"

namespace onetape {

void PyTradingLoop::play_calls(std::string log, const std::vector<std::uint64_t>& orders) {
    player_ = std::make_unique<Player>(std::move(log));
    for (const std::uint64_t id : orders) player_->orders[id] = core->orders().find(id);
    // Calls before the log's beginning are already done.
    robot->playing = this;
}

// True: all calls were played, each in its callback.
bool PyTradingLoop::stop_playing() {
    robot->playing = nullptr;
    if (!player_) return false;
    const CallReader& reader = player_->reader;
    return !player_->is_wrong && reader.at_end() && !reader.is_damaged();
}

void PyTradingLoop::play_callback() {
    CallReader& reader = player_->reader;
    const std::uint64_t callback = robot->callback_count;
    if (player_->is_wrong || reader.at_end() || reader.callback() > callback) return;
    if (reader.callback() < callback) player_->is_wrong = true;
    for (; !player_->is_wrong && !reader.at_end() && reader.callback() == callback; reader.next())
        player_->is_wrong = !perform(reader.kind(), reader.facts());
}

void PyTradingLoop::keep_order(const OrderRef& order) {
    const auto found = player_->orders.find(order->id);
    if (found != player_->orders.end()) found->second = order;
}

OrderRef PyTradingLoop::played(OrderRef order) {
    if (order) keep_order(order);
    return order;
}

OrderRef PyTradingLoop::order_by_id(std::uint64_t id) const {
    if (const OrderRef working = core->orders().find(id)) return working;
    if (!player_) return nullptr;
    const auto found = player_->orders.find(id);
    return found != player_->orders.end() ? found->second : nullptr;
}

// False: a call that this loop cannot perform here.
bool PyTradingLoop::perform(CallKind kind, CallFacts facts) {
    Instrument* instrument = nullptr;
    switch (kind) {
        case CallKind::place:
        case CallKind::place_attached:
        case CallKind::deny:
        case CallKind::target:
        case CallKind::ladder:
        case CallKind::subscribe:
        case CallKind::unsubscribe:
        case CallKind::bars:
        case CallKind::bars_kept:
            instrument = core->instrument(facts.number<std::uint32_t>());
            if (instrument == nullptr) return false;
            break;
        default:
            break;
    }
    switch (kind) {
        case CallKind::place: {
            const OrderSpec spec = facts.order();
            if (!facts.whole()) return false;
            played(core->place(*instrument, spec));
            return true;
        }
        case CallKind::place_attached: {
            OrderSpec spec = facts.order();
            spec.attached.entry = facts.number<std::uint64_t>();
            spec.attached.share = facts.number<std::int64_t>();
            spec.attached.distance = facts.number<std::int64_t>();
            if (!facts.whole()) return false;
            played(core->place(*instrument, spec));
            return true;
        }
        case CallKind::deny: {
            const OrderSpec spec = facts.order();
            const auto code = facts.number<std::uint16_t>();
            const std::string reason(facts.text());
            if (!facts.whole()) return false;
            played(core->deny(*instrument, spec, code, reason));
            return true;
        }
        case CallKind::cancel: {
            const OrderRef order = core->orders().find(facts.number<std::uint64_t>());
            return facts.whole() && order && core->cancel(order);
        }
        case CallKind::amend: {
            const OrderRef order = core->orders().find(facts.number<std::uint64_t>());
            const auto price = facts.number<std::int64_t>(), size = facts.number<std::int64_t>();
            if (!facts.whole() || !order) return false;
            (void)core->amend(order, price, size);
            return true;
        }
        case CallKind::halt: {
            const bool flatten = facts.number<bool>();
            if (facts.whole()) core->halt(flatten);
            return facts.whole();
        }
        case CallKind::target: {
            const auto side = facts.number<PositionSide>();
            const auto units = facts.number<std::int64_t>();
            const bool reduce_only = facts.number<bool>();
            const std::string more(facts.text());
            if (!facts.whole()) return false;
            played(robot->targets.set(*instrument, side, units, reduce_only, more));
            return true;
        }
        case CallKind::end_targets: {
            const auto index = facts.number<std::int64_t>();
            if (!facts.whole()) return false;
            const Instrument* only =
                index < 0 ? nullptr : core->instrument(static_cast<std::uint32_t>(index));
            robot->targets.end(only);
            return index < 0 || only != nullptr;
        }
        case CallKind::ladder: {
            const auto side = facts.number<PositionSide>();
            const std::vector<BookLevel> bids = facts.levels(), asks = facts.levels();
            const auto keep_within = facts.number<std::int64_t>();
            if (!facts.whole()) return false;
            // Targets between this one and the last with an effect are not in the log.
            ladder(*instrument, side).set_settled({});
            ladder(*instrument, side).set(bids, asks, keep_within);
            return true;
        }
        case CallKind::set_timer: {
            const std::string name(facts.text());
            const auto every = facts.number<std::int64_t>(), at = facts.number<std::int64_t>();
            if (facts.whole()) core->set_timer(name, every, at);
            return facts.whole();
        }
        case CallKind::cancel_timer: {
            const std::string name(facts.text());
            return facts.whole() && core->cancel_timer(name);
        }
        case CallKind::subscribe:
            instrument->subscribed |= facts.number<std::uint32_t>();
            instrument->wants = instrument->subscribed & robot->overridden();
            return facts.whole();
        case CallKind::unsubscribe:
            instrument->subscribed = instrument->wants = 0;
            core->unsubscribe_bars(*instrument, 0);
            return facts.whole();
        case CallKind::bars: {
            const auto period = facts.number<std::int64_t>();
            const auto source = facts.number<std::int32_t>();
            const std::string text(facts.text());
            const auto history = facts.number<std::uint64_t>();
            const auto made_of = facts.number<std::int64_t>();
            if (facts.whole()) subscribe_bars(*instrument, period, source, text, history, made_of);
            return facts.whole();
        }
        case CallKind::bars_kept: {
            const auto period = facts.number<std::int64_t>();
            const auto source = facts.number<std::int32_t>();
            const auto count = facts.number<std::uint64_t>();
            return facts.whole() && bar_window(*instrument, period, source, count) != nullptr;
        }
        case CallKind::callback: {
            const std::string name(facts.text());
            if (!facts.whole()) return false;
            // A placeholder: the strategy sets the function when it is called again.
            set_callback(name, nb::none());
            return true;
        }
        case CallKind::scan: {
            const std::string_view request = facts.text();
            if (!facts.whole()) return false;
            host_.attr("make_scan")(nb::bytes(request.data(), request.size()));
            return true;
        }
        case CallKind::beside: {
            const auto type = facts.number<std::int32_t>();
            std::string payload(facts.text());
            if (facts.whole())
                core->append_with_actions(static_cast<EventType>(type), std::move(payload));
            return facts.whole();
        }
    }
    return false;
}

// The settled target of each ladder, which the calls in a log do not contain.
std::string PyTradingLoop::settled_ladders() const {
    std::string found;
    for (const auto& [key, ladder] : ladders_) {
        const Ladder::Settled& settled = ladder.settled();
        call_facts::put(found, key.first);
        call_facts::put(found, key.second);
        for (const auto& levels : settled.levels)
            call_facts::put(found, std::span<const BookLevel>(levels));
        call_facts::put(found, settled.keep_within);
        call_facts::put(found, settled.at);
    }
    return found;
}

void PyTradingLoop::settle_ladders(std::string_view bytes) {
    for (CallFacts facts(bytes); !facts.whole();) {
        const auto index = facts.number<std::uint32_t>();
        const auto side = facts.number<PositionSide>();
        Ladder::Settled settled;
        for (auto& levels : settled.levels) levels = facts.levels();
        settled.keep_within = facts.number<std::int64_t>();
        settled.at = facts.number<std::uint64_t>();
        Instrument* instrument = core->instrument(index);
        if (!facts.sound() || instrument == nullptr) throw nb::value_error("no ladders");
        ladder(*instrument, side).set_settled(std::move(settled));
    }
}

void bind_calls(nb::class_<PyTradingLoop>& loop) {
    loop.def("enter_callback", &PyTradingLoop::enter_callback,
             "Around what the shell calls itself. False: it was played, and is not to be called.")
        .def("halt",
             [](PyTradingLoop& s, bool flatten) {
                 s.note_call(CallKind::halt, flatten);
                 s.core->halt(flatten);
             })
        .def("unsubscribe",
             [](PyTradingLoop& s, nb::handle symbol) {
                 Instrument& instrument = s.find(symbol);
                 s.note_call(CallKind::unsubscribe, instrument.index);
                 instrument.subscribed = instrument.wants = 0;
                 s.core->unsubscribe_bars(instrument, 0);
             })
        .def(
            "subscribe_bars",
            [](PyTradingLoop& s, nb::handle symbol, std::int64_t period, int source,
               const std::string& text, std::size_t history, std::int64_t made_of) {
                Instrument& instrument = s.find(symbol);
                s.note_call(CallKind::bars, instrument.index, period,
                            static_cast<std::int32_t>(source), text,
                            static_cast<std::uint64_t>(history), made_of);
                s.subscribe_bars(instrument, period, source, text, history, made_of);
            },
            nb::arg("symbol"), nb::arg("period"), nb::arg("source"), nb::arg("text"),
            nb::arg("history"), nb::arg("made_of") = 0)
        .def("set_timer",
             [](PyTradingLoop& s, const std::string& name, std::int64_t every, std::int64_t at) {
                 s.note_call(CallKind::set_timer, name, every, at);
                 s.core->set_timer(name, every, at);
             })
        .def("cancel_timer",
             [](PyTradingLoop& s, const std::string& name) {
                 const bool was_there = s.core->cancel_timer(name);
                 if (was_there) s.note_call(CallKind::cancel_timer, name);
                 return was_there;
             })
        .def(
            "add_scan",
            [](PyTradingLoop& s, const std::vector<PyScanStep>& steps,
               const std::vector<std::int64_t>& windows,
               const std::vector<std::vector<PyScanStep>>& shown,
               const std::vector<std::uint32_t>& instruments, bool takes_all,
               const nb::bytes& request) {
                for (const std::uint32_t index : instruments)
                    if (s.core->instrument(index) == nullptr)
                        throw nb::value_error("an instrument that is not in the run");
                std::unique_ptr<Scan> scan = made_scan(steps, windows, instruments.size(), shown);
                if (s.robot->playing == nullptr)
                    s.note_call(CallKind::scan, std::string_view(request.c_str(), request.size()));
                return s.core->add_scan(std::move(scan), instruments, takes_all);
            },
            nb::arg("steps"), nb::arg("windows"), nb::arg("shown"), nb::arg("instruments"),
            nb::arg("takes_all"), nb::arg("request"),
            "A condition over these instruments, as of Scan. request: what the host's make_scan "
            "makes it of again.")
        .def(
            "record_calls", [](PyTradingLoop& s) { s.calls.record(); },
            "From here on what the strategy asks for is kept, for take_calls.")
        .def("stop_recording", [](PyTradingLoop& s) { s.calls = {}; })
        .def(
            "take_calls",
            [](PyTradingLoop& s) {
                const std::string log = s.calls.take();
                return nb::bytes(log.data(), log.size());
            },
            "What was asked for since the last time. See core/engine/calls.hpp.")
        .def(
            "play_calls",
            [](PyTradingLoop& s, const nb::bytes& log, const std::vector<std::uint64_t>& orders) {
                s.play_calls({log.c_str(), log.size()}, orders);
            },
            nb::arg("log"), nb::arg("orders"),
            "The strategy is not called: what it asked for is. orders: ids to be known afterwards.")
        .def("stop_playing", &PyTradingLoop::stop_playing,
             "It is called again. False: the log was not all there or does not fit.")
        .def(
            "compare_calls",
            [](PyTradingLoop& s, nb::bytes log) {
                const std::string_view bytes(log.c_str(), log.size());
                s.keep(std::move(log));
                s.calls.compare(bytes);
            },
            nb::arg("log"), "What is asked for from here on is compared with this.")
        .def_prop_ro(
            "calls_differ",
            [](const PyTradingLoop& s) { return s.calls.differs(s.robot->callback_count); },
            "Something else was asked for than compare_calls was told, up to here.")
        .def_prop_ro("callback_count",
                     [](const PyTradingLoop& s) { return s.robot->callback_count; })
        .def("order_by_id", &PyTradingLoop::order_by_id, nb::arg("id"),
             nb::sig("def order_by_id(self, id: int) -> Order | None"),
             "A working one, or one that play_calls was asked to keep.")
        .def("settled_ladders",
             [](const PyTradingLoop& s) {
                 const std::string found = s.settled_ladders();
                 return nb::bytes(found.data(), found.size());
             })
        .def("settle_ladders", [](PyTradingLoop& s, const nb::bytes& found) {
            s.settle_ladders({found.c_str(), found.size()});
        });
}

void bind_kept_objects(nb::module_& m) {
    nb::class_<Sha256>(m, "RunningSha256", "A SHA-256 that can be asked on the way, and pickled.")
        .def("__init__", [](Sha256* self) { new (self) Sha256(); })
        .def("update",
             [](Sha256& hash, const nb::bytes& data) { hash.update(data.c_str(), data.size()); })
        .def("digest",
             [](const Sha256& hash) {
                 Sha256 copy = hash;
                 const Digest digest = copy.finish();
                 return nb::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
             })
        .def("__getstate__",
             [](const Sha256& hash) {
                 const Sha256::Progress progress = hash.progress();
                 return nb::bytes(reinterpret_cast<const char*>(&progress), sizeof progress);
             })
        .def("__setstate__", [](Sha256& hash, const nb::bytes& state) {
            Sha256::Progress progress;
            if (state.size() != sizeof progress) throw nb::value_error("no state of a hash");
            std::memcpy(&progress, state.c_str(), sizeof progress);
            new (&hash) Sha256(progress);
        });
    m.def(
        "event_parts",
        [](nb::handle event) {
            PyObject* parts = event_parts(event.ptr());
            if (!parts) throw nb::python_error();
            return nb::steal(parts);
        },
        nb::arg("event"), nb::sig("def event_parts(event: object) -> tuple[object, ...]"),
        "All that a market event is made of, plain: for event_of.");
    m.def(
        "event_of",
        [](nb::handle parts) {
            PyObject* event = event_of(parts.ptr());
            if (!event) throw nb::python_error();
            return nb::steal(event);
        },
        nb::arg("parts"), nb::sig("def event_of(parts: tuple[object, ...]) -> object"));
    m.def(
        "fill_parts",
        [](const FillView& fill) {
            return nb::make_tuple(
                fill.order, nb::bytes(reinterpret_cast<const char*>(&fill.fill), sizeof fill.fill),
                fill.fee_currency);
        },
        nb::arg("fill"), nb::sig("def fill_parts(fill: Fill) -> tuple[Order, bytes, object]"));
    m.def(
        "fill_of",
        [](const OrderRef& order, const nb::bytes& payload, nb::object fee_currency) {
            FillView view{order, {}, std::move(fee_currency)};
            if (payload.size() != sizeof view.fill) throw nb::value_error("no fill");
            std::memcpy(&view.fill, payload.c_str(), sizeof view.fill);
            return view;
        },
        nb::arg("order"), nb::arg("payload"), nb::arg("fee_currency").none(),
        nb::sig("def fill_of(order: Order, payload: bytes, fee_currency: object) -> Fill"));
}

}  // namespace onetape
