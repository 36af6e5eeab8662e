"""Compare a robot with its variants, from their journals: orders and profit of each, and where the robot and its
paper twin diverge."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from onetape.engine.actions import read_actions
from onetape.model.enums import EventType
from onetape.model.errors import BadConfig
from onetape.model.home import variants_file
from onetape.model.sections import TWIN, Config
from onetape.replay.parity import compare_orders
from onetape.tape.journal import JournalReader

__all__ = ["variants_of"]

LIVE = "live"
_PLACE = 1


def variants_of(home: Path, config: Config, robot: str = "") -> list[dict[str, Any]]:
    """Returns a row for each robot: the live one, its twin, then the others: robot, variant, params, orders, fills,
    equity, pnl (of the equity, since the run began), drawdown (deepest fall of the equity, a share of 1), behind_live
    (pnl less that of the live robot), and the comparison of its orders and fills, up to the time that both
    have reached, the twin's with the live robot, the others' with the twin: compared, differing, first_difference.
    Raises BadConfig for a robot without variants."""
    named = [name for name, each in config.robots.items() if each.variants]
    if robot and robot not in named:
        there = ", ".join(named) or "none"
        raise BadConfig(
            f"robot {robot!r} has no variants", location="[robots.NAME.variants.NAME]", todo=f"those that have: {there}"
        )
    rows: list[dict[str, Any]] = []
    for name in (robot,) if robot else named:
        file = variants_file(home, name)
        if file.is_file():
            rows += _rows(name, msgspec.json.decode(file.read_bytes()))
    return rows


def _rows(robot: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    journals = {LIVE: Path(record["live"]) / "journal"}
    journals |= {name: Path(each["run"]) / "journal" for name, each in record["variants"].items()}
    seen = {name: _seen(journal) for name, journal in journals.items()}
    rows = []
    for name, journal in journals.items():
        against = {LIVE: "", TWIN: LIVE}.get(name, TWIN)
        both = min(seen[name][0], seen[against][0]) if against else 0
        found = compare_orders(journals[against], journal, until=both) if against else {}
        made = seen[name][1]
        rows.append(
            {
                "robot": robot,
                "variant": name,
                "params": record["variants"].get(name, {}).get("params", {}),
                "orders": int((read_actions(journal).columns["kind"] == _PLACE).sum()),
                "fills": seen[name][2],
                "equity": _text(seen[name][3]),
                "pnl": _text(made),
                "drawdown": seen[name][4],
                "behind_live": _text(made - seen[LIVE][1]),
                "against": against,
                "compared": found.get("compared", 0),
                "differing": found.get("differing", 0),
                "first_difference": found.get("first_difference"),
                "run": str(journal.parent),
            }
        )
    return rows


def _text(amount: Decimal) -> str:
    return f"{amount.normalize() + 0:f}"


def _seen(journal: Path) -> tuple[int, Decimal, int, Decimal, float]:
    """Returns (time of the last equity sample in ns, increase of equity, number of fills, equity, maximum
    drawdown)."""
    first = last = None
    peak, fall = Decimal(0), 0.0
    time = fills = 0
    with JournalReader(journal) as reader:
        for frame in reader.frames(("balance", "fill", "order_request")):
            time = max(time, frame.time)
            if frame.type == EventType.FILL.id:
                fills += 1
            elif frame.type == EventType.BALANCE.id:
                record = msgspec.msgpack.decode(frame.payload)
                if "account" not in record:
                    last = Decimal(record["equity"])
                    first = last if first is None else first
                    peak = max(peak, last)
                    fall = max(fall, float((peak - last) / peak) if peak else 0.0)
    made = last - first if first is not None and last is not None else Decimal(0)
    return time, made, fills, last or Decimal(0), fall
