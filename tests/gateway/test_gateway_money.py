"""Sub-accounts at a gateway: real processes and sockets, the simulated exchanges behind them."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import count

import msgspec
import pytest

from exchange.venue_client import served
from onetape.accounts import StrategyBalanceManager
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.ipc.operator import send_command
from onetape.model.enums import Side
from onetape.model.errors import InsufficientFunds
from onetape.model.home import gateway_journal
from onetape.model.money import money_units
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of

QUOTE = {"kraken": "USD", "binance-usdm": "USDT"}
IDS = count(1)


class World:
    """A gateway with two sub-accounts, a robot that trades with the first."""

    def __init__(self, kind, tmp_path, dialect, port, **options) -> None:
        self.kind, self.home = kind, tmp_path / "home"
        self.exchange, self.account = dialect.exchange, dialect.exchange.accounts[0]
        self.quote = QUOTE[kind]
        self.gateway = GatewayProcess(
            kind, self.home, port, self.account, venue="here", subaccounts={"a": 2, "b": 3}, leverage=10, **options
        )
        make_token(self.home, "operator")
        self.gateway.start()
        self.robots: list[Robot] = []

    def robot(self, path, subaccount: str) -> Robot:
        self.robots.append(Robot(path, self.gateway, 1, subaccount=subaccount))
        return self.robots[-1]

    def send(self, name: str, **fields) -> dict:
        (answer,) = send_command(self.home, "gateway:main", name, fields, f"test {next(IDS)}")
        return answer

    def slots(self, currency: str = "") -> list[Decimal]:
        manager = StrategyBalanceManager("here", strategy_count=4, home=self.home, max_age=PATIENCE_S)
        slots = manager.get_all(currency or self.quote)
        assert slots[0] == sum(slots[1:])
        return slots

    def entries(self) -> list:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            return [unpack(frame.payload) for frame in reader.frames(("entry",))]

    def at_venue(self, currency: str = "") -> Decimal:
        at = self.exchange.currencies.index(currency or self.quote)
        return Decimal(self.account.money.balance(at)).scaleb(-18)


@pytest.fixture(params=["kraken", "binance-usdm"])
def world(request, tmp_path):
    with served(request.param, seed=11, limits=False) as (dialect, port):
        made = World(request.param, tmp_path, dialect, port, check_every_ns=10**9)
        yield made
        made.gateway.kill()
        for robot in made.robots:
            robot.writer.close()


def settled(world: World) -> bool:
    status = world.gateway.ask("status")
    return not status["open"] and not status["reconciling"] and not status["differences"]


def test_a_robot_trades_with_its_own_money_and_a_kill_loses_none_of_it(world, tmp_path):
    total = world.slots()[0]
    assert world.send("allocate", currency=world.quote.lower(), index=2, amount=2000)["status"] == ("applied")
    assert world.slots() == [total, total - 2000, 2000, 0]
    robot = world.robot(tmp_path / "robot", "a")
    bid = world.exchange.listings[0].bid
    robot.place(Side.BUY, 0)  # 0.01, some 600
    wait_for(lambda: world.slots()[2] != 2000 and settled(world))
    slots = world.slots()
    assert (slots[1], slots[3]) == (total - 2000, 0)
    if world.kind != "kraken":
        assert slots[0] == world.at_venue()
    else:
        assert abs(slots[0] - world.at_venue()) < Decimal("1e-9")  # balances are told with ten decimals
        assert world.slots("BTC")[2] == Decimal("0.01")
        assert Decimal(1300) < slots[2] < Decimal(1500)
    # More than it has left: refused here, and the venue never hears of it.
    placed = len(world.account.by_id)
    wanted = [robot.place(Side.BUY, bid - 1000 - at) for at in range(40)]
    wait_for(lambda: all(news_of(world.home, order) for order in wanted))
    codes = [code for order in wanted for _, code in news_of(world.home, order)]
    assert codes.count(InsufficientFunds.code) > 0
    wait_for(lambda: len(world.account.by_id) - placed == codes.count(0))
    world.gateway.kill()
    world.gateway.start()
    wait_for(lambda: world.gateway.ask("status")["ready"])
    assert world.slots() == slots
    booked = [entry for entry in world.entries() if entry.cause is Cause.FILL]
    assert len({entry.reference for entry in booked}) == len(booked)
    assert not [entry for entry in world.entries() if entry.cause is Cause.CORRECTION]


def test_what_the_venue_changed_silently_is_one_correction_of_the_pool(world):
    total = world.slots()[0]
    world.send("allocate", currency=world.quote, index=2, amount=500)
    at = world.exchange.currencies.index(world.quote)
    world.account.money.deposit(at, money_units("-12.5"))
    wait_for(lambda: world.slots()[0] == total - Decimal("12.5"))
    time.sleep(2.5)  # two more checks
    assert world.slots() == [total - Decimal("12.5"), total - Decimal("512.5"), 500, 0]
    corrections = [entry for entry in world.entries() if entry.cause is Cause.CORRECTION]
    assert [entry.legs[0].amount for entry in corrections] == [money_units("-12.5")]
    assert world.gateway.ask("status")["money"]["unexplained"] == {world.quote: "-12.5"}


def test_an_allocation_that_is_not_backed_any_more_is_reset_and_its_orders_go(world, tmp_path):
    total = world.slots()[0]
    world.send("allocate", currency=world.quote, index=2, amount=str(total - 10))
    robot = world.robot(tmp_path / "robot", "a")
    bid = world.exchange.listings[0].bid
    resting = robot.place(Side.BUY, bid - 2000)
    wait_for(lambda: ("accepted", 0) in news_of(world.home, resting))
    at = world.exchange.currencies.index(world.quote)
    world.account.money.deposit(at, -money_units(total - 3000))
    wait_for(lambda: world.slots()[2] == 0)
    assert world.slots() == [3000, 3000, 0, 0]
    wait_for(lambda: ("canceled", 0) in news_of(world.home, resting))
    refused = robot.place(Side.BUY, bid - 2000)
    wait_for(lambda: ("denied", InsufficientFunds.code) in news_of(world.home, refused))
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        alerts = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("alert",))]
    assert [each for each in alerts if each["kind"] == "balance"]
    assert world.send("allocate", currency=world.quote, index=2, amount=1000)["status"] == "applied"
    second = robot.place(Side.BUY, bid - 2000)
    wait_for(lambda: ("accepted", 0) in news_of(world.home, second))


def test_what_orders_hold_is_not_released(world, tmp_path):
    world.send("allocate", currency=world.quote, index=2, amount=700)
    robot = world.robot(tmp_path / "robot", "a")
    bid = world.exchange.listings[0].bid
    resting = robot.place(Side.BUY, bid - 2000)
    wait_for(lambda: ("accepted", 0) in news_of(world.home, resting))
    answer = world.send("release", currency=world.quote, index=2, amount=690)
    assert answer["status"] == "refused"
    assert answer["error"]["name"] == "FUNDS_LOCKED"
    assert world.send("release", currency=world.quote, index=2, amount=50)["status"] == "applied"
    world.gateway.kill()
    world.gateway.start()
    answer = world.send("release", currency=world.quote, index=2, amount=640)
    assert answer["error"]["name"] == "FUNDS_LOCKED"


def test_a_slot_with_money_does_not_change_hands_by_configuration(world):
    world.send("allocate", currency=world.quote, index=2, amount=700)
    world.gateway.kill()
    world.gateway.options["subaccounts"] = {"a": 3, "b": 2}
    with pytest.raises(AssertionError, match="slot 2 holds money of 'a'"):
        world.gateway.start()
    world.gateway.process.wait(PATIENCE_S)
    world.gateway.options["subaccounts"] = {"a": 2, "c": 3}
    world.gateway.start()
    assert world.slots()[2] == 700
    answer = world.send("reset", currency=world.quote, amount=1000)
    assert answer["status"] == "applied"
    assert world.slots() == [1000, 1000, 0, 0]
