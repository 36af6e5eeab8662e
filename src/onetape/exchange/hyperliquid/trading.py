"""Hyperliquid: the actions: orders, cancels, changes, leverage and margin, and what only the main wallet may do.

Triggers wait in the matching engine under the id that they keep, and watch the mark. A change cancels an order and
places another one; that the old one is lost if the new one is refused is unverified, and so are texts that
`venues/hyperliquid/errors.py` marks. Sources: hyperliquid.gitbook.io "Exchange endpoint", "Order types", "Tick and lot
size", "Error responses", hyperliquid-python-sdk 0.24.0, as of 2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

from msgspec import structs

from onetape._core import plain_units
from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.access import VAULT, Access, Params
from onetape.exchange.hyperliquid.limits import Limits
from onetape.exchange.hyperliquid.public import PublicData
from onetape.exchange.hyperliquid.wire import Refused, mean_text, ms, price_text, size_text
from onetape.exchange.order_entry import NewOrder
from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    BY_CODE,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderBelowMinNotional,
    OrderWouldCross,
    PositionLimit,
    ReduceOnlyViolated,
)
from onetape.model.money import money_text, money_units
from onetape.venues.hyperliquid.errors import GONE
from onetape.venues.hyperliquid.instruments import is_price
from onetape.venues.hyperliquid.words import CURRENCY
from onetape.venues.typed_data import checked, is_address

__all__ = ["CANCELS", "Trading"]

SCHEDULE_LEAST_MS: Final = 5000
SCHEDULES_MAX: Final = 10  # a day
SCHEDULE_VOLUME: Final = 1_000_000  # USD
WITHDRAW_FEE: Final = 1  # USDC
AWAY_MOST: Final = Decimal("0.8")  # of a price from the mark
CANCELS: Final = frozenset({"cancel", "cancelByCloid", "scheduleCancel", "noop"})
_CLOID: Final = re.compile(r"0x[0-9a-fA-F]{32}\Z")
_TIFS: Final = {
    "Gtc": TimeInForce.GTC,
    "Ioc": TimeInForce.IOC,
    "Alo": TimeInForce.GTC,
    "FrontendMarket": TimeInForce.IOC,
}
_GROUPINGS: Final = ("na", "normalTpsl", "positionTpsl")
_REFUSALS: Final = {
    InsufficientFunds.code: "Insufficient margin to place order.",
    MarketDataUnavailable.code: "No liquidity available for market order.",
    OrderBelowMinNotional.code: "Order must have minimum value of $10.",
    PositionLimit.code: "Order would increase open interest too quickly.",
    ReduceOnlyViolated.code: "Reduce only order would increase position.",
}

_ABSTRACTIONS: Final = {"i": "disabled", "u": "unifiedAccount", "p": "portfolioMargin"}  # as an agent writes them

Handler = Callable[[SimAccount, Params, int], Any]
OK: Final = {"type": "default"}


class Trading:
    """Carries out the actions of one exchange, by their types."""

    def __init__(self, exchange: SimExchange, public: PublicData, access: Access, limits: Limits) -> None:
        self.exchange = exchange
        self.public = public
        self.access = access
        self.limits = limits
        self._scheduled: dict[tuple[int, int], int] = {}  # (account, day) -> how often the switch fired
        exchange.orders.watch(self)
        self.handlers: dict[str, Handler] = {
            "order": lambda a, p, n: self._statuses("order", self._orders(a, p, n)),
            "cancel": lambda a, p, n: self._cancels(a, p, n, self._by_number),
            "cancelByCloid": lambda a, p, n: self._cancels(a, p, n, self._by_cloid),
            "modify": lambda a, p, n: self._modified(a, [p], n),
            "batchModify": lambda a, p, n: self._modified(a, _list(p, "modifies"), n),
            "scheduleCancel": self._schedule,
            "updateLeverage": self._leverage,
            "updateIsolatedMargin": self._margin,
            "noop": lambda _a, _p, _n: OK,
            "setReferrer": lambda _a, _p, _n: OK,
            "reserveRequestWeight": self._reserve,
            "createSubAccount": self._create_sub,
            "subAccountTransfer": self._sub_transfer,
            "approveAgent": self._approve,
            "approveBuilderFee": lambda _a, _p, _n: OK,  # here builders get no fees
            "usdSend": self._send,
            "spotSend": self._spot_send,
            "usdClassTransfer": self._between_wallets,
            "subAccountSpotTransfer": self._sub_transfer,
            "createVault": self._create_vault,
            "vaultTransfer": self._vault_transfer,
            "userSetAbstraction": self._set_abstraction,
            "agentSetAbstraction": self._set_abstraction,
            "withdraw3": self._withdraw,
        }

    # --- terms ------------------------------------------------------------------------------------

    def _at(self, said: object) -> int:
        if type(said) is not int or said not in self.public.assets:
            raise Refused(f"Order has invalid asset={said}" if type(said) is int else Refused().text)
        return self.public.assets[said]

    def _contract(self, said: object) -> int:
        at = self._at(said)
        if at in self.public.pairs:
            raise Refused("Cannot change margin of a spot asset")
        return at

    def _asset(self, at: int) -> int:
        return next(asset for asset, each in self.public.assets.items() if each == at)

    def _price(self, at: int, said: object) -> int:
        """Returns a price in units. Raises Refused if it has too many figures."""
        i = self.exchange.instruments[at]
        units = _units(said, i.price_decimals)
        if not units or units % i.core.tick or not is_price(Decimal(str(said)), self.public.decimals(at)):
            raise Refused(f"Price must be divisible by tick size. asset={self._asset(at)}")
        return units

    def _size(self, at: int, said: object) -> int:
        i = self.exchange.instruments[at]
        units = _units(said, i.size_decimals)
        if units == 0:
            raise Refused(f"Order has zero size. asset={self._asset(at)}")
        if units is None or units % i.core.lot:
            raise Refused(f"Order has invalid size. asset={self._asset(at)}")
        return units

    def _terms(self, account: SimAccount, said: object, *, extra: dict[str, Any]) -> tuple[int, NewOrder]:
        """Returns (instrument, terms) of an order. Raises Refused."""
        if not isinstance(said, dict) or type(said.get("b")) is not bool or type(said.get("r")) is not bool:
            raise Refused
        kind, cloid = said.get("t"), said.get("c")
        limit: Any = kind.get("limit") if isinstance(kind, dict) else None
        trigger: Any = kind.get("trigger") if isinstance(kind, dict) else None
        if not isinstance(limit or trigger, dict) or (cloid is not None and not _is_cloid(cloid)):
            raise Refused
        at, side = self._at(said.get("a")), Side.BUY if said["b"] else Side.SELL
        price, size, name = self._price(at, said.get("p")), self._size(at, said.get("s")), (cloid or "").lower()
        self._check(account, at, side, price, size, reduces=said["r"])
        if name in account.by_client_id and account.by_client_id[name].is_open:
            raise Refused(f"Duplicate cloid asset={self._asset(at)}")
        if trigger:
            wanted = self._stop(at, side, price, trigger)
        elif limit["tif"] in _TIFS:
            tif = limit["tif"]
            wanted = NewOrder(
                side=side, type=OrderType.LIMIT, size=1, price=price, tif=_TIFS[tif], post_only=tif == "Alo"
            )
            extra = {**extra, "tif": tif}
        else:
            raise Refused
        more = {**wanted.extra, **extra}
        if at in self.public.pairs and side is Side.BUY:
            more["fee_in_base"] = True
        return at, structs.replace(wanted, size=size, reduce_only=said["r"], client_id=name, extra=more)

    def _check(self, account: SimAccount, at: int, side: Side, price: int, size: int, *, reduces: bool) -> None:
        """Raises Refused for an order of too little value, too far away, or that would not reduce."""
        i, mark = self.exchange.instruments[at], self.exchange.listings[at].valuation
        if not reduces and i.notional_units(price, size) < money_units(i.notional_min):
            least = f"10 {i.quote}" if i.kind is Kind.SPOT else "$10"
            raise Refused(f"Order must have minimum value of {least}. asset={self._asset(at)}")
        if mark and abs(Decimal(price) / mark - 1) > AWAY_MOST:
            raise Refused(f"Order price cannot be more than 80% away from the reference price. asset={self._asset(at)}")

    def _stop(self, at: int, side: Side, price: int, said: Params) -> NewOrder:
        """Returns the terms of an order with a trigger. One at the market is filled at any price here."""
        is_market, word = said.get("isMarket"), said.get("tpsl")
        if type(is_market) is not bool or word not in ("tp", "sl"):
            raise Refused
        stop, kind = (
            self._price(at, said.get("triggerPx")),
            TriggerKind.STOP if word == "sl" else TriggerKind.TAKE_PROFIT,
        )
        by = TriggerBy.LAST if at in self.public.pairs else TriggerBy.MARK
        mark, rises = self.exchange.board.price(at, by), (kind is TriggerKind.STOP) == (side is Side.BUY)
        if mark and (stop <= mark if rises else stop >= mark):
            raise Refused(f"Invalid TP/SL price. asset={self._asset(at)}")
        return NewOrder(
            side=side,
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
            size=1,
            price=0 if is_market else price,
            trigger=stop,
            trigger_by=by,
            trigger_kind=kind,
            extra={"limit": price},
        )

    # --- placing ----------------------------------------------------------------------------------

    def _orders(self, account: SimAccount, body: Params, now: int) -> list[Any]:
        rows, grouping = _list(body, "orders"), body.get("grouping")
        if grouping not in _GROUPINGS and not isinstance(grouping, dict):
            raise Refused
        if not account.can_trade:
            raise Refused("Trading is disabled for this account.")
        if grouping == "normalTpsl":
            return self._with_exits(account, rows, now)
        extra = {"exit": True, "whole": True} if grouping == "positionTpsl" else {}
        return [_or_error(partial(self._placed, account, row, now, extra)) for row in rows]

    def _with_exits(self, account: SimAccount, rows: list[Any], now: int) -> list[Any]:
        """Places an order, and the take profit and stop loss of the position that it opens."""
        first = _or_error(lambda: self._placed(account, rows[0], now, {}))
        found = [first]
        for row in rows[1:]:
            if isinstance(first, dict) and "error" in first:
                found.append({"error": "Main order was refused."})
            else:
                made = _or_error(partial(self._placed, account, row, now, {"exit": True}))
                waits = "waitingForTrigger" if "filled" in first else "waitingForFill"
                found.append(made if "error" in made else waits)
        return found

    def _placed(self, account: SimAccount, said: object, now: int, extra: dict[str, Any]) -> dict[str, Any]:
        at, wanted = self._terms(account, said, extra=extra)
        return self._entered(account, at, wanted, now)

    def _entered(self, account: SimAccount, at: int, wanted: NewOrder, now: int) -> dict[str, Any]:
        """Enters an order, and returns its state for the answer. Raises Refused for one that leaves no trace."""
        listing, i = self.exchange.listings[at], self.exchange.instruments[at]
        is_pair = at in self.public.pairs
        best = f"{price_text(i, listing.bid)}@{price_text(i, listing.ask)}"
        is_reducing = account.qty(at) * wanted.side.sign < 0 and not is_pair
        if wanted.reduce_only and not wanted.trigger and not is_reducing:
            raise Refused(f"{_REFUSALS[ReduceOnlyViolated.code]} asset={self._asset(at)}")
        order = self.exchange.orders.place(account, at, now, wanted)
        if order.state is OrderState.REJECTED:
            if order.code == OrderWouldCross.code:
                raise Refused(
                    f"Post only order would have immediately matched, bbo was {best}. asset={self._asset(at)}"
                )
            self.exchange.orders.drop(account, order)
            text = _REFUSALS.get(order.code, f"{BY_CODE[order.code].name if order.code in BY_CODE else 'Refused'}.")
            if is_pair and order.code == InsufficientFunds.code:
                text = "Insufficient spot balance"
            raise Refused(f"{text} asset={self._asset(at)}")
        if order.filled:
            filled = {"totalSz": size_text(i, order.filled), "avgPx": mean_text(i, order.cost, order.filled)}
            return {"filled": {**filled, "oid": order.id}}
        if not order.is_open:
            raise Refused(f"Order could not immediately match against any resting orders. asset={self._asset(at)}")
        return {"resting": {"oid": order.id, **({"cloid": order.client_id} if order.client_id else {})}}

    # --- canceling and changing -------------------------------------------------------------------

    def _by_number(self, account: SimAccount, said: Params) -> SimOrder | None:
        if type(said.get("o")) is not int:
            raise Refused
        return self._of(account.by_id.get(said["o"]), said.get("a"))

    def _by_cloid(self, account: SimAccount, said: Params) -> SimOrder | None:
        if not _is_cloid(said.get("cloid")):
            raise Refused
        return self._of(account.by_client_id.get(said["cloid"].lower()), said.get("asset"))

    def _of(self, order: SimOrder | None, asset: object) -> SimOrder | None:
        return order if order is not None and order.is_open and order.index == self._at(asset) else None

    def _cancels(
        self, account: SimAccount, body: Params, now: int, find: Callable[[SimAccount, Params], SimOrder | None]
    ) -> Params:
        found: list[Any] = []
        for row in _list(body, "cancels"):
            if not isinstance(row, dict):
                raise Refused
            order = find(account, row)
            if order is not None:
                self.exchange.orders.cancel(account, order, now)
            asset = row.get("a", row.get("asset"))
            found.append({"error": f"{GONE} asset={asset}"} if order is None else "success")
        return self._statuses("cancel", found)

    def _modified(self, account: SimAccount, rows: list[Any], now: int) -> Params:
        return self._statuses("order", [_or_error(partial(self._modify, account, row, now)) for row in rows])

    def _modify(self, account: SimAccount, row: Any, now: int) -> dict[str, Any]:
        if not isinstance(row, dict) or not isinstance(row.get("order"), dict):
            raise Refused
        oid, terms = row.get("oid"), row["order"]
        order = account.by_id.get(oid) if isinstance(oid, int) else account.by_client_id.get(str(oid).lower())
        if order is None or not order.is_open:
            raise Refused("Cannot modify canceled or filled order")
        self.exchange.orders.cancel(account, order, now)
        return self._placed(account, {**terms, "c": terms.get("c") or order.client_id or None}, now, {})

    def _schedule(self, account: SimAccount, body: Params, now: int) -> Params:
        """Arms the dead man's switch, which takes all orders along; without a time disarms it."""
        at, day = body.get("time"), (account.number, now // (86_400 * 10**9))
        if at is None:
            self.exchange.orders.dead_man(account, 0, now)
            return OK
        if type(at) is not int or at < ms(now) + SCHEDULE_LEAST_MS:
            raise Refused("Scheduled cancel time must be at least 5 seconds in the future")
        traded = self.limits.cap(account) - 10_000
        if traded < SCHEDULE_VOLUME:
            words = f"Required: ${SCHEDULE_VOLUME}. Traded: ${traded}."
            raise Refused(f"Cannot set scheduled cancel time until enough volume traded. {words}")
        if self._scheduled.get(day, 0) >= SCHEDULES_MAX:
            raise Refused("Too many scheduled cancels today")
        self._scheduled[day] = self._scheduled.get(day, 0) + 1
        self.exchange.orders.dead_man(account, at * 1_000_000 - now, now)
        return OK

    # --- the exchange's news ----------------------------------------------------------------------

    def on_ended(self, order: SimOrder, now: int) -> None:
        """Does nothing: what belongs to a position ends with it."""

    def on_flat(self, account: SimAccount, index: int, side: PositionSide, now: int) -> None:
        """Cancels take profit and stop loss of a closed position."""
        for order in list(account.open_orders.values()):
            if order.index == index and order.extra.get("exit"):
                self.exchange.orders.cancel_now(order, now, code=ReduceOnlyViolated.code)

    # --- leverage, margin, money ------------------------------------------------------------------

    def _leverage(self, account: SimAccount, body: Params, now: int) -> Params:
        at, wanted, is_cross = self._contract(body.get("asset")), body.get("leverage"), body.get("isCross")
        if type(wanted) is not int or type(is_cross) is not bool:
            raise Refused
        if not 1 <= wanted <= self.exchange.instruments[at].leverage:
            raise Refused("Invalid leverage value")
        before = account.leverage_of(at)
        if (at in account.isolated) is is_cross:
            if account.qty(at):
                raise Refused("Cannot switch leverage type with open position.")
            self.exchange.accounts.set_isolated(account, at, not is_cross, now)
        account.set_leverage(at, wanted)  # tried first, because a refusal must not be reported
        free = self._free(account)
        account.set_leverage(at, before)
        if free < 0:
            raise Refused("Insufficient margin to change leverage.")
        self.exchange.accounts.set_leverage(account, at, wanted, now)
        return OK

    def _margin(self, account: SimAccount, body: Params, now: int) -> Params:
        """Moves margin to an isolated position, or from it. ntli: 1e-6 USDC, signed."""
        at, units = self._contract(body.get("asset")), body.get("ntli")
        if type(units) is not int or not units:
            raise Refused
        if at not in account.isolated or not account.qty(at):
            raise Refused("Cannot update isolated margin: no isolated position.")
        if units * 10**12 > self._free(account):
            raise Refused("Insufficient margin to update isolated margin.")
        self.exchange.accounts.move_margin(account, at, PositionSide.BOTH, units * 10**12, now)
        return OK

    def _free(self, account: SimAccount, currency: str = CURRENCY) -> int:
        return int(account.money.available(self.exchange.currencies.index(currency)))

    def _reserve(self, account: SimAccount, body: Params, _now: int) -> Params:
        """Buys requests; what they cost is not charged here."""
        if type(body.get("weight")) is not int or body["weight"] <= 0:
            raise Refused
        self.limits.bought[account.key] = self.limits.bought.get(account.key, 0) + body["weight"]
        return OK

    def _create_sub(self, account: SimAccount, body: Params, _now: int) -> Params:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 16 or account.parent:
            raise Refused
        return {"type": "createSubAccount", "data": self._opened(account, name).key.lower()}

    def _opened(self, account: SimAccount, name: str) -> SimAccount:
        taken = sum(each.parent == account.key for each in self.exchange.accounts)
        address = checked(f"0x{(int(account.key, 16) + taken + 1) % 2**160:040x}")
        return self.exchange.accounts.open(name, address, "", {}, parent=account.key)

    def _create_vault(self, account: SimAccount, body: Params, now: int) -> Params:
        """Opens a vault, to which only its leader pays here."""
        name, units = body.get("name"), body.get("initialUsd")
        if not isinstance(name, str) or len(name) < 3 or type(units) is not int or account.parent:
            raise Refused
        self._check_free(account, CURRENCY, units * 10**12)
        vault = self._opened(account, name)
        self.exchange.accounts.set_level(vault, VAULT)
        self._pay(account, vault, CURRENCY, units * 10**12, now)
        return {"type": "createVault", "data": vault.key.lower()}

    def _vault_transfer(self, account: SimAccount, body: Params, now: int) -> Params:
        return self._to_or_from(account, body.get("vaultAddress"), body, CURRENCY, _micros(body), now)

    def _sub_transfer(self, account: SimAccount, body: Params, now: int) -> Params:
        """Moves USDC of perpetuals, or a spot balance, to or from a sub-account."""
        if "token" in body:
            money = self._token(account, body["token"]), _coins(body.get("amount"))
        else:
            money = CURRENCY, _micros(body)
        return self._to_or_from(account, body.get("subAccountUser"), body, *money, now)

    def _to_or_from(
        self, account: SimAccount, said: object, body: Params, currency: str, units: int, now: int
    ) -> Params:
        other = self._of_sub(account, said)
        source, target = (account, other) if body.get("isDeposit") else (other, account)
        self._check_free(source, currency, units)
        self._pay(source, target, currency, units, now)
        return OK

    def _of_sub(self, account: SimAccount, said: object) -> SimAccount:
        """Returns a sub-account or vault of an account. Raises Refused."""
        found = self.exchange.accounts.by_key.get(checked(str(said))) if _is_address(said) else None
        if found is None or found.parent != account.key:
            raise Refused
        return found

    def _check_free(self, account: SimAccount, currency: str, units: int) -> None:
        if not 0 < units <= self._free(account, currency):
            raise Refused("Insufficient balance for token transfer")

    def _pay(self, source: SimAccount, target: SimAccount, currency: str, units: int, now: int) -> None:
        if source.spot_money != target.spot_money and currency in (CURRENCY, source.spot_money):
            raise Refused("USDC between accounts of different abstraction is not available in this simulation")
        self.exchange.accounts.give(source, target.name, ("", ""), currency, money_text(units), "", now)

    def _token(self, account: SimAccount, said: object) -> str:
        """Returns the currency of a token, which is named `NAME:0x...`. Raises Refused."""
        name = said.partition(":")[0] if isinstance(said, str) else ""
        if name not in self.public.tokens:
            raise Refused
        return (account.spot_money or name) if name == CURRENCY else name

    def _paid(self, account: SimAccount, body: Params) -> int:
        """Returns an amount that the account can spare, 1e-18. Raises Refused."""
        units = _units(body.get("amount"), 6)
        if not units or not _is_address(body.get("destination")):
            raise Refused
        if units * 10**12 > self._free(account):
            raise Refused("Insufficient balance for withdrawal")
        return units * 10**12

    def _send(self, account: SimAccount, body: Params, now: int) -> Params:
        units, target = self._paid(account, body), self.access.account_at(body["destination"])
        self._pay(account, target, CURRENCY, units, now)
        return OK

    def _spot_send(self, account: SimAccount, body: Params, now: int) -> Params:
        currency, units = self._token(account, body.get("token")), _coins(body.get("amount"))
        target = self.access.account_at(body.get("destination"))
        self._check_free(account, currency, units)
        self._pay(account, target, currency, units, now)
        return OK

    def _between_wallets(self, account: SimAccount, body: Params, now: int) -> Params:
        """Moves USDC between the wallets of the account, or of a sub-account that the amount names."""
        amount, _, sub = str(body.get("amount")).partition(" subaccount:")
        units, is_to_perps = (_units(amount, 6) or 0) * 10**12, body.get("toPerp")
        if sub:
            account = self._of_sub(account, sub)
        if type(is_to_perps) is not bool:
            raise Refused
        if not account.spot_money:
            raise Refused("Action disabled when unified account is active")
        source, target = (account.spot_money, CURRENCY) if is_to_perps else (CURRENCY, account.spot_money)
        self._check_free(account, source, units)
        for currency, change in ((source, -units), (target, units)):
            self.exchange.accounts.deposit(account, currency, money_text(change), now, reason="transfer")
        return OK

    def _set_abstraction(self, account: SimAccount, body: Params, now: int) -> Params:
        """Makes the wallets one, which cannot be undone; without orders on spot here."""
        word = _ABSTRACTIONS.get(str(body.get("abstraction")), body.get("abstraction"))
        if word not in ("disabled", "unifiedAccount"):
            raise Refused(f"{word} is not available in this simulation")
        if word == "disabled" and not account.spot_money:
            raise Refused("Cannot disable a unified account")
        if any(each.index in self.public.pairs for each in account.open_orders.values()):
            raise Refused("Cannot change the account's abstraction with open spot orders")
        if word == "unifiedAccount" and account.spot_money:
            self.exchange.accounts.join_wallets(account, now)
        self.exchange.accounts.set_level(account, word)
        return OK

    def _withdraw(self, account: SimAccount, body: Params, now: int) -> Params:
        """Withdraws to a wallet on the chain; here the money leaves the exchange."""
        units = self._paid(account, body)
        if units <= WITHDRAW_FEE * 10**18:
            raise Refused("Insufficient balance for withdrawal")
        self.exchange.accounts.deposit(account, "USDC", money_text(-units), now, reason="withdrawal")
        return OK

    def _approve(self, account: SimAccount, body: Params, _now: int) -> Params:
        self.access.approve(account, body)
        return OK

    @staticmethod
    def _statuses(kind: str, found: list[Any]) -> Params:
        return {"type": kind, "data": {"statuses": found}}


def _or_error(make: Callable[[], Any]) -> Any:
    """Returns what it makes, or its refusal as a row of the answer. Raises Refused for malformed terms."""
    try:
        return make()
    except Refused as refused:
        if refused.status != 200:
            raise
        return {"error": refused.text}


def _micros(body: Params) -> int:
    """Returns the amount of an action, 1e-18, which names it in 1e-6 USD."""
    units = body.get("usd")
    if type(units) is not int or units <= 0:
        raise Refused
    return units * 10**12


def _coins(said: object) -> int:
    units = _units(said, 8)
    if not units:
        raise Refused
    return units * 10**10


def _list(body: Params, name: str) -> list[Any]:
    found = body.get(name)
    if not isinstance(found, list) or not found:
        raise Refused
    return found


def _is_cloid(said: object) -> bool:
    return isinstance(said, str) and _CLOID.match(said) is not None


def _is_address(said: object) -> bool:
    return isinstance(said, str) and is_address(said)


def _units(said: object, decimals: int) -> int | None:
    """Returns a number in units of 10**-decimals; None: it has more decimals. Raises Refused for what is no number."""
    units: Any = plain_units(said, decimals) if isinstance(said, str) else None
    if units is not None:
        return int(units) if units >= 0 else None
    try:
        value = Decimal(said) if isinstance(said, str) and len(said) <= 40 else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or abs(value.adjusted()) > 20:
        raise Refused
    scaled = value.scaleb(decimals)
    return int(scaled) if scaled >= 0 and scaled == scaled.to_integral_value() else None
