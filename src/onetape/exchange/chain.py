"""Carries money from one simulated exchange to another, through a shared folder.

Each transaction is a file named after its id. The sending exchange writes it completely, and it is never changed or
removed. The exchange that owns the address credits it, once by transaction and address: an exchange killed before
writing or crediting does so after its restart.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import msgspec

from onetape.exchange.exchange import SimExchange
from onetape.model.errors import IoFailed
from onetape.model.money import money_text
from onetape.model.typed import from_json
from onetape.tape.durable import write_durably

__all__ = ["Chain"]

LOOK_NS: Final = 50_000_000
_NAME: Final = re.compile(r"[0-9a-f]{64}\.json\Z")


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer on the chain. amount: the amount that arrives, as decimal text."""

    txid: str
    currency: str
    network: str
    address: str
    memo: str
    amount: str


class Chain:
    """Passes withdrawals of one exchange to others, and receives theirs. Raises IoFailed if the folder cannot be
    made."""

    def __init__(self, folder: Path, exchange: SimExchange) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IoFailed(f"no folder: {error.strerror}", location=str(folder)) from None
        self._folder = folder
        self._exchange = exchange
        self._written = 0  # number of written transactions
        self._seen: set[str] = set()
        self._next = 0

    def tick(self, now: int) -> None:
        """Sends and receives transactions; call it regularly. now: the exchange's time, ns UTC."""
        if now < self._next:
            return
        self._next = now + LOOK_NS
        for each in self._exchange.transfers.sent[self._written :]:
            path = self._folder / f"{each.txid}.json"
            if not path.exists():
                made = Transaction(
                    txid=each.txid,
                    currency=self._exchange.currencies[each.currency],
                    network=each.to.network,
                    address=each.to.address,
                    memo=each.to.memo,
                    amount=money_text(each.amount - each.fee),
                )
                try:
                    write_durably(path, msgspec.json.encode(made))
                except OSError as error:
                    sys.stderr.write(f"{path}: not written: {error.strerror}\n")
                    return  # retried next time
            self._written += 1
        for path in sorted(self._folder.iterdir()):
            if path.name not in self._seen and _NAME.match(path.name):
                self._seen.add(path.name)
                self._take(path, now)

    def _take(self, path: Path, now: int) -> None:
        try:
            found = from_json(path.read_bytes(), Transaction)
        except (OSError, msgspec.DecodeError) as error:
            sys.stderr.write(f"{path}: no transaction: {error}\n")
            return
        owner = self._exchange.transfers.owner_of(found.address, found.currency)
        if owner is not None and not self._exchange.transfers.has_come(found.txid, found.address):
            self._exchange.transfers.receive(
                owner, found.currency, found.amount, now, txid=found.txid, network=found.network, address=found.address
            )
