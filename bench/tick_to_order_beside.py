"""Tick-to-order with something beside the gateway and without it, in turns: for the programs that measure its cost."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any

from page_home import figure
from tick_to_order import live, own_cores, percent, venue

__all__ = ["compare", "options_of", "show"]

STAGE, REACH = "socket", 5.0


def options_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ticks", type=int, default=4000)
    parser.add_argument("--every-us", type=int, default=500, help="from an order to the next tick")
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def compare(
    options: argparse.Namespace, beside: Callable[[Path], AbstractContextManager[None]], without: str, name: str
) -> list[dict[str, Any]]:
    """Returns figures of both, and how much the second takes longer. beside: runs while an order path over the same
    home is measured. without, name: of both in the figures."""
    found: dict[str, list[list[int]]] = {without: [], name: []}
    for number in range(options.rounds):
        for what in (without, name) if number % 2 else (name, without):
            with venue(options) as (child, reported):
                more = {"beside": beside} if what == name else {}
                found[what].append(live(child, reported, STAGE, **more)["seen"])
    rows = []
    for which in (50, 99):
        ones, others = (median(percent(each, which) for each in found[what]) for what in (without, name))
        rows += [
            figure(f"tick to order, {without}, p{which}", ones, "us", None),
            figure(f"tick to order, {name}, p{which}", others, "us", None),
            figure(
                f"tick to order, {name}, change of p{which}",
                100 * (others / ones - 1),
                "%",
                REACH if which == 99 else None,
            ),
        ]
    return rows


def show(measure: Callable[[], list[dict[str, Any]]]) -> None:
    own_cores()
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": measure()}))
