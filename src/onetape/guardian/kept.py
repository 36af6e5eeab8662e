"""The state of a guardian's own journal: what an incarnation needs to know of earlier ones, and its checkpoint."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

import onetape
from onetape.guardian.core import GuardianCore
from onetape.guardian.past_gateway import NOT_THERE, NUMBERS, ORDER, PLACING, TAKEN_OVER, number_of
from onetape.ipc.command_tape import note_command
from onetape.model.enums import EventType, OrderState, PositionSide
from onetape.model.errors import TornTape
from onetape.model.sections import GUARDIAN
from onetape.projections.once import Done, Once
from onetape.tape.checkpoint import Head, chain_at, newest, store
from onetape.tape.journal import JournalReader
from onetape.tape.prune import pin
from onetape.tape.segments import is_tape, list_segments

__all__ = ["EVERY", "Checkpoint", "Kept", "Recovered", "checkpoint_file", "recover", "write_checkpoint"]

FORMAT: Final = 2  # of the records below; a test holds it to their shape
MADE_BY: Final = f"{FORMAT} {onetape.__version__}"
EVERY: Final = 20_000  # frames
_PIN: Final = "notes"  # protects the frames that are in no checkpoint
_ENDS: Final = frozenset(str(each) for each in OrderState if each.is_final) | {NOT_THERE, TAKEN_OVER}
_OF_POSITIONS: Final = frozenset({"hard stop", "ladder", "local stop", "protection", "take-profits"})
_FRAMES: Final = ("health", "command", "reply")


class PositionNotes(msgspec.Struct):
    """The last records about a position. flattening: the reason of an unfinished flatten, else ""; flattened: its
    position, like `opened`; levels: of the last ladder, for `GuardianCore.remember`; shares: by kind of local rule, for
    `remember_shares`; is_lost: its protection was lost, None: not reported."""

    account: str
    symbol: str
    side: PositionSide
    flattening: str = ""
    flattened: str = ""
    levels: dict[str, Any] = {}
    shares: dict[str, dict[str, Any]] = {}
    is_lost: bool | None = None

    def take(self, kind: str, state: str, about: dict[str, Any], *, is_wrong: bool) -> None:
        match kind, state:
            case "hard stop", "flattening":
                self.flattening, self.flattened = about["reason"], about.get("opened", "")
            case "hard stop", _:
                self.flattening = self.flattened = ""
            case "protection", _:
                self.is_lost = is_wrong
            case "ladder" | "take-profits", "placing":
                self.levels = {"levels": about["levels"], "opened": about.get("opened", "?")}
                self.levels |= {name: about[name] for name in ("caps", "looked_back") if name in about}
        if "base" in about:
            rule = "local stop" if kind == "local stop" else "take-profits"
            rule += f": {about['subaccount']}" if "subaccount" in about else ""
            self.shares[rule] = {name: about[name] for name in ("opened", "base", "left")}

    def resume(self, core: GuardianCore) -> None:
        key = self.account, self.symbol, self.side
        if self.is_lost is not None:
            core.remember_protection(*key, is_lost=self.is_lost)
        if self.levels:
            core.remember(*key, **self.levels)
        for kind, shares in self.shares.items():
            core.remember_shares(*key, kind, **shares)
        if self.flattening:
            core.resume_flatten(*key, self.flattening, opened=self.flattened)


class Kept(msgspec.Struct):
    """The records of earlier incarnations. By account, of orders placed for a dead gateway: placed: those without an
    end that no gateway has taken over, by client id; numbers: the last reserved order number. epoch: the last."""

    positions: dict[str, PositionNotes] = {}
    placed: dict[str, dict[str, dict[str, Any]]] = {}
    numbers: dict[str, int] = {}
    epoch: int = 0

    def resume(self, core: GuardianCore, account: str, instruments: Collection[str]) -> None:
        """Restores the core; to be called before it gets the account's state."""
        for key, notes in list(self.positions.items()):
            if notes.account == account and notes.symbol in instruments:
                self.positions.pop(key).resume(core)

    def take(self, record: dict[str, Any]) -> None:
        """Handles one health record of the journal."""
        kind, state, about = record["kind"], record["state"], record["about"]
        if kind == ORDER:
            self._order(state, about)
        elif kind == NUMBERS:
            self.numbers[about["account"]] = max(self.numbers.get(about["account"], 0), about["until"])
        elif kind == "epoch":
            self.epoch = max(self.epoch, about["epoch"])
        elif (kind, state) == ("gateway", "back"):
            placed = self.placed.pop(record["subject"], {})
            if stops := {name: each for name, each in placed.items() if each["trigger"]}:
                self.placed[record["subject"]] = stops  # until the gateway has each
        elif kind in _OF_POSITIONS:
            of = about["account"], about["symbol"], about["side"]
            notes = self.positions.setdefault(" ".join(of), PositionNotes(of[0], of[1], PositionSide(of[2])))
            notes.take(kind, state, about, is_wrong="severity" in record)

    def _order(self, state: str, about: dict[str, Any]) -> None:
        account, name = about["account"], about["order"]
        placed = self.placed.setdefault(account, {})
        if state == PLACING:
            placed[name] = about
            self.numbers[account] = max(self.numbers.get(account, 0), number_of(name))
        elif state in _ENDS:
            placed.pop(name, None)


class Checkpoint(Head, frozen=True, kw_only=True):
    """The state of a guardian's journal at one of its frames."""

    kept: Kept
    once: list[tuple[str, Done]]


class Recovered(NamedTuple):
    """The state read from a guardian's journal. sequence: of the checkpoint used, 0: none; refused: why an existing one
    was not."""

    kept: Kept
    sequence: int = 0
    refused: str = ""


def checkpoint_file(home: Path) -> Path:
    return home / "state" / f"{GUARDIAN}.checkpoint"


def recover(journal: Path, file: Path, once: Once, *, until: int = 0) -> Recovered:
    """Reads a guardian's journal, from a matching checkpoint on; its commands go into `once`. until: the first frame
    that is not read, 0: none. A journal without its beginning is read as far as it exists, because protection must not
    wait for the past."""
    if not is_tape(journal):
        return Recovered(Kept())
    segments = list_segments(journal)
    is_whole = not segments or segments[0].first_seq == 1
    found, refused = newest(
        journal, file, Checkpoint, made_by=MADE_BY if is_whole else "", until=until, is_ours=_is_ours
    )
    kept, sequence = (found.kept, found.sequence) if found is not None else (Kept(), 0)
    if found is not None:
        once.restore(found.once)
    if not sequence:
        pin(journal, _PIN, 1)  # protects frames that only the journal has
    with JournalReader(journal) as reader:
        if sequence:
            reader.seek_sequence(sequence + 1)
        for frame in reader.frames(_FRAMES, sequence_until=until):
            record = msgspec.msgpack.decode(frame.payload)
            if frame.type == EventType.HEALTH.id:
                kept.take(record)
            else:
                note_command(once, frame, record)
    return Recovered(kept, sequence, refused)


def write_checkpoint(journal: Path, file: Path, *, sequence: int) -> None:
    """Updates the checkpoint to a frame of the journal, read as at a start. Raises OSError, TornTape."""
    once = Once()
    kept = recover(journal, file, once, until=sequence + 1).kept
    with JournalReader(journal) as reader:
        chain = chain_at(reader, sequence)
        if chain is None:
            raise TornTape(f"frame {sequence} is gone since it was read", location=str(journal))
        made = Checkpoint(
            made_by=MADE_BY, journal=reader.uuid.bytes, sequence=sequence, chain=chain, kept=kept, once=once.to_record()
        )
    store(journal, file, made, is_ours=_is_ours, run=_PIN)


def _is_ours(head: Head) -> bool:
    return head.made_by.startswith(f"{FORMAT} ")
