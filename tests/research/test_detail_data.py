"""`--detail-data`: what happens inside bars comes from finer data that the robot never sees."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from test_money_runs import backtest, heard

from onetape.cli.main import run
from onetape.model.errors import BadConfig, BadInput, UnknownSymbol
from onetape.replay.replay import replay_run
from worlds.strategy_files import write
from worlds.tapes import BTC, ETH, START, Market

# Long 1 at the second bar's open, then a stop at 90 and a take-profit at 110 before the third.
STOP_AND_TARGET = """
from onetape import Strategy


class Bracket(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="5m", quotes=True, trades=True, book=True)
        self.memory["heard"] = []
        self.n = 0

    def hear(self, text):
        self.memory["heard"] = [*self.memory["heard"], text]

    def on_bar(self, bar):
        self.n += 1
        kept = len(self.bars(self.symbol, "5m", 99).close)
        self.hear(f"bar {bar.close:g}, {kept} kept, quote {self.quote(self.symbol)}")
        if self.n == 1:
            self.buy(self.symbol, 1)
        if self.n == 2:
            self.sell(self.symbol, 1, trigger=90, reduce_only=True, tag="stop")
            self.sell(self.symbol, 1, 110, reduce_only=True, tag="target")

    def on_quote(self, q):
        self.hear("quote")

    def on_trade(self, t):
        self.hear("trade")

    def on_book(self, b):
        self.hear("book")

    def on_fill(self, fill):
        self.hear(f"{fill.order.tag or 'entry'} {fill.price:g}")
"""
SEEN = ["bar 100, 1 kept, quote None", "entry 100", "bar 100, 2 kept, quote None"]
END = ["bar 100, 3 kept, quote None", "bar 100, 4 kept, quote None"]
# By the bar alone it filled at the close, the latest it can have: told the latency after it.
LOST = [*SEEN, END[0], "stop 90", END[1]]


def coarse(path: Path, symbol: str = BTC) -> Path:
    """Four bars of five minutes; the third goes to 120 and to 80."""
    market = Market(path, symbol)
    for number in range(1, 5):
        wide = number == 3
        market.bar(number * 300, "5m", (100, 120 if wide else 101, 80 if wide else 99, 100))
    return market.done()


def minutes(path: Path, third: list[tuple[float, float, float, float]], *, skip=()) -> Path:
    """The same in minutes; `third` are those of the third bar."""
    market = Market(path)
    for number in range(20):
        bar, minute = divmod(number, 5)
        if bar + 1 in skip:
            continue
        edge = (100, 101, 99, 100)
        market.bar((number + 1) * 60, "1m", third[minute] if bar == 2 else edge)
    return market.done()


FLAT = (100, 100, 100, 100)
UP_FIRST = [FLAT, (100, 120, 100, 100), FLAT, (100, 100, 80, 100), FLAT]
DOWN_FIRST = [FLAT, (100, 100, 80, 100), FLAT, (100, 120, 100, 100), FLAT]


def play(tmp_path: Path, detail: list[Path], name: str = "run", **options):
    tape = tmp_path / "main.tape"
    if not tape.exists():
        coarse(tape)
    options = {"latency": "10ms", "cash": "10000 USDT"} | options
    return backtest(tmp_path, tape, name, STOP_AND_TARGET, detail_data=detail, **options)


def test_without_detail_the_losing_order_counts_and_the_bar_is_ambiguous(tmp_path) -> None:
    done = play(tmp_path, [])
    assert heard(done.run) == LOST
    assert done.as_json()["ambiguous_bars"] == 1
    assert done.as_json()["ambiguous_fills"] == 1
    document = tomllib.loads((done.run / "run.toml").read_text())
    (bar,) = document["ambiguous_bar"]
    assert bar == {"time": 1_767_225_600 * 10**9 + 600 * 10**9, "symbol": BTC}
    said = [each for each in done.assumptions if each.key == "ambiguous"]
    assert len(said) == 1
    assert said[0].bias == -1
    assert "detail_holes" not in done.as_json()


@pytest.mark.parametrize(("third", "expected"), [(UP_FIRST, "target 110"), (DOWN_FIRST, "stop 90")], ids=["up", "down"])
def test_minutes_say_which_came_first(tmp_path, third, expected) -> None:
    done = play(tmp_path, [minutes(tmp_path / "detail.tape", third)])
    assert heard(done.run) == [*SEEN, expected, *END]
    facts = done.as_json()
    assert facts["ambiguous_bars"] == 0
    assert (facts["detail_events"], facts["detail_holes"], facts["detail_incomplete"]) == (20, 0, 0)
    assert facts["events"] == 4
    assert replay_run(done.run, verify=True)["divergences"] == 0
    inputs = tomllib.loads((done.run / "run.toml").read_text())["input"]
    assert [each["role"] for each in inputs] == ["market", "detail"]


@pytest.mark.parametrize(
    ("first", "then", "expected"), [(119, 81, "target 110"), (81, 119, "stop 80.9")], ids=["up", "down"]
)
def test_trades_say_which_came_first(tmp_path, first, then, expected) -> None:
    detail = Market(tmp_path / "trades.tape")
    for second in range(10, 600, 10):
        detail.trade(second, 99.9, 5)
    detail.trade(620, 99.9, 5).trade(700, first, 5).trade(800, then, 5).trade(1000, 99.9, 5)
    done = play(tmp_path, [detail.done()])
    # A market order takes one tick worse than the trade that it follows.
    entry = [SEEN[0], "entry 100", SEEN[2]]
    assert heard(done.run) == [*entry, expected, *END]
    assert done.as_json()["detail_incomplete"] >= 1  # 119 is not 120
    assert done.as_json()["ambiguous_bars"] == 0
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_a_hole_falls_back_on_the_bars_and_is_counted(tmp_path) -> None:
    detail = minutes(tmp_path / "detail.tape", UP_FIRST, skip=(3,))
    done = play(tmp_path, [detail])
    assert heard(done.run) == LOST
    facts = done.as_json()
    assert (facts["detail_holes"], facts["ambiguous_bars"]) == (1, 1)
    assert any(each.key == "detail holes" for each in done.assumptions)
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_detail_that_goes_on_after_the_data_is_not_read(tmp_path) -> None:
    detail = Market(tmp_path / "detail.tape")
    for number in range(40):
        detail.bar((number + 1) * 60, "1m", FLAT)
    done = play(tmp_path, [detail.done()])
    assert heard(done.run) == [*SEEN, *END]
    assert done.as_json()["detail_events"] == 20
    assert replay_run(done.run, verify=True)["divergences"] == 0


def test_decisions_do_not_see_the_detail_and_the_proof_holds(tmp_path) -> None:
    detail = minutes(tmp_path / "detail.tape", UP_FIRST)
    done = play(tmp_path, [detail], check_lookahead=True, latency="0")
    assert done.lookahead is not None
    assert done.lookahead["differing"] == 0


def test_an_order_meets_only_detail_after_its_arrival(tmp_path) -> None:
    """The buy at 300 s arrives 90 s later, inside the minute 390..., and takes the trade after."""
    detail = Market(tmp_path / "detail.tape")
    for second, price in ((299, 100), (350, 70), (389, 80), (400, 95), (700, 100), (1000, 100)):
        detail.trade(second, price, 5)
    done = play(tmp_path, [detail.done()], latency="90s")
    assert "entry 80.1" in heard(done.run)  # the last trade known when it arrives, one tick worse


def test_another_symbol_is_refused(tmp_path) -> None:
    coarse(tmp_path / "eth.tape", ETH)
    with pytest.raises(UnknownSymbol) as caught:
        play(tmp_path, [tmp_path / "eth.tape"])
    assert ETH in str(caught.value)
    assert "--detail-data" in str(caught.value)
    assert not (tmp_path / "runs" / "run").exists()


def test_detail_must_be_finer_than_bars(tmp_path) -> None:
    with pytest.raises(BadConfig, match="bars of 5m"):
        play(tmp_path, [coarse(tmp_path / "same.tape")])
    quotes = Market(tmp_path / "quotes.tape").quote(1, 99.9, 100).quote(400, 99.9, 100).done()
    detail = minutes(tmp_path / "detail.tape", UP_FIRST)
    with pytest.raises(BadConfig, match="quotes"):
        backtest(tmp_path, quotes, "other", STOP_AND_TARGET, detail_data=[detail])


def test_a_path_that_is_not_there_names_the_option(tmp_path) -> None:
    with pytest.raises(BadInput, match="--detail-data"):
        play(tmp_path, [tmp_path / "none.tape"])


def test_a_run_of_an_unknown_role_is_not_repeated(tmp_path) -> None:
    done = play(tmp_path, [minutes(tmp_path / "detail.tape", UP_FIRST)])
    file = done.run / "run.toml"
    file.write_text(file.read_text().replace('role = "detail"', 'role = "oracle"'))
    with pytest.raises(BadConfig, match="role"):
        replay_run(done.run, verify=True)


def test_a_later_start_knows_the_detail_before_it(tmp_path) -> None:
    """From 300 s on: entry at the third bar's open, bracket too late for its range."""
    detail = minutes(tmp_path / "detail.tape", UP_FIRST)
    done = play(tmp_path, [detail], start=START + 400 * 10**9)
    assert [each for each in heard(done.run) if "bar" not in each] == ["entry 100"]
    assert done.as_json()["detail_holes"] == 0
    assert replay_run(done.run, verify=True)["divergences"] == 0


WANDERER = '''
from onetape import Strategy


class Wanderer(Strategy):
    """Limits, stops and market orders at random around the last close."""

    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="5m")

    def on_bar(self, bar):
        throw = self.random.random()
        side = self.buy if self.random.random() < 0.5 else self.sell
        away = self.random.choice((-1.5, -0.7, 0.7, 1.5))
        if throw < 0.3:
            self.cancel_all()
        elif throw < 0.6:
            side(self.symbol, 1, bar.close + away)
        elif throw < 0.9:
            side(self.symbol, 1, trigger=bar.close + away)
        else:
            side(self.symbol, 1)
'''


def test_it_is_the_run_over_one_tape_with_both_periods(tmp_path) -> None:
    """With both periods on one tape the exchange fills on the shorter one, too: a robot of the
    longer one does and gets the same."""
    rng = np.random.default_rng(5)
    both, long, short = (Market(tmp_path / f"{name}.tape") for name in ("both", "long", "short"))
    price, five = 1000, []
    for minute in range(1, 3001):
        path = [price, *(price + rng.integers(-6, 7, 8).cumsum()).tolist()]
        price = path[-1]
        bar = tuple(each / 10 for each in (path[0], max(path), min(path), path[-1]))
        five.append(bar)
        for market in (both, short):
            market.bar(minute * 60, "1m", bar, 100)
        if minute % 5 == 0:
            whole = (five[0][0], max(b[1] for b in five), min(b[2] for b in five), five[-1][3])
            five = []
            for market in (both, long):
                market.bar(minute * 60, "5m", whole, 500)
    options = {"latency": "10ms", "cash": "1000000 USDT"}
    one = backtest(tmp_path, both.done(), "one", WANDERER, **options)
    tape, detail = long.done(), short.done()
    two = backtest(tmp_path, tape, "two", WANDERER, detail_data=[detail], **options)
    alone = backtest(tmp_path, tape, "alone", WANDERER, **options)
    assert one.fills > 200
    assert (one.action_hash, one.fills, one.pnl) == (two.action_hash, two.fills, two.pnl)
    assert two.as_json()["detail_holes"] == two.as_json()["detail_incomplete"] == 0
    assert alone.pnl != two.pnl
    assert alone.ambiguous_bars > two.ambiguous_bars


def test_other_decimals_are_refused(tmp_path) -> None:
    market = Market(tmp_path / "fine.tape", tick="0.01")
    market.bar(60, "1m", FLAT)
    with pytest.raises(BadConfig, match="decimals"):
        play(tmp_path, [market.done()])


def test_the_command_takes_several_paths(tmp_path, capfd) -> None:
    coarse(tmp_path / "main.tape")
    first = minutes(tmp_path / "first.tape", UP_FIRST, skip=(3, 4))
    second = minutes(tmp_path / "second.tape", UP_FIRST, skip=(1, 2))
    code = write(tmp_path / "code", "bracket", STOP_AND_TARGET)
    words = ["backtest", str(code), "--data", str(tmp_path / "main.tape"), "--detail-data"]
    words += [str(first), str(second), "--home", str(tmp_path), "--out", "run", "--json"]
    assert run(words) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["detail_events"], facts["detail_holes"]) == (20, 0)
    assert facts["ambiguous_bars"] == 0
    assert heard(Path(facts["run"]))[3] == "target 110"
