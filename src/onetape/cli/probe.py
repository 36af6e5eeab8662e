"""Provide `onetape probe`: measure the latency of a venue from here."""

from __future__ import annotations

import click

from onetape.cli.complete import words
from onetape.cli.frame import Answer, Shell, load, plain, verb
from onetape.cli.market_venue import market_venue


@verb(
    "probe",
    example="""
    onetape probe binance
    onetape probe kraken --seconds 60 --symbols kraken:BTC/USD
    onetape probe binance --exchange http://127.0.0.1:9001 --json
    """,
)
@click.argument("venue", shell_complete=words("binance", "kraken"))
@click.option("--seconds", type=click.FloatRange(min=0.1, max=3600), default=10.0, show_default=True, metavar="N")
@click.option("--symbols", default="top:3", show_default=True, help="all, top:N by turnover, or symbols with commas.")
@click.option("--exchange", metavar="URL", help="REST address of a running `onetape sim` to use instead.")
def command(shell: Shell, venue: str, seconds: float, symbols: str, exchange: str | None) -> Answer:
    """Measure a venue's clock, answers, streams and weights. Needs no key.

    latency: from the venue's time of a message to its receipt; cadence: time between two messages of a stream.
    """
    probe = load("onetape.collector.probe", "probe", what="the probe")
    look = load("onetape.preflight.preflight", "look", what="the probe")
    from onetape.market.wanted import symbols_wanted
    from onetape.options.collector import public_feed

    wanted = symbols_wanted(symbols)
    target = market_venue(shell, venue, exchange)
    look(target, sorted(wanted.names))
    addresses = target.addresses
    options = public_feed(target.kind, home=shell.home, rest=addresses.rest, ws=addresses.ws, symbols=symbols)
    value = plain(probe(options, seconds, shell.progress.of("seconds")))
    return Answer(value, _text(value))


def _text(value: dict[str, object]) -> str:
    lines = [f"{value['venue']}: its clock is {value['offset_ms']:+.1f} ms from ours"]
    for name, what in (("latency_ms", "messages come after"), ("request_ms", "requests take")):
        found = value[name]
        assert isinstance(found, dict)
        if found["p50"] is not None:
            lines.append(f"{what} {found['p50']:.1f} ms, 1 in 100 {found['p99']:.1f} ms or more")
    streams, weights = value["streams"], value["weights"]
    assert isinstance(streams, list) and isinstance(weights, list)
    for row in streams:
        cadence = "" if row["cadence_ms"] is None else f", {row['cadence_ms']:.1f} ms apart"
        lines.append(f"{row['name']:<36} {row['per_second']:>8.2f} a second{cadence}")
    for row in weights:
        counted = "" if row["counted"] is None else f", the venue counts {row['counted']}"
        lines.append(f"a request for {row['name']} weighs {row['weight']}{counted}")
    return "\n".join(lines)
