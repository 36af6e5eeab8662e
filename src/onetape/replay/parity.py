"""Two runs side by side: do the same decisions follow, and did the same orders and fills come?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.engine.actions import Actions, first_difference, read_actions
from onetape.engine.plan import read_plan
from onetape.engine.robot_commands import commands_of
from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadConfig, UsageError
from onetape.model.instrument import Instrument
from onetape.model.time import TIME_MAX, format_time, parse_duration, rough_duration
from onetape.replay.money_bridge import build_bridge
from onetape.replay.repetition import Recording
from onetape.replay.replay import Watching, check_inputs, instrument_overrides, repeat, strategy_of
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
    """CONTRACT's keys: mode, compared, equal, differing, first_difference.

    decisions: B's robot is fed what A's robot got, fills included. orders: each run as it went,
    orders by robot, symbol and ordinal, then fills by quantity, price and time. money: where the
    gap between their profits comes from, as `bridge`. progress: of decisions, which run again.
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
    # B's robot and parameters, A's world.
    fed = replace(plan_a, params=plan_b.params, seed=plan_b.seed)
    journal = run_a / "journal"
    spec = RunSpec(fed, strategy_of(run_b, plan_b), instruments=instrument_overrides(run_a), script=journal)
    repetition = repeat(Recording(spec, commands_of(journal)), watching=Watching(progress=progress))
    recorded = read_actions(journal)
    if slack:
        _align_times(recorded, repetition.actions, slack)
    count, _, words = first_difference(recorded, repetition.actions)
    return _answer("decisions", max(len(recorded), len(repetition.actions)), count, words)


def _align_times(a: Actions, b: Actions, slack: int) -> None:
    """Times of B within the tolerance of A's count as A's."""
    common = min(len(a), len(b))
    left, right = a.columns["time"][:common], b.columns["time"].copy()
    near = np.abs(left - right[:common]) <= slack
    right[:common][near] = left[near]
    b.columns["time"] = right


def _orders(run_a: Path, run_b: Path, slack: int) -> dict[str, Any]:
    for run in (run_a, run_b):
        read_plan(run)  # a run at all
    return compare_orders(run_a / "journal", run_b / "journal", slack)


def compare_orders(journal_a: Path, journal_b: Path, slack: int = 0, until: int = TIME_MAX) -> dict[str, Any]:
    """Orders, then fills, of two runs' journals up to a time (ns): CONTRACT's keys of `parity`."""
    a, b = (
        actions.where(actions.columns["time"] <= until)
        for actions in (read_actions(journal_a), read_actions(journal_b))
    )
    compared = differing = 0
    first: tuple[int, str] | None = None
    placed_a, placed_b = _placed(a), _placed(b)
    for key in sorted(set(placed_a) | set(placed_b)):
        left, right = placed_a.get(key, a.head(0)), placed_b.get(key, b.head(0))
        n, bad, when, words = _match_orders(left, right, slack)
        compared += n
        differing += bad
        if bad and (first is None or when < first[0]):
            first = (when, words)
    fills_a, fills_b = _fills(journal_a, until), _fills(journal_b, until)
    for symbol in sorted(set(fills_a) | set(fills_b)):
        n, bad, when, words = _match_fills(
            symbol, fills_a.get(symbol), fills_b.get(symbol), slack, a.instruments | b.instruments
        )
        compared += n
        differing += bad
        if bad and (first is None or when < first[0]):
            first = (when, words)
    return _answer("orders", compared, differing, first[1] if first else "")


def _placed(actions: Actions) -> dict[tuple[int, str], Actions]:
    """Placed orders by (robot, symbol), in the order of their ordinals."""
    found: dict[tuple[int, str], Actions] = {}
    kinds = actions.columns["kind"] == _PLACE
    robots, symbols = actions.columns["robot"], actions.columns["symbol"]
    for robot in np.unique(robots[kinds]):
        for symbol in sorted(set(symbols[kinds])):
            found[int(robot), str(symbol)] = actions.where(kinds & (robots == robot) & (symbols == symbol))
    return found


def _match_orders(a: Actions, b: Actions, slack: int) -> tuple[int, int, int, str]:
    common = min(len(a), len(b))
    differs = np.abs(a.columns["time"][:common] - b.columns["time"][:common]) > slack
    for name in _ORDER_FIELDS:
        differs |= np.asarray(a.columns[name][:common] != b.columns[name][:common], dtype=bool)
    bad = int(differs.sum()) + abs(len(a) - len(b))
    if not bad:
        return max(len(a), len(b)), 0, 0, ""
    if differs.any():
        at = int(np.argmax(differs))
        words = f"order {at + 1}: A: {a.describe(at)}; B: {b.describe(at)}"
        when = int(a.columns["time"][at])
    else:
        at = common
        longer, word = (a, "A") if len(a) > len(b) else (b, "B")
        words = f"order {at + 1} is in {word} only: {longer.describe(at)}"
        when = int(longer.columns["time"][at])
    return max(len(a), len(b)), bad, when, words


def _fills(journal: Path, until: int) -> dict[str, dict[str, NDArray[Any]]]:
    with JournalReader(journal) as reader:
        rows = reader.columns("fill")
    rows = {name: column[rows["time"] <= until] for name, column in rows.items()}
    names: dict[int, str] = {}
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["instrument"]):
            names[frame.stream] = Instrument.from_msgpack(frame.payload).symbol
    found = {}
    for stream in np.unique(rows["stream"]):
        keep = rows["stream"] == stream
        found[names[int(stream)]] = {name: rows[name][keep] for name in ("time", "side", "price", "size", "liquidity")}
    return found


def _match_fills(
    symbol: str,
    a: dict[str, NDArray[Any]] | None,
    b: dict[str, NDArray[Any]] | None,
    slack: int,
    instruments: dict[str, Instrument],
) -> tuple[int, int, int, str]:
    empty = {name: np.zeros(0, np.int64) for name in ("time", "side", "price", "size", "liquidity")}
    a, b = a or empty, b or empty
    na, nb = len(a["time"]), len(b["time"])
    common = min(na, nb)
    differs = np.abs(a["time"][:common] - b["time"][:common]) > slack
    for name in ("side", "price", "size"):
        differs |= a[name][:common] != b[name][:common]
    bad = int(differs.sum()) + abs(na - nb)
    if not bad:
        return max(na, nb), 0, 0, ""
    facts = instruments[symbol]

    def words(fills: dict[str, NDArray[Any]], at: int) -> str:
        side = "bought" if fills["side"][at] == 1 else "sold"
        return (
            f"{side} {facts.size_text(int(fills['size'][at]))} at "
            f"{facts.price_text(int(fills['price'][at]))}, {format_time(int(fills['time'][at]))}"
        )

    if differs.any():
        at = int(np.argmax(differs))
        apart = abs(int(a["time"][at]) - int(b["time"][at]))
        note = f" ({rough_duration(apart)} apart)" if apart else ""
        text = f"fill {at + 1} of {symbol}: A {words(a, at)}; B {words(b, at)}{note}"
        return max(na, nb), bad, int(a["time"][at]), text
    longer, word = (a, "A") if na > nb else (b, "B")
    text = f"fill {common + 1} of {symbol} is in {word} only: {words(longer, common)}"
    return max(na, nb), bad, int(longer["time"][common]), text
