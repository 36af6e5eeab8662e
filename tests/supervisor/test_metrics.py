"""Figures as a scraper gets them: real processes, read by the parsers of prometheus_client."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from onetape.clients.gateway import GatewayClient
from onetape.model.config import parse_config
from onetape.model.enums import EventType, Liquidity, OrderNews, RequestKind
from onetape.model.errors import Killed, NotAvailable
from onetape.supervisor.metrics import FAMILIES, Growth, OrderCounts
from onetape.supervisor.options import has_metrics
from onetape.supervisor.start_check import check_start
from onetape.tape.journal import Frame
from worlds.command_lines import answered
from worlds.frames import FILL, NEWS, REQUEST
from worlds.supervised import ALLOCATE, CONFIG, Home

openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser", reason="NOT_AVAILABLE: prometheus-client")
from prometheus_client import parser as prometheus_text  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
BTC = "binance:BTC/USDT:USDT"
SOURCES = f"""
[collectors.a]
kind = "venue"
venue = "x"
symbols = ["{BTC}"]
[collectors.b]
kind = "venue"
venue = "x"
transport = "rest"
symbols = ["{BTC}"]
[hub]
[guardian]
[metrics]
port = 0
"""
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def scraped(address: str, accept: str = OPEN_METRICS) -> tuple[str, str]:
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


class Scrape:
    def __init__(self, address: str) -> None:
        text, kind = scraped(address)
        assert kind.startswith("application/openmetrics-text")
        self.families = {each.name: each for each in openmetrics.text_string_to_metric_families(text)}
        self.samples = {
            (sample.name.removeprefix("onetape_"), *sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def get(self, figure: str, /, **labels: str) -> float | None:
        return self.samples.get((figure, *sorted(labels.items())))

    def sum(self, name: str) -> float:
        return sum(value for key, value in self.samples.items() if key[0] == name)


def test_a_system_that_trades_is_scraped(tmp_path: Path):
    keys = 'venue = "x"\nkey = "env:PLANTED_KEY"\nsecret = "env:PLANTED_SECRET"'
    config = CONFIG.replace('venue = "x"', keys) + SOURCES + '[notify]\nurls = ["env:PLANTED_SINK"]\n'
    planted = {"PLANTED_KEY": "sesame-key-1", "PLANTED_SECRET": "sesame-secret-2"}
    planted["PLANTED_SINK"] = "json://u:sesame-3@127.0.0.1:1/"  # nobody takes alerts there
    with Home(tmp_path, config) as home:
        up = answered(tmp_path, "up", **planted)
        address = up["metrics"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", address)
        home.run(*ALLOCATE)
        home.wait_for(lambda: len(home.fills()) > 2)
        home.wait_for(lambda: Scrape(address).sum("position_protected_ratio") > 0)
        home.run("send", "gateway:main", "kill", "reason=lunch")

        def refused() -> float | None:
            labels = {"news": "denied", "code": str(Killed.code), "name": Killed.name}
            return Scrape(address).get("order_refusals_total", process="gateway:main", **labels)

        home.wait_for(refused)
        home.run("send", "robot:mm", "stop")
        home.run("send", "gateway:main", "halt", f"symbol={BTC}", "reason=looked at it")
        home.wait_for(lambda: Scrape(address).sum("fills_total") == len(home.fills()))
        home.kill("collector:b")
        # An answer is kept for a second: what was done just now is in the next one.
        home.wait_for(lambda: Scrape(address).get("process_restarts_total", process="collector:b"))
        home.wait_for(lambda: Scrape(address).get("feed_age_seconds", process="hub", source="b") is not None)
        client = GatewayClient(home.home, "main")

        def at_rest() -> tuple[Scrape, dict] | None:
            """A scrape and what the gateway says, between which nothing was done: not by the guardian either."""
            shown, spans = Scrape(address), client.ask("status")["spans"]
            labels = {span: {"process": "gateway:main", "span": span} for span in spans}
            counts = {span: shown.get("order_span_seconds_count", **labels[span]) for span in spans}
            return (shown, spans) if counts == {span: row["count"] for span, row in spans.items()} else None

        now, spans = home.wait_for(at_rest)

        assert {name.removeprefix("onetape_") for name in now.families} <= set(FAMILIES)
        needs_time_or_trouble = {"disk_days_left", "process_open_files", "malformed_messages", "alerts_active"}
        missing = set(FAMILIES) - {name.removeprefix("onetape_") for name in now.families}
        assert missing <= needs_time_or_trouble
        running = {each["name"]: each["kind"] for each in home.now()["processes"]}
        assert {
            name: now.get("process_up", process=name, kind=kind) for name, kind in running.items()
        } == dict.fromkeys(running, 1)
        assert now.get("halts", process="gateway:main", scope="symbol") == 1
        for span, row in spans.items():
            labels = {"process": "gateway:main", "span": span}
            assert now.get("order_span_seconds_count", **labels) == row["count"] > 0
            assert now.get("order_span_seconds_bucket", **labels, le="+Inf") == row["count"]
            assert now.get("order_span_seconds_sum", **labels) == pytest.approx(row["sum_us"] / 1e6)
        mine = {"process": "gateway:main", "robot": "mm", "span": "decided_to_out"}
        assert 0 < now.get("robot_span_seconds_count", **mine) <= spans["decided_to_out"]["count"]
        assert now.get("journal_bytes", process="hub") > 1 << 20

        home.wait_for(lambda: "an alert was not sent" in home.log())
        said = [scraped(address)[0], *(path.read_text() for path in (home.home / "logs").iterdir())]
        assert not any("sesame" in each for each in said)
        assert all(json.loads(line)["time"] for each in said[1:] for line in each.splitlines())

        text, kind = scraped(address, "text/plain")  # as an older scraper asks
        assert kind.startswith("text/plain; version=0.0.4")
        assert len(list(prometheus_text.text_string_to_metric_families(text))) >= len(now.families)

        # One that hangs holds up no scrape: its own figures are not there, the others are.
        os.kill(home.process("collector:a")["pid"], signal.SIGSTOP)

        def is_alone() -> bool:
            shown = Scrape(address)
            refused = shown.get("budget_refused_total", process="collector:a", budget="requests")
            return refused is None and shown.get("orders_open", process="gateway:main") is not None

        home.wait_for(is_alone)


def test_a_port_that_is_taken_is_said_and_taken_later(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        home = Home(tmp_path, f"{CONFIG}\n[metrics]\nport = {port}\n")
        with home:
            assert home.run("up")["metrics"] is None
            home.wait_for(lambda: f"no metrics at port {port}" in home.log())
            other.close()
            home.wait_for(lambda: home.now()["metrics"])
            address = home.now()["metrics"]
            assert scraped(address)[0].endswith("# EOF\n")
            for facts in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(urllib.request.Request(address, headers=facts), timeout=30)


@pytest.mark.parametrize(
    ("text", "is_on"), [("", False), ("[metrics]\n", True), ("[metrics]\nenabled = false\n", False)]
)
def test_no_port_is_opened_that_nobody_asked_for(text, is_on):
    assert has_metrics(parse_config(text)) is is_on


def frame(event: EventType, payload: bytes) -> Frame:
    return Frame(event.id, 0, 1, 1, 1, payload)


def fields(layout: struct.Struct, **at: int) -> bytes:
    values: list = [0] * len(layout.unpack(bytes(layout.size)))
    for place, value in at.items():
        values[int(place[1:])] = value
    return layout.pack(*(b"" if code == "s" else value for code, value in zip(_codes(layout), values, strict=True)))


def _codes(layout: struct.Struct) -> list[str]:
    found = re.findall(r"(\d*)([a-zA-Z])", layout.format.lstrip("<"))
    return [code for count, code in found if code != "x" for _ in range(1 if code == "s" else int(count or 1))]


def test_orders_are_counted_by_what_their_frames_say():
    counts = OrderCounts()
    for kind in (RequestKind.PLACE, RequestKind.PLACE, RequestKind.CANCEL):
        counts.take("gateway:a", frame(EventType.ORDER_REQUEST, fields(REQUEST, _5=kind.id)))
    for code, news in (
        (0, OrderNews.ACCEPTED),
        (4305, OrderNews.DENIED),
        (4305, OrderNews.DENIED),
        (4999, OrderNews.LOST),
    ):
        counts.take("gateway:a", frame(EventType.ORDER_EVENT, fields(NEWS, _6=code, _7=news.id)))
    counts.take("gateway:b", frame(EventType.FILL, fields(FILL, _9=Liquidity.TAKER.id)))
    assert counts.requests == {("gateway:a", "place"): 2, ("gateway:a", "cancel"): 1}
    assert counts.events == {("gateway:a", "accepted"): 1, ("gateway:a", "denied"): 2, ("gateway:a", "lost"): 1}
    assert counts.refusals == {("gateway:a", "denied", "4305", "KILLED"): 2, ("gateway:a", "lost", "4999", ""): 1}
    assert counts.fills == {("gateway:b", "taker"): 1}


@pytest.mark.parametrize(
    ("seen", "expected"),  # (seconds, bytes used) of a disk of 1000 bytes
    [
        ([(0, 100)], None),
        ([(0, 100), (599, 200)], None),
        ([(0, 100), (600, 100)], float("inf")),
        ([(0, 200), (3600, 100)], float("inf")),
        ([(0, 100), (864, 110)], 0.89),
        ([(0, 0), (3600, 500), (7200, 510)], 490 / 10 * 3600 / 86400),
    ],
)
def test_days_left_follow_from_the_last_hour(seen, expected):
    growth = Growth()
    for now, used in seen:
        growth.note(now, used)
    now, used = seen[-1]
    found = growth.days_left(now, used, 1000 - used)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_board_and_the_page_name_figures_that_there_are():
    board = json.loads((DOCS / "images" / "grafana.json").read_text())
    expressions = {target["expr"] for panel in board["panels"] for target in panel.get("targets", ())}
    named = set(re.findall(r"onetape_(\w+)", " ".join(expressions)))
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
    exposed = {name + suffix for name, (kind, _, _) in FAMILIES.items() for suffix in suffixes[kind]}
    assert named and named <= exposed
    page = (DOCS / "concepts" / "observing.md").read_text()
    assert set(re.findall(r"`onetape_(\w+)`", page)) == set(FAMILIES)


def test_up_names_what_metrics_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = parse_config("[metrics]\n")
    assert not [each for each in check_start(config, tmp_path, tmp_path) if each.code]
    monkeypatch.setattr("onetape.supervisor.start_check.find_spec", lambda name: None)
    (missing,) = [each for each in check_start(config, tmp_path, tmp_path) if each.code]
    assert (missing.code, missing.todo) == (NotAvailable.code, "pip install 'onetape[metrics]'")
    assert "onetape.toml:1" in missing.text
