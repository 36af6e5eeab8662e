"""Kraken spot in front of a simulated exchange: routes, keys, signatures, nonces, limits.

Every answer is HTTP 200 with `error` and, if that is empty, `result`. Sources in the modules of each part.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.dialect import Reply, Request, Streamed, fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import ApiKey
from onetape.exchange.kraken.account import AccountData
from onetape.exchange.kraken.funding import WITHDRAWS, Funding
from onetape.exchange.kraken.limits import ORDER_METHODS, Limits
from onetape.exchange.kraken.public import PublicData
from onetape.exchange.kraken.socket import Socket
from onetape.exchange.kraken.terms import Params, check_deadline, text_of
from onetape.exchange.kraken.tokens import Tokens
from onetape.exchange.kraken.trading import Trading
from onetape.exchange.kraken.wire import Refused, parse_json, stamp
from onetape.exchange.kraken.words import KrakenWords
from onetape.venues.kraken.signing import api_sign

__all__ = ["KrakenSpot"]

PUBLIC: Final = "/0/public/"
PRIVATE: Final = "/0/private/"
NONCE_MAX: Final = 2**64

Public = Callable[[Params, int], Any]
Private = Callable[[SimAccount, Params, int], Any]


class KrakenSpot(Streamed):
    """Implements `Dialect`. limits: refuse excess requests, as the venue does."""

    vocabulary = KrakenWords

    def __init__(self, exchange: SimExchange, *, limits: bool = True) -> None:
        self.exchange = exchange
        self.skew = 0
        self.limits = Limits(limits)
        self.public = PublicData(exchange)
        self.trading = Trading(exchange, self.public, self.limits)
        self.account = AccountData(exchange, self.public)
        self.funding = Funding(exchange, self.public)
        self.tokens = Tokens(exchange.accounts.keys)
        self.streams = Socket(exchange, self.public, self.trading, self.tokens)
        self.nonces: dict[str, int] = {}
        self._open = self._public_routes()
        self._private = self._private_routes()
        self._keyed = self._key_routes()

    def addresses(self, host: str, port: int) -> tuple[str, str]:
        return f"http://{host}:{port}", f"ws://{host}:{port}/v2"

    # --- REST -------------------------------------------------------------------------------------

    def http(self, request: Request, now: int) -> Reply:
        try:
            result = self._route(request, now)
        except Refused as refused:
            return Reply.json({"error": [refused.text]})
        return Reply.json({"error": [], "result": result})

    def _route(self, request: Request, now: int) -> Any:
        path = request.path
        if path.startswith(PUBLIC):
            public = self._open.get(path.removeprefix(PUBLIC))
            if public is not None:
                return public({**fields(request.query), **self._body(request)}, now)
        elif path.startswith(PRIVATE):
            name = path.removeprefix(PRIVATE)
            private, keyed = self._private.get(name), self._keyed.get(name)
            if private is not None or keyed is not None:
                if request.method != "POST":
                    raise Refused("EGeneral:Invalid arguments")
                params = self._body(request)
                account = self._account(request, params, now)
                self.limits.spend(account.key, name, now)
                if private is not None:
                    return private(account, params, now)
                if keyed is not None:
                    return keyed(self.exchange.accounts.keys[request.headers["api-key"]], now)
        raise Refused("EGeneral:Unknown method")

    @staticmethod
    def _body(request: Request) -> Params:
        """Parses a form, or JSON."""
        try:
            text = request.body.decode()
        except UnicodeDecodeError:
            raise Refused("EGeneral:Invalid arguments") from None
        if not text.lstrip().startswith("{"):
            return dict(fields(text))
        found = parse_json(text)
        if not isinstance(found, dict):
            raise Refused("EGeneral:Invalid arguments")
        return found

    def _account(self, request: Request, params: Params, now: int) -> SimAccount:
        """Returns the account of the key, after checking key, signature and nonce in this order. Raises Refused."""
        name = request.headers.get("api-key", "")
        account, key = self.exchange.accounts.by_key.get(name), self.exchange.accounts.keys.get(name)
        if account is None or key is None or not key.is_allowed(request.peer):
            raise Refused("EAPI:Invalid key")
        text = text_of(params, "nonce")
        try:
            wanted = api_sign(key.secret, request.path, text, request.body)
        except ValueError:
            raise Refused("EAPI:Invalid key") from None
        signature = request.headers.get("api-sign", "")
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
            raise Refused("EAPI:Invalid signature")
        nonce = int(text) if text.isascii() and text.isdigit() and len(text) < 21 else -1
        if not self.nonces.get(name, -1) < nonce < NONCE_MAX:
            raise Refused("EAPI:Invalid nonce")
        self.nonces[name] = nonce
        if request.path.removeprefix(PRIVATE) in ORDER_METHODS and not key.can_trade:
            raise Refused("EGeneral:Permission denied")
        may_withdraw = key.can_withdraw or account.can_withdraw
        if request.path.removeprefix(PRIVATE) in WITHDRAWS and not may_withdraw:
            raise Refused("EGeneral:Permission denied")
        return account

    # --- routes -----------------------------------------------------------------------------------

    def _public_routes(self) -> dict[str, Public]:
        public = self.public
        return {
            "Time": lambda _p, now: public.time(now + self.skew),
            "SystemStatus": lambda _p, now: public.system_status(now),
            "Assets": lambda p, _n: public.assets(p),
            "AssetPairs": lambda p, _n: public.asset_pairs(p),
            "Ticker": public.ticker,
            "Depth": public.depth,
            "Trades": lambda p, _n: public.trades(p),
            "OHLC": lambda p, _n: public.ohlc(p),
            "Spread": public.spread,
        }

    def _private_routes(self) -> dict[str, Private]:
        trading, data = self.trading, self.account
        return {
            "AddOrder": trading.add_order,
            "AddOrderBatch": trading.add_batch,
            "AmendOrder": trading.amend_order,
            "EditOrder": trading.edit_order,
            "CancelOrder": trading.cancel_order,
            "CancelOrderBatch": trading.cancel_batch,
            "CancelAll": lambda a, _p, n: {"count": trading.cancel_all(a, n)},
            "CancelAllOrdersAfter": self._dead_man,
            "OpenOrders": lambda a, p, _n: data.open_orders(a, p),
            "ClosedOrders": lambda a, p, _n: data.closed_orders(a, p),
            "QueryOrders": lambda a, p, _n: data.query_orders(a, p),
            "TradesHistory": lambda a, p, _n: data.trades_history(a, p),
            "QueryTrades": lambda a, p, _n: data.query_trades(a, p),
            "Balance": lambda a, _p, _n: data.balance(a),
            "BalanceEx": lambda a, _p, _n: data.balance_ex(a),
            "TradeBalance": lambda a, p, _n: data.trade_balance(a, p),
            # There are no margin positions; the consolidated form is a list.
            "OpenPositions": lambda _a, p, _n: [] if text_of(p, "consolidation") else {},
            "Ledgers": lambda a, p, _n: data.ledgers(a, p),
            "QueryLedgers": lambda a, p, _n: data.query_ledgers(a, p),
            "TradeVolume": data.trade_volume,
            "WalletTransfer": self.funding.wallet_transfer,
            "DepositMethods": self.funding.deposit_methods,
            "WithdrawMethods": self.funding.withdraw_methods,
            "WithdrawInfo": self.funding.withdraw_info,
            "Withdraw": self.funding.withdraw,
            "WithdrawStatus": self.funding.withdraw_status,
            "DepositStatus": self.funding.deposit_status,
            "DepositAddresses": self.funding.deposit_addresses,
        }

    def _key_routes(self) -> dict[str, Callable[[ApiKey, int], Any]]:
        """Returns the routes for the key itself, not for its account."""
        return {
            "GetWebSocketsToken": self.tokens.issue,
            "GetApiKeyInfo": lambda key, _n: self.account.key_info(key, self.nonces[key.key]),
        }

    def _dead_man(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        check_deadline(params, now)
        due = self.trading.dead_man(account, text_of(params, "timeout"), now)
        return {"currentTime": stamp(now), "triggerTime": stamp(due) if due else "0"}
