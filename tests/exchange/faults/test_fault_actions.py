"""Each thing that can go wrong at a simulated exchange, at Binance's door and in virtual time."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import BinanceClient, Virtual, heard
from onetape.exchange.dialect import ABORT, Close
from onetape.exchange.venues import VENUES, open_venue

ORDER = "/fapi/v1/order"
BTC = {"symbol": "BTCUSDT"}


def venue(faults: str, kind: str = "binance-usdm") -> BinanceClient:
    there = Virtual(kind, faults=faults, limits=False)
    account = there.dialect.exchange.accounts[0]
    return BinanceClient(there, account.key, account.secret)


def fault(action: str, **keys) -> str:
    lines = [f"{k.rstrip('_')} = {msgspec.json.encode(v).decode()}" for k, v in keys.items()]
    return "\n".join(["[[fault]]", f'action = "{action}"', *lines])


def account(client: BinanceClient):
    return client.transport.dialect.exchange.accounts[0]


def place(client: BinanceClient, name: str, *, away: str = "0.97", side: str = "BUY"):
    last = client.transport.dialect.exchange.listings[0].last
    price = f"{Decimal(last) / 10 * Decimal(away):.1f}"
    return client.ask(
        "POST",
        ORDER,
        **BTC,
        side=side,
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.010",
        price=price,
        newClientOrderId=name,
    )


def market(client: BinanceClient, side: str = "BUY"):
    return client.ask("POST", ORDER, **BTC, side=side, type="MARKET", quantity="0.010")


def private(client: BinanceClient):
    _, key = client.ask("POST", "/fapi/v1/listenKey", signed=False)
    return client.transport.connect(f"/private/ws/{key['listenKey']}")


def names(client: BinanceClient) -> list[str]:
    return [o.client_id for o in account(client).open_orders.values()]


def test_delay_carries_out_at_once_and_answers_later():
    client = venue(fault("delay", purpose="place", wait="3s"))
    begun = client.transport.time
    assert place(client, "late")[0] == 200
    assert client.transport.time - begun >= 3_000_000_000
    assert next(iter(account(client).open_orders.values())).created - begun < 100_000_000


def test_drop_answer_leaves_an_order_that_nobody_was_told_of():
    client = venue(fault("drop_answer", purpose="place", nth=2, wait="1s"))
    assert place(client, "first")[0] == 200
    with pytest.raises(ConnectionResetError):
        place(client, "second")
    assert place(client, "third")[0] == 200
    assert names(client) == ["first", "second", "third"]


def test_drop_request_does_nothing():
    client = venue(fault("drop_request", method="POST", path="/fapi/v1/ord*", count=1))
    with pytest.raises(ConnectionResetError):
        place(client, "gone")
    assert names(client) == []
    assert place(client, "there")[0] == 200


def test_duplicate_carries_a_request_out_twice():
    client = venue(fault("duplicate", purpose="place", wait="10ms"))
    assert market(client)[0] == 200
    client.transport.wait(1)
    assert account(client).qty(0) == 2 * 10


@pytest.mark.parametrize("kind", VENUES)
def test_every_ambiguous_error_can_be_named(kind):
    dialect = open_venue(kind, seed=1, now=1_795_000_000_000_000_000)
    words = dialect.vocabulary(kind, dialect)
    assert words.ambiguous()
    for name in words.ambiguous():
        there = Virtual(kind, faults=fault("error", purpose="place", error=name), limits=False)
        (options,) = there.dialect.active_rules
        reply, is_ambiguous = words.error(options)
        assert is_ambiguous
        assert name.split(":")[-1] in reply.body.decode() or name in reply.body.decode()


@pytest.mark.parametrize(("done", "expected"), [(True, ["x"]), (False, [])])
def test_an_error_answers_what_it_likes(done, expected):
    client = venue(fault("error", purpose="place", error="-1007", done=done))
    status, body = place(client, "x")
    assert (status, body["code"]) == (408, -1007)
    assert names(client) == expected


def test_an_ambiguous_error_is_carried_out_by_chance():
    client = venue(fault("error", purpose="place", error="-1001"))
    for number in range(20):
        place(client, f"x{number}")
    assert 3 < len(names(client)) < 17


def test_reorder_answers_after_the_stream_has_said_it():
    client = venue(fault("reorder", purpose="cancel", until="cancel"))
    stream = private(client)
    place(client, "x")
    heard(stream)
    reply = None
    transport, seen = client.transport, []
    plain = transport.settle

    def watched():
        plain()
        seen.extend(m["o"]["X"] for m in heard(stream) if m["e"] == "ORDER_TRADE_UPDATE")
        if reply is None and "CANCELED" in seen:
            seen.append("told before the answer")

    transport.settle = watched
    reply = client.ask("DELETE", ORDER, **BTC, origClientOrderId="x")
    assert reply[1]["status"] == "CANCELED"
    assert "told before the answer" in seen


def test_stale_rest_answers_from_before_while_the_stream_goes_on():
    client = venue(fault("stale", side="rest", from_="5s", lasting="10s"))
    stream = private(client)
    place(client, "early")
    client.transport.wait(6)
    market(client)
    place(client, "late")
    listed = client.ask("GET", "/fapi/v1/openOrders", **BTC)[1]
    assert [o["clientOrderId"] for o in listed] == ["early"]
    assert client.ask("GET", ORDER, **BTC, origClientOrderId="late")[1]["code"] == -2013
    assert client.ask("GET", "/fapi/v3/positionRisk", **BTC)[1][0]["positionAmt"] == "0.000"
    assert client.ask("GET", "/fapi/v1/userTrades", **BTC)[1] == []
    assert client.ask("GET", "/fapi/v3/balance")[1][0]["balance"] == "100000.00000000"
    assert any(m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["X"] == "FILLED" for m in heard(stream))
    client.transport.wait(10)
    listed = client.ask("GET", "/fapi/v1/openOrders", **BTC)[1]
    assert [o["clientOrderId"] for o in listed] == ["early", "late"]
    assert client.ask("GET", "/fapi/v3/positionRisk", **BTC)[1][0]["positionAmt"] == "0.010"


def test_a_stale_stream_is_silent_and_then_says_all_of_it_in_order():
    client = venue(fault("stale", side="stream", lasting="10s"))
    stream = private(client)
    place(client, "x")
    client.ask("DELETE", ORDER, **BTC, origClientOrderId="x")
    assert heard(stream) == []
    client.transport.wait(11)
    said = [m["o"]["X"] for m in heard(stream) if m["e"] == "ORDER_TRADE_UPDATE"]
    assert said == ["NEW", "CANCELED"]


def test_invisible_orders_are_neither_listed_nor_found_while_they_are_new():
    client = venue(
        fault("invisible", purpose="open_orders", lasting="5s")
        + "\n"
        + fault("invisible", purpose="query", lasting="5s")
    )
    place(client, "x")
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []
    assert client.ask("GET", ORDER, **BTC, origClientOrderId="x")[1]["code"] == -2013
    assert names(client) == ["x"]
    client.transport.wait(6)
    assert len(client.ask("GET", "/fapi/v1/openOrders", **BTC)[1]) == 1
    assert client.ask("GET", ORDER, **BTC, origClientOrderId="x")[1]["status"] == "NEW"


def depth(client: BinanceClient, seconds: float = 2.0):
    stream = client.transport.connect("/public/ws/btcusdt@depth@100ms")
    for _ in range(int(seconds * 20)):
        client.transport.wait(0.05)
    return heard(stream)


def test_a_gap_is_seen_in_the_numbers_of_the_depth():
    said = depth(venue(fault("gap", event="depthUpdate", nth=5)))
    assert len(said) > 8
    breaks = [n for n, (a, b) in enumerate(pairwise(said)) if b["pu"] != a["u"]]
    assert breaks == [3]


def test_messages_of_a_stream_are_doubled_and_held_back():
    said = depth(venue(fault("duplicate", event="depthUpdate", nth=3)))
    assert said[2] == said[3]
    said = depth(venue(fault("delay", event="depthUpdate", nth=3, wait="300ms")))
    assert [m["u"] for m in said] != sorted(m["u"] for m in said)


def test_a_crossed_book_has_its_bids_above_its_asks():
    client = venue(fault("crossed_book", event="bookTicker", symbol="BTCUSDT", count=1))
    stream = client.transport.connect("/public/ws/btcusdt@bookTicker")
    client.transport.wait(5)
    said = heard(stream)
    assert [Decimal(m["b"]) > Decimal(m["a"]) for m in said[:3]] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "path"), [("binance-usdm", "/fapi/v1/ticker/bookTicker"), ("kraken", "/0/public/Ticker")]
)
def test_rows_of_an_answer_come_in_another_order_and_are_the_same(kind, path):
    plain, odd = (Virtual(kind, faults=text) for text in ("", fault("shuffle", path="*icker")))
    orders = set()
    for _ in range(20):
        rows, shuffled = (there.request("GET", path, b"", {})[1] for there in (plain, odd))
        if kind == "kraken":
            assert rows == shuffled
            orders.add(tuple(shuffled["result"]))
        else:
            assert sorted(rows, key=str) == sorted(shuffled, key=str)
            orders.add(tuple(row["symbol"] for row in shuffled))
    assert len(orders) > 3


def test_a_bad_checksum_is_one_that_does_not_fit():
    plain, bad = (
        Virtual("kraken", faults=text) for text in (fault("gap", event="nothing"), fault("bad_checksum", event="book"))
    )
    sums = []
    for there in (plain, bad):
        stream = there.connect("/v2")
        request = {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"]}}
        there.dialect.message(stream, msgspec.json.encode(request), there.time)
        for _ in range(40):
            there.wait(0.05)
        sums.append([m["data"][0]["checksum"] for m in heard(stream) if m.get("channel") == "book"])
    assert len(sums[0]) > 3
    assert [a ^ b for a, b in zip(*sums, strict=True)] == [1] * len(sums[0])


def test_disconnect_cuts_without_a_closing_frame():
    client = venue(fault("disconnect", event="ORDER_TRADE_UPDATE", count=1))
    stream = private(client)
    place(client, "x")
    assert Close(ABORT) in heard(stream)
    client = venue(fault("disconnect", from_="3s"))
    stream = client.transport.connect("/public/ws/btcusdt@depth")
    client.transport.wait(4)
    assert stream.closed


def test_a_half_open_connection_says_nothing_and_stays():
    client = venue(fault("half_open", from_="1s", lasting="5s"))
    stream = client.transport.connect("/public/ws/btcusdt@bookTicker")
    client.transport.wait(1.1)
    assert heard(stream)
    client.transport.wait(4)
    assert (heard(stream), stream.silent, stream.closed) == ([], True, False)
    client.transport.wait(2)
    client.transport.wait(2)
    assert heard(stream)


def test_slow_reads_come_one_after_the_other():
    client = venue(fault("slow_reads", path="/fapi/v1/order", wait="2s"))
    begun = client.transport.time
    place(client, "a")
    place(client, "b")
    born = [o.created for o in account(client).open_orders.values()]
    assert born[0] - begun >= 2_000_000_000
    assert born[1] - born[0] >= 2_000_000_000


@pytest.mark.parametrize("silent", [False, True])
def test_a_listen_key_that_expired_leaves_the_socket_open_and_silent(silent):
    client = venue(fault("expire_listen_key", from_="2s", silent=silent))
    stream = private(client)
    client.transport.wait(3)
    received = [m["e"] for m in heard(stream)]
    assert received == ([] if silent else ["listenKeyExpired"])
    market(client)
    assert heard(stream) == []
    assert client.ask("PUT", "/fapi/v1/listenKey", signed=False)[1]["code"] == -1125


@pytest.mark.parametrize("offset", ["10s", "-10s"])
def test_a_skewed_clock_refuses_who_goes_by_the_right_time(offset):
    client = venue(fault("clock_skew", offset=offset, lasting="1m"))
    assert place(client, "x")[1]["code"] == -1021
    answer = client.ask("GET", "/fapi/v1/time", signed=False)[1]["serverTime"]
    client.ahead = answer - client.transport.now() // 1_000_000
    assert abs(abs(client.ahead) - 10_000) < 5
    assert place(client, "x")[0] == 200
    client.transport.wait(61)
    client.ahead = 0
    assert place(client, "y")[0] == 200


def test_maintenance_closes_everything_but_what_is_allowed():
    client = venue(fault("maintenance", from_="5s", lasting="20s", allow="cancel", cancel_orders=False))
    stream = client.transport.connect("/public/ws/btcusdt@depth")
    place(client, "x")
    client.transport.wait(6)
    assert stream.closed
    assert place(client, "y")[0] == 503
    assert client.ask("DELETE", ORDER, **BTC, origClientOrderId="x")[0] == 200
    client.transport.wait(20)
    assert place(client, "y")[0] == 200


def test_after_maintenance_orders_may_be_gone():
    client = venue(fault("maintenance", from_="5s", lasting="20s", cancel_orders=True))
    place(client, "x")
    client.transport.wait(30)
    assert client.ask("GET", "/fapi/v1/openOrders", **BTC)[1] == []


def test_halt_refuses_for_a_while():
    client = venue(fault("halt", symbol="BTCUSDT", lasting="10s"))
    assert place(client, "x")[1]["code"] == -4141
    client.transport.wait(11)
    assert place(client, "x")[0] == 200


def test_delist_cancels_settles_and_closes():
    client = venue(fault("delist", symbol="BTCUSDT", from_="5s"))
    market(client)
    place(client, "x")
    client.transport.wait(6)
    assert account(client).qty(0) == 0
    assert names(client) == []
    assert place(client, "y")[1]["code"] == -4141


def test_a_changed_filter_is_told_and_kept_to():
    client = venue(fault("filter", symbol="BTCUSDT", from_="5s") + '\nchanges = {tick = "1", lot = "0.1"}')
    client.transport.wait(6)
    said = client.ask("GET", "/fapi/v1/exchangeInfo", signed=False)[1]["symbols"][0]
    filters = {f["filterType"]: f for f in said["filters"]}
    assert Decimal(filters["PRICE_FILTER"]["tickSize"]) == 1
    assert market(client)[1]["code"] == -4023


def test_balance_and_position_change_by_hand():
    client = venue(
        fault("balance", account="main", currency="USDT", amount="-100.5")
        + "\n"
        + fault("position", account="main", symbol="BTCUSDT", amount="-0.02")
    )
    client.transport.wait(0.1)
    assert account(client).qty(0) == -20
    (trade,) = {t.order.client_id for t in account(client).trades}
    assert trade.startswith("web_")
    rows = client.ask("GET", "/fapi/v1/income")[1]
    assert "-100.50000000" in [r["income"] for r in rows]


def test_clearing_undoes_what_lasts():
    client = venue(
        fault("halt", symbol="BTCUSDT")
        + "\n"
        + fault("clock_skew", offset="10s")
        + "\n"
        + fault("error", purpose="place", status=500)
    )
    client.transport.dialect.clear(client.transport.time)
    assert place(client, "x")[0] == 200


def test_equal_seeds_misbehave_alike():
    def run() -> list:
        client = venue(fault("error", purpose="place", probability=0.5, status=500, body="{}"))
        return [place(client, f"x{n}")[0] for n in range(30)]

    first = run()
    assert first == run()
    assert {200, 500} == set(first)


def test_kraken_requests_by_socket_can_be_lost_and_their_answers_too():
    there = Virtual("kraken", faults=fault("drop_answer", purpose="place", method="WS"))
    account = there.dialect.exchange.accounts[0]
    client = KrakenClient(there, account.key, account.secret)
    stream = there.connect("/v2")
    params = {
        "order_type": "limit",
        "side": "buy",
        "order_qty": 0.01,
        "symbol": "BTC/USD",
        "limit_price": float(client.best()[0] - 1000),
        "token": client.token(),
    }
    heard(stream)
    request = {"method": "add_order", "params": params, "req_id": 1}
    there.dialect.message(stream, msgspec.json.encode(request), there.time)
    there.settle()
    assert [m for m in heard(stream) if m.get("method") == "add_order"] == []
    assert len(account.open_orders) == 1
