"""What a request or a message of a venue is about, for rules that choose by it; and how a venue
says its errors.

Purposes are those of `onetape.orders.calls.Purpose`, and `other`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from onetape.exchange.dialect import Connection, Dialect, Reply, Request, encode, fields
from onetape.exchange.faults import ActiveRule
from onetape.exchange.pacifica.wire import Refused
from onetape.model.errors import BadConfig
from onetape.model.json_text import read_json
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Outcome
from onetape.venues.aster.signing import checked, is_address
from onetape.venues.binance.errors import ERRORS as BINANCE
from onetape.venues.binance.errors import TEXT_503
from onetape.venues.bitmex.errors import ERRORS as BITMEX
from onetape.venues.kraken.errors import ERRORS as KRAKEN
from onetape.venues.pacifica.errors import ERRORS as PACIFICA

__all__ = ["Facts", "StreamMessage", "VenueWords"]

READS: Final = frozenset(
    {Purpose.QUERY, Purpose.OPEN_ORDERS, Purpose.OPEN_CONDITIONALS, Purpose.FILLS, Purpose.BALANCES, Purpose.POSITIONS}
)

Ways = dict[tuple[str, str], Purpose]


def _ways(text: str) -> Ways:
    """Reads lines of `purpose: METHOD path | METHOD path`; by a socket the method is WS, the path its name there."""
    found: Ways = {}
    for line in text.strip().splitlines():
        purpose, _, ways = line.partition(": ")
        for way in ways.split(" | "):
            method, _, path = way.partition(" ")
            found[method, path] = Purpose(purpose)
    return found


_BINANCE: Final = _ways("""
place: POST order | POST batchOrders | POST algoOrder | WS order.place | WS algoOrder.place
amend: PUT order | PUT batchOrders | WS order.modify
cancel: DELETE order | DELETE batchOrders | DELETE allOpenOrders | DELETE algoOrder | DELETE algoOpenOrders
cancel: WS order.cancel | WS algoOrder.cancel
query: GET order | GET openOrder | GET algoOrder | GET allOrders | GET allAlgoOrders | WS order.status
open_orders: GET openOrders
open_conditionals: GET openAlgoOrders
fills: GET userTrades
positions: GET positionRisk | WS account.position | WS v2/account.position
balances: GET balance | GET account | WS account.balance | WS v2/account.balance
balances: WS account.status | WS v2/account.status
modes: GET dual
stream_key: POST listenKey
keep_key: PUT listenKey
dead_man: POST countdownCancelAll
time: GET time
instruments: GET exchangeInfo
""")
_BITMEX: Final = _ways("""
place: POST order | POST order/bulk
amend: PUT order
cancel: DELETE order | DELETE order/all
open_orders: GET order
dead_man: POST order/cancelAllAfter | WS cancelAllAfter
fills: GET execution | GET execution/tradeHistory
positions: GET position
balances: GET user/margin | GET user/wallet
instruments: GET instrument | GET instrument/active
""")
_KRAKEN: Final = _ways("""
place: POST AddOrder | POST AddOrderBatch | WS add_order | WS batch_add
amend: POST AmendOrder | POST EditOrder | WS amend_order | WS edit_order
cancel: POST CancelOrder | POST CancelOrderBatch | POST CancelAll | WS cancel_order | WS batch_cancel | WS cancel_all
dead_man: POST CancelAllOrdersAfter | WS cancel_all_orders_after
open_orders: POST OpenOrders
query: POST QueryOrders | POST ClosedOrders
fills: POST TradesHistory | POST QueryTrades
balances: POST Balance | POST BalanceEx | POST TradeBalance
positions: POST OpenPositions
stream_key: POST GetWebSocketsToken
time: GET Time | POST Time
instruments: GET AssetPairs | POST AssetPairs
""")
_PACIFICA: Final = _ways("""
place: POST orders/create | POST orders/create_market | POST orders/stop/create | POST orders/batch
place: POST positions/tpsl | WS create_order | WS create_market_order | WS batch_orders
amend: POST orders/edit | WS edit_order
cancel: POST orders/cancel | POST orders/stop/cancel | POST orders/cancel_all | WS cancel_order | WS cancel_all_orders
open_orders: GET orders
query: GET orders/history | GET orders/history_by_id
fills: GET trades/history
positions: GET positions
balances: GET account
modes: GET account/settings
instruments: GET info
""")
_WAYS: Final = {"binance-usdm": _BINANCE, "bitmex": _BITMEX, "kraken": _KRAKEN, "pacifica": _PACIFICA}
_ROOTS: Final = {"bitmex": "/api/v1/", "pacifica": "/api/v1/"}  # else the last part of a path names it
PATHS_KEPT: Final = 256  # more than there are; others are looked up each time
_KEYS: Final = {"binance-usdm": "x-mbx-apikey", "bitmex": "api-key", "kraken": "api-key", "aster": "", "pacifica": ""}
_FAMILIES: Final = {"aster": "binance-usdm"}  # that speak as another one
_STATUS_BINANCE: Final = {-1003: 429, -1007: 408, -1015: 429, -2014: 401, -2015: 401}


class Facts(NamedTuple):
    """The facts of a request, by HTTP or a socket (`method` is then WS, `path` its name of the call)."""

    method: str
    path: str
    purpose: str
    account: str  # "": nobody's, or a key that there is not
    symbols: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        return self.purpose in READS


class StreamMessage(NamedTuple):
    """The facts of a message of a stream. event "": an answer, or nothing that has a name."""

    event: str
    symbols: tuple[str, ...]
    is_private: bool


class VenueWords:
    """Reads and writes the words of one kind of exchange. Raises KeyError for a kind that there is not."""

    def __init__(self, kind: str, dialect: Dialect) -> None:
        self.kind = kind
        self._family = _FAMILIES.get(kind, kind)
        self.dialect = dialect
        self.exchange = dialect.exchange
        self.key = _KEYS[kind]
        self._purposes: dict[tuple[str, str], str] = {}  # by method and path, of those seen first
        self.public: Any = getattr(dialect, "public", None)

    # --- requests ---------------------------------------------------------------------------------

    def request(self, request: Request, *, with_symbols: bool = True) -> Facts:
        """with_symbols: read what it is about, too, which only rules want to know."""
        name = self._caller(request)
        way = (request.method, request.path)
        purpose = self._purposes.get(way)
        if purpose is None:
            purpose = self._purpose(*way)
            if len(self._purposes) < PATHS_KEPT:
                self._purposes[way] = purpose
        if not with_symbols:
            return Facts(*way, purpose, name)
        named: dict[str, Any] = dict(fields(request.query))
        body = request.body.strip()
        if body[:1] == b"{":
            named |= _object(body)
        elif body:
            named |= fields(body.decode("utf-8", "replace"))
        return Facts(*way, purpose, name, _symbols(named))

    def _caller(self, request: Request) -> str:
        """Returns the account's name, "" for nobody's."""
        key = request.headers.get(self.key, "")
        if self.kind == "pacifica":
            key = str(fields(request.query).get("account") or _object(request.body).get("account", ""))
        elif not self.key:  # a wallet says itself in the parameters
            named = {**fields(request.query), **fields(request.body.decode("utf-8", "replace"))}
            user = named.get("user") or named.get("signer", "")
            key = checked(user) if is_address(user) else ""
        account = self.exchange.accounts.by_key.get(key)
        return account.name if account else ""

    def _purpose(self, method: str, path: str) -> str:
        if method != "WS":
            root = _ROOTS.get(self._family)
            path = path.removeprefix(root) if root else path.rpartition("/")[2]
        found = _WAYS[self._family].get((method, path))
        return found.value if found else "other"

    def call(self, connection: Connection, data: bytes) -> Facts:
        request = _object(data)
        name = str(request.get("method") or request.get("op") or "")
        params = request.get("params")
        named = params if isinstance(params, dict) else {}
        if self.kind == "pacifica" and not name:
            name, body = next(iter(named.items()), ("", {}))
            named = body if isinstance(body, dict) else {}
            owner = self.exchange.accounts.by_key.get(str(named.get("account")))
            account = owner.name if owner else ""
            return Facts("WS", name, self._purpose("WS", name), account, _symbols(named))
        account = self.account_of(connection)
        if self._family == "binance-usdm" and not account:
            key = named.get("apiKey") or getattr(connection.state, "api_key", "")
            account_of_key = self.exchange.accounts.by_key.get(str(key))
            account = account_of_key.name if account_of_key else ""
        return Facts("WS", name, self._purpose("WS", name), account, _symbols(named))

    # --- streams ----------------------------------------------------------------------------------

    def account_of(self, connection: Connection) -> str:
        """Whose private messages a connection carries, "" if none."""
        state: Any = connection.state
        if self._family == "binance-usdm":
            streams: Any = getattr(self.dialect, "streams")  # noqa: B009
            listen_key = streams.listen_keys.get(getattr(state, "listen_key", ""))
            return listen_key.account.name if listen_key else ""
        account = getattr(state, "account", None)
        return account.name if account else ""

    def message_facts(self, message: bytes) -> StreamMessage:
        value = _object(message)
        match self._family:
            case "binance-usdm":
                inner = value.get("data", value)
                inner = inner[0] if isinstance(inner, list) and inner else inner
                inner = inner if isinstance(inner, dict) else {}
                event = str(inner.get("e", ""))
                order = inner.get("o")
                about = order.get("s") if isinstance(order, dict) else inner.get("s")
                private = event.isupper() or event == "listenKeyExpired"
                return StreamMessage(event, (str(about),) if about else (), private)
            case "bitmex":
                event = str(value.get("table", ""))
                private = event in ("order", "execution", "position", "margin", "wallet")
            case _:
                event = str(value.get("channel", ""))
                private = event in ("executions", "balances") or event.startswith("account_")
        rows = value.get("data")
        rows = rows if isinstance(rows, list) else [rows]
        named = [r.get("symbol", r.get("s")) for r in rows if isinstance(r, dict)]
        found = {str(each): None for each in named if each is not None}
        return StreamMessage(event, tuple(found), private)

    def spellings(self, symbol: str) -> frozenset[str]:
        """Every way in which the venue writes a symbol. Raises BadConfig for one it has not."""
        at = self.index(symbol)
        i = self.exchange.instruments[at]
        found = {symbol, i.symbol, i.raw_symbol}
        if self.kind == "kraken":
            names = self.public.names
            found |= {names.symbols[at], names.wsnames[at], i.raw_symbol.replace("/", "")}
        return frozenset(found)

    def index(self, symbol: str) -> int:
        for at, i in enumerate(self.exchange.instruments):
            if symbol in (i.symbol, i.raw_symbol, i.symbol.partition(":")[2]):
                return at
        names = ", ".join(i.raw_symbol for i in self.exchange.instruments)
        raise BadConfig(f"no symbol {symbol!r}", location=self.kind, todo=f"one of {names}")

    # --- errors -----------------------------------------------------------------------------------

    def error(self, rule: ActiveRule) -> tuple[Reply, bool]:
        """(what is answered, whether the request may have been carried out). Raises BadConfig for
        an error that the venue has not."""
        name, status = rule.rule.error, rule.rule.status
        if not name:
            return Reply(status, rule.rule.body.encode()), True
        match self._family:
            case "binance-usdm":
                if name in TEXT_503:
                    reply = Reply.json({"code": -1000, "msg": name}, status or 503)
                    return reply, TEXT_503[name] is Outcome.AMBIGUOUS
                row = BINANCE.get(int(name)) if _is_number(name) else None
                if row is not None:
                    code = int(row.code)
                    usual = _STATUS_BINANCE.get(code, 400)
                    headers = {"Retry-After": "1"} if usual == 429 else {}
                    text = str(row.text).replace("{}", "0")
                    reply = Reply.json({"code": code, "msg": text}, status or usual, headers)
                    return reply, row.outcome is Outcome.AMBIGUOUS
            case "bitmex":
                row = BITMEX.get(name)
                if row is not None:
                    usual = 500 if row.outcome is Outcome.AMBIGUOUS else 400
                    usual = {"VenueUnavailable": 503, "VenueRateLimit": 429}.get(row.error.__name__, usual)
                    said = {"error": {"message": name.replace("{}", "1"), "name": "HTTPError"}}
                    return Reply.json(said, status or usual), row.outcome is Outcome.AMBIGUOUS
            case "pacifica":
                row = PACIFICA.get(int(name) if _is_number(name) else name)
                if row is not None:
                    refused = Refused(str(row.text), row.code if isinstance(row.code, int) else 400)
                    return Reply.json(refused.body(), status or refused.status), row.outcome is Outcome.AMBIGUOUS
            case _:
                row = KRAKEN.get(name)
                if row is not None:
                    return (Reply.json({"error": [name]}, status or 200), row.outcome is Outcome.AMBIGUOUS)
        raise BadConfig(
            f"{self.kind} has no error {name!r}",
            location="faults",
            todo=f"ambiguous ones: {', '.join(self.ambiguous())}; or give status and body",
        )

    def socket_error(self, reply: Reply, request: bytes) -> bytes | None:
        """Returns the answer to a message that asked for something, out of what HTTP would have said; None where the
        venue has no such answer: nothing was asked, or the error is none of its own."""
        try:
            value: dict[str, Any] = read_json(request)
            said: dict[str, Any] = msgspec.json.decode(reply.body)
            match self._family:
                case "binance-usdm":
                    error = {"code": said["code"], "msg": said["msg"]}
                    return encode({"id": value["id"], "status": reply.status, "error": error})
                case "pacifica":
                    (operation,) = value["params"]
                    code = 420 if reply.status == 422 else reply.status
                    return encode({"id": value["id"], "type": operation, "code": code, "err": said["error"]})
                case "kraken":
                    text = said["error"][0]
                    return encode(
                        {"method": value["method"], "req_id": value["req_id"], "success": False, "error": text}
                    )
                case _:
                    return None
        except (msgspec.DecodeError, LookupError, TypeError):
            return None

    def ambiguous(self) -> list[str]:
        """Returns the errors after which nobody knows whether a request was carried out."""
        table = {"binance-usdm": BINANCE, "bitmex": BITMEX, "pacifica": PACIFICA}.get(self._family, KRAKEN)
        found = [str(r.code) for r in table.values() if r.outcome is Outcome.AMBIGUOUS]
        if self._family == "binance-usdm":
            found += [text for text, outcome in TEXT_503.items() if outcome is Outcome.AMBIGUOUS]
        return found

    def maintenance(self) -> Reply:
        match self._family:
            case "binance-usdm":
                return Reply.json({"code": -1016, "msg": "This service is no longer available."}, 503)
            case "bitmex":
                said = {"error": {"message": "Service unavailable", "name": "HTTPError"}}
                return Reply.json(said, 503)
            case "pacifica":
                return Reply.json(Refused("Service Unavailable", 503).body(), 503)
            case _:
                return Reply.json({"error": ["EService:Unavailable"]})


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = read_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _symbols(named: dict[str, Any]) -> tuple[str, ...]:
    found = [named[name] for name in ("symbol", "pair") if isinstance(named.get(name), str)]
    return tuple(found)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii()
