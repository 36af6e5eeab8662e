"""The control endpoint of a simulated exchange: its own ledger, received requests, and faults.

No I/O: a request in, a reply out. The data comes from the exchange's core and not from a venue's dialect, so that tests
can compare both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.dialect import Reply, fields
from onetape.exchange.faults import parse_faults, rules_of
from onetape.exchange.faulty import Faulty
from onetape.exchange.hands import account_of, amount_of, deposit, trade_by_hand
from onetape.exchange.keys import HMAC, KINDS, ApiKey
from onetape.exchange.listing import changed_brackets, changed_filters
from onetape.exchange.tape_market import RecordedMarket
from onetape.exchange.timeline import NEVER
from onetape.exchange.venues import facts_of
from onetape.model.decimals import decimal_text
from onetape.model.enums import PositionSide
from onetape.model.errors import BadConfig, OnetapeError
from onetape.model.json_text import read_json
from onetape.model.money import money_text
from onetape.model.time import parse_duration

__all__ = ["Control"]

Params = dict[str, Any]
ALLOWED: Final = ("", "cancel")
ORIGINS: Final = ("liquidation", "adl", "settlement")
RATE_DECIMALS: Final = 12


def check_keys(params: Params, *names: str) -> None:
    """Raises BadConfig for an unknown name."""
    for name in params:
        if name not in names:
            raise BadConfig(f"unknown key `{name}`", todo=f"keys are {', '.join(names) or 'none'}")


class Control:
    """Serves the control endpoint of one exchange."""

    def __init__(self, faulty: Faulty) -> None:
        self.faulty = faulty
        self.exchange = faulty.exchange
        self._gets: dict[str, Callable[[Params, int], Any]] = {
            "/state": self._state,
            "/requests": self._requests,
            "/faults": self._faults,
            "/keys": self._keys,
        }
        self._posts: dict[str, Callable[[Params, int], Any]] = {
            "/faults": self._add_faults,
            "/time": self._time,
            "/fund": self._fund,
            "/close": self._close,
            "/deposit": self._deposit,
            "/trade": self._trade,
            "/halt": self._halt,
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

    def answer(self, method: str, path: str, query: str, body: bytes, now: int) -> Reply:
        """Answers a request with JSON; an error is one line in `error`."""
        try:
            table = {"GET": self._gets, "POST": self._posts}.get(method, {})
            handler = table.get(path)
            if handler is None:
                routes = ", ".join([*(f"GET {p}" for p in self._gets), *(f"POST {p}" for p in self._posts)])
                return Reply.json({"error": f"no {method} {path}, there is: {routes}"}, 404)
            return Reply.json(handler(self._params(method, query, body), now))
        except OnetapeError as error:
            return Reply.json({"error": error.message}, 400)

    @staticmethod
    def _params(method: str, query: str, body: bytes) -> Params:
        if method == "GET":
            return dict(fields(query))
        if not body:
            return {}
        try:
            found = read_json(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadConfig(f"the body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise BadConfig("the body is not a JSON object")
        return found

    # --- reading ----------------------------------------------------------------------------------

    def _state(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "account")
        chosen: Sequence[SimAccount] = self.exchange.accounts
        if name := params.get("account"):
            chosen = [account_of(self.exchange, name)]
        return {
            "venue": self.faulty.kind,
            "time": now,
            "skew": self.faulty.skew,
            "instruments": [
                {
                    "symbol": each.instrument.symbol,
                    "raw_symbol": each.instrument.raw_symbol,
                    "open": each.is_open,
                    "listed": each.is_listed,
                    "last": decimal_text(each.instrument.price(each.last)),
                    "mark": decimal_text(each.instrument.price(each.mark)),
                }
                for each in self.exchange.listings
            ],
            "accounts": [self._account(each) for each in chosen],
            "tape": self._tape(),
        }

    def _tape(self) -> dict[str, Any] | None:
        """Returns the state of a recorded market, whether it has ended and how often it restarted; None: the market is
        generated."""
        market = self.exchange.market
        if not isinstance(market, RecordedMarket):
            return None
        return {"ended": market.core.ended, "rounds": market.core.rounds}

    def _account(self, account: SimAccount) -> dict[str, Any]:
        exchange = self.exchange
        return {
            "name": account.name,
            "balances": {
                name: money_text(int(account.money.balance(at)))
                for at, name in enumerate(exchange.currencies)
                if account.money.balance(at)
            },
            "positions": [
                {"symbol": i.symbol, "side": side.value, "size": decimal_text(i.size(qty))}
                for at, i in enumerate(exchange.instruments)
                for side in account.sides
                if (qty := account.qty(at, side))
            ],
            "orders": [self._order(o) for _, o in sorted(account.by_id.items())],
            "conditionals": [
                {"id": c.id, "client_id": c.client_id, "state": c.state,
                 "symbol": exchange.instruments[c.index].symbol, "side": c.side.value}
                for c in exchange.conditionals.by_id.values()
                if c.account is account and not c.is_held
            ],
            "trades": [
                {"id": t.fill.trade_id, "order": t.order.id, "client_id": t.order.client_id,
                 "time": t.fill.time, "symbol": (i := exchange.instruments[t.order.index]).symbol,
                 "side": t.order.side.value, "price": decimal_text(i.price(t.fill.price)),
                 "size": decimal_text(i.size(t.fill.size)), "fee": money_text(t.fill.fee),
                 "maker": t.fill.is_maker, "realized": money_text(t.fill.realized)}
                for t in account.trades
            ],
        }  # fmt: skip

    def _order(self, order: SimOrder) -> dict[str, Any]:
        i = self.exchange.instruments[order.index]
        return {
            "id": order.id,
            "client_id": order.client_id,
            "symbol": i.symbol,
            "side": order.side.value,
            "type": order.type.value,
            "price": decimal_text(i.price(order.price)),
            "trigger": decimal_text(i.price(order.trigger)),
            "size": decimal_text(i.size(order.size)),
            "filled": decimal_text(i.size(order.filled)),
            "state": order.state.value,
            "open": order.is_open,
            "origin": order.origin,
            "created": order.created,
        }

    def _requests(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "since")
        since = params.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            raise BadConfig(f"since is a number of a request, not {since!r}")
        return {"requests": [r._asdict() for r in self.faulty.received if r.number > int(since)]}

    def _faults(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params)
        return {
            "faults": [
                {"name": each.rule.title, "action": each.action, "met": each.met, "hits": each.hits}
                for each in self.faulty.active_rules
            ]
        }

    def _keys(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params)
        return {"keys": [self._key_row(key) for key in self.exchange.accounts.keys.values()]}

    # --- actions ----------------------------------------------------------------------------------

    def _add_faults(self, params: Params, now: int) -> dict[str, Any]:
        """Adds faults: {"fault": [...]} or {"toml": "..."}; {"clear": true} first removes existing ones."""
        check_keys(params, "clear", "fault", "toml")
        rules = rules_of(params.get("fault", []))
        if text := params.get("toml"):
            if not isinstance(text, str):
                raise BadConfig("toml is a text")
            rules += parse_faults(text, name="toml")
        if params.get("clear"):
            self.faulty.check(rules, now)
            self.faulty.clear(now)
        self.faulty.add(rules, now)
        return self._faults({}, now)

    def _time(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "offset")
        text = params.get("offset")
        if not isinstance(text, str):
            raise BadConfig('offset is a duration, such as "-10s"')
        sign = -1 if text.startswith("-") else 1
        self.faulty.skew = sign * parse_duration(text.removeprefix("-"))
        return {"skew": self.faulty.skew}

    def _fund(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol", "rate")
        index = self._index(params)
        rate = None
        if "rate" in params:
            scaled = amount_of(params["rate"], "rate").scaleb(RATE_DECIMALS)
            if abs(scaled) > Decimal(10) ** RATE_DECIMALS or scaled != scaled.to_integral_value():
                raise BadConfig(f"rate {params['rate']} is above 1 or has more than 12 decimals")
            rate = int(scaled)
        if not self.exchange.instruments[index].perpetual:
            raise BadConfig("only perpetuals have funding", location=str(params.get("symbol")))
        self.exchange.clearing.fund(index, now, rate)
        return {"funded": self.exchange.instruments[index].symbol}

    def _close(self, params: Params, now: int) -> dict[str, Any]:
        """Closes a position by force, as a liquidation unless `origin` differs."""
        check_keys(params, "account", "symbol", "side", "origin")
        account = account_of(self.exchange, params.get("account"))
        index = self._index(params)
        origin = params.get("origin", "liquidation")
        if origin not in ORIGINS:
            raise BadConfig(f"unknown origin {origin!r}", todo=f"one of {', '.join(ORIGINS)}")
        sides = [s.value for s in account.sides]
        side = params.get("side", sides[0])
        if side not in sides:
            raise BadConfig(f"unknown side {side!r}", todo=f"one of {', '.join(sides)}")
        if not account.qty(index, PositionSide(side)):
            raise BadConfig("there is no position to close", location=f"{account.name} {side}")
        self.exchange.clearing.force_close(account, index, side, now, origin)
        return self._account(account)

    def _deposit(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "account", "currency", "amount", "silent")
        account = account_of(self.exchange, params.get("account"))
        amount, silent = amount_of(params.get("amount")), _flag(params, "silent", usual=False)
        reason = "deposit" if amount > 0 else "withdraw"
        currency = str(params.get("currency"))
        deposit(self.exchange, account, currency, amount, now, reason=reason, silent=silent)
        return self._account(account)

    def _trade(self, params: Params, now: int) -> dict[str, Any]:
        """Places a market order outside any program. amount: signed, in units of the instrument."""
        check_keys(params, "account", "symbol", "amount")
        account = account_of(self.exchange, params.get("account"))
        index = self._index(params)
        amount = amount_of(params.get("amount"))
        return self._order(trade_by_hand(self.exchange, account, index, amount, now))

    def _halt(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol", "open")
        index = self._index(params)
        is_open = _flag(params, "open", usual=False)
        self.exchange.board.set_open(index, is_open, now)
        return {"symbol": self.exchange.instruments[index].symbol, "open": is_open}

    # --- instruments ------------------------------------------------------------------------------

    def _delist(self, params: Params, now: int) -> dict[str, Any]:
        """Cancels the symbol's orders, settles its positions and ends its trading. gone: it is no longer listed."""
        check_keys(params, "symbol", "gone")
        index = self._index(params)
        gone = _flag(params, "gone", usual=False)
        self.exchange.clearing.delist(index, now)
        if gone:
            self.exchange.board.set_listed(index, False, now)
        return self._instrument(index)

    def _list(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol")
        index = self._index(params)
        self.exchange.board.set_listed(index, True, now)
        self.exchange.board.set_open(index, True, now)
        return self._instrument(index)

    def _filter(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "symbol", "changes")
        index, changes = self._index(params), params.get("changes")
        if not isinstance(changes, dict) or not changes:
            raise BadConfig('changes is an object, such as {"tick": "0.5"}')
        changed_filters(self.exchange.instruments[index], changes)  # raises before the call is recorded
        self.exchange.board.change_instrument(index, changes)
        return self._instrument(index)

    def _brackets(self, params: Params, now: int) -> dict[str, Any]:
        """Sets brackets. rows: of notional_max, maintenance_rate and leverage_max, by rising notional."""
        check_keys(params, "symbol", "rows")
        index, rows = self._index(params), params.get("rows")
        if not isinstance(rows, list):
            raise BadConfig("rows is a list of brackets")
        changed_brackets(self.exchange.instruments[index], rows)  # raises before the call is recorded
        self.exchange.accounts.change_brackets(index, rows)
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
        """Begins maintenance: requests are refused in the venue's way, sockets close; `lasting`: its duration; without
        it the maintenance lasts until a call ends it."""
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
        self.exchange.board.set_maintenance(until, allow)
        if is_on:
            self.faulty.close_sockets("maintenance")
            if cancels:
                for account in self.exchange.accounts:
                    self.exchange.orders.cancel_all(account, now)
        return {"maintenance": is_on}

    # --- withdrawals and deposits -----------------------------------------------------------------

    def _outside(self, params: Params, now: int) -> dict[str, Any]:
        """Sets delays and failures of withdrawals and deposits. delay: until a withdrawal is sent on, and until a
        deposit is credited. fail: the number of the pending withdrawal that fails."""
        check_keys(params, "delay", "fail")
        delay, number = params.get("delay"), params.get("fail")
        if delay is not None and not isinstance(delay, str):
            raise BadConfig('delay is a duration, such as "30s"')
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise BadConfig("fail is the number of a withdrawal, the first is 1")
        if delay is not None:
            self.exchange.transfers.set_delay(parse_duration(delay))
        if number is not None:
            self.exchange.transfers.fail(number, now)
        return {
            "delay_ns": self.exchange.transfers.delay,
            "withdrawals": [
                {"number": each.number, "state": each.state, "txid": each.txid}
                for each in self.exchange.transfers.withdrawals
            ],
        }

    # --- keys -------------------------------------------------------------------------------------

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
        """Makes a further key of an account. The answer has its secret, unless the request has a public key."""
        check_keys(params, "account", "label", "kind", "public", "trade", "withdraw", "addresses")
        account = account_of(self.exchange, params.get("account"))
        label, kind = params.get("label"), params.get("kind", HMAC)
        public = params.get("public", "")
        if not isinstance(label, str) or not label:
            raise BadConfig("label is a name for the key")
        if kind not in KINDS or (kind != HMAC and not facts_of(self.faulty.kind).ed25519):
            raise BadConfig(f"no kind of key {kind!r} at {self.faulty.kind}")
        if not isinstance(public, str) or (public and kind == HMAC):
            raise BadConfig("public is the PEM of a key of Ed25519 or RSA")
        changes = self._rights(params)
        made = self.exchange.accounts.make_key(account, label, kind, public)
        self.exchange.accounts.change_key(made.key, **changes)
        return self._key_row(made) | self.exchange.accounts.secrets(made.secret)

    def _change_key(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "key", "trade", "withdraw", "addresses")
        key = self._key(params)
        self.exchange.accounts.change_key(key.key, **self._rights(params))
        return self._key_row(key)

    def _withdraw_key(self, params: Params, now: int) -> dict[str, Any]:
        check_keys(params, "key")
        key = self._key(params)
        self.exchange.accounts.revoke_key(key.key)
        return self._key_row(key)

    def _key(self, params: Params) -> ApiKey:
        found = self.exchange.accounts.keys.get(str(params.get("key")))
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
