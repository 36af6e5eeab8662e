"""An exchange with a state comes back as it was, after kill -9, too."""

from __future__ import annotations

import signal

import msgspec
import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import BinanceClient, Virtual
from exchange.venue_process import VenueProcess
from onetape.exchange.control import Control
from onetape.exchange.faults import parse_faults
from onetape.exchange.faulty import Faulty
from onetape.exchange.kept_state import VenueState
from onetape.exchange.server import catch_up
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.errors import OnetapeError
from onetape.simulation.world import MARKET_RATE, SECOND, World
from waiting import wait_for

BTC = {"symbol": "BTCUSDT"}
START = 1_795_000_000_000_000_000


def trade(client: BinanceClient, tag: str) -> None:
    for number in range(15):
        side = "SELL" if number % 3 == 2 else "BUY"
        client.ask(
            "POST",
            "/fapi/v1/order",
            **BTC,
            side=side,
            type="MARKET",
            quantity="0.010",
            newClientOrderId=f"{tag}-m{number}",
        )
        _, book = client.ask("GET", "/fapi/v1/depth", signed=False, **BTC, limit=5)
        price = f"{float(book['bids'][0][0]) * 0.97:.1f}"
        client.ask(
            "POST",
            "/fapi/v1/order",
            **BTC,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.010",
            price=price,
            newClientOrderId=f"{tag}-l{number}",
        )
        client.ask(  # refused, and as if it had never been
            "POST",
            "/fapi/v1/order",
            **BTC,
            side="BUY",
            type="LIMIT",
            timeInForce="GTX",
            quantity="0.010",
            price=f"{float(book['asks'][0][0]) * 1.01:.1f}",
        )
        if number % 2:
            client.ask("DELETE", "/fapi/v1/order", **BTC, origClientOrderId=f"{tag}-l{number}")
        elif number % 4:
            client.ask(
                "PUT",
                "/fapi/v1/order",
                **BTC,
                side="BUY",
                quantity="0.020",
                price=price,
                origClientOrderId=f"{tag}-l{number}",
            )


def test_a_killed_exchange_comes_back_with_orders_trades_balances_and_ids(tmp_path):
    venue = VenueProcess(tmp_path / "state")
    try:
        reported = venue.ready["accounts"][0]
        client = BinanceClient(venue.wire, reported["key"], reported["secret"])
        for life in range(3):
            trade(client, f"life{life}")
            before = venue.state()
            venue.stop(signal.SIGKILL)
            venue = VenueProcess(tmp_path / "state")
            after = venue.state()
            for was, is_now in zip(before["accounts"], after["accounts"], strict=True):
                # The market went on: what rested may have been filled since, nothing else.
                trades = len(was["trades"])
                assert is_now["trades"][:trades] == was["trades"]
                assert [o["id"] for o in is_now["orders"]] == [o["id"] for o in was["orders"]]
                if len(is_now["trades"]) == trades:
                    assert is_now["balances"] == was["balances"]
                    assert is_now["positions"] == was["positions"]
                    assert is_now["orders"] == was["orders"]
            client.transport = venue.wire
            client.ask("POST", "/fapi/v1/order", **BTC, side="BUY", type="MARKET", quantity="0.01")
            orders = venue.state()["accounts"][0]["orders"]
            assert len({o["id"] for o in orders}) == len(orders)
        assert len(orders) > 90
    finally:
        venue.stop()


def test_what_the_journal_has_makes_the_same_exchange_again(tmp_path):
    now = START
    states = []
    for _ in range(2):
        kept, dialect = VenueState.open(tmp_path / "state", kind="kraken", seed=3, now=now, limits=False)
        faulty = Faulty(dialect, "kraken")
        if not states:
            there = Virtual.__new__(Virtual)
            there.time, there.connections, there.dialect = START, 0, faulty
            account = dialect.exchange.accounts[0]
            client = KrakenClient(there, account.key, account.secret)
            for number in range(10):
                (placed, errors) = client.place()
                assert errors == []
                txid = placed["txid"][0]
                if number % 3 == 1:
                    price = f"{client.best()[0] - 900:.1f}"
                    assert client.ask("AmendOrder", txid=txid, limit_price=price)[1] == []
                if number % 3 == 2:
                    assert client.ask("CancelOrder", txid=txid)[1] == []
                client.place(ordertype="market", volume="0.001")
                client.place(volume="100000")  # refused
                there.wait(1)
            faulty.exchange.orders.note(next(iter(account.open_orders.values())), {"last": 1})
            now = faulty.exchange.now
        else:
            dialect.exchange.advance(now)
        states.append(Control(faulty).answer("GET", "/state", "", b"", now).body)
        kept.close()
    assert states[0] == states[1]
    assert states[0].count(b'"price"') > 20


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5])  # at 4 hedge mode is set before the record
def test_minutes_of_trading_made_again_call_by_call_ends_in_the_same_state(seed):
    world = World(seed)
    calls = []

    def record(name, args, kwargs):
        calls.append(msgspec.msgpack.encode([world.exchange.now, name, args, kwargs]))

    world.exchange.timeline.recorder = record
    world.run(240)
    second = open_venue(
        "binance-usdm",
        seed=seed,
        now=START,
        market=Crowd(MARKET_RATE, 30 * SECOND),
        calls=map(msgspec.msgpack.decode, calls),
    )
    second.exchange.advance(world.now)
    states = [
        Control(Faulty(each, "binance-usdm")).answer("GET", "/state", "", b"", world.now).body
        for each in (world.dialect, second)
    ]
    assert len(calls) > 50
    assert {msgspec.msgpack.decode(c)[1] for c in calls} >= {"place", "cancel", "amend"}
    assert states[0] == states[1]


def test_calls_of_journals_of_all_times_are_made_again():
    """Terms are the keywords of a call, by their values: also those that are what they are without being named."""
    main = {"account": 1}
    plain = {"side": "buy", "type": "limit", "tif": "GTC", "price": 400_000, "size": 10_000}
    usual = {"post_only": False, "trigger": 0, "trigger_by": "none", "trigger_kind": "none", "expire": 0}
    waiting = {
        "index": 0,
        "client_id": "w",
        "type": "STOP_MARKET",
        "side": "sell",
        "position_side": "both",
        "size": 100,
        "price": 0,
        "trigger": 300_000,
        "by": "mark",
        "tif": "GTC",
        "reduce_only": False,
        "post_only": False,
        "close_position": False,
        "expire": 0,
        "extra": {"tif": "GTE_GTC"},
    }
    to = {"network": "BTC", "address": "there", "memo": "", "key": "", "name": "mine"}
    calls = [
        [START, "place", [main, 0, START], {**plain, **usual, "client_id": "one", "extra": {"oflags": ["fciq"]}}],
        [START, "place", [main, 0, START], {**plain, "side": "no side"}],  # was refused, and is
        [START, "place_conditional", [main, START], waiting],
        [START, "deposit", [main, "BTC", "1", START], {"reason": "deposit", "silent": False}],
        [START, "transfer", [main, "BTC", "-1", START], {}],
        [START, "withdraw", [main, "BTC", "0.5", START], to],
        [START, "amend", [main, {"order": 8_389_765_000_001}, START], {"size": 20_000}],
        [START, "cancel_conditional", [{"conditional": 8_389_765_000_002}, START], {}],
    ]
    exchange = open_venue("binance-usdm", seed=1, now=START, calls=calls).exchange
    account = exchange.accounts[0]
    (order,) = account.by_id.values()
    assert (order.client_id, order.size, order.is_open, order.extra) == ("one", 20_000, True, {"oflags": ["fciq"]})
    (conditional,) = exchange.conditionals.by_id.values()
    assert (conditional.by, conditional.extra, conditional.state) == ("mark", {"tif": "GTE_GTC"}, "CANCELED")
    (withdrawal,) = exchange.transfers.withdrawals
    assert (withdrawal.to.address, withdrawal.to.name) == ("there", "mine")


@pytest.mark.parametrize(("kind", "seed"), [("bitmex", 3), ("kraken", 4)])
def test_the_state_of_another_exchange_is_refused(tmp_path, kind, seed):
    kept, _ = VenueState.open(tmp_path / "s", kind="kraken", seed=3, now=START, limits=False)
    kept.close()
    with pytest.raises(OnetapeError, match="the state is that of kraken with seed 3"):
        VenueState.open(tmp_path / "s", kind=kind, seed=seed, now=START, limits=False)


def test_two_exchanges_do_not_share_a_state(tmp_path):
    kept, _ = VenueState.open(tmp_path / "s", kind="kraken", seed=3, now=START, limits=False)
    with pytest.raises(OnetapeError):
        VenueState.open(tmp_path / "s", kind="kraken", seed=3, now=START, limits=False)
    kept.close()


def test_a_fault_that_was_done_is_not_done_again_after_a_restart(tmp_path):
    faults = tmp_path / "f.toml"
    faults.write_text(
        '[[fault]]\naction = "balance"\naccount = "main"\ncurrency = "USDT"\namount = "5"\nfrom = "200ms"\n'
    )
    for _ in range(2):
        venue = VenueProcess(tmp_path / "state", "binance-usdm", "--faults", str(faults))
        began = venue.state()["time"]
        wait_for(lambda at=venue, since=began: at.state()["time"] > since + SECOND)
        assert venue.state()["accounts"][0]["balances"]["USDT"] == "100005"
        venue.stop()


@pytest.mark.parametrize(("away", "code"), [(2, -4141), (30, 0)])
def test_a_halt_that_lasted_when_the_exchange_was_killed_ends_in_its_time(tmp_path, away, code):
    rule = '[[fault]]\naction = "halt"\nsymbol = "BTCUSDT"\nfrom = "1s"\nlasting = "20s"'
    now, said = START, []
    for life in range(2):
        kept, inner = VenueState.open(tmp_path / "s", kind="binance-usdm", seed=3, now=now, limits=False)
        there = Virtual.__new__(Virtual)
        there.time, there.connections, there.dialect = now, 0, Faulty(inner, "binance-usdm")
        catch_up(there.dialect, now)
        there.dialect.add(parse_faults(rule), now, since=kept.start)
        there.settle()
        there.wait(2 - life)
        account = inner.exchange.accounts[0]
        client = BinanceClient(there, account.key, account.secret)
        said.append(
            client.ask("POST", "/fapi/v1/order", **BTC, side="BUY", type="MARKET", quantity="0.01")[1].get("code", 0)
        )
        now = there.time + away * 1_000_000_000
        kept.close()
    assert said == [-4141, code]
