"""Binance USD-M: checks signature, time and rights of requests.

HMAC-SHA256 as hexadecimal, RSA (PKCS #1 v1.5 over SHA-256) and Ed25519 as base64. REST signs query and body as they
were sent; the WebSocket API its parameters, sorted. Source: "General Info" of the USD-M documentation, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.dialect import Request
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import HMAC, ApiKey, signed_by

__all__ = ["Access"]

RECV_WINDOW_MS: Final = (5000, 60000)  # default, maximum
AHEAD_MS: Final = 1000  # a timestamp may be this far ahead of the venue


class Access:
    """Checks the keys of one exchange like Binance. Each method raises Refused."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange

    def key(self, name: str, address: str) -> ApiKey:
        if not name:
            raise Refused(-2014, status=401)
        found = self.exchange.accounts.keys.get(name)
        if found is None or not found.is_allowed(address):
            raise Refused(-2015, status=401)
        return found

    def account(self, key: ApiKey) -> SimAccount:
        """Returns the account as it is shown now: a fault may show an older state."""
        return self.exchange.accounts.by_key[key.key]

    @staticmethod
    def check_trade(key: ApiKey) -> None:
        if not key.can_trade or not key.account.can_trade:
            raise Refused(-2015, status=401)

    @staticmethod
    def check_withdraw(key: ApiKey) -> None:
        if not key.can_withdraw and not key.account.can_withdraw:
            raise Refused(-1002, status=401)

    @staticmethod
    def restrictions(key: ApiKey) -> dict[str, Any]:
        """Returns the permissions of a key, in the form of the wallet API."""
        return {
            "ipRestrict": bool(key.addresses),
            "enableReading": True,
            "enableFutures": key.can_trade and key.account.can_trade,
            "enableWithdrawals": key.can_withdraw or key.account.can_withdraw,
        }

    def check_request(self, request: Request, key: ApiKey) -> None:
        """Checks the signature over query and body, concatenated as sent, without the signature."""
        query, _, signature = request.query.rpartition("&signature=")
        if query and not request.body and "&" not in signature and "signature=" not in query:
            # Usually the signature is last in the query.
            self.check_payload(query.encode(), signature, key)
            return
        signature = ""
        kept = []
        for text in (request.query, request.body.decode("utf-8", "replace")):
            parts = text.split("&") if text else []
            for part in parts:
                if part.startswith("signature="):
                    signature = part.partition("=")[2]
            kept.append("&".join(p for p in parts if not p.startswith("signature=")))
        self.check_payload("".join(kept).encode(), signature, key)

    @staticmethod
    def check_payload(payload: bytes, signature: str, key: ApiKey) -> None:
        if not signature:
            raise Refused(-1102, "signature")
        if key.kind == HMAC:
            good = key.code.is_code(payload, signature)
        else:
            good = signed_by(key.kind, key.public, payload, unquote(signature))
        if not good:
            raise Refused(-1022)

    @staticmethod
    def check_time(params: Mapping[str, Any], now: int) -> None:
        stamp = str(params.get("timestamp", ""))
        if not stamp:
            raise Refused(-1102, "timestamp")
        window = str(params.get("recvWindow") or RECV_WINDOW_MS[0])
        try:
            sent, span = int(float(stamp)), float(window)
        except (ValueError, OverflowError):
            raise Refused(-1130, "timestamp") from None
        if not 0 <= span <= RECV_WINDOW_MS[1]:
            raise Refused(-1130, "recvWindow")
        server = ms(now)
        if sent >= server + AHEAD_MS:
            raise Refused(-1021, text="Timestamp for this request was 1000ms ahead of the server's time.")
        if server - sent > span:
            raise Refused(-1021)
