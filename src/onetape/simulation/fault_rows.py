"""The rows of docs/reliability.md that a simulation plays, and the events of its worlds that each counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ROWS", "rows_of"]

ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "J19": ("checkpoint",),
    "N07": ("slow",),
    "O01": ("trade by hand",),
    "O03": ("kill switch",),
    "O08": ("deposit", "withdraw", "silent deposit", "silent withdraw"),
    "O11": ("down",),
    "P01": ("crash",),
    "P02": ("waits for the fence",),
    "P04": ("desk killed",),
    "P08": ("power lost",),
    "P09": ("upgrade",),
    "P10": ("hub still",),
    "P11": ("guardian dies",),
    "P12": ("recorder killed",),
    "P13": ("takeover",),
    "P15": ("robot lost", "robot killed"),
    "P16": ("crash at a start",),
    "R01": ("lose_answer",),
    "R02": ("lose_request",),
    "R03": ("error_answer",),
    "R05": ("late_request",),
    "R19": ("funding", "liquidation", "adl", "settlement"),
    "U05": ("limits changed", "another credit"),
    "W01": ("cut_stream",),
    "W02": ("duplicate",),
    "W03": ("delay_stream",),
    "W06": ("freeze_stream", "source frozen"),
    "W11": ("disagrees",),
    "W13": ("stale",),
    "W14": ("step back",),
}


def rows_of(seen: Mapping[str, int]) -> dict[str, int]:
    """Returns how often each row was met."""
    return {row: sum(seen.get(name, 0) for name in names) for row, names in ROWS.items()}
