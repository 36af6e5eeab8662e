"""A gateway's tape without a gateway."""

from __future__ import annotations

from collections.abc import Sequence

from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.checkpoint import Recovered
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.instrument import Instrument
from onetape.orders.manager import OrderManager
from onetape.tape.journal import JournalWriter
from onetape.venues.binance.trading import BinanceUsdmProtocol
from orders.surroundings import manager_at
from worlds.gateway_money import options_of


def manager_of(*instruments: Instrument) -> OrderManager:
    protocol = BinanceUsdmProtocol("k", "s")
    protocol.set_instruments(list(instruments))
    return manager_at(protocol)


def tape_after(recovered: Recovered, writer: JournalWriter, instruments: Sequence[Instrument]) -> GatewayTape:
    """Goes on with what was read."""
    account = recovered.account
    return GatewayTape(writer, instruments, account.parts, recovered.state, account.currencies)


def first_tape(writer: JournalWriter, instruments: Sequence[Instrument]) -> GatewayTape:
    """Begins a journal."""
    kept = KeptMoney(options_of(), {}, {}, lambda currency: 0)
    return tape_after(Recovered.nothing(manager_of().account, kept), writer, instruments)
