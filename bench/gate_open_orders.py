"""What the gate costs of an order while others are open at the same venue, in the same symbol, on
both sides: it must not grow with their number.

Before each question one of the open orders has changed, as it is where orders trade.

    python bench/gate_open_orders.py [--count 5000]
"""

from __future__ import annotations

import argparse
import json
import time

from onetape.model.catalogue import find
from onetape.model.enums import RequestKind, Side
from onetape.model.order import OrderSpec
from onetape.orders.account_orders import AccountOrders
from onetape.orders.gate import Gate, Limits
from onetape.orders.halts import Halts
from onetape.orders.managed import Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.trading_state import Surroundings
from onetape.venues.binance.trading import BinanceUsdmProtocol

SYMBOL = "binance:BTC/USDT:USDT"
OPEN = (1, 100, 1000)
MIDDLE = 600_000


class Desk:
    """A gate, and a manager with so many orders that the venue has accepted."""

    def __init__(self, count: int) -> None:
        instrument = find(SYMBOL)
        assert instrument is not None
        protocol = BinanceUsdmProtocol("k" * 64, "s" * 64)
        protocol.set_instruments([instrument])
        self.manager = OrderManager(AccountOrders(protocol), self, {SYMBOL: MIDDLE})
        limits = Limits(position_max={SYMBOL: 10**9})
        around = Surroundings(
            strategy_of=lambda robot: "main",
            takes_off_own=lambda *_: True,
            adds_to_own=lambda *_: True,
            silent_ns=lambda symbol: 0,
            silent_max_ns=lambda symbol: 0,
            decision_max_ns=0,
            in_front=lambda *_: 0,
            is_guarded=False,
            shares=None,
        )
        self.gate = Gate(self.manager, {SYMBOL: instrument}, limits, Halts(), around, ready=True)
        now = time.time_ns()
        for number in range(count):
            side = (Side.BUY, Side.SELL)[number % 2]
            spec = OrderSpec(symbol=SYMBOL, side=side, size_int=10, price_int=MIDDLE - side.sign * (10 + number))
            request = Request(1, RequestKind.PLACE, number + 1, spec)
            self.manager.submit(f"o{number}", request, now)
            self.manager.answered(self.manager.calls.pop(), Answer(Outcome.DONE), now)
        self.manager.outs.clear()
        self.orders = list(self.manager.open.values())

    def owner_of(self, name: str) -> None:
        """Its orders are all on its tape."""

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        return False

    def ask(self, number: int) -> int:
        """ns of one question, and of knowing what is due next."""
        self.orders[number % len(self.orders)].asks = number  # one has changed
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=10, price_int=MIDDLE)
        now = time.time_ns()
        began = time.perf_counter_ns()
        refusal = self.gate.refusal(spec, now)
        due = self.manager.next_due
        spent = time.perf_counter_ns() - began
        if refusal is not None or due < now:
            raise SystemExit(f"not as it should be: {refusal}, {due}")
        return spent


def measure(count: int) -> dict[int, float]:
    """Median us, by the number of open orders; in turn, so that all meet the same machine."""
    desks = {count: Desk(count) for count in OPEN}
    samples: dict[int, list[int]] = {count: [] for count in OPEN}
    for number in range(count):
        for count, desk in desks.items():
            samples[count].append(desk.ask(number))
    return {count: sorted(found)[len(found) // 2] / 1000 for count, found in samples.items()}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=5000)
    found = measure(options.parse_args().count)
    print(
        json.dumps(
            {
                "figures": [
                    {
                        "name": f"pre-trade checks, {count:,} orders open",
                        "unit": "us",
                        "better": "less",
                        "value": value,
                        "against": {"name": "with one order open", "value": found[1]} if count > 1 else None,
                    }
                    for count, value in found.items()
                ]
            }
        )
    )


if __name__ == "__main__":
    main()
