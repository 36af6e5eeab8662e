"""Compare two runs: their decisions, their orders and fills, or their profits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.engine.actions import Actions, first_difference, read_actions, symbols_of
from onetape.engine.plan import read_plan
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadConfig, UsageError
from onetape.model.instrument import Instrument
from onetape.model.time import TIME_MAX, format_time, parse_duration, rough_duration
from onetape.replay.money_bridge import build_bridge
from onetape.replay.repeating import Watching, check_inputs, instrument_overrides, repeat, strategy_of
from onetape.replay.repetition import recording_of
from onetape.tape.journal import JournalReader

__all__ = ["compare", "compare_orders"]

_PLACE = 1
_ORDER_FIELDS = ("side", "type", "price", "size", "trigger", "tif", "flags", "tag")


def compare(
    run_a: Path,
    run_b: Path,
    *,
    mode: str = "orders",
    tolerance: str | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> dict[str, Any]:
    """Returns CONTRACT's keys: mode, compared, equal, differing, first_difference.

    mode: "decisions" runs B's robot on A's inputs, fills included. "orders" compares recorded orders by robot, symbol
    and ordinal, then fills by quantity, price and time. "money" splits the gap between the profits into causes
    (`bridge`). progress: called while "decisions" replays.
    """
    slack = _tolerance(tolerance)
    if mode == "decisions":
        return _decisions(run_a, run_b, slack, progress)
    if mode == "orders":
        return _orders(run_a, run_b, slack)
    if mode == "money":
        return build_bridge(run_a, run_b, slack=slack)
    raise BadConfig(f"unknown mode {mode!r}", location="--mode", todo="decisions, orders or money")


def _tolerance(text: str | None) -> int:
    if text is None or text == "0":
        return 0
    try:
        return parse_duration(text)
    except UsageError as problem:
        raise BadConfig(problem.what, location="--tolerance", todo="write 5ms") from None


def _answer(mode: str, compared: int, differing: int, first: str) -> dict[str, Any]:
    return {
        "mode": mode,
        "compared": compared,
        "equal": compared - differing,
        "differing": differing,
        "first_difference": first or None,
    }


def _decisions(
    run_a: Path, run_b: Path, slack: int, progress: Callable[[float, float | None], None] | None
) -> dict[str, Any]:
    plan_a, _ = read_plan(run_a)
    plan_b, _ = read_plan(run_b)
    check_inputs(plan_a)
    # B's robot and parameters, A's inputs.
    fed = replace(plan_a, params=plan_b.params, seed=plan_b.seed)
    journal = run_a / "journal"
    spec = RunSpec(fed, strategy_of(run_b, plan_b), instruments=instrument_overrides(run_a), script=journal)
    repetition = repeat(recording_of(spec, journal), watching=Watching(progress=progress))
    recorded = read_actions(journal)
    if slack:
        _align_times(recorded, repetition.actions, slack)
    count, _, words = first_difference(recorded, repetition.actions)
    return _answer("decisions", max(len(recorded), len(repetition.actions)), count, words)


def _align_times(a: Actions, b: Actions, slack: int) -> None:
    """Replace times of B by A's if they differ by at most `slack` ns."""
    common = min(len(a), len(b))
    left, right = a.columns["time"][:common], b.columns["time"].copy()
    near = np.abs(left - right[:common]) <= slack
    right[:common][near] = left[near]
    b.columns["time"] = right


def _orders(run_a: Path, run_b: Path, slack: int) -> dict[str, Any]:
    for run in (run_a, run_b):
        read_plan(run)  # raises for a folder that is no run
    return compare_orders(run_a / "journal", run_b / "journal", slack)


def compare_orders(journal_a: Path, journal_b: Path, slack: int = 0, until: int = TIME_MAX) -> dict[str, Any]:
    """Compare orders, then fills, of two runs' journals up to a time (ns); returns CONTRACT's keys of `parity`."""
    a, b = (
        actions.where(actions.columns["time"] <= until)
        for actions in (read_actions(journal_a), read_actions(journal_b))
    )
    found = _Compared(slack)
    placed_a, placed_b = _placed(a), _placed(b)
    for key in sorted(set(placed_a) | set(placed_b)):
        left, right = placed_a.get(key, a.head(0)), placed_b.get(key, b.head(0))
        found.take("order", "", _ORDER_FIELDS, (left.columns, left.describe), (right.columns, right.describe))
    instruments = a.instruments | b.instruments
    fills_a, fills_b = _fills(journal_a, until), _fills(journal_b, until)
    for symbol in sorted(set(fills_a) | set(fills_b)):
        sides = [each.get(symbol, _NO_FILLS) for each in (fills_a, fills_b)]
        shown = [(rows, partial(_fill_words, rows, instruments[symbol])) for rows in sides]
        found.take("fill", f" of {symbol}", ("side", "price", "size"), *shown)
    return _answer("orders", found.compared, found.differing, found.first[1])


_Side = tuple[dict[str, NDArray[Any]], Callable[[int], str]]  # (columns, function that describes a row by its index)
_NO_FILLS = {name: np.zeros(0, np.int64) for name in ("time", "side", "price", "size")}


@dataclass(slots=True)
class _Compared:
    """Counts comparisons, and keeps the earliest difference."""

    slack: int
    compared: int = 0
    differing: int = 0
    first: tuple[int, str] = (TIME_MAX, "")

    def take(self, kind: str, of: str, fields: Sequence[str], a: _Side, b: _Side) -> None:
        """Compare rows of both sides by number: times may differ by `slack`, `fields` must be equal."""
        left, right = a[0], b[0]
        counts = len(left["time"]), len(right["time"])
        common = min(counts)
        differs = np.abs(left["time"][:common] - right["time"][:common]) > self.slack
        for name in fields:
            differs |= np.asarray(left[name][:common] != right[name][:common], dtype=bool)
        bad = int(differs.sum()) + abs(counts[0] - counts[1])
        self.compared += max(counts)
        self.differing += bad
        if not bad:
            return
        if differs.any():
            at = int(np.argmax(differs))
            when = int(left["time"][at])
            apart = abs(when - int(right["time"][at]))
            note = f" ({rough_duration(apart)} apart)" if apart else ""
            words = f"{kind} {at + 1}{of}: A: {a[1](at)}; B: {b[1](at)}{note}"
        else:
            (rows, said), name = (a, "A") if counts[0] > counts[1] else (b, "B")
            when = int(rows["time"][common])
            words = f"{kind} {common + 1}{of} is in {name} only: {said(common)}"
        if when < self.first[0]:
            self.first = when, words


def _placed(actions: Actions) -> dict[tuple[int, str], Actions]:
    """Returns placed orders by (robot, symbol), in the order of their ordinals."""
    found: dict[tuple[int, str], Actions] = {}
    kinds = actions.columns["kind"] == _PLACE
    robots, symbols = actions.columns["robot"], actions.columns["symbol"]
    for robot in np.unique(robots[kinds]):
        for symbol in sorted(set(symbols[kinds])):
            found[int(robot), str(symbol)] = actions.where(kinds & (robots == robot) & (symbols == symbol))
    return found


def _fills(journal: Path, until: int) -> dict[str, dict[str, NDArray[Any]]]:
    with JournalReader(journal) as reader:
        rows = reader.columns("fill")
    symbols, _ = symbols_of(journal, rows)
    is_in = rows["time"] <= until
    return {
        str(symbol): {name: rows[name][is_in & (symbols == symbol)] for name in _NO_FILLS}
        for symbol in sorted(set(symbols[is_in]))
    }


def _fill_words(fills: dict[str, NDArray[Any]], facts: Instrument, at: int) -> str:
    side = "bought" if fills["side"][at] == 1 else "sold"
    size, price, time = (int(fills[name][at]) for name in ("size", "price", "time"))
    return f"{side} {facts.size_text(size)} at {facts.price_text(price)}, {format_time(time)}"
