"""What the exchange tests share: instruments, and tables that read like a trading day.

A scenario is text, one step a line; what each step must cause stands after `->`:

    quote 100 101 5 8
    buy#1 limit 101 x3          -> accepted, fill 3@101 taker
"""

from __future__ import annotations

import re
from typing import Any

import core_tested

from onetape import _core

USDT, BTC = 1, 2
ONE = 10**18
VENUE_ORDERS = 2**62  # ids from here on are the venue's


def linear(**facts: int) -> _core.InstrumentSpec:
    """Whole prices, whole sizes: the tables below stay readable."""
    base: dict[str, Any] = {"kind": "linear", "price_decimals": 0, "size_decimals": 0}
    return _core.InstrumentSpec(**(base | facts))


def spot(**facts: int) -> _core.InstrumentSpec:
    base: dict[str, Any] = {"kind": "spot", "price_decimals": 0, "size_decimals": 0}
    return _core.InstrumentSpec(**(base | facts))


def said(events: list[dict[str, Any]]) -> str:
    """Events as the tables write them."""
    words = []
    for event in events:
        if event["event"] == "cash":
            words.append(f"{event['kind']} {event['amount'] / ONE:g}")
            continue
        if event["event"] == "loan":
            words.append("loan called" if event["called"] else "loan covered")
            continue
        made = event["order_id"] - VENUE_ORDERS
        order = f"#V{made % 2**59} " if made > 0 else f"#{event['order_id']} "
        if event["event"] == "fill":
            words.append(f"{order}fill {event['size']}@{event['price']} {event['liquidity']}")
        else:
            code = f" {event['code']}" if event["code"] else ""
            words.append(f"{order}{event['news']}{code}")
    return ", ".join(words)


_STAMPED = ("quote", "trade", "book", "change")
_ORDER = re.compile(r"(?P<side>buy|sell)#(?P<id>\d+) (?P<rest>.*)")


def _request(line: str) -> dict[str, Any]:
    """`buy#1 limit 101 x3 IOC post reduce stop=105/mark until=50 long`; `take=` a take-profit."""
    match = _ORDER.fullmatch(line)
    assert match, line
    request: dict[str, Any] = {"order_id": int(match["id"]), "side": match["side"]}
    words = match["rest"].split()
    request["type"] = words.pop(0)
    if request["type"] == "limit":
        request["price"] = int(words.pop(0))
    request["size"] = int(words.pop(0).removeprefix("x"))
    for word in words:
        key, _, value = word.partition("=")
        if word in ("IOC", "FOK"):
            request["tif"] = word
        elif word == "post":
            request["post_only"] = True
        elif word == "reduce":
            request["reduce_only"] = True
        elif word in ("long", "short"):
            request["position_side"] = word
        elif key in ("stop", "take"):
            trigger, _, by = value.partition("/")
            request["trigger_kind"] = {"stop": "stop", "take": "take_profit"}[key]
            request["trigger"] = int(trigger)
            request["trigger_by"] = by or "last"
        elif key == "until":
            request |= {"tif": "GTD", "expire": int(value)}
        else:
            raise AssertionError(f"unknown word {word}")
    return request


class Recorded:
    """A recorded exchange driven by a table; time is the line's number unless the line says."""

    def __init__(
        self, spec: _core.InstrumentSpec | None = None, *, cash: int = 10**9, holdings: int = 0, **options: Any
    ) -> None:
        self.core = core_tested.RecordedExchange(**({"leverage": 10} | options))
        self.core.add_instrument(0, spec or linear(), USDT, BTC)
        self.core.account.deposit(USDT, cash * ONE)
        self.core.account.deposit(BTC, holdings * ONE)
        self.now = 0

    def step(self, line: str) -> str:
        self.now += 1
        word, _, rest = line.partition(" ")
        core = self.core
        if word == "at":  # `at 50 <line>`
            time, _, rest = rest.partition(" ")
            self.now = int(time) - 1
            return self.step(rest)
        # `trade 100 x5 sell @40`: the venue stamped it 40; without, the source has no stamps
        rest, _, mark = rest.partition("@") if word in _STAMPED else (rest, "", "")
        stamp = {"stamp": int(mark)} if mark else {}
        if word == "quote":
            return said(core.quote(self.now, *map(int, rest.split()), **stamp))
        if word == "trade":  # trade 100 x5 [buy|sell]
            price, size, *side = rest.split()
            return said(core.trade(self.now, int(price), int(size[1:]), *side, **stamp))
        if word in ("book", "change"):  # book 100:5 99:7 | 101:3
            bids, _, asks = rest.partition("|")
            sides = [[tuple(map(int, level.split(":"))) for level in s.split()] for s in (bids, asks)]
            return said(core.book(self.now, sides[0], sides[1], word == "book", **stamp))
        if word in ("add", "modify", "gone", "hit", "clear"):
            return said(self._order(word, rest.split()))
        if word == "bar":  # bar 0-60 o h l c [volume]
            span, *numbers = rest.split()
            opened, closed = map(int, span.split("-"))
            self.now = closed - 1  # the next line still happens at the close
            return said(core.bar(opened, closed, *map(int, numbers)))
        if word == "mark":
            return said(core.mark(self.now, *map(int, rest.split())))
        if word == "funding":  # funding 0.001 [mark]
            rate, *mark = rest.split()
            return said(core.funding(self.now, round(float(rate) * 10**12), *map(int, mark)))
        if word == "clock":  # clock 150: what is due by then
            self.now = int(rest)
            return said(core.run_events(self.now))
        if word == "expire":
            return said(core.expire(int(rest)))
        if word == "finish":
            return said(core.finish(self.now))
        if word.startswith("cancel#"):
            number = int(word.removeprefix("cancel#"))
            return said(core.request(self.now, 0, kind="cancel", order_id=number))
        if word.startswith("amend#"):  # amend#1 price=99 size=3
            fields = {k: int(v) for k, v in (part.split("=") for part in rest.split())}
            number = int(word.removeprefix("amend#"))
            return said(core.request(self.now, 0, kind="amend", order_id=number, **fields))
        return said(core.request(self.now, 0, **_request(line)))

    def _order(self, word: str, rest: list[str]) -> list[dict[str, Any]]:
        """Of the venue's book: `add 7 buy 100 x5`, `modify 7 buy 99 x2`, `gone 7`, `hit 7 buy 100
        x3`, `clear [buy]`. Words behind: `snapshot`, `gap`, `reported`, `more` (not the last)."""
        words = {"snapshot", "gap", "reported", "more"}
        common = words.intersection(rest)
        rest = [each for each in rest if each not in words]
        fields: dict[str, Any] = {"action": {"gone": "cancel", "hit": "fill"}.get(word, word)}
        if word == "clear":
            fields |= {"side": rest[0]} if rest else {}
        else:
            fields["order_id"] = int(rest[0])
        if word != "clear" and len(rest) > 1:
            fields |= {"side": rest[1], "price": int(rest[2]), "size": int(rest[3][1:])}
        flags = ("snapshot" in common) * _core.FLAG_SNAPSHOT | ("gap" in common) * _core.FLAG_GAP
        return self.core.mbo(self.now, **fields, flags=flags, reported="reported" in common, last="more" not in common)

    def run(self, table: str) -> None:
        """Every line of the table; what it causes must be what stands after the arrow."""
        for raw in table.strip().splitlines():
            line = raw.split("//")[0].strip()
            if not line:
                continue
            step, _, expected = (part.strip() for part in line.partition("->"))
            got = self.step(step)
            if "#" in expected or not expected:
                assert got == expected, f"{step}: {got!r}, expected {expected!r}"
            else:  # one order is meant: numbers may be left out
                short = re.sub(r"#V?\d+ ", "", got)
                assert short == expected, f"{step}: {short!r}, expected {expected!r}"
