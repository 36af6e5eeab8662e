"""Reads Hyperliquid's requests and messages for fault rules, and writes its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.dialect import Connection, Reply, Request, encode
from onetape.exchange.fault_facts import Facts, Said, VenueWords, is_number, object_of, ways
from onetape.exchange.hyperliquid.public import assets_of
from onetape.exchange.hyperliquid.streams import ACCOUNTS
from onetape.orders.outcome import Outcome
from onetape.venues.hyperliquid.errors import ERRORS
from onetape.venues.typed_data import checked, is_address

__all__ = ["HyperliquidWords"]

WAYS: Final = ways("""
place: POST order | WS order
amend: POST modify | POST batchModify | WS modify | WS batchModify
cancel: POST cancel | POST cancelByCloid | WS cancel | WS cancelByCloid
open_orders: POST openOrders | POST frontendOpenOrders
query: POST orderStatus | POST historicalOrders
fills: POST userFills | POST userFillsByTime
positions: POST clearinghouseState
balances: POST spotClearinghouseState
moves: POST userFunding | POST userNonFundingLedgerUpdates
modes: POST userAbstraction
instruments: POST meta | POST metaAndAssetCtxs | POST spotMeta | POST spotMetaAndAssetCtxs
time: POST exchangeStatus
leverage: POST updateLeverage
stream_key: POST userRole
""")


class HyperliquidWords(VenueWords):
    ways = WAYS
    errors = ERRORS

    def request(self, request: Request, *, with_symbols: bool = True) -> Facts:
        """Returns a request's facts: all go to two paths, and the type in the body names the call."""
        body = object_of(request.body)
        name, named = _named(body)
        return Facts(request.method, name, self._purpose("POST", name), self._account(body), self._symbols(named))

    def _account(self, body: Mapping[str, Any]) -> str:
        """Returns the account of a query; an action does not name its wallet: it is the only one, if there is one."""
        user = body.get("user") or body.get("vaultAddress")
        if isinstance(user, str) and is_address(user):
            return self.name_of(checked(user))
        accounts = [each for each in self.exchange.accounts if each.income]
        return accounts[0].name if len(accounts) == 1 else ""

    def _symbols(self, named: Mapping[str, Any]) -> tuple[str, ...]:
        if isinstance(coin := named.get("coin"), str):
            return (coin,)
        numbers = [row.get("a", row.get("asset")) for row in _rows(named)]
        instruments = self.exchange.instruments
        assets = assets_of(instruments)
        return tuple(instruments[assets[each]].raw_symbol for each in numbers if type(each) is int and each in assets)

    def call(self, connection: Connection, data: bytes) -> Facts:
        request = object_of(data)
        payload = request.get("request")
        body = payload.get("payload") if isinstance(payload, dict) else None
        if not isinstance(body, dict):
            return Facts("WS", str(request.get("method") or ""), "other", self.account_of(connection))
        name, named = _named(body)
        return Facts("WS", name, self._purpose("WS", name), self._account(body), self._symbols(named))

    def event_of(self, value: Mapping[str, Any]) -> tuple[str, bool]:
        name = str(value.get("channel") or "")
        return name, name in ACCOUNTS or name == "user"

    def named_error(self, name: str, status: int) -> Said | None:
        row = ERRORS.get(int(name) if is_number(name) else name)
        if row is None:
            return None
        is_ambiguous = row.outcome is Outcome.AMBIGUOUS
        if isinstance(row.code, int):
            return Reply(status or row.code, f"{row.code} {row.text}".encode()), is_ambiguous
        return Reply.json({"status": "err", "response": row.text}, status or 200), is_ambiguous

    def said_by_socket(self, request: dict[str, Any], said: dict[str, Any], status: int) -> bytes | None:
        response = {"type": request["request"]["type"], "payload": said}
        return encode({"channel": "post", "data": {"id": request["id"], "response": response}})

    def maintenance(self) -> Reply:
        return Reply(503, b"Service Unavailable")


def _named(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the name of a call, and its parameters."""
    action = body.get("action")
    named = action if isinstance(action, dict) else body
    return str(named.get("type") or ""), named


def _rows(named: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = next((named[each] for each in ("orders", "cancels") if isinstance(named.get(each), list)), [named])
    return [row for row in found if isinstance(row, dict)]
