"""`onetape sample`: a generated market."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb("sample", example="onetape sample --out market.tape --events 500000 --seed 7")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="TAPE")
@click.option("--events", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds, equal tapes.")
@click.option("--symbol", "symbols", multiple=True, help="Repeat for several [default: BTC perp].")
def command(shell: Shell, out: Path, events: int, seed: int, symbols: tuple[str, ...]) -> Answer:
    """Write a generated market to a tape: quotes, trades, depth, bars."""
    write_sample = load("onetape.data.sample", "write_sample", what="the market generator")
    chosen = {"symbols": list(symbols)} if symbols else {}
    value = plain(write_sample(out, events=events, seed=seed, **chosen))
    return Answer(value, rows(value))
