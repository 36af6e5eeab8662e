"""The simulated Kraken spot against what is known of the real one: recorded books and payloads."""

from __future__ import annotations

import gzip
import json
import random
import re
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import HISTORY, Virtual
from onetape.exchange.kraken.book import checksum
from onetape.exchange.kraken.names import Names, altname, asset_id, identify, number_of
from onetape.exchange.kraken.wire import trade_id, trade_number
from onetape.exchange.venues import Crowd, open_venue
from onetape.model import catalogue
from onetape.model.enums import Side
from onetape.venues.error_tables import Outcome
from onetape.venues.kraken.errors import ERRORS, row_of_text
from onetape.venues.kraken.signing import api_sign

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


def test_the_signature_is_that_of_the_documentation():
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    assert api_sign(SECRET, "/0/private/AddOrder", "1616492376594", body) == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_a_secret_that_is_no_base64_is_refused():
    with pytest.raises(ValueError, match="not base64"):
        api_sign("not base64!", "/0/private/Balance", "1", b"nonce=1")


@pytest.mark.parametrize(
    ("text", "outcome", "error"),
    [
        ("EOrder:Insufficient funds", Outcome.DEFINITIVE, "InsufficientFunds"),
        ("EGeneral:Invalid arguments:volume", Outcome.DEFINITIVE, "OrderInvalid"),
        ("EOrder:Invalid price:XBT/USD price can only be", Outcome.DEFINITIVE, "OrderInvalid"),
        ("EOrder:Unknown order", Outcome.AMBIGUOUS, "OrderUnknown"),
        ("EService:Unavailable", Outcome.AMBIGUOUS, "VenueUnavailable"),
        ("EService:Deadline elapsed", Outcome.DEFINITIVE, "OrderInvalid"),
        ("EAPI:Invalid nonce", Outcome.SAFE, "ClockSkew"),
        ("EAPI:Rate limit exceeded", Outcome.SAFE, "VenueRateLimit"),
        ("ENew:Nobody knows this", Outcome.AMBIGUOUS, "VenueRejected"),
        ("", Outcome.AMBIGUOUS, "VenueRejected"),
    ],
)
def test_an_error_says_what_became_of_the_request(text, outcome, error):
    row = row_of_text(text)
    assert (row.outcome, row.error.__name__) == (outcome, error)


def test_every_text_that_the_simulator_says_is_in_the_table():
    import onetape.exchange.kraken as package

    said = set()
    for path in __import__("pathlib").Path(package.__path__[0]).glob("*.py"):
        said |= set(re.findall(r'"(E[A-Z][A-Za-z]+:[^"{]*)', path.read_text()))
    said -= {"EOrder:Invalid price:"}
    unknown = {text for text in said if row_of_text(text).code not in ERRORS}
    assert len(said) > 15
    assert unknown == set()


def test_ids_have_the_venues_form_and_give_their_number_back():
    numbers = [*range(1000), 2**40 + 7, 2**79, 2**80 - 1]
    ids = [identify("O", number) for number in numbers]
    assert len(set(ids)) == len(ids)
    assert all(re.match(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}\Z", each) for each in ids)
    assert [number_of("O", each) for each in ids] == numbers
    for broken in ("", "O", ids[5].lower(), ids[5][1:], "T" + ids[5][1:], ids[5].replace("-", "_")):
        assert number_of("O", broken) == -1


def test_each_side_of_a_trade_has_an_id_of_its_own():
    """Also where both are one account's: a trigger that fires may meet its own account's order."""
    fill = SimpleNamespace(trade_id=2**48)
    sides = [
        SimpleNamespace(account=SimpleNamespace(number=number), index=0, side=side)
        for number in (0, 1)
        for side in (Side.BUY, Side.SELL)
    ]
    assert len({trade_id(each, fill) for each in sides}) == 4
    assert all(2 * trade_number(each, fill) + 1 < 1 << 76 for each in sides)  # the ledger's ids


def test_names_are_those_of_the_recorded_pairs(shared):
    """Ours of each pair that we list or could: as the venue wrote them."""
    text = (shared / "kraken-spot" / "AssetPairs-2021-04-17.http.txt").read_text()
    found = json.loads(text[text.index('{"error"') :].splitlines()[0])["result"]
    checked = 0
    for pair_id, row in found.items():
        base, slash, quote = row.get("wsname", "").partition("/")
        if not slash:
            continue
        ours = [{"XBT": "BTC", "XDG": "DOGE"}.get(name, name) for name in (base, quote)]
        instrument = catalogue.find(f"kraken:{ours[0]}/{ours[1]}")
        if instrument is None:
            continue
        names = Names([instrument], ours)
        assert [altname(each) for each in ours] == [base, quote]
        assert (names.wsnames[0], names.altnames[0]) == (row["wsname"], row["altname"])
        assert asset_id(ours[0]) == row["base"]
        assert (asset_id(ours[1]), names.pair_ids[0]) == (row["quote"], pair_id)
        checked += 1
    assert checked > 200


def test_the_checksum_is_that_of_recorded_books(shared):
    """Messages of the real venue: WebSocket v1 counts the same way as v2."""
    books: dict[str, dict[str, dict[Decimal, tuple[str, str]]]] = {}
    checked = 0
    capture = shared / "kraken-spot" / "10-pairs-2021-04-17-first-quarter.book.ws.txt.gz"
    with gzip.open(capture, "rt") as file:
        for line in file:
            _, _, text = line.partition(": ")
            if not text.startswith("["):
                continue
            message = json.loads(text)
            pair, bodies, wanted = message[-1], message[1:-2], None
            book = books.setdefault(pair, {"a": {}, "b": {}})
            for body in bodies:
                wanted = body.get("c", wanted)
                for name, side in book.items():
                    if f"{name}s" in body:
                        side.clear()
                    for row in [*body.get(f"{name}s", ()), *body.get(name, ())]:
                        if Decimal(row[1]) == 0:
                            side.pop(Decimal(row[0]), None)
                        else:
                            side[Decimal(row[0])] = (row[0], row[1])
                    for price in sorted(side, reverse=name == "b")[1000:]:
                        del side[price]
            if wanted is None:
                continue
            best = {name: [side[p] for p in sorted(side, reverse=name == "b")[:10]] for name, side in book.items()}
            decimals = len(best["a"][0][0].partition(".")[2])
            instrument = msgspec.structs.replace(
                catalogue.find("kraken:BTC/USD"), price_decimals=decimals, size_decimals=8
            )
            levels = {
                name: [(int(p.replace(".", "")), int(s.replace(".", ""))) for p, s in rows]
                for name, rows in best.items()
            }
            assert str(checksum(instrument, levels["b"], levels["a"])) == wanted
            checked += 1
    assert checked == 784  # every message of the capture that has one


# --- payloads -------------------------------------------------------------------------------------


@pytest.fixture
def client():
    venue = Virtual("kraken", limits=False)
    account = venue.dialect.exchange.accounts[0]
    return KrakenClient(venue, account.key, account.secret)


@pytest.fixture
def sample(shared):
    """One of the venue's own payloads, by its name."""
    return lambda name: json.loads((shared / "payloads" / "kraken" / f"{name}.json").read_text())


def only(value):
    """The one entry of a mapping whose key is a name."""
    return next(iter(value.values()))


def kind(value) -> str:
    if isinstance(value, bool) or value is None:
        return str(type(value))
    return "number" if isinstance(value, int | float) else type(value).__name__


def lacks(theirs, ours, location: str = "") -> list[str]:
    """Fields that theirs has and ours has not, or of another JSON type."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{location}.{key}" for key in theirs if key not in ours]
        for key in theirs:
            if key in ours:
                found += lacks(theirs[key], ours[key], f"{location}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        return lacks(theirs[0], ours[0], f"{location}[]") if theirs and ours else []
    if theirs is None or ours is None or kind(theirs) == kind(ours):
        return []
    return [f"{location}: {kind(theirs)}, here {kind(ours)}"]


MARGIN = [".long_position_limit", ".short_position_limit"]


@pytest.mark.parametrize(
    ("name", "ask", "missing"),
    [
        ("http_server_time", lambda c: c.public("Time")[0], []),
        ("http_asset_pairs", lambda c: only(c.public("AssetPairs", pair="XBTUSD")[0]), MARGIN),
        ("http_ticker", lambda c: only(c.public("Ticker", pair="XBTUSD")[0]), []),
        ("http_order_book", lambda c: only(c.public("Depth", pair="XBTUSD")[0]), []),
        ("http_trades", lambda c: only(c.public("Trades", pair="XBTUSD")[0]), []),
        # The sample has the parts of an order beside its words; the answer of today has not.
        (
            "http_add_order_spot",
            lambda c: c.place()[0],
            [f".descr.{f}" for f in ("pair", "type", "ordertype", "price", "price2", "leverage")],
        ),
        ("http_open_orders", lambda c: (c.place(), only(c.ask("OpenOrders")[0]["open"]))[1], []),
        ("http_cancel_order_spot", lambda c: (c.place(userref="5"), c.ask("CancelOrder", txid="5")[0])[1], []),
        ("http_spot_trade_balance", lambda c: c.ask("TradeBalance")[0], [".ml"]),
    ],
)
def test_answers_have_the_fields_of_the_venues_own(client, sample, name, ask, missing):
    theirs = sample(name)["result"]
    if name in ("http_asset_pairs", "http_ticker", "http_order_book", "http_trades"):
        theirs = only(theirs)
    elif name == "http_open_orders":
        theirs = only(theirs["open"])
    assert lacks(theirs, ask(client)) == missing


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ws_book_snapshot", {"channel": "book", "symbol": ["BTC/USD"]}),
        ("ws_ticker_snapshot", {"channel": "ticker", "symbol": ["BTC/USD"]}),
        ("ws_trade_update", {"channel": "trade", "symbol": ["BTC/USD"]}),
        ("ws_ohlc_update", {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 1}),
        ("ws_pong", None),
    ],
)
def test_messages_have_the_fields_of_the_venues_own(client, sample, name, params):
    venue = client.transport
    connection = venue.connect("/v2")
    connection.out.clear()
    request = {"method": "subscribe" if params else "ping", "params": params, "req_id": 42}
    venue.dialect.message(connection, json.dumps(request).encode(), venue.time)
    assert lacks(sample(name), json.loads(connection.out[-1])) == []


def test_requests_of_the_venues_samples_are_understood(client, sample):
    venue = client.transport
    connection, token = venue.connect("/v2"), client.token()

    def ask(request: dict, **change) -> dict:
        request["params"] |= {"token": token, **change}
        connection.out.clear()
        venue.dialect.message(connection, json.dumps(request).encode(), venue.time)
        return json.loads(connection.out[-1])

    added = sample("ws_add_order_request")
    placed = ask(added)
    assert placed["success"] is True
    amended = ask(sample("ws_amend_order_request"), order_id=placed["result"]["order_id"])
    assert amended["success"] is True
    batch = sample("ws_batch_add_request")
    for each in batch["params"]["orders"]:
        each["limit_price"] = 30000.0 if each["side"] == "buy" else 90000.0
    assert len(ask(batch)["result"]) == 2
    refused = ask(added, cl_ord_id="poor", order_qty=900)
    assert lacks(sample("ws_add_order_response_failure"), refused) == []
    assert refused["error"] == sample("ws_add_order_response_failure")["error"]


# --- the exchange underneath ----------------------------------------------------------------------


def act(client: KrakenClient, rng: random.Random) -> None:
    """Something a trader may do, sensible or not."""
    kind = rng.choice(["limit", "limit", "market", "stop-loss", "take-profit-limit"])
    near = client.best()[0] * Decimal(rng.randint(990, 1010)) / 1000
    terms = {"ordertype": kind, "price": f"{near:.1f}", "price2": f"{near:.1f}"}
    client.place(
        rng.choice(["buy", "sell"]),
        f"{rng.randint(1, 120) / 100:.2f}",
        **terms,
        oflags=rng.choice(["", "", "fcib", "post" if kind == "limit" else ""]),
        stptype=rng.choice(["cancel-newest", "cancel-oldest", "cancel-both"]),
    )
    working = list(client.ask("OpenOrders")[0]["open"])
    if working and rng.random() < 0.5:
        txid = rng.choice(working)
        if rng.random() < 0.5:
            client.ask("CancelOrder", txid=txid)
        else:
            client.ask("AmendOrder", txid=txid, order_qty=f"{rng.randint(1, 120) / 100:.2f}")
    client.transport.wait(rng.choice([0.1, 5, 60]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_is_asked_nothing_is_overdrawn_and_the_books_agree(seed):
    venue, rng = Virtual("kraken", seed=seed, limits=False), random.Random(seed)
    clients = [KrakenClient(venue, a.key, a.secret) for a in venue.dialect.exchange.accounts]
    for _ in range(60):
        act(rng.choice(clients), rng)
        for client in clients:
            for row in client.ask("BalanceEx")[0].values():
                held = Decimal(row["hold_trade"])
                assert Decimal(row["balance"]) >= 0
                assert 0 <= held <= Decimal(row["balance"])
    assert sum(client.ask("TradesHistory")[0]["count"] for client in clients) > 10
    for client in clients:
        client.ask("CancelAll")
        assert {Decimal(r["hold_trade"]) for r in client.ask("BalanceEx")[0].values()} == {0}
        account = venue.dialect.exchange.accounts.by_key[client.key]
        last = {entry.currency: entry.balance for entry in venue.dialect.account.ledger(account)}
        assert last == {at: int(account.money.balance(at)) for at in last}


def test_an_exchange_that_makes_its_calls_again_is_the_same():
    now, calls = 1_795_000_000_000_000_000, []
    venue = Virtual("kraken", seed=9, limits=False)
    exchange = venue.dialect.exchange
    exchange.timeline.recorder = lambda name, args, kwargs: calls.append(
        (exchange.now, name, json.loads(json.dumps(args)), json.loads(json.dumps(kwargs)))
    )
    client, rng = (KrakenClient(venue, exchange.accounts[0].key, exchange.accounts[0].secret), random.Random(4))
    for _ in range(25):
        act(client, rng)
    repeated = open_venue("kraken", seed=9, now=now, market=Crowd(history=HISTORY)).exchange
    repeated.replay(calls)
    repeated.advance(exchange.now)
    assert len(calls) > 25
    for first, second in zip(exchange.accounts, repeated.accounts, strict=True):
        for at in range(len(exchange.currencies)):
            assert first.money.balance(at) == second.money.balance(at)
            assert first.money.available(at) == second.money.available(at)
        assert list(first.open_orders) == list(second.open_orders)
        assert [t.fill for t in first.trades] == [t.fill for t in second.trades]
