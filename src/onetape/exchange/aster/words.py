"""Reads Aster's requests for fault rules, like Binance's, except that the parameters name the wallet."""

from __future__ import annotations

from onetape.exchange.binance.words import BinanceWords
from onetape.exchange.dialect import Request, fields
from onetape.venues.typed_data import checked, is_address

__all__ = ["AsterWords"]


class AsterWords(BinanceWords):
    def caller_key(self, request: Request) -> str:
        named = {**fields(request.query), **fields(request.body.decode("utf-8", "replace"))}
        user = named.get("user") or named.get("signer", "")
        return checked(user) if is_address(user) else ""
