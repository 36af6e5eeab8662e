"""What a market has traded since a moment, counted on a tape that is written, restarted, and begun anew."""

from __future__ import annotations

import shutil
import struct
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from onetape.figures.traded_volume import TradedVolume
from onetape.figures.views import Views
from onetape.model.config import parse_config
from onetape.model.home import gateway_journal, hub_journal
from onetape.model.instrument import from_symbol
from onetape.tape.journal import JournalWriter

FIRST = from_symbol("binance:BTC/USDT:USDT", tick="0.1", lot="0.001")
OTHER = from_symbol("binance:ETH/USDT:USDT", tick="0.01", lot="0.1")
_TRADE = struct.Struct("<4qQQBB14x")


def written(path: Path) -> JournalWriter:
    tape = JournalWriter(path, process="gateway:main")
    for stream, instrument in ((1, FIRST), (2, OTHER)):
        tape.append_instrument(stream, 1, instrument.to_msgpack())
    return tape


def trade(tape: JournalWriter, stream: int, at: int, size: int) -> None:
    tape.append("trade", _TRADE.pack(at, at, 600_000, size, at, 0, 1, 0), stream=stream, time=at)


TRADES = st.lists(st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 10**6)), max_size=60)


@given(TRADES, st.integers(0, 60), st.integers(0, 150))
def test_it_is_the_sum_of_the_symbol_s_trades_since_then_however_it_is_read(tmp_path_factory, trades, cut, since):
    path = tmp_path_factory.mktemp("volume") / "tape"
    with written(path) as tape:
        volume, now, rows = TradedVolume(path, FIRST.symbol, since), 1, []
        for number, (stream, later, size) in enumerate(trades):
            now += later
            rows.append((stream, now, size))
            trade(tape, stream, now, size)
            if number == cut:
                volume.take()
        sizes = [size for stream, at, size in rows if stream == 1 and at >= since]
        expected = Decimal(sum(sizes)).scaleb(-FIRST.size_decimals) if sizes else None
        assert volume.take() == volume.take() == expected
        anew = TradedVolume(path, FIRST.symbol, since)
        assert anew.take() == expected
        volume.close()
        anew.close()


def test_a_tape_that_is_not_there_or_another_one_in_its_place_is_counted_as_it_is(tmp_path):
    volume = TradedVolume(tmp_path / "tape", FIRST.symbol, 0)
    assert volume.take() is None
    for size in (5000, 7000):
        with written(tmp_path / "tape") as tape:
            trade(tape, 1, 10, size)
            assert volume.take() == Decimal(size).scaleb(-FIRST.size_decimals)
        shutil.rmtree(tmp_path / "tape")
    assert volume.take() is None


CONFIG = '[venues.x]\nkind = "binance-usdm"\n[accounts.main]\nvenue = "x"\n'
HUB = '[collectors.ws]\nkind = "venue"\nvenue = "x"\nsymbols = ["binance:BTC/USDT:USDT"]\n[hub]\n'


def test_a_symbol_that_the_hub_brings_has_the_hub_s_trades(tmp_path):
    for config, expected in ((CONFIG, 3000), (CONFIG + HUB, 4000)):
        home = tmp_path / str(expected)
        with written(gateway_journal(home, "main")) as own, written(hub_journal(home)) as hub:
            trade(own, 1, 10, 3000)
            trade(hub, 1, 10, 4000)
            views = Views(parse_config(config), home)
            views.refresh()
            assert views.traded("main", FIRST.symbol, views.now - 5) is None
            views.now = 0
            assert views.traded("main", FIRST.symbol, 5) == Decimal(expected).scaleb(-FIRST.size_decimals)
            views.close()
