"""The core's windows against their definition, over random markets with gaps of any length."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from onetape.market.condition import FIGURES, parse_condition
from onetape.scanner.scanner import Scanner
from reference.scan import Quote, Trade, Window
from worlds.tapes import START, Market, at_ns

NS = 1_000_000_000
# A value that each of them is above now and then.
MIDDLES = {"change": 0, "trades": 4, "volume": 9, "turnover": 900, "vwap": 100.031, "high": 101.05, "low": 99.05}
MIDDLES |= {"rate": 0.12, "volatility": 0.004}
LENGTHS = {"6s": 6 * NS, "1m": 60 * NS}


def market(path: Path, seed: int) -> tuple[Path, list[Quote | Trade]]:
    """Of some minutes; now and then it is silent for longer than any window."""
    chance = random.Random(seed)
    tape, events, now, mid = Market(path), [], 0.0, 100.0
    for _ in range(400):
        now = round(now + chance.choice((0, 0.004, 0.05, 0.3, 1.7, 9, 75)) * chance.random(), 6)
        mid = round(mid + chance.choice((-1, 0, 1)), 1)
        if chance.random() < 0.6:
            tape.quote(now, mid - 0.5, mid + 0.5)
            events.append(Quote(at_ns(now), mid))
        else:
            size = chance.randint(1, 5)
            tape.trade(now, mid, size)
            events.append(Trade(at_ns(now), mid, size))
    return tape.done(), events


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_window_is_what_its_definition_says(tmp_path, name, length, seed):
    path, events = market(tmp_path / "t", seed)
    condition = f'{name}("{length}") > {MIDDLES[name]}'
    scanner = Scanner([path], parse_condition(condition))
    found = [(each.until is None, each.ts if each.until is None else each.until) for each in scanner.over()]
    values = [each.values[f'{name}("{length}")'] for each in scanner.matches]
    scanner.close()

    window, expected, wanted, meets = Window(LENGTHS[length]), [], [], False
    swept = [(at, -1, None) for at in range(START + NS, events[-1].time + 1, NS)]
    for at, _, event in sorted([*((each.time, 0, each) for each in events), *swept], key=lambda each: each[:2]):
        window.see(at, event)
        value = window.figure(name, at)
        if (value is not None and value > MIDDLES[name]) != meets:
            meets = not meets
            expected.append((meets, at))
            wanted += [value] if meets else []
    assert found == expected
    assert values == pytest.approx(wanted)
    assert len(expected) >= 2
