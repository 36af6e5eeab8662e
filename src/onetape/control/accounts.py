"""Compares accounts with their venues on request, each within its own time limit, and shows their state."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from onetape.figures.views import Views, main_coin
from onetape.hedge.model import LegView
from onetape.ipc.system import IPCCommandSystem
from onetape.model.decimals import decimal_text
from onetape.model.errors import ServiceTimeout
from onetape.model.symbol import exchange_of
from onetape.web.control_models import AccountState, AccountSync, SyncReply

__all__ = ["state_of", "sync"]

REUSED_MS: Final = 1000  # a comparison is reused for this long, and longer if it is expensive at the venue
LOOK_S: Final = 0.02  # between two checks whether a comparison has ended: a gateway's own tick


async def sync(views: Views, request: AccountSync, commands: IPCCommandSystem) -> SyncReply:
    """Requests a reconciliation of orders, positions and balances from each account's gateway, all at the same time,
    and returns the accounts' states. A gateway that exceeds its time has failed. Raises InvalidAccount."""
    views.refresh()
    accounts = list(dict.fromkeys(request.accounts))
    for account in accounts:
        views.symbols().check(account)
    began = time.monotonic()
    found = await asyncio.gather(*(_reconciled(commands, each, request.timeout / 1000) for each in accounts))
    views.refresh()
    ages = {name: each for name, each in zip(accounts, found, strict=True) if isinstance(each, int)}
    whys = {name: each for name, each in zip(accounts, found, strict=True) if not isinstance(each, int)}
    failed = list(whys)
    synced = [each for each in accounts if each not in failed]
    return SyncReply(
        success=not failed,
        synced_accounts=synced,
        failed_accounts=failed,
        sync_time=round((time.monotonic() - began) * 1000, 3),
        account_states=[
            structs.replace(
                state_of(views, each, has_positions=request.include_positions, has_balances=request.include_balances),
                ages={"reconciled": ages[each]},
            )
            for each in synced
        ],
        errors=[f"{name}: {why}" for name, why in whys.items()],
    )


async def _reconciled(commands: IPCCommandSystem, account: str, within_s: float) -> str | int:
    """Returns the age in ms of the comparison, once the gateway has ended one after the call or just before it, else
    the reason why not."""
    target, until = f"gateway:{account}", time.monotonic() + within_s
    answer = await commands.send_command(target, "reconcile", {"within_ms": REUSED_MS}, timeout=within_s)
    while answer.error is None:
        if (left := until - time.monotonic()) <= 0:
            return f"{ServiceTimeout.code} {target} has not finished comparing with its venue within {within_s:g} s"
        answer = await commands.send_command(target, "reconciled", {}, timeout=left)
        if answer.error is None and answer.result["reconciled"]:
            return int(answer.result["age_ms"])
        await asyncio.sleep(LOOK_S)
    return f"{answer.error['code']} {answer.error['message']}"


def state_of(views: Views, account: str, *, has_positions: bool = True, has_balances: bool = True) -> AccountState:
    """Returns an account's state as of the last refresh. Raises InvalidAccount."""
    held = views.held(account)
    found = views.figures(account)
    venue = views.config.accounts[account].venue
    first, net = main_coin(held) or (None, Decimal(0))
    money = views.any_leg(account)
    return AccountState(
        account_id=account,
        exchange=exchange_of(views.config.venues[venue].kind),
        total_balance=float(money.equity) if money else 0.0,
        available_balance=float(money.available) if money else 0.0,
        net_position=float(net),
        unrealized_pnl=float(money.unrealized) if money else 0.0,
        entry_price=float(first.entry) or None if first else None,
        current_price=float(first.mark) or None if first else None,
        leverage=float(first.leverage) if first else None,
        last_updated=found.at // 10**6,
        positions=[_position(each) for each in held] if has_positions else [],
        balances={name: decimal_text(total) for name, (total, _) in sorted(found.balances.items()) if total}
        if has_balances
        else {},
        unpriced=list(money.unpriced) if money else [],
    )


def _position(leg: LegView) -> dict[str, Any]:
    return {
        "symbol": leg.instrument.symbol,
        "coin": leg.instrument.base,
        "netPosition": float(leg.position),
        "entryPrice": float(leg.entry) or None,
        "currentPrice": float(leg.mark) or None,
    }
