"""Requests to a venue's protocol as values, and its decoded answers. No I/O.

A protocol knows a venue's messages, keys and instruments. It keeps no state of orders: the order manager decides who
sends a Call, when, and what follows from its Answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from onetape._core import AccountOrder
from onetape.model.enums import Kind, RequestKind
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.orders.outcome import Answer
from onetape.orders.reports import FillReport, VenueReport

__all__ = [
    "MASTER",
    "ORDER_PURPOSES",
    "REQUEST_KINDS",
    "Call",
    "Converter",
    "Destination",
    "Leverages",
    "Nonces",
    "OrderKey",
    "OrderProtocol",
    "Purpose",
    "Traits",
    "TransferRoute",
    "TriggerBounds",
    "Wallets",
    "WithoutTransfers",
    "signatures",
]


MASTER: Final = "(master)"  # in place of a name: the master account of the requesting sub-account


class Purpose(StrEnum):
    """The purpose of a request."""

    __hash__ = str.__hash__  # as TapeWord's

    PLACE = "place"
    CANCEL = "cancel"
    AMEND = "amend"
    QUERY = "query"
    OPEN_ORDERS = "open_orders"
    OPEN_CONDITIONALS = "open_conditionals"
    FILLS = "fills"
    POSITIONS = "positions"
    BALANCES = "balances"
    MOVES = "moves"
    TRANSFER = "transfer"
    TRANSFERS = "transfers"
    DEPOSITS = "deposits"
    CONVERSION = "conversion"  # of an asset in a side wallet
    WALLETS = "wallets"  # balances of side wallets
    LEVERAGE = "leverage"
    MODES = "modes"
    TIME = "time"
    INSTRUMENTS = "instruments"
    STREAM_KEY = "stream_key"
    KEEP_KEY = "keep_key"
    DEAD_MAN = "dead_man"
    MARKET = "market"  # public data


class OrderKey(NamedTuple):
    """The name of an order at the venue: symbol and client id, or the venue's id."""

    symbol: str
    client_id: str
    conditional: bool = False  # it waits outside the book
    venue_id: str = ""  # where it is reported
    ended: bool = False  # query among ended orders, where the venue lists these separately


class Destination(NamedTuple):
    """The destination of a withdrawal of one currency. network: as the sending venue calls it. key: the name under
    which the address is stored there, where the venue requires it."""

    network: str = ""
    address: str = ""
    memo: str = ""
    key: str = ""


class TransferRoute(NamedTuple):
    """The two wallets of a transfer, "" being the trading wallet. to: the account of the second wallet, as the venue
    calls it, or MASTER; or an external address."""

    source: str
    target: str
    to: str | Destination = ""


class TriggerBounds(NamedTuple):
    """The limits on orders that wait for a trigger at the same time; 0: no relevant limit."""

    account: int = 0
    symbol: int = 0  # per symbol


class Traits(NamedTuple):
    """The differences between venues in how requests are made."""

    positions: bool = True  # else it has only balances, and fills are compared with these
    spot: frozenset[str] = frozenset()  # of an account with positions: symbols whose fills change balances only
    conditionals: bool = True  # orders with a trigger wait in a service of their own
    triggers_max: TriggerBounds = TriggerBounds()
    ended_apart: bool = False  # working and ended orders are queried separately, in this order
    acks: bool = False  # answers acknowledge receipt; the stream or a query says what became of the request
    brief_events: bool = (
        False  # the stream's reports of orders lack type and trigger: one of an unknown order is queried
    )
    prices_market: bool = False  # an order at the market is a limit order at a price derived from the last one
    fills_by_symbol: bool = True  # else one query returns the fills of all symbols
    dead_man_by_symbol: bool = True  # else it covers the account
    forced: tuple[str, ...] = ()  # prefixes of client ids of the venue's own closing orders

    def has_position(self, symbol: str) -> bool:
        """Tells whether fills of a symbol change a position; on spot they change balances only."""
        return self.positions and symbol not in self.spot

    def of(self, instruments: Sequence[Instrument]) -> Traits:
        """Returns the traits of an account that trades contracts, spot or both, with these instruments."""
        spot = frozenset(i.symbol for i in instruments if i.kind is Kind.SPOT)
        has_contracts = not spot or len(spot) < len(instruments)
        return self._replace(positions=has_contracts, spot=spot if has_contracts else frozenset())


class Call(NamedTuple):
    """One HTTP request. `target` is path and query as sent, signed; `weight` is its cost in the address's budget,
    `orders` in the account's.

    `terms` are the parameters of an order request as REST names them. A call with terms is not signed yet: an order
    line makes its own message of them, or `OrderProtocol.signed` signs the request.
    part: of what, where several requests give one list. number: counts the order's requests, to match the answer to
    this one. made: ns UTC by the venue's clock, where the request does not carry it. protects: it places or changes an
    order that can only reduce a position.
    """

    purpose: Purpose
    method: str
    target: str
    body: bytes
    headers: Mapping[str, str]
    weight: int
    orders: int = 0
    subject: OrderKey | None = None
    symbol: str = ""
    terms: Mapping[str, Any] | None = None
    number: int = 0
    made: int = 0
    protects: bool = False
    part: str = ""


# Requests that an order line carries. Queries use REST, because they are sent when a line has failed.
REQUEST_KINDS: Final = {
    Purpose.PLACE: RequestKind.PLACE,
    Purpose.AMEND: RequestKind.AMEND,
    Purpose.CANCEL: RequestKind.CANCEL,
}
ORDER_PURPOSES: Final = frozenset(REQUEST_KINDS)


class OrderProtocol(Protocol):
    """Makes the requests of one account at one venue, and reads the answers. now: ns UTC, our estimate of the venue's
    clock."""

    name: str
    client_id_chars: int
    traits: Traits
    unlisted: set[str]  # traded names of the venue that are not among the account's instruments
    signs_late: bool  # calls of `ORDER_PURPOSES` are made with terms: there is an order line

    def set_instruments(self, instruments: Sequence[Instrument]) -> None: ...

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        """Makes the call that places an order.

        reference: a recent price, where a market order is sent with one; 0: not known.
        """
        ...

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        """Makes the call that places an order of ours. number: as in `Call`."""
        ...

    def cancel(self, key: OrderKey, now: int) -> Call: ...

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call: ...

    def signed(self, call: Call, now: int) -> Call:
        """Signs a call for REST, with the current time; a call without terms is signed already."""
        ...

    def query(self, key: OrderKey, now: int) -> Call: ...

    def query_venue_id(self, symbol: str, venue_id: str, now: int) -> Call:
        """Requests the client id of an order of which only the venue's id is known."""
        ...

    def open_orders(self, now: int) -> list[Call]:
        """Requests all of the venue's lists of working orders."""
        ...

    def more_orders(self, call: Call, cursor: str, now: int) -> Call:
        """Requests the next page of a list of working orders."""
        ...

    def open_stops(self, symbol: str, now: int) -> Call | None:
        """Requests a symbol's orders that wait for their trigger. None: the venue has no such list."""
        ...

    def moves(self, fill: FillReport) -> list[tuple[str, int]]:
        """Returns (currency, change in 1e-18) of the balances that a fill changes, after its fee.

        Called only for fills that change no position.
        """
        ...

    def slack(self, currency: str) -> int:
        """Returns the tolerance of a balance per fill, in 1e-18, because the venue rounds."""
        ...

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Requests the fills of a symbol, a page at a time.

        since: ns UTC, if there is no cursor of an earlier page.
        """
        ...

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call | None:
        """Requests balance changes other than fills, since ns UTC. None: the venue cannot report them, or has positions
        and need not."""
        ...

    def note_move(self, reference: str) -> None:
        """Notes a balance change that our tape has, so that a later report of it is not counted twice."""
        ...

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        """Moves money from one wallet to another; amount: 1e-18. name: our id, if the venue takes one. Returns None if
        there is no such route or we may not use it.

        Outcomes: DONE: carried out, `value` is the venue's id; a withdrawal is accepted, and the history shows its end.
        SAFE and DEFINITIVE: not carried out. AMBIGUOUS: look into the history.
        """
        ...

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        """Requests the history of transfers on that route, since ns UTC, as `TransferReport` rows. currency: only this
        one, if the venue can filter."""
        ...

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call | None:
        """Requests deposits from outside of the venue since ns UTC, as `TransferReport` rows. None: the venue cannot
        report them."""
        ...

    def positions(self, now: int) -> Call: ...

    def more_positions(self, cursor: str, now: int) -> Call:
        """Requests the next page of the positions."""
        ...

    def balances(self, now: int) -> Call: ...

    def modes(self, now: int) -> Call: ...

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Requests that the venue cancels a symbol's working orders unless this is repeated within `after` ns; 0
        disarms. None: the venue has no dead-man switch per symbol."""
        ...

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        """Reads an answer; an unreadable one is ambiguous, never an exception."""
        ...

    def reports_of(self, message: bytes) -> list[VenueReport]:
        """Reads a message of the account's stream."""
        ...


@runtime_checkable
class Converter(Protocol):
    """The protocol of a venue that converts assets. conversion_wallet: the wallet that holds the money for it."""

    conversion_wallet: str

    def conversion_terms(self, asset: str, quote: str) -> tuple[Call, ...]:
        """Requests price and steps: each answer has some of the `ConversionTerms`."""
        ...

    def convert(self, name: str, asset: str, quote: str, qty: Decimal, price: Decimal, now: int) -> Call:
        """Buys immediately or not at all. name: our id of the order."""
        ...

    def converted(self, name: str, asset: str, quote: str, now: int) -> Call:
        """Requests the result of a conversion: a `ConversionReport`."""
        ...

    def conversion_trades(self, venue_id: str, asset: str, quote: str, now: int) -> Call: ...


@runtime_checkable
class Leverages(Protocol):
    """The protocol of a venue where an account sets the leverage of each contract."""

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        """Sets the leverage, also of open positions and working orders; repeating it changes nothing."""
        ...


@runtime_checkable
class Nonces(Protocol):
    """A protocol whose requests carry a nonce. nonce_owner: the signing key, "" without nonces; next_nonce: the nonce
    after an earlier one, at a time in us UTC."""

    nonce_owner: str
    take_nonce: Callable[[int], int]

    def next_nonce(self, last: int, now: int) -> int: ...


@runtime_checkable
class Wallets(Protocol):
    """The protocol of a venue whose accounts have side wallets."""

    def wallets(self, now: int) -> dict[str, Call]:
        """Requests the balances of the side wallets: `WalletReport` rows."""
        ...


@runtime_checkable
class HiddenWallets(Protocol):
    """The protocol of a venue whose accounts have wallets that their keys cannot read."""

    hidden_wallets: tuple[str, ...]


class WithoutTransfers:
    """Answers for a protocol without transfers."""

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        return None

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        return None

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call | None:
        return None


def signatures(call: Call) -> list[str]:
    """Returns the signatures in a request, so that a log can omit them."""
    _, found, signature = call.target.partition("signature=")
    signed = [signature.partition("&")[0]] if found else []
    return [*signed, *(v for k, v in call.headers.items() if k.lower() in ("api-sign", "api-signature"))]
