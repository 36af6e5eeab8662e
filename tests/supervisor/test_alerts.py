"""Alerts as somebody gets them: a real sink over HTTP, a supervised home that breaks, and sinks
that hang or refuse and hold up nobody."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

import copied_process
from onetape.guardian.events import Record
from onetape.guardian.guardian import Guardian
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.home import guardian_journal
from onetape.model.sections import NotifyConfig, RouteConfig
from onetape.notify import sink as sinks_module
from onetape.notify.alert import Alert, Severity, Type
from onetape.notify.past_alerts import past_alerts
from onetape.notify.route import Route
from onetape.notify.sink import WAITING_MAX, Service, Sink
from onetape.options.guardian import GUARDIAN, STANDBY, GuardianOptions
from onetape.options.guardian_rules import GuardianSettings
from onetape.supervisor.alert_watch import STEP_NS, AlertWatch, routes_of
from onetape.supervisor.alerts import alerts_of
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.parts import SINGLE
from onetape.supervisor.restart_rules import Child, State
from onetape.supervisor.supervisor import Supervisor
from onetape.tape.journal import JournalWriter
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import CLEAN
from worlds.supervised import CONFIG, Home

pytest.importorskip("apprise", reason="NOT_AVAILABLE: apprise is not installed")


def test_the_journal_that_a_guardian_and_its_standby_share_is_read_once(tmp_path):
    guardians = [Child(name, GUARDIAN, ()) for name in (GUARDIAN, STANDBY)]
    followed = Supervisor._journals(SimpleNamespace(home=tmp_path, children=guardians))  # type: ignore[arg-type]
    assert followed == {GUARDIAN: guardian_journal(tmp_path)}


def test_what_an_earlier_process_said_is_no_reason_for_the_end_of_the_next():
    async def starts() -> dict[str, str]:
        at, other = os.pipe()
        of = SimpleNamespace(processes={}, wake=asyncio.Event(), _gone=print, _said={"robot:mm": "KeyError: gone"})
        Supervisor._watch(of, "robot:mm", SimpleNamespace(file=at))  # type: ignore[arg-type]
        asyncio.get_running_loop().remove_reader(at)
        os.close(at)
        os.close(other)
        return of._said

    assert not asyncio.run(starts())


FAILS = """
from onetape import Strategy


class Fails(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        raise KeyError("gone")
"""


@contextmanager
def http_sink(status: Callable[[], int] = lambda: 200) -> Iterator[tuple[str, list[dict]]]:
    got: list[dict] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status())
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/", got
    finally:
        server.shutdown()
        server.server_close()


def test_what_breaks_reaches_the_sink_and_the_journal(tmp_path: Path):
    with http_sink() as (url, got):
        config = f'{CONFIG}\n[notify]\nurls = ["{url}"]\n'
        with Home(tmp_path, config, FAILS) as home:
            assert home.run("alerts", "test")["sent"] is True
            assert got[-1]["message"] == "this is a test"
            # Its robot fails: that is what is wanted.
            copied_process.run("up", cwd=tmp_path, env=CLEAN)

            def has(*words: str) -> bool:
                return any(all(w in each["title"] + each["message"] for w in words) for each in got)

            home.wait_for(lambda: has("critical: risk robot:mm", "KeyError: 'gone'"))
            home.run("send", "supervisor", "add_robot", "name=bad", "strategy=maker.py", "x=1")
            home.wait_for(lambda: has("critical: process robot:bad", "unknown parameter 'x'"))
            home.kill("venue:x")
            home.wait_for(lambda: has("warn: process venue:x", "signal 9"))
            home.wait_for(lambda: has("info: process venue:x", "runs again"))
            home.run("down")
            reported = past_alerts(home.home, 50)
            assert {each["type"] for each in reported} >= {"risk", "process"}
            # One thing is told once.
            keys = [(e["type"], e["subject"], e["severity"]) for e in reported]
            assert keys.count(("process", "robot:bad", "critical")) == 1


def test_an_alert_goes_on_until_it_ends_or_a_person_acknowledges_it(tmp_path: Path):
    with Home(tmp_path, CONFIG, FAILS) as home:
        copied_process.run("up", cwd=tmp_path, env=CLEAN)
        home.wait_for(lambda: [each for each in home.run("alerts", "ls") if each["type"] == "risk"])
        found = next(each for each in home.run("alerts") if each["type"] == "risk")
        assert (found["severity"], found["account"], found["cleared"], found["acked"]) == (
            "CRITICAL",
            "main",
            None,
            None,
        )
        assert found["subject"].startswith("robot:mm")
        home.run("alerts", "ack", "1", code=3)
        home.run("alerts", "ack", found["id"])
        assert found["id"] not in {each["id"] for each in home.run("alerts", "ls")}
        acked = next(each for each in home.run("alerts", "ls", "--all") if each["id"] == found["id"])
        assert acked["acked"] >= found["since"]
        assert acked["data"]["actor"] == "operator"
        home.run("down")
        assert home.run("alerts", "ls") == []
        home.run("alerts", "ack", found["id"], code=6)


def test_what_goes_on_is_known_however_many_notes_came_since_and_of_which_account(tmp_path: Path):
    """A day of notes of fills does not push out a fault of the morning, nor its end."""
    begun = {"state": "begin", "severity": "warn", "message": "x", "more": 0}
    subjects = [
        ("gateway:main halt symbol X", "main"),
        ("guardian hard stop main X", "main"),
        ("guardian income of limits", ""),
        ("recorder delta main USDT", "main"),
        ("recorder position other", ""),
        ("robot:mm lost", "main"),
    ]
    with JournalWriter(supervisor_journal(tmp_path)) as writer:

        def say(**record) -> None:
            writer.append("alert", msgspec.msgpack.encode({**begun, "time": time.time_ns(), **record}), time=1)

        for subject, _ in subjects:
            say(type="risk", subject=subject)
        for number in range(20):
            say(type="fill", subject="recorder fill main", state="note", message=str(number))
    found = past_alerts(tmp_path, 5)
    assert [each["subject"] for each in found[:-5]] == [subject for subject, _ in subjects]
    assert [each["message"] for each in found[-5:]] == ["15", "16", "17", "18", "19"]
    text = (
        '[venues.x]\nkind = "kraken"\n[accounts.main]\nvenue = "x"\n[robots.mm]\nstrategy = "s.py"\naccount = "main"\n'
    )
    rows = alerts_of(tmp_path, parse_config(text), is_all=False)
    assert [(each["subject"], each["account"]) for each in rows] == subjects


def test_a_sink_that_fails_is_an_alert_itself_and_a_critical_one_is_sent_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.1)
    received: list[dict] = []
    taken, works = [], threading.Event()

    class Fails:
        is_rejected = False

        def send(self, alert) -> bool:
            if works.is_set():
                taken.append(alert.subject)
            return works.is_set()

    watch = AlertWatch(tmp_path, dict, tell=received.append, said=print, routes=[(Route("", RouteConfig()), [Fails])])  # type: ignore[list-item]
    watch.process("venue:x", State.FAILED, "gone")

    def states() -> list[str]:
        return [each["state"] for each in received if each["subject"] == "notify 1"]

    wait_for(lambda: states() == ["begin"])
    works.set()
    watch.process("venue:y", State.FAILED, "gone")
    wait_for(lambda: states() == ["begin", "end"] and len(taken) > 1)
    watch.close()
    assert taken[:2] == ["venue:x", "venue:y"]


def test_what_ends_in_the_look_that_finds_it_ends_after_it_began(tmp_path: Path):
    received: list[dict] = []
    watch = AlertWatch(tmp_path, dict, tell=received.append, said=print)
    for state in (State.BACKOFF, State.STARTING, State.RUNNING):
        watch.process("venue:x", state, "signal 9")
    watch.close()
    assert [e["state"] for e in received if e["subject"] == "venue:x"] == ["begin", "end"]


def test_what_a_life_said_at_its_end_is_told_although_the_next_one_runs(tmp_path: Path):
    """A robot's next life has a journal of its own, which may come within one look."""
    received: list[dict] = []
    one, two = (JournalWriter(tmp_path / name) for name in ("one", "two"))
    watched, is_next = threading.Event(), threading.Event()

    def journals() -> dict[str, Path]:
        """The first look opens one; by the second it has said something, and two is there."""
        if not watched.is_set():
            watched.set()
            return {"robot:mm": tmp_path / "one"}
        if not is_next.is_set():
            record = {"kind": "strategy_error", "severity": "critical", "error": "gone"}
            one.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
            is_next.set()
        return {"robot:mm": tmp_path / "two"}

    watch = AlertWatch(tmp_path, journals, tell=received.append, said=print)
    assert is_next.wait(PATIENCE_S)
    watch.close()
    one.close()
    two.close()
    about = [(e["subject"], e["state"]) for e in received if e["type"] == "risk"]
    assert about == [("robot:mm strategy_error", each) for each in ("begin", "end")]


@pytest.mark.parametrize("name", ["gateway:main", SINGLE])
def test_what_a_life_said_at_its_end_ends_although_it_is_read_late(name, tmp_path: Path):
    """Its process runs again before anyone has read what the life before said last."""
    received: list[dict] = []
    said_at = time.time_ns()
    with JournalWriter(tmp_path / "gateway") as writer:
        opened, runs = threading.Event(), threading.Event()

        def journals() -> dict[str, Path]:
            """Asked in each look; the first one opens it."""
            if opened.is_set() and not runs.is_set():
                for state in (State.STARTING, State.RUNNING):
                    watch.process(name, state, "")
                runs.set()
            opened.set()
            return {"gateway:main": tmp_path / "gateway"}

        watch = AlertWatch(tmp_path, journals, tell=received.append, said=print)
        assert runs.wait(PATIENCE_S)
        wait_for(lambda: not watch._events)  # it has been heard of that it runs
        for state, at in (("lost", said_at), ("stale", time.time_ns())):
            record = {"kind": "feed", "severity": "warn", "symbol": state, "state": state}
            writer.append("health", msgspec.msgpack.encode(record), time=at)
        watch.close()
    about = [(e["subject"].split()[-1], e["state"]) for e in received if e["type"] == "failover"]
    assert about == [("lost", "begin"), ("stale", "begin"), ("lost", "end")]


def test_a_critical_word_of_the_guardian_leaves_once_and_so_does_its_end(tmp_path: Path):
    received: list[dict] = []
    guardian = Guardian(GuardianOptions(home=str(tmp_path), accounts={}, settings=GuardianSettings()), asyncio.Event())
    watch = AlertWatch(tmp_path, lambda: {GUARDIAN: guardian_journal(tmp_path)}, tell=received.append, said=print)
    for severity, state in (("critical", "flattening"), ("", "flat")):
        guardian._say(Record("hard stop", "main X", state, {"reason": "8 %"}, severity))
        said = "begin" if severity else "end"
        wait_for(lambda said=said: said in [each["state"] for each in received if each["type"] == "stop"])
    watch.close()
    guardian._writer.close()
    alerts = [(each["subject"], each["severity"], each["state"]) for each in received if each["type"] == "stop"]
    assert alerts == [(f"{GUARDIAN} hard stop main X", *each) for each in (("critical", "begin"), ("info", "end"))]


def test_a_look_that_raises_is_said_once_and_the_next_one_tells(tmp_path: Path):
    received: list[dict] = []
    said: list[str] = []
    requests: list[None] = []

    def journals() -> dict[str, Path]:
        requests.append(None)
        raise RuntimeError("planted")

    watch = AlertWatch(tmp_path, journals, tell=received.append, said=said.append)
    wait_for(lambda: len(requests) >= 3)
    watch.process("venue:x", State.FAILED, "signal 9")
    watch.close()
    assert [e["subject"] for e in received if e["subject"] == "venue:x"] == ["venue:x"]
    assert said == ["a look raised RuntimeError: planted"]


def test_a_sink_that_hangs_or_refuses_holds_up_nobody():
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection, says nothing
        url = f"json://127.0.0.1:{deaf.getsockname()[1]}/"
        said: list[str] = []
        sink = Sink(lambda: Service(url), said.append)
        for n in range(3 * WAITING_MAX):
            severity = Severity.CRITICAL if n % 10 == 0 else Severity.WARN
            sink.put(Alert(Type.RISK, severity, str(n), "x", n))
        waiting = [int(each.subject) for each in sink._waiting]
        mild, critical = [n for n in waiting if n % 10], [n for n in waiting if n % 10 == 0]
        assert mild == [n for n in range(3 * WAITING_MAX) if n % 10][-WAITING_MAX:]
        assert critical == [*range(0, 3 * WAITING_MAX, 10)][-len(critical) :]
        assert len(critical) >= 3 * WAITING_MAX // 10 - 1  # one is on its way
        assert sink.dropped + len(mild) == 3 * WAITING_MAX * 9 // 10
        sink.close(within_s=0.1)


def test_what_lasts_while_a_sink_is_away_waits_once_and_in_its_order(monkeypatch: pytest.MonkeyPatch):
    """Told each minute for hours, it would push others out, and reach a person hundreds of times."""
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    taken = Taken(works=False)
    sink = Sink(lambda: taken, lambda _: None)  # type: ignore[arg-type,return-value]

    def put(subject: str, *, is_end: bool = False) -> None:
        sink.put(Alert(Type.RISK, Severity.INFO if is_end else Severity.CRITICAL, subject, "x", 1, is_end=is_end))

    put("first")
    wait_for(lambda: sink.failed)  # it is on its way
    for _ in range(2 * WAITING_MAX):
        put("a")
    put("b")
    put("a", is_end=True)
    put("a")
    put("a")
    taken.works.set()
    wait_for(lambda: not sink.waiting)
    sink.close()
    assert taken.about == [("first", "begin"), ("a", "begin"), ("b", "begin"), ("a", "end"), ("a", "begin")]
    assert [each.more for each in taken.alerts] == [0, 2 * WAITING_MAX - 1, 0, 0, 1]


def test_a_sink_that_hangs_fails_or_is_slow_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All of one route: who works gets each alert once, and is told of who fails; that one gets all when it works."""
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    goes_on, status = threading.Event(), 500

    def when_let() -> int:
        goes_on.wait()
        return 200

    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        http_sink(when_let) as (slow_url, slow),
        http_sink(lambda: status) as (broken_url, broken),
        http_sink() as (good_url, good),
        JournalWriter(tmp_path / "journal" / "gateway-main") as gateway,
    ):
        urls = [f"json://127.0.0.1:{deaf.getsockname()[1]}/", slow_url + "?rto=60", broken_url, good_url]
        routes = routes_of(NotifyConfig(urls=urls), {}, tmp_path)
        journals = {"gateway:main": tmp_path / "journal" / "gateway-main"}
        received: list[dict] = []
        watch = AlertWatch(tmp_path, lambda: journals, tell=received.append, said=print, routes=routes)
        wanted = [f"begun {number}" for number in range(20)]
        for number, state in enumerate(wanted):
            record = {"kind": "halt", "subject": str(number), "state": state, "severity": "critical"}
            gateway.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())

        def halts(got: list[dict]) -> list[str]:
            """As they came, repeated tries once."""
            return list(dict.fromkeys(each["message"].partition(": ")[2] for each in got if "halt" in each["title"]))

        wait_for(lambda: len(halts(good)) == len(wanted) and slow)
        wait_for(lambda: any("process notify 3" in each["title"] for each in good))
        assert [each["message"] for each in good if "halt" in each["title"]] == [
            f"halt {n}: {w}" for n, w in enumerate(wanted)
        ]
        assert len(slow) == 1  # whose first has not been answered yet
        assert not any("notify 3" in each["title"] for each in broken)
        assert {each["subject"] for each in received if each["subject"].startswith("notify")} <= {
            "notify 1",
            "notify 3",
        }
        status = 200
        goes_on.set()
        wait_for(lambda: halts(broken) == halts(slow) == wanted)
        wait_for(lambda: any("notify 3" in each["title"] and "accepts alerts" in each["message"] for each in good))
        watch.close()


def test_a_sink_that_does_not_take_it_is_said_without_its_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    with http_sink(lambda: 500) as (url, got):
        said: list[str] = []
        sink = Sink(lambda: Service(url + "sesame"), said.append)
        sink.put(Alert(Type.RISK, Severity.WARN, "robot:mm", "x", 1))
        wait_for(lambda: sink.failed)
        sink.close()
        assert len(got) == 3
        assert len(said) == 1 and "sesame" not in said[0] and "robot:mm" in said[0]


@pytest.mark.parametrize(
    ("refusal", "is_dropped"), [(400, True), (422, True), (500, False), (408, False), (429, False)]
)
def test_a_critical_alert_that_is_always_rejected_holds_up_no_other(
    refusal: int, is_dropped: bool, monkeypatch: pytest.MonkeyPatch
):
    """What may be taken later is waited for, and the order stays."""
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    refused, last = ["poison 1", "poison 2"], [""]
    with http_sink(lambda: refusal if last[0] in refused else 200) as (url, got):
        said: list[str] = []

        class Noted(Service):
            def send(self, alert: Alert) -> bool:
                last[0] = alert.subject
                return super().send(alert)

        sink = Sink(lambda: Noted(url), said.append)
        wanted = ["before", *refused, "after 1", "after 2"]
        sink.put(Alert(Type.RISK, Severity.CRITICAL, wanted[0], "x", 1))
        wait_for(lambda: sink.sent)
        for subject in wanted[1:]:
            sink.put(Alert(Type.RISK, Severity.CRITICAL, subject, "x", 1))
        if not is_dropped:
            wait_for(lambda: sink.failed > 2)
            assert (sink.sent, sink.waiting) == (1, 4)
            refused.clear()
        wait_for(lambda: not sink.waiting)
        assert sink.sent == (3 if is_dropped else 5)
        sink.close()
        left = list(dict.fromkeys(each["title"].removeprefix("onetape critical: risk ") for each in got))
        assert left == wanted
        dropped = [each.rpartition("risk ")[2] for each in said if "given up" in each]
        assert sorted(dropped) == ["poison 1", "poison 2"] * is_dropped


def test_a_rejected_alert_waits_where_nothing_else_is_taken(monkeypatch: pytest.MonkeyPatch):
    """A token that is refused, say: it is none of the alert."""
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    statuses = [401]
    with http_sink(lambda: statuses[0]) as (url, _):
        sink = Sink(lambda: Service(url), lambda _: None)
        for n in range(3):
            sink.put(Alert(Type.RISK, Severity.CRITICAL, str(n), "x", n))
        wait_for(lambda: sink.failed > 9)
        assert sink.waiting == 3
        statuses[0] = 200
        wait_for(lambda: not sink.waiting)
        sink.close()
        assert sink.sent == 3


def test_a_sink_whose_secret_others_may_read_fails_and_is_said(tmp_path: Path):
    (tmp_path / "url").write_text("json://127.0.0.1:9/sesame")
    (tmp_path / "url").chmod(0o644)
    ((_, (make,)),) = routes_of(NotifyConfig(urls=["file:url"]), {}, tmp_path)
    said: list[str] = []
    sink = Sink(make, said.append)
    wait_for(lambda: sink.is_failing and said)
    sink.close()
    assert said[0].startswith("no alert can be sent: ") and "sesame" not in said[0]


def test_the_command_says_what_is_missing(tmp_path: Path):
    home = Home(tmp_path, CONFIG)
    assert "no sink is configured" in home.run("alerts", "test", code=2)["error"]["message"]
    assert home.run("alerts") == []
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (tmp_path / "onetape.toml").write_text(f'{CONFIG}\n[notify]\nurls = ["env:ALERTS"]\n')
    done = copied_process.run(
        "alerts", "test", "--json", cwd=tmp_path, env={**os.environ, "ALERTS": f"json://u:sesame@127.0.0.1:{port}/"}
    )
    assert done.returncode == 6
    assert "did not accept" in done.stdout and "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["tgram://123:abc/456", "json://u:p@host/", "mailto://u:p@gmail.com", "slack://a/b/c"])
def test_an_address_with_a_secret_does_not_stand_in_the_configuration(url):
    with pytest.raises(BadConfig, match="a secret in the open") as reported:
        parse_config(f'[notify]\nurls = ["{url}"]\n')
    assert url not in str(reported.value)
    parse_config('[notify]\nurls = ["env:ALERTS", "json://127.0.0.1:9/"]\n')


@pytest.mark.parametrize("age_s", [0, 3600])
def test_what_a_robot_says_when_it_begins_goes_on_whatever_the_time_of_its_tape_is(tmp_path: Path, age_s: int):
    """It says anew what it waits for; its first frames may be older than itself."""
    sent: list[dict] = []
    looks: list[int] = []
    journal = tmp_path / "journal"

    def journals() -> dict[str, Path]:
        looks.append(len(sent))
        return {"robot:mm": journal}

    watch = AlertWatch(tmp_path, journals, tell=sent.append, said=print, routes=[])
    wait_for(lambda: len(looks) > 1)  # what is there at the first has been said before
    watch.process("robot:mm", State.STARTING, "")
    with JournalWriter(journal) as writer:
        words = {"kind": "strategy_error", "severity": "critical", "callback": "on_quote", "error": "gone"}
        writer.append("alert", msgspec.msgpack.encode(words), time=time.time_ns() - age_s * 10**9)
        watch.process("robot:mm", State.STARTING, "waits for the market")
        watch.process("robot:mm", State.RUNNING, "")
        wait_for(lambda: sent)
        before = len(looks)
        wait_for(lambda: len(looks) > before + 2)
    watch.close()
    assert [each["state"] for each in sent] == ["begin"]


class Taken:
    """Sinks that keep what they take, while they `work`."""

    is_rejected = False

    def __init__(self, *, works: bool = True) -> None:
        self.alerts: list[Alert] = []
        self.works = threading.Event()
        if works:
            self.works.set()

    def send(self, alert: Alert) -> bool:
        if self.works.is_set():
            self.alerts.append(alert)
        return self.works.is_set()

    @property
    def about(self) -> list[tuple[str, str]]:
        return [(each.subject, each.as_json()["state"]) for each in self.alerts]


class Watched:
    """A home whose supervisor tells alerts, and may be killed: nothing is said to what it leaves."""

    def __init__(
        self, home: Path, routes: dict[str, tuple[str, Taken]], journals: Callable[[], dict[str, Path]] | None = None
    ) -> None:
        (home / "run").mkdir(exist_ok=True)
        self.tape = JournalWriter(supervisor_journal(home))
        made = [
            (Route(name, msgspec.convert(tomllib.loads(text), RouteConfig)), [lambda sinks=sinks: sinks])
            for name, (text, sinks) in routes.items()
        ]
        found = {"gateway:main": home / "journal" / "gateway-main"}
        self.watch = AlertWatch(home, journals or (lambda: found), tell=self.write, said=print, routes=made)  # type: ignore[arg-type]

    def write(self, record: dict) -> None:
        self.tape.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())

    def left(self, sink: str = "") -> int:
        """Returns until when all had left by a sink, or by all of them, as the next supervisor reads it; ns UTC."""
        kept = msgspec.json.decode(self.watch._looked.read_bytes())
        return kept["sinks"].get(sink, 0) if sink else kept["left"]

    def kill(self) -> None:
        """The thread cannot be: its journals and sinks are taken away from it."""
        self.watch._looked, self.watch._routes, self.watch._journals = Path("/dev/null/x"), [], dict
        self.watch.close()
        self.tape.close()


def test_what_has_not_left_and_what_was_said_meanwhile_is_told_by_the_next_supervisor(tmp_path: Path):
    gateway = JournalWriter(tmp_path / "journal" / "gateway-main")

    def says(kind: str, state: str, severity: str | None = "critical") -> None:
        record = {"kind": kind, "subject": "main", "state": state} | ({"severity": severity} if severity else {})
        gateway.append("alert" if severity else "health", msgspec.msgpack.encode(record), time=time.time_ns())

    deaf, taken = Taken(works=False), Taken()
    first = Watched(tmp_path, {"": ("", deaf)})
    says("halt", "begun")
    says("adl", "reduced")  # a note: it has no end
    wait_for(
        lambda: (
            {each["type"] for each in past_alerts(tmp_path, 9) if not each["subject"].startswith("notify")} == {"risk"}
        )
    )
    wait_for(lambda: first.watch._sinks_waiting >= 2)
    first.kill()
    says("disk", "no room for the journal")
    says("feed", "lost")
    says("feed", "connected", None)  # it is over already
    second = Watched(tmp_path, {"": ("", taken)})
    expected = {("halt", "begin"), ("adl", "note"), ("disk", "begin"), ("feed", "begin"), ("feed", "end")}

    def reports() -> set[tuple[str, str]]:
        return {(subject.split()[1], state) for subject, state in taken.about if subject.startswith("gateway")}

    wait_for(lambda: reports() == expected)
    now = time.time_ns()
    wait_for(lambda: second.left() > now)
    second.kill()
    third_sinks = Taken()
    third = Watched(tmp_path, {"": ("", third_sinks)})
    wait_for(lambda: len(third_sinks.alerts) >= 2)
    third.watch.process("venue:x", State.FAILED, "gone")
    wait_for(lambda: ("venue:x", "begin") in third_sinks.about)
    # What goes on is said once more, what was over and had left is not.
    assert {(s.split()[1], state) for s, state in third_sinks.about if s.startswith("gateway")} == {
        ("halt", "begin"),
        ("disk", "begin"),
    }
    third.kill()
    begun = [
        each["subject"]
        for each in past_alerts(tmp_path, 99)
        if each["state"] == "begin" and "venue" not in each["subject"]
    ]
    assert len(begun) == len(set(begun))
    gateway.close()


def test_alerts_of_a_process_that_is_not_configured_any_more_end_with_the_next_supervisor(tmp_path: Path):
    journals = {"gateway:main": tmp_path / "journal" / "gateway-main", "hub": tmp_path / "journal" / "hub"}
    first = Watched(tmp_path, {"": ("", Taken())}, lambda: journals)
    for path in journals.values():
        with JournalWriter(path) as writer:
            record = {"kind": "feed", "subject": "X", "state": "stale", "severity": "warning"}
            writer.append("health", msgspec.msgpack.encode(record), time=time.time_ns())

    def goes_on() -> list[str]:
        return sorted(each["subject"] for each in past_alerts(tmp_path, 9) if each["cleared"] is None)

    wait_for(lambda: goes_on() == ["gateway:main feed X", "hub feed X"])
    first.kill()
    second = Watched(tmp_path, {"": ("", Taken())})  # with a gateway alone
    wait_for(lambda: goes_on() == ["gateway:main feed X"])
    second.kill()


def test_a_sink_that_never_delivers_makes_no_other_one_repeat_what_it_has_delivered(tmp_path: Path):
    gateway = JournalWriter(tmp_path / "journal" / "gateway-main")
    taken, next_taken, late = Taken(), Taken(), Taken()
    first = Watched(tmp_path, {"": ("", taken), "ops": ("", Taken(works=False))})
    record = {"kind": "adl", "subject": "main", "state": "reduced", "severity": "critical"}
    gateway.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
    note = "gateway:main adl main", "note"
    wait_for(lambda: note in taken.about)
    now = time.time_ns()
    wait_for(lambda: first.left("notify 1") > now)
    first.kill()
    second = Watched(tmp_path, {"": ("", next_taken), "ops": ("", late)})
    second.watch.process("venue:x", State.FAILED, "gone")
    for sinks in (next_taken, late):
        wait_for(lambda sinks=sinks: ("venue:x", "begin") in sinks.about)
    assert note in late.about and note not in next_taken.about
    second.kill()
    gateway.close()


def test_a_note_that_was_stamped_before_a_look_and_written_after_it_is_not_lost(tmp_path: Path):
    """A process may lose the processor between the two."""
    gateway = JournalWriter(tmp_path / "journal" / "gateway-main")
    first = Watched(tmp_path, {"": ("", Taken(works=False))})
    stamped = time.time_ns()
    wait_for(lambda: first.left() > stamped)
    record = {"kind": "adl", "subject": "main", "state": "reduced", "severity": "critical"}
    gateway.append("alert", msgspec.msgpack.encode(record), time=stamped)
    wait_for(lambda: first.watch._sinks_waiting)
    first.kill()
    taken = Taken()
    second = Watched(tmp_path, {"": ("", taken)})
    wait_for(lambda: ("gateway:main adl main", "note") in taken.about)
    second.kill()
    gateway.close()


def test_what_a_robot_on_an_older_tape_said_meanwhile_is_told_by_the_next_supervisor(tmp_path: Path):
    """Its frames have the time of its tape: where they stand says what has been read, and not when they were."""
    tape, taken = tmp_path / "robot", Taken()
    with JournalWriter(tape) as robot:

        def says(state: str) -> None:
            record = {"kind": "adl", "subject": state, "state": state, "severity": "critical"}
            robot.append("alert", msgspec.msgpack.encode(record), time=time.time_ns() - 3600 * 10**9)

        first = Watched(tmp_path, {"": ("", taken)}, lambda: {"robot:mm": tape})
        wait_for(lambda: first.watch._readers)
        says("one")
        wait_for(lambda: ("robot:mm adl one", "note") in taken.about)
        looked = first.watch._last.at
        wait_for(lambda: first.left() > looked)
        first.kill()
        says("two")
        second = Watched(tmp_path, {"": ("", taken)}, lambda: {"robot:mm": tape})
        says("three")
        wait_for(
            lambda: [subject.split()[-1] for subject, _ in taken.about] == ["one", "two", "three"], lambda: taken.about
        )
        second.kill()


def test_a_supervisor_that_is_killed_within_its_first_look_leaves_all_of_it_to_the_next(tmp_path: Path):
    looks, goes_on = threading.Event(), threading.Event()

    def journals() -> dict[str, Path]:
        looks.set()
        goes_on.wait(PATIENCE_S)
        return {}

    first = Watched(tmp_path, {}, journals)
    assert looks.wait(PATIENCE_S)
    with JournalWriter(tmp_path / "journal" / "gateway-main") as gateway:
        record = {"kind": "adl", "subject": "main", "state": "reduced", "severity": "critical"}
        gateway.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
    first.watch._looked = Path("/dev/null/x")
    goes_on.set()
    first.kill()
    taken = Taken()
    second = Watched(tmp_path, {"": ("", taken)})
    wait_for(lambda: ("gateway:main adl main", "note") in taken.about)
    second.kill()


def test_a_thread_that_loses_the_processor_between_two_clocks_sees_no_clock_that_was_set(tmp_path, monkeypatch):
    received: list[dict] = []
    reads, passed = [0], [0]

    def wall() -> int:
        """The processor is away after each third one of its reads."""
        reads[0], now = reads[0] + 1, 10**18 + passed[0]
        passed[0] += 2 * STEP_NS * (reads[0] % 3 == 0)
        return now

    monkeypatch.setattr(time, "time_ns", wall)
    monkeypatch.setattr(time, "monotonic_ns", lambda: passed[0])
    watch = AlertWatch(tmp_path, dict, tell=received.append, said=print)
    wait_for(lambda: reads[0] > 9)
    watch.close()
    assert not received


def test_routes_get_what_is_theirs_and_hear_that_another_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.1)
    deaf, phone, disks = Taken(works=False), Taken(), Taken()
    watched = Watched(
        tmp_path,
        {
            "deaf": ("", deaf),
            "phone": ('severity = "critical"\nafter = "1s"', phone),
            "": ('types = ["process"]', disks),
        },
    )
    watched.watch.process("venue:x", State.BACKOFF, "signal 9")
    watched.watch.process("venue:y", State.FAILED, "gone")
    wait_for(lambda: [each.subject for each in phone.alerts].count("venue:y") >= 2)
    assert "not acknowledged" in phone.alerts[0].message
    wait_for(lambda: ("notify:deaf 1", "begin") in disks.about)
    looked = watched.watch._last.at
    wait_for(lambda: watched.watch._last.at > looked + 10**9)  # some looks later it is told as one, still
    assert [each["state"] for each in past_alerts(tmp_path, 99) if each["subject"] == "notify:deaf 1"] == ["begin"]
    watched.watch.acknowledge("process", "venue:y")
    wait_for(lambda: not watched.watch._acked)
    assert {subject for subject, _ in phone.about} <= {"venue:y", "notify:deaf 1"}
    assert {("venue:x", "begin"), ("venue:y", "begin")} <= set(disks.about)
    deaf.works.set()
    wait_for(lambda: ("notify:deaf 1", "end") in disks.about)
    assert "notify:deaf 1" not in {subject for subject, _ in deaf.about}
    watched.kill()
