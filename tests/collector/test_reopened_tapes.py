"""A number on a collector's tape stands for one instrument, however often its process begins anew."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.collector.feed_tape import StreamTape
from onetape.collector.venue_tape import VenueTape
from onetape.feeds.universe import LISTED, Change, Listing
from onetape.market.stream_feed import QuoteOut, StreamFeed, StreamRules
from onetape.model.instrument import from_symbol
from onetape.model.time import SECOND
from onetape.options.collector import CollectorOptions, collector_journal
from onetape.tape.journal import JournalReader

A, B = "binance:A/USDT:USDT", "binance:B/USDT:USDT"
NOW = 1_795_000_000 * SECOND
EPOCHS = range(4)


def numbers(path) -> dict[str, int]:
    with JournalReader(path) as reader:
        reader.seek_sequence(reader.last_sequence)
        return {record["symbol"]: number for number, record in reader.instruments.items()}


def test_a_venue_s_tape_knows_its_instruments_in_each_life(tmp_path):
    instrument = from_symbol(A, tick="0.1", lot="0.001")
    for life in EPOCHS:
        tape = VenueTape(tmp_path / "tape", "collector:a")
        assert tape.recovered == ({1: instrument} if life else {})
        tape.changed(Change(LISTED, Listing(1, instrument)), NOW)
        tape.close()


@pytest.mark.parametrize("speaks", [True, False])
def test_a_feed_s_symbols_keep_their_numbers_whether_they_are_quoted_or_not(tmp_path, speaks):
    options = CollectorOptions(
        name="a", home=str(tmp_path), kind="zeromq", address="tcp://127.0.0.1:1", topics=[], symbols=[], names={},
        subscribe="", message_bytes_max=1 << 20, stale_ns=0, published=False, instruments="",
    )  # fmt: skip

    def quoted(symbol: str) -> None:
        tape = StreamTape(options, StreamFeed(StreamRules("a")))
        one = Decimal(1)
        tape.write([QuoteOut(NOW, symbol, NOW, one, one + one, one, one)] if symbol else [])
        tape.close()

    quoted(A)
    for _ in EPOCHS:
        quoted(A if speaks else "")
    quoted(B)
    assert numbers(collector_journal(tmp_path, "a")) == {A: 1, B: 2}
