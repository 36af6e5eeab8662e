"""A gateway's money on a journal, without a venue. Robots are numbered as their slots."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from accounts.booking_world import INSTRUMENTS
from onetape.accounts.kept_money import KeptMoney
from onetape.accounts.reductions import Reductions
from onetape.accounts.table import AccountTable
from onetape.gateway.account_money import AccountMoney
from onetape.options.gateway import GatewayOptions
from onetape.tape.journal import JournalWriter
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at


def options_of(home: Path | str = "", **changed: Any) -> GatewayOptions:
    """Returns those of the account `main` at a Binance that is not there."""
    usual = {"kind": "binance-usdm", "account": "main", "rest": "", "ws": "", "key": "", "secret": "", "symbols": []}
    return GatewayOptions(**{**usual, "home": str(home), **changed})


def money_of(options: GatewayOptions, kept: KeptMoney, writer: JournalWriter, **changed: Any) -> AccountMoney:
    """Returns money that is not recovered yet. changed: `say`, `stop`, `wall`."""
    money: AccountMoney
    reductions = Reductions(
        manager_at(BinanceUsdmProtocol("k", "s")),
        INSTRUMENTS,
        own=lambda *of: money.own(*of),
        slot_of=lambda robot: robot,
        bounds={},
        is_shared=True,
    )
    table = AccountTable(Path(options.home), venue="binance", account=options.account, kind=options.kind)
    usual = {"say": lambda out: None, "stop": lambda slots: None, "wall": time.time_ns}
    money = AccountMoney(kept, writer, table, reductions, slot_of=lambda robot: robot, **{**usual, **changed})
    return money
