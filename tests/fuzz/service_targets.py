"""What venues answer and report about an account, requests to the control plane, and configurations: damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from fuzz_mutate import Target, mutate, mutate_json

from onetape.control.server import _read_body
from onetape.model.config import parse_config
from onetape.model.errors import OnetapeError
from onetape.orders.calls import Call
from onetape.orders.malformed import MALFORMED, check_reports
from onetape.orders.outcome import Answer, Outcome
from onetape.simulation.seeds import KINDS, Seed
from onetape.web.control_routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
KEPT = 6  # answers of a kind of request, and messages that begin alike
STATUSES = (200, 200, 200, 400, 429, 500)


def damaged(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return mutate_json(data, rng) if rng.random() < 0.7 else mutate(data, rng, other)


class Recorded:
    """What a simulated exchange said to a gateway that traded: answers with their calls, and its stream's messages."""

    def __init__(self, kind: str) -> None:
        self.world = world = Seed("World", kind, 5, SECONDS).begun()
        self.answers: dict[str, list[tuple[Call, bytes]]] = {}
        self.messages: dict[bytes, list[bytes]] = {}
        http, hear = world.http, world.hear

        def request_kept(call: Call) -> Any:
            reply = http(call)
            kept = self.answers.setdefault(str(call.purpose), [])
            if len(kept) < KEPT:
                kept.append((call, reply.body))
            return reply

        def message_kept(message: bytes, *of: Any) -> None:
            kept = self.messages.setdefault(message[:24], [])
            if len(kept) < KEPT:
                kept.append(message)
            hear(message, *of)

        world.http, world.hear = request_kept, message_kept  # type: ignore[method-assign]
        world.run(SECONDS)
        world.http, world.hear = http, hear  # type: ignore[method-assign]


class Venue(Target):
    """One exchange after the other is drawn, and played when it is first drawn."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.played: dict[str, Recorded] = {}

    def recorded(self, rng: random.Random) -> Recorded:
        kind = rng.choice(KINDS)
        if kind not in self.played:
            self.played[kind] = Recorded(kind)
        return self.played[kind]


class Answers(Venue):
    """An answer to a request is read, or is no answer: what became of the request is then unknown."""

    def input(self, rng: random.Random) -> bytes:
        self.of = self.recorded(rng)
        rows = self.of.answers[rng.choice(sorted(self.of.answers))]
        self.call, body = rng.choice(rows)
        self.status = rng.choice(STATUSES)
        self.headers = {"retry-after": rng.choice(("1", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 30))}
        return damaged(body, rng, rng.choice(rows)[1])

    def check(self, data: bytes) -> None:
        try:
            answer = self.of.world.protocol.answer(self.call, self.status, self.headers, data, self.of.world.now)
            check_reports(answer.reports)
            answer.text.encode()
        except MALFORMED:
            return
        assert isinstance(answer, Answer)
        assert isinstance(answer.outcome, Outcome)
        assert 0 <= answer.retry_after < 1 << 62, f"wait for {answer.retry_after} ns"


class Reports(Venue):
    """A message of the account's stream is taken by the gateway, or counted as malformed."""

    def input(self, rng: random.Random) -> bytes:
        self.of = self.recorded(rng)
        rows = self.of.messages[rng.choice(sorted(self.of.messages))]
        return damaged(rng.choice(rows), rng, rng.choice(rows))

    def check(self, data: bytes) -> None:
        world = self.of.world
        for news in world.streams.values():
            reports = news.reports_of(data)
            try:
                check_reports(reports)
            except MALFORMED:
                continue
            world.core.reports(reports, world.moment())


class Body(Target):
    """A body of a request to the control plane is the route's request, or is refused."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.routes = [each for each in ROUTES if each.method == "POST"]
        self.seeds = [
            b'{"symbol":"binance:BTC/USDT:USDT","side":"buy","qty":"0.01","price":"61800.2","dryRun":true,"key":"a1"}',
            b'{"account":"main","to":"spare","currency":"USDT","amount":"12.5","orders":["T1","T2"],"accounts":["main"]}',
            b'{"operation":"op-1","base":"BTC","legs":[{"account":"a","symbol":"x","side":"sell","qty":1e3}],"n":30000.0}',
        ]

    def input(self, rng: random.Random) -> bytes:
        return damaged(rng.choice(self.seeds), rng, rng.choice(self.seeds))

    def check(self, data: bytes) -> None:
        for route in self.routes:
            try:
                found = _read_body(data, route)
            except OnetapeError:
                continue
            assert found is None or type(found) is route.request
            assert _read_body(msgspec.json.encode(found) if found is not None else b"", route) == found


class Configuration(Target):
    """A configuration is read, or is refused with its place; what is read can be shown."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = [path.read_bytes() for path in sorted((ROOT / "src/onetape/cli/templates").glob("*.toml"))]

    def check(self, data: bytes) -> None:
        try:
            parse_config(data.decode(errors="replace"))
        except OnetapeError as error:
            assert error.location


SERVICE_TARGETS: dict[str, Callable[[Path], Target]] = {
    "answers": Answers,
    "reports": Reports,
    "body": Body,
    "configuration": Configuration,
}
