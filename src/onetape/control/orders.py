"""Order entry over HTTP: places and cancels orders as `onetape buy`, `sell` and `cancel` do, through the gateway's
checks, and lists working orders, positions, fills and balances."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from onetape.clients.by_hand import ByHand
from onetape.control.call import Call, Handler
from onetape.control.desk import Gate, Tape
from onetape.control.desk_replies import number
from onetape.figures.views import Views
from onetape.model.decimals import decimal_text
from onetape.model.errors import BlockedByRiskAlert, OnetapeError, OrderInvalid, ServiceTimeout
from onetape.model.home import gateway_journal
from onetape.model.sections import CONTROL
from onetape.model.time import MS, SECOND
from onetape.projections.account import AccountState
from onetape.projections.account_balances import balances
from onetape.projections.account_views import positions
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import FollowedAccount
from onetape.web.control_models import (
    FILLS_MAX,
    Balance,
    CancelOrder,
    Fill,
    Listed,
    ListedBalances,
    ListedFills,
    Order,
    OrderReply,
    PlaceOrder,
    Position,
)

__all__ = ["OrderEntry"]

PLACED_WITHIN: Final = 5 * SECOND  # later the gateway places nothing: the caller has been told that it is too late
BEGUN: Final = "order_begun"  # kind of the record before an order is sent
BEGUN_MAX: Final = 1000  # records kept; operations before them have been answered
TIMED_OUT: Final = "GET /api/v1/orders shows the outcome; 5 s after the call the gateway does nothing more for it"
WORKERS: Final = 8  # calls that wait for gateways at the same time; others queue, as many as there are connections
P = ParamSpec("P")
R = TypeVar("R")


class OrderEntry:
    """Serves the routes of orders and positions. risk: the gate of alerts; tape: of the process; now: ns UTC."""

    def __init__(
        self, views: Views, risk: Gate, home: Path, tape: Tape, *, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._views, self._risk, self._home, self._tape, self._now = views, risk, home, tape, now
        # By operation: the time after which its order is not placed, ns UTC. A killed process resumes with it.
        self._begun: OrderedDict[str, int] = OrderedDict()
        for each in tape.read():
            if each.record.get("kind") == BEGUN:
                self._note(each.record["operation"], each.record["until"])
        self._followed: dict[str, FollowedAccount] = {}
        self._senders, self._reader = ThreadPoolExecutor(WORKERS), ThreadPoolExecutor(1)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Returns the handlers by route."""
        return {
            "place_order": self._place,
            "cancel_order": self._cancel,
            "orders": self._orders,
            "positions": self._positions,
            "fills": self._fills,
            "balances": self._balances,
        }

    def has_begun(self, operation: str) -> bool:
        """Tells whether an operation may have sent its order."""
        return operation in self._begun

    async def close(self) -> None:
        """Ends without waiting for gateways: operations without an answer continue in the next run."""
        self._senders.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown()
        for each in self._followed.values():
            each.close()

    # --- trading ----------------------------------------------------------------------------------

    async def _place(self, call: Call) -> OrderReply:
        request: PlaceOrder = call.request
        fields = _fields(request)
        self._views.refresh()
        account, symbols = request.account, self._views.symbols()
        symbol = symbols.on(request.symbol, [account])[account].symbol
        blocked: list[OnetapeError] = []
        if not self.has_begun(call.operation):
            try:
                self._risk.gate([account], _reduces(request))
            except BlockedByRiskAlert as error:
                if not request.dry_run:
                    raise
                blocked.append(error)
        if not request.dry_run:
            fields["until_ns"] = self._begin(call.operation)
        done = ByHand(self._home, self._views.config, call.operation, actor=CONTROL)
        await _in(self._senders, _carry_out, done, partial(done.place, symbol, account, fields))
        self._begun.pop(call.operation, None)
        return self._reply(call, done, blocked)

    async def _cancel(self, call: Call) -> OrderReply:
        request: CancelOrder = call.request
        if request.account:
            self._views.symbols().check(request.account)
        done = ByHand(self._home, self._views.config, call.operation, actor=CONTROL)
        work = partial(
            done.cancel, call.path["id"], "", request.account or "", everything=False, dry_run=request.dry_run
        )
        await _in(self._senders, _carry_out, done, work)
        return self._reply(call, done, [])

    def _begin(self, operation: str) -> int:
        """Returns until when the order may be placed, ns UTC; the same for an operation that a killed process began."""
        if not self.has_begun(operation):
            until = self._now() + PLACED_WITHIN
            self._tape.append({"operation": operation, "kind": BEGUN, "until": until})
            self._note(operation, until)
        return self._begun[operation]

    def _note(self, operation: str, until: int) -> None:
        self._begun[operation] = until
        if len(self._begun) > BEGUN_MAX:
            self._begun.popitem(last=False)

    def _reply(self, call: Call, done: ByHand, blocked: list[OnetapeError]) -> OrderReply:
        """Makes the reply. Raises the refusal if there is neither an order nor a check to show."""
        value, is_dry = done.value, call.request.dry_run
        if done.error is not None:
            if not value["orders"] and not value["checks"]:
                if isinstance(done.error, ServiceTimeout):
                    raise ServiceTimeout(done.error.what, todo=TIMED_OUT)
                raise done.error
            blocked = [*blocked, done.error]
        error = blocked[0] if blocked else None
        return OrderReply(
            success=error is None,
            operation_id=call.operation,
            timestamp=self._now() // MS,
            status="refused" if error is not None else "passed" if is_dry else "applied",
            orders=[_order(row) for row in value["orders"]],
            checks=value["checks"],
            blocked=[{"code": each.code, "error": each.what} for each in blocked],
            error=None if error is None else error.what,
            code=None if error is None or is_dry else error.code,
        )

    # --- reading ----------------------------------------------------------------------------------

    async def _orders(self, call: Call) -> list[Order]:
        accounts, keeps = self._filter(call.request)
        rows = await _in(self._reader, self._working, accounts)
        return [_order(row) for row in rows if keeps(row)]

    def _working(self, accounts: list[str]) -> list[dict[str, Any]]:
        """Returns the working orders of accounts, the oldest first."""
        rows = [row for name in accounts for row in self._view(name).orders(name)]
        return sorted(rows, key=lambda row: int(row["ts_created"]))

    def _view(self, account: str) -> AccountState:
        """Returns the account's state by the end of its journal now."""
        if (followed := self._followed.get(account)) is None:
            path, file = gateway_journal(self._home, account), checkpoint_file(self._home, account)
            followed = self._followed[account] = FollowedAccount(path, file, fills_max=FILLS_MAX)
        followed.take()
        return followed.view

    async def _positions(self, call: Call) -> list[Position]:
        accounts, keeps = self._filter(call.request)
        rows = await _in(self._reader, positions, self._home, self._views.config)
        return [_position(row) for row in rows if row["account"] in accounts and keeps(row)]

    async def _fills(self, call: Call) -> list[Fill]:
        request: ListedFills = call.request
        accounts, keeps = self._filter(request)
        since = -1 if request.since is None else request.since * MS
        rows = await _in(self._reader, self._filled, accounts)
        return [_fill(row) for row in rows if keeps(row) and int(row["ts_event"]) > since][-request.limit :]

    def _filled(self, accounts: list[str]) -> list[dict[str, Any]]:
        """Returns the newest fills of accounts, the newest last."""
        rows = [row for name in accounts for row in self._view(name).fills(name)]
        return sorted(rows, key=lambda row: int(row["ts_event"]))

    async def _balances(self, call: Call) -> list[Balance]:
        request: ListedBalances = call.request
        accounts, _ = self._filter(Listed(account=request.account))
        rows = await _in(self._reader, balances, self._home, self._views.config)
        return [_balance(row) for row in rows if row["account"] in accounts]

    def _filter(self, request: Listed) -> tuple[list[str], Callable[[dict[str, Any]], bool]]:
        """Returns the accounts of a list, and which of their rows it has. Raises InvalidAccount, UnknownSymbol."""
        self._views.refresh()
        symbols = self._views.symbols()
        if request.account is not None:
            symbols.check(request.account)
        accounts = self._views.accounts() if request.account is None else [request.account]
        if request.symbol is None:
            return accounts, lambda row: True
        own = {name: each.symbol for name, each in symbols.of(request.symbol).items() if each is not None}
        return accounts, lambda row: row["symbol"] == own.get(row["account"])


async def _in(pool: ThreadPoolExecutor, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *args)


def _carry_out(done: ByHand, work: Callable[[], None]) -> None:
    """Does the work; an error after an order was placed does not hide the order."""
    try:
        work()
    except OnetapeError as error:
        done.error = error


def _reduces(request: PlaceOrder) -> bool:
    """Tells whether an order can only reduce a position: it is marked so, or closes a side in hedge mode."""
    return request.reduce_only or (request.side, request.position_side) in (("sell", "long"), ("buy", "short"))


def _fields(request: PlaceOrder) -> dict[str, Any]:
    """Returns the fields of a gateway's command. Raises OrderInvalid."""
    if request.type is not None and (request.type == "limit") is (request.price is None):
        raise OrderInvalid("a limit order has a price, a market order has none", location="price")
    if (request.trigger is None) is not (request.kind is None):
        raise OrderInvalid("a trigger has a kind: stop or take_profit", location="kind")
    fields: dict[str, Any] = {
        "side": request.side,
        "qty": _text(request.quantity),
        "tif": request.time_in_force.lower(),
        "post_only": request.post_only,
        "reduce_only": request.reduce_only,
        "position_side": request.position_side,
        "dry_run": request.dry_run,
    }
    if request.price is not None:
        fields["price"] = _text(request.price)
    if request.expire is not None:
        fields["expire_ns"] = request.expire * MS
    if request.stop_loss is not None:
        fields["stop_loss"] = _level(request.stop_loss)
    if isinstance(take := request.take_profit, list):
        fields["take_profit"] = [[_level(level), _text(share)] for level, share in take]
    elif take is not None:
        fields["take_profit"] = _level(take)
    if fields.keys() & {"stop_loss", "take_profit"}:
        fields["trigger_by"] = request.trigger_by
    if request.trigger is not None:
        fields |= {"trigger": _text(request.trigger), "trigger_by": request.trigger_by, "kind": request.kind}
    return fields


def _text(value: float) -> str:
    return decimal_text(number(value))


def _level(value: float | str) -> str:
    return value if isinstance(value, str) else _text(value)


def _order(row: Mapping[str, Any]) -> Order:
    """Makes an order of its row; one that ended long ago has its name and state alone."""
    same = (
        *("account", "symbol", "side", "position_side", "type", "price", "trigger", "filled", "remaining"),
        *("code", "reason", "robot", "tag"),
    )
    named = {"kind": "kind", "average_price": "average_price", "qty": "quantity"}
    return Order(
        order_id=row["client_id"],
        state=row["state"],
        venue_id=row.get("venue_id") or None,
        created=row["ts_created"] // MS if "ts_created" in row else None,
        **{name: row[name] for name in same if name in row},
        **{new: row[name] for name, new in named.items() if name in row},
    )


def _position(row: Mapping[str, Any]) -> Position:
    same = ("account", "symbol", "side", "entry_price", "price", "unrealized", "realized", "currency", "alive")
    return Position(quantity=row["qty"], **{name: row[name] for name in same})


def _fill(row: Mapping[str, Any]) -> Fill:
    same = (
        *("id", "account", "symbol", "side", "position_side", "price", "fee", "fee_currency", "liquidity", "internal"),
        "robot",
    )
    return Fill(
        order_id=row["client_id"],
        quantity=row["qty"],
        timestamp=row["ts_event"] // MS,
        **{name: row[name] for name in same},
    )


def _balance(row: Mapping[str, Any]) -> Balance:
    same = ("venue", "account", "currency", "total", "available", "locked", "subaccounts", "alive")
    return Balance(data_age=row["data_age_ms"], **{name: row[name] for name in same})
