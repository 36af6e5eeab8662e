"""Ids of orders do not repeat where counters are forgotten: in an empty home, or one restored from a backup, on the
same account. What the venue still has of the ids before is not taken for the orders of now."""

from __future__ import annotations

import shutil
import time

import pytest

from exchange.venue_client import served
from onetape.ipc.operator import send_command
from onetape.model.enums import Side
from onetape.model.errors import OrderOutcomeUnknown
from onetape.model.ids import epoch_of, parse_client_id
from onetape.venues.client_ids import client_id_of
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, news_of

LOST = '[[fault]]\npurpose = "place"\nnth = 2\naction = "drop_request"\n'
FAR = {
    "binance-usdm": 3000,
    "aster": 3000,
    "bitmex": 3000,
    "kraken": 30_000,
    "pacifica": 3000,
    "bybit": 3000,
    "hyperliquid": 3000,
    "okx": 3000,
    "binance-spot": 30_000,
}


class Life:
    """One life of a gateway with a robot, beside the operator."""

    def __init__(self, kind: str, home, port: int, dialect, journal) -> None:
        self.kind, self.dialect = kind, dialect
        self.account = dialect.exchange.accounts[0]
        self.gateway = GatewayProcess(kind, home, port, self.account)
        self.gateway.start()
        self.robot = Robot(journal, self.gateway, 1)

    @property
    def price(self) -> int:
        return self.dialect.exchange.listings[0].bid - FAR[self.kind]

    def by_robot(self, count: int = 1) -> list[tuple[str, int]]:
        """The news of an order, once it is placed or so many have come. One that a busy machine lets come while an
        order of the backup is still looked up is denied (4105): another follows."""

        while True:
            order = self.robot.place(Side.BUY, self.price)
            wait_for(lambda order=order: ("accepted", 0) in self.news(order) or len(self.news(order)) >= count)
            if self.news(order) != [("denied", OrderOutcomeUnknown.code)]:
                return self.news(order)
            time.sleep(0.1)

    def news(self, order: int) -> list[tuple[str, int]]:
        return news_of(self.gateway.home, order)

    def by_hand(self, id_: str) -> list[tuple[str, int]]:
        listing = self.dialect.exchange.listings[0].instrument
        symbol, size = TRADED[self.kind]
        qty, price = listing.size_text(size), listing.price_text(self.price)
        fields = {"symbol": symbol, "side": "buy", "qty": qty, "price": price}
        (reply,) = send_command(self.gateway.home, "gateway:main", "place", fields, id_)
        (order,) = reply["result"]["orders"]

        order_id = parse_client_id(order["client_id"]).order_id
        wait_for(lambda: self.news(order_id))
        return self.news(order_id)

    def names(self) -> list[str]:
        """Client ids of all orders that the venue has had."""
        return [client_id_of(order.client_id) for order in self.account.by_id.values()]

    def end(self) -> None:
        self.robot.cancel_all()
        send_command(self.gateway.home, "gateway:main", "cancel_all", {}, f"all {time.time_ns()}")
        wait_for(lambda: not self.account.open_orders)
        self.gateway.kill()
        self.robot.writer.close()
        ended = epoch_of(time.time_ns())
        wait_for(lambda: epoch_of(time.time_ns()) > ended)  # as long as a process takes to start


def homes(tmp_path, kind: str, *, is_backup: bool, faults: str = ""):
    """Two lives of one account: in a home that is lost, and in an empty or a restored one."""
    home, backup = tmp_path / "home", tmp_path / "backup"
    with served(kind, seed=5, limits=False, faults=faults) as (dialect, port):
        if is_backup:  # it knows of a life, and of what the robot and the operator were called
            former = Life(kind, home, port, dialect, tmp_path / "robot-0")
            former.by_robot()
            former.by_hand("former")
            former.end()
            shutil.copytree(home, backup, ignore=shutil.ignore_patterns("*.sock"))
        for number in (1, 2):
            life = Life(kind, home, port, dialect, tmp_path / f"robot-{number}")
            yield life
            life.end()
            shutil.rmtree(home)
            if is_backup:
                shutil.copytree(backup, home)


@pytest.mark.parametrize("is_backup", [False, True], ids=["empty", "restored"])
@pytest.mark.parametrize("kind", TRADED)
def test_no_id_repeats_in_another_home_of_the_account(tmp_path, kind, is_backup):
    for number, life in enumerate(homes(tmp_path, kind, is_backup=is_backup)):
        assert life.by_robot() == [("accepted", 0)]
        assert life.by_hand(f"h{number}") == [("accepted", 0)]
    names = life.names()
    assert len(set(names)) == len(names) == (6 if is_backup else 4)
    assert all(parse_client_id(name) is not None for name in names)


def test_what_the_venue_says_of_an_order_of_a_lost_home_is_not_taken_for_one_of_now(tmp_path):
    """Its request is lost on its way, and the venue is asked for its id."""
    news = [life.by_robot(2) for life in homes(tmp_path, "binance-usdm", is_backup=False, faults=LOST)]
    assert [[word for word, _ in each] for each in news] == [["accepted"], ["lost", "absent"]]
