"""A robot opened by a checkpoint is the robot of the run: the same state, the same decisions after
it. What cannot be kept, or is not to be trusted, is passed over, and all works as without."""

from __future__ import annotations

import json
import os
import random
import shutil
from functools import cache
from pathlib import Path

import pytest

from long_form import first_of, long_form
from onetape.engine.kept_state import StateKeeper
from onetape.replay import checkpoints
from onetape.replay.checkpoints import Checkpoints, CheckpointWriter, UnusableError
from onetape.replay.recorded_run import RecordedRun
from onetape.replay.replay import replay_run
from onetape.replay.robot_state import whole_state
from onetape.replay.time_travel import Traveller
from onetape.research.backtest import BacktestOptions, run_backtest
from worlds import checkpointed
from worlds.strategy_files import write
from worlds.tapes import ETH, Market

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"
BTC = "binance:BTC/USDT:USDT"

# Everything that a robot may have: numbers of numpy, containers, classes of its own, what is
# shared, orders, events, views, timers, its randomness, memory, children and handlers.
RICH = f"""
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from onetape import Strategy


@dataclass
class Level:
    price: float
    seen: list = field(default_factory=list)


class Leg(Strategy):
    symbol: str = "{BTC}"

    def on_start(self):
        self.quotes = 0
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("leg", every="7s")

    def on_quote(self, quote):
        self.quotes += 1

    def on_timer(self, name):
        if self.quotes % 3 == 0:
            self.buy(self.symbol, 0.01, once=f"leg {{self.now // 10**11}}")


class Rich(Strategy):
    symbol: str = "{BTC}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True, trades=True, book=True, bars="5s@mid", history=3)
        self.set_timer("look", every="2s")
        self.window = deque(maxlen=50)
        self.weights = np.linspace(0.0, 1.0, 50)
        self.levels = {{}}
        self.kept = []
        self.orders_by_id = {{}}
        self.last = self.trade = self.bar = self.fill = self.order = None
        self.ladder = Level(0.0)
        self.alias = self.ladder.seen
        self.generator = np.random.default_rng(5)
        self.here = self.position(self.symbol)
        self.live = self.book(self.symbol)
        self.leg = self.child(Leg, "leg")
        count = 0

        def counted(quote):
            nonlocal count
            count += 1
            self.counted = count

        self.on("quote", counted)
        self.on("*", lambda kind, event: self.met(kind))
        self.on("fill", self.heard)
        self.n = 0

    def met(self, kind):
        self.levels[kind] = self.levels.get(kind, 0) + 1

    def heard(self, fill):
        self.fill = fill

    def on_quote(self, quote):
        self.n += 1
        self.last = quote
        self.window.append(quote.mid)
        if self.n == 2000:
            self.off("fill", self.heard)
            self.subscribe(self.symbol, mark=True)
            self.cancel_timer("look")
            self.set_timer("later", every="3s")
        if self.n % 40:
            return
        lean = float(np.dot(self.weights[: len(self.window)], np.array(self.window)))
        self.weights[self.n % 50] = self.generator.random()
        self.kept.append(self.random.random())
        if lean * 1000 % 2 < 1:
            self.order = self.buy(self.symbol, 0.02, quote.bid - 1, tag="rich")
            self.orders_by_id[self.order.id] = self.order
        elif self.order is not None:
            self.amend(self.order, qty=0.03)
        self.alias.append(self.n)

    def on_trade(self, trade):
        self.trade = trade
        if self.n % 11 == 0:
            self.set_quotes(self.symbol, [(trade.price - 2, 0.01)], [(trade.price + 2, 0.01)],
                            keep_within=5)

    def on_bar(self, bar):
        self.bar = bar
        self.memory["bars"] = self.memory.get("bars", 0) + 1
        self.bars(self.symbol, "5s@mid", 5)
        seen = self.signal(self.symbol, "buy" if bar.close > bar.open else "sell", close=bar.close)
        self.set_target(self.symbol, 0.01 if seen.direction == "buy" else -0.01, signal=seen)

    def on_timer(self, name):
        if self.random.random() < 0.3:
            self.cancel_all()
        if len(self.kept) > 20:
            raise ValueError("now and then") if self.random.random() < 0.1 else None
"""


def plain(value) -> dict:
    return json.loads(json.dumps(value, default=str))


@pytest.fixture
def often(monkeypatch) -> None:
    checkpointed.often(monkeypatch)


def recorded(home: Path, code: Path | str, data: list[Path], **more) -> Path:
    return run_backtest(
        BacktestOptions(
            strategy=str(code),
            data=data,
            home=home,
            out="run",
            write_report=False,
            latency="20ms",
            on_error="continue",
            **more,
        )
    ).run


def opened(run: Path, place: int | None = None):
    """A repetition at a checkpoint; without one, at the run's beginning."""
    second = RecordedRun(run).repetition(0)
    second.open()
    second.start()
    if place is not None:
        found = Checkpoints(run)
        keeper = StateKeeper(second.session)
        found.open(second, keeper, found.places[place])
    return second


def same_all_the_way(run: Path, seed: int) -> int:
    """State by checkpoint == state from the beginning, there, at random moments after it and at
    the end. How many checkpoints there are."""
    found = Checkpoints(run)
    assert found.places, found.problem
    chosen = sorted(random.Random(seed).sample(range(len(found.places)), min(3, len(found.places))))
    for place in chosen:
        straight, by = opened(run), opened(run, place)
        assert by.frames == found.places[place].frames
        straight.go(by.frames - straight.frames)
        draw = random.Random(place)
        for _ in range(4):
            assert plain(whole_state(by.session)) == plain(whole_state(straight.session))
            assert by.session.loop.action_hash() == straight.session.loop.action_hash()
            assert by.session.loop.counters() == straight.session.loop.counters()
            assert by.session.robot.random.getstate() == straight.session.robot.random.getstate()
            step = draw.randrange(1, 400)
            by.go(step)
            straight.go(step)
            assert not by.session.loop.calls_differ
        by.go()
        straight.go()
        assert not by.session.loop.calls_differ
        assert plain(whole_state(by.session)) == plain(whole_state(straight.session))
        assert by.session.loop.action_hash() == straight.session.loop.action_hash()
        for each in (by, straight):
            each.close()
    return len(found.places)


def test_a_rich_robot_is_the_same_by_checkpoint(tmp_path, sample, often):
    code = write(tmp_path / "code", "rich", RICH)
    run = recorded(tmp_path, f"{code}:Rich", [sample])
    assert same_all_the_way(run, 1) > 50


SCANNING = f"""
from onetape import Strategy


class Scanning(Strategy):
    def on_start(self):
        self.begun = 0
        self.last = None
        self.scan("spread_to('{BTC}') > -50%", "{ETH}")
        self.scan('change("5s") > 0.1% or age > 1')

    def on_event(self, event):
        self.last = event
        self.begun += event.matched
        self.memory[event.symbol] = self.begun
        if event.matched:
            self.buy(event.symbol, 0.01)
        if self.begun in (4, 9):  # one that on_start does not know of
            self.scan(f'trades("1s") > {{self.begun}} or bid > {{95 + self.begun}}')
"""


def test_a_robot_that_scans_is_the_same_by_checkpoint(tmp_path, walk, often):
    code = write(tmp_path / "code", "scanning", SCANNING)
    run = recorded(tmp_path, f"{code}:Scanning", [walk])
    assert same_all_the_way(run, 4) > 10
    assert replay_run(run)["divergences"] == 0


# --- the examples -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> Path:
    """Three books that wander, apart from each other now and then."""
    market = Market(tmp_path_factory.mktemp("walk") / "walk.tape", taker_fee="0")
    market.add(ETH, taker_fee="0")
    market.add("kraken:BTC/USD:USD", taker_fee="0")
    draw, prices = random.Random(11), {BTC: 1000, ETH: 500, "kraken:BTC/USD:USD": 1000}
    for turn in range(800):
        for symbol in prices:
            prices[symbol] += draw.choice((-2, -1, 0, 0, 1, 2))
            if symbol.startswith("kraken"):
                prices[symbol] += round((prices[BTC] - prices[symbol]) * 0.05)
            bid = prices[symbol] / 10
            market.quote(turn / 4, bid, bid + 0.1, symbol=symbol)
    return market.done()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cross_venue", {"edge": -0.01}),
        ("grid", {"step": 0.004}),
        ("market_maker", {"keep_within": 1}),
        ("pair", {"window": 20, "enter": 1.0}),
        ("pair_arbitrage.py:PairArbitrage", {"edge": 0.0001}),
        *long_form(
            ("breakout", {"period": "5s", "window": 4}),
            ("cross", {"fast": 2, "slow": 5}),
            ("random_walk", {"every": "1s"}),
        ),
    ],
)
def test_the_examples_are_the_same_by_checkpoint(tmp_path, walk, often, name, params):
    code = str(STRATEGIES / (name if ":" in name else f"{name}.py"))
    cash = {"binance": "100000 USDT", "kraken": "100000 USD"} if name == "cross_venue" else None
    run = recorded(tmp_path, code, [walk], params=params, cash=cash)
    with_orders = RecordedRun(run).repetition(0)
    with_orders.open()
    with_orders.start()
    with_orders.go()
    acted = with_orders.session.loop.counters()["actions"]
    with_orders.close()
    assert same_all_the_way(run, len(name)) > 10
    assert acted or name == "cross"  # its bars take longer than this market


# --- how it is reached ------------------------------------------------------------------------


@cache
def state_at(run: Path, frames: int) -> dict:
    second = opened(run)
    second.go(frames - second.frames)
    found = plain(whole_state(second.session))
    second.close()
    return found


@pytest.fixture
def rich(tmp_path, sample, often) -> Path:
    return recorded(tmp_path, f"{write(tmp_path / 'code', 'rich', RICH)}:Rich", [sample])


def jumps(run: Path, *places: int, like: Path | None = None) -> str:
    """Goes there and compares; what the traveller says of its checkpoints. like: a run that is
    the same, whose states are known."""
    with Traveller(run) as traveller:
        for place in places:
            traveller.go(str(place))
            assert traveller.frames == place
            shown = plain(traveller.state())
            wanted = state_at(like or run, place)
            assert {name: shown[name] for name in wanted} == wanted
        return traveller.problem


def test_a_jump_goes_by_the_last_checkpoint_before_the_place(rich):
    places = [each.frames for each in Checkpoints(rich).places]
    with Traveller(rich) as traveller:
        traveller.go("15017")
        last = max(each for each in places if each <= 15_017)
        assert traveller.copies[0] == 1 and min(traveller.copies[1:]) == last
        traveller.go("6001")
        assert max(each for each in places if each <= 6001) in traveller.copies
        assert not traveller.problem
    assert not jumps(rich, 15_017, 3, 6001, 20_001, 15_016)


def test_a_time_is_reached_by_checkpoint_too(rich):
    with Traveller(rich) as traveller:
        traveller.go("00:00:40.5")
        shown = traveller.state()
        assert len(traveller.copies) < 6 and not traveller.problem
    shutil.rmtree(rich / "checkpoints")
    with Traveller(rich) as traveller:
        traveller.go("00:00:40.5")
        assert traveller.state() == shown


# --- what cannot be kept ----------------------------------------------------------------------


SIMPLE = f"""
import sys

from onetape import Strategy

COUNTS = []


class Own:
    def __reduce__(self):
        return Own, ()


class Simple(Strategy):
    symbol: str = "{BTC}"
    seen = []

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.n = 0
        ON_START

    def on_quote(self, quote):
        self.n += 1
        ON_QUOTE
        if self.n % 50 == 0:
            self.set_target(self.symbol, 0.01 if self.n % 100 else -0.01)
"""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, sample) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        checkpointed.often(patch)
        return simple(tmp_path_factory.mktemp("pristine"), sample)


@pytest.fixture
def mine(pristine, tmp_path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copytree(pristine, tmp_path / "mine"))


def simple(home: Path, sample: Path, start: str = "pass", quote: str = "pass") -> Path:
    text = SIMPLE.replace("ON_START", start).replace("ON_QUOTE", quote)
    return recorded(home, write(home / "code", "simple", text), [sample])


@pytest.mark.parametrize(
    ("start", "quote", "words"),
    [
        ("self.out = open('/dev/null')", "pass", "attribute 'out' cannot be kept"),
        ("self.f = lambda x: x", "pass", "attribute 'f' cannot be kept"),
        ("self.g = iter(x for x in [1])", "pass", "attribute 'g' cannot be kept"),
        ("pass", "COUNTS.append(1)", "data of its modules or classes have changed"),
        ("pass", "Simple.seen.append(1)", "data of its modules or classes have changed"),
        ("pass", "Simple.last = self.n", "data of its modules or classes have changed"),
        ("self.c = Own()", "pass", "Own defines its own pickling"),
        ("pass", "self.big = bytearray(70 << 20) if self.n == 1 else self.big", "70 MiB"),
    ],
)
def test_what_no_file_can_hold_is_named_and_all_works_as_before(tmp_path, sample, often, start, quote, words):
    run = simple(tmp_path, sample, start, quote)
    found = Checkpoints(run)
    assert not found.places
    assert words in found.problem
    assert found.problem.startswith("no checkpoints: ")
    assert not (run / "checkpoints" / "1.states").exists()
    if "big" not in quote:
        assert jumps(run, 12_000) == found.problem


def test_a_short_run_has_none_and_no_folder(tmp_path, sample):
    run = simple(tmp_path, sample)
    assert not Checkpoints(run).places and not Checkpoints(run).problem
    assert not (run / "checkpoints").exists()


# --- what is not to be trusted ----------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a cut log": (lambda at: cut(at / "1.calls"), "log of its calls is damaged"),
    "a flipped bit in the log": (lambda at: flip(at / "1.calls"), "log of its calls is damaged"),
    "a cut state": (lambda at: cut(at / "1.states"), "state is damaged"),
    "no states": (lambda at: (at / "1.states").unlink(), "No such file"),
    "a cut index": (lambda at: cut(at / "1.index"), "another user or machine"),
    "a flipped bit in the index": (lambda at: flip(at / "1.index"), "another user or machine"),
    "an empty index": (lambda at: (at / "1.index").write_bytes(b""), "another user or machine"),
    "states that others may write": (lambda at: (at / "1.states").chmod(0o666), "not this user's alone"),
    "a folder that others may write": (lambda at: at.chmod(0o777), "not this user's alone"),
    "an edited strategy": (
        lambda at: (at.parent / "source" / "simple.py").write_text(
            SIMPLE.replace("ON_START", "pass").replace("ON_QUOTE", "pass").replace("50", "60")
        ),
        "source has changed",
    ),
}


@pytest.mark.parametrize(
    "name",
    first_of(
        DAMAGE,
        "a flipped bit in the log",
        "no states",
        "a cut index",
        "states that others may write",
        "an edited strategy",
    ),
)
def test_what_is_damaged_or_foreign_is_passed_over_with_one_line(pristine, mine, name):
    damage, words = DAMAGE[name]
    damage(mine / "checkpoints")
    problem = jumps(mine, 19_000, like=mine if "edited" in name else pristine)
    assert words in problem and "not used" in problem and "\n" not in problem


def test_a_pickle_that_somebody_else_wrote_is_not_read(pristine, mine, tmp_path, monkeypatch):
    """All checksums fit, by a key that is not this user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert "another user or machine" in jumps(mine, 19_000, like=pristine)


def test_a_link_in_the_place_of_a_file_is_not_followed(pristine, mine, tmp_path):
    states = mine / "checkpoints" / "1.states"
    states.rename(tmp_path / "elsewhere")
    states.symlink_to(tmp_path / "elsewhere")
    assert "not used" in jumps(mine, 19_000, like=pristine)


def test_what_was_being_written_at_a_kill_does_not_count(pristine, mine):
    """Log and states are there, and grow; the index is not, or is the one before."""
    index = mine / "checkpoints" / "1.index"
    content = index.read_bytes()
    index.unlink()
    assert jumps(mine, 19_000, like=pristine) == ""
    index.write_bytes(content)
    for name in ("1.calls", "1.states"):
        with (mine / "checkpoints" / name).open("ab") as file:
            file.write(b"half of something")
    assert jumps(mine, 19_000, like=pristine) == ""


def test_a_state_that_is_not_whole_is_found_by_what_the_robot_does_then(tmp_path, sample, often):
    """A logger is pickled by its name, without what was put on it: no hash of the core knows."""
    text = SIMPLE.replace("import sys", "import logging")
    text = text.replace("ON_START", "self.c = logging.getLogger('count'); self.c.n = 0")
    # The price tells the count: whatever was lost of it, the next order differs.
    act = "self.c.n += 1; self.c.n % 7 or self.buy(self.symbol, 0.01, 1000.0 + self.c.n)"
    text = text.replace("ON_QUOTE", act)
    run = recorded(tmp_path, write(tmp_path / "code", "simple", text), [sample])
    places = [each.frames for each in Checkpoints(run).places]
    with Traveller(run) as traveller:
        traveller.go(str(places[40] - 1))
        assert "acts differently" in traveller.problem
        own = traveller.state()["own"]
    assert own["c"]["n"] == own["n"] > 1000


def test_private_to_their_owner(rich):
    for path in (rich / "checkpoints", *(rich / "checkpoints").iterdir()):
        assert path.stat().st_mode & 0o077 == 0
        assert path.stat().st_uid == os.geteuid()


# --- how many ---------------------------------------------------------------------------------


def test_their_number_and_size_are_bounded(tmp_path, sample, often, monkeypatch):
    monkeypatch.setattr(checkpoints, "COUNT_MAX", 10)
    run = simple(tmp_path, sample)
    places = Checkpoints(run).places
    assert 4 < len(places) <= 10
    assert [each.frames for each in places] == sorted({each.frames for each in places})
    assert places[-1].frames > 18_000
    assert not jumps(run, 19_000, 8_000)


def test_a_state_that_costs_much_to_keep_is_kept_seldom(tmp_path, sample):
    """One second of keeping, at half a percent: the next one is two hundred seconds later."""
    second = RecordedRun(simple(tmp_path, sample)).repetition(0)
    second.open()
    second.start()
    now = [0.0]

    class Slow(StateKeeper):
        def keep(self):
            now[0] += 1.0
            return super().keep()

    writer = CheckpointWriter(tmp_path / "kept", second.session, clock=lambda: now[0])
    writer._keeper = Slow(second.session)
    for _ in range(20):
        second.go(10)
        now[0] += 25.0
        writer.look()
    second.close()
    assert len(writer._places) == 3


def test_a_robot_whose_checkpoint_does_not_fit_is_of_no_use(rich):
    """The walker that tried is ended; a log of another run cannot be played."""
    found = Checkpoints(rich)
    second = opened(rich)
    second.go(100)  # beyond the beginning: the log does not fit any more
    with pytest.raises(UnusableError, match="the repeated run differs"):
        found.open(second, StateKeeper(second.session), found.places[-1])
    second.close()


# --- by a replay ------------------------------------------------------------------------------


def test_a_replay_that_differs_nowhere_makes_those_that_are_missing(tmp_path, sample, monkeypatch):
    run = simple(tmp_path, sample)
    places = (19_000, 12_345, 20_001)
    whole = {place: plain(replay_run(run, until=str(place))) for place in places}
    by_time = plain(replay_run(run, until="00:00:51.25"))
    assert not (run / "checkpoints").exists()
    checkpointed.often(monkeypatch)
    assert replay_run(run)["divergences"] == 0
    assert len(Checkpoints(run).places) > 50
    assert {place: plain(replay_run(run, until=str(place))) for place in places} == whole
    assert plain(replay_run(run, until="00:00:51.25")) == by_time
    assert jumps(run, *places) == ""
    cut(run / "checkpoints" / "1.index")
    reported = plain(replay_run(run, until="19000"))
    assert "not used" in reported.pop("checkpoints")
    assert reported == whole[19_000]
    replay_run(run)  # and makes them again
    assert jumps(run, *places) == ""


def test_a_replay_that_differs_leaves_none(tmp_path, sample, monkeypatch):
    run = simple(tmp_path, sample)
    code = run / "source" / "simple.py"
    code.write_text(code.read_text().replace("% 50", "% 60"))
    checkpointed.often(monkeypatch)
    assert replay_run(run)["divergences"] > 0
    assert not (run / "checkpoints").exists()


def test_edited_code_is_never_opened_by_a_checkpoint(tmp_path, sample, often):
    run = simple(tmp_path, sample)
    code = tmp_path / "edited.py"
    code.write_text((run / "source" / "simple.py").read_text().replace("self.n = 0", "self.n = 7"))
    assert replay_run(run, until="5000", source=code)["state"]["own"]["n"] > 7
    own = replay_run(run, until="5000")["state"]["own"]["n"]
    assert replay_run(run, until="5000", source=code)["state"]["own"]["n"] == own + 7
