"""A gateway with two robots, each with a sub-account, on one account of the simulated exchange."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import count
from pathlib import Path

from exchange.venue_client import BinanceClient, Wire
from onetape.accounts import StrategyBalanceManager
from onetape.ipc.operator import send_command
from onetape.model.enums import OrderNews, RequestKind, Side
from onetape.model.errors import OrderOutcomeUnknown, StaleData, VenueUnavailable
from onetape.model.home import gateway_journal
from onetape.projections.robot_life import RobotLife
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.frames import FILL, NEWS, REQUEST
from worlds.gateway_process import GatewayProcess, Robot

IDS = count(1)
QUOTE = {"binance-usdm": "USDT", "kraken": "USD"}
EACH = 3000  # what a sub-account begins with
FLAGS = 9  # of a request's fields
WORKS = ("accepted", "found")
ENDED = ("denied", "rejected", "canceled", "absent")
MOMENTARY = {StaleData.code, VenueUnavailable.code, OrderOutcomeUnknown.code}


class NettingWorld:
    """names: of robots that the test writes for."""

    def __init__(
        self, tmp_path: Path, dialect, port: int, names: str = "ab", *, kind: str = "binance-usdm", **options
    ) -> None:
        self.home, self.port = tmp_path / ".onetape", port
        self.exchange, self.account = dialect.exchange, dialect.exchange.accounts[0]
        self.random = random.Random(5)
        self.gateway = GatewayProcess(
            kind, self.home, port, self.account, venue="here", subaccounts={"a": 2, "b": 3}, leverage=10, **options
        )
        make_token(self.home, "operator")
        self.gateway.start()
        for slot in (2, 3):
            self.allocate(slot, QUOTE[kind], EACH)
        self.robots = [Robot(tmp_path / name, self.gateway, 1, subaccount=name, name=name) for name in names]

    def allocate(self, slot: int, currency: str, amount: float) -> None:
        fields = {"currency": currency, "index": slot, "amount": amount}
        name = f"netting {next(IDS)}"
        (reported,) = send_command(self.home, "gateway:main", "allocate", fields, name)
        assert reported["status"] == "applied", reported

    def slots(self, currency: str) -> list[Decimal]:
        manager = StrategyBalanceManager("here", strategy_count=4, home=self.home, max_age=PATIENCE_S)
        return manager.get_all(currency)

    def close(self) -> None:
        self.gateway.kill()
        for robot in self.robots:
            robot.writer.close()

    def restart(self) -> None:
        """kill -9, and the next life."""
        self.gateway.kill()
        self.gateway.start()
        wait_for(lambda: self.gateway.ask("status")["ready"])

    @property
    def bid(self) -> int:
        return self.exchange.listings[0].bid

    def fills(self) -> list[tuple[int, int, int]]:
        """Of the tape: robot, signed size, order."""
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            received = [FILL.unpack(f.payload) for f in reader.frames(("fill",))]
        return [(f[11], f[5] * Side.from_id(f[8]).sign, f[0]) for f in received]

    def news(self, robot: Robot, order: int) -> list[tuple[str, int]]:
        """What the tape says of an order: words and codes."""
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            received = [NEWS.unpack(f.payload) for f in reader.frames(("order_event",))]
        mine = [n for n in received if (n[0], n[9]) == (order, robot.number)]
        return [(OrderNews.from_id(n[7]).value, n[6]) for n in mine]

    def rest(self, robot: Robot, side: Side, price: int, *, reduce_only: bool = False) -> int:
        """Places an order until one rests: where the machine is busy a gateway refuses for a moment (of an old market,
        of an answer that is late), and finds an order by asking whose answer it had given up."""
        refused: list[tuple[str, int]] = []

        def works() -> int:
            order = robot.place(side, price, reduce_only=reduce_only)
            said = wait_for(lambda: self._outcome(robot, order), lambda: (self.news(robot, order), refused))
            if said[0] in WORKS:
                return order
            assert said[1] in MOMENTARY, (said, refused)
            refused.append(said)
            return 0

        return int(wait_for(works, lambda: refused))

    def _outcome(self, robot: Robot, order: int) -> tuple[str, int] | None:
        return next((said for said in self.news(robot, order) if said[0] in WORKS or said[0] in ENDED), None)

    def filled(self, robot: Robot, order: int) -> int:
        return sum(abs(f[1]) for f in self.fills() if (f[0], f[2]) == (robot.number, order))

    def held(self) -> list[int]:
        """By the tape's fills: each robot's position, then the venue's."""
        own = [0, 0]
        for robot, signed, _ in self.fills():
            own[robot - 1] += signed
        return [*own, self.account.qty(0)]

    def flags(self, robot: Robot, order: int) -> int:
        return self.own_flags(robot.number, order)

    def own_flags(self, number: int, order: int) -> int:
        """With which an order's intent stands on the gateway's tape."""
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            received = [REQUEST.unpack(f.payload) for f in reader.frames(("order_request",))]
        (found,) = {
            t[FLAGS]
            for t in received
            if (t[0], t[12]) == (order, number) and RequestKind.from_id(t[5]) is RequestKind.PLACE
        }
        return found

    def client_id(self, robot: Robot, order: int) -> str:
        return RobotLife(robot.number, robot.name, 1, "").client_id(order)

    def at_venue(self, robot: Robot, order: int):
        name = self.client_id(robot, order)
        return next(o for o in self.account.by_id.values() if o.client_id == name)

    def fill_at_venue(self, robot: Robot, order: int) -> None:
        """Other hands move it to where the market is."""
        client = BinanceClient(Wire(self.port), self.account.key, self.account.secret)
        status, reported = client.ask(
            "PUT",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="SELL",
            quantity="0.010",
            price=str(self.exchange.instruments[0].price(self.bid - 500)),
            origClientOrderId=self.client_id(robot, order),
        )
        assert status == 200, reported
        wait_for(lambda: not self.at_venue(robot, order).is_open)
