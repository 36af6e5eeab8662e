"""Aster: authentication by a wallet's signature and an unused nonce, and the rights that a main wallet grants to other
wallets.

Every wallet has an account: an unknown one is opened with the usual opening balances. An agent's wallet trades for an
account whose main wallet has approved it; a builder gets fees of orders that name it (not booked here). The main wallet
signs either approval as typed data, whose fields are in the same order in the venue's example and in ccxt. Source:
asterdex/api-docs V3(Recommended), "Authentication", "V3 Nonce Mechanism", and asterCode of asterdex/aster-api-website,
of 2026-06. The answer to an agent that lacks a right is not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.rest import Params
from onetape.exchange.binance.terms import whole
from onetape.exchange.binance.wire import Refused, ms
from onetape.exchange.dialect import Request
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import AGENT, BUILDER, ApiKey, agent_key
from onetape.venues.aster.signing import MAINNET, digest_of, owner_digest
from onetape.venues.typed_data import checked, is_address, signer_address

__all__ = ["WalletAccess"]

NONCE_S: Final = 10  # how far a nonce may be from the venue's time
NONCES_MAX: Final = 100  # remembered per user
DONE: Final = {"code": 200, "msg": "success"}
# Sent with the code of an unknown error; as typed-aster 0.7.0 (2026-10) has it from the venue. The documents have
# -1022.
BAD_SIGNATURE: Final = "Signature check failed"
NO_AGENT: Final = "No agent found"
_RIGHTS: Final = ("canSpotTrade", "canPerpTrade", "canWithdraw")
_NUMBERS: Final = ("expired", "nonce")
_AGENT: Final = ("agentName", "agentAddress", "ipWhitelist", "expired", *_RIGHTS)
_UPDATED: Final = ("agentAddress", "ipWhitelist", *_RIGHTS)
_BUILDER: Final = ("builder", "maxFeeRate", "builderName")

Handler = Callable[[SimAccount, Params], Any]


class WalletAccess:
    """Authenticates the wallets of one exchange. balances: of a new account."""

    def __init__(self, exchange: SimExchange, balances: dict[str, str]) -> None:
        self.exchange = exchange
        self._balances = balances
        self._nonces: dict[str, list[int]] = {}  # by user, ascending

    def account_of(self, request: Request, params: Params, now: int) -> SimAccount:
        """Returns the account of a request after checking signature and nonce. Raises Refused."""
        signer = params.get("signer", "")
        user, signature = self._signed(params, "signer", params.get("user") or self._owner(signer) or signer)
        if not is_address(signer):
            raise Refused(-1130, "signer")
        signer, text = checked(signer), _signed_text(request)
        digests = (digest_of(each.encode(), MAINNET) for each in dict.fromkeys((text, unquote(text))))
        if signer not in (signer_address(each, signature) for each in digests):
            raise Refused(-1000, text=BAD_SIGNATURE)
        if signer != user:
            self._check_agent(user, signer, request.method, now)
        self._spend(user, params["nonce"], now)
        return self._account(user)

    def own_routes(self, root: str) -> dict[tuple[str, str], Callable[[Params, int], Any]]:
        """Returns the routes that only a main wallet may use, by method and path. Each request is signed as typed data
        with its own name and fields; a field that was not sent is not signed."""
        rows: tuple[tuple[str, str, str, tuple[str, ...], Handler], ...] = (
            ("POST", "approveAgent", "ApproveAgent", _AGENT, lambda a, p: self._approve(a, AGENT, p, _AGENT)),
            ("POST", "updateAgent", "UpdateAgent", _UPDATED, lambda a, p: self._update(a, AGENT, p)),
            ("DELETE", "agent", "DelAgent", _AGENT[1:2], lambda a, p: self._revoke(a, AGENT, p)),
            ("POST", "approveBuilder", "ApproveBuilder", _BUILDER, lambda a, p: self._approve(a, BUILDER, p, _BUILDER)),
            ("POST", "updateBuilder", "UpdateBuilder", _BUILDER[:2], lambda a, p: self._update(a, BUILDER, p)),
            ("DELETE", "builder", "DelBuilder", _BUILDER[:1], lambda a, p: self._revoke(a, BUILDER, p)),
        )
        return {
            (method, f"{root}/{path}"): partial(self._ask_owner, name, fields, answer)
            for method, path, name, fields, answer in rows
        }

    def _ask_owner(self, name: str, fields: tuple[str, ...], answer: Handler, params: Params, now: int) -> Any:
        """Answers a request of a main wallet. Raises Refused if the account's main wallet has not signed it."""
        user, signature = self._signed(params, "user", params.get("user", ""))
        values = {
            each: _typed(each, params[each]) for each in (*fields, "asterChain", "user", "nonce") if each in params
        }
        chain = whole(params.get("signatureChainId") or "0", "signatureChainId")
        if signer_address(owner_digest(name, values, chain), signature) != user:
            raise Refused(-1000, text=BAD_SIGNATURE)
        self._spend(user, params["nonce"], now)
        return answer(self._account(user), params)

    def agents(self, account: SimAccount) -> list[dict[str, Any]]:
        return [
            {
                "agentAddress": key.label,
                "agentName": key.terms.get("agentName", ""),
                "ipWhitelist": key.terms.get("ipWhitelist", ""),
                "expired": int(key.terms.get("expired") or 0),
                "source": "api",
                "canRead": True,
                "canSpotTrade": key.terms.get("canSpotTrade") == "true",
                "canPerpTrade": key.can_trade,
                "canWithdraw": key.can_withdraw,
            }
            for key in self._keys(account, AGENT)
        ]

    def builders(self, account: SimAccount) -> list[dict[str, Any]]:
        return [
            {"userAddress": account.key, "builderAddress": key.label}
            | {name: key.terms.get(name, "") for name in _BUILDER[1:]}
            for key in self._keys(account, BUILDER)
        ]

    def check_order(self, account: SimAccount, params: Params) -> None:
        """Raises Refused for an order whose builder was not approved or takes more than the approved fee, and for a
        pegged order, which is not supported here."""
        if params.get("pegPriceType"):
            raise Refused(-1130, "pegPriceType")
        builder = params.get("builder")
        if not builder:
            return
        key = next((key for key in self._keys(account, BUILDER) if key.label.lower() == builder.lower()), None)
        try:
            taken, most = float(params.get("feeRate") or 0), float(key.terms["maxFeeRate"]) if key else -1.0
        except ValueError:
            raise Refused(-1130, "feeRate") from None
        if not 0 <= taken <= most:
            raise Refused(-1130, "builder")

    def _keys(self, account: SimAccount, kind: str) -> list[ApiKey]:
        return [key for key in self.exchange.accounts.keys.values() if key.account is account and key.kind == kind]

    def _signed(self, params: Params, name: str, user: str) -> tuple[str, str]:
        """Returns (user, signature). Raises Refused if something is missing."""
        for each in (name, "signature", "nonce"):
            if not params.get(each):
                raise Refused(-1102, each)
        if not is_address(user):
            raise Refused(-1130, "user")
        return checked(user), params["signature"]

    def _check_agent(self, user: str, signer: str, method: str, now: int) -> None:
        own = self.exchange.accounts.by_key.get(user)
        key = None if own is None else self.exchange.accounts.keys.get(agent_key(own, signer))
        if key is None or key.kind != AGENT or 0 < int(key.terms.get("expired") or 0) < ms(now):
            raise Refused(-1000, text=NO_AGENT)
        if method != "GET" and not key.can_trade:
            raise Refused(-2015, status=401)

    def _owner(self, signer: str) -> str:
        """Returns the user of an agent; "": none, or several. For requests that do not name their user, as in the
        examples of the venue's documents since 2026-04-28."""
        if not is_address(signer):
            return ""
        label = checked(signer)
        keys = [key for key in self.exchange.accounts.keys.values() if key.kind == AGENT and key.label == label]
        return keys[0].account.key if len(keys) == 1 else ""

    def _account(self, user: str) -> SimAccount:
        accounts = self.exchange.accounts
        if user not in accounts.by_key:
            accounts.open(user, user, "", self._balances)
        return accounts.keys[user].account

    def _approve(self, account: SimAccount, kind: str, params: Params, fields: tuple[str, ...]) -> dict[str, Any]:
        address = self._address(kind, params)
        if agent_key(account, address) not in self.exchange.accounts.keys:
            self.exchange.accounts.make_key(account, address, kind)
        return self._change(account, address, params, {name: params.get(name, "") for name in fields})

    def _update(self, account: SimAccount, kind: str, params: Params) -> dict[str, Any]:
        address = self._address(kind, params)
        key = self._found(account, kind, address)
        return self._change(account, address, params, key.terms | {n: params[n] for n in key.terms if n in params})

    def _change(self, account: SimAccount, address: str, params: Params, terms: dict[str, str]) -> dict[str, Any]:
        can_trade, can_withdraw = (params[n].lower() == "true" if n in params else None for n in _RIGHTS[1:])
        terms = {name: text.lower() if name in _RIGHTS else text for name, text in terms.items()}
        key = agent_key(account, address)
        self.exchange.accounts.change_key(key, can_trade=can_trade, can_withdraw=can_withdraw, terms=terms)
        return DONE

    def _revoke(self, account: SimAccount, kind: str, params: Params) -> dict[str, Any]:
        self.exchange.accounts.revoke_key(self._found(account, kind, self._address(kind, params)).key)
        return DONE

    def _found(self, account: SimAccount, kind: str, address: str) -> ApiKey:
        key = self.exchange.accounts.keys.get(agent_key(account, address))
        if key is None or key.kind != kind:
            raise Refused(-1130, "agentAddress" if kind == AGENT else "builder")
        return key

    def _address(self, kind: str, params: Params) -> str:
        name = "agentAddress" if kind == AGENT else "builder"
        if not is_address(params.get(name, "")):
            raise Refused(-1130, name)
        return checked(params[name])

    def _spend(self, user: str, text: str, now: int) -> None:
        kept = self._nonces.setdefault(user, [])
        if not text.isdigit() or abs(int(text) - now // 1000) > NONCE_S * 1_000_000:
            raise Refused(-4225)
        nonce = int(text)
        if nonce in kept or (len(kept) >= NONCES_MAX and nonce < kept[0]):
            raise Refused(-4225)
        kept.append(nonce)
        kept.sort()
        del kept[:-NONCES_MAX]


def _typed(name: str, text: str) -> str | int | bool:
    if name in _RIGHTS:
        return text.lower() == "true"
    return whole(text, name) if name in _NUMBERS else text


def _signed_text(request: Request) -> str:
    """Returns query and form as sent, without the signature, which comes last."""
    texts = (request.query, request.body.decode("utf-8", "replace"))
    parts = [part for text in texts if text for part in text.split("&") if not part.startswith("signature=")]
    return "&".join(parts)
