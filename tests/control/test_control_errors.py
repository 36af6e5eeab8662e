"""Each refusal: HTTP status, number, words, field and what to do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from control_worlds import CONTROL, Plane, plane

from onetape.control import server
from onetape.control.call import Call
from onetape.control.openapi import REFUSALS, document
from onetape.model import errors as e
from onetape.net import listener
from onetape.web.refusals import CHAPTER, error_reply, status_of
from onetape.web.replies import ErrorReply
from onetape.web.tokens import TokenStore

CHAPTER_STATUS = [
    (e.InvalidAccount, 404, 1001),
    (e.DeltaDeviationExceeded, 409, 1002),
    (e.HedgeFailed, 502, 1003),
    (e.BlockedByRiskAlert, 423, 1004),
    (e.MarketDataUnavailable, 503, 1005),
    (e.ServiceTimeout, 504, 2001),
    (e.ProxyFailed, 502, 2002),
    (e.PermissionDenied, 403, 3001),
    (e.RateLimited, 429, 3002),
    (e.Killed, 423, 1004),
    (e.StaleData, 503, 1005),
    (e.UnknownSymbol, 400, 4503),
    (e.NotAvailable, 501, 4601),
    (e.ProcessDown, 503, 4606),
]


@pytest.mark.parametrize(("kind", "status", "code"), CHAPTER_STATUS)
def test_an_error_has_its_status_number_and_remedy(tmp_path: Path, kind: type[e.OnetapeError], status: int, code: int):
    async def fails(call: Call) -> None:
        raise kind("it went wrong", location="a")

    async def work(at: Plane) -> None:
        for method, path, body in (("GET", "risk/metrics/a", None), ("POST", "delta/control", CONTROL)):
            found, answer, _ = await at.call(method, path, body)
            assert (found, answer["code"], answer["success"]) == (status, code, False)
            assert answer["error"] == "it went wrong" and answer["solution"] and answer["location"] == "a"
            assert [each["code"] for each in answer["causes"]] == ([kind.code] if kind in CHAPTER else [])
            assert bool(answer["operationId"]) == (method == "POST")

    plane(tmp_path, work, handlers={"risk_metrics": fails, "delta_control": fails})


@pytest.mark.parametrize("kind", [kind for kind, its in CHAPTER.items() if its is e.BlockedByRiskAlert])
def test_a_gateway_s_refusal_is_not_said_to_be_an_alert_that_can_be_acknowledged(kind: type[e.OnetapeError]):
    assert "acknowledge" not in error_reply(kind("on: lunch")).solution
    assert "acknowledge" in error_reply(e.BlockedByRiskAlert("alert 1 goes on")).solution


def test_every_error_of_ours_has_a_status_that_the_document_lists():
    for kind in e.BY_CODE.values():
        assert str(status_of(e.rebuilt(kind, "x", "", ""))) in REFUSALS, kind


def test_what_an_error_came_from_is_told_with_our_number():
    error = e.HedgeFailed("a leg failed")
    error.__cause__ = e.VenueRejected("no", location="x")
    reply = error_reply(error)
    assert isinstance(reply, ErrorReply) and (reply.code, [each["code"] for each in reply.causes]) == (1003, [4401])


BAD_BODIES = [
    ({**CONTROL, "maxDeviation": 7}, "maxDeviation"),
    ({**CONTROL, "maxDeviation": -0.1}, "maxDeviation"),
    ({**CONTROL, "accounts": []}, "accounts"),
    ({**CONTROL, "accounts": [1]}, "accounts[0]"),
    ({**CONTROL, "dryRun": "yes"}, "dryRun"),
    ({**CONTROL, "tolerance": 1}, "tolerance"),
    ({"accounts": ["a"], "maxDeviation": 0.1, "symbol": "BTC-USD"}, "targetDelta"),
    ([], "body"),
    (b"{", "body"),
    (b"\xff\xfe", "body"),
    (b"[" * 5000, "body"),
    (b'{"targetDelta": NaN}', "body"),
    (b'{"targetDelta": 1e999}', None),
    ({**CONTROL, "targetDelta": 1e308}, "targetDelta"),
    ({**CONTROL, "targetDelta": -1e13}, "targetDelta"),
    (json.dumps(CONTROL)[:-1].encode() + b', "targetDelta": 1}', "targetDelta"),  # which of the two was meant?
]


def test_a_field_that_is_wrong_is_named_as_the_caller_has_written_it(tmp_path: Path):
    async def work(at: Plane) -> None:
        for body, place in BAD_BODIES:
            status, answer, _ = await at.call("POST", "delta/control", body)
            assert (status, answer["code"]) == (400, 4501), body
            assert place is None or answer["location"] == place, answer
        assert not at.calls

    plane(tmp_path, work)


HTTP = [
    ("GET", "/nothing", None, {}, 404),
    ("GET", "risk/metrics/a/b", None, {}, 404),
    ("GET", "risk/metrics/a%2Fb", None, {}, 404),
    ("GET", "delta/control", None, {}, 405),
    ("DELETE", "symbols", None, {}, 405),
    ("OPTIONS", "delta/control", None, {}, 405),
    ("POST", "/docs", None, {}, 405),
    ("POST", "delta/control", b"x" * (server.BODY_BYTES_MAX + 1), {}, 413),
    ("POST", "delta/control", b"{}", {"Content-Type": "text/plain"}, 415),
    ("POST", "delta/control", b"{}", {"Content-Encoding": "gzip"}, 415),
    ("POST", "delta/control?a=b", CONTROL, {}, 400),
    ("GET", "symbols?a=b", None, {}, 400),
    ("GET", "risk/history/a?limit=0", None, {}, 400),
    ("GET", "risk/history/a?since=99999999999999", None, {}, 400),
    ("POST", "delta/auto", {"symbol": "BTC-USD", "cooldown": 10**30}, {}, 400),
    ("POST", "delta/auto", {"symbol": "BTC-USD", "patience": 2**63}, {}, 400),
    ("GET", "risk/history/a?limit=x", None, {}, 400),
    ("GET", "risk/history/a?limit=1&limit=2", None, {}, 400),
    ("GET", "risk/alerts?severity=LOUD", None, {}, 400),
    ("GET", "risk/alerts?type=delta", None, {}, 400),
    ("GET", "risk/alerts?type=delta-alert", None, {}, 200),
    ("GET", "risk/alerts?severity=CRITICAL&all=true", None, {}, 200),
    ("GET", "risk/metrics/a/history?limit=5&since=1", None, {}, 200),
    ("POST", "system/stop", None, {}, 200),
    ("POST", "system/stop", b"{}", {"Content-Type": "application/json; charset=utf-8"}, 200),
]


def test_what_http_itself_is_not_served_with_is_json_too(tmp_path: Path):
    async def work(at: Plane) -> None:
        for method, path, body, headers, expected in HTTP:
            status, answer, got = await at.call(method, path, body, **headers)
            assert status == expected, (method, path, answer)
            assert status == 200 or (answer["code"] == 4501 and answer["solution"]), answer
            assert status != 405 or got["Allow"]

    plane(tmp_path, work)


async def raw(address: str, data: bytes) -> bytes:
    host, _, port = address.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    found = await reader.read()
    writer.close()
    return found


def test_who_sends_no_head_or_no_whole_body_is_hung_up_on(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(listener, "HEAD_S", 0.05)
    monkeypatch.setattr(server, "BODY_S", 0.05)
    head = b"POST /api/v1/system/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"

    async def work(at: Plane) -> None:
        assert await raw(at.server.address, b"GET /api/v1/symbols HTT") == b""
        assert (await raw(at.server.address, head)).startswith(b"HTTP/1.1 408 ")
        broken = await raw(at.server.address, b"\x00\x01 no http\r\n\r\n")
        assert b" 400 " in broken.partition(b"\r\n")[0] and json.loads(broken.partition(b"\r\n\r\n")[2])["code"] == 4501

    plane(tmp_path, work)


def test_a_fault_of_ours_is_answered_and_the_next_call_too(tmp_path: Path, caplog):
    async def breaks(call: Call) -> None:
        raise ZeroDivisionError("secret words")

    async def work(at: Plane) -> None:
        status, answer, _ = await at.call("GET", "risk/alerts")
        assert (status, answer["code"]) == (500, 4607) and "secret" not in json.dumps(answer)
        assert (await at.call("GET", "symbols"))[0] == 200

    plane(tmp_path, work, handlers={"risk_alerts": breaks})
    assert "ZeroDivisionError" in caplog.text


def test_the_page_and_its_document_are_served_without_a_token_or_anything_from_outside(tmp_path: Path):
    TokenStore(tmp_path).create("bot", ["kill"])

    async def work(at: Plane) -> None:
        status, described, _ = await at.call("GET", "/openapi.json")
        assert status == 200 and described == json.loads(json.dumps(document())) and described["openapi"] == "3.1.0"
        async with at.session.get(f"{at.server.address}/docs") as got:
            page = await got.text()
            assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert "src=" not in page and "//" not in page.replace("https://", "").split("<script>")[0].split("<body>")[1]

    plane(tmp_path, work)
