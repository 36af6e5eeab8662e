"""Orders on the simulated Kraken spot: what the documentation says happens."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import Virtual, Wire, served
from onetape.exchange.venues import Crowd

DECIMALS = "EOrder:Invalid price:XBT/USD price can only be specified up to 1 decimals."
EXCLUSIVE = "EGeneral:Invalid arguments:cl_ord_id and userref are exclusive"
TXID = re.compile(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}\Z")


@pytest.fixture
def client():
    return client_of(Virtual("kraken"))


@pytest.fixture
def free():
    """Without limits of how much may be asked."""
    return client_of(Virtual("kraken", limits=False))


def client_of(venue: Virtual, number: int = 0) -> KrakenClient:
    account = venue.dialect.exchange.accounts[number]
    return KrakenClient(venue, account.key, account.secret)


def balances(client) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in client.ask("Balance")[0].items()}


def test_a_limit_order_rests_is_listed_and_is_canceled(client):
    placed, error = client.place(cl_ord_id="rests-1")
    assert error == []
    (txid,) = placed["txid"]
    assert TXID.match(txid)
    assert re.match(r"buy 0\.01000000 XBTUSD @ limit \d+\.\d\Z", placed["descr"]["order"])
    (row,) = client.ask("OpenOrders")[0]["open"].values()
    assert (row["status"], row["vol"], row["vol_exec"]) == ("open", "0.01000000", "0.00000000")
    assert (row["cl_ord_id"], row["oflags"]) == ("rests-1", "fciq")
    held = Decimal(client.ask("BalanceEx")[0]["ZUSD"]["hold_trade"])
    assert held >= Decimal(row["descr"]["price"]) * Decimal("0.01")
    assert client.ask("CancelOrder", txid=txid) == ({"count": 1}, [])
    assert client.ask("OpenOrders")[0] == {"open": {}}
    assert Decimal(client.ask("BalanceEx")[0]["ZUSD"]["hold_trade"]) == 0
    assert client.ask("CancelOrder", txid=txid)[1] == ["EOrder:Unknown order"]
    closed = client.ask("QueryOrders", txid=txid)[0][txid]
    assert (closed["status"], closed["reason"]) == ("canceled", "User requested")


def test_ids_follow_from_the_seed():
    first, second = (client_of(Virtual("kraken", seed=3)).place()[0]["txid"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(("oflags", "fee_asset"), [("", "ZUSD"), ("fciq", "ZUSD"), ("fcib", "XXBT")])
def test_a_market_order_moves_money_by_its_trades_and_fees(client, side, oflags, fee_asset):
    before = balances(client)
    (txid,) = client.place(side, "0.05", ordertype="market", oflags=oflags)[0]["txid"]
    order = client.ask("QueryOrders", txid=txid, trades="true")[0][txid]
    assert (order["status"], order["vol_exec"]) == ("closed", "0.05000000")
    trades = client.ask("QueryTrades", txid=",".join(order["trades"]))[0]
    cost = sum(Decimal(t["price"]) * Decimal(t["vol"]) for t in trades.values())
    fees = sum(Decimal(t["fee"]) for t in trades.values())
    sign = 1 if side == "buy" else -1
    moved = {name: value - before[name] for name, value in balances(client).items()}
    expected = {"XXBT": sign * Decimal("0.05"), "ZUSD": -sign * cost}
    expected[fee_asset] -= fees
    assert fees > 0
    for name, value in expected.items():
        assert moved[name] == pytest.approx(value, abs=Decimal("0.0001"))
    value = fees * cost / Decimal("0.05") if fee_asset == "XXBT" else fees
    assert value == pytest.approx(cost * Decimal("0.004"), rel=Decimal("0.001"))


def test_the_ledger_adds_up_to_the_balance(client):
    for side, flags in (("buy", ""), ("sell", "fcib"), ("sell", "")):
        client.place(side, "0.02", ordertype="market", oflags=flags)
    ask = {"from": "Spot Wallet", "to": "Futures Wallet", "asset": "ZUSD", "amount": "250.5"}
    reference = client.ask("WalletTransfer", **ask)[0]["refid"]
    pages, ofs = [], 0
    while rows := client.ask("Ledgers", ofs=ofs)[0]["ledger"]:
        pages += rows.values()
        ofs += len(rows)
    left = balances(client)
    for asset, balance in left.items():
        rows = [r for r in pages if r["asset"] == asset]
        total = sum(Decimal(r["amount"]) - Decimal(r["fee"]) for r in rows)
        assert total == pytest.approx(balance, abs=Decimal("1e-8"))
        assert Decimal(rows[0]["balance"]) == balance  # newest first
    assert {r["type"] for r in pages} == {"deposit", "trade", "transfer"}
    (row,) = client.ask("Ledgers", type="transfer")[0]["ledger"].values()
    assert (row["refid"], row["subtype"]) == (reference, "spottofutures")
    assert (row["asset"], Decimal(row["amount"])) == ("ZUSD", Decimal("-250.5"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"asset": "NONE"}, "EFunding:Unknown asset"),
        ({"to": "Spot Wallet"}, "EGeneral:Invalid arguments:to"),
        ({"from": "Futures Wallet"}, "EGeneral:Invalid arguments:from"),
        ({"amount": "0"}, "EGeneral:Invalid arguments:amount"),
        ({"amount": "-1"}, "EGeneral:Invalid arguments:amount"),
        ({"amount": "0.00000000001"}, "EFunding:Invalid amount"),
        ({"amount": "1e6"}, "EFunding:Insufficient funds"),
    ],
)
def test_a_wallet_transfer_that_cannot_be_is_refused(client, change, error):
    before = balances(client)
    ask = {"from": "Spot Wallet", "to": "Futures Wallet", "asset": "USD", "amount": "1", **change}
    assert client.ask("WalletTransfer", **ask)[1] == [error]
    assert balances(client) == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"pair": "NOSUCH"}, "EQuery:Unknown asset pair"),
        ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"ordertype": "fancy"}, "EGeneral:Invalid arguments:ordertype"),
        ({"ordertype": "trailing-stop", "price": "+5"}, "EGeneral:Invalid arguments:ordertype"),
        ({"volume": "abc"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "nan"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "-1"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "1e999"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.010000001"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "1000000000000"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
        ({"volume": "0.00006", "price": "100"}, "EOrder:Cost minimum not met"),
        ({"volume": "900"}, "EOrder:Insufficient funds"),
        ({"type": "sell", "volume": "2", "price": "90000"}, "EOrder:Insufficient funds"),
        ({"ordertype": "market", "volume": "5"}, "EOrder:Insufficient funds"),
        ({"price": "50000.05"}, DECIMALS),
        ({"price": "+5%%"}, "EGeneral:Invalid arguments:price"),
        ({"price": "#"}, "EGeneral:Invalid arguments:price"),
        ({"price": "-100%"}, "EOrder:Invalid price"),
        ({"price": "-90000"}, "EOrder:Invalid price"),
        ({"ordertype": "stop-loss-limit", "price": "+5", "price2": "#5"}, "EGeneral:Invalid arguments:price2"),
        ({"ordertype": "iceberg", "displayvol": "0.001"}, "EGeneral:Invalid arguments:ordertype"),
        ({"displayvol": "0.001"}, "EGeneral:Invalid arguments:displayvol"),
        ({"starttm": "+60"}, "EGeneral:Invalid arguments:starttm"),
        ({"close[price]": "1"}, "EGeneral:Invalid arguments:close[price]"),
        ({"ordertype": "trailing-stop-limit", "price": "+5", "price2": "+1"}, "EGeneral:Invalid arguments:ordertype"),
        ({"price": "0"}, "EGeneral:Invalid arguments:price"),
        ({"price": "99999", "oflags": "post"}, "EOrder:Post only order"),
        ({"oflags": "post,shiny"}, "EGeneral:Invalid arguments:oflags"),
        ({"oflags": "fciq,fcib"}, "EGeneral:Invalid arguments:oflags"),
        ({"oflags": "viqc"}, "EGeneral:Invalid arguments:viqc"),
        ({"oflags": "post", "timeinforce": "IOC"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"timeinforce": "NEVER"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"timeinforce": "GTD"}, "EGeneral:Invalid arguments:expiretm"),
        ({"expiretm": "5"}, "EGeneral:Invalid arguments:expiretm"),
        ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"cl_ord_id": "a", "userref": "1"}, EXCLUSIVE),
        ({"userref": "4294967296"}, "EGeneral:Invalid arguments:userref"),
        ({"stptype": "cancel-me"}, "EGeneral:Invalid arguments:stptype"),
        ({"reduce_only": "true"}, "EGeneral:Invalid arguments:reduce_only"),
        ({"leverage": "5"}, "EGeneral:Invalid arguments:leverage"),
        ({"close[ordertype]": "limit"}, "EGeneral:Invalid arguments:close[ordertype]"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
        ({"deadline": "2099-01-01T00:00:00Z"}, "EGeneral:Invalid arguments:deadline"),
        ({"deadline": "soon"}, "EGeneral:Invalid arguments:deadline"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_in_the_venues_words(client, change, error):
    before = balances(client)
    result, errors = client.place(**change)
    assert (result, errors) == (None, [error])
    assert client.ask("OpenOrders")[0] == {"open": {}}
    assert client.ask("ClosedOrders")[0]["count"] == 0
    assert balances(client) == before


@pytest.mark.parametrize("name", ["a-name", "0a7f5e6c-3f5a-4b8e-9a51-1c2d3e4f5a6b", "0" * 32])
def test_a_client_id_is_taken_once_while_its_order_works(client, name):
    assert client.place(cl_ord_id=name)[1] == []
    assert client.place(cl_ord_id=name)[1] == ["EOrder:Duplicate client order id"]
    assert client.ask("CancelOrder", cl_ord_id=name)[1] == []
    assert client.place(cl_ord_id=name)[1] == []


def test_validate_says_what_it_would_be_and_places_nothing(client):
    placed, error = client.place(validate="true")
    assert error == []
    assert "txid" not in placed
    assert placed["descr"]["order"].startswith("buy 0.01000000 XBTUSD @ limit")
    assert client.ask("OpenOrders")[0] == {"open": {}}


def test_volume_in_quote_buys_for_no_more_than_that(client):
    (txid,) = client.place(ordertype="market", volume="1000", oflags="viqc")[0]["txid"]
    order = client.ask("QueryOrders", txid=txid)[0][txid]
    assert Decimal(995) < Decimal(order["cost"]) <= Decimal(1000)


@pytest.mark.parametrize(("tif", "status"), [("IOC", "canceled"), ("FOK", "canceled")])
def test_what_must_fill_at_once_does_not_rest(client, tif, status):
    placed, error = client.place(timeinforce=tif)
    assert error == []
    (txid,) = placed["txid"]
    assert client.ask("QueryOrders", txid=txid)[0][txid]["status"] == status
    assert client.ask("OpenOrders")[0] == {"open": {}}


def test_good_till_date_expires(client):
    (txid,) = client.place(expiretm="+60")[0]["txid"]
    client.transport.wait(30)
    assert client.ask("QueryOrders", txid=txid)[0][txid]["status"] == "open"
    client.transport.wait(31)
    order = client.ask("QueryOrders", txid=txid)[0][txid]
    assert (order["status"], order["reason"]) == ("expired", "Order expired")


@pytest.mark.parametrize(
    ("kind", "offset"), [("stop-loss", -20), ("take-profit", 20), ("stop-loss-limit", -20), ("take-profit-limit", 20)]
)
def test_a_trigger_waits_holds_its_coins_and_fires(free, kind, offset):
    price = free.best()[0] + offset
    more = {"price2": f"{price - 500:.1f}"} if kind.endswith("limit") else {}
    placed, error = free.place("sell", "0.01", ordertype=kind, price=f"{price:.1f}", **more)
    assert error == []
    (txid,) = placed["txid"]
    row = free.ask("OpenOrders")[0]["open"][txid]
    assert (row["status"], row["stopprice"]) == ("open", f"{price:.1f}")
    assert Decimal(free.ask("BalanceEx")[0]["XXBT"]["hold_trade"]) == Decimal("0.01")
    for _ in range(240):
        free.transport.wait(30)
        if free.ask("QueryOrders", txid=txid)[0][txid]["status"] == "closed":
            break
    order = free.ask("QueryOrders", txid=txid)[0][txid]
    assert (order["status"], order["misc"], order["vol_exec"]) == ("closed", "stopped", "0.01000000")
    assert Decimal(free.ask("BalanceEx")[0]["XXBT"]["hold_trade"]) == 0


def test_a_trigger_that_cannot_be_paid_is_refused(client):
    high = f"{client.best()[1] * 2:.1f}"
    assert client.place(ordertype="stop-loss", volume="1.5", price=high)[1] == ["EOrder:Insufficient funds"]


@pytest.mark.parametrize("moves", [False, True])
def test_a_market_stop_for_all_there_is_does_not_overdraw(moves):
    """It walks the book when it fires: what that costs is held back before."""
    # A market that rises to the trigger and whose book takes all of it.
    free = client_of(Virtual("kraken", limits=False, market=Crowd()))
    trigger = free.best()[1] + 5
    most = Decimal(100_000) / (trigger * Decimal("1.06") * Decimal("1.004"))
    volume = f"{most:.6f}"
    (txid,) = free.place(volume=volume, ordertype="stop-loss", price=f"{trigger:.1f}")[0]["txid"]
    held = Decimal(free.ask("BalanceEx")[0]["ZUSD"]["hold_trade"])
    assert held > trigger * Decimal(volume)
    if moves:
        assert free.ask("AmendOrder", txid=txid, trigger_price=f"{trigger + 3:.1f}")[1] == []
        assert Decimal(free.ask("BalanceEx")[0]["ZUSD"]["hold_trade"]) > held
    for _ in range(400):
        free.transport.wait(10)
        order = free.ask("QueryOrders", txid=txid)[0][txid]
        if order["status"] != "open":
            break
    assert (order["status"], order["vol_exec"]) == ("closed", f"{Decimal(volume):.8f}")
    assert order["descr"]["ordertype"] == "stop-loss"
    assert balances(free)["ZUSD"] >= 0
    assert Decimal(free.ask("BalanceEx")[0]["ZUSD"]["hold_trade"]) == 0


def test_a_market_stop_that_could_overdraw_is_refused(client):
    trigger = client.best()[1] + 5
    volume = f"{Decimal(100_000) / (trigger * Decimal('1.004')):.6f}"
    terms = {"volume": volume, "ordertype": "stop-loss", "price": f"{trigger:.1f}"}
    assert client.place(**terms)[1] == ["EOrder:Insufficient funds"]


def test_amending_keeps_the_ids(client):
    (txid,) = client.place(cl_ord_id="keep")[0]["txid"]
    low = f"{client.best()[0] * Decimal('0.95'):.1f}"
    answer, error = client.ask("AmendOrder", txid=txid, limit_price=low, order_qty="0.02")
    assert error == []
    assert answer["amend_id"].startswith("T")
    row = client.ask("OpenOrders")[0]["open"][txid]
    assert (row["vol"], row["descr"]["price"], row["cl_ord_id"]) == ("0.02000000", low, "keep")
    high = f"{client.best()[1] * Decimal('1.01'):.1f}"
    crossing = {"cl_ord_id": "keep", "limit_price": high, "post_only": "true"}
    assert client.ask("AmendOrder", **crossing)[1] == ["EOrder:Post only order"]
    assert client.ask("AmendOrder", cl_ord_id="keep", order_qty="900")[1] == ["EOrder:Insufficient funds"]
    assert client.ask("AmendOrder", txid=txid, cl_ord_id="keep", order_qty="1")[1]
    assert client.ask("OpenOrders")[0]["open"][txid]["descr"]["price"] == low


def test_amending_a_trigger_moves_it(client):
    low = client.best()[0] - 2000
    (txid,) = client.place("sell", ordertype="stop-loss", price=f"{low:.1f}")[0]["txid"]
    assert client.ask("AmendOrder", txid=txid, trigger_price=f"{low - 100:.1f}")[1] == []
    assert client.ask("OpenOrders")[0]["open"][txid]["stopprice"] == f"{low - 100:.1f}"
    assert client.ask("CancelOrder", txid=txid)[1] == []
    assert Decimal(client.ask("BalanceEx")[0]["XXBT"]["hold_trade"]) == 0


def test_editing_makes_a_new_order(client):
    (old,) = client.place(userref="7")[0]["txid"]
    answer, error = client.ask("EditOrder", pair="XBTUSD", txid=old, volume="0.03")
    assert error == []
    assert (answer["originaltxid"], answer["volume"]) == (old, "0.03000000")
    assert list(client.ask("OpenOrders")[0]["open"]) == [answer["txid"]]
    assert client.ask("QueryOrders", txid=old)[0][old]["reason"] == "Order replaced"
    assert client.ask("CancelOrder", txid="7") == ({"count": 1}, [])


def test_a_batch_is_valid_as_a_whole_and_funded_one_by_one(client):
    price = f"{client.best()[0] * Decimal('0.9'):.1f}"
    one = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": price}
    bad = {**one, "volume": "-1"}
    refused = client.ask("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[one, bad])
    assert refused[1] == ["EGeneral:Invalid arguments:volume"]
    assert client.ask("OpenOrders")[0] == {"open": {}}
    dear = {**one, "volume": "100"}
    made, error = client.ask("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[one, dear, one])
    assert error == []
    assert [sorted(o) for o in made["orders"]] == [["descr", "txid"], ["error"], ["descr", "txid"]]
    assert made["orders"][1]["error"] == "EOrder:Insufficient funds"
    ids = [made["orders"][0]["txid"], made["orders"][2]["txid"]]
    assert sorted(client.ask("OpenOrders")[0]["open"]) == sorted(ids)
    assert client.ask("CancelOrderBatch", as_json=True, orders=ids) == ({"count": 2}, [])
    assert client.ask("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[one])[1]


def test_the_dead_mans_switch_takes_all_once(free):
    for kind in ({}, {"ordertype": "stop-loss", "price": f"{free.best()[1] + 3000:.1f}"}):
        assert free.place(**kind)[1] == []
    answer, _ = free.ask("CancelAllOrdersAfter", timeout="60")
    assert answer["triggerTime"] > answer["currentTime"]
    free.transport.wait(50)
    free.ask("CancelAllOrdersAfter", timeout="60")
    free.transport.wait(50)
    assert len(free.ask("OpenOrders")[0]["open"]) == 2
    free.transport.wait(11)
    assert free.ask("OpenOrders")[0] == {"open": {}}
    free.place()
    free.transport.wait(100)
    assert len(free.ask("OpenOrders")[0]["open"]) == 1
    assert free.ask("CancelAllOrdersAfter", timeout="0")[0]["triggerTime"] == "0"
    assert free.ask("CancelAll") == ({"count": 1}, [])


@pytest.mark.parametrize(
    ("rule", "resting", "incoming"),
    [
        ("", "open", "canceled"),
        ("cancel-newest", "open", "canceled"),
        ("cancel-oldest", "canceled", "open"),
        ("cancel-both", "canceled", "canceled"),
    ],
)
def test_own_orders_do_not_trade_with_each_other(client, rule, resting, incoming):
    _, ask = client.best()
    inside = f"{ask - Decimal('0.1'):.1f}"
    (first,) = client.place("sell", price=inside)[0]["txid"]
    more = {"stptype": rule} if rule else {}
    placed, error = client.place("buy", price=inside, **more)
    assert error == []
    (second,) = placed["txid"]
    rows = client.ask("QueryOrders", txid=f"{first},{second}")[0]
    assert (rows[first]["status"], rows[second]["status"]) == (resting, incoming)
    assert client.ask("TradesHistory")[0]["count"] == 0


def test_touching_young_orders_is_dear(client):
    """An order costs 1 and its cancel at once 8: the counter of 125 ends within 14 rounds."""
    for _ in range(14):
        placed, error = client.place()
        if error:
            break
        gone = client.ask("CancelOrder", txid=placed["txid"][0])[1]
        if gone:
            error = gone
            break
    assert error == ["EOrder:Rate limit exceeded"]
    client.transport.wait(60)
    assert client.place(pair="XBTUSD")[1] == []


def test_reading_too_much_is_refused_for_a_while_and_each_key_alone(client):
    errors = [client.ask("Balance")[1] for _ in range(21)]
    assert errors[:20] == [[]] * 20
    assert errors[20] == ["EAPI:Rate limit exceeded"]
    assert client_of(client.transport, 1).ask("Balance")[1] == []
    client.transport.wait(10)
    assert client.ask("Balance")[1] == []


def test_spot_has_no_positions(client):
    assert client.ask("OpenPositions") == ({}, [])
    assert client.ask("OpenPositions", consolidation="market") == ([], [])


def test_without_limits_nobody_is_refused(free):
    assert [free.ask("TradesHistory")[1] for _ in range(60)] == [[]] * 60


def test_histories_come_in_pages_newest_first(free):
    for _ in range(55):
        free.ask("CancelOrder", txid=free.place()[0]["txid"][0])
    first, second = (free.ask("ClosedOrders", ofs=ofs)[0] for ofs in (0, 50))
    assert (len(first["closed"]), len(second["closed"]), first["count"]) == (50, 5, 55)
    times = [row["opentm"] for row in [*first["closed"].values(), *second["closed"].values()]]
    assert times == sorted(times, reverse=True)


def test_what_is_sent_to_the_wrong_place_or_broken_is_one_line(client):
    sign = {"API-Key": client.key, "API-Sign": "eA=="}
    for method, target, body, headers, error in (
        ("POST", "/0/private/Nothing", b"", sign, "EGeneral:Unknown method"),
        ("GET", "/0/private/Balance", b"", sign, "EGeneral:Invalid arguments"),
        ("POST", "/0/private/Balance", b"", {}, "EAPI:Invalid key"),
        ("POST", "/0/private/Balance", b"nonce=1", sign, "EAPI:Invalid signature"),
        ("POST", "/0/private/Balance", b"{", sign, "EGeneral:Invalid arguments"),
        ("POST", "/0/private/Balance", b"\xff\xfe", sign, "EGeneral:Invalid arguments"),
        ("POST", "/0/private/Balance", b"[" * 100_000, sign, "EAPI:Invalid signature"),
        ("POST", "/0/private/Balance", b'{"a":' * 100_000, sign, "EGeneral:Invalid arguments"),
        ("GET", "/elsewhere", b"", {}, "EGeneral:Unknown method"),
    ):
        status, answer, _ = client.transport.request(method, target, body, headers)
        assert (status, answer) == (200, {"error": [error]}), target


def test_keys_signatures_and_nonces_are_checked_over_a_socket():
    with served("kraken") as (dialect, port):
        account = dialect.exchange.accounts[0]
        good = KrakenClient(Wire(port), account.key, account.secret)
        assert good.ask("Balance")[1] == []
        assert good.ask("Balance", nonce=good.nonce)[1] == ["EAPI:Invalid nonce"]
        assert good.ask("Balance", nonce=1)[1] == ["EAPI:Invalid nonce"]
        assert good.ask("Balance", as_json=True)[1] == []
        assert KrakenClient(Wire(port), "nosuchkey", "eA==").ask("Balance")[1] == ["EAPI:Invalid key"]
        wrong = KrakenClient(Wire(port), account.key, "d3Jvbmc=")
        assert wrong.ask("Balance")[1] == ["EAPI:Invalid signature"]
        assert good.place()[1] == []
        assert len(good.ask("OpenOrders")[0]["open"]) == 1


def test_what_a_client_sends_for_its_calls_is_understood(free, shared):
    """Bodies that a public client makes of its unified calls, with prices of this market."""
    cases = json.loads((shared / "requests" / "kraken-order-entry.json").read_text())["cases"]
    placed = [c for c in cases if c["method"] == "createOrder"]
    assert len(placed) >= 4
    for case in placed:
        fields = dict(part.split("=") for part in case["output"].split("&"))
        fields = {k: v.replace("%2C", ",") for k, v in fields.items() if k != "nonce"}
        fields["pair"] = "XBTUSD"
        for name in ("price", "price2"):
            if name in fields:
                fields[name] = "50000.0" if fields["type"] == "buy" else "57000.0"
        _, error = free.ask("AddOrder", **fields)
        expected = ["EGeneral:Invalid arguments:leverage"] if "leverage" in fields else []
        assert error == expected, case["description"]
        free.ask("CancelAll")
