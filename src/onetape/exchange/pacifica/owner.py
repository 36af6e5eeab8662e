"""Pacifica: operations that only an account's owner may request: agents, API config keys, sub-accounts, withdrawals.

Source: docs.pacifica.fi "API agent keys", "API config keys", "Subaccounts", pacifica-fi/python-sdk.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import CONFIG
from onetape.exchange.pacifica.access import Access, Params
from onetape.exchange.pacifica.trading import Handler, usd_units
from onetape.exchange.pacifica.wire import Refused
from onetape.model.money import money_text

__all__ = ["Owner"]

KEYS_MAX: Final = 5  # API config keys per account
WITHDRAW_LEAST: Final = 1  # USDC; invented, because the venue's minimum is unverified


class Owner:
    """Carries out the operations of one exchange that only a main wallet signs."""

    def __init__(self, exchange: SimExchange, access: Access) -> None:
        self.exchange = exchange
        self.access = access
        self.handlers: dict[str, Handler] = {
            "bind_agent_wallet": access.bind,
            "list_agent_wallets": lambda a, _p, _n: access.agents(a),
            "revoke_agent_wallet": access.revoke,
            "revoke_all_agent_wallets": access.revoke_all,
            "create_api_key": lambda a, _p, _n: self._create_key(a),
            "list_api_keys": lambda a, _p, _n: {"active_api_keys": self._keys(a), "api_key_limit": KEYS_MAX},
            "revoke_api_key": lambda a, p, _n: self._revoke_key(a, p.get("api_key")),
            "approve_builder_code": lambda _a, _p, _n: None,  # here builders get no fees
            "revoke_builder_code": lambda _a, _p, _n: None,
            "withdraw": self._withdraw,
            "list_subaccounts": lambda a, _p, _n: {"subaccounts": self._subaccounts(a)},
            "transfer_funds": self._transfer,
        }

    # --- API config keys --------------------------------------------------------------------------

    def _keys(self, account: SimAccount) -> list[str]:
        keys = self.exchange.accounts.keys.values()
        return [key.key for key in keys if key.account is account and key.kind == CONFIG]

    def _create_key(self, account: SimAccount) -> dict[str, Any]:
        if len(self._keys(account)) >= KEYS_MAX:
            raise Refused("Too many API keys")
        made = self.exchange.accounts.make_key(account, f"config-{self.exchange.now}", CONFIG)
        return {"api_key": made.key}

    def _revoke_key(self, account: SimAccount, name: object) -> None:
        if name not in self._keys(account):
            raise Refused("Not Found", 404)
        self.exchange.accounts.revoke_key(str(name))

    # --- sub-accounts and money -------------------------------------------------------------------

    def _subaccounts(self, account: SimAccount) -> list[dict[str, Any]]:
        at = self.exchange.currencies.index("USDC")
        return [
            {"address": each.key, "balance": money_text(int(each.money.balance(at)))}
            for each in self.exchange.accounts
            if each.parent == account.key
        ]

    def create_subaccount(self, body: Params, now: int) -> None:
        """Creates a sub-account: its wallet signs the main account's address, and the main account signs that
        signature."""
        main, sub, signature = body.get("main_account"), body.get("subaccount"), body.get("sub_signature")
        self.access.check_time(body, now)
        self.access.check("subaccount_initiate", body, {"account": main}, signature, sub)
        self.access.check("subaccount_confirm", body, {"signature": signature}, body.get("main_signature"), main)
        account = self.access.account_at(main)
        if account.parent:
            raise Refused("Subaccount cannot create subaccount", 35)
        if sub in self.exchange.accounts.by_key:
            raise Refused("Account already exists", 2)
        self.exchange.accounts.open(str(sub), str(sub), "", {}, parent=account.key)

    def _transfer(self, account: SimAccount, body: Params, now: int) -> dict[str, Any]:
        """Transfers between a main account and one of its sub-accounts."""
        units, to = self._free(account, body), body.get("to_account")
        target = self.exchange.accounts.by_key.get(to) if isinstance(to, str) else None
        if target is None or (target.parent != account.key and account.parent != target.key):
            raise Refused(f"Invalid transfer relationship: {account.key} -> {to}", 33, name="unspecified")
        self.exchange.accounts.give(account, target.name, ("", ""), "USDC", money_text(units), "", now)
        return {"success": True, "error": None}

    def _withdraw(self, account: SimAccount, body: Params, now: int) -> None:
        """Withdraws to the wallet's own address on the chain; here the money leaves the exchange."""
        units = self._free(account, body)
        if account.parent:
            raise Refused("Subaccount withdrawal not allowed", 34)
        if not self.exchange.accounts.keys[account.key].can_withdraw:
            raise Refused("Withdrawal blocked", 32)
        if units < WITHDRAW_LEAST * 10**18:
            raise Refused("Withdraw amount too low", 29)
        self.exchange.accounts.deposit(account, "USDC", money_text(-units), now, reason="withdrawal")

    def _free(self, account: SimAccount, body: Params) -> int:
        """Returns an amount that the account can spare, 1e-18. Raises Refused."""
        units, at = usd_units(body.get("amount")), self.exchange.currencies.index("USDC")
        if units > int(account.money.available(at)):
            raise Refused(f"Over withdrawal for {account.key}", 9)
        return units
