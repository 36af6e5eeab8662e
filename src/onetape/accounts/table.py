"""The state table of an account: its gateway's view of the account's money, for every process to read.

The gateway is the only writer. A balance is a group of slots per currency: 0 the total, which is the sum of the others
and computed by the core, 1 the pool, 2 and on the sub-accounts; amounts and their held parts are units of 1e-18.
Balances are valid only while the gateway marks them as ready and its heartbeat is fresh; else readers get them as
stale.

    table = AccountTable(home, venue="kraken", account="main", kind="kraken", names={"a": 2})
    table.put("USD", totals, held, ts=time, sequence=17)
    table.ready()                # from now on readers get balances
    table.alive(now)             # on each tick, at most half a second apart
    table.close()                # a clean stop removes the table; a crash leaves it, stale
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onetape._core import PositionRows, SlotGroup
from onetape.accounts.entries import SLOTS_MAX
from onetape.model.enums import PositionSide
from onetape.model.errors import DataError, ProcessDown
from onetape.model.home import StrPath, state_of
from onetape.tape.state import StateReader, StateWriter, tables_in
from onetape.tape.state_layout import FieldValue, GroupSpec, Layout

if TYPE_CHECKING:
    from onetape.accounts.holding import Holding
    from onetape.accounts.ledger import Ledger
    from onetape.accounts.reserves import Reserves

__all__ = ["AccountReader", "AccountTable", "Margin", "PositionShown", "accounts_in", "gateway_of"]

SLOTS_SHOWN: Final = 8  # of each currency at least: an unused slot is zero, not absent

# why: the reason for not being ready; if ready the state of the account's stream, "": live.
ACCOUNT: Final = GroupSpec(1, "account", (("kind", "T"), ("slots", "u"), ("ready", "b"), ("why", "T")))
SLOT: Final = GroupSpec(2, "slot", (("index", "u"),))
BALANCE: Final = GroupSpec(3, "balance", slots=SLOTS_MAX)
# Money in 1e-18 of the currency, prices too. None: unknown.
MARGIN: Final = GroupSpec(
    4,
    "margin",
    (
        ("equity", "m"),
        ("unrealized", "m"),
        ("maintenance", "m"),
        ("initial", "m"),  # the venue's own, as `available` is
        ("available", "m"),
        ("told_at", "u"),  # ns UTC, when the venue was queried: `reported_at`
    ),
)
POSITION: Final = GroupSpec(
    5,
    "position",
    (
        ("qty", "m"),  # 1e-18, signed
        ("entry", "m"),
        ("price", "m"),  # used for unrealized
        ("unrealized", "m"),
        ("realized", "m"),  # since the ledger's beginning, without fees and funding
        ("size_decimals", "u"),  # of the instrument
    ),
)
FUNDING: Final = GroupSpec(6, "funding", (("rate", "i"), ("at", "i")))  # the next payment: 1e-12, and ns UTC; 0: none
LAYOUT: Final = Layout([ACCOUNT, SLOT, BALANCE, MARGIN, POSITION, FUNDING])
_KEY_BYTES_MAX: Final = 64

PositionKey = tuple[int, str, PositionSide]  # slot (0: the account's), symbol, side


class Margin(NamedTuple):
    """The margin of one currency, units of 1e-18; None: unknown.

    Its fields between currency and ts are the table's, in order.

    equity: balance and open profit, at the middle of the last quotes.
    maintenance: by the instruments' margin brackets.
    initial, available: the venue's own at `reported_at` (ns UTC).
    """

    currency: str
    equity: int | None
    unrealized: int | None
    maintenance: int | None
    initial: int | None
    available: int | None
    reported_at: int | None
    ts: int = 0  # ns UTC of the data
    sequence: int = 0  # of the newest journal frame that is included


class PositionShown(NamedTuple):
    """A position in the table, units of 1e-18; None: unknown. Its fields between side and ts are the table's, in order.

    slot: 0 the account's.
    """

    slot: int
    symbol: str
    side: PositionSide
    qty: int
    entry: int
    price: int | None
    unrealized: int | None
    realized: int
    size_decimals: int
    ts: int = 0  # ns UTC of the data
    sequence: int = 0  # of the newest journal frame that is included

    @property
    def key(self) -> PositionKey:
        return self.slot, self.symbol, self.side


def _position_key(at: PositionKey) -> str:
    slot, symbol, side = at
    return f"{slot} {side} {symbol}"


def gateway_of(account: str) -> str:
    """Returns the process name in an account's table file."""
    return f"gateway:{account}"


class AccountTable:
    """Writes the account's table, in the gateway. A second writer is refused with JOURNAL_LOCKED.

    A previous gateway's table disappears at once: a new one begins not ready.
    """

    def __init__(
        self,
        home: StrPath,
        *,
        venue: str,
        account: str,
        kind: str,
        names: Mapping[str, int] | None = None,
        capacity: int = 32,
    ) -> None:
        """kind: of the venue, as configured; names: of sub-accounts, with their slots; capacity: initial room for
        currencies and names."""
        self.process = gateway_of(account)
        self._key = f"{venue}/{account}"
        self._kind = kind
        self._writer = StateWriter(state_of(home), self.process, LAYOUT, capacity=capacity)
        self._ready = False
        self._stream = ""
        self._names: dict[str, int] = {}
        self._positions = PositionRows(POSITION.kind)
        self._describe("starting")
        self.name(names or {})
        self._writer.publish()

    def name(self, names: Mapping[str, int]) -> None:
        """Writes the sub-accounts by name, replacing the previous ones."""
        for gone in self._names.keys() - names.keys():
            self._writer.remove("slot", gone)
        for name, index in names.items():
            self._writer.put("slot", name, {"index": index}, ts=0, sequence=0)
        self._names = dict(names)

    def put(self, currency: str, totals: list[int], held: list[int], *, ts: int, sequence: int) -> None:
        """Writes one currency, from one state of the ledger. Both lists by slot, in units of 1e-18.

        ts: ns UTC of that state; sequence: of the entry's frame. Raises InvariantViolation if the total is not the sum
        of the others: such a state is never written.
        """
        if (short := SLOTS_SHOWN - len(totals)) > 0:
            totals = totals + [0] * short
            held = held + [0] * short
        self._writer.put_slots("balance", currency, totals, held, ts=ts, sequence=sequence)

    def put_money(
        self, ledger: Ledger, reserves: Reserves, currency: str, count: int, *, ts: int, sequence: int
    ) -> None:
        """Writes one currency from the ledger, with its reserves. count: slots in use. Otherwise like `put`."""
        shown, table = max(count, SLOTS_SHOWN), self._writer.core
        if not ledger.balances.show(currency, shown, reserves, table, BALANCE.kind, ts, sequence):
            totals, held = ledger.slots(currency, count), reserves.held_in(currency, count)
            self.put(currency, totals, held, ts=ts, sequence=sequence)

    def put_margin(self, margin: Margin, *, sequence: int) -> None:
        """Writes the margin of one currency."""
        currency, *values, ts, _ = margin
        self._writer.put("margin", currency, dict(zip(MARGIN.names, values, strict=True)), ts=ts, sequence=sequence)

    def put_position(self, at: PositionKey, held: Holding, *, entry: int, price: int, ts: int, sequence: int) -> None:
        """Writes one slot's position if it has changed. entry: 1e-18; price: units, 0: unknown. A symbol of more than
        50 bytes does not fit and is omitted."""
        key, core = _position_key(at), self._writer.core
        if len(key.encode()) <= _KEY_BYTES_MAX:
            self._positions.show(core, key, held, held.terms.core, entry, price, ts, sequence)

    def clear_position(self, at: PositionKey, *, ts: int, sequence: int) -> None:
        """Removes a position."""
        self._positions.clear(self._writer.core, _position_key(at), ts, sequence)

    def put_funding(self, symbol: str, rate: int, at: int, *, ts: int) -> None:
        """Writes the next funding payment of a symbol, signed as longs pay it: 1e-12, and its time, ns UTC."""
        if len(symbol.encode()) <= _KEY_BYTES_MAX:
            self._writer.put("funding", symbol, {"rate": rate, "at": at}, ts=ts, sequence=0)

    def remove(self, currency: str) -> bool:
        """Removes a currency. False: there was none."""
        return self._writer.remove("balance", currency)

    def ready(self) -> None:
        """Marks the balances as reconciled: readers get them from here on."""
        self._ready = True
        self._describe(self._stream)
        self._writer.vouch()

    def stream(self, lost: str) -> None:
        """Sets the state of the account's stream, "": live. Readers rely on the table in any state."""
        if lost != self._stream:
            self._stream = lost
            if self._ready:
                self._describe(lost)

    def alive(self, now: int) -> bool:
        """Writes the heartbeat, ns UTC: on each tick, at most half a second apart. From the loop that books, not from
        another thread, so that a hang shows. True: the table's files had been removed, and were made again."""
        self._writer.heartbeat(now)
        if self._ready:
            self._writer.vouch()
        return self._writer.keep_in_place()

    def close(self) -> None:
        """Removes the table on a clean stop: readers get PROCESS_DOWN."""
        self._writer.close(remove=True)

    def _describe(self, why: str) -> None:
        values: dict[str, FieldValue] = {"kind": self._kind, "slots": SLOTS_MAX, "ready": self._ready, "why": why}
        self._writer.put("account", self._key, values, ts=0, sequence=0)


class AccountReader:
    """Reads one account's table, in any process. Follows its gateway through restarts."""

    def __init__(self, home: StrPath, process: str) -> None:
        """Raises PROCESS_DOWN without a table, SCHEMA_MISMATCH for one of another version or process."""
        self.process = process
        self.state = StateReader(state_of(home), process, LAYOUT)
        self.venue, self.account, self.kind = self._who()

    def _who(self) -> tuple[str, str, str]:
        for key, group in self.state.groups("account").items():
            venue, _, account = key.partition("/")
            return venue, account, str(group["kind"])
        raise ProcessDown(f"the table of {self.process} names no account", todo="restart the process")

    @property
    def why_not_ready(self) -> str:
        """Returns what the gateway waits for; "": it is ready."""
        group = self.state.get("account", f"{self.venue}/{self.account}")
        if group is None:
            return "starting"
        return "" if group["ready"] else str(group["why"] or "starting")

    @property
    def stream_lost(self) -> str:
        """Returns the state of the account's stream, "": live, as far as is known."""
        group = self.state.get("account", f"{self.venue}/{self.account}")
        return str(group["why"] or "") if group is not None and group["ready"] else ""

    @property
    def names(self) -> dict[str, int]:
        """Returns sub-accounts and their slots, by slot."""
        found = {key: group["index"] for key, group in self.state.groups("slot").items()}
        indexes = {name: index for name, index in found.items() if isinstance(index, int)}
        return dict(sorted(indexes.items(), key=lambda item: item[1]))

    @property
    def currencies(self) -> list[str]:
        return [key for _, key in self.state.keys("balance")]

    def slots(self, currency: str, *, max_age: int) -> SlotGroup | None:
        """Returns a handle to a currency's slots, for any case of its letters; None: there is no such currency.

        max_age: ns since the gateway's last heartbeat after which it returns None.
        """
        found = self.state.slots("balance", currency.upper(), max_age=max_age)
        if found is None:  # a few codes are not all upper case
            for listed in self.currencies:
                if listed.upper() == currency.upper():
                    return self.state.slots("balance", listed, max_age=max_age)
        return found

    def margin(self, currency: str) -> Margin | None:
        """Returns the margin of a currency, its code as in `currencies`; None: there is none."""
        group = self.state.get("margin", currency)
        if group is None:
            return None
        values: dict[str, Any] = {**group.values}
        return Margin(currency, reported_at=values.pop("told_at"), **values, ts=group.ts_data, sequence=group.sequence)

    def positions(self) -> list[PositionShown]:
        """Returns positions by slot, symbol and side, including flat ones.

        Each is of one moment; together they may span several writes.
        """
        found = []
        for key, group in self.state.groups("position").items():
            slot, side, symbol = key.split(" ", 2)
            values: dict[str, Any] = group.values
            at = (int(slot), symbol, PositionSide(side))
            found.append(PositionShown(*at, **values, ts=group.ts_data, sequence=group.sequence))
        return sorted(found, key=lambda each: each.key)

    def fundings(self) -> dict[str, tuple[int, int]]:
        """Returns rate (1e-12) and time (ns UTC, 0: unknown) of the next funding payment, by symbol."""
        found = self.state.groups("funding")
        return {key: (int(group["rate"] or 0), int(group["at"] or 0)) for key, group in found.items()}

    @property
    def age_ns(self) -> int:
        """Returns the age of the gateway's last heartbeat; 2**63 - 1: there is none."""
        return int(self.state.core.vouched_age)


def accounts_in(home: StrPath) -> tuple[list[AccountReader], list[str]]:
    """Returns the accounts with a table under a home, and the processes whose table cannot be read as one: of another
    version, or of no account."""
    found: list[AccountReader] = []
    others: list[str] = []
    for process in tables_in(state_of(home)):
        try:
            found.append(AccountReader(home, process))
        except ProcessDown:
            continue  # it ends or begins at this moment
        except DataError:
            others.append(process)
    return found, others
