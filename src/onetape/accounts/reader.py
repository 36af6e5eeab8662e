"""Balances for any process: exact, in nanoseconds, and never stale without an error.

    manager = StrategyBalanceManager("kraken", strategy_count=8)
    manager.get_balance("USDC", index=0)     # 0 total, 1 the pool, 2 and on sub-accounts
    manager.get_all("USDC")                  # one consistent snapshot

A balance is returned only while its gateway confirms it: if it is stopped, hangs or is not ready, reads raise
PROCESS_DOWN or STALE_DATA, whatever the last numbers were.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from onetape._core import SlotGroup
from onetape.accounts.entries import MAIN, SLOTS_MAX, TOTAL
from onetape.accounts.table import AccountReader, PositionShown, accounts_in
from onetape.model.errors import BadInput, ProcessDown, StaleData, UnknownCurrency, UnknownSubaccount
from onetape.model.home import StrPath, home_of, state_of
from onetape.model.money import money
from onetape.model.time import SECOND, US

__all__ = ["MAX_AGE_S", "MarginState", "PositionState", "SingleQuote", "StrategyBalanceManager", "get_balance"]

MAX_AGE_S: Final = 2.0  # a gateway's heartbeat comes twice a second
_NEVER: Final = 2**63 - 1
_Reply = TypeVar("_Reply")


class SingleQuote(msgspec.Struct, frozen=True):
    """A balance as a quote of one number. Times in us UTC."""

    timestamp: int  # time of the balance's last change, by the clock of its source
    local_timestamp: int  # time of the gateway's last confirmation
    mid: Decimal  # the balance

    @property
    def localTimestamp(self) -> int:  # noqa: N802 - its name elsewhere
        return self.local_timestamp


class MarginState(msgspec.Struct, frozen=True):
    """The margin of the whole account in one currency; None: unknown. Times in ns UTC.

    equity: balance and open profit at the middle of the last quotes; maintenance: of the positions there, by the
    instruments' margin brackets. initial and available are the venue's own, at `reported_at`.
    """

    currency: str
    equity: Decimal | None
    unrealized: Decimal | None
    maintenance: Decimal | None
    initial: Decimal | None
    available: Decimal | None
    reported_at: int | None
    ts: int


class PositionState(msgspec.Struct, frozen=True):
    """One position of a slot, 0 the account's. qty is signed; price: the price used for unrealized, None before the
    first quote. ts: ns UTC."""

    slot: int
    symbol: str
    side: str
    qty: Decimal
    entry_price: Decimal
    price: Decimal | None
    unrealized: Decimal | None
    realized: Decimal
    ts: int

    @classmethod
    def of(cls, shown: PositionShown) -> PositionState:
        price, unrealized = _maybe(shown.price), _maybe(shown.unrealized)
        return cls(
            shown.slot,
            shown.symbol,
            str(shown.side),
            money(shown.qty),
            money(shown.entry),
            price,
            unrealized,
            money(shown.realized),
            shown.ts,
        )


class StrategyBalanceManager:
    """A read-only view of one account's balances, by currency and slot. One per thread."""

    def __init__(
        self,
        exchange: str | Enum,
        strategy_count: int = 8,
        *,
        account: str | None = None,
        home: StrPath | None = None,
        max_age: float = MAX_AGE_S,
    ) -> None:
        """exchange: a venue's name or kind; account: its name, if a venue has several.

        strategy_count: number of slots, including total and pool, 2 to 64. max_age: seconds without a heartbeat after
        which reads fail. The gateway need not run yet: reads raise PROCESS_DOWN until it does. Raises BadInput if
        several accounts match.
        """
        if not MAIN < strategy_count <= SLOTS_MAX:
            raise BadInput(f"strategy_count is 2 to {SLOTS_MAX}, not {strategy_count}")
        if not 0 < max_age < _NEVER / SECOND:
            raise BadInput(f"max_age is a number of seconds above 0, not {max_age}")
        self.exchange = _word(exchange)
        self.strategy_count = strategy_count
        self._account = account
        self._home = home_of(home)
        self._max_age = max(1, int(max_age * SECOND))
        self._unread: list[str] = []  # tables that cannot be read: of no account, or of another version
        self._groups: dict[str | Enum, SlotGroup] = {}
        self._reader: AccountReader | None = self._find()

    def get_balance(self, currency: str | Enum, index: int = TOTAL) -> Decimal:
        """Returns the exact balance. An unused slot below strategy_count is 0.

        Raises UnknownCurrency, UnknownSubaccount, StaleData, ProcessDown.
        """
        group = self._groups.get(currency)
        if group is not None and index < self.strategy_count:
            text = group.text(index)
            if text is not None:
                return Decimal(text)
        return money(self._slot(currency, index, SlotGroup.get))

    def held(self, currency: str | Enum, index: int = TOTAL) -> Decimal:
        """Returns the part of a balance that working orders and positions lock."""
        return money(self._slot(currency, index, SlotGroup.held))

    def available(self, currency: str | Enum, index: int = TOTAL) -> Decimal:
        """Returns balance less held, both at one moment. Configured credit is not part of it."""
        return money(self._slot(currency, index, SlotGroup.available))

    def get_all(self, currency: str | Enum) -> list[Decimal]:
        """Returns slots 0 to strategy_count - 1 at one moment: the first is the sum of the others.

        Raises UnknownSubaccount if a slot beyond them is in use, because the sum would be incomplete.
        """
        count = self.strategy_count

        def texts(group: SlotGroup) -> list[str] | None:
            reply = group.texts(count)
            if isinstance(reply, int):
                raise UnknownSubaccount(
                    f"slot {reply} has {_code(currency)} and strategy_count is {count}",
                    location=self._named(),
                    todo=f"make it {reply + 1} or more",
                )
            return reply

        return [Decimal(text) for text in self._ask(currency, texts)]

    def quote(self, currency: str | Enum, index: int = TOTAL) -> SingleQuote:
        """Returns a balance with its times."""
        totals, _held, _flags, ts_data, _sequence, _version = self._ask(currency, SlotGroup.all)
        self._check_index(index)
        units = totals[index] if index < len(totals) else 0
        heartbeat = self._attached().state.heartbeat
        return SingleQuote(ts_data // US, heartbeat // US, money(units))

    def margin(self, currency: str | Enum) -> MarginState:
        """Returns the margin in a currency. Raises UnknownCurrency if the venue has none in it, StaleData,
        ProcessDown."""
        reader = self._attached()
        self._check_fresh(reader)
        found = reader.margin(_code(currency))
        if found is None:
            raise UnknownCurrency(f"there is no margin in {_code(currency)}", location=self._named())
        return MarginState(
            found.currency,
            _maybe(found.equity),
            _maybe(found.unrealized),
            _maybe(found.maintenance),
            _maybe(found.initial),
            _maybe(found.available),
            found.reported_at,
            found.ts,
        )

    def positions(self, index: int | None = None) -> list[PositionState]:
        """Returns positions by slot, symbol and side; index: of one slot, 0 the account's. Raises StaleData,
        ProcessDown."""
        reader = self._attached()
        self._check_fresh(reader)
        return [PositionState.of(each) for each in reader.positions() if each.qty and index in (None, each.slot)]

    @property
    def currencies(self) -> list[str]:
        """Returns the account's currencies now."""
        reader = self._attached()
        self._check_fresh(reader)
        return reader.currencies

    @property
    def names(self) -> dict[str, int]:
        """Returns the slots of sub-accounts, by name."""
        return self._attached().names

    def _slot(self, currency: str | Enum, index: int, get: Callable[[SlotGroup, int], int | None]) -> int:
        self._check_index(index)

        def ask(group: SlotGroup) -> int | None:
            amount = get(group, index)
            if amount is not None:
                return amount
            listed = group.all()
            return 0 if listed is not None and index >= len(listed[0]) else None

        return self._ask(currency, ask)

    def _ask(self, currency: str | Enum, ask: Callable[[SlotGroup], _Reply | None]) -> _Reply:
        """Reads a currency's slots, or raises the reason why that is impossible."""
        group = self._groups.get(currency)
        if group is not None and (reply := ask(group)) is not None:
            return reply
        self._groups.pop(currency, None)
        code = _code(currency)
        reader = self._attached()
        # The table's files may have been removed, and made again by a gateway since.
        for attempt in (0, 1):
            if attempt and not reader.state.refresh():
                raise self._down()
            found = reader.slots(code, max_age=self._max_age)
            if found is not None and (reply := ask(found)) is not None:
                self._groups[currency] = found
                return reply
        self._check_fresh(reader)
        if found is None:
            raise UnknownCurrency(
                f"this account has no {code}",
                location=self._named(),
                todo=f"there are {', '.join(reader.currencies) or 'none yet'}",
            )
        reply = ask(found)
        if reply is None:
            self._check_fresh(reader)
            raise StaleData(f"{code} cannot be read now", location=self._named(), todo="read it again")
        return reply

    def _check_index(self, index: int) -> None:
        if not TOTAL <= index < self.strategy_count:
            raise UnknownSubaccount(
                f"slot {index}",
                location=self._named(),
                todo=f"slots are 0 to {self.strategy_count - 1}, by strategy_count",
            )

    def _check_fresh(self, reader: AccountReader) -> None:
        why = reader.why_not_ready
        age = reader.age_ns
        if not why and age <= self._max_age:
            return
        if not reader.state.writer_alive:
            raise self._down()
        if why:
            raise StaleData(f"{reader.process} is not ready", location=why, todo="wait until it has its balances")
        silent = "" if age == _NEVER else f" for {age / SECOND:.1f} s"
        raise StaleData(
            f"{reader.process} has had no heartbeat{silent}", location=self._named(), todo="look at `onetape status`"
        )

    def _attached(self) -> AccountReader:
        if self._reader is None:
            self._reader = self._find()
            if self._reader is None:
                raise self._down()
        return self._reader

    def _find(self) -> AccountReader | None:
        found, self._unread = accounts_in(self._home)
        meant = [each for each in found if self.exchange in (_word(each.venue), _word(each.kind))]
        if self._account is not None:
            meant = [each for each in meant if each.account == self._account]
        if len(meant) > 1:
            # A stopped account counts, too: else a gateway's end would switch its robots to another account.
            names = ", ".join(
                f"{each.venue}/{each.account}" + ("" if each.state.writer_alive else " (stopped)") for each in meant
            )
            raise BadInput(
                f"{self.exchange} has several accounts: {names}",
                location=str(self._home),
                todo="say which with account=NAME",
            )
        return meant[0] if meant else None

    def _down(self) -> ProcessDown:
        unread = f"; {', '.join(self._unread)} cannot be read here" if self._unread else ""
        return ProcessDown(
            f"no gateway of {self._named()} publishes balances",
            location=f"{state_of(self._home)}{unread}",
            todo="start it",
        )

    def _named(self) -> str:
        if self._reader is not None:
            return f"{self._reader.venue}/{self._reader.account}"
        return self.exchange if self._account is None else f"{self.exchange}/{self._account}"


def get_balance(
    exchange: str | Enum,
    currency: str | Enum,
    *,
    account: str | None = None,
    home: StrPath | None = None,
    max_age: float = MAX_AGE_S,
) -> SingleQuote:
    """Returns the total of a currency on an account, with its times. Raises as StrategyBalanceManager."""
    return _manager(_word(exchange), account, str(home_of(home)), max_age).quote(currency)


@lru_cache(maxsize=64)
def _manager(exchange: str, account: str | None, home: str, max_age: float) -> StrategyBalanceManager:
    return StrategyBalanceManager(exchange, account=account, home=home, max_age=max_age)


def _maybe(units: int | None) -> Decimal | None:
    return None if units is None else money(units)


def _text(name: str | Enum) -> str:
    if isinstance(name, Enum):
        return name.value if isinstance(name.value, str) else name.name
    return name


def _word(exchange: str | Enum) -> str:
    """Normalizes a venue's name for comparison: any case, `-` or `_`."""
    return _text(exchange).lower().replace("_", "-")


def _code(currency: str | Enum) -> str:
    """Normalizes a currency code for tables."""
    return _text(currency).upper()
