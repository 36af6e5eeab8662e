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

import gc
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

import onetape
from onetape.accounts.kept_money import KeptMoney
from onetape.model.errors import TornTape
from onetape.model.instrument import Instrument
from onetape.orders.account_orders import AccountOrders
from onetape.projections.account import READ_ALL, AccountState
from onetape.projections.checkpoint import FORMAT, Checkpoint, is_ours
from onetape.projections.gateway_state import GatewayState
from onetape.projections.recovered_orders import RecoveredOrders
from onetape.tape.checkpoint import chain_at, newest, store
from onetape.tape.journal import JournalReader
from onetape.tape.prune import pin
from onetape.tape.segments import list_segments

__all__ = ["Recovered", "hold_all", "recover", "write_checkpoint"]

_PIN: Final = "books"  # of the frames that no checkpoint has


class Recovered(msgspec.Struct, frozen=True):
    """Holds what was read of a gateway's journal.

    sequence: of the checkpoint that was used, 0: none.
    refused: why one that is there was not used; "": it was, or there is none.
    may_lack_end: what the journal said last may be lost.
    """

    account: AccountState
    state: GatewayState
    sequence: int = 0
    refused: str = ""
    may_lack_end: bool = False

    @classmethod
    def nothing(cls, orders: AccountOrders, kept: KeptMoney) -> Recovered:
        """Stands for a journal that is not there, or that counts for nothing."""
        state = GatewayState(RecoveredOrders(orders), kept)
        return cls(AccountState(keeps_fills=False, keeps_parts=True, gateway=state), state)


def hold_all(journal: Path) -> None:
    """Pins all of a journal that has no checkpoint yet: none of it may be pruned."""
    pin(journal, _PIN, 1)


def recover(journal: Path, file: Path, orders: AccountOrders, kept: KeptMoney, *, until: int = 0) -> Recovered:
    """Reads a gateway's journal, from the checkpoint on where there is one that fits. until: the first frame that is
    not read, 0: none. Raises what a damaged journal raises, and TornTape where its beginning has been pruned and no
    checkpoint fits."""
    bare = Recovered.nothing(orders, kept)
    account, state = bare.account, bare.state
    segments = list_segments(journal)
    is_whole = not segments or segments[0].first_seq == 1
    made_by = _made_by(kept.instruments.values()) if is_whole else ""
    found, refused = newest(journal, file, Checkpoint, made_by=made_by, until=until, is_ours=lambda _head: True)
    if found is None and not is_whole:
        raise TornTape(
            f"its beginning has been pruned, and its checkpoint {refused or 'is missing'}",
            location=str(journal),
            todo=f"bring {file.name} or the pruned segments back",
        )
    sequence = found.sequence if found is not None else 0
    with JournalReader(journal) as reader:
        # What was written and not synced outlives the process, not the machine.
        control, state.account = reader.control, reader.account
        may_lack_end = not (control.get("closed") or control.get("same_boot"))
        if sequence:
            reader.seek_sequence(sequence + 1)
        account.list_instruments(reader.instruments)
        if found is not None:
            account.restore(found)
        gc.disable()  # nearly all that is made here stays: collections would look through it again and again
        try:
            for frame in reader.frames(READ_ALL, sequence_until=until):
                state.orders.began(frame.time)
                account.apply(frame)
        finally:
            gc.enable()
    # A writer that has opened it and not noted that may have been the first one after a loss of power.
    may_lack_end |= not until and state.opened not in (0, control.get("epoch", state.opened))
    state.shares = {name: each for name, each in state.shares.items() if name in orders.open}
    return Recovered(account, state, sequence, refused, may_lack_end)


def write_checkpoint(journal: Path, file: Path, recovered: Recovered, *, sequence: int) -> None:
    """Writes the checkpoint of a journal that was read up to that frame, inclusive. Raises OSError."""
    with JournalReader(journal) as reader:
        chain = chain_at(reader, sequence)
        assert chain is not None  # it has been read
        checkpoint = Checkpoint(
            made_by=_made_by(recovered.state.money.instruments.values()),
            journal=reader.uuid.bytes,
            sequence=sequence,
            chain=chain,
            **recovered.account.to_records(),
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
