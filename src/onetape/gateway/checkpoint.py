"""What a gateway's journal comes to at one of its frames: a start reads only what came after it.

A checkpoint is made by the same code that reads a journal at a start, in a process of its own
beside the gateway (`gateway_checkpoint_main`), so it costs no order any time and cannot know
anything that the journal does not say. One that is damaged, of another journal, of another version
or of other instruments is passed over, and the journal is read from its beginning.

The one before is kept, and a pin holds what comes after it against pruning. So the beginning of a
journal may go, and never what only it knows: of such a journal a checkpoint of another version or
of other instruments serves, too, and where none fits, the gateway does not start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

import onetape
from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.errors import TornTape
from onetape.model.instrument import Instrument
from onetape.orders.manager import OrderManager
from onetape.orders.recover import Recovery
from onetape.projections.checkpoint import FORMAT, Checkpoint, is_ours
from onetape.tape.checkpoint import chain_at, newest, store
from onetape.tape.journal import JournalReader
from onetape.tape.prune import pin
from onetape.tape.segments import list_segments

__all__ = ["Recovered", "hold_all", "recover", "write_checkpoint"]

_PIN: Final = "books"  # of the frames that no checkpoint has


class Recovered(msgspec.Struct, frozen=True):
    """Holds what was read of a gateway's journal.

    tape: names and numbers, without a writer.
    sequence: of the checkpoint that was used, 0: none.
    refused: why one that is there was not used; "": it was, or there is none.
    """

    tape: GatewayTape
    recovery: Recovery
    sequence: int = 0
    refused: str = ""

    @classmethod
    def nothing(cls, manager: OrderManager) -> Recovered:
        """Stands for a journal that is not there, or that counts for nothing."""
        return cls(GatewayTape(None, ()), Recovery(manager))  # type: ignore[arg-type]


def hold_all(journal: Path) -> None:
    """Pins all of a journal that has no checkpoint yet: none of it may be pruned."""
    pin(journal, _PIN, 1)


def recover(journal: Path, file: Path, manager: OrderManager, kept: KeptMoney, *, until: int = 0) -> Recovered:
    """Reads a gateway's journal, from the checkpoint on where there is one that fits. until: the first frame that is
    not read, 0: none. Raises what a damaged journal raises, and TornTape where its beginning has been pruned and no
    checkpoint fits."""
    bare = Recovered.nothing(manager)
    tape, recovery = bare.tape, bare.recovery
    segments = list_segments(journal)
    is_whole = not segments or segments[0].first_seq == 1
    made_by = _made_by(kept.instruments.values()) if is_whole else ""
    found, refused = newest(journal, file, Checkpoint, made_by=made_by, until=until, is_ours=lambda _head: True)
    if found is not None:
        recovery.restore(found.orders)
        tape.restore(found.tape)
        kept.restore(found.money)
    elif not is_whole:
        raise TornTape(
            f"its beginning has been pruned, and its checkpoint {refused or 'is missing'}",
            location=str(journal),
            todo=f"bring {file.name} or the pruned segments back",
        )
    sequence = found.sequence if found is not None else 0
    tape.recover(journal, recovery, kept, start=sequence + 1 if sequence else 0, until=until)
    return Recovered(tape, recovery, sequence, refused)


def write_checkpoint(journal: Path, file: Path, recovered: Recovered, kept: KeptMoney, *, sequence: int) -> None:
    """Writes the checkpoint of a journal that was read up to that frame, inclusive. Raises OSError."""
    with JournalReader(journal) as reader:
        chain = chain_at(reader, sequence)
        assert chain is not None  # it has been read
        checkpoint = Checkpoint(
            made_by=_made_by(kept.instruments.values()),
            journal=reader.uuid.bytes,
            sequence=sequence,
            chain=chain,
            orders=recovered.recovery.to_record(),
            tape=recovered.tape.to_record(),
            money=kept.to_record(),
        )
    store(journal, file, checkpoint, is_ours=is_ours, run=_PIN)


def _made_by(instruments: Iterable[Instrument]) -> str:
    """Names what a checkpoint must have been made by: other code, or another tick, reads the same frames otherwise."""
    terms = sorted(
        (i.symbol, i.kind, i.base, i.quote, i.settle, str(i.multiplier), str(i.lot), i.price_decimals, i.size_decimals)
        for i in instruments
    )
    digest = hashlib.sha256(msgspec.json.encode(terms)).hexdigest()
    return f"{FORMAT} {onetape.__version__} {digest[:32]}"
