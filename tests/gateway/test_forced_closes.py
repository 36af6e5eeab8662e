"""What the venue closes by itself is borne by those who held, and so it stays after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.booking_world import INSTRUMENTS, LINEAR, UNIT, fill_of
from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.kept_money import KeptMoney
from onetape.model.enums import PositionSide
from onetape.model.order import OrderSpec
from onetape.orders.managed import FillOut, HealthOut
from onetape.orders.order import Order
from onetape.orders.reports import BalanceReport, FillReport
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.binance.family import BINANCE
from worlds.gateway_money import money_of, options_of

A, B = 2, 3
BOTH = PositionSide.BOTH


class Gateway:
    """An account's money on a journal, without a venue. Robots are numbered as their slots."""

    def __init__(self, home: Path, name: str) -> None:
        options = options_of(home, account=name, symbols=[LINEAR], subaccounts={"a": A, "b": B})
        self.tape = home / name
        self.writer = JournalWriter(self.tape)
        self.kept = KeptMoney(options, INSTRUMENTS, {}, lambda currency: 0)
        self.said: list[HealthOut] = []
        self.money = money_of(options, self.kept, self.writer, say=self.said.append)

    def close(self) -> None:
        self.money.close()
        self.writer.close()

    def fill(self, fill: FillReport, slot: int, sequence: int) -> None:
        """Of a robot's order, or of another hand's."""
        spec = OrderSpec(symbol=fill.symbol, side=fill.side, size_int=fill.size, price_int=fill.price)
        order = Order(slot, 1, spec)
        is_forced = fill.client_id.startswith(BINANCE.traits.forced)
        self.money.fill(FillOut(order if slot > MAIN else None, fill, is_forced), sequence)

    def state(self) -> dict[int, tuple[int, int, int]]:
        """Of each slot: position, balance, what is held."""
        money = self.money
        return {
            slot: (held.qty, money.ledger.balance("USDT", slot), money.reserves.held("USDT", slot))
            for (slot, _, _), held in sorted(money.booking.positions.items())
        }


@pytest.mark.parametrize(
    ("client_id", "why", "severity"),
    [
        ("autoclose-17", "liquidation", "critical"),
        ("adl_autoclose", "auto-deleveraging", "critical"),
        ("settlement_autoclose-9", "settlement", "warning"),
    ],
)
def test_a_forced_close_is_told_with_its_price_and_what_was_lost(tmp_path, client_id, why, severity):
    gateway = Gateway(tmp_path, "one")
    gateway.money.begin({"USDT": BalanceReport("USDT", 1000 * UNIT, 1)}, is_other=False)
    gateway.fill(fill_of(LINEAR, "+3@100", trade=1), A, 101)
    gateway.fill(fill_of(LINEAR, "-2@90", trade=2, client_id=client_id)._replace(fee=UNIT // 2), MAIN, 102)
    words = f"{why}: the venue has closed 2 long at 90, 1 is left; lost 20 USDT, fee 0.5"
    assert [each for each in gateway.said if each.kind == "forced close"] == [
        HealthOut("forced close", LINEAR, words, severity)
    ]
    gateway.close()


@pytest.mark.parametrize("client_id", ["autoclose-17", "adl_autoclose", "settlement_autoclose-9"])
def test_a_forced_close_is_shared_also_after_a_restart(tmp_path: Path, client_id: str):
    gateway = Gateway(tmp_path, "one")
    money = gateway.money
    money.begin({"USDT": BalanceReport("USDT", 1000 * UNIT, 1)}, is_other=False)
    heard: list[tuple[FillReport, int, int]] = []
    for trade, (slot, text) in enumerate([(A, "+3@100"), (B, "+1@100"), (MAIN, "-1@100")], 1):
        fill = fill_of(LINEAR, text, trade=trade)
        gateway.fill(fill, slot, 100 + trade)
        heard.append((fill, slot, 100 + trade))
    closed = fill_of(LINEAR, "-2@90", trade=9, client_id=client_id)
    gateway.fill(closed, MAIN, 109)
    heard.append((closed._replace(client_id="foreign"), MAIN, 109))  # as the tape has it
    other = fill_of(LINEAR, "+1@90", trade=10, client_id="web_1")
    gateway.fill(other, MAIN, 110)
    heard.append((other, MAIN, 110))
    state = gateway.state()
    assert {slot: row[0] for slot, row in state.items()} == {MAIN: 0, A: 1500, B: 500}
    assert (state[A][1], state[B][1]) == (-15 * UNIT, -5 * UNIT)
    assert (state[A][2], state[B][2]) == (150 * UNIT, 50 * UNIT)
    assert money.ledger.balance("USDT", TOTAL) == money.ledger.total("USDT")
    gateway.close()

    with JournalReader(gateway.tape) as reader:
        payloads = [frame.payload for frame in reader.frames(["entry"])]
    assert len(payloads) == 6
    second = Gateway(tmp_path, "two")
    kept = second.kept
    kept.entry(payloads[0])
    for row, payload in zip(heard, payloads[1:], strict=True):
        kept.fills.fill(*row)
        kept.entry(payload)
    second.money.recover()
    assert second.state() == state
    second.close()
