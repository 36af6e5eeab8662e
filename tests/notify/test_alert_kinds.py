"""Every kind of alert has its end: a row for each kind that anything says, and each row ends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from onetape.guardian.position_guard import LadderState
from onetape.model.time import SECOND
from onetape.notify.alert import Desk
from onetape.notify.rules import KINDS, alert_of, ended_by

ROOT = Path(__file__).parents[2]
GATEWAY, GUARDIAN, ROBOT = "gateway:main", "guardian", "robot:mm"

# kind: (process, event and record that begin it, records of health frames that end it, in order).
# None: the next life of its process ends it. A kind that tells what has happened has no row here.
ROWS = {
    "account stream": (GATEWAY, "health", "main", "stale", ("main", "live")),
    "balance": (GATEWAY, "alert", "USDT", "the pool and its credit are below zero", ("USDT", "agrees")),
    "budget": (GATEWAY, "health", "x", "used up", ("x", "available again")),
    "checkpoint": (GATEWAY, "health", "main", "not made: x", ("main", "made")),
    "dead man": (GATEWAY, "health", "account", "off: it would cancel a stop", ("account", "armed")),
    "difference": (GATEWAY, "alert", "position X both", "1, 2", ("periodic", "0 differences")),
    "delta": ("recorder", "health", "main USDT", "6000, limit 5000", ("main USDT", "4000, limit 5000")),
    "drawdown": ("recorder", "health", "main USDT", "0.2, limit 0.1", ("main USDT", "0.05, limit 0.1")),
    "disk": (GATEWAY, "alert", "main", "no room for the journal", ("main", "there is room again")),
    "feed": ("collector:a", "health", "a", "lost", ("a", "connected")),
    "forced close": (GATEWAY, "alert", "BTCUSDT", "liquidation: the venue has closed 1 long at 50000", None),
    "gateway": (GUARDIAN, "health", "main", "dead: the guardian acts in its place", ("main", "back")),
    "guardian": (GATEWAY, "alert", "main", "its lease ended", ("main", "watches, epoch 3")),
    "halt": (GATEWAY, "alert", "symbol X 4h 150 USDT", "lost 150 USDT", ("symbol X 4h 150 USDT", "lifted by operator")),
    "hedge": ("control", "alert", "hedge-1", "stands still, +1 is naked: x", ("hedge-1", "has ended")),
    "hot": ("collector:a", "health", "a", "stale: no symbol is polled more often", ("a", "fresh")),
    "kill switch": (GATEWAY, "health", "main", "on: flatten", ("main", "off")),
    "lag": (GATEWAY, "health", "mm", "behind", ("mm", "caught up")),
    "ledger": (GATEWAY, "health", "X", "a position has no price: waits for a quote", ("X", "has a price")),
    "margin": ("control", "alert", "op-1.t1", "5 USDT lie in spot of main: x", ("op-1.t1", "has been moved on")),
    "market": (GATEWAY, "health", "main", "stale: X", ("main", "live")),
    "order entry": (GATEWAY, "health", "main", "lost: x", ("main", "connected")),
    "records": ("recorder", "health", "database", "does not answer", ("database", "written")),
    "other symbol": (GATEWAY, "alert", "DOGEUSDT", "the account trades it, but it cannot be followed", None),
    "proxy": (GATEWAY, "health", "home", "nobody listens there", ("home", "works again")),
    "reconciled": (GATEWAY, "alert", "connected", "2 differences", ("periodic", "0 differences")),
    "recovered": (GATEWAY, "health", "main", "2 orders unknown", ("connected", "0 differences")),
    "robot": (GATEWAY, "alert", "mm", "lost", ("mm", "attached")),
    "standby": (
        GATEWAY,
        "alert",
        "main",
        "no other host has frame 3: nothing new is opened",
        ("main", "has all records again"),
    ),
    "sub-account": (GATEWAY, "alert", "a", "its USDT went", ("a", "has USDT from the pool")),
    "transfer": (GATEWAY, "alert", "t1", "5 USDT: its outcome is not known", ("t1", "done")),
    "unknown orders": (GATEWAY, "health", "main", "30 of unknown outcome", ("main", "30 settled")),
    "income": (GUARDIAN, "health", "of limits", "not counted, no price is known: 1 BNB", ("of limits", "all counted")),
    "ladders": (
        GUARDIAN,
        "health",
        "main",
        "50 positions share 200 orders: 3 stops each",
        ("main", "all ladders are whole"),
    ),
    "lease": (GUARDIAN, "health", "main", "refused: epoch 1 is over", ("main", "held")),
    "hard stop": (GUARDIAN, "health", "main X", "flattening", ("main X", "flat")),
    "protection": (GUARDIAN, "health", "main X", "lost: local stops", ("main X", "stands")),
    "source": ("hub", "health", "ws", "failing", ("ws", "degraded")),
    "stop canceled": (GUARDIAN, "health", "main X", "a stop was canceled", ("main X", "stands")),
    "utilization": ("recorder", "health", "main USDT", "0.9, limit 0.8", ("main USDT", "0.1, limit 0.8")),
    "telegram": ("telegram", "health", "bot", "Unauthorized", ("bot", "answers")),
    "margin_call": (ROBOT, "alert", "USDT", "called", ("USDT", "covered")),
    "strategy_error": (ROBOT, "alert", "on_quote", "KeyError", None),
}
ENDED_BY = dict.fromkeys(("difference", "reconciled", "recovered"), "reconciled")


def said_in_python() -> Iterator[str]:
    """The kind of each HealthOut of a gateway that has a severity, and of each alert record."""
    for path in sorted((ROOT / "src" / "onetape").rglob("*.py")):
        if path.name in ("stream_feed.py", "messages.py"):  # another HealthOut; what fields are
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and ast.unparse(node.func)
            has_message = named == "HealthOut" and (len(node.args) > 3 or node.keywords)
            is_guardian = path.parts[-2:] == ("guardian", "core.py")
            if named == "self._say" and (
                is_guardian or (len(node.args) == 3 and isinstance(node.args[0], ast.Constant))
            ):
                ladders = {LadderState(is_target=each).kind for each in (False, True)}
                yield from ladders if ast.unparse(node.args[0]) == "ladder.kind" else (node.args[0].value,)
            elif named == "self._say" and any(each.arg == "warned" for each in node.keywords):  # of the hub
                assert isinstance(node.args[0], ast.Constant)
                yield node.args[0].value
            elif has_message and not (
                path.name == "silence_watch.py" and isinstance(node.args[0], ast.Name)
            ):  # its _say
                assert isinstance(node.args[0], ast.Constant), f"{path}: {ast.unparse(node)}"
                yield node.args[0].value
            elif named == "Record" and len(node.args) == 5 and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value
            if isinstance(node, ast.FunctionDef) and "append_health" in {_called(each) for each in ast.walk(node)}:
                yield from _kinds_written(path, node)
            if isinstance(node, ast.Dict):
                keys = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
                kind = keys.get("kind")
                if "severity" in keys and isinstance(kind, ast.Constant):
                    yield kind.value


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _kinds_written(path: Path, function: ast.FunctionDef) -> Iterator[str]:
    """The kinds of the records that a function makes and passes to `append_health` with a severity of its own. Those
    of others' records are collected where these are made."""
    module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for node in ast.walk(function):
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if not isinstance(key, ast.Constant) or key.value != "kind":
                continue
            if isinstance(value, ast.Name) and value.id.isupper():
                yield getattr(import_module(module), value.id)
            elif isinstance(value, ast.Constant):
                yield value.value
            else:
                assert ast.unparse(value) in ("record.kind", "out.kind", "kind"), f"{path}: {ast.unparse(node)}"


def said_in_core() -> Iterator[str]:
    news = (ROOT / "core/engine/trading_loop_news.cpp").read_text()
    for note in re.findall(r"note\(EventType::alert.*?\}\}\);|note\(loan\.called.*?\}\}\);", news, re.S):
        kind = re.search(r'\{"kind", ("\w+"|words\.tag)\}', note)
        assert kind, note
        if kind[1] != "words.tag":
            yield kind[1].strip('"')
    yield from re.findall(r'return \{"(\w+)"', (ROOT / "core/exchange/forced.hpp").read_text())


def test_every_kind_that_is_said_has_its_row():
    together = {"feed", "lag", "delta", "utilization", "drawdown", "fill", "position"}  # their records are put together
    said = {*said_in_python(), *said_in_core(), *together}
    assert said == set(KINDS)


def test_every_kind_that_goes_on_has_its_end():
    assert set(ROWS) == {kind for kind, row in KINDS.items() if row.notes != ("",)}


@pytest.mark.parametrize("kind", ROWS)
def test_what_begins_ends(kind):
    process, event, subject, state, end = ROWS[kind]
    desk = Desk()
    record = {
        "kind": kind,
        "subject": subject,
        "state": state,
        "severity": "critical" if event == "alert" else "warning",
    }
    reported = alert_of(process, event, record, SECOND)
    assert reported is not None and not reported.is_note
    assert desk.take(reported) == reported
    other = {"kind": kind, "subject": "another", "state": "fine"}
    if kind not in ENDED_BY:
        assert not ended(desk, process, other)
    if end is None:
        (over,) = desk.over(process, 9 * SECOND, before=5 * SECOND)
    else:
        record = {"kind": ENDED_BY.get(kind, kind), "subject": end[0], "state": end[1]}
        assert alert_of(process, "health", record, 2 * SECOND) is None
        (over,) = ended(desk, process, record)
    assert over.is_end and over.subject == reported.subject


def test_a_source_that_fails_says_why_until_it_is_back():
    record = {"kind": "source", "subject": "ws", "state": "failing", "why": "its connection is lost"}
    reported = alert_of("hub", "health", {**record, "severity": "warning"}, SECOND)
    assert reported is not None and reported.message == "source ws: failing: its connection is lost"
    desk = Desk()
    assert desk.take(reported) == reported and sum(desk.active.values()) == 1
    assert not ended(desk, "hub", {"kind": "source", "subject": "other", "state": "healthy"})
    assert ended(desk, "hub", {"kind": "source", "subject": "ws", "state": "healthy"}) and not desk.active


def ended(desk: Desk, process: str, record: dict) -> list:
    found = ended_by(process, "health", record)
    return [each for subject in found for each in desk.over(subject, 3 * SECOND)]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(ROWS)))
def test_what_has_happened_is_a_note(kind):
    record = {"kind": kind, "subject": "x", "state": "y", "severity": "warning"}
    reported = alert_of(GATEWAY, "health", record, SECOND)
    assert reported is not None and reported.is_note


@pytest.mark.parametrize(("kind", "state"), [("transfer", "failed: x"), ("balance", "corrected by 1"), ("feed", "gap")])
def test_a_state_that_is_final_is_a_note(kind, state):
    record = {"kind": kind, "subject": "x", "state": state, "severity": "warning"}
    reported = alert_of(GATEWAY, "health", record, SECOND)
    assert reported is not None and reported.is_note


def test_a_critical_word_is_one_alert_and_no_end():
    record = {"kind": "robot", "subject": "mm", "state": "lost", "severity": "critical"}
    assert alert_of(GATEWAY, "health", record, 1) is None
    assert ended_by(GATEWAY, "health", record) == []
    assert alert_of(GATEWAY, "alert", record, 1) is not None
