"""Latency: what the option says, when orders arrive and answers come, and the venue's own clock."""

from __future__ import annotations

import pytest

from onetape import Strategy
from onetape.engine.latency import CONSTANT, RECORDED, Latency, parse_latency
from onetape.engine.plan import RunPlan, read_plan, write_plan
from onetape.engine.venue_options import Closed, VenueOptions
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import HOUR, MINUTE, SECOND
from worlds.tapes import BTC, MS, START, Market, at_ns, play, records

SPOKEN = [
    ("10ms", Latency(10 * MS, 10 * MS)),
    ("4ms,6ms", Latency(4 * MS, 6 * MS)),
    ("0", Latency(0, 0)),
    ("0,1us", Latency(0, 1000)),
    ("1ms,burst=20us@50ms", Latency(MS, MS, burst=20_000, burst_window=50 * MS)),
    ("1ms,burst=20us", Latency(MS, MS, burst=20_000, burst_window=100 * MS)),
    ("1ms,2ms,feed=3ms", Latency(MS, 2 * MS, clock=CONSTANT, feed=3 * MS)),
    ("feed=recorded", Latency(clock=RECORDED, feed=None)),
    ("1ms,feed=recorded+2ms", Latency(MS, MS, clock=RECORDED, feed=None, feed_age_min=2 * MS)),
]


@pytest.mark.parametrize(("text", "latency"), SPOKEN)
def test_the_option_says(text, latency):
    assert parse_latency(text) == latency
    assert parse_latency(str(latency)) == latency


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1",
        "-1ms",
        "1ms,2ms,3ms",
        "feed=1ms,1ms",
        "burst=x",
        "1ms,burst=1us,burst=2us",
        "2h",
        "1ms,feed=",
        "1ms,feed=recorded+x",
        "1ms,,2ms",
        "nan",
        "1e400s",
    ],
)
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(BadConfig, match="latency"):
        parse_latency(text)


def curve(tmp_path, *rows: str, header: str = "time,request,reply") -> str:
    path = tmp_path / "curve.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def test_a_daily_curve_is_read(tmp_path):
    found = parse_latency(curve(tmp_path, "00:00,1ms,2ms", "09:30:30,3ms,4000000"))
    assert found.daily
    assert found.curve == ((0, MS, 2 * MS), (9 * HOUR + 30 * MINUTE + 30 * SECOND, 3 * MS, 4 * MS))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["00:00,1ms"], "2 cells"),
        (["00:00,1ms,-2"], "duration"),
        (["25:00,1ms,1ms"], "time '25:00'"),
        (["00:00,1ms,1ms", "00:00,1ms,1ms"], "do not rise"),
        (["00:00,1ms,1ms", "2026-01-01T00:00:00Z,1ms,1ms"], "mixed"),
        (["00:00,2h,1ms"], "delay"),
        ([], "0 points"),
    ],
)
def test_a_bad_curve_says_where(tmp_path, rows, said):
    with pytest.raises(BadInput, match=said) as caught:
        parse_latency(curve(tmp_path, *rows))
    assert "curve.csv" in str(caught.value)


def test_a_curve_with_another_header_shows_it(tmp_path):
    with pytest.raises(BadInput, match="a,b,c"):
        parse_latency(curve(tmp_path, "1,2,3", header="a,b,c"))


@pytest.mark.parametrize("text", [text for text, _ in SPOKEN])
def test_a_run_keeps_its_latency(tmp_path, text):
    latency = parse_latency(text)
    write_plan(RunPlan(strategy="s.py:S", latency=latency), tmp_path / "run.toml", {})
    assert read_plan(tmp_path)[0].latency == latency


def test_a_run_keeps_its_curve(tmp_path):
    latency = parse_latency(curve(tmp_path, "00:00,1ms,2ms", "09:30:30,3ms,4ms"))
    write_plan(RunPlan(strategy="s.py:S", latency=latency), tmp_path / "run.toml", {})
    assert read_plan(tmp_path)[0].latency == latency


class Once(Strategy):
    """Buys at market at given seconds; notes when the order was accepted and filled."""

    times: tuple[float, ...] = ()

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.filled = []
        for i, second in enumerate(self.wanted):
            self.set_timer(f"t{i}", at=at_ns(second))

    def on_timer(self, name):
        self.buy(BTC, 1)

    def on_fill(self, fill):
        self.filled.append((self.now - START, fill.ts_event - START, fill.price))


def filled(tmp_path, market: Market, latency: Latency, *seconds: float, name="run"):
    wanted = type("Wanted", (Once,), {"wanted": seconds})
    played = play(wanted, market.done(), journal=tmp_path / name, latency=latency, cash={"USDT": 10**9})
    return played.robot.filled


def quotes(tmp_path, last: int = 40, step: float = 1.0) -> Market:
    market = Market(tmp_path / "t")
    for i in range(round(last / step) + 1):
        market.quote(i * step, 99.9 + i, 100.1 + i)
    return market


def test_a_dated_curve_is_interpolated_and_holds_outside_its_points(tmp_path):
    points = ((at_ns(10), 100 * MS, 0), (at_ns(20), 300 * MS, 0))
    got = filled(tmp_path, quotes(tmp_path), Latency(curve=points), 5, 15, 30)
    assert [event % SECOND for _, event, _ in got] == [100 * MS, 200 * MS, 300 * MS]


def test_a_daily_curve_goes_on_over_midnight(tmp_path):
    """START is midnight. From 23:59:50 (100 ms) to 00:00:10 (300 ms) midnight is half way."""
    points = ((10 * SECOND, 300 * MS, 0), (24 * HOUR - 10 * SECOND, 100 * MS, 0))
    got = filled(tmp_path, quotes(tmp_path), Latency(curve=points, daily=True), 5, 10)
    assert [event for _, event, _ in got] == [5 * SECOND + 250 * MS, 10 * SECOND + 300 * MS]


def test_the_curve_read_in_python_is_the_core_s(tmp_path):
    points = ((at_ns(10), 100 * MS, 0), (at_ns(20), 300 * MS, 0))
    latency = Latency(curve=points)
    assert [latency.request_at(at_ns(s)) for s in (5, 15, 30)] == [100 * MS, 200 * MS, 300 * MS]
    daily = Latency(curve=((10 * SECOND, 300, 7), (24 * HOUR - 10 * SECOND, 100, 9)), daily=True)
    assert [daily.request_at(START + s * SECOND) for s in (0, 10, 43_200)] == [200, 300, 200]
    assert daily.longest == (300, 9)


def test_orders_keep_their_sequence_when_the_latency_falls(tmp_path):
    points = ((at_ns(10), 900 * MS, 0), (at_ns(10.1), 0, 0))
    got = filled(tmp_path, quotes(tmp_path, 14, 0.05), Latency(curve=points), 10, 10.2)
    assert [event for _, event, _ in got] == [10 * SECOND + 900 * MS] * 2


def test_a_burst_of_events_delays(tmp_path):
    market = Market(tmp_path / "t")
    for i in range(100):
        market.quote(i, 99.9, 100.1)
    for i in range(10):
        market.quote(100 + i / 1000, 99.9, 100.1)
    market.quote(110, 99.9, 100.1)
    market.quote(120, 99.9, 100.1)
    burst = Latency(10 * MS, 0, burst=2 * MS, burst_window=500 * MS)
    got = filled(tmp_path, market, burst, 50.2, 100.1, 115)
    # one event in the last half second, then ten, then none
    assert [event for _, event, _ in got] == [50 * SECOND + 212 * MS, 100 * SECOND + 130 * MS, 115 * SECOND + 10 * MS]


# --- the venue's clock ----------------------------------------------------------------------------


def moving(tmp_path, *, stamps: bool, ahead: int = 0) -> Market:
    """The ask rises by 1 at each whole second there; we receive it 300 ms later."""
    market = Market(tmp_path / "t")
    for i in range(20):
        stamp = at_ns(i) + ahead if stamps else None
        market.quote(i + 0.3, 99.9 + i, 100.1 + i, ts_event=stamp)
    return market


def test_without_a_venue_clock_an_order_meets_what_was_received(tmp_path):
    ((_, event, price),) = filled(tmp_path, moving(tmp_path, stamps=True), Latency(100 * MS, 0), 5)
    assert (event, price) == (5 * SECOND + 100 * MS, 104.1)  # the quote of 4 s, 5's is on its way


def test_an_order_meets_what_had_happened_there_heard_of_or_not(tmp_path):
    latency = Latency(100 * MS, 400 * MS, clock=CONSTANT, feed=300 * MS)
    ((heard, event, price),) = filled(tmp_path, moving(tmp_path, stamps=False), latency, 5)
    assert (event, price) == (5 * SECOND + 100 * MS, 105.1)  # moved at 5 s, received at 5.3 s
    assert heard == 5 * SECOND + 500 * MS


def test_an_answer_comes_no_sooner_than_the_market_it_met_is_known(tmp_path):
    """What stood there at 5.1 s includes the quote of 5 s, which we receive at 5.3 s."""
    latency = Latency(100 * MS, 0, clock=CONSTANT, feed=300 * MS)
    ((heard, event, _),) = filled(tmp_path, moving(tmp_path, stamps=False), latency, 5)
    assert event == 5 * SECOND + 100 * MS
    assert heard == 5 * SECOND + 300 * MS


@pytest.mark.parametrize("ahead", [0, 1272 * MS, -40 * SECOND])
def test_recorded_stamps_are_set_right_whatever_the_venues_clock_shows(tmp_path, ahead):
    """The youngest event of this tape is 300 ms old and counts as 0 without +300ms."""
    market = moving(tmp_path, stamps=True, ahead=ahead)
    latency = Latency(100 * MS, 400 * MS, clock=RECORDED, feed=None, feed_age_min=300 * MS)
    ((_, event, price),) = filled(tmp_path, market, latency, 5)
    assert (event, price) == (5 * SECOND + 100 * MS, 105.1)


def test_a_tape_without_stamps_cannot_say_how_old_its_events_are(tmp_path):
    market = Market(tmp_path / "t")
    for i in range(5):
        market.quote(i, 99.9, 100.1, ts_event=0)
    with pytest.raises(BadConfig, match="stamp"):
        filled(tmp_path, market, Latency(clock=RECORDED, feed=None), 1)


class Stop(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.heard = []
        self.buy(BTC, 1, trigger=101, kind="stop")

    def on_fill(self, fill):
        self.heard.append((fill.price, fill.ts_event - START, self.now - START))


def test_a_trigger_s_delay_ends_in_time_also_while_news_of_it_are_on_their_way(tmp_path):
    """Triggered at 1 s, live 3 ms later: against the quote that stands then, not against the one
    that comes 5 ms after it, before the robot heard anything at 10 ms."""
    market = Market(tmp_path / "t").quote(0, 99, 100).quote(1, 101, 102)
    market.quote(1.005, 109, 110).quote(2, 109, 110)
    options = VenueOptions(trigger_delay=3 * MS)
    robot = play(Stop, market.done(), latency=(0, 0.010), venue=options, cash={"USDT": 1000}).robot
    assert robot.heard == [(102, SECOND + 3 * MS, SECOND + 13 * MS)]


@pytest.mark.parametrize(
    ("closed", "fills"),
    [
        ((8.0, 20.0), [5.0]),  # it was open when the ask fell, and closed when we heard of it
        ((4.0, 6.0), [9.0]),  # the ask fell in the closed hours: news of it fills nothing
        ((4.0, 10.0), [10.0]),  # the first event after them that was heard of
    ],
)
def test_a_venue_is_closed_by_its_own_clock(tmp_path, closed, fills):
    class Rests(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.filled = []
            self.sent = False

        def on_quote(self, q):
            if not self.sent:
                self.sent = True
                self.buy(BTC, 1, 95)

        def on_fill(self, fill):
            self.filled.append((fill.order.filled, fill.price))

    market = Market(tmp_path / "t")
    market.quote(0, 99, 100).quote(2, 99, 100)
    for at in (10, 14, 15, 16, 25):  # five seconds old when they are received
        market.quote(at, 93, 94)
    latency = Latency(0, 0, clock=CONSTANT, feed=5 * SECOND)
    hours = VenueOptions(closed=[Closed(*map(at_ns, closed))])
    played = play(Rests, market.done(), latency=latency, venue=hours, journal=tmp_path / "run")
    times = [r.data["ts_event"] for r in records(played.journal, "fill")]
    assert times == [at_ns(each) for each in fills]
