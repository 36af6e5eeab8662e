"""Amounts as the simulated Binance USD-M writes them: eight decimals, never more than there is."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from exchange.venue_client import heard, ok

BTC = {"symbol": "BTCUSDT"}
UNIT = Decimal("1e-8")
DECIMAL = re.compile(r"-?\d+\.(\d+)")


def market(client, side: str, size: str):
    terms = {"side": side, "type": "MARKET", "quantity": size}
    return ok(client.ask("POST", "/fapi/v1/order", **BTC, **terms))


def decimals(value) -> list[tuple[str, str]]:
    """(name, text) of every decimal in an answer."""
    if isinstance(value, dict):
        pairs = value.items()
        return [(n, v) for n, v in pairs if isinstance(v, str) and DECIMAL.fullmatch(v)] + [
            found for _, inner in pairs for found in decimals(inner)
        ]
    return [found for inner in value for found in decimals(inner)] if type(value) is list else []


def traded(venue, client, *, isolated: bool) -> list:
    """What the venue has said, in streams and answers, after fills that do not divide evenly."""
    if isolated:
        ok(client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED"))
    ok(client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=7))
    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    for side, size in (
        ("BUY", "0.007"),
        ("BUY", "0.013"),
        ("SELL", "0.003"),
        ("BUY", "0.011"),
        ("SELL", "0.017"),
        ("SELL", "0.004"),
    ):
        market(client, side, size)
        venue.wait(3)
    exchange = venue.dialect.exchange
    exchange.clearing.fund(0, venue.time, 123_457_891)
    venue.settle()
    paths = {
        "v3/balance": {},
        "v2/account": {},
        "v3/account": {},
        "v2/positionRisk": {},
        "v3/positionRisk": {},
        "v1/income": {},
        "v1/userTrades": BTC,
    }
    received = [ok(client.ask("GET", f"/fapi/{path}", **more)) for path, more in paths.items()]
    return [*heard(stream), *received]


@pytest.mark.parametrize("isolated", [False, True], ids=["cross", "isolated"])
def test_money_has_eight_decimals_at_most(venue, client, isolated):
    said = traded(venue, client, isolated=isolated)
    averages = {"entryPrice", "breakEvenPrice", "ep", "bep"}  # prices, of eleven
    found = [pair for pair in decimals(said) if pair[0] not in averages]
    assert [pair for pair in found if len(pair[1].partition(".")[2]) > 8] == []
    assert {"wb", "cw", "iw", "rp", "n", "income", "availableBalance", "isolatedWallet"} - (
        set() if isolated else {"iw", "isolatedWallet"}
    ) <= {name for name, _ in found}


def test_what_is_there_is_rounded_down_and_what_is_owed_up(venue, client):
    traded(venue, client, isolated=True)
    exchange = venue.dialect.exchange
    account = exchange.accounts[0]
    at = exchange.currencies.index("USDT")
    exact = {
        "balance": account.money.balance(at),
        "crossWalletBalance": account.cross_balance(at),
        "availableBalance": account.money.available(at),
    }
    row = next(r for r in ok(client.ask("GET", "/fapi/v3/balance")) if r["asset"] == "USDT")
    for name, units in exact.items():
        assert 0 <= Decimal(int(units)).scaleb(-18) - Decimal(row[name]) < UNIT, name
    trades = ok(client.ask("GET", "/fapi/v1/userTrades", **BTC))
    for reported, trade in zip(trades, account.trades, strict=True):
        fill = trade.fill
        assert 0 <= Decimal(reported["commission"]) - Decimal(fill.fee).scaleb(-18) < UNIT
        assert 0 <= Decimal(fill.realized).scaleb(-18) - Decimal(reported["realizedPnl"]) < UNIT


def test_what_is_set_apart_and_what_is_left_are_the_wallet(venue, client):
    """Margin is moved in steps of the eighth decimal, so that the parts are the whole."""
    ok(client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED"))
    ok(client.ask("POST", "/fapi/v1/leverage", **BTC, leverage=7))
    for side, size in (("BUY", "0.007"), ("BUY", "0.013"), ("SELL", "0.003"), ("BUY", "0.011")):
        market(client, side, size)
        row = next(r for r in ok(client.ask("GET", "/fapi/v3/balance")) if r["asset"] == "USDT")
        (held,) = ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))
        apart = Decimal(held["isolatedWallet"])
        assert Decimal(row["balance"]) - Decimal(row["crossWalletBalance"]) == apart


def test_the_account_has_the_maintenance_margin_of_isolated_positions_too(venue, client):
    ok(client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED"))
    market(client, "BUY", "0.100")
    ok(client.ask("POST", "/fapi/v1/order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="1"))
    account = ok(client.ask("GET", "/fapi/v3/account"))
    parts = [Decimal(row["maintMargin"]) for row in account["positions"]]
    assert all(parts)
    assert len(parts) == 2
    assert abs(Decimal(account["totalMaintMargin"]) - sum(parts)) <= 2 * UNIT
    usdt = next(row for row in account["assets"] if row["asset"] == "USDT")
    assert usdt["maintMargin"] == account["totalMaintMargin"]


@pytest.mark.parametrize(("side", "other"), [("BUY", "SELL"), ("SELL", "BUY")])
def test_the_break_even_price_has_the_fees_of_what_is_held(venue, client, side, other):
    def fees_and_row():
        fees = [Decimal(r["commission"]) for r in ok(client.ask("GET", "/fapi/v1/userTrades", **BTC))]
        (row,) = ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))
        return fees, row

    def check(row, fee):
        size = Decimal(row["positionAmt"])
        wanted = Decimal(row["entryPrice"]) + fee / size
        assert abs(Decimal(row["breakEvenPrice"]) - wanted) < Decimal("0.01")

    key = ok(client.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
    stream = venue.connect(f"/private/ws/{key}")
    market(client, side, "0.040")
    fees, row = fees_and_row()
    check(row, sum(fees))
    assert (Decimal(row["breakEvenPrice"]) > Decimal(row["entryPrice"])) == (side == "BUY")
    received = [m for m in heard(stream) if m["e"] == "ACCOUNT_UPDATE"][-1]["a"]["P"][0]
    assert received["bep"] == row["breakEvenPrice"]
    market(client, other, "0.010")  # what is left has three quarters of its fees
    _, row = fees_and_row()
    check(row, sum(fees) * 3 / 4)
    recorded = len(fees_and_row()[0])
    market(client, other, "0.050")  # turned: two fifths of that order opened
    fees, row = fees_and_row()
    check(row, sum(fees[recorded:]) * 2 / 5)


def test_a_market_that_trades_has_open_interest(venue, client):
    def stated() -> Decimal:
        found = ok(client.ask("GET", "/fapi/v1/openInterest", signed=False, **BTC))
        assert set(found) == {"openInterest", "symbol", "time"}
        return Decimal(found["openInterest"])

    before = stated()
    assert before > 0
    market(client, "BUY", "2.000")
    assert stated() >= before + 2
