"""Balances of a home's accounts, split by sub-account: from their gateways' tables in shared memory, or without a
gateway, from the entries of their journals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.entry_frames import unpack
from onetape.accounts.ledger import Ledger
from onetape.accounts.reader import MAX_AGE_S
from onetape.accounts.table import AccountReader, Margin, accounts_in
from onetape.model.home import gateway_journal
from onetape.model.money import money_text
from onetape.model.sections import AccountConfig, Config
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import pruned_checkpoint, read_account, time_of
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["STALE_NS", "balances", "is_written"]

STALE_NS: Final = int(MAX_AGE_S * 10**9)  # without a heartbeat for this time all readers treat it as down


class _Slots(NamedTuple):
    """The sub-accounts' balances of one currency. ts: their time, 0: unknown."""

    currency: str
    totals: Sequence[int]
    held: Sequence[int]
    ts: int


def balances(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns a row for each account and currency; money as decimal text."""
    shown = {reader.account: reader for reader in accounts_in(home)[0]}
    rows = []
    for name, account in config.accounts.items():
        reader, path = shown.get(name), gateway_journal(home, name)
        found = [] if reader is None else list(_in_memory(reader))
        alive = False
        if found:
            alive = reader is not None and reader.age_ns <= STALE_NS
        elif is_tape(path):  # none runs, or it has just started
            alive = is_written(path)
            file = checkpoint_file(home, name)
            found = list(_on_tape(path, file)) or list(_as_reported(path, file))
        for each in found:
            row = _row(name, account, each, alive=alive)
            if alive and reader is not None and (margin := reader.margin(each.currency)):
                row["margin"] = _margin(margin)
            rows.append(row)
    return rows


def _margin(margin: Margin) -> dict[str, Any]:
    units = margin._asdict()
    reported_at = units["reported_at"]
    amounts = ("equity", "unrealized", "maintenance", "initial", "available")
    return {
        **{k: None if units[k] is None else money_text(units[k]) for k in amounts},
        "told_age_ms": None if reported_at is None else max(0, time.time_ns() - reported_at) // 10**6,
    }


def is_written(path: Path) -> bool:
    """Tells whether a running gateway writes this journal."""
    with JournalReader(path) as reader:
        control = reader.control
        if not control or control["closed"] or not reader.writer_alive:
            return False
        return time.time_ns() - int(control["heartbeat"]) <= STALE_NS


def _as_reported(path: Path, file: Path) -> Iterator[_Slots]:
    """Returns the venue's last balances of a journal without entries, all for the pool."""
    for currency, (total, ts) in sorted(read_account(path, file).balances.items()):
        yield _Slots(currency, [total, total], [0, 0], ts)


def _in_memory(reader: AccountReader) -> Iterator[_Slots]:
    for currency in sorted(reader.currencies):
        group = reader.slots(currency, max_age=0)
        found = group.all() if group is not None else None
        if found is not None:
            yield _Slots(currency, found[0], found[1], found[3])


def _on_tape(path: Path, file: Path) -> Iterator[_Slots]:
    made = pruned_checkpoint(path, file)
    ledger = Ledger() if made is None else Ledger.from_record(made.money.ledger)
    newest = 0
    with JournalReader(path) as reader:
        if made is not None:
            newest = time_of(reader, made)
        for frame in reader.frames(("entry",)):
            ledger.post(unpack(frame.payload))
            newest = frame.time
    for currency in ledger.currencies():
        totals = ledger.slots(currency)
        yield _Slots(currency, totals, [0] * len(totals), newest)


def _row(name: str, account: AccountConfig, slots: _Slots, *, alive: bool) -> dict[str, Any]:
    names = {"main": MAIN, **account.subaccounts}
    used = {slot: str(slot) for slot, total in enumerate(slots.totals) if total and slot > MAIN}
    names |= {shown: slot for slot, shown in used.items() if slot not in names.values()}
    subaccounts = {shown: {"index": slot, **_amounts(slots, slot)} for shown, slot in names.items()}
    return {
        "venue": account.venue,
        "account": name,
        "currency": slots.currency,
        **_amounts(slots, TOTAL),
        "subaccounts": subaccounts,
        "data_age_ms": max(0, time.time_ns() - slots.ts) // 10**6,
        "alive": alive,
    }


def _amounts(slots: _Slots, slot: int) -> Mapping[str, str]:
    total = slots.totals[slot] if slot < len(slots.totals) else 0
    held = slots.held[slot] if slot < len(slots.held) else 0
    amounts = {"total": total, "available": total - held, "locked": held}
    return {key: money_text(units) for key, units in amounts.items()}
