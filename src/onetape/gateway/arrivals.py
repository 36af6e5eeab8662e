"""Answers queries of other gateways for deposits that they have sent from their venues.

The sender repeats its query until the deposit is booked. Between two queries the venue's list of deposits is read; a
credited one is booked by the transfer's id, once. The ledger is the only state: after a restart the sender queries
again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from onetape.accounts.entries import TRANSFER_REPORTED, Cause, Entry
from onetape.accounts.transfer_command import Coming, coming
from onetape.gateway.account_money import AccountMoney
from onetape.model.errors import NotAvailable
from onetape.model.money import money_text
from onetape.orders.calls import Call, OrderProtocol
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import TransferReport, TransferState

__all__ = ["Arrivals"]

PAGES_MAX: Final = 100
_NOTE: Final = "deposit "  # followed by the venue's id of the deposit

Ask = Callable[[Call], Coroutine[Any, Any, Answer]]


class Arrivals:
    """Looks for deposits that another gateway announces.

    wallet: the wallet that receives deposits; None: unknown.
    ask: sends a call to the venue; None: there is no connection for it.
    """

    def __init__(
        self,
        money: AccountMoney,
        protocol: OrderProtocol,
        wallet: str | None,
        ask: Ask | None,
        *,
        now: Callable[[], int],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._money = money
        self._protocol = protocol
        self._wallet = wallet
        self._ask = ask
        self._now = now
        self._spawn = spawn
        self._booked: dict[str, int] = {}  # amounts by transfer
        self._taken: set[str] = set()  # deposits matched to a transfer
        self._looking: set[str] = set()

    def recover(self, entries: Iterable[Entry]) -> None:
        """Restores booked arrivals from the journal's entries."""
        for entry in entries:
            self._keep(entry.reference.removeprefix(TRANSFER_REPORTED), entry)

    def _keep(self, name: str, entry: Entry) -> None:
        self._booked[name] = entry.legs[0].amount if entry.legs else 0
        if entry.note.startswith(_NOTE):
            self._taken.add(entry.note.removeprefix(_NOTE))

    def announced(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns whether the deposit has arrived, and its amount.

        Raises NotAvailable if this gateway cannot know it.
        """
        one = coming(fields)
        if self._money.ledger.has(Cause.COMMAND, TRANSFER_REPORTED + one.name):
            amount = self._booked.get(one.name, one.amount)
            return {"arrived": True, "amount": money_text(amount)}
        if self._ask is None or self._wallet != one.wallet:
            raise NotAvailable(f"deposits to {one.wallet or 'the trading wallet'} cannot be read")
        if self._money.is_ready and one.name not in self._looking:
            self._looking.add(one.name)
            self._spawn(self._look(one))
        return {"arrived": False}

    async def _look(self, one: Coming) -> None:
        try:
            row = self._row_of(one, await self._deposits(one))
        finally:
            self._looking.discard(one.name)
        if row is None:
            return
        note = f"{_NOTE}{row.venue_id}"
        self._money.arrived(one.currency, row.amount, one.wallet, row.time, self._now(), transfer=one.name, note=note)
        self._booked[one.name] = row.amount
        self._taken.add(row.venue_id)

    async def _deposits(self, one: Coming) -> list[TransferReport]:
        """Returns the deposits read before the first failure; the next query reads the rest."""
        rows: list[TransferReport] = []
        cursor = ""
        for _ in range(PAGES_MAX):
            call = self._protocol.deposits(one.currency, self._now(), since=one.since, cursor=cursor)
            if call is None or self._ask is None:
                break
            answer = await self._ask(call)
            if answer.outcome is not Outcome.DONE:
                break
            rows += [row for row in answer.reports if isinstance(row, TransferReport)]
            cursor = answer.cursor
            if not cursor:
                break
        return rows

    def _row_of(self, one: Coming, rows: Iterable[TransferReport]) -> TransferReport | None:
        """Finds the deposit of a transfer. One transaction may have several deposits; each belongs to one transfer."""
        own = [
            row
            for row in rows
            if row.state is TransferState.DONE
            and row.currency == one.currency
            and _plain(row.txid) == _plain(one.txid)
            and row.venue_id not in self._taken
        ]
        return min(own, key=lambda r: (r.amount != one.amount, r.time, r.venue_id), default=None)


def _plain(txid: str) -> str:
    """Normalizes a transaction id, which venues write in several ways."""
    return txid.lower().removeprefix("0x")
