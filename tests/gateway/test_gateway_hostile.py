"""Nothing that a venue sends ends a gateway: it is counted, said with the reason, and trading goes
on. `make prove WHAT=hostile` sends one such message each second for ten minutes."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import msgspec
import pytest

from exchange.venue_client import served
from long_form import long_form
from onetape.exchange.dialect import Reply
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked, news_of, traded

SECONDS = int(os.environ.get("SECONDS") or (600 if os.environ.get("ONETAPE_LONG") else 0))
DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
HUGE = b"9" * 60
MESSAGES = [
    DEEP, b"{" * 20_000, b"[" * 20_000, b"", b"null", b"[]", b"[[]]", b"7", b'"word"', b"\xff\xfe",
    b"{", b'{"e":null}', b'{"e":[]}', b'{"e":{"e":1}}',
    b'{"e":"ORDER_TRADE_UPDATE","o":[]}', b'{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT"}}',
    b'{"e":"ACCOUNT_UPDATE","T":' + HUGE + b',"a":{"B":[],"P":[]}}',
    b'{"e":"ACCOUNT_UPDATE","T":1,"a":{"B":[{"a":"USDT","wb":"' + HUGE + b'"}],"P":[]}}',
    b'{"e":"ACCOUNT_UPDATE","T":1,"a":{"B":[],"P":[{"s":"BTCUSDT","ps":"BOTH","pa":"'
    + HUGE + b'"}]}}',
    b'{"e":"bookTicker","u":' + HUGE + b',"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1","T":1}',
    b'{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"' + HUGE + b'","B":"1","a":"2","A":"1","T":1}',
    b'{"e":"aggTrade","s":"BTCUSDT","p":"-1","q":"nan","T":1e400,"a":1,"m":true}',
    b'{"channel":"executions","type":"update","data":[{"exec_type":"\\ud800","order_id":"\\ud8"}]}',
    b'{"channel":"executions","type":"update","data":[[]],"sequence":-1}',
    b'{"channel":"balances","type":"update","data":[{"asset":"USD","balance":1e999}]}',
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":' + HUGE + b"}]}",
    b'{"method":"add_order","success":true,"req_id":1,"result":[]}',
    b'{"id":"1","status":"200","result":' + DEEP + b"}",
]  # fmt: skip
ANSWERS = [DEEP, b"[" * 20_000, b"", b"null", b"[]", b"{}", b"7", b"\xff", b'{"result":[]}']


class Hostile:
    """A dialect that sends what is put into `said` to all who listen, and answers the next
    requests with what is in `answers`."""

    def __init__(self, inner) -> None:
        self.inner, self.connections = inner, []
        self.said: deque[bytes] = deque()
        self.answers: deque[bytes] = deque()

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def connect(self, connection, now: int) -> bool:
        self.connections.append(connection)
        return self.inner.connect(connection, now)

    def tick(self, now: int) -> None:
        self.inner.tick(now)
        while self.said:
            message = self.said.popleft()
            for each in [c for c in self.connections if not c.closed]:
                each.send(message)

    def http(self, request, now: int):
        if self.answers:
            return Reply(200, self.answers.popleft(), {"Retry-After": "soon"})
        return self.inner.http(request, now)


def malformed(home: Path) -> list[dict]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health",))]
    return [each for each in received if each["kind"] == "malformed"]


SLOW = ("pacifica", "hyperliquid")  # where a reconciliation costs a tenth of what an address may ask in a minute


@pytest.mark.parametrize("entry", ["rest", "socket"])
@pytest.mark.parametrize("kind", [*(each for each in TRADED if each not in SLOW), *long_form(*SLOW)])
def test_nothing_that_a_venue_sends_ends_a_gateway(tmp_path: Path, kind: str, entry: str) -> None:
    with served(kind, wrap=Hostile, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        listing = dialect.exchange.listings[0]
        gateway = GatewayProcess(kind, tmp_path, port, account, order_entry=entry)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            began = time.monotonic()
            sent, longest_s = 0, 0.0
            while sent < len(MESSAGES) or time.monotonic() < began + SECONDS:
                dialect.said.append(MESSAGES[sent % len(MESSAGES)])
                robot.act(listing.bid)
                if sent % 3 == 0:
                    dialect.answers.append(ANSWERS[sent // 3 % len(ANSWERS)])
                    request = time.monotonic()
                    gateway.ask("reconcile")
                    longest_s = max(longest_s, time.monotonic() - request)
                time.sleep(1.0 if SECONDS else 0.15)
                sent += 1
                assert gateway.process.poll() is None, sent
            wait_for(lambda: not dialect.said and not dialect.answers)
            # It trades on, and knows what has become of everything.
            wait_for(lambda: gateway.ask("status")["ready"])
            place = robot.place(Side.BUY, 0)
            wait_for(lambda: news_of(tmp_path, place))
            gateway.ask("reconcile")
            wait_for(lambda: not gateway.ask("status")["reconciling"])
            wait_for(lambda: not gateway.ask("status")["unknown"])
            status = gateway.ask("status")
        finally:
            gateway.kill()
            robot.writer.close()
        assert booked(tmp_path) == traded(dialect)
        assert status["positions"].get(f"{TRADED[kind][0]} both", 0) == account.qty(0)
        print(f"{kind} by {entry}: {sent} messages, an answer within {longest_s:.2f} s")
        # Said with the reason, and not each time.
        assert len(malformed(tmp_path)) <= 20 + SECONDS


def test_a_local_request_that_cannot_be_carried_out_is_answered(tmp_path: Path) -> None:
    with served("binance-usdm", limits=False) as (dialect, port):
        gateway = GatewayProcess("binance-usdm", tmp_path, port, dialect.exchange.accounts[0])
        gateway.start()
        try:
            answer = gateway.ask("attach", name="x", journal=str(tmp_path / "nowhere"))
            for request in (
                {"do": "follow", "robot": answer["robot"]},
                {"do": "follow", "robot": 10**30},
                {"do": "follow", "robot": answer["robot"], "books": 7},
                {"do": "attach", "name": "y", "journal": str(tmp_path)},
                {"do": "life"},
                {"do": "standing", "robot": -1},
                {"do": "command", "id": [], "fields": 7},
            ):
                assert "error" in gateway.ask(request.pop("do"), **request), request
            assert gateway.ask("status")["ready"]
            assert gateway.process.poll() is None
        finally:
            gateway.kill()
