"""Bars inside which the order of prices decides: counted, kept, and taken the losing way.

Each table is worked out by hand from docs/concepts/fills.md, section "Bars"; behind it stands how
many bars were ambiguous, and how many fills happened inside those.
"""

from __future__ import annotations

import pytest
from exchange_world import Recorded

LONG = """
    bar 0-60 100 100 100 100 1000
    buy#1 market x3               -> accepted
    bar 60-120 100 100 100 100 1000 -> fill 3@100 taker
"""
CASES: dict[str, tuple[str, int, int]] = {
    "stop below and take-profit limit above, both reached": (
        LONG
        + """
        sell#2 limit 110 x3 reduce    -> accepted
        at 120 sell#3 market x3 stop=90 reduce -> accepted
        bar 120-180 100 120 80 100 1000 -> #3 triggered, #3 fill 3@90 taker, #2 canceled 4106
        """,
        1,
        1,
    ),
    "only the stop is reached": (
        LONG
        + """
        sell#2 limit 110 x3 reduce    -> accepted
        at 120 sell#3 market x3 stop=90 reduce -> accepted
        bar 120-180 100 110 80 100 1000 -> #3 triggered, #3 fill 3@90 taker, #2 canceled 4106
        """,  # 110 is touched, which fills no limit
        0,
        0,
    ),
    "stop and take-profit as two triggers": (
        LONG
        + """
    sell#2 market x3 take=110 reduce -> accepted
    at 120 sell#3 market x3 stop=90 reduce -> accepted
    bar 120-180 100 110 90 100 9 -> #3 triggered, #3 fill 3@90 taker, #2 triggered, #2 canceled 4106
        """,
        1,
        1,
    ),
    "a bar that opens beyond the stop leaves no question": (
        LONG
        + """
        sell#2 limit 110 x3 reduce    -> accepted
        at 120 sell#3 market x3 stop=90 reduce -> accepted
        bar 120-180 85 120 80 100 1000 -> #3 triggered, #3 fill 3@85 taker, #2 canceled 4106
        """,
        0,
        0,
    ),
    "an entry and its stop on one side: the entry is nearer, then the stop": (
        """
        bar 0-60 100 100 100 100 1000
        buy#1 limit 95 x3             -> accepted
        at 60 sell#2 market x3 stop=90 reduce -> accepted
        bar 60-120 100 100 89 99 1000 -> #1 fill 3@95 maker, #2 triggered, #2 fill 3@90 taker
        """,
        0,
        0,
    ),
    "an entry below and its target above": (
        """
        bar 0-60 100 100 100 100 1000
        buy#1 limit 95 x3             -> accepted
        at 60 sell#2 market x3 take=110 reduce -> accepted
        bar 60-120 100 111 94 99 1000 -> #2 triggered, #2 canceled 4106, #1 fill 3@95 maker
        """,
        1,
        1,
    ),
    "two limits around the open: a robot may have acted between their fills": (
        """
        bar 0-60 100 100 100 100 1000
        buy#1 limit 95 x3             -> accepted
        sell#2 limit 105 x2           -> accepted
        bar 60-120 100 106 94 99 1000 -> #1 fill 3@95 maker, #2 fill 2@105 maker
        """,
        1,
        2,
    ),
    "two limits on one side": (
        """
        bar 0-60 100 100 100 100 1000
        buy#1 limit 95 x3             -> accepted
        buy#2 limit 96 x2             -> accepted
        bar 60-120 100 106 94 99 1000 -> #2 fill 2@96 maker, #1 fill 3@95 maker
        """,
        0,
        0,
    ),
    "reduce-only orders without a position could not have filled": (
        """
        bar 0-60 100 100 100 100 1000
        sell#1 market x3 take=110 reduce -> accepted
        at 60 sell#2 market x3 stop=90 reduce -> accepted
        bar 60-120 100 120 80 100 -> #1 triggered, #1 canceled 4106, #2 triggered, #2 canceled 4106
        """,
        0,
        0,
    ),
    "an order that came later than the bar's first tenth meets its close alone": (
        LONG
        + """
        sell#2 limit 110 x3 reduce    -> accepted
        at 130 sell#3 market x3 stop=90 reduce -> accepted
        bar 120-180 100 120 80 100 1000 -> #2 fill 3@110 maker
        """,
        0,
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ambiguous_bars_are_counted(case: str) -> None:
    table, bars, fills = CASES[case]
    world = Recorded()
    world.run(table)
    counters = world.core.counters()
    assert (counters["ambiguous_bars"], counters["ambiguous_fills"]) == (bars, fills)
