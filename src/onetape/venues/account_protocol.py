"""The parts that venues' account protocols share: known instruments, and messages of the account's stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from onetape._core import AccountOrder
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey
from onetape.orders.malformed import MALFORMED
from onetape.orders.managed import spec_sent
from onetape.orders.reports import FillReport, StreamReport, VenueReport
from onetape.venues.contract import AccountStreamDefaults
from onetape.venues.error_tables import malformed
from onetape.venues.numbers import spot_moves

__all__ = ["AccountProtocol", "ChannelStream"]


class AccountProtocol:
    """A base of `OrderProtocol`s. A venue reads its messages in `reports_in`, and overrides what differs."""

    def __init__(self) -> None:
        self.signs_late = False
        self._by_symbol: dict[str, Instrument] = {}
        self._by_raw: dict[str, Instrument] = {}
        self.unlisted: set[str] = set()
        self.unknown: dict[str, int] = {}  # name of a message that means nothing here -> count

    def set_instruments(self, instruments: Sequence[Instrument]) -> None:
        self._by_symbol = {i.symbol: i for i in instruments}
        self._by_raw = {i.raw_symbol: i for i in instruments}
        self.unlisted.clear()

    def listed(self, rows: Sequence[Any], *, amount: str = "", name: str = "symbol") -> list[Any]:
        """Returns the rows of known instruments, and notes the others. name, amount: keys of the symbol and the
        quantity in a row of positions, where quantity 0 means no position; amount "": rows of orders."""
        others = [row for row in rows if row[name] not in self._by_raw]
        self.unlisted |= {str(row[name]) for row in others if not amount or Decimal(row.get(amount) or 0)}
        return [row for row in rows if row[name] in self._by_raw] if others else list(rows)

    def of_other_symbol(self, raw: object) -> list[VenueReport]:
        """Reports a message about an unknown instrument."""
        self.unlisted.add(str(raw))
        return [StreamReport("other symbol", str(raw))]

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        raise NotImplementedError

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        """Returns the call that places an order of ours. A venue with a template for usual orders overrides this."""
        return self.place(order.name, spec_sent(order), now, reference=reference)._replace(number=number)

    def query(self, key: OrderKey, now: int) -> Call:
        raise NotImplementedError

    def query_venue_id(self, symbol: str, venue_id: str, now: int) -> Call:
        return self.query(OrderKey(symbol, "", venue_id=venue_id), now)

    def more_orders(self, call: Call, cursor: str, now: int) -> Call:
        """Not called: the venue's lists of working orders have one page."""
        raise NotImplementedError

    def more_positions(self, cursor: str, now: int) -> Call:
        """Not called: the list of positions has one page."""
        raise NotImplementedError

    def note_move(self, reference: str) -> None:
        """Does nothing: balance changes come from one list only, whose rows have ids."""

    def moves(self, fill: FillReport) -> list[tuple[str, int]]:
        """Returns the balance changes of a fill on spot; a fill of a contract moves no coins."""
        i = self._by_symbol.get(fill.symbol)
        is_spot = i is not None and i.kind is Kind.SPOT
        return spot_moves(fill, i.base, i.quote, i.price_decimals, i.size_decimals) if i is not None and is_spot else []

    def parsed(self, message: bytes) -> Any:
        return read_json(message)

    def reports_of(self, message: bytes) -> list[VenueReport]:
        """Reads a message of the account's stream. Raises nothing: an unreadable message becomes a StreamReport
        `malformed`; one that means nothing here is counted by name."""
        try:
            return self.reports_in(self.parsed(message))
        except MALFORMED as error:
            return malformed(error)

    def reports_in(self, value: Any) -> list[VenueReport]:
        """Reads a parsed message of the account's stream. Raises the errors of parsing if it is malformed."""
        raise NotImplementedError

    def meaningless(self, name: object) -> list[VenueReport]:
        """Counts a message that means nothing here by its name, and reports it."""
        self.unknown[str(name)] = self.unknown.get(str(name), 0) + 1
        return [StreamReport("unknown", str(name))]


class ChannelStream(AccountStreamDefaults):
    """A base of `AccountStream`s that are live once all channels are confirmed. waits_for: the venue's names of the
    channels."""

    def __init__(
        self, protocol: AccountProtocol, url: str, hello: tuple[bytes, ...], *, waits_for: Iterable[str]
    ) -> None:
        self.url, self.hello, self.broken = url, hello, ""
        self._protocol = protocol
        self._waiting = set(waits_for)

    @property
    def is_live(self) -> bool:
        return not self._waiting

    def reports_of(self, message: bytes) -> list[VenueReport]:
        try:
            value = self._protocol.parsed(message)
            return [] if self.confirms(value) else self._protocol.reports_in(value)
        except MALFORMED as error:
            return malformed(error)

    def confirms(self, value: Any) -> bool:
        """Handles a confirmation in a message; returns whether the message has nothing else."""
        raise NotImplementedError
