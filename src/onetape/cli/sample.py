"""Provide `onetape sample`: a generated market."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.arguments import parameters
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb("sample", example="onetape sample --out market.tape --events 500000 --seed 7")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="TAPE")
@click.option("--events", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same tape.")
@click.option("--symbol", "symbols", multiple=True, help="Repeat for several [default: BTC perp].")
@click.option(
    "--flow",
    type=click.Choice(["crowd", "random-walk"]),
    default="crowd",
    show_default=True,
    help="Model of the order flow.",
)
@click.option(
    "--flow-param",
    "flow_params",
    multiple=True,
    metavar="k=v",
    help="random-walk: drift, deviation, trade_probability, offset_deviation, size, depth_size, levels, step.",
)
@click.option("--l3", "by_order", is_flag=True, help="Depth as single orders (market by order) instead of levels.")
@click.option("--force", is_flag=True, help="Replace an existing tape.")
def command(shell: Shell, out: Path, symbols: tuple[str, ...], flow_params: tuple[str, ...], **options: Any) -> Answer:
    """Write a generated market to a tape: quotes, trades, depth, bars."""
    walk = parameters(flow_params, location="--flow-param")
    write_sample = load("onetape.data.sample", "write_sample", what="the market generator")
    if symbols:
        options["symbols"] = list(symbols)
    value = plain(write_sample(out, flow_params=walk, progress=shell.progress.of("events"), **options))
    return Answer(value, rows(value))
