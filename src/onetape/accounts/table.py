"""The state table of an account: what its gateway knows of money, for every process to read.

The gateway is the only writer. A balance is a group of slots per currency: 0 the total, which is
the sum of the others and made by the core, 1 the pool, 2 and on the sub-accounts; amounts and what
of them is held are units of 1e-18. The table vouches for its balances only while the gateway says
that they are ready and shows life: to all others they are stale.

    table = AccountTable(home, venue="kraken", account="main", kind="kraken", names={"a": 2})
    table.put("USD", totals, held, ts=time, sequence=17)
    table.ready()                # only now is anybody told a balance
    table.alive(now)             # on each tick, at most half a second apart
    table.close()                # a clean stop takes the table away; a crash leaves it, stale
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

SLOTS_SHOWN: Final = 8  # of each currency at least: an unused one is zero, not absent

# why: what it waits for; of one that is ready what has become of its account's stream, "": nothing.
ACCOUNT: Final = GroupSpec(1, "account", (("kind", "T"), ("slots", "u"), ("ready", "b"), ("why", "T")))
SLOT: Final = GroupSpec(2, "slot", (("index", "u"),))
BALANCE: Final = GroupSpec(3, "balance", slots=SLOTS_MAX)
# Money in 1e-18 of the currency; a price likewise. None: nobody knows.
MARGIN: Final = GroupSpec(
    4,
    "margin",
    (
        ("equity", "m"),
        ("unrealized", "m"),
        ("maintenance", "m"),
        ("initial", "m"),  # the venue's word, as `available` is
        ("available", "m"),
        ("told_at", "u"),  # ns UTC, when the venue was asked: `reported_at`
    ),
)
POSITION: Final = GroupSpec(
    5,
    "position",
    (
        ("qty", "m"),  # 1e-18, signed
        ("entry", "m"),
        ("price", "m"),  # that unrealized is reckoned at
        ("unrealized", "m"),
        ("realized", "m"),  # since the ledger's beginning, without fees and funding
        ("size_decimals", "u"),  # of the instrument
    ),
)
FUNDING: Final = GroupSpec(6, "funding", (("rate", "i"), ("at", "i")))  # the next: 1e-12, and ns UTC; 0: not given
LAYOUT: Final = Layout([ACCOUNT, SLOT, BALANCE, MARGIN, POSITION, FUNDING])
_KEY_BYTES_MAX: Final = 64

PositionKey = tuple[int, str, PositionSide]  # slot (0: the account's), symbol, side


class Margin(NamedTuple):
    """The margin of one currency, units of 1e-18; None: not known.

    Its fields between currency and ts are the table's, in order.

    equity: balance and open profit, at the middle of the last quotes.
    maintenance: by the brackets that the instruments have.
    initial, available: the venue's word of `reported_at` (ns UTC).
    """

    currency: str
    equity: int | None
    unrealized: int | None
    maintenance: int | None
    initial: int | None
    available: int | None
    reported_at: int | None
    ts: int = 0  # ns UTC of the data
    sequence: int = 0  # of the journal's frame that it is as of


class PositionShown(NamedTuple):
    """A position as the table has it, units of 1e-18; None: not known. Its fields between side and ts are the table's,
    in order.

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
    sequence: int = 0  # of the journal's frame that it is as of

    @property
    def key(self) -> PositionKey:
        return self.slot, self.symbol, self.side


def _position_key(at: PositionKey) -> str:
    slot, symbol, side = at
    return f"{slot} {side} {symbol}"


def gateway_of(account: str) -> str:
    """Returns the process that an account's table is named after."""
    return f"gateway:{account}"


class AccountTable:
    """Writes the account's table, in the gateway. A second writer is refused with JOURNAL_LOCKED.

    What a gateway before it left goes out of sight at once: a new one begins not ready.
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
        """kind: of the venue, as configured; names: of sub-accounts, with their slots; capacity:
        currencies and names to begin with."""
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
        """Writes the sub-accounts by name, in place of those before."""
        for gone in self._names.keys() - names.keys():
            self._writer.remove("slot", gone)
        for name, index in names.items():
            self._writer.put("slot", name, {"index": index}, ts=0, sequence=0)
        self._names = dict(names)

    def put(self, currency: str, totals: list[int], held: list[int], *, ts: int, sequence: int) -> None:
        """One currency, from one state of the ledger. Both lists by slot, in units of 1e-18.

        ts: ns UTC when it was true; sequence: of the entry's frame. Raises InvariantViolation where
        the total is not the sum of the others: such a state is shown to nobody.
        """
        if (short := SLOTS_SHOWN - len(totals)) > 0:
            totals = totals + [0] * short
            held = held + [0] * short
        self._writer.put_slots("balance", currency, totals, held, ts=ts, sequence=sequence)

    def put_money(
        self, ledger: Ledger, reserves: Reserves, currency: str, count: int, *, ts: int, sequence: int
    ) -> None:
        """Writes one currency as the ledger has it, with what is held of it. count: slots that are in use. As `put`
        otherwise."""
        shown, table = max(count, SLOTS_SHOWN), self._writer.core
        if not ledger.balances.show(currency, shown, reserves, table, BALANCE.kind, ts, sequence):
            totals, held = ledger.slots(currency, count), reserves.held_in(currency, count)
            self.put(currency, totals, held, ts=ts, sequence=sequence)

    def put_margin(self, margin: Margin, *, sequence: int) -> None:
        """Writes the margin of one currency."""
        currency, *values, ts, _ = margin
        self._writer.put("margin", currency, dict(zip(MARGIN.names, values, strict=True)), ts=ts, sequence=sequence)

    def put_position(self, at: PositionKey, held: Holding, *, entry: int, price: int, ts: int, sequence: int) -> None:
        """Writes one slot's position, where it is another than was written last. entry: 1e-18; price: units, 0: none is
        known. A symbol of more than 50 bytes has no room: nobody sees it."""
        key, core = _position_key(at), self._writer.core
        if len(key.encode()) <= _KEY_BYTES_MAX:
            self._positions.show(core, key, held, held.terms.core, entry, price, ts, sequence)

    def clear_position(self, at: PositionKey, *, ts: int, sequence: int) -> None:
        """Writes that there is none any more."""
        self._positions.clear(self._writer.core, _position_key(at), ts, sequence)

    def put_funding(self, symbol: str, rate: int, at: int, *, ts: int) -> None:
        """Writes the next payment of a symbol, signed as longs pay it: 1e-12, and when, ns UTC."""
        if len(symbol.encode()) <= _KEY_BYTES_MAX:
            self._writer.put("funding", symbol, {"rate": rate, "at": at}, ts=ts, sequence=0)

    def remove(self, currency: str) -> bool:
        """The account has no such currency any more. False: it had none."""
        return self._writer.remove("balance", currency)

    def ready(self) -> None:
        """Marks the balances as the venue's: readers get them from here on."""
        self._ready = True
        self._describe(self._stream)
        self._writer.vouch()

    def stream(self, lost: str) -> None:
        """Says what has become of the account's stream, "": it reports. The table is relied on all the same."""
        if lost != self._stream:
            self._stream = lost
            if self._ready:
                self._describe(lost)

    def alive(self, now: int) -> bool:
        """A sign of life, ns UTC: on each tick, at most half a second apart. From the loop that
        books, not from a thread beside it: one that hangs is to be seen. True: somebody had
        removed the table's files, and they were made anew."""
        self._writer.heartbeat(now)
        if self._ready:
            self._writer.vouch()
        return self._writer.keep_in_place()

    def close(self) -> None:
        """Ends the table on a clean stop: readers find the gateway down."""
        self._writer.close(remove=True)

    def _describe(self, why: str) -> None:
        values: dict[str, FieldValue] = {"kind": self._kind, "slots": SLOTS_MAX, "ready": self._ready, "why": why}
        self._writer.put("account", self._key, values, ts=0, sequence=0)


class AccountReader:
    """Reads one account's table, in any process. Follows its gateway through restarts."""

    def __init__(self, home: StrPath, process: str) -> None:
        """PROCESS_DOWN: no table. SCHEMA_MISMATCH: another version's, or another process's."""
        self.process = process
        self.state = StateReader(state_of(home), process, LAYOUT)
        self.venue, self.account, self.kind = self._who()

    def _who(self) -> tuple[str, str, str]:
        for key, group in self.state.groups("account").items():
            venue, _, account = key.partition("/")
            return venue, account, str(group["kind"])
        raise ProcessDown(f"{self.process} says of no account what it is", todo="start it anew")

    @property
    def why_not_ready(self) -> str:
        """Returns what the gateway waits for; "": it is ready."""
        group = self.state.get("account", f"{self.venue}/{self.account}")
        if group is None:
            return "starting"
        return "" if group["ready"] else str(group["why"] or "starting")

    @property
    def stream_lost(self) -> str:
        """Returns what has become of the account's stream, "": it reports, as far as is known."""
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
        """Returns a handle to a currency's slots, in any case of its letters; None: there is none such.

        max_age: ns since the gateway last stood by its balances after which it answers None.
        """
        found = self.state.slots("balance", currency.upper(), max_age=max_age)
        if found is None:  # a few codes are not all capitals
            for listed in self.currencies:
                if listed.upper() == currency.upper():
                    return self.state.slots("balance", listed, max_age=max_age)
        return found

    def margin(self, currency: str) -> Margin | None:
        """Returns the margin of a currency, its code as `currencies` has it; None: there is none."""
        group = self.state.get("margin", currency)
        if group is None:
            return None
        values: dict[str, Any] = {**group.values}
        return Margin(currency, reported_at=values.pop("told_at"), **values, ts=group.ts_data, sequence=group.sequence)

    def positions(self) -> list[PositionShown]:
        """Returns positions by slot, symbol and side; those that are flat now, too.

        Each is of one moment, together they may span several writes.
        """
        found = []
        for key, group in self.state.groups("position").items():
            slot, side, symbol = key.split(" ", 2)
            values: dict[str, Any] = group.values
            at = (int(slot), symbol, PositionSide(side))
            found.append(PositionShown(*at, **values, ts=group.ts_data, sequence=group.sequence))
        return sorted(found, key=lambda each: each.key)

    def fundings(self) -> dict[str, tuple[int, int]]:
        """Returns rate (1e-12) and time (ns UTC, 0: not given) of the next payment, by symbol."""
        found = self.state.groups("funding")
        return {key: (int(group["rate"] or 0), int(group["at"] or 0)) for key, group in found.items()}

    @property
    def age_ns(self) -> int:
        """Since the gateway last stood by its balances; 2**63 - 1: it does not."""
        return int(self.state.core.vouched_age)


def accounts_in(home: StrPath) -> tuple[list[AccountReader], list[str]]:
    """Returns the accounts with a table under a home, and the processes whose table cannot be read as one: that of
    another version, or of no account."""
    found: list[AccountReader] = []
    others: list[str] = []
    for process in tables_in(state_of(home)):
        try:
            found.append(AccountReader(home, process))
        except ProcessDown:
            continue  # it ended, or begins, at this moment
        except DataError:
            others.append(process)
    return found, others
