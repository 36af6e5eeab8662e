"""Record the prices that fills would have had without own impact, in a file beside the run's journal: a fill's frame
has only the price paid."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from onetape.engine.session import Session

__all__ = ["read_pushed_fills", "write_pushed_fills"]

FILE: Final = "pushed_fills.csv"
COLUMNS: Final = ("symbol", "trade_id", "recorded_price_int")


def write_pushed_fills(session: Session, folder: Path) -> None:
    """Write the prices without own impact; no file for a run without own impact."""
    if session.plan.impact is None or session.plan.is_at_gateway:
        return
    symbols = list(session.host.instruments)
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows((symbols[index], trade, price) for index, trade, price in session.loop.pushed_fills())


def read_pushed_fills(folder: Path) -> dict[int, int] | None:
    """Returns trade id -> price without own impact; None for a run without own impact."""
    file = folder / FILE
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as text:
        return {int(row["trade_id"]): int(row["recorded_price_int"]) for row in csv.DictReader(text)}
