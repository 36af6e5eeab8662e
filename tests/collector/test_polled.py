"""Feeds that publish no stream, each with a real server, killed and begun again."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from onetape.collector.polled import News, Past, Signatures
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import CollectorConfig
from onetape.model.time import MS, SECOND
from onetape.options.collector import CollectorOptions, collector_options
from onetape.supervisor.start import Child, Starter
from waiting import wait_for, wait_in_loop
from worlds.ports import free_port
from worlds.stream_feeds import collector, frames, options_for, states
from worlds.web_pages import Pages

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>n</title>{}</channel></rss>"""
ITEM = "<item><guid>{0}</guid><title>t{0} &lt;b&gt;</title><pubDate>Thu, 01 Jan 2026 00:00:0{0} GMT</pubDate></item>"


@pytest.fixture
def pages():
    with Pages() as made:
        yield made


def events(home: Path) -> list[dict]:
    return [each.data for each in frames(home, "external")]


HOOK = "[collectors.feed]\nkind = 'webhook'\naddress = 'http://127.0.0.1:8000/x'\n"
DEMO = "[venues.x]\nkind = 'kraken'\nmode = 'demo'\n[accounts.main]\nvenue = 'x'\nkey = 'env:K'\nsecret = 'env:S'\n"


def options(kind: str, address: str, home: Path, **more):
    return options_for(SimpleNamespace(kind=kind, address=address), home, topics=[], every_ns=SECOND // 20, **more)


def test_an_answer_is_news_once_and_items_of_a_list_each(pages, tmp_path: Path):
    pages.bodies["/v"] = b'{"value": 1, "ts": "2026-01-01T00:00:00Z"}'
    with collector(options("http", pages.address + "/v", tmp_path)):
        wait_for(lambda: events(tmp_path))
        wait_for(lambda: pages.requests["/v"] > 3)
        assert len(events(tmp_path)) == 1
        pages.bodies["/v"] = b'[{"value": 2}, {"value": 3}]'
        wait_for(lambda: len(events(tmp_path)) == 3)
        pages.bodies["/v"] = b'[{"value": 3}, {"value": 4}]'
        wait_for(lambda: len(events(tmp_path)) == 4)
    assert [each["data"]["value"] for each in events(tmp_path)] == [1, 2, 3, 4]
    assert {each["topic"] for each in events(tmp_path)} == {"feed"} and events(tmp_path)[0]["ts_event"] > 0
    assert pages.validated  # who has nothing newer may say so


def test_what_stands_on_the_tape_is_no_news_after_a_kill(pages, tmp_path: Path):
    pages.bodies["/v"] = b'[{"value": 1.50}, {"value": 2}]'
    feed = options("http", pages.address + "/v", tmp_path)
    for _ in range(2):
        with collector(feed) as process:
            before = pages.requests["/v"]
            wait_for(lambda before=before: len(events(tmp_path)) >= 2 and pages.requests["/v"] > before + 2)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert [each["data"]["value"] for each in events(tmp_path)] == [1.5, 2]


def test_a_body_is_never_taken_for_the_name_of_a_file(pages, tmp_path: Path):
    secret = tmp_path / "local.xml"
    secret.write_text(RSS.format(ITEM.format(1)))
    pages.bodies["/rss"] = str(secret).encode()
    with collector(options("rss", pages.address + "/rss", tmp_path)):
        wait_for(lambda: "bad message" in states(tmp_path))
    assert not events(tmp_path)


def test_a_server_that_is_away_or_fails_is_told_and_asked_again(pages, tmp_path: Path):
    pages.bodies["/v"] = b'{"value": 1}'
    with collector(options("http", pages.address + "/v", tmp_path)):
        wait_for(lambda: events(tmp_path))
        pages.status = 500
        wait_for(lambda: "lost" in states(tmp_path))
        pages.status, pages.bodies["/v"] = 200, b'{"value": 2}'
        wait_for(lambda: len(events(tmp_path)) == 2)
        pages.bodies["/v"] = b"<html>"
        wait_for(lambda: "bad message" in states(tmp_path))
    assert states(tmp_path)[:3] == ["connected", "lost", "connected"]


def test_a_page_that_sends_redirect_to_is_not_followed(pages, tmp_path: Path):
    pages.status, pages.redirect_to = 302, pages.address + "/other"
    with collector(options("http", pages.address + "/v", tmp_path)):
        wait_for(lambda: "lost" in states(tmp_path))
    assert not pages.requests["/other"]


def test_entries_of_a_feed_come_once_also_after_a_kill(pages, tmp_path: Path):
    pages.bodies["/rss"] = RSS.format(ITEM.format(2) + ITEM.format(1)).encode()
    feed = options("rss", pages.address + "/rss", tmp_path)
    with collector(feed) as process:
        wait_for(lambda: len(events(tmp_path)) == 2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    pages.bodies["/rss"] = RSS.format(ITEM.format(3) + ITEM.format(2)).encode()
    with collector(feed):
        wait_for(lambda: len(events(tmp_path)) == 3)
    found = events(tmp_path)
    assert [each["data"]["id"] for each in found] == ["1", "2", "3"]
    assert found[0]["data"]["title"] == "t1 <b>" and {each["type"] for each in found} == {"news"}
    assert [each["ts_event"] % (60 * SECOND) for each in found] == [SECOND, 2 * SECOND, 3 * SECOND]


def test_a_feed_is_read_beside_what_else_the_collector_does(tmp_path: Path, monkeypatch):
    """A parser that does not end holds up no command and no sign of life."""
    read, ended = threading.Event(), threading.Event()

    def parse(_body):
        read.set()
        ended.wait(60)
        return SimpleNamespace(bozo=False, entries=[])

    async def work() -> None:
        news = News(options("rss", "http://127.0.0.1:1/rss", tmp_path), SimpleNamespace(proxy=None), Past(0, []))
        monkeypatch.setattr(news, "_parse", parse)
        reading = asyncio.ensure_future(news.answered(b"<rss/>"))
        await wait_in_loop(read.is_set)
        assert not reading.done()
        ended.set()
        await reading

    asyncio.run(work())


def post(address: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_is_posted_is_an_event_and_pages_may_not_post(tmp_path: Path):
    address = f"http://127.0.0.1:{free_port()}/hook"
    with collector(options("webhook", address, tmp_path)):
        wait_for(lambda: "connected" in states(tmp_path))
        assert post(address, b'{"type": "alert", "price": 1}') == 204
        assert post(address + "/gold", b'{"value": 2}') == 204
        assert post(address, b'{"x": 1}', Origin="http://evil.example") == 403
        assert post(address, b"") == 400
        assert post(address, b"x" * (1 << 17)) == 413
        wait_for(lambda: len(events(tmp_path)) == 2)
    assert [(each["type"], each["topic"]) for each in events(tmp_path)] == [("alert", "feed"), ("gold", "gold")]


def signed(topic: str, body: bytes, secret: str = "sesame", at_ms: int = 0) -> dict[str, str]:
    stamp = str(at_ms or time.time_ns() // 10**6)
    signature = hmac.digest(secret.encode(), f"{stamp}.{topic}.".encode() + body, "sha256").hex()
    return {"X-Onetape-Time": stamp, "X-Onetape-Signature": signature}


def test_a_webhook_with_a_secret_takes_each_signed_message_of_its_topics_once(tmp_path: Path):
    text = (
        'address = "http://127.0.0.1:{port}/hook"\n[webhooks.feed]\nsecret = "env:HOOK"\ntopics = ["gold"]\nrate = 4\n'
    )
    config = parse_config('[collectors.feed]\nkind = "webhook"\n' + text.format(port=free_port()))
    starter = Starter(config, home=tmp_path, folder=tmp_path, environ={"HOOK": "sesame"})
    made = msgspec.json.decode(
        starter.options(Child("collector:feed", "collector"), is_first=True, exchange=""), type=CollectorOptions
    )
    assert "sesame" not in repr(made)
    with collector(made):
        wait_for(lambda: "connected" in states(tmp_path))
        body = b'{"value": 1}'
        once = signed("gold", body)
        assert post(made.address + "/gold", body, **once) == 204
        assert post(made.address + "/gold", body, **once) == 401, "again"
        assert post(made.address, body, **once) == 401, "another topic"
        assert post(made.address + "/gold", b'{"value": 9}', **once) == 401
        assert post(made.address + "/gold", body) == 401
        assert post(made.address + "/gold", body, **signed("gold", body, "other")) == 401
        assert post(made.address + "/gold", body, **once | {"X-Onetape-Signature": "\xe9"}) == 401
        now = time.time_ns() // 10**6
        for at_ms in (now - 61_000, now + 61_000):
            assert post(made.address + "/gold", body, **signed("gold", body, at_ms=at_ms)) == 401
        assert post(made.address + "/lead", body, **signed("lead", body)) == 404
        assert post(made.address, b'{"value": 2}', **signed("feed", b'{"value": 2}')) == 204
        many = [f'{{"value": {number}}}'.encode() for number in range(100, 120)]
        statuses = [post(made.address, each, **signed("feed", each)) for each in many]
        assert set(statuses) == {204, 429}
        wait_for(lambda: len(events(tmp_path)) == 2 + statuses.count(204))
    assert [(each["topic"], each["data"]["value"]) for each in events(tmp_path)[:2]] == [("gold", 1), ("feed", 2)]


def test_a_signature_is_remembered_while_its_time_may_come_again_and_no_longer():
    now = [17 * 10**11 * MS]
    checked = Signatures("sesame", 60 * SECOND, clock=lambda: now[0])

    def refusal(at_ms: int, *, take: bool = False) -> str:
        headers = signed("t", b"x", at_ms=at_ms)
        why = checked.refusal(headers, "t", b"x")
        if take and not why:
            checked.took(headers)
        return why

    began = now[0] // MS
    assert refusal(began - 1).endswith("from this machine's time"), "an earlier process may have taken it"
    assert refusal(began + 60_000, take=True) == "" and refusal(began + 60_000) == "it was accepted before"
    now[0] += 119 * SECOND
    assert refusal(began + 60_000) == "it was accepted before"
    now[0] += 2 * SECOND
    assert "from this machine's time" in refusal(began + 60_000)
    assert refusal(began + 121_000, take=True) == "" and len(checked._taken) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[webhooks.feed]\nsecret = 'env:A'\n", "no collector `feed` of kind webhook"),
        (HOOK + "[webhooks.feed]\nsecret = 'sesame'\n", "a secret in the open"),
        (HOOK + "[webhooks.feed]\ntopics = []\n", "secret"),
        (HOOK + "[webhooks.feed]\nsecret = 'env:A'\nwindow = '2h'\n", "is not between 0 and 1h"),
        (HOOK + "[webhooks.feed]\nsecret = 'env:A'\nrate = 0\n", "is not between 1 and 1000"),
        (HOOK + DEMO, "every user of this machine could post to it"),
    ],
)
def test_who_may_post_is_said_where_an_account_is_at_a_venue(text: str, words: str):
    with pytest.raises(BadConfig, match=words) as raised:
        parse_config(text)
    assert "sesame" not in str(raised.value)
    parse_config(HOOK)
    parse_config(HOOK + DEMO + "[webhooks.feed]\nsecret = 'env:A'\n")


def test_rows_of_a_schedule_come_at_their_time_and_those_of_a_pause_afterwards(tmp_path: Path):
    table, now = tmp_path / "calendar.csv", time.time_ns()

    def rows(*seconds: float) -> str:
        return "time,type\n" + "".join(f"{now + int(s * 1e9)},at{s}\n" for s in seconds)

    def until(what: Callable[[], object]) -> None:
        with collector(schedule) as process:
            wait_for(what)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    table.write_text(rows(-3600, 3600))
    schedule = options("schedule", str(table), tmp_path, ahead_ns=30 * SECOND)
    schedule = msgspec.structs.replace(schedule, topics=["calendar"])
    until(lambda: "connected" in states(tmp_path))  # what passes from here on is told, however long a start takes
    now = time.time_ns()
    table.write_text(rows(-3600, 31, 3600))  # 31: ahead of its time by 30 s
    until(lambda: events(tmp_path))
    (first,) = frames(tmp_path, "external")
    assert (first.data["type"], first.data["topic"]) == ("at31", "calendar") and first.time >= first.data[
        "ts_event"
    ] - 30 * SECOND
    table.write_text(rows(-3600, 31, 31.5, 3600))  # its time passed while nobody was there
    wait_for(lambda: time.time_ns() > now + int(1.6e9))
    with collector(schedule):
        wait_for(lambda: len(events(tmp_path)) == 2)
    assert [each["type"] for each in events(tmp_path)] == ["at31", "at31.5"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "webhook", "address": "http://0.0.0.0:8000/x"}, "only from this machine"),
        ({"kind": "webhook", "address": "http://127.0.0.1/x"}, "only from this machine"),
        ({"kind": "http", "address": "http://example.org/x"}, "is not this machine"),
        ({"kind": "http", "address": "ftp://127.0.0.1/x"}, "does not speak ftp"),
        ({"kind": "http", "address": "http://127.0.0.1/x", "every": "10ms"}, "below a second"),
        ({"kind": "http", "address": "http://127.0.0.1/x", "ahead": "1m"}, "only for kind schedule"),
        ({"kind": "http", "address": "http://127.0.0.1/x", "symbols": ["a:B"]}, "has one topic"),
        ({"kind": "zeromq", "address": "tcp://127.0.0.1:1", "every": "10s"}, "only for kind http and rss"),
        ({"kind": "schedule", "address": "none.csv"}, "no such file: none.csv"),
        ({"kind": "schedule"}, "no such file: none is named"),
        ({"kind": "rss", "address": "http://127.0.0.1/x", "clock": "published"}, "not in order"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_place(tmp_path: Path, config, words):
    with pytest.raises(BadConfig, match=words) as raised:
        collector_options("x", CollectorConfig(**config), home=tmp_path, folder=tmp_path)
    assert raised.value.location.startswith("collectors.x")
