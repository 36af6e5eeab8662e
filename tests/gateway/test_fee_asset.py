"""What fees are paid in is bought when it runs out, and whatever goes wrong on the way the money comes back: a gateway
and a simulated exchange, each a process."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from onetape.accounts.entries import Cause
from onetape.accounts.ledger import Ledger
from onetape.gateway.fee_asset import EVERY, FeeAsset
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.home import gateway_journal
from onetape.model.money import money
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.transfer_processes import World

BUY = Decimal(300)
# Held is a coin's worth and more: it is short of this each time.
SHORT = {"asset": "BTC", "quote": "USDT", "below": "100000000", "buy": str(BUY)}
ORDER = "/api/v3/order"


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.looked()
    yield made
    made.stop()


def begin(world: World, **options) -> None:
    """Another life of the gateway, which looks at once."""
    world.gateway.kill()
    world.gateway.options["fee_asset"] = {**SHORT, **options}
    world.gateway.start()


def totals(world: World) -> dict[str, Decimal]:
    """By currency and wallet, and what is on its way."""
    ledger = Ledger()
    for entry in world.entries():
        ledger.post(entry)
    wallets = {f"{asset} {wallet}": ledger.total(asset, wallet) for asset in ("USDT", "BTC") for wallet in ("", "spot")}
    return {name: money(each) for name, each in wallets.items()} | {
        "on its way": money(ledger.transit("USDT") + ledger.transit("BTC"))
    }


def notes(world: World) -> list[str]:
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        frames = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health", "alert"))]
    return [each["state"] for each in frames if each.get("kind") == "fee asset"]


def transfers(world: World) -> dict[str, str]:
    rows = world.send(("transfers", {})).result["transfers"]
    return {row["id"].split("-", 3)[3]: row["state"] for row in rows if row["id"].startswith("feeasset-")}


def moved(world: World, before: dict[str, Decimal]) -> dict[str, Decimal]:
    return {name: each - before[name] for name, each in totals(world).items() if each != before[name]}


def is_over(world: World) -> bool:
    found = transfers(world)
    return len(found) > 1 and set(found.values()) == {"done"} and totals(world)["on its way"] == 0


def faults_met(world: World) -> int:
    status, found, _ = world.venue.control.request("GET", "/faults", b"", {})
    assert status == 200
    return sum(each["hits"] for each in found["faults"])


def check_money(world: World) -> None:
    world.looked()
    assert not [e for e in world.entries() if e.cause is Cause.CORRECTION]


def test_it_is_bought_once_and_what_is_left_comes_back(world):
    before = totals(world)
    begin(world)
    wait_for(lambda: [each for each in notes(world) if each.startswith("bought")])
    assert transfers(world) == {"out": "done", "asset-1": "done", "rest-1": "done"}
    change = moved(world, before)
    # The fee was taken from the coin at the exchange: our books of its wallet lack what it bought there.
    assert change.keys() == {"USDT ", "BTC ", "BTC spot", "USDT spot"}
    spent, bought = -change["USDT "], change["BTC "]
    assert 0 < spent <= BUY and change["USDT spot"] == spent and change["BTC spot"] == -bought
    assert bought == Decimal(notes(world)[-1].split()[1]) - Decimal(notes(world)[-1].split()[-1])
    check_money(world)
    begin(world, below="1")  # the next life finds nothing to finish
    wait_for(lambda: world.gateway.ask("status")["ready"])
    check_money(world)
    assert len(transfers(world)) == 3 and len(notes(world)) == 1


def test_no_check_begins_before_the_last_one_has_ended():
    begun, times = [], [0, EVERY, 2 * EVERY]
    money_ = SimpleNamespace(is_ready=True)
    options = SimpleNamespace(transfer_settled_ns=0)
    desk = SimpleNamespace(money=money_, now=None, killed=None, options=options, spawn=begun.append)
    fee_asset = FeeAsset(None, desk, None, None, steady=lambda: times[0])
    while times:
        fee_asset.tick()
        times.pop(0)
    assert len(begun) == 1
    begun[0].close()


def test_enough_is_not_bought(world):
    begin(world, below="1")
    wait_for(lambda: world.gateway.ask("status")["ready"])
    world.looked()
    assert transfers(world) == {} and notes(world) == []


def test_a_refused_order_returns_the_money(world):
    before = totals(world)
    world.control("/faults", fault=[{"path": ORDER, "method": "POST", "count": 1, "action": "error", "error": "-2010"}])
    begin(world)
    wait_for(lambda: is_over(world))
    assert moved(world, before) == {}
    assert "refused: -2010" in notes(world)[0]
    check_money(world)


@pytest.mark.parametrize("action", ["drop_answer", "drop_request"])
def test_an_order_whose_answer_is_lost_is_asked_about(world, action):
    before = totals(world)
    world.control("/faults", fault=[{"path": ORDER, "method": "POST", "count": 1, "action": action}])
    begin(world)
    wait_for(lambda: is_over(world))
    assert bool(moved(world, before)) is (action == "drop_answer")
    check_money(world)


@pytest.mark.parametrize(
    ("path", "method", "is_bought"),
    [("/sapi/v1/asset/transfer", "POST", None), (ORDER, "POST", False), (ORDER, "GET", True)],
)
def test_a_gateway_that_is_killed_within_a_round_finishes_it(world, path, method, is_bought):
    """The venue says nothing from one of the requests on, the gateway dies, and the next one has a venue again, and
    would buy something else: the round is of what it was begun with."""
    before = totals(world)
    world.control("/faults", fault=[{"path": path, "method": method, "action": "drop_request"}])
    begin(world)
    wait_for(lambda: faults_met(world))
    world.gateway.kill()
    world.control("/faults", clear=True)
    world.gateway.options["fee_asset"] |= {"asset": "ETH"}
    world.gateway.start()
    wait_for(lambda: is_over(world))
    if is_bought is not None:
        assert bool(moved(world, before)) is is_bought
    check_money(world)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('kind = "kraken"\n[accounts.main]\nvenue="x"\n[accounts.main.fee_asset]\nbelow = 5\nbuy = 20', "cannot buy"),
        (
            'kind = "binance-usdm"\n[accounts.main]\nvenue="x"\n[accounts.main.fee_asset]\nbelow = 0\nbuy = 20',
            "above 0",
        ),
        ('kind = "binance-usdm"\n[accounts.main]\nvenue="x"\n[accounts.main.fee_asset]\nbelow = 5', "buy"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(text, match):
    with pytest.raises(BadConfig, match=match):
        parse_config(f"[venues.x]\n{text}\n")
