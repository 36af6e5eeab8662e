"""Get a live robot's bars from before its start: its gateway queries the venue and writes them to the tape."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from onetape.engine.plan import History
from onetape.model.errors import ProcessDown
from onetape.orders.order_frames import HISTORY_MAX, HISTORY_WITHIN_S
from onetape.tape.journal import JournalReader

__all__ = ["Asks", "queried_history"]

# A running gateway answers within this time in any case.
ANSWERED_WITHIN_S: Final = HISTORY_WITHIN_S + 4.0
LOOK_S: Final = 0.005


class Asks(Protocol):
    """Interface of a gateway that takes requests."""

    def ask(self, do: str, **fields: Any) -> dict[str, Any]: ...


def queried_history(
    client: Asks, robot: int, tape: Path, wanted: Mapping[tuple[str, int], int], now: int
) -> list[History]:
    """Returns the venue's bars for each (symbol, period in ns), as many as wanted. now: bars were complete by then.
    Logs for each why there are fewer, also when there is no answer."""
    found: list[History] = []
    keys = list(wanted)
    for at in range(0, len(keys), HISTORY_MAX):
        found += _queried(client, robot, tape, {key: wanted[key] for key in keys[at : at + HISTORY_MAX]}, now)
    return found


def _queried(client: Asks, robot: int, tape: Path, wanted: Mapping[tuple[str, int], int], now: int) -> list[History]:
    """Send one request and wait for its results. wanted: at most HISTORY_MAX entries."""
    rows = [[symbol, period, count] for (symbol, period), count in wanted.items()]
    try:
        after = client.ask("history", robot=robot, now=now, wanted=rows)["after"]
    except ProcessDown as error:
        return [_untold(each, str(error)) for each in wanted]
    found: dict[tuple[str, int], History] = {}
    deadline = time.monotonic() + ANSWERED_WITHIN_S
    with JournalReader(tape) as reader:
        reader.seek_sequence(after + 1)
        while found.keys() != wanted.keys() and time.monotonic() < deadline:
            for frame in reader.frames(("reply",)):
                record = msgspec.msgpack.decode(frame.payload)
                if record.pop("robot", 0) == robot and "period" in record:
                    history = History(**record)
                    found[history.symbol, history.period] = history
            time.sleep(LOOK_S)
    return [found.get(each) or _untold(each, "the gateway does not answer") for each in wanted]


def _untold(wanted: tuple[str, int], why: str) -> History:
    return History(*wanted, first=1, last=0, bars=0, reason=why)
