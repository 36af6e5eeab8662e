"""Hyperliquid: who signed an action, and for which account; nonces, agents and sub-accounts.

An action is signed by the main wallet or an agent that it approved, for itself or for a sub-account of it
(`vaultAddress`). A wrong signature is that of an unknown wallet. Clients sign for the test network where the address is
not the venue's own, so both networks' signatures are taken. Sources: hyperliquid.gitbook.io "Nonces and API wallets",
"Signing", hyperliquid-python-sdk 0.24.0.
"""

from __future__ import annotations

from bisect import insort
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.wire import Refused, ms
from onetape.exchange.keys import AGENT, agent_key
from onetape.venues.hyperliquid.signing import OWNER_ACTIONS, SOURCES, action_hash, agent_digest, owner_digest
from onetape.venues.typed_data import checked, is_address, signer_address

__all__ = ["VAULT", "Access", "Params"]

Params = dict[str, Any]
DAY_MS: Final = 86_400_000
NONCES_MAX: Final = 100  # remembered for each signer
UNNAMED: Final = ""
VAULT: Final = "vault"  # level of an account
# Actions that an agent may not sign, although they are hashed like those that it may.
OF_SUB_ACCOUNTS: Final = ("createSubAccount", "subAccountTransfer", "subAccountSpotTransfer", "createVault")


class Access:
    """Authenticates the wallets of one exchange."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self._nonces: dict[str, list[int]] = {}  # by signer, ascending

    def account_at(self, address: object) -> SimAccount:
        """Returns the account of an address, an empty one if it is unknown. Raises Refused."""
        if not isinstance(address, str) or not is_address(address):
            raise Refused
        accounts, key = self.exchange.accounts, checked(address)
        if key not in accounts.by_key:
            accounts.open(key, key, "", {})
        return accounts.by_key[key]

    def signed_by(self, body: Params, now: int) -> SimAccount:
        """Returns the account that an action is for, after checking time, nonce and signature. Raises Refused."""
        action: Any = body.get("action")
        nonce: Any = body.get("nonce")
        expires, vault = body.get("expiresAfter"), body.get("vaultAddress")
        is_meant = isinstance(action, dict) and isinstance(action.get("type"), str) and type(nonce) is int
        if not is_meant or nonce < 0 or (expires is not None and type(expires) is not int):
            raise Refused
        if vault is not None and not (isinstance(vault, str) and is_address(vault)):
            raise Refused
        signer = self._signer(action, nonce, _signature(body.get("signature")), vault or "", expires)
        account = self._owner(signer, is_owner_needed=action["type"] in (*OWNER_ACTIONS, *OF_SUB_ACCOUNTS))
        if account is None:
            raise Refused(f"User or API Wallet {signer.lower()} does not exist.")
        if expires is not None and ms(now) > expires:
            raise Refused("Expired: the action came after expiresAfter")
        self._spend(signer, nonce, ms(now))
        if not vault:
            return account
        sub = self.exchange.accounts.by_key.get(checked(vault))
        if sub is None or sub.parent != account.key:  # a vault's leader counts as its parent
            raise Refused(f"Sub-account or vault {vault} is not registered to {account.key.lower()}")
        return sub

    def _signer(self, action: Params, nonce: int, signature: str, vault: str, expires: int | None) -> str:
        """Returns the address that signed; a random one if the signature is wrong. Raises Refused."""
        try:
            if action["type"] in OWNER_ACTIONS:
                return signer_address(owner_digest(action), signature)
            hash_ = action_hash(action, nonce, vault=vault, expires=expires)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Refused from None
        found = (signer_address(agent_digest(hash_, each), signature) for each in SOURCES.values())
        first = next(found)
        return (
            first if self._owner(first) is not None else next((e for e in found if self._owner(e) is not None), first)
        )

    def _owner(self, signer: str, *, is_owner_needed: bool = False) -> SimAccount | None:
        """Returns the account that a wallet signs for; None: it has none."""
        accounts = self.exchange.accounts
        own = accounts.by_key.get(signer)
        if own is not None and own.income:
            return own
        keys = [key for key in accounts.keys.values() if key.kind == AGENT and key.label == signer]
        return keys[0].account if keys and not is_owner_needed else None

    def _spend(self, signer: str, nonce: int, now: int) -> None:
        kept = self._nonces.setdefault(signer, [])
        if not now - 2 * DAY_MS < nonce < now + DAY_MS:
            raise Refused(f"Invalid nonce: {nonce} is too far from {now}")
        if nonce in kept or (len(kept) >= NONCES_MAX and nonce < kept[0]):
            raise Refused(f"Invalid nonce: duplicate nonce {nonce}")
        insort(kept, nonce)
        del kept[:-NONCES_MAX]

    # --- agents and sub-accounts ------------------------------------------------------------------

    def agents(self, account: SimAccount) -> list[dict[str, Any]]:
        """Returns the named agents."""
        found = [key for key in self.exchange.accounts.keys.values() if key.account is account and key.kind == AGENT]
        until = ms(self.exchange.market.start) + 180 * DAY_MS
        return [
            {"name": name, "address": key.label.lower(), "validUntil": until}
            for key in found
            if (name := key.terms.get("name", ""))
        ]

    def approve(self, account: SimAccount, action: Params) -> None:
        """Approves an agent: it replaces one of the same name."""
        address, name = action.get("agentAddress"), action.get("agentName") or UNNAMED
        if not isinstance(address, str) or not is_address(address) or not isinstance(name, str):
            raise Refused
        accounts, agent = self.exchange.accounts, checked(address)
        if agent in accounts.by_key and accounts.by_key[agent].income:
            raise Refused("Extra agent already used.")
        for key in list(accounts.keys.values()):
            if key.account is account and key.kind == AGENT and key.terms.get("name", UNNAMED) == name:
                accounts.revoke_key(key.key)
        accounts.make_key(account, agent, AGENT)
        if name:
            accounts.change_key(agent_key(account, agent), terms={"name": name})

    def role(self, address: object) -> dict[str, Any]:
        account = self.account_at(address)
        owner = self._owner(account.key)
        if account.level == VAULT:
            return {"role": "vault"}
        if account.parent:
            return {"role": "subAccount", "data": {"master": account.parent.lower()}}
        if owner is account:
            return {"role": "user"}
        if owner is not None:
            return {"role": "agent", "data": {"user": owner.key.lower()}}
        return {"role": "missing"}

    def subaccounts(self, account: SimAccount) -> list[SimAccount]:
        return [each for each in self.exchange.accounts if each.parent == account.key and each.level != VAULT]


def _signature(value: Any) -> str:
    """Returns r, s and v as one text; clients leave out leading zeros. Raises Refused."""
    try:
        r, s, v = int(value["r"], 16), int(value["s"], 16), int(value["v"])
        return f"0x{r:064x}{s:064x}{v:02x}"
    except (KeyError, TypeError, ValueError):
        raise Refused from None
