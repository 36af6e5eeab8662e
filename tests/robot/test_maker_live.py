"""The sample market maker at a simulated exchange that shows its quotes to it: in a market where
nobody else moves, it does not run after itself."""

from __future__ import annotations

import time
from pathlib import Path

from exchange.venue_client import served
from onetape.exchange.played_tape import VenueTape
from onetape.model import catalogue
from onetape.model.enums import RequestKind
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.command_lines import answered
from worlds.frames import REQUEST
from worlds.gateway_process import configure

MAKER = Path(__file__).resolve().parents[2] / "strategies" / "market_maker.py"
SECONDS = (3, 20)  # the second where a machine is too busy for the first
SECOND = 1_000_000_000


def requests_of(home: Path) -> list[RequestKind]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        payloads = [frame.payload for frame in reader.frames(("order_request",))]
    return [RequestKind.from_id(REQUEST.unpack_from(each)[5]) for each in payloads]


def still_market(path: Path):
    """A book whose prices never change, 20 ticks wide; sizes do, so that it is told of."""
    instrument = catalogue.find("binance:BTC/USDT:USDT")
    now = time.time_ns()
    with JournalWriter(path, process="test") as writer:
        writer.append_instrument(1, now, instrument.to_msgpack())
        for step in range(200):
            at = now + step * SECOND // 5
            sizes = (5000 + step % 2, 5000 + step % 3)
            writer.append_quote(1, at, at, 600_000, 600_020, *sizes)
    return VenueTape(path, "binance-usdm", speed=1.0, loop=False).market(time.time_ns())


def test_it_does_not_requote_on_its_own_quotes(tmp_path: Path):
    market = still_market(tmp_path / "tape")
    with served("binance-usdm", limits=False, market=market) as (dialect, port):
        account = dialect.exchange.accounts[0]
        configure(tmp_path, port, account)
        for seconds in SECONDS:
            home = tmp_path / f"home{seconds}"
            params = ["--param", "shift=2", "--param", "buy_by=0.01", "--param", "sell_limit=0"]
            answered(tmp_path, "run", MAKER, "--live", "--seconds", seconds, "--home", home, *params)
            if account.by_id:
                break
        assert {order.price for order in account.by_id.values()} == {600_008}
    assert requests_of(home) == [RequestKind.PLACE, RequestKind.CANCEL]  # its end is the run's
