"""The state shown by the control plane, and its routes: accounts, symbols, risk and the market."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from onetape.control import accounts
from onetape.control.call import Call, Handler
from onetape.control.risk import Risk
from onetape.figures.market import Market
from onetape.figures.views import Views
from onetape.hedge.model import LegView
from onetape.ipc.system import IPCCommandSystem
from onetape.model.sections import CONTROL, Config
from onetape.model.time import MS
from onetape.security.tokens import make_token
from onetape.web.control_models import (
    Alert,
    DeltaLeg,
    DeltaState,
    DeltaStatusReply,
    FailoverReply,
    FeedsReply,
    MarginMove,
    RiskMetrics,
    SymbolsReply,
    SyncReply,
)

__all__ = ["State"]

READ_WITHIN_S: Final = 1.0  # limit for the database
P = ParamSpec("P")
R = TypeVar("R")


class State:
    """Serves the routes that show accounts, symbols, risk and the market. stop: the alert of a stop of the system,
    while there is one. records: URL of the recorder's database, "": there is none."""

    def __init__(self, home: Path, config: Config, *, stop: Callable[[], Alert | None], records: str = "") -> None:
        make_token(home, CONTROL)
        self.commands = IPCCommandSystem(CONTROL, home=home)
        self.views = Views(config, home)
        self.risk = Risk(self.views, stop, records)
        self._database = ThreadPoolExecutor(1)  # a connection belongs to one thread, and the loop must not wait for it
        self.market = Market(self.views, self.commands)
        self.moving: Callable[[], list[MarginMove]] = list  # margin moves under way
        self.is_held: Callable[[str], bool] = lambda _symbol: False  # by automatic mode
        self._watch: asyncio.Task[None] | None = None
        self._is_fresh = False

    def start(self) -> None:
        self.commands.start()
        self._watch = asyncio.ensure_future(self.market.watch())

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self.commands.stop()
        await self._in_thread(self.risk.close)
        self._database.shutdown()
        self.views.close()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Returns the handlers by route."""
        return {
            "symbols": self._symbols,
            "delta_status": self._delta_status,
            "risk_metrics": self._metrics,
            "risk_history": self._history,
            "risk_alerts": self._alerts,
            "acknowledge_alert": self._acknowledge,
            "account_sync": self._sync,
            "market_feeds": self._feeds,
            "market_failover": self._failover,
        }

    def _refresh(self) -> None:
        """Reads new data once for all calls that are waiting in the loop. A call that comes after an answer was sent
        reads again, so that it sees at least the state of that answer."""
        if not self._is_fresh:
            self.views.refresh()
            self._is_fresh = True
            asyncio.get_running_loop().call_soon(self._outdate)

    def _outdate(self) -> None:
        self._is_fresh = False

    async def _symbols(self, call: Call) -> SymbolsReply:
        self._refresh()
        return SymbolsReply(symbols=self.views.symbols().shown())

    async def _delta_status(self, call: Call) -> DeltaStatusReply:
        views = self.views
        self._refresh()
        symbols = views.symbols()
        wanted, found = call.request.symbol, []
        for name in symbols.traded() if wanted is None else [wanted]:
            having = [account for account, each in symbols.of(name).items() if each is not None]
            legs = views.legs(name, having)
            net = sum(each.position for each in legs)
            shown = [self._leg(each) for each in legs]
            found.append(DeltaState(symbol=name, net_delta=float(net), legs=shown, automatic=self.is_held(name)))
        return DeltaStatusReply(timestamp=views.now // MS, symbols=found, transfers=self.moving())

    def _leg(self, leg: LegView) -> DeltaLeg:
        now = self.views.now
        ages = {name: at for name, at in (("account", leg.account_at), ("market", leg.market_at)) if at}
        return DeltaLeg(
            account_id=leg.account,
            symbol=leg.instrument.symbol,
            delta=float(leg.position),
            mark=float(leg.mark),
            utilization=float(leg.utilization),
            funding_rate=None if leg.funding_rate is None else float(leg.funding_rate),
            funding_at=leg.funding_at // MS or None,
            refusal=leg.refusal,
            ages={name: round((now - at) / MS, 3) for name, at in ages.items()},
        )

    async def _metrics(self, call: Call) -> RiskMetrics:
        self._refresh()
        account = call.path["accountId"]
        if (currency := self.risk.unread(account)) is not None:
            with suppress(TimeoutError):  # then the reply has the last drawdown that was read
                await asyncio.wait_for(self._in_thread(self.risk.read, account, currency), READ_WITHIN_S)
            self.views.refresh()
        return self.risk.metrics(account)

    async def _history(self, call: Call) -> list[RiskMetrics]:
        account, wanted = call.path["accountId"], call.request
        self._refresh()
        currency = self.risk.currency(account)
        return await self._in_thread(self.risk.history, account, wanted.limit, wanted.since, currency)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *args)

    async def _alerts(self, call: Call) -> list[Alert]:
        wanted = call.request
        return self.risk.alerts(wanted.account_id, wanted.severity, wanted.type, wanted.all)

    async def _acknowledge(self, call: Call) -> Alert:
        return await self.risk.acknowledge(self.commands, call.path["id"], call.operation or None)

    async def _sync(self, call: Call) -> SyncReply:
        return await accounts.sync(self.views, call.request, self.commands)

    async def _feeds(self, call: Call) -> FeedsReply:
        return await self.market.feeds()

    async def _failover(self, call: Call) -> FailoverReply:
        return await self.market.failover(call.request, call.operation)
