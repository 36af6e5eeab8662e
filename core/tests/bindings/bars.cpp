// Builds and stores bars, one event at a time.
#include "market/bars.hpp"

#include "bindings/bars_view.hpp"
#include "tests/bindings/bind.hpp"

using namespace onetape;

namespace {

constexpr const char* ticks[] = {"folded", "late", "due", "refused", "counted"};

nb::tuple closed_tuple(const ClosedBar& closed) {
    const BarPayload& b = closed.bar;
    const nb::object turnover = (nb::int_(b.turnover_high) << nb::int_(64)) |
                                nb::int_(static_cast<std::uint64_t>(b.turnover_low));
    return nb::make_tuple(closed.builder, b.ts_open, b.ts_close, b.open, b.high, b.low, b.close,
                          b.volume, turnover, b.trades, (closed.flags & flag_empty) != 0);
}

BarPayload bar_payload(std::int64_t ts_open, std::int64_t ts_close, std::int64_t open,
                       std::int64_t high, std::int64_t low, std::int64_t close,
                       std::int64_t volume) {
    return {ts_open, ts_close, ts_close - ts_open, open, high, low, close, volume, 0, 0, -1, 0};
}

}  // namespace

void bind_bars(nb::module_& m) {
    nb::class_<BarStream>(m, "BarStream", "Bars of one stream, cut on the receipt clock.")
        .def(nb::init<>())
        .def(
            "add",
            [](BarStream& stream, std::int64_t period_ns, int source, std::int64_t made_of,
               int decimals) {
                if (source < 0 || source > 7) throw nb::value_error("source is 0 to 7");
                if (period_ns <= 0 || (source < 4 && period_ns > bar_period_max)) {
                    throw nb::value_error("a bar period is between 1 ns and 366 days");
                }
                if ((source == 3) != (made_of > 0 && period_ns % made_of == 0))
                    throw nb::value_error("made_of: of source 3 alone, a period that divides");
                return stream.add(period_ns, static_cast<BarSource>(source), made_of, decimals);
            },
            nb::arg("period_ns"), nb::arg("source"), nb::arg("made_of") = 0,
            nb::arg("decimals") = 0,
            "source: 0 trade, 1 mid, 2 venue, 3 the venue's of the shorter period made_of, 4 "
            "volume, "
            "5 ticks, 6 notional, 7 imbalance.")
        .def(
            "on_trade",
            [](BarStream& stream, std::int64_t time, std::int64_t price, std::int64_t size,
               std::uint64_t number, int side) {
                return ticks[static_cast<int>(
                    stream.on_trade(time, price, size, number, static_cast<Side>(side)))];
            },
            nb::arg("time"), nb::arg("price"), nb::arg("size"), nb::arg("number") = 0,
            nb::arg("side") = 0)
        .def(
            "on_quote",
            [](BarStream& stream, std::int64_t time, std::int64_t bid, std::int64_t ask) {
                return ticks[static_cast<int>(stream.on_quote(time, bid, ask))];
            },
            nb::arg("time"), nb::arg("bid"), nb::arg("ask"))
        .def(
            "on_bar",
            [](BarStream& stream, std::int64_t ts_open, std::int64_t ts_close, std::int64_t open,
               std::int64_t high, std::int64_t low, std::int64_t close, std::int64_t volume,
               std::int64_t period) {
                BarPayload bar = bar_payload(ts_open, ts_close, open, high, low, close, volume);
                if (period != 0) bar.period_ns = period;
                return ticks[static_cast<int>(stream.on_bar(bar, 0))];
            },
            nb::arg("ts_open"), nb::arg("ts_close"), nb::arg("open"), nb::arg("high"),
            nb::arg("low"), nb::arg("close"), nb::arg("volume"), nb::arg("period") = 0)
        .def(
            "take",
            [](BarStream& stream, std::int64_t now, std::size_t limit) {
                nb::list bars;
                ClosedBar closed;
                while (bars.size() < limit && stream.next(now, closed)) {
                    bars.append(closed_tuple(closed));
                }
                return bars;
            },
            nb::arg("now"), nb::arg("limit") = 1000,
            "Up to `limit` bars due at `now`: (builder, ts_open, ts_close, open, high, low, close, "
            "volume, turnover, trades, empty). Fewer than the limit: all are taken.")
        .def_prop_ro("due", &BarStream::due)
        .def("counts", [](const BarStream& stream, std::size_t index) {
            if (index >= stream.size()) throw nb::index_error("no such builder");
            const BarCounts& c = stream.builder(index).counts();
            nb::dict d;
            d["folded"] = c.folded;
            d["late"] = c.late;
            d["refused"] = c.refused;
            d["closed"] = c.closed;
            d["empty"] = c.empty;
            return d;
        });

    nb::class_<ViewedBarWindow>(m, "BarWindow", "The last completed bars of one stream and period.")
        .def(nb::init<int, int, std::size_t>(), nb::arg("price_decimals"), nb::arg("size_decimals"),
             nb::arg("capacity") = 512)
        .def(
            "push",
            [](ViewedBarWindow& window, std::int64_t ts_open, std::int64_t ts_close,
               std::int64_t open, std::int64_t high, std::int64_t low, std::int64_t close,
               std::int64_t volume, nb::int_ turnover) {
                BarPayload bar = bar_payload(ts_open, ts_close, open, high, low, close, volume);
                bar.turnover_low = static_cast<std::int64_t>(
                    nb::cast<std::uint64_t>(turnover & nb::int_(0xffffffffffffffffu)));
                bar.turnover_high = nb::cast<std::int64_t>(turnover >> nb::int_(64));
                window.push(bar);
            },
            nb::arg("ts_open"), nb::arg("ts_close"), nb::arg("open"), nb::arg("high"),
            nb::arg("low"), nb::arg("close"), nb::arg("volume"), nb::arg("turnover"))
        .def("reserve", &ViewedBarWindow::reserve, nb::arg("capacity"))
        .def("last", &ViewedBarWindow::view, nb::arg("n"))
        .def("__len__", &ViewedBarWindow::size);
}
