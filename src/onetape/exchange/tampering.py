"""Messages of market data that are wrong, or odd: a crossed book, a checksum that does not fit, rows in any order."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import msgspec

__all__ = ["bad_checksum", "crossed", "shuffled"]

# Each venue's names of the two sides; swapped, the best bid is above the best ask.
PAIRS: Final = (("b", "a"), ("bids", "asks"), ("bid", "ask"), ("bidPrice", "askPrice"))
SIDES: Final = {"Buy": "Sell", "Sell": "Buy"}


def crossed(message: bytes) -> bytes:
    """Bids and asks exchanged, wherever they stand in the message."""
    return msgspec.json.encode(_crossed(msgspec.json.decode(message)))


def _crossed(value: Any) -> Any:
    if isinstance(value, list):
        return [_crossed(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _crossed(inner) for name, inner in value.items()}
    for bid, ask in PAIRS:
        if bid in value and ask in value:
            found[bid], found[ask] = found[ask], found[bid]
    if value.get("side") in SIDES and "id" in value:  # a row of BitMEX's orderBookL2
        found["side"] = SIDES[value["side"]]
    return found


def shuffled(body: bytes, chance: Random) -> bytes:
    """The rows of an answer, a list or what Kraken has under names in `result`, in another order."""
    value = msgspec.json.decode(body)
    if isinstance(value, list):
        chance.shuffle(value)
    elif isinstance(value, dict) and isinstance(value.get("result"), dict):
        rows = list(value["result"].items())
        chance.shuffle(rows)
        value["result"] = dict(rows)
    return msgspec.json.encode(value)


def bad_checksum(message: bytes) -> bytes:
    """Each checksum is one that does not fit; a message without any is as it was."""
    value = msgspec.json.decode(message)
    rows = value.get("data") if isinstance(value, dict) else None
    found = False
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("checksum"), int):
            row["checksum"] ^= 1
            found = True
    return msgspec.json.encode(value) if found else message
