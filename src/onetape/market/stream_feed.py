"""Parse an external feed's messages into events, and detect missing ones.

[topic, {"symbol": "kraken:BTC/USD", "bid": 60000.1, "ask": 60000.2}]   -> a quote
    [topic, anything else that is JSON]                                    -> an external event

Pure: messages and changes of the connection are arguments with their times; events are
returned. An invalid message is one of the events, and never ends the feed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.model.decimals import to_decimal
from onetape.model.errors import BadInput
from onetape.model.json_text import check_depth
from onetape.model.symbol import parse_symbol
from onetape.model.time import MS, parse_time

__all__ = ["BadOut", "ExternalOut", "FeedOut", "HealthOut", "QuoteOut", "StreamFeed", "StreamRules"]

# Keys in messages; of those present the first one counts.
TIME_KEYS: Final = ("ts_event", "timestamp", "ts", "time")
SEQUENCE_KEYS: Final = ("sequence", "seq")
TOPIC_KEYS: Final = ("topic", "channel", "stream")
HEAD_CHARS: Final = 80  # length of a bad message's head on the tape
TOPIC_CHARS: Final = 200
TOPICS_MAX: Final = 10_000  # topics with tracked sequence numbers; gaps of others are not detected
BAD_EVERY_NS: Final = 1_000 * MS  # at most one frame per second for all bad messages of one reason

_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_plain = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class StreamRules:
    """The rules of one feed. name: of the feed, as in `on_health`. names: the feed's name of a symbol -> the symbol.
    bytes_max: of a message. stale_ns: the silence that is reported, 0: none. published: an event's time is that in the
    message, else its receipt. numbered: messages have consecutive sequence numbers."""

    name: str
    names: Mapping[str, str] = field(default_factory=dict)
    bytes_max: int = 1 << 20
    stale_ns: int = 0
    published: bool = False
    numbered: bool = True


@dataclass(frozen=True, slots=True)
class QuoteOut:
    """A quote of the feed. ts_event: the time in the message, else `time`."""

    time: int
    symbol: str
    ts_event: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal


@dataclass(frozen=True, slots=True)
class ExternalOut:
    """An external event of the feed. record: type, topic, ts_event (publish time), ts_recv, sequence (if any), and the
    message's value as `data`."""

    time: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HealthOut:
    """A change of the feed's state (connected, lost, stale or gap). about: further facts."""

    time: int
    state: str
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadOut:
    """Invalid messages of one reason. topic, head: of the last message; count: messages since the last frame of this
    reason."""

    time: int
    reason: str
    count: int
    topic: str
    head: str


FeedOut = QuoteOut | ExternalOut | HealthOut | BadOut


class _MessageError(Exception):
    """The reason why a message is refused, in few words, the same for all messages of its kind and without their
    text."""


class StreamFeed:
    """Reads one feed over all of its connections. Times are ns UTC."""

    def __init__(self, rules: StreamRules) -> None:
        self.rules = rules
        self.counts: Counter[str] = Counter()  # quotes, external, bad, repeated, gaps, missing
        self.bad: Counter[str] = Counter()  # by reason
        self.is_connected = False
        self.last_message = 0
        self._away_since = 0  # when the connection was lost or the feed fell silent; 0: neither
        self._sequences: dict[str, int] = {}  # topic -> last sequence number
        self._untold: dict[str, tuple[int, str, str]] = {}  # not yet reported: reason -> count, topic, head
        self._reported_at: dict[str, int] = {}

    # --- the connection ---------------------------------------------------------------------------

    def opened(self, now: int) -> list[FeedOut]:
        if self.is_connected:
            return []
        self.is_connected = True
        return [HealthOut(now, "connected", {})]

    def closed(self, now: int, why: str) -> list[FeedOut]:
        """Note a closed connection, or one that could not be made: reported once."""
        was_away = self._away_since != 0 and not self.is_connected
        self.is_connected = False
        if was_away:
            return []
        self._away_since = self._away_since or now
        return [HealthOut(now, "lost", {"why": why[:HEAD_CHARS]})]

    def dropped(self, now: int, why: str) -> list[FeedOut]:
        """Note that an unknown number of messages was dropped, because they came faster than they were processed."""
        self.counts["gaps"] += 1
        return [HealthOut(now, "gap", {"why": why[:HEAD_CHARS]})]

    def tick(self, now: int) -> list[FeedOut]:
        """Process the time; call it a few times a second."""
        found: list[FeedOut] = self._tell_bad(now)
        stale = self.rules.stale_ns
        if (
            stale
            and self.is_connected
            and not self._away_since
            and self.last_message
            and now - self.last_message > stale
        ):
            self._away_since = self.last_message
            found.append(HealthOut(now, "stale", {"since": self.last_message}))
        return found

    # --- messages ---------------------------------------------------------------------------------

    def message(self, topic: str, body: bytes, now: int) -> list[FeedOut]:
        """Process one message."""
        self.last_message, since = now, self._away_since
        found: list[FeedOut] = []
        if since:
            self._away_since = 0
            self.counts["gaps"] += 1
            about = {"since": since, "until": now, "silent_ms": (now - since) // MS}
            found.append(HealthOut(now, "gap", about))
        try:
            value = self._read(body)
            topic = topic or _topic_of(value)
            if len(topic) > TOPIC_CHARS:
                raise _MessageError(f"a topic has more than {TOPIC_CHARS} letters")
            published = _time_of(value)
            if self.rules.published and not published:
                raise _MessageError("it has no time, and the feed's clock is that of its messages")
            out = self._out(topic, body, value, published, now)
            is_new, gap = self._follow(topic, value, now)
        except _MessageError as bad:
            return found + self._bad(str(bad), topic, body, now)
        found += gap
        if is_new:
            self.counts["quotes" if isinstance(out, QuoteOut) else "external"] += 1
            found.append(out)
        return found

    def refuse(self, out: QuoteOut, reason: str) -> list[FeedOut]:
        """Note a quote that does not fit its instrument."""
        self.counts["quotes"] -= 1
        return self._bad(reason, out.symbol, b"", out.time)

    def bad_value(self, out: ExternalOut) -> list[FeedOut]:
        """Note an event that does not fit a frame."""
        return self._bad("a number beyond 64 bits", str(out.record["topic"]), b"", out.time)

    def misshapen(self, parts: int, now: int) -> list[FeedOut]:
        """Note a message with a wrong number of parts."""
        self.last_message = now
        return self._bad("neither [JSON] nor [topic, JSON]", f"{parts} parts", b"", now)

    def _read(self, body: bytes) -> Any:
        if len(body) > self.rules.bytes_max:
            raise _MessageError(f"more than {self.rules.bytes_max} bytes")
        try:
            check_depth(body)
        except msgspec.DecodeError:
            raise _MessageError("nested too deeply") from None
        try:
            return _exact(body)
        except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError):
            raise _MessageError("not JSON") from None

    def _out(self, topic: str, body: bytes, value: Any, published: int, now: int) -> QuoteOut | ExternalOut:
        time = published if self.rules.published else now
        if isinstance(value, dict) and value.keys() >= {"symbol", "bid", "ask"}:
            return self._quote(value, published or time, time)
        plain = _plain(body)
        kind = plain.get("type") if isinstance(plain, dict) else None
        record: dict[str, Any] = {
            "type": kind if isinstance(kind, str) else topic,
            "topic": topic,
            "source": self.rules.name,
            "ts_event": published,
            "ts_recv": now,
            "data": plain,
        }
        if self.rules.numbered and (sequence := _sequence_of(value)) is not None:
            record["sequence"] = sequence
        return ExternalOut(time, record)

    def _quote(self, value: dict[str, Any], ts_event: int, time: int) -> QuoteOut:
        name = value["symbol"]
        if not isinstance(name, str):
            raise _MessageError("a symbol is a text")
        symbol = self.rules.names.get(name, name)
        try:
            parse_symbol(symbol)
        except BadInput:
            raise _MessageError("a symbol that `names` does not have") from None
        bid, ask = _number(value["bid"], "bid"), _number(value["ask"], "ask")
        bid_size = _number(value.get("bid_size", 0), "bid_size")
        ask_size = _number(value.get("ask_size", 0), "ask_size")
        if bid <= 0 or ask <= 0:
            raise _MessageError("a price is not above 0")
        if bid > ask:
            raise _MessageError("bid above ask")
        if bid_size < 0 or ask_size < 0:
            raise _MessageError("a size below 0")
        return QuoteOut(time, symbol, ts_event, bid, ask, bid_size, ask_size)

    def _follow(self, topic: str, value: Any, now: int) -> tuple[bool, list[FeedOut]]:
        """Returns whether the message is new, and how many are missing before it. A number that restarts means that
        the publisher restarted."""
        number = _sequence_of(value) if self.rules.numbered else None
        if number is None:
            return True, []
        last = self._sequences.get(topic)
        if last is None and len(self._sequences) >= TOPICS_MAX:
            return True, []
        if last is None or number == last + 1:
            self._sequences[topic] = number
            return True, []
        if last >= number > 1:
            self.counts["repeated"] += 1
            return False, []
        self._sequences[topic] = number
        self.counts["gaps"] += 1
        about: dict[str, Any] = {"topic": topic, "expected": last + 1, "got": number}
        if number > last:
            about["missing"] = number - last - 1
            self.counts["missing"] += number - last - 1
        return True, [HealthOut(now, "gap", about)]

    def _bad(self, reason: str, topic: str, body: bytes, now: int) -> list[FeedOut]:
        self.counts["bad"] += 1
        self.bad[reason] += 1
        count = self._untold.get(reason, (0, "", ""))[0] + 1
        head = body[: 4 * HEAD_CHARS].decode("utf-8", "replace")[:HEAD_CHARS]
        self._untold[reason] = (count, topic[:TOPIC_CHARS], head)
        return self._tell_bad(now)

    def _tell_bad(self, now: int) -> list[FeedOut]:
        found: list[FeedOut] = []
        for reason in list(self._untold):
            if now - self._reported_at.get(reason, now - BAD_EVERY_NS) >= BAD_EVERY_NS:
                self._reported_at[reason] = now
                found.append(BadOut(now, reason, *self._untold.pop(reason)))
        return found


def _first(value: Any, keys: tuple[str, ...]) -> Any:
    if not isinstance(value, dict):
        return None
    return next((value[key] for key in keys if key in value), None)


def _topic_of(value: Any) -> str:
    found = _first(value, TOPIC_KEYS)
    return found if isinstance(found, str) else ""


def _time_of(value: Any) -> int:
    """Returns the message's time; 0: it has none."""
    found = _first(value, TIME_KEYS)
    if found is None:
        return 0
    if isinstance(found, bool) or not isinstance(found, int | str | Decimal):
        raise _MessageError("an invalid time")
    try:
        return parse_time(found)
    except BadInput:
        raise _MessageError("an invalid time") from None


def _sequence_of(value: Any) -> int | None:
    found = _first(value, SEQUENCE_KEYS)
    if found is None:
        return None
    if type(found) is not int or not 0 <= found < 2**63:
        raise _MessageError("an invalid sequence number")
    return found


def _number(value: Any, what: str) -> Decimal:
    try:
        return to_decimal(value)
    except (TypeError, ValueError):
        raise _MessageError(f"{what} is not a number") from None
