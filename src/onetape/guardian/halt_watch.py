"""Income and halts of all accounts of a home, read from their gateways' tapes: a guardian's process looks some times a
second, and sends the due commands.

An unanswered command is repeated, until `answered` is called or another command of the same halt replaces it; a gateway
executes it once. If a tape is replaced by another, everything is read again.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Final

from onetape.guardian.income_tape import IncomeTape
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal
from onetape.model.sections import HaltsConfig
from onetape.model.time import DAY, SECOND
from onetape.orders.halts import Scope
from onetape.risk.halt_decisions import Effect, HaltDecisions, Priced, Send, TimePassed, Unrealized
from onetape.risk.income_windows import HEARD_WITHIN, IncomeWindows
from onetape.tape.segments import is_tape

__all__ = ["HaltWatch"]

RETRY_NS: Final = SECOND  # of an unanswered command


class HaltWatch:
    """Follows the tapes of `accounts` (name -> its sub-accounts' slots) by the limits of [guardian.halts]."""

    def __init__(self, home: Path, accounts: Mapping[str, Mapping[str, int]], config: HaltsConfig) -> None:
        """Raises UsageError for an invalid limit."""
        self._home = home
        self._accounts = accounts
        self._config = config
        self._limits = [(Scope(scope), limit) for scope, limit in config.limits]
        self._tapes: dict[str, IncomeTape] = {}
        self._unanswered: dict[tuple[str, str], tuple[Send, int]] = {}  # by account and halt; with its last attempt
        self._begin()

    @property
    def is_idle(self) -> bool:
        """Tells whether no limit is configured, so that no tape is followed."""
        return not self._limits

    def close(self) -> None:
        for tape in self._tapes.values():
            tape.close()
        self._tapes.clear()

    @property
    def wants_unrealized(self) -> bool:
        return self._config.unrealized and not self.is_idle

    @property
    def accounts(self) -> Collection[str]:
        """Returns the followed accounts."""
        return self._tapes.keys()

    @property
    def assets(self) -> Collection[str]:
        """Returns the assets of incomes, beside the limits' currency."""
        return self.decisions.windows.assets

    @property
    def currency(self) -> str:
        return self.decisions.windows.currency

    def look(
        self, now: int, unrealized: Iterable[Unrealized] | None = None, prices: Iterable[Priced] = ()
    ) -> list[Effect]:
        """Reads new frames. now: ns UTC; unrealized: of open positions, None: unknown; prices: of `assets`, which no
        gateway's tape has. Returns the commands to send, and what cannot be counted. Raises the errors of a damaged
        journal."""
        if self.is_idle:
            return []
        if any(tape.is_gone for tape in self._tapes.values()):
            self._begin()
        for account in self._accounts:
            self._follow(account, now)
        # Prices are shared: a later price of one account's tape must not value an earlier fee of another's.
        tapes = (tape.events() for _, tape in sorted(self._tapes.items()))
        for _, event in heapq.merge(*tapes, key=itemgetter(0)):
            self.decisions.handle(event)
        for price in prices:
            self.decisions.handle(price)
        for event in unrealized or ():
            self.decisions.handle(event)
        effects: list[Effect] = []
        for effect in self.decisions.handle(TimePassed(now, has_positions=unrealized is not None)):
            if isinstance(effect, Send):
                self._unanswered[effect.account, effect.fields["id"]] = effect, 0
            else:
                effects.append(effect)
        for key, (send, last) in self._unanswered.items():
            if now - last >= RETRY_NS:
                self._unanswered[key] = send, now
                effects.append(send)
        return effects

    def answered(self, send: Send) -> None:
        """Notes that the gateway has executed or refused the command."""
        key = send.account, send.fields["id"]
        if key in self._unanswered and self._unanswered[key][0] is send:
            del self._unanswered[key]

    def _begin(self) -> None:
        self.close()
        self._unanswered.clear()
        currency = self._limits[0][1].currency if self._limits else ""
        windows = IncomeWindows(self._limits, currency, counts_unrealized=self._config.unrealized)
        self.decisions = HaltDecisions(windows, list(self._accounts))

    def _follow(self, account: str, now: int) -> None:
        path = gateway_journal(self._home, account)
        if account not in self._tapes and is_tape(path):
            slots = {slot: name for name, slot in self._accounts[account].items()}
            since = now - max((limit.window or DAY + HEARD_WITHIN) for _, limit in self._limits)
            currency = self.decisions.windows.currency
            with suppress(OnetapeError):  # it is being created
                self._tapes[account] = IncomeTape(path, account, currency, slots, since=since)
