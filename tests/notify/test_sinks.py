"""Each alert arrives at its service in the service's own form, whatever stands in it. The services are servers on the
loopback that refuse what the real ones refuse."""

from __future__ import annotations

import json
import re
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from onetape.notify.alert import Alert, Severity, Type

pytest.importorskip("apprise", reason="NOT_AVAILABLE: apprise is not installed")

from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from onetape.notify.sink import SHORT_MAX, Service

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "a", "code", "pre", "blockquote"}
RINGS = re.compile(r"@everyone|@here|@channel|@all|<@[!&]?\w+>|<![a-z]+>|<users/")

NASTY = {
    "a comparison": "TypeError: '<' not supported between instances of 'str' and 'int'",
    "an ampersand": "AT&T & co &amp; &nbsp; &#0; &bogus;",
    "tags": "</b><b>x</i><script>alert(1)</script><!-- <![CDATA[ ]]>",
    "quotes": "\"quoted\" 'single' `back` \\n \\ %s {0} {title} $x",
    "markdown": "_a *b [c](d) ~e #f +g -h =i |j .k !l ```m",
    "control characters": "bell\x07 escape\x1b[31m nul\x00 \x9b31m \u202e right to left",
    "lines": "first\r\nsecond\nthird\u2028fourth",
    "half of a pair": "half \ud83d of it",
    "mentions": "@everyone @here @channel <@123456789012345678> <@&42> <!channel> <!here|here> <users/all>",
    "emoji": ":rocket: \U0001f680 \u200d",
    "long": "<&>" * 4000,
}


class _Telegram(HTMLParser):
    """The entities of the Bot API: tags of its list, closed in their order; `<` and `&` as entities."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in TAGS:
            raise ValueError(f"Unsupported start tag {tag}")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"Unexpected end tag {tag}")

    def handle_data(self, data: str) -> None:
        if "<" in data:
            raise ValueError("Unsupported start tag")
        self.text += data

    def handle_entityref(self, name: str) -> None:
        if name not in ("lt", "gt", "amp", "quot"):
            raise ValueError(f"Unknown entity {name}")
        self.text += {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[name]

    def handle_charref(self, name: str) -> None:
        self.text += chr(int(name))

    def error(self, message: str) -> None:
        raise ValueError(message)


def telegram(body: bytes) -> str:
    sent = json.loads(body)
    assert sent["parse_mode"] == "HTML"
    parser = _Telegram()
    parser.feed(sent["text"])
    parser.close()
    if parser.open or not 0 < len(parser.text) <= 4096:
        raise ValueError("can't parse entities")
    return parser.text


def discord(body: bytes) -> str:
    sent = json.loads(body)
    if len(sent["content"]) > 2000:
        raise ValueError("BASE_TYPE_MAX_LENGTH")
    return sent["content"]


def slack(body: bytes) -> str:
    (found,) = json.loads(body)["attachments"]
    return f"{found['title']}\n{found['text']}"


def mattermost(body: bytes) -> str:
    return json.loads(body)["text"]


def as_json(body: bytes) -> str:
    found = json.loads(body)
    return f"{found['title']}\n{found['message']}"


def as_xml(body: bytes) -> str:
    return "\n".join(ElementTree.fromstring(body).itertext())


def as_form(body: bytes) -> str:
    found = parse_qs(body.decode(), strict_parsing=True)
    return f"{found['title'][0]}\n{found['message'][0]}"


@contextmanager
def taking(read: Callable[[bytes], str], is_refused: Callable[[str], bool] = lambda _: False) -> Iterator[Taken]:
    """Answers 400 to what `read` cannot read, and to texts that are refused."""
    taken = Taken()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                text = read(body)
                if is_refused(text):
                    raise ValueError("refused")
                taken.texts.append(text)
                self.send_response(200)
            except (ValueError, ElementTree.ParseError) as error:
                taken.wrong.append(str(error))
                self.send_response(400)
            self.end_headers()
            self.wfile.write(b"ok" if read is slack else b'{"ok":true,"result":{}}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    taken.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Taken:
    port: int = 0
    texts: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


# Service -> what reads its requests, its address, and where apprise has the host of one that is no option.
SERVICES: dict[str, tuple[Callable[[bytes], str], str, tuple[type, str] | None]] = {
    "telegram": (telegram, "tgram://123456789:abcdefg_hijklmnop/12315544/", (NotifyTelegram, "notify_url")),
    "discord": (discord, f"discord://{'1' * 18}/{'a' * 68}/", (NotifyDiscord, "notify_url")),
    "slack": (slack, "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", (NotifySlack, "webhook_url")),
    "mattermost": (mattermost, "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4", None),
    "json": (as_json, "json://127.0.0.1:{port}/", None),
    "xml": (as_xml, "xml://127.0.0.1:{port}/", None),
    "form": (as_form, "form://127.0.0.1:{port}/", None),
}


def service(name: str, port: int, patch: pytest.MonkeyPatch) -> Service:
    _, url, host = SERVICES[name]
    if host is not None:
        patch.setattr(*host, f"http://127.0.0.1:{port}/bot")
    return Service(url.format(port=port))


def alert(message: str, subject: str = "robot:mm") -> Alert:
    return Alert(Type.RISK, Severity.CRITICAL, subject, message, 1)


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("name", SERVICES)
def test_every_service_takes_every_text_and_rings_nobody(name: str, text: str, monkeypatch: pytest.MonkeyPatch):
    with taking(SERVICES[name][0]) as taken:
        assert service(name, taken.port, monkeypatch).send(alert(f"lost 5 of 7 {text}", f"robot:mm {text[:40]}"))
    (found,) = taken.texts
    assert taken.wrong == []
    assert "onetape critical: risk robot:mm" in found and "lost 5 of 7" in found
    assert not RINGS.search(found)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", found)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_refuses_is_sent_in_a_short_form(name: str, monkeypatch: pytest.MonkeyPatch):
    with taking(SERVICES[name][0], lambda text: "%" in text) as taken:
        sink = service(name, taken.port, monkeypatch)
        assert sink.send(alert("lost 5 % of <7>\n" + "x" * 999))
    (found,) = taken.texts
    assert "onetape critical: risk robot:mm" in found and "lost 5 of 7" in found
    assert 0 < found.count("x") < SHORT_MAX and len(taken.wrong) == 1


def test_a_short_form_says_no_more_than_the_templates(monkeypatch: pytest.MonkeyPatch):
    with taking(as_json, lambda text: "%" in text) as taken:
        assert Service(f"json://127.0.0.1:{taken.port}/", 1, lambda _: ("onetape", "100 % call")).send(alert("secret"))
    assert taken.texts == ["onetape\n100 call"]


def test_what_is_refused_in_its_short_form_too_is_rejected():
    with taking(as_json, lambda _: True) as taken:
        sink = Service(f"json://127.0.0.1:{taken.port}/")
        assert not sink.send(alert("x"))
        assert sink.is_rejected and len(taken.wrong) == 2
