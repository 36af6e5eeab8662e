"""Steering what a simulated exchange lists and whom it lets in: instruments, brackets, maintenance,
keys. Part of the control endpoint; every change is a recorded call, so that a restart has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.exchange import NEVER
from onetape.exchange.faulty import Faulty
from onetape.exchange.hands import account_of
from onetape.exchange.keys import HMAC, KINDS, ApiKey
from onetape.exchange.listing import changed_brackets, changed_filters
from onetape.model.errors import BadConfig, BadInput
from onetape.model.time import parse_duration

__all__ = ["VenueControl", "check_keys"]

Params = dict[str, Any]
ALLOWED: Final = ("", "cancel")


def check_keys(params: Params, *names: str) -> None:
    """Raises BadConfig for a name that says nothing."""
    for name in params:
        if name not in names:
            raise BadConfig(f"unknown key `{name}`", todo=f"keys are {', '.join(names) or 'none'}")


class VenueControl:
    """Of one exchange. Each method raises BadConfig, and then nothing has changed."""

    def __init__(self, faulty: Faulty) -> None:
        self.faulty = faulty
        self.exchange = faulty.exchange
        self.posts: dict[str, Callable[[Params, int], Any]] = {
            "/delist": self._delist,
            "/list": self._list,
            "/filter": self._filter,
            "/brackets": self._brackets,
            "/maintenance": self._maintenance,
            "/keys": self._make_key,
            "/keys/change": self._change_key,
            "/keys/withdraw": self._withdraw_key,
            "/outside": self._outside,
        }

    # --- instruments ------------------------------------------------------------------------------

    def _delist(self, params: Params, now: int) -> dict[str, Any]:
        """Cancels, settles and closes; with `gone` the symbol is no longer known."""
        check_keys(params, "symbol", "gone")
        index = self._index(params)
        gone = _flag(params, "gone", usual=False)
        self.exchange.delist(index, now)
        if gone:
            self.exchange.set_listed(index, False, now)
        return self._instrument(index)

    def _list(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol")
        index = self._index(params)
        self.exchange.set_listed(index, True, now)
        self.exchange.set_open(index, True, now)
        return self._instrument(index)

    def _filter(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol", "changes")
        index, changes = self._index(params), params.get("changes")
        if not isinstance(changes, dict) or not changes:
            raise BadConfig('changes is an object, such as {"tick": "0.5"}')
        try:
            changed_filters(self.exchange.instruments[index], changes)
        except BadInput as error:
            raise BadConfig(error.what, location=error.location, todo=error.todo) from None
        self.exchange.change_instrument(index, changes)
        return self._instrument(index)

    def _brackets(self, params: Params, now: int) -> dict[str, Any]:
        """rows: of notional_max, maintenance_rate and leverage_max, by rising notional."""
        check_keys(params, "symbol", "rows")
        index, rows = self._index(params), params.get("rows")
        if not isinstance(rows, list):
            raise BadConfig("rows is a list of brackets")
        try:
            changed_brackets(self.exchange.instruments[index], rows)
        except BadInput as error:
            raise BadConfig(error.what, location=error.location, todo=error.todo) from None
        self.exchange.change_brackets(index, rows)
        return self._instrument(index)

    def _index(self, params: Params) -> int:
        return self.faulty.words.index(str(params.get("symbol")))

    def _instrument(self, index: int) -> dict[str, Any]:
        listing = self.exchange.listings[index]
        return {
            "symbol": listing.instrument.symbol,
            "open": listing.is_open,
            "listed": listing.is_listed,
            "version": listing.instrument.version,
        }

    # --- maintenance ------------------------------------------------------------------------------

    def _maintenance(self, params: Params, now: int) -> dict[str, Any]:
        """Requests are refused as the venue does it, sockets close; `lasting`: else until told."""
        check_keys(params, "on", "lasting", "allow", "cancel_orders")
        is_on = _flag(params, "on", usual=True)
        allow, lasting = params.get("allow", ""), params.get("lasting")
        if allow not in ALLOWED:
            raise BadConfig('allow is "cancel", or nothing')
        until = 0
        if is_on:
            if lasting is not None and not isinstance(lasting, str):
                raise BadConfig('lasting is a duration, such as "30s"')
            until = NEVER if lasting is None else now + parse_duration(lasting)
        cancels = _flag(params, "cancel_orders", usual=False)
        self.exchange.set_maintenance(until, allow)
        if is_on:
            self.faulty.close_sockets("maintenance")
            if cancels:
                for account in self.exchange.accounts:
                    self.exchange.cancel_all(account, now)
        return {"maintenance": is_on}

    # --- withdrawals and deposits -----------------------------------------------------------------

    def _outside(self, params: Params, now: int) -> dict[str, Any]:
        """delay: until a withdrawal is sent on, and until a deposit is credited. fail: the number
        of a withdrawal that is under way."""
        check_keys(params, "delay", "fail")
        delay, number = params.get("delay"), params.get("fail")
        if delay is not None and not isinstance(delay, str):
            raise BadConfig('delay is a duration, such as "30s"')
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise BadConfig("fail is the number of a withdrawal, the first is 1")
        if delay is not None:
            self.exchange.set_outside_delay(parse_duration(delay))
        if number is not None:
            self.exchange.fail_withdrawal(number, now)
        return {
            "delay_ns": self.exchange.outside_delay,
            "withdrawals": [
                {"number": each.number, "state": each.state, "txid": each.txid} for each in self.exchange.withdrawals
            ],
        }

    # --- keys -------------------------------------------------------------------------------------

    def keys(self) -> list[dict[str, Any]]:
        """Without secrets."""
        return [self._key_row(key) for key in self.exchange.keys.values()]

    @staticmethod
    def _key_row(key: ApiKey) -> dict[str, Any]:
        return {
            "account": key.account.name,
            "label": key.label,
            "kind": key.kind,
            "key": key.key,
            "trade": key.can_trade,
            "withdraw": key.can_withdraw,
            "addresses": list(key.addresses),
        }

    def _make_key(self, params: Params, now: int) -> dict[str, Any]:
        """A further key of an account; the answer has its secret, unless its owner brought a public
        key."""
        check_keys(params, "account", "label", "kind", "public", "trade", "withdraw", "addresses")
        account = account_of(self.exchange, params.get("account"))
        label, kind = params.get("label"), params.get("kind", HMAC)
        public = params.get("public", "")
        if not isinstance(label, str) or not label:
            raise BadConfig("label is a name for the key")
        if kind not in KINDS or (kind != HMAC and self.faulty.kind != "binance-usdm"):
            raise BadConfig(f"no kind of key {kind!r} at {self.faulty.kind}")
        if not isinstance(public, str) or (public and kind == HMAC):
            raise BadConfig("public is the PEM of a key of Ed25519 or RSA")
        changes = self._rights(params)
        made = self.exchange.make_key(account, label, kind, public)
        self.exchange.change_key(made.key, **changes)
        return {**self._key_row(made), "secret": made.secret}

    def _change_key(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "key", "trade", "withdraw", "addresses")
        key = self._key(params)
        self.exchange.change_key(key.key, **self._rights(params))
        return self._key_row(key)

    def _withdraw_key(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "key")
        key = self._key(params)
        self.exchange.withdraw_key(key.key)
        return self._key_row(key)

    def _key(self, params: Params) -> ApiKey:
        found = self.exchange.keys.get(str(params.get("key")))
        if found is None:
            raise BadConfig("there is no such key", todo="GET /keys lists them")
        return found

    @staticmethod
    def _rights(params: Params) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, right in (("trade", "can_trade"), ("withdraw", "can_withdraw")):
            if name in params:
                found[right] = _flag(params, name, usual=True)
        if "addresses" in params:
            addresses = params["addresses"]
            if not isinstance(addresses, list) or not all(isinstance(a, str) for a in addresses):
                raise BadConfig('addresses is a list, such as ["127.0.0.1"]; empty: any')
            found["addresses"] = addresses
        return found


def _flag(params: Params, name: str, *, usual: bool) -> bool:
    value = params.get(name, usual)
    if not isinstance(value, bool):
        raise BadConfig(f"{name} is true or false")
    return value
