"""Orders with a trigger through a gateway: the kind that the robot's frame carries goes to the
wire, wherever the price has gone since, and the venue's own rule meets what comes too late."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape.model.enums import RequestKind, Side, TriggerKind
from onetape.model.order import TRIGGER_KIND_SHIFT
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of

KINDS = (TriggerKind.STOP, TriggerKind.TAKE_PROFIT)
# The venue's word for each, and what it says of a trigger that is met on arrival.
WORDS = {
    "binance-usdm": (("STOP_MARKET", "TAKE_PROFIT_MARKET"), ["rejected"]),
    "kraken": (("stop-loss", "take-profit"), ["accepted", "triggered"]),
}


def said_of(home: Path, order_id: int, count: int) -> list[tuple[str, int]]:
    wait_for(lambda: len(news_of(home, order_id)) >= count)
    return news_of(home, order_id)


def waiting(kind: str, exchange) -> list[tuple[str, int]]:
    """(type, trigger) of what waits at the exchange."""
    account = exchange.accounts[0]
    if kind == "binance-usdm":
        return [(o.type, o.trigger) for o in exchange.conditionals.open_of(account)]
    return [(o.extra["ordertype"], o.trigger) for o in account.open_orders.values()]


@pytest.mark.parametrize("venue", WORDS)
def test_the_kind_of_a_robots_frame_reaches_the_wire(tmp_path, venue):
    words, beyond = WORDS[venue]
    with served(venue, seed=9, limits=False) as (dialect, port):
        exchange = dialect.exchange
        gateway = GatewayProcess(venue, tmp_path / "home", port, exchange.accounts[0])
        gateway.start()
        try:
            robot = Robot(tmp_path / "robot", gateway, 1)
            cases = product((Side.BUY, Side.SELL), KINDS, (True, False))
            for number, (side, kind, is_before) in enumerate(cases, 1):
                rises = (side is Side.BUY) == (kind is TriggerKind.STOP)
                # Far enough that the market does not come by, or is long past it.
                away = 0.03 if rises == is_before else -0.03
                tick = 10 ** (exchange.instruments[0].price_decimals)
                trigger = int(exchange.listings[0].last * (1 + away)) // tick * tick
                robot.request(
                    RequestKind.PLACE, robot.base + number, side, 0, kind.id << TRIGGER_KIND_SHIFT, trigger=trigger
                )

                wanted = ["accepted"] if is_before else beyond
                reported = said_of(gateway.home, robot.base + number, len(wanted))
                assert [word for word, _ in reported] == wanted, (side, kind, is_before)
                if is_before:
                    assert (words[KINDS.index(kind)], trigger) in waiting(venue, exchange)
                elif venue == "binance-usdm":
                    assert reported == [("rejected", 4109)]
            # Only what was before its trigger is there to wait.
            assert len(waiting(venue, exchange)) == 4
            number = robot.base + 9
            robot.request(RequestKind.PLACE, number, Side.SELL, 0, trigger=trigger)
            assert said_of(gateway.home, number, 1) == [("denied", 4101)]  # nobody guesses it
        finally:
            gateway.kill()
