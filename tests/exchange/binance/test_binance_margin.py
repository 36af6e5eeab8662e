"""Isolated margin, leverage and its brackets, margin calls and liquidation of the simulated Binance
USD-M. The mark is moved by hand."""

from __future__ import annotations

from decimal import Decimal

from exchange.venue_client import Virtual, heard, ok
from onetape.exchange.exchange import SimExchange

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


def market(client, side: str, size: str, **more):
    return ok(
        client.ask("POST", ORDER, **BTC, side=side, type="MARKET", quantity=size, newOrderRespType="RESULT", **more)
    )


def isolate(client, leverage: int = 20) -> None:
    ok(client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED"))
    ok(client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=leverage))


def position(client) -> dict:
    return ok(client.ask("GET", "/fapi/v2/positionRisk", **BTC))[0]


def usdt(client) -> dict[str, Decimal]:
    rows = ok(client.ask("GET", "/fapi/v3/balance"))
    row = next(r for r in rows if r["asset"] == "USDT")
    return {name: Decimal(row[name]) for name in ("balance", "crossWalletBalance", "availableBalance")}


def move_mark(venue: Virtual, factor: str) -> None:
    """The index jumps; the mark follows it at once."""
    exchange: SimExchange = venue.dialect.exchange
    listing = exchange.listings[0]
    mark = int(listing.mark * Decimal(factor))
    exchange.set_mark(0, mark, mark, venue.time)
    venue.settle()


def near_liquidation(client) -> str:
    """The factor that brings the mark a hundredth of the way before the liquidation."""
    held = {name: Decimal(position(client)[name]) for name in ("entryPrice", "liquidationPrice", "markPrice")}
    room = held["entryPrice"] - held["liquidationPrice"]
    return str((held["liquidationPrice"] + room / 100) / held["markPrice"])


def test_an_isolated_position_has_its_initial_margin_and_gives_it_back(client):
    isolate(client, 10)
    before = usdt(client)
    order = market(client, "BUY", "0.100")
    cost = Decimal(order["executedQty"]) * Decimal(position(client)["entryPrice"])
    held = position(client)
    assert (held["marginType"], held["isolated"], held["leverage"]) == ("isolated", True, "10")
    assert abs(Decimal(held["isolatedWallet"]) - cost / 10) < Decimal("0.01")
    now = usdt(client)
    assert now["balance"] - now["crossWalletBalance"] == Decimal(held["isolatedWallet"])
    market(client, "SELL", "0.040", reduceOnly="true")
    part = Decimal(position(client)["isolatedWallet"])
    assert abs(part - Decimal(held["isolatedWallet"]) * Decimal("0.6")) < Decimal("0.000001")
    market(client, "SELL", "0.060", reduceOnly="true")
    after = usdt(client)
    assert after["balance"] == after["crossWalletBalance"]
    income = ok(client.ask("GET", "/fapi/v1/income", limit=1000))
    gained = sum(Decimal(r["income"]) for r in income if r["incomeType"] != "TRANSFER")
    assert after["balance"] - before["balance"] == gained


def test_a_turned_position_has_the_margin_of_what_is_left_over(client):
    isolate(client)
    market(client, "BUY", "0.050")
    market(client, "SELL", "0.120")
    held = position(client)
    assert held["positionAmt"] == "-0.070"
    wanted = Decimal("0.070") * Decimal(held["entryPrice"]) / 20
    assert abs(Decimal(held["isolatedWallet"]) - wanted) < Decimal("0.01")


def test_margin_is_added_and_taken_back_within_its_limits_and_told(venue, client):
    isolate(client)
    move = lambda **terms: client.ask("POST", "/fapi/v1/positionMargin", **BTC, **terms)  # noqa: E731
    assert move(amount="10", type=1)[1]["code"] == -4054
    market(client, "BUY", "0.100")
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    before = Decimal(position(client)["isolatedWallet"])
    assert ok(move(amount="100.5", type=1))["code"] == 200
    assert Decimal(position(client)["isolatedWallet"]) == before + Decimal("100.5")
    reported = heard(stream)[-1]
    assert (reported["e"], reported["a"]["m"]) == ("ACCOUNT_UPDATE", "MARGIN_TRANSFER")
    assert Decimal(reported["a"]["P"][0]["iw"]) == before + Decimal("100.5")
    assert move(amount="100000000", type=1)[1]["code"] == -4050
    assert move(amount="500", type=2)[1]["code"] == -4051
    assert ok(move(amount="60", type=2))["type"] == 2
    assert move(amount="0", type=1)[1]["code"] == -4055
    assert move(amount="1", type=3)[1]["code"] == -1102
    rows = ok(client.ask("GET", "/fapi/v1/positionMargin/history", **BTC))
    assert [(r["type"], r["amount"], r["deltaType"]) for r in rows] == [
        (1, "100.50", "USER_ADJUST"),
        (2, "-60.00", "USER_ADJUST"),
    ]
    only = ok(client.ask("GET", "/fapi/v1/positionMargin/history", **BTC, type=1))
    assert [r["type"] for r in only] == [1]


def test_cross_positions_have_no_margin_to_move(client):
    market(client, "BUY", "0.010")
    answer = client.ask("POST", "/fapi/v1/positionMargin", **BTC, amount="10", type=1)
    assert answer[1]["code"] == -4049


def test_an_isolated_liquidation_takes_its_margin_and_no_more(venue, client):
    isolate(client, 50)
    other = {"symbol": "ETHUSDT"}
    ok(client.ask("POST", ORDER, **other, side="BUY", type="MARKET", quantity="1"))
    market(client, "BUY", "0.500")
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    held, before = position(client), usdt(client)
    assert 0 < Decimal(held["liquidationPrice"]) < Decimal(held["entryPrice"])
    move_mark(venue, near_liquidation(client))
    events = heard(stream)
    call = next(e for e in events if e["e"] == "MARGIN_CALL")
    assert [(p["s"], p["mt"]) for p in call["p"]] == [("BTCUSDT", "ISOLATED")]
    assert "cw" not in call
    assert position(client)["positionAmt"] == "0.500"
    move_mark(venue, "0.98")
    assert position(client)["positionAmt"] == "0.000"
    forced = ok(client.ask("GET", "/fapi/v1/forceOrders", **BTC))
    assert forced[0]["clientOrderId"].startswith("autoclose-")
    after = usdt(client)
    assert after["crossWalletBalance"] >= before["crossWalletBalance"]
    rest = ok(client.ask("GET", "/fapi/v2/positionRisk", **other))[0]
    assert rest["positionAmt"] == "1.000"  # what shares the wallet is not touched


def test_a_cross_margin_call_comes_once_and_names_the_wallet(venue, client):
    ok(client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=50))
    account = venue.dialect.exchange.accounts[0]
    venue.dialect.exchange.accounts.deposit(account, "USDT", "-98000", venue.time)
    market(client, "BUY", "0.600")
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    move_mark(venue, near_liquidation(client))
    move_mark(venue, "0.99999")
    calls = [e for e in heard(stream) if e["e"] == "MARGIN_CALL"]
    assert len(calls) == 1
    assert calls[0]["p"][0]["mt"] == "CROSSED"
    assert Decimal(calls[0]["cw"]) < 2000
    assert position(client)["positionAmt"] == "0.600"


def test_brackets_limit_positions_leverage_and_say_so(client):
    brackets = ok(client.ask("GET", "/fapi/v1/leverageBracket", **BTC))[0]["brackets"]
    top = brackets[0]
    set_leverage = lambda n: client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=n)  # noqa: E731
    most = ok(set_leverage(top["initialLeverage"]))["maxNotionalValue"]
    assert int(most) == top["notionalCap"]
    assert set_leverage(top["initialLeverage"] + 1)[1]["code"] == -4028
    price = Decimal(position(client)["markPrice"])
    too_much = (Decimal(top["notionalCap"]) / price * Decimal("1.05")).quantize(Decimal("0.001"))
    terms = {"quantity": str(too_much), "price": str(price.quantize(Decimal("0.1")))}
    answer = client.ask("POST", ORDER, **BTC, side="BUY", type="LIMIT", timeInForce="GTC", **terms)
    assert answer[1]["code"] == -2027
    ok(set_leverage(2))
    size = (Decimal(150_000) / price).quantize(Decimal("0.001"))
    market(client, "BUY", str(size))
    assert set_leverage(1)[1]["code"] == -2028
    assert client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED")[1]["code"] == (-4048)


def test_leverage_of_an_isolated_position_only_rises(client):
    isolate(client, 10)
    market(client, "BUY", "0.010")
    assert client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=5)[1]["code"] == -4161
    assert ok(client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=20))["leverage"] == 20


def test_isolated_funding_comes_out_of_the_position(venue, client):
    isolate(client)
    market(client, "BUY", "0.100")
    wallet, cross = Decimal(position(client)["isolatedWallet"]), usdt(client)["crossWalletBalance"]
    exchange: SimExchange = venue.dialect.exchange
    exchange.clearing.fund(0, venue.time, 10**9)  # 0.1 %
    paid = Decimal(ok(client.ask("GET", "/fapi/v1/income", incomeType="FUNDING_FEE"))[0]["income"])
    assert paid < 0
    assert Decimal(position(client)["isolatedWallet"]) == wallet + paid
    assert usdt(client)["crossWalletBalance"] == cross
