"""The state of a gateway's journal at one of its frames, so that a restart reads only later frames.

A checkpoint is made by the code that reads a journal at a start, in a separate process beside the gateway
(`gateway_checkpoint_main`), so it delays no order and contains only what is on the journal. If it is damaged, or of
another journal, version or instruments, it is ignored, and the journal is read from its beginning.

The previous checkpoint is kept, and a pin protects the frames after it against pruning. So a journal's beginning may be
pruned without loss: for such a journal a checkpoint of another version or of other instruments is used, too, and if
none fits, the gateway does not start.
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

_PIN: Final = "books"  # protects the frames that are in no checkpoint


class Recovered(msgspec.Struct, frozen=True):
    """The state that was read from a gateway's journal.

    sequence: of the checkpoint that was used, 0: none.
    refused: why an existing one was not used; "": it was, or there is none.
    may_lack_end: the journal's last frames may be lost.
    """

    account: AccountState
    state: GatewayState
    sequence: int = 0
    refused: str = ""
    may_lack_end: bool = False

    @classmethod
    def nothing(cls, orders: AccountOrders, kept: KeptMoney) -> Recovered:
        """Returns the state of a journal that does not exist, or is ignored."""
        state = GatewayState(RecoveredOrders(orders), kept)
        return cls(AccountState(keeps_fills=False, keeps_parts=True, gateway=state), state)


def hold_all(journal: Path) -> None:
    """Pins all of a journal that has no checkpoint yet, so that none of it is pruned."""
    pin(journal, _PIN, 1)


def recover(journal: Path, file: Path, orders: AccountOrders, kept: KeptMoney, *, until: int = 0) -> Recovered:
    """Reads a gateway's journal, from a matching checkpoint on. until: the first frame that is not read, 0: none.
    Raises the errors of a damaged journal, and TornTape if its beginning has been pruned and no checkpoint fits."""
    bare = Recovered.nothing(orders, kept)
    account, state = bare.account, bare.state
    segments = list_segments(journal)
    is_whole = not segments or segments[0].first_seq == 1
    made_by = _made_by(kept.instruments.values()) if is_whole else ""
    found, refused = newest(journal, file, Checkpoint, made_by=made_by, until=until, is_ours=lambda _head: True)
    if found is None and not is_whole:
        raise TornTape(
            f"the journal's beginning has been pruned, and its checkpoint {refused or 'is missing'}",
            location=str(journal),
            todo=f"bring {file.name} or the pruned segments back",
        )
    sequence = found.sequence if found is not None else 0
    with JournalReader(journal) as reader:
        # Frames that were not synced survive the process, but not a power loss.
        control, state.account = reader.control, reader.account
        may_lack_end = not (control.get("closed") or control.get("same_boot"))
        if sequence:
            reader.seek_sequence(sequence + 1)
        account.list_instruments(reader.instruments)
        if found is not None:
            account.restore(found)
        gc.disable()  # nearly all objects made here stay: collections would scan them repeatedly
        try:
            for frame in reader.frames(READ_ALL, sequence_until=until):
                state.orders.began(frame.time)
                account.apply(frame)
        finally:
            gc.enable()
    # A writer that opened it without noting that may have been the first one after a power loss.
    may_lack_end |= not until and state.opened not in (0, control.get("epoch", state.opened))
    state.shares = {name: each for name, each in state.shares.items() if name in orders.open}
    return Recovered(account, state, sequence, refused, may_lack_end)


def write_checkpoint(journal: Path, file: Path, recovered: Recovered, *, sequence: int) -> None:
    """Writes the checkpoint of a journal that was read up to that frame, inclusive. Raises OSError."""
    with JournalReader(journal) as reader:
        chain = chain_at(reader, sequence)
        assert chain is not None  # it was read
        checkpoint = Checkpoint(
            made_by=_made_by(recovered.state.money.instruments.values()),
            journal=reader.uuid.bytes,
            sequence=sequence,
            chain=chain,
            **recovered.account.to_records(),
        )
    store(journal, file, checkpoint, is_ours=is_ours, run=_PIN)


def _made_by(instruments: Iterable[Instrument]) -> str:
    """Returns the versions that a checkpoint must match: other code, or another tick size, reads the same frames
    differently."""
    terms = sorted(
        (i.symbol, i.kind, i.base, i.quote, i.settle, str(i.multiplier), str(i.lot), i.price_decimals, i.size_decimals)
        for i in instruments
    )
    digest = hashlib.sha256(msgspec.json.encode(terms)).hexdigest()
    return f"{FORMAT} {onetape.__version__} {digest[:32]}"
