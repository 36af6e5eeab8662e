"""Follows gateways' journals into SQL.

The rows of a stretch of a journal, and the cursor after it, are one transaction: after a crash at any point, or with
the database away, it continues after the last frame with rows. So a row exists once by (journal, sequence), whatever
happened in between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from onetape.accounts.entries import TOTAL
from onetape.model.home import hub_journal
from onetape.model.money import money_text, text_units
from onetape.model.time import DAY
from onetape.options.recorder import GATEWAYS, note_recorded
from onetape.recorder.batch import DayKey, FillKey, HourKey, Row
from onetape.recorder.hub_quotes import HubQuotes
from onetape.recorder.projection import ENDED, READ, Projection
from onetape.store.records import Records, add, metadata, replace
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.segments import is_tape

__all__ = ["FRAMES_MAX", "Recorder", "gateway_journals", "is_begun"]

FRAMES_MAX: Final = 20_000  # of one journal per transaction
_SUMS_MAX: Final = 100_000  # cached days and hours
Sums = dict[tuple[str | int, ...], int]
LOOK_BACK: Final = 30 * DAY  # venues report fills of at most some days ago again
_NOTED_S: Final = 10  # between writes of a journal's cursor for pruning


def gateway_journals(home: Path) -> dict[str, Path]:
    """Returns the journals by account, including accounts that are no longer configured."""
    found = sorted((home / "journal").glob(f"{GATEWAYS}*"))
    return {path.name.removeprefix(GATEWAYS): path for path in found if is_tape(path)}


def is_begun(path: Path) -> bool:
    """Tells whether a journal has its identity; one being created has nothing to read."""
    with JournalReader(path) as reader:
        return reader.uuid.int != 0


class _Followed:
    """Follows one journal, from its cursor in the database on."""

    def __init__(self, account: str, path: Path, records: Records, leverage: float, frames_max: int) -> None:
        self.account, self.path, self.reader = account, path, JournalReader(path)
        self.journal = self.reader.uuid.hex
        self._projection = Projection(account, self.journal, leverage=leverage)
        self._hub = HubQuotes(hub_journal(path.parents[1]))
        self._frames_max = frames_max
        self._frames: Iterator[Frame] = iter(())
        cursors = metadata.tables["record_cursors"]
        kept = records.rows(sa.select(cursors).where(cursors.c.journal == self.journal))
        self.sequence = int(kept[0]["seq"]) if kept else 0
        if kept:
            self._projection.restore(kept[0]["state"])
            self.reader.seek_sequence(self.sequence + 1)
        else:
            self._projection.earlier = _open(records, account, self.journal)
            now = metadata.tables["record_risk"].c
            begun = records.rows(sa.select(now.slot, now.currency).where(now.account == account))
            self._projection.continues((row["slot"], row["currency"]) for row in begun)
        if not self._projection.is_begun:
            self._projection.recorded = _recorded(records, account, self.journal)
        self.is_behind = False
        self.noted = -math.inf  # time of the last written cursor
        self.risk = list(self._projection.risk())  # its last rows

    def read(self) -> int:
        """Reads new frames, up to a maximum. Returns their number."""
        count, last = 0, self.sequence
        self._hub.look()
        for _ in range(2):  # the journal may continue where the first read ended
            for frame in islice(self._frames, self._frames_max - count):
                for quote in self._hub.until(frame.time):
                    self._projection.quoted(*quote)
                self._projection.take(frame)
                count, last = count + 1, frame.sequence
            if count:
                break
            self._frames = self.reader.frames(READ)
        self.is_behind = count == self._frames_max
        self.sequence = last
        return count

    def write(self, connection: Connection, sums: Sums) -> int:
        """Returns the number of new or changed rows."""
        batch = self._projection.drain()
        self.risk = [row for row in batch.changed.get("record_risk", {}).values() if row is not None]
        for table, rows in batch.added.items():
            add(connection, table, rows)
        for table, changed in batch.changed.items():
            replace(connection, table, changed)
        _add_sums(connection, "record_days", batch.days, sums)
        _add_sums(connection, "record_activity", batch.hours, sums)
        cursor = {
            "journal": self.journal,
            "account": self.account,
            "seq": self.sequence,
            "ts": self._projection.now,
            "state": self._projection.to_record(),
        }
        replace(connection, "record_cursors", {(self.journal,): cursor})
        return batch.rows


class Recorder:
    """Records journals, and holds the lease of the database. After an exception make a new Recorder, which continues at
    the cursor: what this one has read may not be stored."""

    def __init__(
        self,
        home: Path,
        records: Records,
        *,
        leverage: Mapping[str, float],
        frames_max: int = FRAMES_MAX,
        is_lasting: bool = False,
    ) -> None:
        """is_lasting: unread frames are kept for it, also while it is away."""
        self._frames_max, self._is_lasting = frames_max, is_lasting
        self._home, self._records, self._leverage = home, records, leverage
        self._followed: dict[str, _Followed] = {}
        self._sums: Sums = {}
        self.taken = 0  # count of projected frames

    def step(self) -> int:
        """Projects new frames of all journals, up to a maximum of each. Returns the number of frames."""
        count = 0
        for account, path in gateway_journals(self._home).items():
            followed = self._followed.get(account)
            if followed is not None and followed.reader.is_gone:
                if read := followed.read():
                    self._commit(followed)
                    count += read
                if followed.is_behind:  # it is read to its end before its replacement
                    continue
                followed = None
            if followed is None:
                if not is_begun(path):
                    continue
                leverage = self._leverage.get(account, 1.0)
                followed = self._followed[account] = _Followed(account, path, self._records, leverage, self._frames_max)
                self._note(followed)  # a database other than the former one has nothing yet
                followed.noted = -math.inf
            if read := followed.read():
                self._commit(followed)
                count += read
        self.taken += count
        return count

    @property
    def is_behind(self) -> bool:
        return any(each.is_behind for each in self._followed.values())

    @property
    def behind(self) -> int:
        """Returns the number of unread frames in the followed journals."""
        return sum(each.reader.last_sequence - each.sequence for each in self._followed.values())

    def risk(self) -> Iterator[Mapping[str, Any]]:
        """Yields the last figures of each account."""
        return (row for each in self._followed.values() for row in each.risk if row["slot"] == TOTAL)

    def _commit(self, followed: _Followed) -> None:
        if len(self._sums) > _SUMS_MAX:
            self._sums.clear()
        with self._records.transaction() as connection:
            self._records.keep_lease(connection)
            followed.write(connection, self._sums)
        self._note(followed)

    def _note(self, followed: _Followed) -> None:
        if self._is_lasting and time.monotonic() - followed.noted > _NOTED_S:
            note_recorded(followed.path, followed.sequence)
            followed.noted = time.monotonic()


def _open(records: Records, account: str, journal: str) -> list[Row]:
    """Returns the rows of open orders in earlier journals of an account, which are lost."""
    orders = metadata.tables["record_orders"]
    earlier = (orders.c.account == account) & (orders.c.journal != journal)
    return records.rows(sa.select(orders).where(earlier & orders.c.state.not_in(ENDED)))


def _recorded(records: Records, account: str, journal: str) -> frozenset[FillKey]:
    """Returns the fills of an account's earlier journals that its venue may report again."""
    fills = metadata.tables["record_fills"]
    earlier = (fills.c.account == account) & (fills.c.journal != journal)
    last = records.rows(sa.select(sa.func.max(fills.c.ts).label("ts")).where(earlier))[0]["ts"]
    if last is None:
        return frozenset()
    columns = fills.c.symbol, fills.c.trade_id, fills.c.side, fills.c.ts_event
    found = records.rows(sa.select(*columns).where(earlier & (fills.c.ts > last - LOOK_BACK)))
    return frozenset((row["symbol"], row["trade_id"], row["side"], row["ts_event"]) for row in found)


def _add_sums(
    connection: Connection, name: str, more: Mapping[DayKey, int] | Mapping[HourKey, int], cached: Sums
) -> None:
    """Adds to sums of a table. cached: the rows that this writer has read or written, whose keys differ in length."""
    table = metadata.tables[name]
    keys = list(table.primary_key.columns)
    rows = {}
    for key, amount in more.items():
        if key not in cached:
            wanted = sa.select(table.c.amount_exact).where(*(c == v for c, v in zip(keys, key, strict=True)))
            found = connection.execute(wanted).scalar()
            cached[key] = 0 if found is None else text_units(str(found))
        cached[key] += amount
        values = dict(zip((c.name for c in keys), key, strict=True))
        rows[key] = {**values, "amount_exact": money_text(cached[key])}
    replace(connection, name, rows)
