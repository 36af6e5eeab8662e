"""The realtime socket of the simulated BitMEX: tables that can be kept from what is told."""

from __future__ import annotations

import json

import pytest

from exchange.bitmex.bitmex_client import client_of
from exchange.venue_client import Virtual, heard


class Tables:
    """A client's copies, kept by partial, insert, update and delete alone."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict]] = {}
        self.keys: dict[str, list[str]] = {}
        self.other: list[object] = []

    def take(self, messages: list) -> Tables:
        for message in messages:
            if not isinstance(message, dict) or "table" not in message:
                self.other.append(message)
                continue
            table, rows = message["table"], message["data"]
            if message["action"] == "partial":
                self.keys[table] = message["keys"]
                self.rows[table] = [dict(row) for row in rows]
                continue
            for row in rows:
                seen = [k for k in self.rows[table] if self._same(table, k, row)]
                if message["action"] == "insert":
                    assert not seen or not self.keys[table], (table, row)
                    self.rows[table].append(dict(row))
                else:
                    assert len(seen) == 1, (table, message["action"], row)
                    if message["action"] == "update":
                        seen[0].update(row)
                    else:
                        self.rows[table].remove(seen[0])
        return self

    def _same(self, table: str, one: dict, other: dict) -> bool:
        keys = self.keys[table]
        return bool(keys) and all(one[key] == other[key] for key in keys)


def said(venue: Virtual, connection, **request) -> list:
    venue.dialect.message(connection, json.dumps(request).encode(), venue.time)
    return heard(connection)


def log_in(venue: Virtual, connection) -> list:
    client = client_of(venue)
    reported = client.signed("GET", "/realtime")
    args = [client.key, int(reported["api-expires"]), reported["api-signature"]]
    return said(venue, connection, op="authKeyExpires", args=args)


@pytest.fixture
def venue():
    return Virtual("bitmex")


def levels(rows: list[dict]) -> set:
    return {(row["side"], row["price"], row["size"]) for row in rows}


def test_the_book_kept_from_changes_is_the_book_that_is_asked_for(venue):
    connection = venue.connect("/realtime?subscribe=orderBookL2:XBTUSD")
    best = venue.connect("/realtime?subscribe=orderBookL2_25:XBTUSD")
    ten = venue.connect("/realtime?subscribe=orderBook10:XBTUSD")
    full, top, table = Tables(), Tables(), Tables()
    actions = set()
    for _ in range(60):
        venue.wait(1)
        messages = heard(connection)
        actions |= {m.get("action") for m in messages if "table" in m}
        full.take(messages)
        top.take(heard(best))
        table.take(heard(ten))
    assert actions == {"partial", "insert", "update", "delete"}
    client = client_of(venue)
    answer = client.ask("GET", "/orderBook/L2", symbol="XBTUSD", depth=0)[1]
    # The request itself took a millisecond of the market.
    for kept, stream in ((full, connection), (top, best), (table, ten)):
        kept.take(heard(stream))
    assert levels(full.rows["orderBookL2"]) == levels(answer)
    answer = client.ask("GET", "/orderBook/L2", symbol="XBTUSD", depth=25)[1]
    top.take(heard(best))
    assert levels(top.rows["orderBookL2_25"]) == levels(answer)
    found = table.take(heard(ten)).rows["orderBook10"][0]
    buys = [[row["price"], row["size"]] for row in answer if row["side"] == "Buy"][:10]
    assert found["bids"] == buys
    assert {row["id"] for row in answer if row["price"] == buys[0][0]} == {8_800_000_000 - round(buys[0][0] * 100)}


def test_an_order_is_followed_through_its_tables(venue):
    connection = venue.connect("/realtime")
    assert log_in(venue, connection)[-1]["success"] is True
    topics = ["order", "execution", "position", "margin", "wallet"]
    tables = Tables().take(said(venue, connection, op="subscribe", args=topics))
    assert [m["subscribe"] for m in tables.other] == topics
    assert {t: tables.rows[t] for t in topics[:3]} == {t: [] for t in topics[:3]}
    client = client_of(venue)
    price = round(client.ask("GET", "/quote", symbol="XBTUSD")[1][0]["bidPrice"] * 0.9, 1)
    rests = client.order("Buy", 200, price, clOrdID="rests")[1]
    client.ask("PUT", "/order", orderID=rests["orderID"], price=price - 1)
    client.order("Buy", 3000)
    client.ask("DELETE", "/order", clOrdID="rests")
    tables.take(heard(connection))
    by_id = {row["orderID"]: row for row in tables.rows["order"]}
    for request in client.ask("GET", "/order")[1]:
        kept = by_id[request["orderID"]]
        names = ("ordStatus", "cumQty", "leavesQty", "price", "avgPx", "workingIndicator")
        assert {n: kept[n] for n in names} == {n: request[n] for n in names}
    kinds = [row["execType"] for row in tables.rows["execution"]]
    assert kinds[0:2] == ["New", "Replaced"]
    assert kinds[-1] == "Canceled"
    assert sum(r["lastQty"] for r in tables.rows["execution"] if r["execType"] == "Trade") == 3000
    assert tables.rows["position"][0]["currentQty"] == 3000
    wallet = client.ask("GET", "/user/wallet", currency="all")[1]
    assert [w["amount"] for w in wallet] == [w["amount"] for w in tables.rows["wallet"]]
    assert len({row["execID"] for row in tables.rows["execution"]}) == len(kinds)


def test_one_account_hears_nothing_of_another(venue):
    connection = venue.connect("/realtime")
    log_in(venue, connection)
    said(venue, connection, op="subscribe", args=["order", "execution", "position", "margin"])
    client_of(venue, 1).order("Buy", 1000)
    assert heard(connection) == []


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        ({"op": "subscribe", "args": ["order"]}, 401, "User requested an account-locked"),
        ({"op": "subscribe", "args": ["nothing"]}, 400, "Unknown table: nothing"),
        ({"op": "subscribe", "args": ["trade:NOSUCH"]}, 400, "Unknown or expired symbol"),
        ({"op": "unsubscribe", "args": ["trade"]}, 400, "Not subscribed"),
        ({"op": "cancelAllAfter", "args": 1000}, 401, "Authorization Required"),
        ({"op": "authKeyExpires", "args": ["a", 1, "b"]}, 401, "Invalid API Key."),
        ({"op": "authKeyExpires", "args": []}, 401, "Authorization Required"),
        ({"op": "dance"}, 400, "Unknown or unsupported op"),
        ({"args": []}, 400, "Unrecognized request."),
        ([], 400, "Unrecognized request."),
    ],
)
def test_what_cannot_be_done_on_a_socket_is_said(venue, request_, status, why):
    connection = venue.connect("/realtime")
    heard(connection)
    venue.dialect.message(connection, json.dumps(request_).encode(), venue.time)
    answer = heard(connection)[-1]
    assert answer["status"] == status
    assert answer["error"].startswith(why)


def test_a_topic_is_had_once_and_given_up(venue):
    connection = venue.connect("/realtime?subscribe=trade:XBTUSD")
    second = said(venue, connection, op="subscribe", args=["trade:XBTUSD"])
    assert second[-1]["error"].startswith("You are already subscribed")
    assert said(venue, connection, op="unsubscribe", args=["trade:XBTUSD"])[0]["success"] is True
    venue.wait(30)
    assert heard(connection) == []


def test_pings_are_answered_and_the_switch_is_armed_over_the_socket(venue):
    connection = venue.connect("/realtime")
    connection.out.clear()
    for ping in (b"ping", b'{"op":"ping"}'):
        venue.dialect.message(connection, ping, venue.time)
        assert connection.out.pop() == b"pong"
    log_in(venue, connection)
    client = client_of(venue)
    price = round(client.ask("GET", "/quote", symbol="XBTUSD")[1][0]["bidPrice"] * 0.9, 1)
    client.order("Buy", 100, price)
    answer = said(venue, connection, op="cancelAllAfter", args=5000)[-1]
    assert answer["cancelTime"] > answer["now"]
    venue.wait(6)
    assert client.ask("GET", "/order", filter={"open": True})[1] == []


def test_a_wrong_key_in_the_handshake_ends_the_connection(venue):
    connection = venue.connect("/realtime?api-key=no&api-expires=9999999999&api-signature=no")
    assert connection.closed
    assert not venue.dialect.connect(type(connection)(1, "/other", "", "", 0), venue.time)


BOOK = {"symbol", "id", "side", "timestamp"}
TRADE = {
    "timestamp",
    "symbol",
    "side",
    "size",
    "price",
    "tickDirection",
    "trdMatchID",
    "grossValue",
    "homeNotional",
    "foreignNotional",
}
QUOTE = {"timestamp", "symbol", "bidSize", "bidPrice", "askPrice", "askSize"}
COLUMNS = {
    ("orderBookL2", "partial"): BOOK | {"size", "price"},
    ("orderBookL2", "insert"): BOOK | {"size", "price"},
    ("orderBookL2", "update"): BOOK | {"size"},
    ("orderBookL2", "delete"): BOOK,
    ("trade", "partial"): TRADE,
    ("trade", "insert"): TRADE,
    ("quote", "partial"): QUOTE,
    ("quote", "insert"): QUOTE,
}


def columns_sent(venue) -> dict[tuple[str, str], set]:
    """Of the first row of each kind of message within a minute."""
    topics = "orderBookL2:XBTUSD,trade:XBTUSD,quote:XBTUSD"
    connection = venue.connect(f"/realtime?subscribe={topics}")
    venue.wait(60)
    found: dict[tuple[str, str], set] = {}
    for message in heard(connection):
        if "table" in message and message["data"]:
            found.setdefault((message["table"], message["action"]), set(message["data"][0]))
    return found


def test_messages_have_the_documented_columns(venue):
    found = columns_sent(venue)
    lacking = {key: columns - found.get(key, set()) for key, columns in COLUMNS.items()}
    assert {key: columns for key, columns in lacking.items() if columns} == {}


def test_messages_have_the_columns_of_the_recorded_venue(venue, shared):
    recorded: dict[tuple[str, str], set] = {}
    capture = shared / "bitmex" / "10-symbols-2021-07-22-first-half.ws.txt"
    for line in capture.read_text().splitlines():
        if '"table"' in line and " <- " not in line[:80]:
            message = json.loads(line.split(": ", 1)[1])
            if message["data"]:
                key = message["table"], message["action"]
                recorded.setdefault(key, set(message["data"][0]))
    assert len(recorded) >= 8
    ours = columns_sent(venue)
    for key, columns in recorded.items():
        assert columns <= ours[key], key


def test_tables_that_are_seldom_written_are_there(venue):
    topics = ["liquidation", "insurance", "settlement:XBTUSD", "quoteBin1m:XBTUSD"]
    connection = venue.connect("/realtime?subscribe=" + ",".join(topics))
    partials = {m["table"]: m for m in heard(connection) if m.get("action") == "partial"}
    assert set(partials) == {topic.partition(":")[0] for topic in topics}
    assert partials["liquidation"]["keys"] == ["orderID"]
    venue.wait(130)
    client = client_of(venue)
    quotes = client.ask("GET", "/quote", symbol="XBTUSD", count=1000)[1]
    bins = [row for m in heard(connection) if m["table"] == "quoteBin1m" for row in m["data"]]
    assert len(bins) == 2
    for each in bins:
        before = [row for row in quotes if row["timestamp"] < each["timestamp"]]
        if before:  # of the quotes that are kept
            assert {**before[-1], "timestamp": each["timestamp"]} == each


def test_a_contract_that_ends_is_in_the_table_of_settlements(venue):
    connection = venue.connect("/realtime?subscribe=settlement:XBTUSD")
    heard(connection)
    venue.dialect.exchange.clearing.delist(0, venue.time)
    venue.wait(1)
    (row,) = [row for m in heard(connection) if m["action"] == "insert" for row in m["data"]]
    mark = client_of(venue).ask("GET", "/instrument", symbol="XBTUSD")[1][0]["markPrice"]
    assert (row["symbol"], row["settlementType"], row["settledPrice"]) == ("XBTUSD", "Settlement", mark)
