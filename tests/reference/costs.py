"""What orders cost and who made the profit, read off a run's frames one by one, in fractions.

quotes: (time, mid) of one symbol as they lie on its tape. Slow on purpose: each price is looked for from the start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

Quotes = Sequence[tuple[int, Fraction]]
DAY = 86_400 * 10**9


def mid(quotes: Quotes, moment: int, *, before: bool) -> Fraction:
    """Of the last quote at a moment, or before it."""
    found = Fraction(0)
    for time, price in quotes:
        if time < moment or (time == moment and not before):
            found = price
    return found


def worth(facts: dict[str, Any], price: Fraction, size: Fraction) -> Fraction:
    """Of a signed size; of an inverse contract what it counts for."""
    multiplier = Fraction(facts["multiplier"])
    return -size * multiplier / price if facts["kind"] == "inverse" else size * multiplier * price


def costs(
    frames: Iterable[dict[str, Any]], facts: dict[str, Any], quotes: dict[str, Quotes], *, at_once: bool
) -> dict[Any, Any]:
    """(symbol, target or order, side) -> spread, impact, delay, fees; frames: requests, news and fills as
    {type, time, symbol, ...} with exact values. at_once: orders take no time, and answer what has just happened."""
    parent, start, arrived = {}, {}, {}
    found: dict[Any, dict[str, Fraction]] = {}
    fills = defaultdict(list)
    for frame in frames:
        number = frame.get("order_id")
        if frame["type"] == "target":
            start["target", frame["id"]] = frame["time"]
        elif frame["type"] == "order_request" and frame["kind"] == "place":
            target = frame.get("target", 0)
            parent[number] = frame["symbol"], ("target", target) if target else ("order", number), frame["side"]
            start.setdefault(parent[number][1], frame["time"])
        elif frame["type"] in ("order_event", "fill"):
            key = parent[number]
            arrived[key] = min(arrived.get(key, frame["ts_event"]), frame["ts_event"])
            if frame["type"] == "fill":
                fills[key].append(frame)
    for key, rows in fills.items():
        symbol, cause, side = key
        decided = mid(quotes[symbol], start[cause], before=False)
        begun = mid(quotes[symbol], arrived[key], before=not at_once) or decided
        parts = dict.fromkeys(("spread", "impact", "delay", "fees"), Fraction(0))
        for row in rows:
            size = row["size"] if side == "buy" else -row["size"]
            met = mid(quotes[symbol], row["ts_event"], before=not at_once or row["liquidity"] != "taker")
            steps = [worth(facts[symbol], each, size) for each in (decided, begun, met, row["price"])]
            for name, low, high in zip(("delay", "impact", "spread"), steps, steps[1:], strict=False):
                parts[name] += high - low
            parts["fees"] += row["fee"]
        found[key] = parts
    return found


def profits(
    frames: Sequence[dict[str, Any]], facts: dict[str, Any], quotes: dict[str, Quotes], root: str, end: int
) -> dict[tuple[str, str, int], Fraction]:
    """(strategy, symbol, day) -> net, each day by itself: what its fills and payments brought, with the position that
    it began with bought at the price before it, and the one that it ended with sold at its last."""
    placed = {f["order_id"]: f.get("location", root) for f in frames if f["type"] == "order_request"}
    found: dict[tuple[str, str, int], Fraction] = defaultdict(Fraction)
    first = min(f["time"] for f in frames) // DAY
    for strategy in {root, *placed.values()}:
        for symbol in facts:
            held = Fraction(0)
            for day in range(first, end // DAY + 1):
                net, begun = Fraction(0), held
                for frame in frames:
                    if frame["time"] // DAY != day or frame["type"] != "fill" or frame["symbol"] != symbol:
                        continue
                    if placed[frame["order_id"]] == strategy:
                        size = frame["size"] if frame["side"] == "buy" else -frame["size"]
                        held += size
                        net -= worth(facts[symbol], frame["price"], size) + frame["fee"]
                last = mid(quotes[symbol], (day + 1) * DAY, before=True)
                before = mid(quotes[symbol], day * DAY, before=True)
                net += worth(facts[symbol], last, held) if held else 0
                net -= worth(facts[symbol], before, begun) if begun else 0
                if net:
                    found[strategy, symbol, day] += net
    return found
