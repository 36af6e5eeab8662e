"""Scheduled stops and starts: what the option says, days on which clocks change, and what works
inside a stop, which is nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import Strategy, _core
from onetape.engine.plan import RunPlan, read_plan, write_plan
from onetape.engine.set_up import set_trading_hours
from onetape.engine.trading_hours import Sessions, TradingHours, parse_hours
from onetape.engine.venue_options import Closed, VenueOptions
from onetape.model.errors import BadConfig
from onetape.model.time import DAY, format_time, parse_time
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, MS, SECOND, START, Market, at_ns, play, records, session_of

STOPPED = 4312
SEED = "10:06-13:59,14:06-18:30"


def moments(text: str, tz: str, first: str, last: str) -> list[str]:
    found = parse_hours(text, tz).switches(parse_time(first), parse_time(last))
    return [f"{'start' if trades else 'stop'} {format_time(at)}" for at, trades in found]


# --- the option


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("10:06-13:59", ((36_360, 50_340),)),
        ("14:06-18:30, 10:06-13:59", ((36_360, 50_340), (50_760, 66_600))),
        ("9:00:01-9:00:02", ((32_401, 32_402),)),
        ("22:00-02:00", ((79_200, 93_600),)),
        ("00:00-24:00", ((0, 86_400),)),
        ("Mon-Fri 10:00-11:00", ((36_000, 39_600),)),
        ("23:00-01:00,01:00-02:00", ((3600, 7200), (82_800, 90_000))),
    ],
)
def test_the_option_says(text, spans):
    assert parse_hours(text).spans == spans
    assert parse_hours(str(parse_hours(text))) == parse_hours(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10:00",
        "10:00-",
        "-10:00",
        "10:00-10:00",
        "24:00-02:00",
        "25:00-26:00",
        "10:60-11:00",
        "10:00-11:00,",
        "10:00-11:00,10:30-12:00",
        "22:00-02:00,01:00-03:00",
        "10-11",
        "a-b",
        "Mon-Fri",
        "10:00-12:00,10:00-12:00",
        "١٠:00-11:00",
    ],
)
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(BadConfig, match="trading hours"):
        parse_hours(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri 9:30-16:00", "Mon,Tue,Wed,Thu,Fri"),
        ("Sat, Sun 0:00-24:00", "Sat,Sun"),
        ("Fri-Mon 0:00-1:00,2:00-3:00", "Mon,Fri,Sat,Sun"),
        ("Wed 9:30-16:00", "Wed"),
    ],
)
def test_days_of_the_week(text, days):
    hours = parse_hours(text, "America/New_York")
    assert str(hours).startswith(days + " ") and parse_hours(str(hours), hours.tz) == hours


@pytest.mark.parametrize("text", ["Mon-Foo 9:30-16:00", "Mon-Tue-Wed 9:00-10:00"])
def test_days_that_are_none_are_refused(text):
    with pytest.raises(BadConfig, match="days"):
        parse_hours(text)


def test_sessions_that_touch_are_one():
    sessions = Sessions("24/7", tuple((START + day * DAY, START + (day + 1) * DAY) for day in range(9)))
    assert sessions.switches(START + DAY, START + 5 * DAY) == [(START, True)]


def test_a_weekend_is_over_on_monday():
    got = moments("Mon-Fri 9:30-16:00", "UTC", "2026-01-04T12:00:00Z", "2026-01-06T00:00:00Z")  # begins on a Sunday
    assert got == ["stop 2026-01-02T16:00:00Z", "start 2026-01-05T09:30:00Z", "stop 2026-01-05T16:00:00Z"]
    assert moments("Fri 22:00-02:00", "UTC", "2026-01-03T01:00:00Z", "2026-01-04T00:00:00Z") == [
        "start 2026-01-02T22:00:00Z",
        "stop 2026-01-03T02:00:00Z",
    ]


def test_an_unknown_zone_is_refused():
    with pytest.raises(BadConfig, match="Europe/Moskau"):
        parse_hours("10:00-11:00", "Europe/Moskau")


def test_a_run_keeps_its_hours(tmp_path):
    hours = parse_hours(SEED, "Europe/Moscow")
    for kept in (hours, parse_hours("Mon-Fri 9:30-16:00"), Sessions("XHKG", ((START, START + DAY),)), None):
        write_plan(RunPlan(strategy="s.py:S", hours=kept), tmp_path / "run.toml", {})
        assert read_plan(tmp_path)[0].hours == kept


# --- the clocks


def test_hours_on_a_tape_that_grows_are_planned_for_years():
    plans: list = []
    host = SimpleNamespace(loop=SimpleNamespace(set_schedule=plans.append))
    set_trading_hours(SimpleNamespace(hours=parse_hours("10:00-11:00")), host, parse_time("2026-01-01"), grows=True)
    (switches,) = plans
    assert switches[-1][0] > parse_time("2036-01-01")


def test_the_times_are_those_of_the_exchange():
    assert moments(SEED, "Europe/Moscow", "2018-12-04T00:00:00Z", "2018-12-05T00:00:00Z") == [
        "stop 2018-12-03T15:30:00Z",
        "start 2018-12-04T07:06:00Z",
        "stop 2018-12-04T10:59:00Z",
        "start 2018-12-04T11:06:00Z",
        "stop 2018-12-04T15:30:00Z",
    ]


def test_the_clock_s_hour_holds_when_its_offset_changes():
    got = moments("10:00-11:00", "America/New_York", "2024-03-09T15:00:00Z", "2024-03-11T00:00:00Z")
    assert got == [
        "start 2024-03-09T15:00:00Z",
        "stop 2024-03-09T16:00:00Z",
        "start 2024-03-10T14:00:00Z",  # clocks went forward in the night
        "stop 2024-03-10T15:00:00Z",
    ]


@pytest.mark.parametrize(
    ("hours", "day", "starts", "stops"),
    [
        # 2024-03-10 in New York: 02:00 to 03:00 does not exist, 07:00Z is the jump.
        ("01:30-03:30", "2024-03-10", "06:30", "07:30"),
        ("02:30-03:30", "2024-03-10", "07:00", "07:30"),
        ("01:30-02:30", "2024-03-10", "06:30", "07:00"),
        # 2024-11-03: 01:00 to 02:00 comes twice, the first time from 05:00Z.
        ("00:30-03:30", "2024-11-03", "04:30", "08:30"),
        ("01:30-03:30", "2024-11-03", "05:30", "08:30"),
        ("00:30-01:30", "2024-11-03", "04:30", "05:30"),
    ],
)
def test_days_on_which_clocks_change(hours, day, starts, stops):
    got = moments(hours, "America/New_York", f"{day}T03:59:59Z", f"{day}T12:00:00Z")
    assert got[1:] == [f"start {day}T{starts}:00Z", f"stop {day}T{stops}:00Z"]


def test_a_span_of_which_nothing_exists_is_left_out():
    got = moments("02:10-02:50", "America/New_York", "2024-03-10T00:00:00Z", "2024-03-10T23:00:00Z")
    assert got == ["stop 2024-03-09T07:50:00Z"]


def test_a_span_over_midnight_and_spans_that_touch():
    got = moments("23:00-01:00,01:00-02:00", "UTC", "2024-05-05T12:00:00Z", "2024-05-06T12:00:00Z")
    assert got == ["stop 2024-05-05T02:00:00Z", "start 2024-05-05T23:00:00Z", "stop 2024-05-06T02:00:00Z"]
    assert len(parse_hours("00:00-24:00").switches(START, START + 9 * DAY)) == 1


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(st.integers(0, 86_399), min_size=2, max_size=8, unique=True),
    st.sampled_from(["UTC", "Europe/Moscow", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(1_600_000_000, 1_800_000_000),
    st.integers(0, 20 * 86_400),
)
def test_switches_alternate_rise_and_agree_with_the_clock_on_the_wall(seconds, tz, first, length):
    """Outside the hours around a change of the clocks, asked second by second."""
    cut = sorted(seconds)[: len(seconds) // 2 * 2]
    hours = TradingHours(tuple(zip(cut[::2], cut[1::2], strict=True)), tz)
    found = hours.switches(first * SECOND, (first + length) * SECOND)
    assert found[0][0] <= first * SECOND
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in itertools.pairwise(found))
    for step in range(0, length + 1, max(1, length // 50)):
        local = datetime.fromtimestamp(first + step, UTC).astimezone(ZoneInfo(tz))
        around = [local + timedelta(hours=h) for h in (-30, 30)]
        offsets = {each.astimezone(UTC).astimezone(ZoneInfo(tz)).utcoffset() for each in around}
        if len(offsets) > 1:
            continue
        of_day = local.hour * 3600 + local.minute * 60 + local.second
        wanted = any(a <= of_day < b for a, b in hours.spans)
        state = [trades for at, trades in found if at <= (first + step) * SECOND][-1]
        assert state == wanted


# --- the robot


class Busy(Strategy):
    """Keeps quoting on everything that it hears, and says what it heard of the schedule."""

    def on_start(self):
        self.subscribe(BTC, quotes=True, trades=True)
        self.set_timer("tick", every="100ms")
        self.heard = []
        self.sent = []
        self.work()

    def work(self):
        for price in (99.8, 99.0, 90.0):
            order = self.buy(BTC, 0.01, price)
            self.sent.append((self.now - START, order))

    def on_quote(self, quote):
        self.work()

    def on_timer(self, name):
        self.work()
        for order in self.orders(BTC)[:2]:
            self.amend(order, price=order.price - 0.1)
        if self.orders(BTC):
            self.cancel(self.orders(BTC)[-1])

    def on_health(self, health):
        self.heard.append((health.kind, health.state, self.now - START))
        self.work()


STOP, RESUME, LAST = 10.0, 20.0, 25.0
HOURS = TradingHours(((0, 10), (20, 25)), "UTC")


def busy_market(tmp_path, *, seed: int = 0) -> Market:
    market = Market(tmp_path / "t")
    for i in range(600):
        at = i * 0.05
        dip = (i * 7 + seed) % 13
        market.quote(at, 99.9 - dip / 10, 100.1 - dip / 10, 5, 5)
        if i % 3 == 0:
            market.trade(at, 99.9 - ((i + seed) % 9) / 10, 0.5, "sell")
    return market


def watched(tmp_path, latency, hours=HOURS, strategy=Busy, **plan):
    """Plays it step by step; gives (time, works for the robot, works at the exchange)."""
    session = session_of(
        strategy,
        busy_market(tmp_path).done(),
        journal=tmp_path / "run",
        latency=(latency, latency),
        hours=hours,
        cash={"USDT": 10**9},
        **plan,
    )
    session.open()
    session.start()
    seen = []
    while session.step(1) != _core.RunOutcome.ENDED:
        seen.append((session.loop.now - START, len(session.robot.orders(BTC))))
    session.finish()
    return session, seen


@pytest.mark.parametrize("latency", [0.0, 0.004, 0.03, 0.4])
def test_nothing_works_inside_a_stop(tmp_path, latency):
    session, seen = watched(tmp_path, latency)
    heard_by = 2 * latency * SECOND
    for at, working in seen:
        if STOP * SECOND + heard_by < at < RESUME * SECOND or at > LAST * SECOND + heard_by:
            assert working == 0
    assert any(working for at, working in seen if at < STOP * SECOND)
    assert any(working for at, working in seen if RESUME * SECOND < at < LAST * SECOND)
    states = {}
    with JournalReader(tmp_path / "run") as reader:
        for record in reader:
            at = (record.time - START) / SECOND
            if record.type == "order_event":
                # What the venue said, and when it happened there.
                happened = (record.data["ts_event"] - START) / SECOND
                states[record.data["order_id"]] = record.data["news"]
                if record.data["news"] == "accepted":
                    assert not STOP + latency < happened < RESUME
            elif record.type == "fill":
                happened = (record.data["ts_event"] - START) / SECOND
                assert not STOP + latency < happened < RESUME
                assert happened < LAST + latency + 0.001
            elif record.type == "order_request" and record.data["kind"] == "cancel":
                assert not STOP < at < RESUME
    assert session.loop.counters()["fills"] > 0
    assert session.loop.counters()["impossible"] == 0


def test_new_orders_are_denied_with_a_number_and_a_reason(tmp_path):
    session, _ = watched(tmp_path, 0.004)
    inside = [o for at, o in session.robot.sent if STOP * SECOND <= at < RESUME * SECOND]
    assert len(inside) > 500
    assert {(o.state, o.code, o.reason) for o in inside} == {("DENIED", STOPPED, "trading is stopped at this hour")}
    outside = [o for at, o in session.robot.sent if RESUME * SECOND <= at < LAST * SECOND]
    assert STOPPED not in {o.code for o in outside}
    assert len(outside) > 300


def test_the_robot_is_told_and_its_position_is_kept(tmp_path):
    session, _ = watched(tmp_path, 0.004)
    assert session.robot.heard == [
        ("trading", "stopped", 10 * SECOND),
        ("trading", "started", 20 * SECOND),
        ("trading", "stopped", 25 * SECOND),
    ]
    assert session.robot.position(BTC).qty > 0
    health = records(tmp_path / "run", "health")
    notes = [(r.time - START, r.data["state"]) for r in health if r.data["kind"] == "trading"]
    assert notes == [(at, state) for _, state, at in session.robot.heard]


def test_orders_under_way_at_the_stop_are_canceled_behind_it(tmp_path):
    """Sent 1 ms before the stop with 30 ms each way: accepted, and gone in the same moment."""

    class Late(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.set_timer("late", at=at_ns(9.999))
            self.news = []

        def on_timer(self, name):
            self.buy(BTC, 0.01, 50.0)

        def on_order(self, order):
            self.news.append((order.state, (self.now - START) // MS))

    session, _ = watched(tmp_path, 0.03, strategy=Late)
    assert session.robot.news == [("PENDING_CANCEL", 10_059), ("CANCELED", 10_060)]


def test_a_run_that_begins_inside_a_stop_is_told_and_waits(tmp_path):
    session, seen = watched(tmp_path, 0.004, hours=TradingHours(((20, 25),), "UTC"))
    assert session.robot.heard[0] == ("trading", "stopped", 0)
    assert {o.code for at, o in session.robot.sent if at < RESUME * SECOND} == {STOPPED}
    assert all(working == 0 for at, working in seen if at < RESUME * SECOND)


def test_a_venue_that_refuses_the_cancel_is_asked_again(tmp_path):
    """It is closed from before the stop until after it; the order goes once it listens."""

    class Once(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.order = self.buy(BTC, 0.01, 50.0)

    closed = VenueOptions(closed=[Closed(at_ns(9.5), at_ns(13.2))])
    session, seen = watched(tmp_path, 0.004, strategy=Once, venue=closed)
    assert session.robot.order.state == "CANCELED"
    gone = min(at for at, working in seen if not working)
    assert 13.2 * SECOND < gone < 14.3 * SECOND
    assert session.loop.counters()["actions"] <= 1 + 6


def test_a_robot_that_fails_flat_in_a_stop_closes_at_the_next_start(tmp_path):
    class Fails(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.buy(BTC, 0.01)
            self.set_timer("fail", at=at_ns(12))
            self.closed_at = None

        def on_timer(self, name):
            raise RuntimeError("no")

    session, _ = watched(tmp_path, 0.004, strategy=Fails, on_error="flatten")
    assert session.robot.position(BTC).qty == 0
    fills = [r.data["ts_event"] - START for r in records(tmp_path / "run", "fill")]
    assert len(fills) == 2
    assert 20 * SECOND < fills[1] < 21 * SECOND


def test_two_runs_do_the_same(tmp_path):
    hashes = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        session, _ = watched(tmp_path / name, 0.03)
        hashes.append(session.loop.action_hash().hex())
    whole = play(Busy, tmp_path / "a" / "t", latency=(0.03, 0.03), hours=HOURS, cash={"USDT": 10**9})
    assert hashes[0] == hashes[1] == whole.action_hash
