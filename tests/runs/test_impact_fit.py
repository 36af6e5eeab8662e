"""The coefficient of own impact that a run's orders give is the one that its market had; the interval says how sure."""

from __future__ import annotations

import json
import math
import random
import tomllib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from long_form import LONG, long_form
from onetape import Strategy, backtest
from onetape.cli.main import main
from onetape.engine.impact import Impact, parse_impact, read_impact
from onetape.engine.plan import RunPlan, TapeInput, read_plan
from onetape.model.errors import BadInput
from onetape.model.instrument import from_symbol
from onetape.replay.filled_orders import FilledOrder, OrderFill
from onetape.replay.market_prices import Market as RecordedMarket
from onetape.runs.impact_fit import ParentOrders, Row, fit_rows, impact_rows
from onetape.runs.tca import costs_of, fit_impact
from worlds.tapes import BTC, SECOND, Market, at_ns

TERMS = "halflife=2m,window=10m,permanent=0.2"
LAW = parse_impact(TERMS)
BUY, SELL, TAKER, MARKET = 1, 2, 2, 2
# Of 95 % intervals at most so many may miss: more would be a chance of 2 %.
SEEDS, MISSES = (40, 5) if LONG else (12, 2)


class Turns(Strategy):
    """Takes by chance, more often the way that it took before; at the trend's bidding where it knows one."""

    knows: bool = False

    def on_start(self) -> None:
        self.subscribe(BTC, quotes=True)
        self.set_timer("go", every="20s")
        self.way = 1

    def on_timer(self, name: str) -> None:
        if self.random.random() < 0.2:
            self.way = -self.way
        way = trend(self.now) if self.knows else self.way
        (self.buy if way > 0 else self.sell)(BTC, self.random.choice([1.0, 2.0, 4.0]))


def trend(time: int) -> int:
    return 1 if time // SECOND // 200 % 2 else -1


def tape(path: Path, seed: int, *, drift: float = 0.0, seconds: int = 4000, shown=(0, 1000)) -> Path:
    """A mid that wanders by some ticks a second, and as many units traded."""
    draw, market, middle = random.Random(seed), Market(path), 60_000.0
    for second in range(seconds):
        middle += round(draw.gauss(drift * trend(at_ns(second)), 0.5), 1)
        market.quote(second + 0.3, middle, middle + 0.1, draw.choice(shown), draw.choice(shown))
        market.trade(second + 0.5, middle, draw.choice([1, 2, 4]))
    return market.done()


def run(data: Path, out: Path, impact: str, seed: int = 0, **more):
    made = {"latency": "2s,1ms", "cash": "100000000 USDT", "report": False, **more}
    return backtest(Turns, data=data, options={"impact": impact}, seed=seed, out=out, **made)


# --- runs whose coefficient is known ----------------------------------------------------------------


@pytest.mark.parametrize("coefficient", [0, 1.5, *long_form(0.5)])
def test_the_coefficient_of_a_backtest_is_recovered_within_its_interval(tmp_path, coefficient):
    """And that of one without impact is 0."""
    inside, widths = 0, []
    for seed in range(SEEDS):
        data, folder = tape(tmp_path / f"t{seed}", seed), tmp_path / f"r{seed}"
        run(data, folder, f"coefficient={coefficient},{TERMS}" if coefficient else "off", seed)
        fit = costs_of(folder, LAW).own_impact
        inside += fit.low <= coefficient <= fit.high
        widths.append(fit.high - fit.low)
        assert fit.low < fit.coefficient < fit.high and fit.parents > 100 and fit.apart <= fit.parents
        assert 3 * fit.error < fit.high - fit.low < 5 * fit.error
        assert coefficient < 1 or fit.is_positive
    assert inside >= SEEDS - MISSES
    assert max(widths) < 1.2  # else any would do


@pytest.mark.parametrize("shown", [0, 1000])
def test_without_a_way_to_the_exchange_it_is_found_but_for_ticks(tmp_path, shown):
    """Whether the data say what stands at the touch, or an order's own way is in its price, too."""
    data = tape(tmp_path / "t", 1, shown=[shown])
    run(data, tmp_path / "r", f"coefficient=1.5,{TERMS}", latency="0")
    fit = costs_of(tmp_path / "r", LAW).own_impact
    assert fit.coefficient == pytest.approx(1.5, rel=0.03) and fit.error < 0.05


def test_what_decisions_knew_of_the_market_to_come_is_not_taken_for_push(tmp_path):
    """Orders of any size with the trend: what the market goes in the two seconds of their way is none of their own."""
    inside = 0
    for seed in range(SEEDS):
        run(tape(tmp_path / f"t{seed}", seed, drift=0.2), tmp_path / f"r{seed}", "off", seed, knows=True)
        fit = costs_of(tmp_path / f"r{seed}", LAW).own_impact
        inside += fit.low <= 0 <= fit.high
    assert inside >= SEEDS - MISSES


# --- a market that the run has moved, as a venue's is ---------------------------------------------------


def moved_market(path: Path, seed: int, coefficient: float):
    """A mid that wanders, moved by orders of ours by the law, of volatility and volume as they were displayed. Returns
    its tape and the orders: parents of one to four."""
    draw, market = random.Random(seed), Market(path)
    step, orders = LAW.window // 60 // SECOND, []
    middle, pushed, scale, taken, held = 60_000.0, 0.0, 0.0, 0.0, 0.0
    way, left = 1, 0
    closes, volumes, seen = [middle], [], 0.0
    for second in range(6000):
        taken *= 2.0 ** (-2 * SECOND / LAW.half_life)
        middle += draw.gauss(0, 0.5)
        if second and second % step == 0:
            closes, volumes, seen = [*closes, pushed][-61:], [*volumes, seen][-60:], 0.0
            scale = math.sqrt(sum((b - a) ** 2 for a, b in pairwise(closes)) / sum(volumes))
        units = (1 - LAW.permanent, taken), (LAW.permanent, held)
        push = sum(share * math.copysign(math.sqrt(abs(of)), of) for share, of in units)
        pushed = round(middle + coefficient * scale * push, 1)
        market.quote(second, pushed, pushed + 0.1)
        size = draw.choice([1, 2, 4])
        market.trade(second + 0.2, pushed, size)
        seen += size
        if second % 30 == 0:
            way, left = draw.choice([-1, 1]), draw.randint(1, 4)
            orders.append((way, at_ns(second), []))
        if left and second % 3 == 1:
            size, left = draw.choice([2, 8, 16]), left - 1
            orders[-1][2].append((at_ns(second + 0.5), size))
            market.trade(second + 0.5, pushed, size)
            taken, held, seen = taken + way * size, held + way * size, seen + size
    return market.done(), orders


def rows_of(data: Path, made, law: Impact):
    facts, found, parents, numbers = from_symbol(BTC, tick="0.1", lot="0.001"), {}, [], iter(range(1, 100_000))
    units = 10**facts.size_decimals
    for way, start, children in made:
        mine = []
        for time, size in children:
            number, side = next(numbers), BUY if way > 0 else SELL
            fill = OrderFill(time, 0, size * units, 0, TAKER, sequence=number)
            mine.append(FilledOrder(BTC, number, start, side, size * units, (MARKET, 0, 0), [fill]))
            found[0, number] = mine[-1]
        parents.append(ParentOrders(facts, way, start, mine))
    plan = RunPlan(strategy="x", inputs=(TapeInput(str(data)),))
    return impact_rows(parents, SimpleNamespace(orders=found), RecordedMarket(plan, [BTC]), law, at_venue=True)


@pytest.mark.parametrize("coefficient", [0, 1.0, *long_form(0.5)])
def test_the_coefficient_of_a_moved_market_is_recovered_within_its_interval(tmp_path, coefficient):
    inside, found = 0, []
    for seed in range(SEEDS):
        rows = rows_of(*moved_market(tmp_path / f"{seed}", seed, coefficient), LAW)
        fit = fit_rows(rows, LAW)
        assert fit.parents == len(rows) > 150
        inside += fit.low <= coefficient <= fit.high
        found.append(fit.coefficient)
    assert inside >= SEEDS - MISSES, found


def test_what_a_market_never_showed_says_nothing(tmp_path):
    """Parents before there are ten samples, at the tape's end, and all of a market without depth, quotes or volume."""
    data, made = moved_market(tmp_path / "t", 1, 1.0)
    rows = rows_of(data, made, LAW)
    assert made[0][2][0][0] < at_ns(100) < min(row.begin for row in rows)
    last = (1, at_ns(5991), [(at_ns(5991), 4)])
    assert len(rows_of(data, [*made, last], LAW)) == len(rows)  # a sample later the tape has ended
    silent = Market(tmp_path / "silent")
    for second in range(6000):
        silent.quote(second, 60_000 + second % 3, 60_001 + second % 3)
    assert rows_of(silent.done(), made, LAW) == []
    deep = Market(tmp_path / "deep")
    for second in range(6000):
        deep.book(second, [(60_000 + second % 3, 1)], [(60_004, 1)]).trade(second + 0.5, 60_000, 1)
    assert rows_of(deep.done(), made, LAW) == []


# --- the estimate of rows --------------------------------------------------------------------------------


def rows_at(count: int, *, length: int = 1, spread: int = 2, noise: float = 0.1, symbol: str = BTC) -> list[Row]:
    draw = random.Random(5)
    return [
        Row(symbol, n * spread, n * spread + length, 3 + 2.0 * x + draw.gauss(0, noise), x, noise**2)
        for n in range(count)
        for x in [draw.uniform(1, 2)]
    ]


def test_the_line_is_that_of_weighted_least_squares_and_its_error_that_of_the_books():
    rows = rows_at(400)
    fit = fit_rows(rows, LAW)
    x, y = (np.array([getattr(row, name) for row in rows]) for name in "xy")
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    assert fit.coefficient == pytest.approx(slope) and fit.law == LAW._replace(coefficient=fit.coefficient)
    assert fit.error == pytest.approx(covariance[0, 0] ** 0.5, rel=0.15)


def test_parents_that_overlap_are_drawn_as_one():
    apart, overlapping = fit_rows(rows_at(60), LAW), fit_rows(rows_at(60, length=3), LAW)
    assert (apart.apart, overlapping.apart) == (60, 1)
    assert apart.coefficient and overlapping.coefficient is None
    two = [*rows_at(60), *rows_at(60, symbol="binance:ETH/USDT:USDT")]
    assert fit_rows(two, LAW).apart == 120  # each in its market


@pytest.mark.parametrize(
    ("rows", "words", "is_positive"),
    [
        ([], "not known: it needs 20 parent orders of different sizes, apart in time; of 7 with fills 0", False),
        (rows_at(19), "of 26 with fills 19 count", False),
        ([row._replace(x=1.0) for row in rows_at(50)], "of 57 with fills 50 count", False),
        (rows_at(20, noise=5), "it cannot be distinguished from zero: too few parent orders, or too small ones", False),
        ([row._replace(y=-row.y) for row in rows_at(50)], "the market moved the other way", False),
        (rows_at(400, noise=4.5), "known to a factor of ", True),
        (rows_at(50), "fitted to 50 parent orders with half-life 2m and window 10m", True),
    ],
)
def test_what_it_does_not_know_it_says_in_words(rows, words, is_positive):
    fit = fit_rows(rows, LAW, unfitted=7)
    assert words in str(fit) and fit.is_positive is is_positive
    assert fit.as_json()["words"] == str(fit)


# --- a run, its fit, and a backtest with the fit ----------------------------------------------------------


def test_the_command_writes_what_impact_reads_and_the_run_says_it(tmp_path, capsys):
    data, out = tape(tmp_path / "t", 1), tmp_path / "impact.toml"
    run(data, tmp_path / "truth", f"coefficient=1.5,{TERMS}", 1)
    with pytest.raises(SystemExit, match="0"):
        main(["journal", "impact", str(tmp_path / "truth"), "--out", str(out)])
    said = capsys.readouterr().out
    law, words = read_impact(str(out))
    assert words in said and "give it to --impact" in said
    assert law._replace(coefficient=1.5) == LAW._replace(coefficient=1.5)  # of the run, where none is given
    run(data, tmp_path / "again", str(out), 1)
    plan, document = read_plan(tmp_path / "again")
    assert (plan.impact, plan.impact_fit) == (law, words)
    assert any(words in line for line in document["assumptions"]["lines"])
    with pytest.raises(SystemExit, match="0"):
        main(["replay", str(tmp_path / "again"), "--verify"])
    assert tomllib.loads(out.read_text())["impact"]["parents"] > 100


def test_costs_have_it(tmp_path, capfd):
    run(tape(tmp_path / "t", 2), tmp_path / "r", f"coefficient=1.5,{TERMS}", 2, report=True)
    with pytest.raises(SystemExit, match="0"):
        main(["tca", str(tmp_path / "r"), "--json"])
    found = json.loads(capfd.readouterr().out)["own_impact"]
    assert found["low"] < found["coefficient"] < found["high"] and found["error"] > 0
    assert json.loads((tmp_path / "r" / "report.json").read_text())["own_impact"] == found["words"]


def test_a_run_that_cannot_tell_gives_no_file(tmp_path):
    run(tape(tmp_path / "t", 1, seconds=1200), tmp_path / "r", "off", 1)
    with pytest.raises(BadInput, match=r"cannot be distinguished from zero|not known|the other way"):
        fit_impact(tmp_path / "r", tmp_path / "impact.toml", LAW)
    assert not (tmp_path / "impact.toml").exists()


@pytest.mark.parametrize("content", [None, "", "[impact]\nlaw = 3", "[impact]\nlaw = 'sqrt'", "impact = 1", "\xff"])
def test_a_file_that_is_no_fit_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "i.toml").write_text(content, encoding="latin-1")
    with pytest.raises(BadInput, match="no fitted impact"):
        read_impact(str(tmp_path / "i.toml"))
