"""A hub's journal that cannot be read on is begun anew, and ends no recorder."""

from __future__ import annotations

from onetape.recorder.hub_quotes import HubQuotes
from onetape.tape.journal import JournalReader
from worlds.tapes import Market

COUNT = 20_000


def test_a_journal_that_is_damaged_behind_what_was_read_is_left(tmp_path):
    market = Market(tmp_path / "hub")
    for at in range(COUNT):
        market.quote(at / 1000, 100 + at % 7, 101 + at % 7)
    path = market.done()
    with JournalReader(path) as reader:
        end = max(frame.time for frame in reader.frames(("quote",)))
    hub = HubQuotes(path)
    hub.look()
    assert [(bid, ask) for _, bid, ask in hub.until(end)]
    (segment, *_) = sorted(path.glob("*.tape"))
    data = bytearray(segment.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    segment.write_bytes(data)
    hub = HubQuotes(path)
    hub.look()
    for _ in range(2):
        assert not [*hub.until(end)]
