"""Pacifica: authentication by a wallet's signature over the operation's content.

Source: docs.pacifica.fi "Signing, Implementation" and "API agent keys"; pacifica-fi/python-sdk. Every wallet has an
account: an unknown one is opened with the usual opening balances. Reading is unsigned, and anybody may read any
account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import AGENT, agent_key
from onetape.exchange.pacifica.wire import Refused, ms
from onetape.venues.pacifica.signing import is_address, is_signed, message_of
from onetape.venues.pacifica.words import OPERATIONS

__all__ = ["AGENTS_MAY", "PATHS", "Access", "Params"]

Params = dict[str, Any]
WINDOW_MS: Final = 30_000  # default of a request
AHEAD_MS: Final = 30_000  # how far a client's clock may be ahead of the venue's; unverified
AGENTS_MAX: Final = 20  # per account
PATHS: Final = {path: name for name, (path, _) in OPERATIONS.items()}
SIGNED: Final = {name: frozenset(fields.split()) for name, (_, fields) in OPERATIONS.items()}
AGENTS_MAY: Final = frozenset(list(OPERATIONS)[:11])
_OFFCHAIN: Final = b"\xffsolana offchain" + bytes(2)  # what a hardware wallet signs before length and message


class Access:
    """Authenticates the wallets of one exchange. balances: of a new account."""

    def __init__(self, exchange: SimExchange, balances: dict[str, str]) -> None:
        self.exchange = exchange
        self._balances = balances

    def account_at(self, address: object) -> SimAccount:
        """Returns the account of an address. Raises Refused for an invalid one."""
        if not isinstance(address, str) or not is_address(address):
            raise Refused("Invalid public key")
        accounts = self.exchange.accounts
        if address not in accounts.by_key:
            accounts.open(address, address, "", self._balances)
        return accounts.by_key[address]

    def signed_by(self, operation: str, body: Params, now: int) -> SimAccount:
        """Returns the account of a request after checking its time and signature. Raises Refused."""
        self.check_time(body, now)
        signed = SIGNED[operation]
        agent = None if "agent_wallet" in signed else body.get("agent_wallet")
        payload = {name: value for name, value in body.items() if name in signed}
        self.check(operation, body, payload, body.get("signature"), agent or body.get("account"))
        account = self.account_at(body.get("account"))
        if agent is None:
            return account
        if operation not in AGENTS_MAY:
            raise Refused("Verification failed: an agent wallet cannot do this.", name="signature_verification_failed")
        key = self.exchange.accounts.keys.get(agent_key(account, str(agent)))
        if key is None:
            raise Refused("Agent not authorized for account", name="unauthorized_signer")
        return account

    @staticmethod
    def check(operation: str, body: Params, payload: Mapping[str, Any], signature: object, signer: object) -> None:
        """Raises Refused if the signer has not signed this."""
        stamp, window = body.get("timestamp"), body.get("expiry_window", WINDOW_MS)
        message = message_of(operation, payload, stamp, window)  # type: ignore[arg-type]
        if isinstance(signature, dict) and signature.get("type") == "hardware":
            message = _OFFCHAIN + len(message).to_bytes(2, "little") + message
            signature = signature.get("value")
        if not isinstance(signer, str) or not is_address(signer):
            raise Refused("Invalid public key")
        if not isinstance(signature, str) or not is_signed(message, signature, signer):
            raise Refused(
                "Verification failed: signature does not match signer and canonical payload.",
                name="signature_verification_failed",
            )

    @staticmethod
    def check_time(body: Params, now: int) -> None:
        """Checks that now lies between a request's timestamp and the end of its window. Raises Refused."""
        stamp, window = body.get("timestamp"), body.get("expiry_window")
        window = WINDOW_MS if window is None else window
        if type(stamp) is not int or type(window) is not int:
            raise Refused
        if not -AHEAD_MS <= ms(now) - stamp <= window:
            raise Refused("Invalid message: expired")

    # --- agents -----------------------------------------------------------------------------------

    def agents(self, account: SimAccount) -> list[str]:
        return [
            key.label for key in self.exchange.accounts.keys.values() if key.account is account and key.kind == AGENT
        ]

    def bind(self, account: SimAccount, body: Params, _now: int) -> None:
        agent = body.get("agent_wallet")
        if not isinstance(agent, str) or not is_address(agent):
            raise Refused("Invalid public key")
        if agent in self.agents(account):
            raise Refused("Agent wallet already exists", 2)
        if len(self.agents(account)) >= AGENTS_MAX:
            raise Refused("Too many agent wallets")
        self.exchange.accounts.make_key(account, agent, AGENT)

    def revoke_all(self, account: SimAccount, _body: Params, now: int) -> None:
        for agent in self.agents(account):
            self.revoke(account, {"agent_wallet": agent}, now)

    def revoke(self, account: SimAccount, body: Params, _now: int) -> None:
        agent = body.get("agent_wallet")
        if agent not in self.agents(account):
            raise Refused("Agent wallet not found", 404)
        self.exchange.accounts.revoke_key(agent_key(account, str(agent)))
