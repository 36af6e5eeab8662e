"""An order by hand with stop and take-profits: its gateway keeps them at the venue, for what is held of the entry."""

from __future__ import annotations

import time

import msgspec
import pytest

from exchange.venue_client import BinanceClient, Wire, served
from onetape.ipc.operator import send_command
from onetape.model.errors import NotAvailable, OrderInvalid, UsageError
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import SYMBOL
from worlds.netting_world import NettingWorld

LADDER = [["1%", 0.5], ["2%", 0.25]]


class Desk(NettingWorld):
    def place(self, id_: str, **fields) -> dict:
        fields = {"symbol": SYMBOL, "side": "buy", "qty": "0.040", **fields}
        (reply,) = send_command(self.home, "gateway:main", "place", fields, id_)
        return reply

    def entered(self, id_: str = "e", **fields) -> dict:
        """A filled entry."""
        reply = self.place(id_, **fields)
        assert reply["status"] == "applied", reply
        (order,) = reply["result"]["orders"]
        wait_for(lambda: self.order(order["client_id"])["state"] == "FILLED", lambda: self.order(order["client_id"]))
        return order

    def order(self, name: str) -> dict:
        (reply,) = send_command(self.home, "gateway:main", "order", {"order": name}, f"o{time.monotonic_ns()}")
        return reply["result"]

    def legs(self) -> list[tuple[str, str, float]]:
        """Kind, side and quantity of what waits at the venue."""
        of = self.exchange.conditionals.open_of(self.account)
        return sorted((each.type, str(each.side), int(each.size) / 1000) for each in of)

    def names(self, kind: str) -> list[str]:
        return [each.client_id for each in self.exchange.conditionals.open_of(self.account) if each.type == kind]

    def sent(self, command: str, **fields) -> dict:
        (reply,) = send_command(self.home, "gateway:main", command, fields, f"c{time.monotonic_ns()}")
        assert reply["status"] == "applied", reply
        return reply

    def said(self) -> list[str]:
        with JournalReader(gateway_journal(self.home, "main")) as reader:
            records = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("health",))]
        return [each["state"] for each in records if each["kind"] == "bracket"]


@pytest.fixture
def world(tmp_path):
    with served("binance-usdm", seed=11, limits=False, rate=60.0) as (dialect, port):
        made = Desk(tmp_path, dialect, port, "a", commands="process")
        yield made
        made.close()


def stop(qty: float) -> tuple[str, str, float]:
    return "STOP_MARKET", "sell", qty


def take(qty: float) -> tuple[str, str, float]:
    return "TAKE_PROFIT_MARKET", "sell", qty


def test_each_leg_has_its_part_and_all_end_with_the_position(world):
    world.entered(stop_loss="3%", take_profit=LADDER)
    wait_for(lambda: world.legs() == [stop(0.04), take(0.01), take(0.02)], world.legs)
    (reply,) = send_command(world.home, "gateway:main", "close", {"symbol": SYMBOL}, "close")
    assert reply["status"] == "applied", reply
    wait_for(lambda: world.account.qty(0) == 0 and not world.legs(), world.legs)
    wait_for(lambda: world.said()[-1:] == ["over"], world.said)


def test_the_stop_shrinks_as_take_profits_fill_and_its_fill_ends_the_others(world):
    world.entered("beside")  # without levels: it is not protected by those of the other
    world.entered(stop_loss="3%", take_profit=[["0.005%", 0.5], ["4%", 0.25]])
    wait_for(lambda: world.account.qty(0) == 60)
    wait_for(lambda: world.legs() == [stop(0.02), take(0.01)], world.legs)
    world.entered("second", side="sell", stop_loss="0.003%", take_profit="4%", qty="0.140")
    # The account is short by 0.08: what the first entry protects is gone.
    wait_for(lambda: world.account.qty(0) == 0, world.legs)
    wait_for(lambda: not world.legs() and world.said().count("over") == 2, world.said)


def test_a_restarted_gateway_goes_on_with_the_legs(world):
    world.entered(stop_loss="3%", take_profit=[["4%", 0.25], ["5%", 0.75]])
    wait_for(lambda: world.legs() == [stop(0.04), take(0.01), take(0.03)], world.legs)
    world.gateway.kill()
    client = BinanceClient(Wire(world.port), world.account.key, world.account.secret)  # others sell a half meanwhile
    status, answer = client.ask(
        "POST", "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.020"
    )
    assert status == 200, answer
    world.gateway.start()
    wait_for(lambda: world.legs() == [stop(0.02), take(0.01), take(0.01)], world.legs)
    before = world.names("STOP_MARKET")
    world.restart()
    time.sleep(1.5)  # an order that is missing would be placed after a second
    assert world.legs() == [stop(0.02), take(0.01), take(0.01)] and world.names("STOP_MARKET") == before


def test_a_leg_that_the_operator_cancels_stays_away_and_one_that_others_cancel_comes_back(world):
    world.entered(stop_loss="3%", take_profit="4%")
    wait_for(lambda: world.legs() == [stop(0.04), take(0.04)], world.legs)
    (name,) = world.names("STOP_MARKET")
    client = BinanceClient(Wire(world.port), world.account.key, world.account.secret)
    status, answer = client.ask("DELETE", "/fapi/v1/algoOrder", clientAlgoId=name)
    assert status == 200, answer
    wait_for(lambda: world.legs() == [stop(0.04), take(0.04)] and world.names("STOP_MARKET") != [name], world.legs)
    (name,) = world.names("TAKE_PROFIT_MARKET")
    world.sent("cancel", order=name)
    wait_for(lambda: world.legs() == [stop(0.04)], world.legs)
    world.restart()
    time.sleep(1.5)  # an order that is missing would be placed after a second
    assert world.legs() == [stop(0.04)]
    world.sent("cancel", symbol=SYMBOL)
    wait_for(lambda: not world.legs(), world.legs)
    time.sleep(1.5)
    assert not world.legs()


def test_a_kill_leaves_the_position_its_stop(world):
    world.entered(stop_loss="3%")
    wait_for(lambda: world.legs() == [stop(0.04)], world.legs)
    (name,) = world.names("STOP_MARKET")
    world.sent("kill")
    wait_for(lambda: world.names("STOP_MARKET") not in ([], [name]), world.legs)


def test_an_entry_that_ends_unfilled_leaves_nothing(world):
    price = f"{(world.bid - 2000) / 10:.1f}"
    (order,) = world.place("e", price=price, stop_loss="3%")["result"]["orders"]
    world.sent("cancel", order=order["client_id"])
    wait_for(lambda: world.said() == ["over"], world.said)
    assert not world.legs()


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"stop_loss": "0.02", "price": "58000"}, OrderInvalid.code, "did you mean '2%'"),
        ({"stop_loss": "70000", "price": "58000"}, OrderInvalid.code, "wrong side"),
        ({"take_profit": "50000", "price": "58000"}, OrderInvalid.code, "wrong side"),
        ({"stop_loss": "100%"}, OrderInvalid.code, "less than 100%"),
        ({"take_profit": [["1%", 0.7], ["2%", 0.5]]}, OrderInvalid.code, "together at most 1"),
        ({"take_profit": [["1%", 0.01]]}, OrderInvalid.code, "less than one lot"),
        ({"take_profit": "near"}, OrderInvalid.code, "neither a price"),
        ({"stop_loss": "2%", "trigger_by": "moon"}, UsageError.code, "trigger_by"),
        ({"stop_loss": "2%", "reduce_only": True}, OrderInvalid.code, "only reduces"),
        ({"stop_loss": "2%", "orders": [{"qty": "0.010"}]}, NotAvailable.code, "several orders"),
    ],
)
def test_levels_that_cannot_protect_refuse_the_entry(world, fields, code, says):
    reply = world.place("e", **fields)
    assert reply["status"] == "refused" and reply["error"]["code"] == code, reply
    assert says in reply["error"]["message"]
    assert not world.account.by_id
