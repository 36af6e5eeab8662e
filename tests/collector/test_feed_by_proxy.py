"""Feeds from outside that are reached through a proxy: whether it works is said of the proxy, and by its name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from onetape.model.proxy import Proxy
from onetape.model.time import SECOND
from onetape.notify.rules import alert_of, ended_by
from waiting import wait_for
from worlds.stream_feeds import WebSocketFeed, collector, frames, options_for
from worlds.tcp_proxy import HttpProxy
from worlds.web_pages import Pages

RSS = b'<?xml version="1.0"?><rss version="2.0"><channel><title>n</title></channel></rss>'


def news(home: Path, kind: str) -> list[tuple[int, dict]]:
    return [(each.time, each.data) for each in frames(home, "health") if each.data["kind"] == kind]


@pytest.mark.parametrize("kind", ["http", "rss", "websocket"])
def test_a_proxy_that_makes_no_connection_is_said_to_be_it_and_an_alert_until_it_does(kind: str, tmp_path: Path):
    if kind == "rss":
        pytest.importorskip("feedparser", reason="the extra streams is not installed")
    with Pages() as pages, HttpProxy("me:hunter2") as proxy:
        feed = WebSocketFeed(tmp_path) if kind == "websocket" else SimpleNamespace(kind=kind)
        if kind != "websocket":
            pages.bodies["/v"] = RSS if kind == "rss" else b'{"value": 1}'
            feed.address = pages.address + "/v"
        by = Proxy(name="corp", host="127.0.0.1", port=proxy.port, user="me", password="hunter2")
        with collector(options_for(feed, tmp_path, topics=[], every_ns=SECOND // 20, proxy=by)):
            wait_for(lambda: [each["state"] for _, each in news(tmp_path, "feed")][-1:] == ["connected"])
            assert news(tmp_path, "proxy") == []
            proxy.set("cut")
            wait_for(lambda: len(news(tmp_path, "proxy")) == 1)
            proxy.set("pass")
            wait_for(lambda: len(news(tmp_path, "proxy")) == 2)
        if kind == "websocket":
            feed.end()
    (at, begun), (_, over) = news(tmp_path, "proxy")
    raised = alert_of("collector:feed", "alert", begun, at)
    assert (raised.type, raised.severity, raised.subject) == ("proxy", "warn", "collector:feed proxy corp")
    assert ended_by("collector:feed", "health", over) == [raised.subject] and "hunter2" not in str(begun)
