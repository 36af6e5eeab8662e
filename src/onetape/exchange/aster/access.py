"""Aster: who asks, by the signature of a wallet and a nonce that was never used.

Source: asterdex/api-docs V3(Recommended), "Authentication" and "V3 Nonce Mechanism", of 2026-06.
Any wallet has an account: one that was never seen is opened with what every account begins with.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.rest import Params
from onetape.exchange.binance.wire import Refused
from onetape.exchange.dialect import Request
from onetape.exchange.exchange import SimExchange
from onetape.venues.aster.signing import MAINNET, checked, is_address, signer_address

__all__ = ["WalletAccess"]

NONCE_S: Final = 10  # how far a nonce may be from the venue's time
NONCES_MAX: Final = 100  # of a user that are kept


class WalletAccess:
    """Knows the wallets of one exchange. balances: of an account that is opened."""

    def __init__(self, exchange: SimExchange, balances: dict[str, str]) -> None:
        self.exchange = exchange
        self._balances = balances
        self._nonces: dict[str, list[int]] = {}  # by user, ascending

    def account_of(self, request: Request, params: Params, now: int) -> SimAccount:
        """Whose request it is, its signature and nonce checked. Raises Refused."""
        signer, signature = params.get("signer", ""), params.get("signature", "")
        user = params.get("user") or signer
        for name, value in (("signer", signer), ("signature", signature), ("nonce", params.get("nonce"))):
            if not value:
                raise Refused(-1102, name)
        if not is_address(user) or not is_address(signer):
            raise Refused(-1130, "user")
        user, signer = checked(user), checked(signer)
        text = _signed_text(request)
        if signer not in (
            signer_address(each.encode(), signature, MAINNET) for each in dict.fromkeys((text, unquote(text)))
        ):
            raise Refused(-1022)
        keys = self.exchange.accounts.keys
        agent, own = keys.get(signer), keys.get(user)
        if signer != user and (agent is None or own is None or agent.account is not own.account):
            raise Refused(-2015, status=401)
        self._spend(user, params["nonce"], now)
        return self._account(user)

    def _account(self, user: str) -> SimAccount:
        accounts = self.exchange.accounts
        if user not in accounts.by_key:
            accounts.open(user, user, "", self._balances)
        return accounts.keys[user].account

    def _spend(self, user: str, text: str, now: int) -> None:
        kept = self._nonces.setdefault(user, [])
        if not text.isdigit() or abs(int(text) - now // 1000) > NONCE_S * 1_000_000:
            raise Refused(-4225, text="Nonce Expired")
        nonce = int(text)
        if nonce in kept or (len(kept) >= NONCES_MAX and nonce < kept[0]):
            raise Refused(-4225, text="Nonce Expired")
        kept.append(nonce)
        kept.sort()
        del kept[:-NONCES_MAX]


def _signed_text(request: Request) -> str:
    """Query and form as they were sent, without the signature, which comes last."""
    texts = (request.query, request.body.decode("utf-8", "replace"))
    parts = [part for text in texts if text for part in text.split("&") if not part.startswith("signature=")]
    return "&".join(parts)
