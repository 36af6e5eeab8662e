"""`onetape import`: recorded files become a tape."""

from __future__ import annotations

from pathlib import Path

import click

from onetape.cli.complete import files, kinds
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb


@verb(
    "import",
    example="""
    onetape import csv trades.csv.gz --symbol kraken:BTC/USD --out btc.tape
    onetape import binance-raw capture.raw.gz --symbol binance:BTC/USDT:USDT --out btc.tape
    onetape import binance-vision BTCUSDT-1m-2024-0*.zip --symbol binance:BTC/USDT --out btc.tape
    onetape import cryptofeed BINANCE_FUTURES.ws.1.0 BINANCE_FUTURES.http.0.0 --out day.tape
    """,
)
@click.argument("kind", shell_complete=kinds)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", shell_complete=files)
@click.option("--symbol", "symbols", multiple=True, help="The stream's symbol, or RAW=symbol,...")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="TAPE")
@click.option("--tz", metavar="Z", help="Zone of times written without one [default: UTC].")
@click.option("--columns", metavar="a,b,..", help="Names for a file without a header.")
@click.option("--period", metavar="P", help="The bars' period [default: the most frequent step].")
@click.option("--bar-time", type=click.Choice(["open", "close"]), default="open", show_default=True)
@click.option(
    "--seed-book", metavar="FILE", help="The book at the start of a capture that was cut."
)
@click.option("--instruments", metavar="FILE", help="Instruments instead of the catalogue's.")
@click.option("--force", is_flag=True, help="Replace an existing tape.")
def command(
    shell: Shell,
    kind: str,
    sources: tuple[str, ...],
    symbols: tuple[str, ...],
    out: Path,
    tz: str | None,
    columns: str | None,
    period: str | None,
    bar_time: str,
    seed_book: str | None,
    instruments: str | None,
    force: bool,
) -> Answer:
    """Turn recorded files into a tape. Plain, .gz, .zip and .zst files are read alike.

    KIND is one of csv, binance-raw, binance-vision, tardis, ccxt, freqtrade, hftbacktest, moex,
    cryptofeed. A recording of cryptofeed says itself what it holds: --symbol then only chooses, and
    its .ws and .http files go together.
    """
    import_files = load("onetape.data.importing", "import_files", what="the importer")
    result = import_files(
        kind,
        [Path(source) for source in sources],
        symbol=",".join(symbols) or None,
        out=out,
        tz=tz,
        columns=columns,
        period=period,
        bar_time=bar_time,
        seed_book=Path(seed_book) if seed_book else None,
        instruments=Path(instruments) if instruments else None,
        force=force,
        progress=shell.progress.of("bytes"),
    )
    value = plain(result)
    return Answer(value, rows(value))
