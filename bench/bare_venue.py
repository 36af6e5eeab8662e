"""A bare venue for measurements: a process that spins over plain sockets and speaks just what a
gateway of Binance USD-M needs. It sends ticks, and notes when each one's order is there.

Both stamps are taken here, with one clock: before the tick is written, and when the order's bytes
have been read. Orders are answered at once, always alike: taken, and expired, which the account's
stream says, too; with --fills they are filled instead. Between ticks a mark comes each second, as
the venue promises: without it a gateway holds the market for silent, and refuses orders. What a
gateway asks before it trades is answered by the simulated exchange's own dialect, which does
nothing else.

    python bench/bare_venue.py --ticks 1000 --every-us 1000 [--fills]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import select
import socket
import struct
import time
from typing import Any

import msgspec

from onetape.exchange import venues
from onetape.exchange.dialect import Reply, Request

RAW, STREAM, MARKS = "BTCUSDT", "btcusdt@bookTicker", "btcusdt@markPrice@1s"
ENTRY = "/ws-fapi/v1"
FIRST_BID = 300_000  # in ticks of 0.1
WARM = 200  # ticks
LOST_NS = 200_000_000  # a tick that no order answers
MARK_NS = 1_000_000_000
PATIENCE_S = 60.0  # without any order
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455

ROW = (
    b'{"orderId":%d,"symbol":"BTCUSDT","status":"%b","clientOrderId":"%b","price":"%b",'
    b'"avgPrice":"0.00","origQty":"0.010","executedQty":"%b","cumQty":"%b","cumQuote":"0",'
    b'"timeInForce":"IOC","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"%b",'
    b'"positionSide":"BOTH","stopPrice":"0.0","workingType":"CONTRACT_PRICE","priceProtect":false,'
    b'"origType":"LIMIT","priceMatch":"NONE","selfTradePreventionMode":"EXPIRE_MAKER",'
    b'"goodTillDate":0,"updateTime":%d}'
)
EVENT = (
    b'{"e":"ORDER_TRADE_UPDATE","E":%d,"T":%d,"o":{"s":"BTCUSDT","c":"%b","S":"%b","o":"LIMIT",'
    b'"f":"IOC","q":"0.010","p":"%b","ap":"0","sp":"0","x":"%b","X":"%b","i":%d,"l":"%b","z":"%b",'
    b'"L":"%b","n":"0","N":"USDT","T":%d,"t":%d,"b":"0","a":"0","m":false,"R":false,'
    b'"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,'
    b'"V":"EXPIRE_MAKER","pm":"NONE","gtd":0}}'
)
TERMS = ("side", "price", "newClientOrderId")  # of an order that is answered
# Of an event: what it is, the order's state after it, what is filled of it, and whether that is a trade.
NEW, EXPIRED, FILLED = (b"NEW", b"NEW", b"0", 0), (b"EXPIRED", b"EXPIRED", b"0", 0), (b"TRADE", b"FILLED", b"0.010", 1)
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Line:
    """One connection: plain HTTP until it becomes a WebSocket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.path = ""  # of a WebSocket

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:  # the set-up's long answers
                time.sleep(0.0001)

    def say(self, payload: bytes, code: int = TEXT) -> None:
        self.write(framed(payload, code))


def framed(payload: bytes, code: int = TEXT) -> bytes:
    """As a server sends it: whole, without a mask."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | code, size) + payload
    return struct.pack("!BBH", 0x80 | code, 126, size) + payload


def unframed(data: bytes) -> tuple[int, bytes, int] | None:
    """(code, payload, bytes used) of a client's first frame, None: it is not whole yet."""
    if len(data) < 6:
        return None
    size, at = data[1] & 0x7F, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, at = int.from_bytes(data[2:10], "big"), 10
    end = at + 4 + size
    if len(data) < end:
        return None
    mask = data[at : at + 4] * (size // 4 + 1)
    text = int.from_bytes(data[at + 4 : end], "little") ^ int.from_bytes(mask[:size], "little")
    return data[0] & 0x0F, text.to_bytes(size, "little"), end


class BareVenue:
    def __init__(self, count: int, every_ns: int, *, fills: bool = False) -> None:
        # Hardly a market, and no past: nobody trades there.
        self.dialect = venues.open_venue(
            "binance-usdm", seed=7, now=time.time_ns(), limits=False, market=venues.Crowd(0.01, 10_000_000_000)
        )
        self.count, self.every_ns, self.fills = count + WARM, every_ns, fills
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.port = int(self.listening.getsockname()[1])
        self.poller = select.epoll()
        self.poller.register(self.listening.fileno(), select.EPOLLIN)
        self.lines: dict[int, Line] = {}
        self.market: Line | None = None
        self.marks: Line | None = None
        self.account: Line | None = None  # its stream
        self.at = FIRST_BID
        self.price = b""  # of the tick that waits for its order
        self.sent = 0
        self.took: list[int] = []
        self.lost = self.orders = 0

    # --- what is measured -------------------------------------------------------------------------

    def run(self) -> list[int]:
        """ns of each tick's order. Raises TimeoutError when no more orders come."""
        until = time.monotonic() + PATIENCE_S
        clock = time.perf_counter_ns
        next_at = mark_at = 0
        while len(self.took) < self.count:
            now = clock()
            if self.price and now - self.sent > LOST_NS:
                self.price, self.lost = b"", self.lost + 1
            if self.marks is not None and not self.price and now >= mark_at:
                self.mark(self.marks)
                mark_at, next_at = now + MARK_NS, now + self.every_ns
            elif self.market is not None and not self.price and now >= next_at:
                self.tick()
            was_waiting = bool(self.price)
            self.look(0.0)
            if was_waiting and not self.price:
                next_at = clock() + self.every_ns
                until = time.monotonic() + PATIENCE_S
            if self.market is None:
                self.look(0.01)  # nothing is measured yet
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.took)} orders, {self.lost} ticks without one")
        return self.took[WARM:]

    def tick(self) -> None:
        assert self.market is not None
        self.at += 1
        price = b"%d.%d" % divmod(self.at, 10)
        ms = time.time_ns() // 1_000_000
        message = framed(
            b'{"e":"bookTicker","u":%d,"s":"BTCUSDT","b":"%b","B":"1.000","a":"%d.%d","A":"1.000",'
            b'"T":%d,"E":%d}' % (self.at, price, *divmod(self.at + 1, 10), ms, ms)
        )
        self.price = price
        self.sent = time.perf_counter_ns()
        self.market.sock.send(message)

    def mark(self, line: Line) -> None:
        price, ms = b"%d.%d" % divmod(self.at, 10), time.time_ns() // 1_000_000
        line.say(
            b'{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"%b","ap":"%b","i":"%b","P":"%b",'
            b'"r":"0.00010000","T":%d,"st":1}' % (ms, price, price, price, price, ms + 3_600_000)
        )

    def order(self, side: bytes, price: bytes, name: bytes, now: int) -> bytes:
        """Its answer. now: when its bytes were here."""
        if price == self.price:
            self.took.append(now - self.sent)
            self.price = b""
        self.orders += 1
        number, ms = 8_389_765_000_000 + self.orders, time.time_ns() // 1_000_000
        end = FILLED if self.fills else EXPIRED
        if self.account is not None:
            for kind, state, size, trade in (NEW, end):
                at = price if trade else b"0"
                row = name, side, price, kind, state, number, size, size, at, ms, self.orders * trade
                self.account.say(EVENT % (ms, ms, *row))
        state, size = end[1], end[2]
        return ROW % (number, state, name, price, size, size, side, ms)

    # --- sockets ----------------------------------------------------------------------------------

    def look(self, timeout: float) -> None:
        for fd, _ in self.poller.poll(timeout):
            if fd == self.listening.fileno():
                sock, _ = self.listening.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.lines[sock.fileno()] = Line(sock)
                self.poller.register(sock.fileno(), select.EPOLLIN)
                continue
            line = self.lines[fd]
            try:
                data = line.sock.recv(65536)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            now = time.perf_counter_ns()
            if not data:
                self.drop(fd)
                continue
            line.buffer += data
            while line.buffer and (self.frame(line, now) if line.path else self.http(line, now)):
                pass

    def drop(self, fd: int) -> None:
        line = self.lines.pop(fd)
        self.poller.unregister(fd)
        line.sock.close()
        if line is self.market:
            self.market, self.price = None, b""
        if line is self.marks:
            self.marks = None
        if line is self.account:
            self.account = None

    def frame(self, line: Line, now: int) -> bool:
        """The first frame of the buffer, if it is whole."""
        found = unframed(line.buffer)
        if found is None:
            return False
        code, payload, used = found
        line.buffer = line.buffer[used:]
        if code == PING:
            line.say(payload, PONG)
        elif code == CLOSE:
            line.say(payload, CLOSE)
        elif code == TEXT:
            self.hear(line, payload, now)
        return True

    def hear(self, line: Line, payload: bytes, now: int) -> None:
        request = msgspec.json.decode(payload)
        if line.path != ENTRY:
            line.say(b'{"result":null,"id":%d}' % int(request.get("id") or 0))
            return
        params = request["params"]
        side, price, name = (params[term].encode() for term in TERMS)
        row = self.order(side, price, name, now)
        line.say(b'{"id":%d,"status":200,"result":%b}' % (int(request["id"]), row))

    def http(self, line: Line, now: int) -> bool:
        """The first request of the buffer, if it is whole."""
        head, found, rest = line.buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        if head.startswith(b"POST /fapi/v1/order?"):
            query = head[20 : head.index(b" ", 20)]
            line.buffer = rest
            side, price, name = (field(query, term.encode() + b"=") for term in TERMS)
            row = self.order(side, price, name, now)
            line.write(HTTP % (len(row), row))
            return True
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {n.lower(): v for n, _, v in (each.partition(": ") for each in lines)}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return False
        line.buffer = rest[size:]
        if headers.get("upgrade", "").lower() == "websocket":
            self.upgrade(line, target, headers)
        else:
            line.write(self.ask(method, target, headers, rest[:size]))
        return True

    def upgrade(self, line: Line, target: str, headers: dict[str, str]) -> None:
        key = hashlib.sha1(headers["sec-websocket-key"].encode() + GUID).digest()
        line.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(key)
        )
        line.path = target
        if STREAM in target:
            self.market = line
        if MARKS in target:
            self.marks = line
        if target.startswith("/private"):
            self.account = line

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        """What a gateway asks before it trades."""
        path, _, query = target.partition("?")
        now = max(time.time_ns(), self.dialect.exchange.now)
        self.dialect.exchange.advance(now)
        reply = self.dialect.http(Request(method, path, query, body, headers, "127.0.0.1"), now)
        self.dialect.exchange.take()
        assert isinstance(reply, Reply)
        start = b"HTTP/1.1 %d .\r\nContent-Type: application/json\r\n" % reply.status
        return start + b"Content-Length: %d\r\n\r\n%b" % (len(reply.body), reply.body)


def field(query: bytes, name: bytes) -> bytes:
    _, found, value = query.partition(b"&" + name)
    return value.partition(b"&")[0] if found else b""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=1000)
    options.add_argument("--every-us", type=int, default=1000)
    options.add_argument("--fills", action="store_true")
    inputs = options.parse_args()
    cores = range(os.cpu_count() or 1)
    os.sched_setaffinity(0, {cores[-1]})
    venue = BareVenue(inputs.ticks, inputs.every_us * 1000, fills=inputs.fills)
    account: Any = venue.dialect.exchange.accounts[0]
    print(json.dumps({"port": venue.port, "key": account.key, "secret": account.secret}), flush=True)
    samples = venue.run()
    print(json.dumps({"samples": samples, "lost": venue.lost}), flush=True)
    while venue.lines:  # answers until all have gone
        venue.look(0.05)


if __name__ == "__main__":
    main()
