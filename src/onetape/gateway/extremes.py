"""The lowest or the highest price of a span: of bars that the gateway asks its venue for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from onetape.gateway.by_hand_prices import interval_of
from onetape.gateway.client import GatewayClient
from onetape.gateway.options import gateway_journal
from onetape.gateway.order_frames import HISTORY_WITHIN_S, OPEN_FLAG
from onetape.model.enums import EventType
from onetape.model.errors import VenueUnavailable
from onetape.tape.journal import JournalReader
from onetape.venues.past_market import BAR_FRAME

__all__ = ["extreme_of"]

LOOK_S: Final = 0.02
ANSWERED_WITHIN_S: Final = HISTORY_WITHIN_S + 4.0  # in any case, if the gateway lives


def extreme_of(home: Path, account: str, symbol: str, which: str, span: int) -> int:
    """Returns the price in units. which: "low" or "high"; span: ns until now, and the bar that it begins in counts
    whole. Raises ProcessDown, UsageError, VenueUnavailable where the venue does not tell all of it."""
    period = interval_of(span)
    count = -(-span // period)
    client = GatewayClient(home, account)
    after = client.ask("history", robot=0, now=time.time_ns(), wanted=[[symbol, period, count]])["after"]
    path, deadline = gateway_journal(home, account), time.monotonic() + ANSWERED_WITHIN_S
    bars: dict[int, tuple[int, int, int]] = {}  # by frame: low, high and flags
    why = "the gateway does not answer"
    with JournalReader(path) as reader:
        reader.seek_sequence(after + 1)
        while time.monotonic() < deadline:
            for frame in reader.frames(("history", "reply")):
                if frame.type != EventType.REPLY.id:
                    _, _, _, _, high, low, *_ = BAR_FRAME.unpack(frame.payload)
                    bars[frame.sequence] = low, high, frame.flags
                    continue
                said = msgspec.msgpack.decode(frame.payload)
                if (said.get("robot"), said.get("symbol"), said.get("period")) == (0, symbol, period):
                    if said["bars"] < count:  # it may be the answer to another one who asks
                        why = f"{said['bars']} bars of {count} are there: {said['reason'] or 'it has no more'}"
                        continue
                    rows = [bars[number] for number in range(said["first"], said["last"] + 1)]
                    closed = [each for each in rows if not each[2] & OPEN_FLAG][-count:]
                    found = closed + [each for each in rows if each[2] & OPEN_FLAG]
                    return min(each[0] for each in found) if which == "low" else max(each[1] for each in found)
            time.sleep(LOOK_S)
    raise VenueUnavailable(why, location=symbol)
