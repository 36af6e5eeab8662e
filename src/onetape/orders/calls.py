"""What is asked of a venue's protocol: requests as values, answers read. No I/O.

A protocol knows how things are said at one venue, its keys and its instruments. It keeps no state
of orders; who sends a Call, when, and what follows from its Answer is the order manager's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from onetape._core import AccountOrder
from onetape.model.enums import RequestKind
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


MASTER: Final = "(master)"  # in place of a name: the account whose sub-account the asking one is


class Purpose(StrEnum):
    """Names why a request is made."""

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
    CONVERSION = "conversion"  # of an asset in a wallet beside
    WALLETS = "wallets"  # what is in those beside
    LEVERAGE = "leverage"
    MODES = "modes"
    TIME = "time"
    INSTRUMENTS = "instruments"
    STREAM_KEY = "stream_key"
    KEEP_KEY = "keep_key"
    DEAD_MAN = "dead_man"
    MARKET = "market"  # public data


class OrderKey(NamedTuple):
    """Names an order to the venue: by symbol and client id, or by the venue's id."""

    symbol: str
    client_id: str
    conditional: bool = False  # it waits outside the book
    venue_id: str = ""  # where it is known
    ended: bool = False  # asked for among those that have ended, where these are apart


class Destination(NamedTuple):
    """Says where money of one currency is sent outside of the venue. network: as the sending venue calls it. key: under
    which the address is stored there, where it wants that."""

    network: str = ""
    address: str = ""
    memo: str = ""
    key: str = ""


class TransferRoute(NamedTuple):
    """Names the two wallets of a transfer, "" being the one that is traded from. to: another account, as the venue
    calls it, whose the second wallet is, or MASTER; or an address outside of the venue."""

    source: str
    target: str
    to: str | Destination = ""


class TriggerBounds(NamedTuple):
    """Bounds the orders with a trigger that may wait at the same time; 0: no bound that counts."""

    account: int = 0
    symbol: int = 0  # of each


class Traits(NamedTuple):
    """Lists what differs between venues in how their requests are made."""

    positions: bool = True  # else it has balances only: what fills change is compared with these
    conditionals: bool = True  # orders with a trigger wait in a service of their own
    triggers_max: TriggerBounds = TriggerBounds()
    ended_apart: bool = False  # an order is asked for among those that work, then those that ended
    fills_by_symbol: bool = True  # else one question gives those of all symbols
    dead_man_by_symbol: bool = True  # else it is the account's
    forced: tuple[str, ...] = ()  # how client ids of orders begin that the venue itself closes with


class Call(NamedTuple):
    """Describes one HTTP request. `target` is path and query as they go out, signed; `weight` is what it costs of the
    address's budget, `orders` of the account's.

    `terms` are the parameters of an order request as REST names them. With terms a call is not
    signed yet: an order line makes its own message of them, or `OrderProtocol.signed` the request.
    number: of an order's requests, by which an answer is known to be to this one. made: when, ns UTC
    by the venue's clock, where the request does not say it. protects: it places or changes an order that can only take
    off a position.
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


# What an order line carries. Questions go by REST: they are asked where a line has failed.
REQUEST_KINDS: Final = {
    Purpose.PLACE: RequestKind.PLACE,
    Purpose.AMEND: RequestKind.AMEND,
    Purpose.CANCEL: RequestKind.CANCEL,
}
ORDER_PURPOSES: Final = frozenset(REQUEST_KINDS)


class OrderProtocol(Protocol):
    """Makes the requests of one account at one venue, and reads the answers. now: ns UTC, the venue's time as we know
    it."""

    name: str
    client_id_chars: int
    traits: Traits
    unlisted: set[str]  # the venue's names of what the account trades in beside its instruments
    signs_late: bool  # calls of `ORDER_PURPOSES` are made with terms: there is an order line

    def set_instruments(self, instruments: Sequence[Instrument]) -> None: ...

    def place(self, client_id: str, spec: OrderSpec, now: int, *, reference: int = 0) -> Call:
        """Makes the call that places an order.

        reference: a recent price, where a market order is sent with one; 0: not known.
        """
        ...

    def place_order(self, order: AccountOrder, now: int, *, number: int, reference: int = 0) -> Call:
        """Makes the call that places an order of ours. number: of the request."""
        ...

    def cancel(self, key: OrderKey, now: int) -> Call: ...

    def amend(self, key: OrderKey, spec: OrderSpec, now: int, *, price: int, size: int) -> Call: ...

    def signed(self, call: Call, now: int) -> Call:
        """Signs a call as it goes out over REST; one without terms is signed already."""
        ...

    def query(self, key: OrderKey, now: int) -> Call: ...

    def query_venue_id(self, symbol: str, venue_id: str, now: int) -> Call:
        """Asks for the client id of an order of which only the venue's id is known."""
        ...

    def open_orders(self, now: int) -> list[Call]:
        """Asks for all lists of working orders that the venue has."""
        ...

    def open_stops(self, symbol: str, now: int) -> Call | None:
        """Asks for the orders of a symbol that wait for their trigger. None: the venue has no such
        list."""
        ...

    def moves(self, fill: FillReport) -> list[tuple[str, int]]:
        """Returns (currency, change in 1e-18) of the balances that a fill moves, its fee taken off.

        Asked only where there are no positions.
        """
        ...

    def slack(self, currency: str) -> int:
        """Returns by how much a balance may be off for each fill, in 1e-18, because the venue rounds."""
        ...

    def fills(self, symbol: str, now: int, *, since: int, cursor: str = "") -> Call:
        """Asks for the fills of a symbol, a page at a time.

        since: ns UTC, where there is no cursor of an earlier page.
        """
        ...

    def account_moves(self, now: int, *, since: int, cursor: str = "") -> Call | None:
        """Asks for what moved balances otherwise than by fills, since ns UTC; None: it cannot be asked, or need not be,
        because there are positions."""
        ...

    def note_move(self, reference: str) -> None:
        """Takes note of a move that our tape has, so that a later report of it counts as the same move."""
        ...

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        """Moves money from one wallet to another; amount: 1e-18. name: our id, which the venue may not
        take. DONE: carried out, `value` is the venue's id; out of the venue: taken, and the history
        says what becomes of it. SAFE and DEFINITIVE: it was not. AMBIGUOUS: the history knows. None: no
        such route, or not for us to take."""
        ...

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        """Asks for the history of transfers on that route, since ns UTC: `TransferReport` rows. currency: only of it,
        where the venue can be asked so."""
        ...

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call | None:
        """Asks for the deposits from outside of the venue since ns UTC: `TransferReport` rows. None: it cannot be
        asked."""
        ...

    def positions(self, now: int) -> Call: ...

    def balances(self, now: int) -> Call: ...

    def modes(self, now: int) -> Call: ...

    def dead_man(self, symbol: str, now: int, *, after: int) -> Call | None:
        """Asks the venue to cancel what works in a symbol unless it is asked again within `after` ns; 0 disarms. None:
        there is no such thing for a symbol alone."""
        ...

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes, now: int) -> Answer:
        """Reads an answer; one that makes no sense is ambiguous, never an exception."""
        ...

    def reports_of(self, message: bytes) -> list[VenueReport]:
        """Reads a message of the account's stream."""
        ...


@runtime_checkable
class Converter(Protocol):
    """A protocol of a venue that sells assets for an account beside what it trades. conversion_wallet: where the
    money has to be."""

    conversion_wallet: str

    def conversion_terms(self, asset: str, quote: str) -> tuple[Call, ...]:
        """Asks for price and steps: each answer has some of the `ConversionTerms`."""
        ...

    def convert(self, name: str, asset: str, quote: str, qty: Decimal, price: Decimal, now: int) -> Call:
        """Buys, at once or not at all. name: our id of the order."""
        ...

    def converted(self, name: str, asset: str, quote: str, now: int) -> Call:
        """Asks what became of it: a `ConversionReport`."""
        ...

    def conversion_trades(self, venue_id: str, asset: str, quote: str, now: int) -> Call: ...


@runtime_checkable
class Leverages(Protocol):
    """A protocol of a venue where an account chooses the leverage of each contract."""

    def leverage(self, symbol: str, times: int, now: int) -> Call:
        """Sets it, open positions and working orders included; to set it twice is to set it once."""
        ...


@runtime_checkable
class Nonces(Protocol):
    """A protocol whose requests carry a number that counts once. nonce_owner: who signs, "" where there are none;
    next_nonce: the number after an earlier one, at a time in us UTC."""

    nonce_owner: str
    take_nonce: Callable[[int], int]

    def next_nonce(self, last: int, now: int) -> int: ...


@runtime_checkable
class Wallets(Protocol):
    """A protocol of a venue whose accounts have wallets beside the one that is traded from."""

    def wallets(self, now: int) -> dict[str, Call]:
        """Asks by wallet what is there: `WalletReport` rows."""
        ...


@runtime_checkable
class HiddenWallets(Protocol):
    """A protocol of a venue whose accounts have wallets of which their keys learn nothing."""

    hidden_wallets: tuple[str, ...]


class WithoutTransfers:
    """Answers for a protocol that moves no money."""

    def transfer(self, route: TransferRoute, currency: str, amount: int, now: int, *, name: str = "") -> Call | None:
        return None

    def transfers(
        self, route: TransferRoute, now: int, *, since: int, cursor: str = "", name: str = "", currency: str = ""
    ) -> Call | None:
        return None

    def deposits(self, currency: str, now: int, *, since: int, cursor: str = "") -> Call | None:
        return None


def signatures(call: Call) -> list[str]:
    """Returns the signatures that one request carries, so that a log can leave them out."""
    _, found, signature = call.target.partition("signature=")
    signed = [signature.partition("&")[0]] if found else []
    return [*signed, *(v for k, v in call.headers.items() if k.lower() in ("api-sign", "api-signature"))]
