"""From an id to everything that became of it, over the journals of all processes; as OpenTelemetry traces, too."""

from __future__ import annotations

import base64
import json
import signal
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from onetape.model.enums import EventType
from onetape.recorder.chains import READ, Chains, Home, trace
from onetape.recorder.recorder import gateway_journals
from onetape.simulation.seeds import Seed, play
from onetape.tape.journal import JournalReader
from recorder.recorded_worlds import Retold, contents, record_all
from waiting import wait_for
from worlds.command_lines import begin
from worlds.supervised import Home as Supervised

TRADER = """
from onetape import Strategy


class Trader(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        if self.orders(self.symbol) or len(self.memory) > 3:
            return
        self.memory[str(len(self.memory))] = 1
        signal = self.signal(self.symbol, "buy", strength=1)
        self.set_target(self.symbol, 0.01 * len(self.memory), signal=signal)
"""
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
subaccounts = { a = 2 }
[recorder]
[robots.trader]
strategy = "maker.py"
account = "main"
"""
FILL = EventType.FILL.id
ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=5", "index=2", "--id", "op-7")
SYMBOL = "binance:BTC/USDT:USDT"


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """A home that has traded by robot and by hand: (it, the answer of the order by hand)."""
    with Supervised(tmp_path_factory.mktemp("home"), CONFIG, TRADER) as home:
        home.run("up")
        home.run(*ALLOCATE)
        bought = home.run("buy", SYMBOL, "0.01")
        wait_for(lambda: len(home.fills()) >= 5)
        wait_for(lambda: f"command {bought['id']}: applied, orders {bought['orders'][0]['client_id']}" in home.log())
        home.run("down")
        yield home, bought


def test_an_id_leads_from_the_market_to_the_rows(traded):
    home, bought = traded
    fill = next(each for each in home.fills() if each["robot"] == "trader")
    (chain,) = home.run("trace", str(fill["id"]))
    hops = chain["hops"]
    assert [*dict.fromkeys(hop["what"] for hop in hops if hop["what"] not in ("heard", "taken"))] == (
        ["market", "signal", "target", "request", "intent", "news", "fill", "entry"]
    )
    assert {hop["what"]: hop["process"] for hop in hops} | {"taken": "gateway:main"} == {
        **dict.fromkeys(("market", "taken", "intent", "news", "fill", "entry"), "gateway:main"),
        **dict.fromkeys(("signal", "target", "request", "heard"), "robot:trader"),
    }
    market, request = (next(hop for hop in hops if hop["what"] == what) for what in ("market", "request"))
    assert market["ts"] == request["ts"]  # it was called with that
    assert [hop["ts"] for hop in hops] == sorted(hop["ts"] for hop in hops)
    assert sum(hop["after_ns"] for hop in hops) == hops[-1]["ts"] - hops[0]["ts"]
    assert {row["table"] for row in chain["rows"]} == {"record_orders", "record_fills", "record_income"}
    journals = {path: JournalReader(path) for path in (home.home / "journal" / "gateway-main", *_runs(home))}
    for hop in hops:  # each is the frame that it says
        reader = next(each for each in journals.values() if each.uuid.hex == hop["journal"])
        reader.seek_sequence(hop["seq"])
        assert reader.next_frame().time == hop["ts"]
    for name in (chain["id"], f"gateway:main:{hops[-2]['seq']}", *chain["names"]):
        assert home.run("trace", name) == [chain]
    # By hand: the command before all, and its answer.
    assert home.run("trace", bought["id"]) == home.run("trace", bought["orders"][0]["client_id"])
    (by_hand,) = trace(home.home, bought["id"])
    assert [hop["what"] for hop in by_hand["hops"]][:2] == ["command", "intent"]
    assert {"reply", "fill", "entry"} <= {hop["what"] for hop in by_hand["hops"]}
    # A command without orders: its money.
    (allocated,) = home.run("trace", "op-7")
    assert [hop["what"] for hop in allocated["hops"]] == ["command", "entry", "reply"]
    assert [2, "USDT", "5"] in allocated["hops"][1]["data"]["legs"]
    assert [row["table"] for row in allocated["rows"]] == ["record_income"] * 2
    assert home.run("trace", "T1", code=3)["error"]["name"] == "BAD_INPUT"
    assert "give an ID" in home.run("trace", code=2)["error"]["message"]


def _runs(home):
    return (path / "journal" for path in (home.home / "runs").iterdir())


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP by the protocol's own message types. `server.script`: statuses of its next
    answers, then 200; `server.rejects`: so many spans."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.script.pop(0) if self.server.script else 200
        if status == 200:
            for resource in body["resourceSpans"]:
                for span in resource["scopeSpans"][0]["spans"]:
                    for name in ("traceId", "spanId", "parentSpanId"):  # hexadecimal digits, unlike all other bytes
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
            self.server.taken.append((self.path, ParseDict(body, ExportTraceServiceRequest())))
        answer = {"partialSuccess": {"rejectedSpans": "7", "errorMessage": "no"}} if self.server.rejects else {}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector():
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.script, server.taken, server.rejects = [], [], False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_orders_are_sent_as_traces(traded, collector):
    home, bought = traded
    url = f"http://127.0.0.1:{collector.server_port}"
    collector.script = [503]
    fills = home.fills()
    orders = {(each["robot"], each["order"]) for each in fills}
    assert home.run("trace", "--otlp", url) == {"orders": len(orders), "to": url}
    ((path, message),) = collector.taken
    assert path == "/v1/traces"
    spans = [
        (resource.resource.attributes[0].value.string_value, span)
        for resource in message.resource_spans
        for span in resource.scope_spans[0].spans
    ]
    assert {process for process, _ in spans} == {"gateway:main", "robot:trader"}
    by_id = {span.span_id: span for _, span in spans}
    assert len(by_id) == len(spans)
    roots = [span for _, span in spans if not span.parent_span_id]
    assert {span.trace_id for _, span in spans} == {span.trace_id for span in roots}
    for _, span in spans:
        parent = by_id.get(span.parent_span_id, span)
        assert parent.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
        assert (len(span.trace_id), len(span.span_id), parent.trace_id) == (16, 8, span.trace_id)
    names = Counter(span.name for _, span in spans)
    assert (names["order"], names["fill"], names["market"]) == (len(orders), len(fills), len(orders) - 1)
    ids = {each.value.string_value for span in roots for each in span.attributes if each.key == "onetape.id"}
    assert bought["orders"][0]["client_id"] in ids
    # The same once more: the same spans.
    home.run("trace", "--otlp", url)
    assert collector.taken[1] == collector.taken[0]
    assert home.run("trace", "--otlp", url, "--since", "0s")["orders"] == 0


def test_a_collector_that_takes_nothing_is_said(traded, collector):
    home, _ = traded
    url = f"http://127.0.0.1:{collector.server_port}"
    collector.rejects = True
    assert "7 spans" in home.run("trace", "--otlp", url, code=6)["error"]["message"]
    collector.script = [404]
    assert "HTTP 404" in home.run("trace", "--otlp", url, code=6)["error"]["message"]
    assert not collector.script
    assert home.run("trace", "--otlp", "file:///etc/passwd", code=2)["error"]["name"] == "BAD_CONFIG"


def test_who_follows_sends_each_order_once_it_has_ended(collector, tmp_path):
    world = play(Seed("World", "binance-usdm", 4, 60).begun(), 60)
    (journal,) = gateway_journals(world.home.path).values()
    retold = Retold(tmp_path / ".onetape", journal)
    retold.write(150)
    process = begin(tmp_path, "trace", "--otlp", f"http://127.0.0.1:{collector.server_port}", "--follow")
    try:
        sent = [0]
        for _ in range(3):  # what is there, and what comes
            wait_for(lambda: len(_ids(collector)) > sent[-1])
            sent.append(len(_ids(collector)))
            retold.write(100)
        process.send_signal(signal.SIGINT)
        process.wait()
    finally:
        process.kill()
        process.communicate()
        retold.close()
    ids = _ids(collector)
    assert len(ids) == len(set(ids)) >= sent[-1] > 3


def _ids(collector) -> list[bytes]:
    """Of the traces that it has."""
    return [
        span.trace_id
        for _, message in collector.taken
        for resource in message.resource_spans
        for span in resource.scope_spans[0].spans
        if not span.parent_span_id
    ]


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken"])
def test_each_fill_and_its_money_is_in_the_chain_of_its_order(kind):
    """Of gateways that were killed at any frame: as the records say."""
    world = play(Seed("World", kind, 4, 60).begun(), 60)
    records = record_all(world.home.path)
    try:
        rows = contents(records)
    finally:
        records.close()
    with Home(world.home.path) as home:
        (tape,) = home.tapes()
        fold, let_go = Chains(), []
        for frame in tape.frames(READ):
            fold.take(frame)
            let_go += fold.ended(frame.time)
        chains = [*let_go, *fold.rest()]
        owner = {frame.sequence: chain for chain in chains for frame in chain.frames if frame.type == FILL}
        assert rows["record_fills"]
        for row in rows["record_fills"]:
            assert owner[row["seq"]].key[1] == row["order_id"] or not row["robot"]
        for row in rows["record_income"]:
            if row["fill"]:
                assert row["seq"] in {frame.sequence for frame in owner[row["fill"]].frames}
        requests = Counter(chain.key for chain in chains if chain.key[0] and not chain.is_ended)
        assert not any(count > 1 for count in requests.values())
