"""A recorded tape as the market of a simulated exchange: what clients see and trade against."""

from __future__ import annotations

import signal

import pytest
from msgspec import structs

from exchange.tape_by_hand import BTC, KIND, START, Tape
from exchange.venue_client import BinanceClient, Virtual
from exchange.venue_process import VenueProcess
from onetape.exchange.flow import GeneratedMarket, flow_market
from onetape.exchange.kept_state import VenueState
from onetape.exchange.order_entry import NewOrder
from onetape.exchange.played_tape import VenueTape
from onetape.exchange.venues import open_venue
from onetape.model.enums import OrderState, OrderType, Side, TimeInForce
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.tape.journal import JournalWriter
from worlds.tapes import Market

SECOND = 1_000_000_000
MARKET = {"symbol": "BTCUSDT", "type": "MARKET"}


def client(venue: Virtual, number: int = 0) -> BinanceClient:
    account = venue.dialect.exchange.accounts[number]
    return BinanceClient(venue, account.key, account.secret)


def book(venue: Virtual) -> tuple[list, list]:
    _, depth = client(venue).ask("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit=20)
    return depth["bids"], depth["asks"]


def place(who: BinanceClient, side: str, size: str, price: str = "") -> dict:
    terms = {"symbol": "BTCUSDT", "side": side, "quantity": size}
    if price:
        terms |= {"type": "LIMIT", "timeInForce": "GTC", "price": price}
    else:
        terms |= {"type": "MARKET", "newOrderRespType": "RESULT"}
    status, order = who.ask("POST", "/fapi/v1/order", **terms)
    assert status == 200, order
    return order


def filled(who: BinanceClient, order: dict) -> tuple[str, str]:
    _, row = who.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"])
    return row["executedQty"], row["avgPrice"]


@pytest.fixture
def tape(tmp_path):
    made = Tape(tmp_path / "tape")
    made.depth(0, {"60000.0": "2", "59999.0": "5"}, {"60001.0": "3", "60002.0": "4"}, snapshot=True)
    return made


def test_the_recorded_book_is_what_clients_see(tape):
    tape.depth(2, {"60000.0": "0", "59998.0": "1"}, {"60001.0": "1.5"})
    venue = tape.venue()
    assert book(venue) == (
        [["60000.00", "2.000"], ["59999.00", "5.000"]],
        [["60001.00", "3.000"], ["60002.00", "4.000"]],
    )
    stream = venue.connect("/public/ws/btcusdt@bookTicker/btcusdt@depth@100ms")
    venue.wait(3)
    assert book(venue) == (
        [["59999.00", "5.000"], ["59998.00", "1.000"]],
        [["60001.00", "1.500"], ["60002.00", "4.000"]],
    )
    assert any(b'"b":"59999.00"' in said for said in stream.out)


def test_own_orders_take_what_is_displayed_and_no_more_until_the_tape_says_so_again(tape):
    tape.depth(5, {}, {"60001.0": "3"})
    venue = tape.venue()
    who = client(venue)
    order = place(who, "BUY", "4")
    assert filled(who, order) == ("4.000", "60001.25")
    assert book(venue)[1] == [["60002.00", "3.000"]]
    venue.wait(6)
    assert book(venue)[1] == [["60001.00", "3.000"], ["60002.00", "3.000"]]


def test_a_resting_order_waits_behind_what_stood_and_is_met_by_trades(tape):
    tape.trade(2, "60000.0", "1.5", 2)
    tape.trade(4, "60000.0", "0.7", 2)
    tape.trade(6, "59999.0", "9", 2)
    venue = tape.venue()
    who = client(venue)
    order = place(who, "BUY", "0.5", "60000.0")
    assert book(venue)[0][0] == ["60000.00", "2.500"]
    venue.wait(3)
    assert filled(who, order)[0] == "0.000"  # 2 stood before it, 1.5 were traded
    venue.wait(2)
    assert filled(who, order)[0] == "0.200"
    venue.wait(2)
    assert filled(who, order) == ("0.500", "60000.00")
    _, trades = who.ask("GET", "/fapi/v1/trades", signed=False, symbol="BTCUSDT")
    assert [(t["price"], t["qty"], t["isBuyerMaker"]) for t in trades] == [
        ("60000.00", "1.500", True),
        ("60000.00", "0.700", True),
        ("59999.00", "9.000", True),
    ]
    fills = who.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")[1]
    assert {f["maker"] for f in fills} == {True}


def test_a_book_that_moves_through_an_own_order_fills_it_at_its_price(tape):
    tape.depth(2, {"60003.0": "1"}, {"60001.0": "0", "60002.0": "0", "60004.0": "2"})
    venue = tape.venue()
    who = client(venue)
    order = place(who, "SELL", "0.4", "60001.5")
    venue.wait(3)
    assert filled(who, order) == ("0.400", "60001.50")
    assert book(venue)[0][0] == ["60003.00", "0.600"]


def test_two_clients_trade_with_each_other_inside_the_recorded_spread(tape):
    venue = tape.venue()
    one, two = client(venue), client(venue, 1)
    resting = place(one, "SELL", "0.1", "60000.5")
    taking = place(two, "BUY", "0.1")
    assert filled(two, taking) == filled(one, resting) == ("0.100", "60000.50")
    assert book(venue)[1][0] == ["60001.00", "3.000"]


@pytest.mark.parametrize(("speed", "seen"), [(1.0, 1), (4.0, 4)])
def test_the_tape_runs_at_the_speed_asked_for(tape, speed, seen):
    for second in range(1, 9):
        tape.trade(second, "60001.0", "0.001", 1)
    venue = tape.venue(speed=speed)
    venue.wait(1.1)
    _, trades = client(venue).ask("GET", "/fapi/v1/trades", signed=False, symbol="BTCUSDT")
    assert len(trades) == seen


def test_quotes_alone_are_a_book_of_one_level(tmp_path):
    tape = Tape(tmp_path / "tape")
    tape.quote(0, "60000.0", "1", "60001.0", "2")
    tape.quote(2, "60002.0", "1", "60003.0", "0")  # without a size: a thousand lots
    venue = tape.venue()
    assert book(venue) == ([["60000.00", "1.000"]], [["60001.00", "2.000"]])
    venue.wait(3)
    assert book(venue) == ([["60002.00", "1.000"]], [["60003.00", "1.000"]])


def test_trades_alone_are_a_level_on_each_side_of_the_last(tmp_path):
    tape = Tape(tmp_path / "tape")
    tape.trade(0, "60000.0", "1", 1)
    tape.trade(2, "60010.0", "2", 2)
    venue = tape.venue()
    assert book(venue) == ([["59999.90", "1.000"]], [["60000.00", "1.000"]])
    venue.wait(3)
    assert book(venue) == ([["60010.00", "2.000"]], [["60010.10", "2.000"]])


def test_the_mark_is_the_tapes_and_else_the_middle(tape):
    tape.mark(3, "60007.0", "60006.0")
    venue = tape.venue()
    ask = client(venue).ask
    mark = lambda: ask("GET", "/fapi/v1/premiumIndex", signed=False, symbol="BTCUSDT")[1]  # noqa: E731
    venue.wait(1.5)
    assert mark()["markPrice"] == "60000.50000000"
    venue.wait(2)
    assert (mark()["markPrice"], mark()["indexPrice"]) == ("60007.00000000", "60006.00000000")


def test_a_tape_that_is_over_stands_still_or_begins_again(tmp_path):
    for name, loop in (("a", False), ("b", True)):
        tape = Tape(tmp_path / name)
        tape.depth(0, {"100.0": "1"}, {"101.0": "1"}, snapshot=True)
        tape.depth(2, {"100.0": "0", "99.0": "1"}, {})
        venue = tape.venue(loop=loop)
        who = client(venue)
        mine = place(who, "BUY", "2", "98.0")
        venue.wait(2.5)
        flow = venue.dialect.exchange.flow
        assert book(venue)[0][0] == ["99.00", "1.000"]
        assert flow.ended is not loop
        venue.wait(1)
        assert book(venue)[0][0] == (["100.00", "1.000"] if loop else ["99.00", "1.000"])
        assert flow.rounds == int(loop)
        assert filled(who, mine)[0] == "0.000"  # own orders outlive the turn


def test_a_generated_market_that_was_written_down_is_played_as_it_was(tmp_path):
    market = GeneratedMarket([flow_market(BTC)], seed=3, start=START, rate=2.0)
    with JournalWriter(tmp_path / "tape", process="test") as writer:
        market.open(writer)
        market.write(writer, 100_000, until=START + 20 * SECOND)
    played = VenueTape(tmp_path / "tape", KIND, speed=1.0, loop=False).market(START)
    dialect = open_venue(KIND, seed=7, now=START, market=played)
    dialect.exchange.advance(START + 21 * SECOND)
    for side in ("bids", "asks"):
        wanted = getattr(market.core, side)(0, 100)
        assert getattr(dialect.exchange.flow, side)(0, 100) == wanted
    assert len(dialect.exchange.listings[0].trades) > 20


def test_a_tape_of_another_venue_is_refused_by_name(tmp_path):
    tape = Tape(tmp_path / "tape", "kraken:BTC/USD")
    tape.writer.close()
    with pytest.raises(UnknownSymbol, match="no symbol that binance-usdm lists"):
        VenueTape(tape.path, KIND, speed=1.0, loop=False)
    assert VenueTape(tape.path, "kraken", speed=1.0, loop=False).symbols
    with pytest.raises(BadInput):
        VenueTape(tmp_path / "nothing", KIND, speed=1.0, loop=False)


def test_a_killed_exchange_plays_its_tape_on_from_where_it_stood(tmp_path, tape):
    for second in range(1, 60):
        tape.trade(second / 10, "60000.0", "0.1", 2)
    tape.writer.close()
    more = ("--tape", str(tape.path), "--loop")
    first = VenueProcess(tmp_path / "state", KIND, *more)
    try:
        account = first.ready["accounts"][0]
        who = BinanceClient(first.wire, account["key"], account["secret"])
        bought = place(who, "BUY", "0.5")
        rests = place(who, "BUY", "0.1", "50000.0")
        before = first.state()["accounts"][0]
    finally:
        first.stop(signal.SIGKILL)
    repeated = VenueProcess(tmp_path / "state", KIND, *more)
    try:
        after = repeated.state()["accounts"][0]
        assert after["trades"] == before["trades"]
        assert {o["id"] for o in after["orders"]} == {bought["orderId"], rests["orderId"]}
        assert after["balances"] == before["balances"]
        assert after["positions"] == before["positions"]
    finally:
        repeated.stop(signal.SIGTERM)
    played = VenueTape(tape.path, KIND, speed=2.0, loop=True)
    with pytest.raises(UsageError, match="another market"):
        VenueState.open(tmp_path / "state", kind=KIND, seed=7, now=START, limits=False, tape=played)


def test_a_dated_contract_is_settled_at_the_mark_when_it_expires(tape):
    """Whatever the book has, without a fee; nothing is traded in it any more, also by an exchange that comes back."""
    tape.instrument = structs.replace(
        tape.instrument,
        symbol=f"{BTC}-271231",
        raw_symbol="BTCUSDT_271231",
        perpetual=False,
        expiry=1_795_000_000 * SECOND + 5 * SECOND,
        funding_interval=0,
    )
    tape.writer.append_instrument(1, START, tape.instrument.to_msgpack())
    tape.mark(1, "60700.0", "60700.0")
    tape.depth(2, {"60000.0": "0", "59999.0": "0.001"}, {"60001.0": "3"})
    tape.quote(20, "60000.0", "1", "60001.0", "1")
    tape.writer.close()
    played = VenueTape(tape.path, KIND, speed=1.0, loop=False)
    (at,) = [at for at, each in enumerate(played.symbols) if each.instrument.expiry]
    dialect = open_venue(KIND, seed=1, now=1_795_000_000 * SECOND, market=played.market(1_795_000_000 * SECOND))
    exchange = dialect.exchange
    account = exchange.accounts[0]
    exchange.advance(exchange.now + SECOND)
    terms = NewOrder(side=Side.BUY, size=1000, type=OrderType.MARKET, tif=TimeInForce.IOC)
    bought = exchange.orders.place(account, at, exchange.now, terms)
    rests = structs.replace(terms, type=OrderType.LIMIT, tif=TimeInForce.GTC, price=500_000)
    resting = exchange.orders.place(account, at, exchange.now, rests)
    assert bought.filled == 1000 and resting.is_open
    exchange.advance(exchange.now + 10 * SECOND)
    assert account.qty(at) == 0 and not resting.is_open and not exchange.listings[at].is_open
    last = account.trades[-1]
    assert (last.order.origin, last.fill.price, last.fill.size, last.fill.fee) == ("settlement", 607_000, 1000, 0)
    assert last.fill.time == exchange.instruments[at].expiry
    assert exchange.orders.place(account, at, exchange.now, terms).state is OrderState.REJECTED


@pytest.mark.parametrize(
    ("kind", "symbol", "raw"),
    [
        ("binance-usdm", "binance:NOLIST/USDT:USDT", "NOLISTUSDT"),
        ("aster", "aster:NOLIST/USDT:USDT", "NOLISTUSDT"),
        ("kraken", "kraken:NOLIST/USD", "NOLIST/USD"),
        ("pacifica", "pacifica:NOLIST/USDC:USDC", "NOLIST"),
        ("binance-usdm", "binance:BTC/USDT:USDT", "BTCUSDT"),
    ],
)
def test_an_instrument_without_the_venues_name_is_served_under_one(tmp_path, kind, symbol, raw):
    """An imported tape may not know it, and a client cannot ask for a symbol named nothing."""
    path = Market(tmp_path / "tape", symbol).quote(0, 99.9, 100.1).done()
    [served] = VenueTape(path, kind, speed=1.0, loop=False).symbols
    assert served.instrument.raw_symbol == raw
