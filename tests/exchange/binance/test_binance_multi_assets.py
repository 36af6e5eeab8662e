"""Multi-assets mode of the simulated Binance USD-M: one margin of all currencies, with haircuts."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import aiohttp

from exchange.venue_client import BinanceClient, Wire, heard, ok, served
from onetape.exchange.kept_state import VenueState
from waiting import PATIENCE_S

MODE = "/fapi/v1/multiAssetsMargin"
BTC = {"symbol": "BTCUSDT"}
ETH = {"symbol": "ETHUSDT"}
CENT = Decimal("0.01")


def client_of(transport, dialect) -> BinanceClient:
    account = dialect.exchange.accounts[0]
    return BinanceClient(transport, account.key, account.secret)


def switch(client, on: bool) -> None:
    ok(client.ask("POST", MODE, multiAssetsMargin=str(on).lower()))


def refused(client, on: bool) -> int:
    status, body = client.ask("POST", MODE, multiAssetsMargin=str(on).lower())
    assert status == 400
    return body["code"]


def market(client, side: str, size: str, terms=BTC):
    return client.ask("POST", "/fapi/v1/order", **terms, side=side, type="MARKET", quantity=size)


def totals(client) -> dict[str, Decimal]:
    reported = ok(client.ask("GET", "/fapi/v3/account"))
    return {name: Decimal(value) for name, value in reported.items() if isinstance(value, str)}


def asset(client, name: str) -> dict[str, Decimal]:
    rows = ok(client.ask("GET", "/fapi/v3/account"))["assets"]
    row = next(r for r in rows if r["asset"] == name)
    return {key: Decimal(row[key]) for key in row if key.endswith(("Balance", "Amount"))}


def rates(client, symbol: str) -> dict[str, Decimal]:
    row = ok(client.ask("GET", "/fapi/v1/assetIndex", symbol=symbol))
    return {key: Decimal(row[key]) for key in ("index", "bidRate", "askRate", "bidBuffer")}


def move(venue, index: int, factor: str) -> None:
    """Mark and index, by hand."""
    exchange = venue.dialect.exchange
    price = int(exchange.listings[index].mark * Decimal(factor))
    exchange.set_mark(index, price, price, venue.time)
    venue.settle()


def poor(venue, usdt: str = "100") -> None:
    """Takes all USDT but so much away."""
    exchange = venue.dialect.exchange
    exchange.accounts.deposit(exchange.accounts[0], "USDT", str(Decimal(usdt) - 100_000), venue.time)


def test_the_mode_is_switched_shown_and_told_over_a_real_socket():
    with served("binance-usdm") as (dialect, port):
        client = client_of(Wire(port), dialect)
        reported, indexes = asyncio.run(_session(port, client))
        assert refused(client, True) == -4171
        assert ok(client.ask("GET", MODE)) == {"multiAssetsMargin": True}
        assert ok(client.ask("GET", "/fapi/v1/accountConfig"))["multiAssetsMargin"] is True
        assert ok(client.ask("GET", "/fapi/v2/account"))["multiAssetsMargin"] is True
        assert client.ask("POST", MODE)[1]["code"] == -1102
        assert client.ask("POST", MODE, multiAssetsMargin="yes")[1]["code"] == -1130
        switch(client, False)
        assert ok(client.ask("GET", MODE)) == {"multiAssetsMargin": False}
    assert reported["ai"] == {"j": True}
    assert {row["s"] for row in indexes} == {"USDTUSD", "BTCUSD"}
    for row in indexes:
        buffer, index = Decimal(row["b"]), Decimal(row["i"])
        assert abs(Decimal(row["B"]) - index * (1 - buffer)) < CENT
        assert abs(Decimal(row["A"]) - index * (1 + buffer)) < CENT


async def _session(port: int, client: BinanceClient) -> tuple[dict, list]:
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    base = f"http://127.0.0.1:{port}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{base}/private/ws/{key}") as private,
        session.ws_connect(f"{base}/market/ws/!assetIndex@arr") as prices,
    ):
        await asyncio.to_thread(switch, client, True)
        while (reported := await private.receive_json(timeout=PATIENCE_S))["e"] != "ACCOUNT_CONFIG_UPDATE":
            pass
        return reported, await prices.receive_json(timeout=PATIENCE_S)


def test_coins_carry_positions_less_their_haircut(venue, client):
    poor(venue)
    assert market(client, "BUY", "0.500")[1]["code"] == -2019
    switch(client, True)
    btc, usdt = rates(client, "BTCUSD"), rates(client, "USDTUSD")
    assert btc["bidRate"] == btc["index"] * Decimal("0.95")
    shown = totals(client)
    assert shown["totalWalletBalance"] == 100 * usdt["bidRate"] + btc["bidRate"]
    assert shown["availableBalance"] == shown["totalMarginBalance"]
    free = asset(client, "USDT")["availableBalance"]
    assert abs(free - shown["availableBalance"] / usdt["askRate"]) < CENT
    assert asset(client, "USDT")["maxWithdrawAmount"] == 100
    ok(market(client, "BUY", "0.500"))
    shown = totals(client)
    assert shown["availableBalance"] == shown["totalMarginBalance"] - shown["totalInitialMargin"]
    # Twenty times what there is, and not a lot more.
    most = shown["availableBalance"] * 20 / btc["index"]
    assert market(client, "BUY", f"{most * Decimal('1.01'):.3f}")[1]["code"] == -2019
    ok(market(client, "BUY", f"{most * Decimal('0.97'):.3f}"))


def test_each_refusal_has_its_code(venue, client):
    exchange, account = venue.dialect.exchange, venue.dialect.exchange.accounts[0]
    ok(client.ask("POST", "/fapi/v1/marginType", **ETH, marginType="ISOLATED"))
    assert refused(client, True) == -4167
    ok(client.ask("POST", "/fapi/v1/marginType", **ETH, marginType="CROSSED"))
    terms = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "50000"}
    order = ok(client.ask("POST", "/fapi/v1/order", **BTC, side="BUY", **terms))
    assert refused(client, True) == -4170
    ok(client.ask("DELETE", "/fapi/v1/order", **BTC, orderId=order["orderId"]))
    assert refused(client, False) == -4171
    switch(client, True)
    isolated = client.ask("POST", "/fapi/v1/marginType", **ETH, marginType="ISOLATED")
    assert isolated[1]["code"] == -4168
    poor(venue)
    ok(market(client, "BUY", "0.500"))
    assert refused(client, False) == -4169
    exchange.accounts.deposit(account, "USDT", "-200", venue.time)
    assert refused(client, False) == -4172
    exchange.accounts.deposit(account, "USDT", "50000", venue.time)
    switch(client, False)
    ok(market(client, "SELL", "0.500"))


def test_a_coin_that_falls_takes_positions_in_others_with_it(venue, client):
    poor(venue)
    # A tenth of a coin: what it carries is closed by what the book has.
    venue.dialect.exchange.accounts.deposit(venue.dialect.exchange.accounts[0], "BTC", "-0.9", venue.time)
    switch(client, True)
    size = (
        totals(client)["availableBalance"]
        * 19
        / Decimal(ok(client.ask("GET", "/fapi/v1/premiumIndex", **ETH))["markPrice"])
    )
    ok(market(client, "BUY", f"{size:.3f}", ETH))
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    position = ok(client.ask("GET", "/fapi/v3/positionRisk", **ETH))[0]
    assert 0 < Decimal(position["liquidationPrice"]) < Decimal(position["markPrice"])
    shown = totals(client)
    # What BTC, which the rest is not moved by, may fall until the margin is just short.
    spare = shown["totalMarginBalance"] - shown["totalMaintMargin"]
    fall = 1 - spare / (rates(client, "BTCUSD")["bidRate"] / 10)
    move(venue, 0, f"{fall * Decimal('1.03'):.6f}")
    received = [event["e"] for event in heard(stream)]
    assert "MARGIN_CALL" in received
    assert ok(client.ask("GET", "/fapi/v3/positionRisk", **ETH))
    move(venue, 0, "0.95")
    assert ok(client.ask("GET", "/fapi/v3/positionRisk", **ETH)) == []
    forced = ok(client.ask("GET", "/fapi/v1/forceOrders", **ETH))
    assert forced[0]["clientOrderId"].startswith("autoclose-")
    assert asset(client, "USDT")["walletBalance"] >= 0  # the debt was paid in coins
    income = ok(client.ask("GET", "/fapi/v1/income", incomeType="AUTO_EXCHANGE"))
    assert {(row["asset"], Decimal(row["income"]) > 0) for row in income} == {("BTC", False), ("USDT", True)}


def test_a_debt_that_grows_too_large_is_paid_from_the_other_currencies(venue, client):
    switch(client, True)
    exchange, account = venue.dialect.exchange, venue.dialect.exchange.accounts[0]
    exchange.accounts.deposit(account, "USDT", "-109999", venue.time)
    move(venue, 0, "1")
    assert asset(client, "USDT")["walletBalance"] == -9999
    exchange.accounts.deposit(account, "USDT", "-2", venue.time)
    row = ok(client.ask("GET", "/fapi/v1/assetIndex", symbol="BTCUSD"))
    move(venue, 0, "1")
    assert asset(client, "USDT")["walletBalance"] == 0
    paid = 1 - asset(client, "BTC")["walletBalance"]
    ask = Decimal(ok(client.ask("GET", "/fapi/v1/assetIndex", symbol="USDTUSD"))["autoExchangeAskRate"])
    assert abs(paid * Decimal(row["autoExchangeBidRate"]) - 10_001 * ask) < 1


def test_hedge_mode_and_a_restart_keep_the_mode(tmp_path):
    options = {"kind": "binance-usdm", "seed": 7, "now": 1_795_000_000_000_000_000, "limits": False}
    state, dialect = VenueState.open(tmp_path / "state", **options)
    account = dialect.exchange.accounts[0]
    dialect.exchange.accounts.set_joint(account, True, options["now"])
    dialect.exchange.accounts.set_hedge(account, True, options["now"])
    before = account.money.free_usd()
    state.close()
    state, dialect = VenueState.open(tmp_path / "state", **options)
    account = dialect.exchange.accounts[0]
    assert (account.joint is not None, account.hedge) == (True, True)
    assert account.money.free_usd() == before > 150_000 * 10**18
    state.close()
