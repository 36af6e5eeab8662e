"""A queue model fitted to a run is the one that the run's exchange had; its interval says how sure that is."""

from __future__ import annotations

import math
import random
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from long_form import LONG, long_form
from onetape import Strategy, _core, backtest
from onetape.cli.main import main
from onetape.engine.plan import read_plan
from onetape.engine.queue_model import QUEUE_MODELS, parse_queue, read_queue
from onetape.model.errors import BadConfig, BadInput
from onetape.runs.queue_episodes import episodes_of
from onetape.runs.queue_fit import fit_episodes, fit_queue
from reference.places import QueueModel
from worlds.queue_crowds import crowd_episode
from worlds.tapes import BTC, Market

# --- the truth in a matching engine ---------------------------------------------------------------

LAWS = [("power", 1.0), ("power", 2.0), ("power2", 0.7), *long_form(("power", 0.5), ("power3", 2.0), ("power2", 2.0))]


@pytest.mark.parametrize(("family", "exponent"), LAWS)
def test_the_law_of_a_crowd_is_recovered_within_its_interval(family, exponent):
    """95 % of the intervals should have it: of so few, at most one in eight may not."""
    seeds = 40 if LONG else 5
    inside, fills, expected, variance = 0, 0, 0.0, 0.0
    for seed in range(seeds):
        draw = random.Random(f"{family} {exponent} {seed}")
        fit = fit_episodes([crowd_episode(draw, family, exponent) for _ in range(150)], (family,), at_venue=True)
        inside += fit.low <= exponent <= fit.high
        assert fit.high / fit.low < 4  # else any would do
        assert fit.place < fit.conservative
        fills, expected, variance = fills + fit.fills, expected + fit.expected, variance + fit.error**2
    assert inside >= seeds - max(1, seeds // 8)
    assert abs(fills - expected) < 3.5 * math.sqrt(variance)  # the probability of a fill is true


def test_the_likeliest_family_is_the_law_of_the_crowd():
    draw = random.Random(7)
    fit = fit_episodes([crowd_episode(draw, "power2", 2.0) for _ in range(250)], at_venue=True)
    assert parse_queue(fit.model).name == "power2"


# --- the likelihood against a slow model ----------------------------------------------------------


def slow_likelihood(steps, model, surprise=1e-3):
    """All places that there can be, each with its probability."""
    shown, traded, log, expected = int(steps[0][1]), 0, 0.0, 0.0
    places = {shown: 1.0}
    for is_print, size, filled, left in steps[1:].tolist():
        moved: dict[int, float] = {}

        def put(place, probability, into=moved):
            into[max(place, 0)] = into.get(max(place, 0), 0.0) + probability

        if not is_print:
            gone = shown - size - traded
            for front, probability in places.items():
                behind = model.share_behind(front, shown - front) if gone > 0 else 1.0
                put(min(front, size), probability * behind)
                if gone > 0:
                    put(min(front - gone, size), probability * (1 - behind))
            places, shown, traded = moved, size, 0
            continue
        traded += size
        expected += sum(p for front, p in places.items() if front < size)
        agree = {f: p for f, p in places.items() if min(max(size - f, 0), left) == filled}
        said = sum(agree.values())
        log += math.log((1 - surprise) * said + surprise)
        if filled:
            break
        for front, probability in (agree or places).items():
            put(front - size, probability / (said or 1.0))
        places = moved
    return log, expected


@pytest.mark.parametrize("family", [name for name in QUEUE_MODELS if name not in ("fifo", "auto")])
def test_the_core_finds_what_the_slow_model_finds(family):
    draw = random.Random(family)
    for _ in range(40):
        steps = crowd_episode(draw, "power", 1.0).steps
        exponent = draw.choice([0.5, 1.0, 3.0])
        ((log, expected, _),) = _core.queue_likelihood(QUEUE_MODELS[family][0], [exponent], 1.0, steps)
        assert (log, expected) == pytest.approx(slow_likelihood(steps, QueueModel(family, exponent)), abs=1e-9)


def test_a_wide_queue_gives_the_exponent_of_a_narrow_one():
    """A thousand units where another has one: followed by parts of the queue, which blur it a little."""
    draw = random.Random(3)
    crowd = [crowd_episode(draw, "power", 1.0) for _ in range(100)]
    wide = [replace(each, coins=1e-3, steps=each.steps * np.array([1, 1000, 1000, 1000])) for each in crowd]
    narrow, broad = (fit_episodes(each, ("power",), at_venue=True) for each in (crowd, wide))
    exponents = [parse_queue(each.model).exponent for each in (narrow, broad)]
    assert exponents[1] == pytest.approx(exponents[0], rel=0.25)
    assert narrow.low < exponents[1] < narrow.high and broad.expected == pytest.approx(narrow.expected, rel=0.1)


@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_of_many_orders_the_fills_are_not_thinned_away(cycle):
    """Fills that come in a rhythm, or one alone."""
    draw = random.Random(3)
    crowd = [crowd_episode(draw, "power", 1.0) for _ in range(100)]
    (filled, unfilled) = (next(each for each in crowd if each.is_filled is is_filled) for is_filled in (True, False))
    many = [filled if n % cycle == cycle - 1 else unfilled for n in range(5002)]
    fit = fit_episodes(many, ("conservative",), at_venue=True)
    assert fit.orders == 5000 and fit.fills == pytest.approx(5000 / cycle, rel=0.05)
    few = [unfilled, filled, *[unfilled] * 5000]
    fit = fit_episodes(few, ("conservative", "power"), at_venue=False)
    assert (fit.orders, fit.fills) == (1, 1) and fit.place == fit.place
    with pytest.raises(BadInput, match="no trade filled one of the 5000 orders"):
        fit_episodes([unfilled] * 5002, at_venue=True)


# --- a run, its fit, and a backtest with the fit ----------------------------------------------------


class Rests(Strategy):
    """One bid at a time, for half a minute each."""

    def on_start(self) -> None:
        self.subscribe(BTC, book=True)
        self.set_timer("go", every="30s")
        self.order = None

    def on_timer(self, name: str) -> None:
        if self.order is not None:
            self.cancel(self.order)
        self.order = self.buy(BTC, 0.003, 99.9, post_only=True)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """Others join, cancel and are hit at 99.9, over a hundred minutes."""
    draw, made, shown, time = random.Random(1), Market(tmp_path_factory.mktemp("queue") / "tape"), 40, 0.0
    made.book(0, [(99.9, shown / 1000), (99, 1)], [(100.1, 1)])
    while time < 6000:
        time += draw.expovariate(2)
        what = draw.random()
        if what < 0.42:
            shown += draw.randint(1, 4)
        elif what < 0.85:
            shown = max(shown - draw.randint(1, 4), 10)
        else:
            size = min(draw.randint(1, 6), shown - 5)
            made.trade(time, 99.9, size / 1000, "sell")
            shown, time = shown - size, time + 0.001
        made.book(time, [(99.9, shown / 1000)], [], snapshot=False)
    return made.done()


def run(tape, out, queue):
    return backtest(Rests, data=tape, queue=queue, cash="1000000 USDT", latency="1ms", out=out)


@pytest.mark.parametrize("queue", ["power:3", "power3:2", *long_form("power:1", "power2:2")])
def test_the_model_of_a_backtest_is_found_in_its_fills(tape, tmp_path, queue):
    truth = run(tape, tmp_path / "truth", queue)
    fit = fit_queue(tmp_path / "truth", tmp_path / "queue.toml")
    wanted, found = parse_queue(queue), parse_queue(fit.model)
    assert found.name == wanted.name and fit.low <= wanted.exponent <= fit.high < 1.3 * fit.low
    assert fit.place == 0 < fit.conservative and fit.orders == 200
    second = run(tape, tmp_path / "again", str(tmp_path / "queue.toml"))
    assert len(second.fills) == pytest.approx(len(truth.fills), rel=0.02)
    plan = read_plan(tmp_path / "again")[0]
    assert plan.queue == fit.model and plan.queue_fit == str(fit)
    assert "fitted to 200 orders" in str(second.facts["assumptions"])


def test_what_the_queue_did_not_decide_is_no_evidence(tmp_path):
    """A print beyond the price, and a touch that comes to it, fill whoever stands there."""
    made = Market(tmp_path / "tape")
    made.book(0, [(99.9, 0.01), (99, 1)], [(100.1, 1)])
    made.book(31, [(99.9, 0.02)], [], snapshot=False)
    made.trade(32, 99.9, 0.004, "sell").trade(32, 99.9, 0.004, "buy").trade(33, 99.0, 1, "sell")
    made.book(70, [(99.9, 0.01)], [], snapshot=False)
    made.trade(71, 99.9, 0.01, "sell")
    made.book(71, [(99.9, 0)], [(99.9, 1)], snapshot=False)
    made.book(100, [], [(99.9, 1)], snapshot=False)
    run(made.done(), tmp_path / "run", "conservative")
    (first, second) = episodes_of(tmp_path / "run")
    assert first.steps.tolist() == [[0, 10, 0, 0], [0, 20, 0, 0], [1, 4, 0, 3]] and not first.is_filled
    assert second.steps.tolist() == [[0, 20, 0, 0], [0, 10, 0, 0]] and not second.is_filled
    with pytest.raises(BadInput, match="2 orders that rested"):
        fit_queue(tmp_path / "run", tmp_path / "queue.toml")
    assert not (tmp_path / "queue.toml").exists()


def test_the_command_writes_the_file_and_says_the_error(tape, tmp_path, capsys):
    run(tape, tmp_path / "truth", "power:3")
    out = tmp_path / "queue.toml"
    with pytest.raises(SystemExit, match="0"):
        main(["journal", "queue", str(tmp_path / "truth"), "--out", str(out), "--model", "power"])
    said = capsys.readouterr().out
    assert "fitted to 200 orders" in said and "conservative: 18" in said
    assert tomllib.loads(out.read_text())["queue"]["model"] == str(read_queue(str(out))[0])
    with pytest.raises(BadConfig, match="queue model 'lifo'"):
        fit_queue(tmp_path / "truth", out, family="lifo")


@pytest.mark.parametrize("content", [None, "", "[queue]\nmodel = 3", "[queue]\nmodel = 'power:2'", "queue = 1", "\xff"])
def test_a_file_that_is_no_fit_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "q.toml").write_text(content, encoding="latin-1")
    with pytest.raises(BadInput, match="no fitted queue model"):
        read_queue(str(tmp_path / "q.toml"))
