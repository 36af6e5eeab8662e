"""Provide `onetape import`: recorded files become a tape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.complete import files, kinds
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb
from onetape.cli.reading_options import columns_option, decimal_option, time_format_option

PATH = click.Path(path_type=Path)


@verb(
    "import",
    example="""
    onetape import csv trades.csv.gz --symbol kraken:BTC/USD --out btc.tape
    onetape import csv prices.csv --columns close="Last price" --time-format %d.%m.%Y --out p.tape
    onetape import binance-raw capture.raw.gz --symbol binance:BTC/USDT:USDT --out btc.tape
    onetape import binance-vision BTCUSDT-1m-2024-0*.zip --symbol binance:BTC/USDT --out btc.tape
    onetape import cryptofeed BINANCE_FUTURES.ws.1.0 BINANCE_FUTURES.http.0.0 --out day.tape
    """,
)
@click.argument("kind", shell_complete=kinds)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", shell_complete=files)
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="The stream's symbol, or RAW=symbol,... [default: for csv the column with symbols].",
)
@click.option("--out", type=PATH, required=True, metavar="TAPE")
@click.option("--tz", metavar="Z", help="Time zone of times without one [default: UTC].")
@columns_option
@time_format_option
@decimal_option
@click.option("--period", metavar="P", help="The bars' period [default: the most frequent step].")
@click.option("--bar-time", type=click.Choice(["open", "close"]), default="open", show_default=True)
@click.option("--seed-book", type=PATH, metavar="FILE", help="Book snapshot at the start of a cut capture.")
@click.option("--ahead", metavar="D", help="events: how long before its time each is delivered, such as 30m.")
@click.option("--instruments", type=PATH, metavar="FILE", help="Instruments instead of the catalogue's.")
@click.option("--filter", "filters", is_flag=True, help="Leave bad ticks out; the tape lists each.")
@click.option("--force", is_flag=True, help="Replace an existing tape.")
def command(
    shell: Shell,
    kind: str,
    sources: tuple[str, ...],
    symbols: tuple[str, ...],
    columns: tuple[str, ...],
    **options: Any,
) -> Answer:
    """Turn recorded files into a tape. Plain, .gz, .zip and .zst files are read alike.

    KIND is one of csv, parquet, funding, binance-raw, binance-vision, tardis, ccxt, freqtrade,
    hftbacktest, moex, cryptofeed, events. A recording of cryptofeed has its own symbols: --symbol then only selects,
    and its .ws and .http files belong together. Events (a CSV or Parquet with a time in each row) reach strategies in
    on_event; funding is a table of times and rates.
    """
    import_files = load("onetape.data.importing", "import_files", what="the importer")
    lines = load("onetape.data.understood", "understood_lines", what="the importer")

    def say(tables: list[dict[str, object]]) -> None:
        for line in lines(tables):
            shell.say(line)

    result = import_files(
        kind,
        [Path(source) for source in sources],
        symbol=",".join(symbols) or None,
        columns=columns or None,
        progress=shell.progress.of("bytes"),
        on_understood=say,
        **options,
    )
    value = plain(result)
    shown = {key: item for key, item in value.items() if key != "understood"}
    if value["rejected"]:
        shown["rejected"] = f"{value['rejected']:,}, listed with the reason of each in {value['tape']}/rejects.jsonl"
    return Answer(value, rows(shown))
