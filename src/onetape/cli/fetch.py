"""Provide `onetape fetch`: public history, downloaded and imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onetape.cli.complete import words
from onetape.cli.frame import Answer, Shell, load, plain, rows, verb
from onetape.model.errors import UsageError


@verb(
    "fetch",
    example="""
    onetape fetch binance-vision --symbol binance:BTC/USDT:USDT --from 2024-01-01 --out btc.tape
    onetape fetch klines bitmex --symbol bitmex:BTC/USD:BTC --from 2024-01-01 --out xbt.tape
    onetape fetch ccxt --symbol kraken:BTC/USD --type trades --from 2024-01-01 --out btc.tape
    """,
)
@click.argument("kind", shell_complete=words("binance-vision", "ccxt", "klines"))
@click.argument("venue", required=False, shell_complete=words("binance", "bitmex", "kraken"))
@click.option("--symbol", required=True, metavar="S", help="The symbol, such as binance:BTC/USDT:USDT.")
@click.option(
    "--type",
    "type_",
    metavar="NAME",
    help="binance-vision: klines aggTrades trades bookTicker fundingRate markPriceKlines "
    "indexPriceKlines premiumIndexKlines bookDepth metrics [default: klines]; "
    "ccxt: ohlcv trades [default: ohlcv]; klines: ohlcv.",
)
@click.option("--period", metavar="P", help="Period of bars [default: 1m].")
@click.option("--from", "--start", "start", required=True, metavar="T", help="First time, UTC.")
@click.option("--to", "--end", "end", metavar="T", help="End, exclusive [default: the beginning of today].")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="TAPE",
    help="Tape to import into; without it files are only downloaded.",
)
@click.option("--base-url", metavar="URL", help="Another server with the same layout.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where downloads are kept [default: downloads/KIND of the home].",
)
@click.option("--limit", type=click.IntRange(1, 5000), default=500, show_default=True, help="ccxt: rows per page.")
@click.option("--force", is_flag=True, help="Replace an existing tape.")
def command(shell: Shell, kind: str, venue: str | None, keep: Path | None, **options: Any) -> Answer:
    """Download public history and import it.

    KIND is binance-vision (the venue's archive of files), klines (bars of a VENUE itself, page by
    page: binance, bitmex, kraken) or ccxt (most venues, page by page; needs the extra `bridge`).
    Downloads are kept: a second call reuses them, and an interrupted one is resumed.
    """
    if (venue is None) != (kind != "klines"):
        raise UsageError(
            "only klines takes a VENUE, and needs one", location="VENUE", todo="write `fetch klines VENUE`"
        )
    fetch = load("onetape.data.fetching", "fetch", what="fetching")
    from onetape.data.fetching import FetchOptions, Watch
    from onetape.security.private import private_folder

    progress = shell.progress.of("bytes" if kind == "binance-vision" else "")
    result = fetch(
        FetchOptions(
            kind,
            venue=venue,
            folder=keep.absolute() if keep else shell.home / "downloads" / kind,
            make_folder=private_folder,
            watch=Watch(progress, shell.say, shell.progress.doing),
            **options,
        )
    )
    value = plain(result)
    return Answer(value, rows(value))
