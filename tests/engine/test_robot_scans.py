"""`self.scan(...)`: the same condition as `onetape scan`, heard of in on_event."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from onetape import Strategy, compiled
from onetape.engine.scans import SCANS_MAX
from onetape.market.condition import ConditionError, parse_condition
from onetape.market.wanted import symbols_wanted
from onetape.model.errors import BadInput, NotAvailable, UnknownSymbol
from onetape.scanner.scanner import Scanner
from worlds.tapes import BTC, ETH, Market, Played, at_ns, play, records


class Scans(Strategy):
    expression: str
    symbols: str = "all"

    def on_start(self):
        self.heard = []
        self.scan(self.expression, self.symbols)

    def on_event(self, event):
        self.heard.append(event)

    def changes(self):
        return [(each.symbol, each.matched, each.ts) for each in self.heard]


def scan(kind: type[Strategy], *tapes: Path, journal: Path | None = None, start: int | None = None, **params) -> Played:
    return play(kind, *tapes, journal=journal, start=start, params=params)


def random_market(path: Path, seed: int) -> Path:
    """Two symbols over some minutes; now and then nothing comes for longer than a window, once for
    longer than the longest of all."""
    chance = random.Random(seed)
    market, now, mids = Market(path, symbol=BTC), 0.0, {BTC: 100.0, ETH: 100.0}
    market.add(ETH)
    for number in range(500):
        now = round(now + chance.choice((0, 0.004, 0.05, 0.3, 1.7, 9, 75)) * chance.random(), 6)
        now += 9 * 86_400 if number == 300 else 0
        symbol = chance.choice((BTC, ETH))
        mids[symbol] = mid = round(mids[symbol] + chance.choice((-1, 0, 1)), 1)
        match chance.randrange(10):
            case 0:
                market.mark(now, mid + 0.5, index=mid + 0.3, symbol=symbol)
            case 4:
                market.open_interest(now, chance.randint(90, 110), symbol=symbol)
            case 1 | 2 | 3:
                market.trade(now, mid, chance.randint(1, 5), symbol=symbol)
            case _:
                market.quote(now, mid - 0.5, mid + 0.5, symbol=symbol)
    return market.done()


@pytest.mark.parametrize(
    ("expression", "symbols"),
    [
        ("mid > 100", "all"),
        ("age > 2", "all"),
        ('change("6s") > 0 and spread < 2*tick*50', "all"),
        ('trades("6s") > 1 or volume("1m") > 60', ETH),
        (f'mid > mid("{BTC}") + 1', "all"),
        (f'spread_to("{BTC}") > 1%', ETH),
        ('not volatility("6s") < 0.01', f"{BTC},{ETH}"),
        ("mark > mid", BTC),
        ("open_interest > 100 and spread > 0", "all"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_robot_hears_what_the_command_shows(tmp_path, expression, symbols, seed):
    tape = random_market(tmp_path / "t", seed)
    scanner = Scanner([tape], parse_condition(expression), symbols_wanted(symbols))
    shown = [
        (each.symbol, each.until is None, each.ts if each.until is None else each.until) for each in scanner.over()
    ]
    values = [each.values for each in scanner.matches]
    scanner.close()

    robot = scan(Scans, tape, expression=expression, symbols=symbols).robot
    assert robot.changes() == shown
    assert [each.values for each in robot.heard if each.matched] == values
    assert len(shown) >= 2


def test_an_event_says_what_begins_or_ends_and_is_on_the_tape(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99, 101).quote(1.5, 101, 103).quote(2.5, 99, 101)
    path = market.done()
    assert scan(Scans, path, expression="mid > 101 and not funding > 0").robot.changes() == []  # which nobody says
    run = scan(Scans, path, journal=tmp_path / "run", expression="mid > 101", symbols=BTC)
    begins, ends = run.robot.heard
    assert msgspec.to_builtins(begins) == {
        "kind": "scan",
        "ts": at_ns(1.5),
        "symbol": BTC,
        "expression": "mid > 101",
        "matched": True,
        "values": {"mid": 102.0},
    }
    assert (ends.kind, ends.matched, ends.values) == ("scan", False, {"mid": 100.0})
    written = [(each.time, each.data) for each in records(tmp_path / "run", "external")]
    assert written == [(each.ts, msgspec.to_builtins(each)) for each in (begins, ends)]


def test_time_alone_changes_a_match_at_the_next_whole_second(tmp_path):
    market = Market(tmp_path / "t").quote(0.2, 99, 101).quote(9.7, 99, 101).quote(9.9, 99, 101)
    robot = scan(Scans, market.done(), expression="age > 3").robot
    assert robot.changes() == [(BTC, True, at_ns(4)), (BTC, False, at_ns(9.7))]


def test_a_symbol_that_comes_later_is_of_all_of_them(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99, 101)
    market.add(ETH)
    market.quote(1, 199, 201, symbol=ETH).quote(2, 99, 101)
    path = market.done()
    assert scan(Scans, path, expression="mid > 150").robot.changes() == [(ETH, True, at_ns(1))]
    assert scan(Scans, path, expression="mid > 150", symbols=BTC).robot.changes() == []


def test_windows_begin_with_what_the_data_have_from_before_the_start(tmp_path):
    market = Market(tmp_path / "t")
    for at in range(100):
        market.quote(at, 99 + at, 101 + at).trade(at, 100, 1)
    path = market.done()
    late = scan(Scans, path, expression='trades("1m") > 59 and change("1m") > 0', start=at_ns(70)).robot
    assert late.changes()[0] == (BTC, True, at_ns(70))
    whole = scan(Scans, path, expression='trades("1m") > 59 and change("1m") > 0').robot
    assert whole.changes()[0][2] < at_ns(70)


def test_what_is_no_condition_is_refused_at_the_call(tmp_path):
    path = Market(tmp_path / "t").quote(0, 99, 101).done()
    with pytest.raises(ConditionError) as refused:
        scan(Scans, path, expression="mid > 1 adn ask > 1")
    assert refused.value.code == BadInput.code
    assert refused.value.excerpt.splitlines() == ["mid > 1 adn ask > 1", "        ^"]
    with pytest.raises(UnknownSymbol):
        scan(Scans, path, expression="mid > 1", symbols=ETH)
    with pytest.raises(UnknownSymbol):
        scan(Scans, path, expression=f'mid > mid("{ETH}")')
    with pytest.raises(NotAvailable):
        scan(Scans, path, expression="mid > 1", symbols="top:5")


class AsksOften(Scans):
    expression: str = "mid > 0"
    numbered: bool = False

    def on_start(self):
        self.heard = []
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        number = quote.ts_recv // 10**6 % 1000 if self.numbered else 0
        self.scan(f"mid > {number}")


def test_one_condition_is_followed_once_and_there_is_an_end_to_their_number(tmp_path):
    market = Market(tmp_path / "t")
    for number in range(SCANS_MAX + 2):
        market.quote(number / 1000, 9999, 10001)
    path = market.done()
    request = scan(AsksOften, path)
    # Asked for in a callback it begins with the event that was shown there.
    assert request.robot.changes() == [(BTC, True, at_ns(0))]
    many = scan(AsksOften, path, numbered=True)
    assert len(many.robot.heard) == SCANS_MAX
    assert "more than 64 scans" in many.host.failures[0].error


class Trades(Scans):
    """Its memory and its orders hang on what it hears."""

    def on_event(self, event):
        super().on_event(event)
        self.memory[event.symbol] = self.memory.get(event.symbol, 0) + event.matched
        if event.matched:
            self.buy(event.symbol, 0.01)
            if len(self.heard) == 3:
                self.scan("mid > 0")


def test_a_run_of_scans_is_repeated_to_the_bit(tmp_path):
    tape = random_market(tmp_path / "t", 3)
    first, second = (scan(Trades, tape, journal=tmp_path / name, expression="mid > 100") for name in ("a", "b"))
    assert first.robot.heard == second.robot.heard and len(first.robot.heard) > 3
    assert first.session.state_hash == second.session.state_hash
    assert first.action_hash == second.action_hash


def test_compiled_strategies_say_that_they_hear_no_scans(tmp_path):
    pytest.importorskip("numba")
    path = Market(tmp_path / "t").quote(0, 99, 101).done()
    with pytest.raises(NotAvailable, match="scans"):
        scan(Compiled, path)


@compiled
class Compiled(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.scan("mid > 1")

    def on_quote(self, quote):
        pass
