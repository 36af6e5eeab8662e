"""Sessions whose answers are kept: orders good and bad, by a fixed seed and at a time of their own.

A session gives what was said, byte for byte, in the order it was said: (purpose, bytes).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

from onetape.exchange.dialect import Close, Connection, Reply, Request
from onetape.exchange.faulty import Faulty
from onetape.exchange.http_port import response
from onetape.exchange.venues import open_venue
from onetape.net.http_reader import read_request

START = 1_795_000_000_000_000_000
STEP = 40_000_000  # ns between two requests
ROUNDS = 400
HISTORY = 20_000_000_000  # ns of market before

Said = Iterator[tuple[str, bytes]]


class Session:
    """One exchange, one client with every account, and a stream of each path."""

    def __init__(self, kind: str, seed: int) -> None:
        self.time = START
        inner = open_venue(kind, seed=seed, now=START, limits=False, history=HISTORY)
        self.dialect = Faulty(inner, kind, seed=seed)
        self.exchange = self.dialect.exchange
        self.random = random.Random(seed)
        self.streams: list[tuple[str, Connection]] = []
        self.names = 0

    def open(self, name: str, path: str, *calls: dict[str, object]) -> None:
        target, _, query = path.partition("?")
        stream = Connection(len(self.streams) + 1, target, query, "127.0.0.1", self.time)
        assert self.dialect.connect(stream, self.time)
        self.streams.append((name, stream))
        for call in calls:
            self.dialect.message(stream, json.dumps(call).encode(), self.time)

    def ask(self, raw: bytes) -> bytes:
        """The answer as it stands on the wire."""
        self.time += STEP
        self.exchange.advance(self.time)
        found = read_request(raw)
        assert found is not None
        method, path, query, headers, body, end = found
        assert end == len(raw)
        reply = self.dialect.http(Request(method, path, query, body, headers, "127.0.0.1"), self.time)
        self.dialect.publish(self.exchange.take(), self.time)
        self.dialect.tick(self.time)
        assert isinstance(reply, Reply)
        return response(reply, self.time // 10**9)

    def heard(self) -> Said:
        for name, stream in self.streams:
            out, stream.out = stream.out, []
            for message in out:
                yield name, repr(message).encode() if isinstance(message, Close) else message

    def name(self) -> str:
        self.names += 1
        return f"k{self.names}"

    def price(self, index: int, side: str) -> str:
        """Mostly beside the touch, sometimes through it, sometimes nonsense."""
        listing, draw = self.exchange.listings[index], self.random.random()
        i = listing.instrument
        if draw < 0.08:
            return self.random.choice(
                ["0", "-1", "1e5", "", "12.3456789123", "99999999", "1", "007", " 5", "+5", "60000.05", "0.15", "3."]
            )
        tick = int(i.tick.scaleb(i.price_decimals))
        away = self.random.randrange(-2, 60) * 10 * tick
        base = listing.bid - away if side.lower() == "buy" else listing.ask + away
        if draw > 0.97:
            base += tick // 2 or 1
        places = i.price_decimals
        text = f"{base // 10**places}.{base % 10**places:0{places}d}"
        return text if draw < 0.9 else text + "0"

    def size(self, index: int) -> str:
        i, draw = self.exchange.instruments[index], self.random.random()
        if draw < 0.08:
            return self.random.choice(
                ["0", "-1", "abc", "", "0.00000001", "1000000", "1.5", "00.5", "0.001", "0.0015", ".5"]
            )
        least = max(i.lot, i.size_min)
        return str(least * self.random.randrange(8, 40) + (i.lot if draw > 0.5 else 0))


# --- Binance ------------------------------------------------------------------------------------


def _binance_raw(s: Session, verb: str, path: str, at: int, params: dict[str, str]) -> bytes:
    account = s.exchange.accounts[at]
    query = urlencode(params) + f"&timestamp={s.time // 10**6}"
    if s.random.random() < 0.1:
        query += f"&recvWindow={s.random.choice(['5000', '60000', '60001', '1', 'x', '4999.5'])}"
    key = account.key.encode() if s.random.random() > 0.02 else b"nobody"
    if s.random.random() < 0.2:  # the account's other key
        other = next(k for k in s.exchange.keys.values() if k.account is account and k.secret[:1] == "-")
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        signer = load_pem_private_key(other.secret.encode(), password=None)
        sign, key = (quote(base64.b64encode(signer.sign(query.encode())).decode(), safe=""), other.key.encode())
    else:
        sign = hmac.new(account.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    if s.random.random() < 0.02:
        sign = sign[:-2]
    if s.random.random() < 0.2:
        sign = sign.upper() if "%" not in sign and key == account.key.encode() else sign
    query += f"&signature={sign}"
    if verb == "POST" and s.random.random() < 0.2:
        body = query.encode()
        return b"%b %b HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            verb.encode(),
            path.encode(),
            key,
            len(body),
            body,
        )
    head = f"{verb} {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    return head + b"x-mbx-apikey:  %b \r\nAccept: */*\r\n\r\n" % key


def binance(s: Session) -> Said:
    names = [i.raw_symbol for i in s.exchange.instruments]
    keys = []
    for at in (0, 1):
        raw = b"POST /fapi/v1/listenKey HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: %b\r\n\r\n"
        said = s.ask(raw % s.exchange.accounts[at].key.encode())
        keys.append(json.loads(said.partition(b"\r\n\r\n")[2])["listenKey"])
        yield "key", said
    s.open("user", f"/private/ws/{keys[0]}")
    s.open("user combined", f"/private/stream?streams={keys[1]}")
    s.open("book", "/public/ws/btcusdt@depth@100ms/ethusdt@bookTicker/solusdt@depth5@100ms")
    s.open("trades", "/market/stream?streams=btcusdt@aggTrade/ethusdt@markPrice@1s")
    r, order = s.random, "/fapi/v1/order"
    for _ in range(ROUNDS):
        at, index = r.randrange(2), r.randrange(3)
        account, draw = s.exchange.accounts[at], r.random()
        symbol = names[index] if r.random() > 0.02 else "NONE"
        client = {"symbol": symbol}
        open_ = list(account.open_orders.values())
        if draw < 0.55:
            side = r.choice(["BUY", "SELL"] * 20 + ["buy"])
            terms = client | {"side": side, "type": r.choice(["LIMIT"] * 8 + ["MARKET", "STOP", "X"])}
            terms["quantity"] = s.size(index)
            if terms["type"] != "MARKET":
                tif = ["GTC"] * 12 + ["IOC", "FOK", "GTX", "GTX", "GTD", "RPI", "ALL"]
                terms["timeInForce"] = r.choice(tif)
                terms["price"] = s.price(index, side)
            if r.random() < 0.7:
                terms["newClientOrderId"] = (
                    s.name() if r.random() > 0.05 else r.choice(["x" * 37, "a b", "k1", "ü", 'q"u', "web_1:/."])
                )
            for name, values in (
                ("newOrderRespType", ["RESULT", "ACK"]),
                ("reduceOnly", ["true", "false", "x"]),
                ("selfTradePreventionMode", ["EXPIRE_TAKER", "NONE", "BAD"]),
                ("goodTillDate", [str(s.time // 10**6 + 700_000), "1", "x"]),
                ("positionSide", ["BOTH", "LONG", "Q"]),
                ("priceMatch", ["QUEUE", "OPPONENT", "Z"]),
            ):
                if r.random() < 0.08:
                    terms[name] = r.choice(values)
            yield "place", s.ask(_binance_raw(s, "POST", order, at, terms))
        elif draw < 0.75:
            if open_ and r.random() < 0.9:
                found = r.choice(open_)
                client = {"symbol": names[found.index]}
                named = {"orderId": str(found.id)} if r.random() < 0.5 else {"origClientOrderId": found.client_id}
            else:
                named = r.choice([{"orderId": "1"}, {"orderId": "x"}, {}, {"origClientOrderId": "k1"}])
            verb = "DELETE" if r.random() < 0.7 else "GET"
            yield verb, s.ask(_binance_raw(s, verb, order, at, client | named))
        elif draw < 0.85 and open_:
            found = r.choice(open_)
            terms = {
                "symbol": names[found.index],
                "orderId": str(found.id),
                "side": found.side.value.upper(),
                "quantity": s.size(found.index),
                "price": s.price(found.index, found.side.value),
            }
            yield "PUT", s.ask(_binance_raw(s, "PUT", order, at, terms))
        else:
            verb, path = r.choice(
                [
                    ("GET", "/fapi/v1/openOrders"),
                    ("GET", "/fapi/v1/allOrders"),
                    ("GET", "/fapi/v1/userTrades"),
                    ("GET", "/fapi/v3/account"),
                    ("GET", "/fapi/v3/positionRisk"),
                    ("DELETE", "/fapi/v1/allOpenOrders"),
                    ("GET", "/fapi/v1/depth"),
                    ("GET", "/fapi/v1/nothing"),
                    ("POST", "/fapi/v1/batchOrders"),
                ]
            )
            if path.endswith("batchOrders"):
                each = {
                    "symbol": symbol,
                    "side": "BUY",
                    "type": "LIMIT",
                    "timeInForce": "GTC",
                    "quantity": s.size(index),
                    "price": s.price(index, "buy"),
                }
                client = {"batchOrders": json.dumps([each, each | {"side": "SELL"}])}
            yield path.rpartition("/")[2], s.ask(_binance_raw(s, verb, path, at, client))
        yield from s.heard()


# --- Kraken -------------------------------------------------------------------------------------


def _kraken_raw(s: Session, name: str, at: int, params: dict[str, str]) -> bytes:
    account = s.exchange.accounts[at]
    nonce = str(s.time + 1) if s.random.random() > 0.02 else "5"
    body, path = urlencode({"nonce": nonce, **params}), f"/0/private/{name}"
    digest = hashlib.sha256((nonce + body).encode()).digest()
    secret = base64.b64decode(account.secret if s.random.random() > 0.02 else "AAAA")
    sign = base64.b64encode(hmac.new(secret, path.encode() + digest, hashlib.sha512).digest())
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAPI-Key: {account.key}\r\n"
        f"API-Sign: {sign.decode()}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def kraken(s: Session) -> Said:
    pairs, r = ("XBTUSD", "ETHUSD", "XRPUSD"), s.random
    tokens = []
    for at in (0, 1):
        said = s.ask(_kraken_raw(s, "GetWebSocketsToken", at, {}))
        answer = json.loads(said.partition(b"\r\n\r\n")[2])
        if not answer["error"]:
            tokens.append(answer["result"]["token"])
    for token in tokens:
        params = {"channel": "executions", "token": token, "snap_orders": True}
        s.open("executions", "/v2", {"method": "subscribe", "params": params})
    book = {"channel": "book", "symbol": ["BTC/USD", "XRP/USD"]}
    s.open("book", "/v2", {"method": "subscribe", "params": book})
    for _ in range(ROUNDS):
        at, index, draw = r.randrange(2), r.randrange(3), r.random()
        account = s.exchange.accounts[at]
        open_ = list(account.open_orders.values())
        if draw < 0.55:
            side = r.choice(["buy", "sell"])
            terms = {"pair": r.choice([pairs[index]] * 30 + ["NONE"]), "type": side}
            terms["ordertype"] = r.choice(["limit"] * 8 + ["market", "stop-loss", "x"])
            terms["volume"] = s.size(index)
            if terms["ordertype"] != "market":
                terms["price"] = s.price(index, side)
            for name, values in (
                ("oflags", ["post", "fciq", "fcib", "bad"]),
                ("timeinforce", ["IOC", "GTC", "Q"]),
                ("userref", ["7", "x"]),
                ("cl_ord_id", [s.name(), "a b"]),
                ("validate", ["true"]),
            ):
                if r.random() < 0.1:
                    terms[name] = r.choice(values)
            yield "AddOrder", s.ask(_kraken_raw(s, "AddOrder", at, terms))
        else:
            name = r.choice(
                ["CancelOrder"] * 4
                + ["AmendOrder"] * 2
                + ["OpenOrders", "ClosedOrders", "TradesHistory", "Balance", "CancelAll", "Nothing"]
            )
            terms = {}
            if name in ("CancelOrder", "AmendOrder"):
                rows = s.ask(_kraken_raw(s, "OpenOrders", at, {}))
                yield "OpenOrders", rows
                answer = json.loads(rows.partition(b"\r\n\r\n")[2])
                ids = list(answer.get("result", {}).get("open", {})) or ["OAAAAA-AAAAA-AAAAAA"]
                terms["txid"] = r.choice(ids)
                if name == "AmendOrder" and open_:
                    terms["order_qty"], terms["limit_price"] = s.size(0), s.price(0, "buy")
            yield name, s.ask(_kraken_raw(s, name, at, terms))
        yield from s.heard()


# --- BitMEX -------------------------------------------------------------------------------------


def _bitmex_raw(s: Session, verb: str, target: str, at: int, params: dict[str, object]) -> bytes:
    account, body = s.exchange.accounts[at], json.dumps(params) if params else ""
    target, expires = f"/api/v1{target}", str(s.time // 10**9 + 60)
    payload = f"{verb}{target}{expires}{body}".encode()
    sign = hmac.new(account.secret.encode(), payload, hashlib.sha256).hexdigest()
    if s.random.random() < 0.02:
        sign = "00" + sign[2:]
    return (
        f"{verb} {target} HTTP/1.1\r\nHost: x\r\napi-key: {account.key}\r\n"
        f"api-expires: {expires}\r\n"
        f"api-signature: {sign}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def bitmex(s: Session) -> Said:
    names, r = [i.raw_symbol for i in s.exchange.instruments], s.random
    s.open("public", f"/realtime?subscribe=orderBookL2_25:{names[0]},trade:{names[0]}")
    for _ in range(ROUNDS):
        at, index, draw = r.randrange(2), r.randrange(3), r.random()
        open_ = list(s.exchange.accounts[at].open_orders.values())
        if draw < 0.6:
            side = r.choice(["Buy", "Sell"])
            price = s.price(index, side)
            terms: dict[str, object] = {"symbol": names[index], "side": side}
            lot = int(s.exchange.instruments[index].lot)
            terms["orderQty"] = r.choice([lot, 3 * lot, 10 * lot, 50 * lot, 0, 150])
            if r.random() < 0.85:
                terms["price"] = float(price) if price[1:].replace(".", "", 1).isdigit() else price
            for name, values in (
                ("execInst", ["ParticipateDoNotInitiate", "ReduceOnly", "Bad"]),
                ("timeInForce", ["ImmediateOrCancel", "FillOrKill", "X"]),
                ("clOrdID", [s.name()]),
            ):
                if r.random() < 0.1:
                    terms[name] = r.choice(values)
            yield "place", s.ask(_bitmex_raw(s, "POST", "/order", at, terms))
        elif draw < 0.8 and open_:
            rows = s.ask(_bitmex_raw(s, "GET", f"/order?symbol={names[index]}", at, {}))
            yield "orders", rows
            answer = json.loads(rows.partition(b"\r\n\r\n")[2])
            ids = [row["orderID"] for row in answer if isinstance(row, dict)] or ["x"]
            terms = {"orderID": r.choice(ids)}
            verb = r.choice(["DELETE", "DELETE", "PUT"])
            if verb == "PUT":
                terms["orderQty"] = r.choice([2, 5, 7]) * int(s.exchange.instruments[index].lot)
            yield verb, s.ask(_bitmex_raw(s, verb, "/order", at, terms))
        else:
            path = r.choice(["/position", "/user/margin", "/execution/tradeHistory", "/nothing"])
            yield path, s.ask(_bitmex_raw(s, "GET", path, at, {}))
        yield from s.heard()


SESSIONS: dict[str, Callable[[Session], Said]] = {"binance-usdm": binance, "bitmex": bitmex, "kraken": kraken}


def play(kind: str) -> tuple[dict[str, str], dict[str, int]]:
    """(digest, count) of what was said, by purpose."""
    digests: dict[str, hashlib._Hash] = {}
    counts: dict[str, int] = {}
    for purpose, said in SESSIONS[kind](Session(kind, seed=11)):
        digests.setdefault(purpose, hashlib.sha256()).update(len(said).to_bytes(4, "big") + said)
        counts[purpose] = counts.get(purpose, 0) + 1
    return {name: each.hexdigest()[:32] for name, each in digests.items()}, counts
