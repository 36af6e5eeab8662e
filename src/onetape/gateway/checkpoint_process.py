"""Makes a gateway's checkpoint in a separate process: `python -m onetape.gateway.checkpoint_process`, with its input as
JSON on standard input. The input has no key and no secret.

It reads the gateway's frames since the last checkpoint, at the lowest priority; the gateway only starts it, and
continues without a checkpoint if it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.checkpoint import recover, write_checkpoint
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.typed import from_json
from onetape.options.gateway import GatewayOptions
from onetape.orders.account_orders import AccountOrders
from onetape.orders.managed import HealthOut
from onetape.projections.checkpoint import checkpoint_file
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

__all__ = ["CheckpointProcess", "make"]

FRAMES_EVERY: Final = 2_000_000  # all frames: a start reads over ten million market frames a second
SECONDS_LEAST: Final = 30.0  # between two checkpoints, however much is written
SECONDS_MOST: Final = 600.0  # to the next attempt, after any number of failures


class _Work(msgspec.Struct, frozen=True):
    options: GatewayOptions
    instruments: list[bytes]
    slack: dict[str, int]


def make(options: GatewayOptions, instruments: Sequence[Instrument], slack: Mapping[str, int]) -> int:
    """Updates the checkpoint to the journal's current end; returns its last frame. slack: the venue's rounding by
    currency, as the gateway has learned it. Raises the errors of a damaged journal, and OSError."""
    venue = open_trading_venue(options.kind, "", "", Addresses(options.rest, options.ws, options.ws))
    venue.protocol.set_instruments(instruments)
    home = Path(options.home)
    journal, file = gateway_journal(home, options.account), checkpoint_file(home, options.account)
    kept = KeptMoney(options, {i.symbol: i for i in instruments}, {}, lambda currency: slack.get(currency, 0))
    with JournalReader(journal) as reader:
        sequence = reader.last_sequence
    if sequence:
        recovered = recover(journal, file, AccountOrders(venue.protocol), kept, until=sequence + 1)
        write_checkpoint(journal, file, recovered, sequence=sequence)
    return sequence


class CheckpointProcess:
    """Runs the checkpoint process of one gateway: `look` starts one when enough has been written since the last.

    at: the frame of the checkpoint that the gateway has started from, 0: none. refused: why an existing one was not
    used.
    """

    def __init__(
        self,
        options: GatewayOptions,
        instruments: Sequence[Instrument],
        writer: JournalWriter,
        *,
        at: int,
        slack: Callable[[str], int],
        say: Callable[[HealthOut], None],
        refused: str = "",
    ) -> None:
        self._options = msgspec.structs.replace(options, key="", secret="", third_secret="")
        self._instruments = [i.to_msgpack() for i in instruments]
        self._currencies = sorted({c for i in instruments for c in (i.base, i.quote, i.settle)})
        self._slack = slack
        self._writer = writer
        self._say = say
        self._alarmed = ""  # the reported failure that is not over
        self._account = options.account
        self._at, self._records = at, 0
        self._not_before, self._pause = 0.0, SECONDS_LEAST
        self._process: asyncio.subprocess.Process | None = None
        if refused:
            self._alarm("not used", refused)

    def is_due(self, records: int, now: float, *, has_room: bool = True) -> bool:
        """Tells whether enough was written for another checkpoint.

        records: written in total.
        now: s of a monotonic clock.
        has_room: whether the disk has room.
        """
        if not has_room:  # an attempt would fail; once there is room, it starts without delay
            self._not_before, self._pause = now, SECONDS_LEAST
            return False
        if self._process is not None or now < self._not_before:
            return False
        much = self._writer.published - self._at >= FRAMES_EVERY
        return much or records - self._records >= self._options.checkpoint_records

    async def make(self, records: int, now: float) -> None:
        """Runs the process to its end. A failed one has read megabytes for nothing, so the delay of the next attempt
        doubles."""
        at, self._not_before = self._writer.published, now + self._pause
        self._pause = min(2 * self._pause, SECONDS_MOST)
        name = "onetape.gateway.checkpoint_process"
        slack = {currency: self._slack(currency) for currency in self._currencies}
        work = msgspec.json.encode(_Work(self._options, self._instruments, slack))
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", name, stdin=-1, stdout=asyncio.subprocess.DEVNULL, stderr=-1
            )
            _, words = await self._process.communicate(work)
            status = self._process.returncode
        except OSError as error:
            status, words = 1, str(error).encode()
        finally:
            self._end()
        if status == 0:
            self._at, self._records = at, records
            self._not_before, self._pause = now + SECONDS_LEAST, SECONDS_LEAST
            if self._alarmed:
                self._alarmed = ""
                self._say(HealthOut("checkpoint", self._account, "made"))
            return
        lines = words.decode(errors="replace").split("\n")
        why = next((line for line in reversed(lines) if line), f"status {status}")
        self._alarm("not made", why[:200])

    def _alarm(self, what: str, why: str) -> None:
        """Raises an alert once, until a checkpoint is made, because each reason names another process or file."""
        if what != self._alarmed:
            self._alarmed = what
            self._say(HealthOut("checkpoint", self._account, f"{what}: {why}", "warning"))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def main() -> int:
    os.nice(19)
    os.umask(0o077)
    text = sys.stdin.buffer.read()
    if not text:  # the parent died before it sent the input
        return 0
    work = from_json(text, _Work)
    try:
        instruments = [Instrument.from_msgpack(each) for each in work.instruments]
        make(work.options, instruments, work.slack)
    except (OnetapeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
